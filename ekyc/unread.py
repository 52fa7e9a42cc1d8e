"""Print on a card that no reader saw as words, and values that may have been cut off by it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.fields import Found
from ekyc.ocr.base import Box, Gray, Word

INK = 130
"""Level below which an evened pixel is print."""


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
