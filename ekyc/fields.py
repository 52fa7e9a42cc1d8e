"""Words of a card to its values, anchored on the labels: no boxes, so that layouts may differ.

A label is searched in every line; its value is what follows on the line up to the next label or a wide gap, else what stands
below it. Home town and issuer may run on in the next line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from rapidfuzz.distance import Levenshtein

from core.text import nfc
from ekyc.ocr.base import Box, Word
from ekyc.results import FIELDS
from ekyc.templates import OTHER, Template, plain
from ekyc.values import DASHES, Value, around, read_value
from ekyc.words import may_be, named

RUNS_ON = ("home_town", "issuer")
"""Fields whose value may take two lines."""
TEXTS = ("full_name", "home_town", "issuer")
"""Fields whose value begins with a capital."""
LONGEST_LABEL = 7
"""Words."""
BEFORE = 1.2
"""Clear ground before a value without label, in heights of a word: another word of it would stand nearer."""
VAGUEST = 0.55
"""How much of a label must be made out not to be taken for a value."""
_CUT = re.compile(r"(?<=:)(?=[^\s:])|(?<=[^\W\d_]{2})(?=\d{2})|(?<=\d{4})(?=[^\W\d_]{2})")
"""Where one reader's word is two: after a colon, between letters and a number."""


@dataclass(frozen=True)
class Found:
    """All values of a view. ``places``: where the value of a labelled field should stand, read or not."""

    values: dict[str, Value] = field(default_factory=dict)
    places: dict[str, tuple[Box, ...]] = field(default_factory=dict)
    spans: dict[str, Box] = field(default_factory=dict)
    """The whole of the line on which a value stands, from its label to the next one."""
    scores: dict[str, float] = field(default_factory=dict)
    """How sure each label is; to compare views."""
    labels: int = 0
    """How many different fields have a label on the card."""
    exact: frozenset[str] = frozenset()
    """The fields whose label was read letter by letter."""


@dataclass(frozen=True)
class _Label:
    line: int
    first: int
    last: int
    field: str
    score: float
    exact: bool = False


def find(
    words: Sequence[Word],
    template: Template,
    width: int,
    *,
    missing: Collection[str] = FIELDS,
    taken_up: Sequence[Box] = (),
    least: float = 1.0,
) -> Found:
    """The values that the labels of *template* point to among the *words* of a picture *width* pixels wide.

    *least* below 1: the fields *missing* are looked for by labels as little alike as that, where a value stands by them; words
    in the boxes *taken_up* are left out.
    """
    lines = rows([word for word in words if not inside(word.box, taken_up)] if taken_up else words)
    if not lines:
        return Found()
    height = typical_height(words)
    if least < 1 and len(taken_up) >= 3:  # the heading is no label
        top = min(box[1] for box in taken_up) - 2.2 * height
        lines = [line for line in lines if line[0].middle > top]
    labels = _labels(lines, template, height, missing, least)
    found: dict[str, Value] = {}
    places: dict[str, tuple[Box, ...]] = {}
    spans: dict[str, Box] = {}
    scores: dict[str, float] = {}
    exact: dict[str, bool] = {}
    for label in labels:
        if label.field == OTHER or label.field not in missing:
            continue
        place, span, taken = _value_words(label, labels, lines, height, width, template)
        value = read_value(label.field, taken, template)
        if least < 1 and (value is None or like_label(value.text, template) or not _of_its_kind(label.field, value)):
            continue
        if value and label.field not in TEXTS:
            place = _tight(label.field, value, taken, template)
        # A label may be printed twice (a title, a note): the one with a value that can be read counts.
        worth = label.score + (10 if value else 0)
        if worth > scores.get(label.field, -1):
            scores[label.field] = worth
            exact[label.field] = label.exact
            places[label.field] = place
            spans[label.field] = span
            found.pop(label.field, None)
            if value:
                found[label.field] = value
    return Found(found, places, spans, scores, len(places), frozenset(name for name in exact if exact[name]))


def _of_its_kind(name: str, value: Value) -> bool:
    return name not in TEXTS or may_be(name, value.text)


def _tight(name: str, value: Value, lines: Sequence[Sequence[Word]], template: Template) -> tuple[Box, ...]:
    """The box of those words of *lines* that make up *value*, a number or a date: what else is on the line is another's."""
    words = [word for line in lines for word in line]
    for count in range(1, len(words) + 1):
        for first in range(len(words) - count + 1):
            part = words[first : first + count]
            read = read_value(name, [part], template)
            if read and read.text == value.text:
                return (around(part),)
    return value.boxes


def _begins_label(words: Sequence[Word], template: Template) -> bool:
    """Whether *words* look like a label that was not recognised: unlike a name, its second word is small."""
    if len(words) > 1 and words[1].text[0].isupper():
        return False
    together = ""
    for word in words[:LONGEST_LABEL]:
        together += plain(word.text)
        if len(together) < 4:
            continue
        for label in template.labels:
            if len(label) < 5:
                continue
            if Levenshtein.normalized_similarity(label, together) >= 0.75 or (
                len(together) >= 5 and label.startswith(together)
            ):
                return True
    return False


def inside(box: Box, boxes: Sequence[Box]) -> bool:
    """Whether the middle of *box* lies in one of *boxes*."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return any(left <= x <= right and top <= y <= bottom for left, top, right, bottom in boxes)


def in_order(template: Template, places: Mapping[str, Box]) -> bool:
    """Whether the fields at *places* (the first line of each) stand as *template* prints them, down the card and along each line."""
    printed = [places[name] for name in template.order if name in places]
    return all(_before(one, other) for number, one in enumerate(printed) for other in printed[number + 1 :])


def _before(one: Box, other: Box) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    if shared > 0.5 * min(one[3] - one[1], other[3] - other[1]):
        return one[0] < other[0]
    return one[1] + one[3] < other[1] + other[3]


def like_label(text: str, template: Template) -> bool:
    """Whether *text* may be a label rather than a value."""
    written = plain(text)
    return any(Levenshtein.normalized_similarity(label, written) >= 0.6 for label in template.labels)


def typical_height(words: Sequence[Word]) -> float:
    """Median height of the words that hold letters or digits."""
    heights = [word.height for word in words if any(c.isalnum() for c in word.text)]
    return float(np.median(heights)) if heights else 1.0


def rows(words: Sequence[Word]) -> list[list[Word]]:
    """Words in lines from top to bottom, each from left to right; columns side by side make one line.

    Each word joins the line whose last word on its left overlaps it most in height: that follows a line that runs
    slightly up or down.
    """
    lines: list[list[Word]] = []
    height = typical_height(words)
    # Specks, borders and the portrait's outlines are no words; they would draw real words out of their line.
    real = [
        word
        for word in words
        if word.confidence >= 0.1 and word.height < 2.3 * height and (word.height > 0.4 * height or word.text in DASHES)
    ]
    for word in sorted((piece for word in real for piece in _pieces(word)), key=lambda word: word.box[0]):
        best, overlap = None, 0.45
        for line in lines:
            last = max(line[-2:], key=lambda one: (one.text not in DASHES, one.box[0]))
            shared = min(last.box[3], word.box[3]) - max(last.box[1], word.box[1])
            share = shared / max(1, min(last.height, word.height))
            if share > overlap:
                best, overlap = line, share
        if best is None:
            lines.append([word])
        else:
            best.append(word)
    return sorted(lines, key=lambda line: float(np.median([word.middle for word in line])))


def _pieces(word: Word) -> Iterator[Word]:
    """The word, cut where a reader glued two together; boxes by the number of letters."""
    parts = _CUT.split(word.text)
    left, _, right, _ = word.box
    each = (right - left) / max(1, len(word.text))
    at = 0
    for part in parts:
        box = (round(left + at * each), word.box[1], round(left + (at + len(part)) * each), word.box[3])
        at += len(part)
        if part.strip():
            yield Word(nfc(part), box, word.confidence)


def _labels(
    lines: list[list[Word]], template: Template, height: float, missing: Collection[str], least: float
) -> list[_Label]:
    """Labels in reading order, none overlapping another; the longer and more alike one is kept."""
    candidates: list[_Label] = []
    for index, line in enumerate(lines):
        folded = [plain(word.text) for word in line]
        for first in range(len(line)):
            together = ""
            for last in range(first, min(first + LONGEST_LABEL, len(line))):
                if last > first and line[last].box[0] - line[last - 1].box[2] > 1.6 * height:
                    break
                together += folded[last]
                if together and folded[last] and folded[first]:
                    candidates += _match(together, line, index, first, last, template, height)
                    if least < 1:
                        candidates += _guess(together, line, index, first, last, template, height, missing, least)
                if line[last].text.endswith(":"):
                    break
    chosen: list[_Label] = []
    for label in sorted(candidates, key=lambda label: -label.score):
        if not any(
            other.line == label.line and other.first <= label.last and label.first <= other.last for other in chosen
        ):
            chosen.append(label)
    return sorted(chosen, key=lambda label: (label.line, label.first))


def _starts(line: list[Word], first: int, height: float) -> bool:
    """Whether the word *first* of *line* begins a line or a column: what stands after a gap or a whole number does."""
    if first == 0:
        return True
    before = line[first - 1]
    return line[first].box[0] - before.box[2] > 0.8 * height or sum(c.isdigit() for c in before.text) >= 6


def unlabelled(
    name: str,
    words: Sequence[Word],
    template: Template,
    width: int,
    fits: Callable[[str], bool],
    taken_up: Sequence[Box],
) -> Found:
    """The value of *name* (of the texts) where its label cannot be read: what *fits* it, below some of what is *taken_up*.

    What stands right before it belongs to its span: print or glare there leave a doubt.
    """
    lines = rows([word for word in words if not inside(word.box, taken_up)])
    height = typical_height(words)
    labels = _labels(lines, template, height, FIELDS, VAGUEST)
    ends = {(label.line, label.last) for label in _labels(lines, template, height, FIELDS, 1.0)}
    for index, line in enumerate(lines):
        for first, word in enumerate(line):
            starts = _starts(line, first, height) or line[first - 1].text.endswith(":")
            if not (starts and word.text[0].isupper()) or _labelled(index, [word], labels, lines):
                continue
            if (index, first - 1) in ends:  # another field's value
                continue
            if not any(box[3] < word.middle for box in taken_up):
                continue
            place, span, taken = _value_words(
                _Label(index, first, first - 1, name, 0), labels, lines, height, width, template
            )
            value = read_value(name, taken, template)
            if value is None or not fits(value.text) or like_label(value.text, template):
                continue
            left = max(0, word.box[0] - round(BEFORE * height))
            return Found({name: value}, {name: place}, {name: (left, *span[1:])}, {name: 0.0}, 1)
    return Found()


def _match(
    together: str, line: list[Word], index: int, first: int, last: int, template: Template, height: float
) -> Iterator[_Label]:
    colon = line[last].text.endswith(":") or (last + 1 < len(line) and line[last + 1].text.startswith(":"))
    starts = _starts(line, first, height)
    # Only the first word of a label is written large: "Nguyễn Quốc" is none for the home town.
    name = last > first and line[first + 1].text[0].isupper() and named(line[first].text) and not colon
    for text, wanted, alike in _like(tuple(template.labels.items()), together):
        # A label begins a line or a column, or ends in a colon: else "Ban Thường vụ" would hold "Thường trú".
        if (starts or (colon and len(text) >= 5)) and (alike == 1 or not name):
            score = len(text) * (alike - 0.5) + 1.5 * colon + 0.5 * starts
            yield _Label(index, first, last, wanted, score, exact=alike == 1)


@lru_cache(maxsize=8192)
def _like(labels: tuple[tuple[str, str], ...], together: str) -> tuple[tuple[str, str, float], ...]:
    """Those of *labels* (text and field) that *together* may be a reading of, and how much alike they are."""
    found = []
    for text, wanted in labels:
        if abs(len(text) - len(together)) > max(1, len(text) // 10):
            continue
        needed = 1.0 if len(text) < 5 else 0.8 if len(text) < 8 or wanted == OTHER else 0.74
        alike = Levenshtein.normalized_similarity(text, together, score_cutoff=needed)
        if alike >= needed:
            found.append((text, wanted, alike))
    return tuple(found)


def _guess(
    together: str,
    line: list[Word],
    index: int,
    first: int,
    last: int,
    template: Template,
    height: float,
    missing: Collection[str],
    least: float,
) -> Iterator[_Label]:
    """A label of which little more than half was made out, or less: the nearest of all, unless it was read for certain."""
    starts = _starts(line, first, height)
    # Only the first word of a label is written large: two such words are a name.
    names = last > first and line[first].text[0].isupper() and line[first + 1].text[0].isupper()
    if not starts or len(together) < 4 or names:
        return
    alike, field = max(
        (Levenshtein.normalized_similarity(text, together), field) for text, field in template.labels.items()
    )
    sure = float(np.mean([word.confidence for word in line[first : last + 1]]))
    if alike >= least and field in missing and (sure < 0.9 or alike >= 0.7):
        yield _Label(index, first, last, field, len(together) * (alike - 0.5) * 0.5)


def _value_words(
    label: _Label, labels: list[_Label], lines: list[list[Word]], height: float, width: int, template: Template
) -> tuple[tuple[Box, ...], Box, list[list[Word]]]:
    """Where the value of *label* stands (a box a line), the span of its first line, and its words, line by line."""
    line = lines[label.line]
    head = line[label.first]
    following = next((one for one in labels if one.line == label.line and one.first > label.last), None)
    end = following.first if following else len(line)
    border = line[following.first].box[0] - round(0.3 * height) if following else width
    after = label.last + 1
    for next_ in range(after, min(after + 2, end)):
        if line[next_].text.endswith(":") and not any(c.isdigit() for c in line[next_].text):
            after = next_ + 1  # the rest of the label, read badly
    while label.field in TEXTS and after < end and _small(line[after]):
        after += 1
    same = until_gap(line[after:end], height)
    if (
        same
        and same[0].box[0] - line[after - 1].box[2] > 3.5 * height
        and (under := _below(label.line, head, border, labels, lines, height))
        and abs(under[1][0].box[0] - head.box[0]) < height
        and under[1][0].box[1] - head.box[3] < 1.2 * height
    ):
        same = []  # a caption far to the right belongs to the portrait: the value stands right under its label
    start = line[after - 1].box[2]
    place: Box = (start + round(0.1 * height), head.box[1], border, head.box[3])
    taken = [same] if same else []
    if not same:
        below = _below(label.line, head, border, labels, lines, height)
        if below is None:
            return ((place,), place, [])
        at, words = below
        taken = [words]
        start = head.box[0] - round(0.3 * height)
    else:
        at = label.line
    if label.field in RUNS_ON and taken:
        taken += _continued(at, head, taken[0], border, labels, lines, height, template)
    boxes = tuple(around(words) for words in taken)
    span = (start, boxes[0][1], border, boxes[0][3]) if boxes else place
    return (boxes or (place,), span, taken)


def _small(word: Word) -> bool:
    """Whether *word* is a short one in small letters: no name, place or title begins so, the rest of a label does."""
    letters = word.text.strip(".,:;'\"-“”‘’")
    return 0 < len(letters) <= 4 and letters[0].islower()


def until_gap(words: list[Word], height: float) -> list[Word]:
    """Words up to a gap that separates columns; marks without letters at the edges left out."""
    kept: list[Word] = []
    for word in words:
        if not any(c.isalnum() for c in word.text) and not (kept and word.text in DASHES):
            continue
        if kept:
            gap = word.box[0] - kept[-1].box[2]
            small = word.height < 0.6 * float(np.median([one.height for one in kept])) and word.text not in DASHES
            if gap > 3.2 * height or (gap > 1.3 * height and (word.confidence < 0.4 or small)):
                break
        kept.append(word)
    return kept


def _below(
    at: int, head: Word, border: int, labels: list[_Label], lines: list[list[Word]], height: float
) -> tuple[int, list[Word]] | None:
    """The line under the label and its words in the label's column, when no label stands there."""
    for index in range(at + 1, min(at + 4, len(lines))):
        line = lines[index]
        words = [word for word in line if head.box[0] - 1.2 * height <= word.box[0] < border]
        words = [word for word in words if any(c.isalnum() for c in word.text)]
        # What begins far to the right of the label is something else: the caption of the portrait, a stamp.
        if not words or words[0].box[0] > head.box[0] + 3 * height:
            continue
        if words[0].box[1] - head.box[3] > 2.2 * height:
            return None
        if _labelled(index, words, labels, lines):
            return None
        place = next(n for n, word in enumerate(line) if word is words[0])
        while (
            place
            and words[0].box[0] - line[place - 1].box[2] < height
            and any(c.isalpha() for c in line[place - 1].text)
            and not _labelled(index, [line[place - 1]], labels, lines)
        ):
            place -= 1  # the label's first word was not read: the value begins before what is left of it
            words.insert(0, line[place])
        kept = until_gap(words, height)
        return (index, kept) if kept else None
    return None


def _labelled(index: int, words: list[Word], labels: list[_Label], lines: list[list[Word]]) -> bool:
    """Whether a label begins among *words* of the line *index*."""
    inside = {id(word) for word in words}
    return any(
        one.line == index and any(id(word) in inside for word in lines[index][one.first : one.last + 1])
        for one in labels
    )


def _continued(
    at: int,
    head: Word,
    value: list[Word],
    border: int,
    labels: list[_Label],
    lines: list[list[Word]],
    height: float,
    template: Template,
) -> list[list[Word]]:
    """The second line of a long value: right below, aligned with the value or the label, not labelled itself."""
    above = value[0]
    for index in range(at + 1, min(at + 4, len(lines))):
        line = lines[index]
        words = [
            w
            for w in line
            if w.box[2] > head.box[0] - height and w.box[0] < border and any(c.isalnum() for c in w.text)
        ]
        if not words:
            continue
        if words[0].box[1] - max(word.box[3] for word in value) > 1.1 * height or _labelled(
            index, words, labels, lines
        ):
            return []
        aligned = [
            place
            for place in range(len(words))
            if min(abs(words[place].box[0] - above.box[0]), abs(words[place].box[0] - head.box[0])) < 1.0 * height
        ]
        if not aligned:
            continue  # a stamp, a caption beside it
        kept = until_gap(words[aligned[0] :], height)
        if _begins_label(kept, template) or (
            sum(c.isdigit() for word in kept for c in word.text) >= 6
        ):  # a date or a number whose label was not recognised
            return []
        sure = [word for word in kept if word.confidence >= 0.3]
        tall = float(np.median([word.height for word in kept]))
        alike = 0.5 < tall / max(1.0, float(np.median([word.height for word in value]))) < 2.0
        return [kept] if alike and len(sure) * 2 >= len(kept) else []
    return []
