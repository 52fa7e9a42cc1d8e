"""Print on a card that no reader saw as words: lines to read once more, and values that may have been cut off by it.

Tesseract drops whole lines now and then: a short second line, two columns whose lines are a little apart, a line beside a
stamp.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.fields import Found
from ekyc.ocr.base import Box, Gray, Word

INK = 130
"""Level below which an evened pixel is print."""
MOST = 14
"""Lines of a card that are read once more, the widest first."""


def lines(gray: Gray, words: Sequence[Word], height: float, portrait: Box | None) -> list[Box]:
    """Boxes that look like lines of print as high as the card's words (*height* pixels) and hold none of *words*.

    What lies in *portrait* is left out: hair, glasses and collars look like print.
    """
    ink = ((gray < INK) & ~covered(gray.shape, words, height, 0.1)).astype(np.uint8)
    if portrait is not None:
        left, top, right, bottom = portrait
        ink[max(0, top) : bottom, max(0, left) : right] = 0
    near = np.ones((max(3, round(0.3 * height)), max(3, round(0.75 * height))), np.uint8)
    joined = cv2.morphologyEx(ink, cv2.MORPH_CLOSE, near)
    count, _, boxes, _ = cv2.connectedComponentsWithStats(joined)
    found: list[Box] = []
    for left, top, width, tall, _area in boxes[1:count].tolist():
        share = float(ink[top : top + tall, left : left + width].mean())
        if 0.5 * height < tall < 2.0 * height and width > 1.1 * height and width > tall and 0.08 < share < 0.6:
            found.append((left, top, left + width, top + tall))
    return sorted(found, key=lambda box: box[0] - box[2])[:MOST]


def placed(box: Box, read: Sequence[Word]) -> list[Word]:
    """The words *read* from the line in *box*, spread over it by their length."""
    left, top, right, bottom = box
    total = sum(len(word.text) + 1 for word in read)
    words, at = [], float(left)
    for word in read:
        end = at + (right - left) * (len(word.text) + 1) / total
        gap = (right - left) / total * 0.6
        words.append(Word(word.text, (round(at), top, max(round(at) + 1, round(end - gap)), bottom), word.confidence))
        at = end
    return words


def covered(shape: tuple[int, ...], words: Sequence[Word], height: float, margin: float) -> NDArray[np.bool_]:
    """Where *words* stand, each with a *margin* in parts of *height*; specks and borders read as words do not count."""
    mask = np.zeros(shape[:2], bool)
    pad = round(margin * height)
    for word in words:
        if word.confidence >= 0.1 and word.height > 0.4 * height:
            left, top, right, bottom = word.box
            mask[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = True
    return mask


def cut_off(gray: Gray, glare: NDArray[np.uint8], words: Sequence[Word], found: Found, height: float) -> set[str]:
    """Fields whose value may be longer than what was read: print without words on their line, or glare at its end.

    *glare*: 1 where the card is burnt out, any size.
    """
    tall, wide = gray.shape
    seen = covered(gray.shape, words, height, 0.3)
    reach = np.ones(round(0.3 * height) | 1, np.uint8)
    burnt = cv2.resize(glare, (wide, tall), interpolation=cv2.INTER_NEAREST)
    doubtful = set()
    for name, (start, top, end, bottom) in found.spans.items():
        boxes = found.places[name]
        right = min(end, wide, boxes[0][2] + round(2.5 * height))
        inset = round(0.15 * (bottom - top))
        part = np.s_[max(0, top + inset) : max(1, bottom - inset), max(0, start) : max(1, right)]
        unseen = ((gray[part] < INK) & ~seen[part]).any(axis=0).astype(np.uint8)
        joined = cv2.dilate(np.asarray(unseen, np.uint8), reach).ravel()
        edges = np.flatnonzero(np.diff(np.concatenate([[0], joined, [0]])))
        longest = int((edges[1::2] - edges[::2]).max(initial=0))
        ends = [(max(0, x0), max(0, y0), min(wide, x1 + round(3 * height)), y1) for x0, y0, x1, y1 in boxes]
        if longest > 1.1 * height or any(burnt[y0:y1, x0:x1].mean() > 0.01 for x0, y0, x1, y1 in ends if y1 > y0):
            doubtful.add(name)
    return doubtful
