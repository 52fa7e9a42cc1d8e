"""The sentences of a provision, and the one that decides a question."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from underthesea import sent_tokenize

from core.text import nfc, syllables
from knowledge.question_words import content_mask, question_syllables

__all__ = ["Span", "deciding_sentence", "split_sentences"]


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of code points in a text."""

    start: int
    end: int


_LINE = re.compile(r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+")
# A point inside a line: "… gồm: a) …; b) …".
_INLINE_POINT = re.compile(r"(?<=[;:.,])[^\S\r\n]+(?=[a-zđ]\)\s)")
_CLOSING = "”’»)]"
_NUMBERING = re.compile(r"(?:(?:Điều|khoản|mục)\s+)?(?:\d{1,3}|[a-zđ]|[IVXLC]{1,6})\s*[.)/]+", re.IGNORECASE)
_NUMBER = r"(?:\d+|mot|hai|ba|bon|nam|sau|bay|tam|chin|muoi|nua|phan|tram|nghin|trieu)"
_QUANTITY = re.compile(rf"\b{_NUMBER}\b")
_COUNTED = re.compile(r"\b(?:may|bao nhieu) (\w+)")
_TIME = re.compile(r"\b(?:ngay|thang|nam|gio|tuan|quy|khi|truoc|sau|ke tu|thoi han|thoi diem|hang nam)\b")
_PLACE = re.compile(r"\b(?:tai|dat o|noi|tru so|dia diem|dia chi)\b")
_PROHIBITION = re.compile(r"\b(?:khong|cam|nghiem cam|tru|chi duoc|phai|duoc)\b")
_ASKS = (
    (re.compile(r"\b(?:bao nhieu|may|bao lau|ty le|muc)\b"), _QUANTITY),
    (re.compile(r"\b(?:khi nao|bao gio|luc nao|ngay nao|thang nao|nam nao|bao lau|thoi han)\b"), _TIME),
    (re.compile(r"\b(?:o dau|cho nao|noi nao)\b"), _PLACE),
    (re.compile(r"\b(?:khong|duoc phep|dung hay sai|phai)\s*[?.]?\s*$|\bco (?:duoc|phai|bi)\b"), _PROHIBITION),
)
"""What a question asks for, and how a sentence that says it looks (both folded)."""
_LISTS = re.compile(
    r"\b(?:nhung gi|gom|bao gom|nhung ai|cac loai|nhung loai|truong hop nao|nao sau day|hinh thuc nao|nhung)\b"
)
_DEFINES = re.compile(r"^(?P<term>.{2,60}?) (?:la gi|la ai|duoc hieu|nghia la|la nhu the nao)\b")

# Chosen by hand on questions of which none is among those that measure the result.
_PAIR_WEIGHT = 1.5
_SAID_IN_HEADING = 0.35
_ASKED_FOR = 0.12
_COUNT = 0.3
_LIST_OPENING = 0.15
_DEFINITION = 0.4
_LONG = 0.03


def deciding_sentence(question: str, clause_text: str, *, heading: str = "") -> Span | None:
    """The sentence or point of *clause_text* that decides *question*; None when the text is blank.

    The sentence that covers most of the question's content syllables and pairs, folded; what few of the sentences have
    weighs most, what the *heading* says already weighs little. What is asked for (a number, a time, a place, whether
    something is allowed, a list, a definition) and brevity decide between near equals. Cosines of sentence embeddings
    were tried as well and decided nothing better.
    """
    spans = split_sentences(clause_text)
    if len(spans) < 2:
        return spans[0] if spans else None
    units = [clause_text[span.start : span.end] for span in spans]
    scores = _scores(question, units, heading)
    return spans[max(range(len(spans)), key=lambda index: (scores[index], -index))]


def _scores(question: str, units: Sequence[str], heading: str) -> list[float]:
    written, folded = question_syllables(question)
    content = content_mask(written)
    asked = {term for term, keep in zip(folded, content, strict=True) if keep}
    asked_pairs = set(pairwise(folded))
    terms = [syllables(unit) for unit in units]
    known = [set(unit) for unit in terms]
    known_pairs = [set(pairwise(unit)) for unit in terms]
    in_heading = set(syllables(heading))
    size = len(units)

    def weight(found: int, said: bool) -> float:
        return (_SAID_IN_HEADING if said else 1.0) * math.log(1 + (size + 0.5) / (found + 0.5))

    weights = {term: weight(sum(term in unit for unit in known), term in in_heading) for term in asked}
    pair_weights = {
        pair: _PAIR_WEIGHT * weight(sum(pair in unit for unit in known_pairs), set(pair) <= in_heading)
        for pair in asked_pairs
        if pair[0] in asked or pair[1] in asked
    }
    total = sum(weights.values()) + sum(pair_weights.values()) or 1.0
    plain = " ".join(folded)
    lists = _LISTS.search(plain) is not None
    wanted = [look for cue, look in _ASKS if cue.search(plain)]
    definition = _DEFINES.search(plain)
    counted = _COUNTED.search(plain)
    count = re.compile(rf"\b{_NUMBER} (?:\w+ )?{counted[1]}\b") if counted else None
    scores = []
    for unit, has, pairs, words in zip(units, known, known_pairs, terms, strict=True):
        score = sum(w for term, w in weights.items() if term in has)
        score += sum(w for pair, w in pair_weights.items() if pair in pairs)
        score /= total
        text = " ".join(words[1:] if _is_numbering(unit.split(maxsplit=1)[0]) else words)
        if count and count.search(text):
            score += _COUNT
        if wanted:
            score += _ASKED_FOR * sum(look.search(text) is not None for look in wanted) / len(wanted)
        if lists and unit.rstrip().endswith(":"):
            score += _LIST_OPENING
        if definition and re.match(rf"{re.escape(definition['term'])} (?:la|gom|bao gom)\b", text):
            score += _DEFINITION
        scores.append(score - _LONG * math.log1p(len(words)))
    return scores


def split_sentences(text: str) -> list[Span]:
    """Split *text* into sentences, lines and enumerated points ("a) …;"), in order, disjoint, without outer whitespace.

    Nothing but whitespace lies between the spans, so no character of the text is lost; offsets are of *text* as it is
    (NFD and CRLF too). A number or letter that opens a clause or point belongs to its first sentence.
    """
    spans: list[Span] = []
    for line in _LINE.finditer(text):
        starts = [line.start(), *(m.end() for m in _INLINE_POINT.finditer(text, line.start(), line.end()))]
        for start, end in pairwise([*starts, line.end()]):
            spans += _sentences_of(text, start, end)
    return spans


def _sentences_of(text: str, start: int, end: int) -> list[Span]:
    """The sentences of ``text[start:end]``, one line or point."""
    raw = text[start:end]
    composed, offsets = _composed(raw)
    cuts = [0]
    position = 0
    for piece in sent_tokenize(composed):
        found = composed.find(piece, position)
        if found < 0:  # the tokeniser changed a character: what is left stays one sentence
            break
        position = found + len(piece)
        while found < position and composed[found] in _CLOSING:  # it belongs to the sentence before
            found += 1
        if found > cuts[-1] and _may_begin(composed[found:]) and not _is_numbering(composed[cuts[-1] : found]):
            cuts.append(found)
    return [
        span
        for first, last in pairwise([*cuts, len(composed)])
        if (span := _trimmed(text, start + offsets[first], start + offsets[last])) is not None
    ]


def _composed(raw: str) -> tuple[str, list[int]]:
    """*raw* in NFC, and for each of its positions (and its end) the offset in *raw*."""
    composed, offsets, start = [], [], 0
    for end in range(1, len(raw) + 1):
        if end == len(raw) or not unicodedata.combining(raw[end]):
            cluster = nfc(raw[start:end])
            composed.append(cluster)
            offsets += [start] * len(cluster)
            start = end
    return "".join(composed), [*offsets, len(raw)]


def _may_begin(rest: str) -> bool:
    """Whether a sentence may begin so: an abbreviation's full stop ("đ.c Nam") or "./." is not followed by one."""
    letter = next((character for character in rest if character.isalnum()), "")
    return letter.isupper() or letter.isdigit()


def _is_numbering(piece: str) -> bool:
    return _NUMBERING.fullmatch(piece.strip()) is not None


def _trimmed(text: str, start: int, end: int) -> Span | None:
    piece = text[start:end]
    stripped = piece.strip()
    if not stripped:
        return None
    start += len(piece) - len(piece.lstrip())
    return Span(start, start + len(stripped))
