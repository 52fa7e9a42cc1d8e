"""Print on a card that no reader saw as words, and values that may have been cut off by it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel

from core.text import fold
from ekyc import views
from ekyc.fields import TEXTS, Found
from ekyc.ocr.base import Box, Gray, Word

INK = 130
"""Level below which an evened pixel is print."""
LEGIBLE = 90
"""The same for print that every reader sees."""
FAINT, TRACE = 204, 213
"""The same for print that glare has almost washed out, and for the end of a word, in a smoothed picture."""
ALIKE = 0.6
"""A word read so much like one of the value is that one."""
REACH, GAP, NEAR = 3.0, 1.0, 0.7
"""In heights of a word: how far glare after a line counts, the clear ground that ends it, how near to glare print is faint."""
HIDDEN, STROKE = 0.8, 0.25
"""In heights of a word: the white that may hide a word, a stroke of print; right after a line any trace of one counts."""
ROW = 1.5
"""The same from one line to the next."""
DIGIT = 0.8
"""The same for a digit and the clear ground beside it."""
BRIGHT = (205, 240)
"""Level of a ground that glare falls on: of a dark card, of any other."""
BRIGHTER = (1.08, 1.85)
"""The same in relation to the card's own ground: of a white card, of a dark one."""
WHITE = 253
"""Level of a ground on which no print is seen."""


def boxes(lines: Sequence[Box], words: Sequence[Word]) -> list[Box]:
    """Those of *lines* of which not even half is part of *words*."""
    left_over = []
    for left, top, right, bottom in lines:
        seen = sum(
            max(0, min(right, word.box[2]) - max(left, word.box[0]))
            for word in words
            if word.confidence > 0.5 and min(bottom, word.box[3]) - max(top, word.box[1]) > 0.4 * (bottom - top)
        )
        if seen < 0.5 * (right - left):
            left_over.append((left, top, right, bottom))
    return left_over


def covered(shape: tuple[int, ...], words: Sequence[Word], height: float, margin: float) -> NDArray[np.bool_]:
    """Where *words* stand, each with a *margin* in parts of *height*; specks and borders read as words do not count."""
    mask = np.zeros(shape[:2], bool)
    pad = round(margin * height)
    for word in words:
        if word.confidence >= 0.1 and word.height > 0.4 * height:
            left, top, right, bottom = word.box
            mask[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = True
    return mask


def cut_off(
    gray: Gray,
    ground: Gray,
    words: Sequence[Word],
    found: Found,
    height: float,
    read: Mapping[str, str | None],
    short: Collection[str] = (),
) -> set[str]:
    """Values that may be longer than what was read: print without words on their line, or glare where a word may have stood.

    *gray*: evened; *ground*: the level of the card under the print before. *read*: the values that were made of the *words*. Numbers are whole
    or were not read; so are dates, but for those in *short*: glare may hide the first digit of their day.
    """
    bright = _bright(ground)
    doubtful = {
        name
        for name in short
        if name in found.values and _begins_in_glare(ground, bright, found.places[name][0], height)
    }
    for name in TEXTS:
        if name not in found.spans:
            continue
        start, boxes = found.spans[name][0], found.places[name]
        known = covered(gray.shape, _part_of(read.get(name) or "", words), height, 0.12)
        if _goes_on(gray, known, boxes[0], found.spans[name], height) or any(
            _washed_out(gray, ground, bright, known, box, start if box is boxes[0] else box[0], height) for box in boxes
        ):
            doubtful.add(name)
    return doubtful


def glare_above(ground: Gray, box: Box, height: float) -> bool:
    """Whether glare falls on the line above the one in *box*: a value whose label was not read may begin there."""
    left, top, right, _ = box
    level = ground[max(0, top - round(ROW * height)) : max(1, top), max(0, left) : right]
    return level.size > 0 and bool(level.max() >= _bright(ground))


def _bright(ground: Gray) -> float:
    """From which level on a card with this *ground* is lit by glare."""
    usual = views.level(views.counts(ground), 0.5)
    return max(BRIGHTER[0] * usual, float(np.clip(BRIGHTER[1] * usual, *BRIGHT)))


def _begins_in_glare(ground: Gray, bright: float, box: Box, height: float) -> bool:
    """Whether glare falls on the place of a digit before the line in *box*."""
    left, top, _, bottom = box
    level = ground[max(0, top) : bottom, max(0, left - round(DIGIT * height)) : max(1, left)]
    return level.size > 0 and bool(level.max() >= bright)


def _goes_on(gray: Gray, known: NDArray[np.bool_], box: Box, span: Box, height: float) -> bool:
    """Whether dark print, none of the value's words, stands in the *span* of its line before the *box* or right after it."""
    start, top, end, bottom = span
    inset = round(0.15 * (bottom - top))
    rows = np.s_[max(0, top + inset) : max(1, bottom - inset)]
    for first, last in ((max(0, start), box[0]), (box[2], min(end, box[2] + round(2.5 * height)))):
        part = np.s_[rows, max(0, first) : max(0, last)]
        for begin, stop in _runs(((gray[part] < INK) & ~known[part]).any(axis=0), round(0.3 * height)):
            if stop - begin > 1.1 * height and (first < box[0] or begin < GAP * height):
                return True
    return False


def _washed_out(
    gray: Gray, ground: Gray, bright: float, known: NDArray[np.bool_], box: Box, start: int, height: float
) -> bool:
    """Whether glare may hide a word of the line in *box*, between *start* and it, in it or after it.

    Glare is where the *ground* is *bright*; *known*: where the words of the value stand. Where glare is near, print that is none
    of them leaves a doubt, be it ever so faint, and white that a word may hide in.
    """
    left, right = max(0, box[0]), box[2]
    begin, end = max(0, min(start, left - round(0.2 * height))), min(gray.shape[1], right + round(REACH * height))
    rows = np.s_[max(0, box[1]) + (box[3] - box[1]) // 5 : box[3] - (box[3] - box[1]) // 8]
    level = ground[rows, begin:end]
    if level.size == 0 or level.max() < bright:
        return False
    white = _runs(((level >= WHITE) & ~known[rows, begin:end]).mean(axis=0) > 0.3, 2)
    if any(last - first >= HIDDEN * height and begin + first < right + GAP * height for first, last in white):
        return True
    calm = cv2.GaussianBlur(gray[rows], (0, 0), 1.5)[:, begin:end]
    lit = np.flatnonzero((level >= bright).any(axis=0))
    strange = ~known[rows, begin:end]
    trace = _runs(((calm < TRACE) & strange).any(axis=0), 2)
    for first, last in trace:  # right after the line: the end of its last word
        if 0 <= begin + first - right < NEAR * height and last - first > 3 and _near(lit, first, last, height):
            return True
    for first, last in _runs(((calm < FAINT) & strange).any(axis=0), 2):
        if left < begin + first < right and int(calm[:, first:last].min()) < LEGIBLE:
            continue  # the readers of single lines saw it
        if last - first >= STROKE * height and begin + first < right + GAP * height and _near(lit, first, last, height):
            return True
    return False


def _near(places: NDArray[np.intp], first: int, last: int, height: float) -> bool:
    """Whether one of *places* lies beside the columns from *first* to *last*."""
    return bool(((places > first - NEAR * height) & (places < last + NEAR * height)).any())


def _part_of(value: str, words: Sequence[Word]) -> list[Word]:
    """Those of *words* that are words of *value*, or nearly."""
    parts = [fold(part) for part in value.split()]
    return [word for word in words if any(Indel.normalized_similarity(fold(word.text), part) > ALIKE for part in parts)]


def _runs(columns: NDArray[np.bool_] | np.bool_, reach: int) -> list[tuple[int, int]]:
    """First and one past the last of each run of true *columns*, gaps up to *reach* closed."""
    marked = np.asarray(columns, np.uint8).reshape(1, -1)
    if marked.size == 0:
        return []
    joined = cv2.morphologyEx(marked, cv2.MORPH_CLOSE, np.ones((1, reach | 1), np.uint8)).ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], joined, [0]]).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
