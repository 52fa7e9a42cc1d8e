"""Provision references, document numbers and dates in Vietnamese text: one spaCy pipeline for questions and documents.

Texts may be written with or without accents, in NFC or NFD; offsets are into the text as given. The tokens carry
folded words (NORM), rules of a SpanRuler find the single mentions, and the mentions are then put together:
"điểm đ khoản 1 và khoản 3 Điều 5" names two provisions.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

import spacy
from spacy.tokens import Doc

from core.text import nfc
from core.text.aligned import Aligned

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.vocab import Vocab

__all__ = ["DateMention", "NumberMention", "ProvisionMention", "Spans", "find_spans"]


@dataclass(frozen=True, slots=True)
class ProvisionMention:
    """A provision named by its numbers, as written (NFC): "khoản 2 Điều 30" has no point."""

    article: str | None
    clause: str | None
    point: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NumberMention:
    """A document number, NFC and without spaces, in the letter case of the text: "12-QĐ/HTN", "92/2015/QH13"."""

    number: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DateMention:
    """A full date: "ngày 26/7/2026", "01 tháng 01 năm 2021"."""

    day: date
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Spans:
    """What :func:`find_spans` found, each kind in the order of the text."""

    provisions: tuple[ProvisionMention, ...]
    numbers: tuple[NumberMention, ...]
    dates: tuple[DateMention, ...]


_TOKEN = re.compile(
    r"\d{1,2}[/.-]\d{1,2}[/.-]\d{4}(?![\w/])"  # 26/7/2026
    r"|\d{1,5}[a-z]?(?:/\d{4})?(?:[-/][a-z][a-z0-9]{0,11}){1,4}(?![a-z0-9])"  # 12-QĐ/HTN, 92/2015/QH13
    r"|\d{1,5}/(?:19|20)\d\d(?!\w)"  # 135/2020
    r"|\d+(?:\.\d+)+"  # 8.1
    r"|[a-z]{2,8}(?:[-/][a-z]{2,12})+"  # QĐ/HTN after "12 - "
    r"|[^\W_]+|[^\w\s]|_",
    re.IGNORECASE,
)
_FULL_NUMBER = r"^\d{1,5}[a-z]?(?:/\d{4}(?:[-/][a-z][a-z0-9]*)+|[-/][a-z][a-z0-9]*(?:[-/][a-z][a-z0-9]*)+)$"
_ANY_NUMBER = r"^\d{1,5}[a-z]?(?:/\d{4})?(?:[-/][a-z][a-z0-9]*)+$|^\d{1,5}/\d{4}$"
_CODE = r"^[a-z]{2,8}(?:[-/][a-z]{2,12})+$"
_DAY = {"NORM": {"REGEX": r"^\d{1,2}$"}}
_YEAR = {"NORM": {"REGEX": r"^\d{4}$"}}
_UNIT_VALUE = {
    "dieu": re.compile(r"\d{1,4}[a-z]?\d?"),
    "khoan": re.compile(r"\d{1,3}[a-z]?\d?(?:\.\d{1,3})*"),
    "diem": re.compile(r"[a-z]\d?|\d{1,2}"),
}
_RULES = [
    {"label": "NUMBER", "pattern": [{"NORM": {"REGEX": _FULL_NUMBER}}]},
    {"label": "NUMBER", "pattern": [{"NORM": "so"}, {"NORM": ":", "OP": "?"}, {"NORM": {"REGEX": _ANY_NUMBER}}]},
    {
        "label": "NUMBER",
        "pattern": [
            {"NORM": {"REGEX": r"^\d{1,5}[a-z]?(?:/\d{4})?$"}},
            {"NORM": {"IN": ["-", "–", "/"]}},
            {"NORM": {"REGEX": _CODE}},
        ],
    },
    {
        "label": "NUMBER",
        "pattern": [
            {"NORM": {"IN": ["dinh", "tu", "luat", "quyet", "che", "thi", "dan"]}},
            {"NORM": {"REGEX": r"^\d{1,5}/\d{4}$"}},
        ],
    },
    {
        "label": "DATE",
        "pattern": [
            {"NORM": "ngay", "OP": "?"},
            _DAY,
            {"NORM": ",", "OP": "?"},
            {"NORM": "thang"},
            _DAY,
            {"NORM": ",", "OP": "?"},
            {"NORM": "nam"},
            _YEAR,
        ],
    },
    {
        "label": "DATE",
        "pattern": [{"NORM": "ngay", "OP": "?"}, {"NORM": {"REGEX": r"^\d{1,2}([/.-])\d{1,2}[/.-]\d{4}$"}}],
    },
    {"label": "dieu", "pattern": [{"NORM": "dieu"}, {"NORM": {"REGEX": rf"^(?:{_UNIT_VALUE['dieu'].pattern})$"}}]},
    {"label": "khoan", "pattern": [{"NORM": "khoan"}, {"NORM": {"REGEX": rf"^(?:{_UNIT_VALUE['khoan'].pattern})$"}}]},
    {"label": "diem", "pattern": [{"NORM": "diem"}, {"NORM": {"REGEX": rf"^(?:{_UNIT_VALUE['diem'].pattern})$"}}]},
]
_LINKS = frozenset({",", "cua", "tai", "thuoc", "va", "hoac", "hay", "o", "trong", "cac", "den", "toi", "tu"})
_LIST_SIGNS = frozenset({",", "va", "hoac", "hay"})
# What may follow a further number of a list, so that "Điều 5 và 3 người" names one article.
_AFTER_LIST = _LINKS | frozenset(
    ["dieu", "khoan", "diem", "luat", "bo", "nghi", "thong", "quy", "quyet", "hien", "phap", "nay", "noi", "la", "co"]
)


_LOCK = threading.Lock()


class _Tokenizer:
    """Words, numbers, document numbers and punctuation marks, without white space; offsets in ``doc.user_data``."""

    def __init__(self, vocab: Vocab) -> None:
        self.vocab = vocab

    def __call__(self, text: str) -> Doc:
        found = list(_TOKEN.finditer(text))
        doc = Doc(self.vocab, words=[m.group() for m in found], spaces=[True] * len(found))
        doc.user_data["offsets"] = [m.span() for m in found]
        return doc


@lru_cache(maxsize=1)
def _pipeline() -> Language:
    nlp = spacy.blank("vi", config={"nlp": {"tokenizer": {"use_pyvi": False}}})
    nlp.tokenizer = _Tokenizer(nlp.vocab)
    ruler = nlp.add_pipe("span_ruler", config={"spans_key": "mentions"})
    ruler.add_patterns(_RULES)
    return nlp


@dataclass(slots=True)
class _Unit:
    kind: str
    values: list[tuple[str, int, int]]  # as written, offsets of the value
    first: int  # tokens
    last: int
    start: int


def find_spans(text: str) -> Spans:
    """Find what *text* names, in any thread. Never fails; a date that does not exist (31/02/2020) is left out."""
    aligned = Aligned(text)
    # The zone lets spaCy forget the words of this text, or a server's memory would grow with every new word.
    with _LOCK, _pipeline().memory_zone():
        return _find(aligned, _pipeline()(aligned.plain))


def _find(aligned: Aligned, doc: Doc) -> Spans:
    offsets: list[tuple[int, int]] = doc.user_data["offsets"]
    numbers: dict[int, NumberMention] = {}
    dates: dict[int, DateMention] = {}
    units: list[_Unit] = []
    for span in sorted(doc.spans["mentions"], key=lambda s: (s.start, -s.end)):
        if span.label_ == "NUMBER":
            mention = _number(aligned, doc, offsets, span.start, span.end)
            numbers.setdefault(mention.end, mention)
        elif span.label_ == "DATE":
            found = _date(aligned, offsets, span.start, span.end)
            if found is not None:
                dates.setdefault(found.end, found)
        elif not units or span.start >= units[-1].last:
            units.append(_unit(aligned, doc, offsets, span.label_, span.start))
    return Spans(
        tuple(_assemble(aligned, doc, units)),
        tuple(sorted(numbers.values(), key=lambda n: n.start)),
        tuple(sorted(dates.values(), key=lambda d: d.start)),
    )


def _original(aligned: Aligned, start: int, end: int) -> str:
    return nfc(aligned.slice(start, end))


def _number(aligned: Aligned, doc: Doc, offsets: list[tuple[int, int]], first: int, last: int) -> NumberMention:
    while not doc[first].norm_[0].isdigit():
        first += 1
    start, end = offsets[first][0], offsets[last - 1][1]
    return NumberMention("".join(_original(aligned, start, end).split()), aligned.start(start), aligned.end(end))


def _date(aligned: Aligned, offsets: list[tuple[int, int]], first: int, last: int) -> DateMention | None:
    start, end = offsets[first][0], offsets[last - 1][1]
    day, month, year = (int(n) for n in re.findall(r"\d+", aligned.plain[start:end]))
    try:
        return DateMention(date(year, month, day), aligned.start(start), aligned.end(end))
    except ValueError:
        return None


def _unit(aligned: Aligned, doc: Doc, offsets: list[tuple[int, int]], kind: str, first: int) -> _Unit:
    """The unit whose word is token *first*, with the further numbers of a list ("khoản 1, 2 và 3")."""
    pattern = _UNIT_VALUE[kind]

    def value(token: int) -> tuple[str, int, int]:
        start, end = offsets[token]
        return _original(aligned, start, end), start, end

    values = [value(first + 1)]
    last = first + 2
    while last + 1 < len(doc) and doc[last].norm_ in _LIST_SIGNS and pattern.fullmatch(doc[last + 1].norm_):
        after = doc[last + 2].norm_ if last + 2 < len(doc) else "."
        if after not in _AFTER_LIST and after[:1].isalnum():
            break
        values.append(value(last + 1))
        last += 2
    return _Unit(kind, values, first, last, offsets[first][0])


def _assemble(aligned: Aligned, doc: Doc, units: list[_Unit]) -> list[ProvisionMention]:
    mentions: list[ProvisionMention] = []
    chain: list[_Unit] = []
    for unit in units:
        linked = chain and all(doc[n].norm_ in _LINKS for n in range(chain[-1].last, unit.first))
        if chain and not linked:
            mentions += _chain(aligned, chain)
            chain = []
        chain.append(unit)
    if chain:
        mentions += _chain(aligned, chain)
    return sorted(mentions, key=lambda m: (m.start, m.end))


@dataclass(slots=True)
class _Draft:
    numbers: dict[str, str]
    start: int
    end: int


def _chain(aligned: Aligned, units: list[_Unit]) -> list[ProvisionMention]:
    """The provisions that a run of units names, from the smallest unit upwards or from the article downwards."""
    upwards = units[-1].kind == "dieu" or all(u.kind != "dieu" for u in units)
    ranks = {"diem": 0, "khoan": 1, "dieu": 2}
    done: list[_Draft] = []
    open_drafts: list[_Draft] = []
    for unit in units if upwards else reversed(units):
        rank = ranks[unit.kind]
        waiting = [d for d in open_drafts if unit.kind not in d.numbers and min(ranks[k] for k in d.numbers) < rank]
        value, _, end = unit.values[0]
        if waiting and len(unit.values) == 1:
            for draft in waiting:
                draft.numbers[unit.kind] = value
                draft.start, draft.end = min(draft.start, unit.start), max(draft.end, end)
        else:
            for value, start, end in unit.values:
                begin = unit.start if (value, start, end) == unit.values[0] else start
                open_drafts.append(_Draft({unit.kind: value}, begin, end))
        if unit.kind == "dieu":
            done += open_drafts
            open_drafts = []
    done += open_drafts
    return [
        ProvisionMention(
            draft.numbers.get("dieu"),
            draft.numbers.get("khoan"),
            draft.numbers.get("diem"),
            aligned.start(draft.start),
            aligned.end(draft.end),
        )
        for draft in done
    ]
