"""Where lines of print stand on a rectified card: found by their ink, before anything is read.

Tesseract's own analysis of a page drops lines of a dark, grainy or uneven photograph; read one by one they are legible.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.ocr.base import Box, Gray
from ekyc.views import WHITE, counts, level

SHARE = 0.42
"""Ink is what is darker than this share of the darkest print near it."""
DARKER = 0.65
"""The same for print on something less dark that would be too large for a letter: a stamp."""
STEEP = 1.5
"""Darker than so many times the usual depth of print counts as just that: a border does not hide print beside it."""
BORDER = 120
"""Pixels: what is dark for so long without a gap is no letter."""
FAINTEST = 14.0
"""Levels below the ground that ink has at least."""
ABOVE_GRAIN = 3.0
"""Deviations of the grain that ink stands out by."""
COARSE = 4
"""How many times smaller the picture is on which wide areas are smoothed."""
NEARBY = 15.0
"""Pixels (sigma) over which the darkest print near a place is smoothed."""
LETTERS = (5, 75)
"""Pixels that a letter is high, with its accents, on a card WIDTH pixels wide."""
MOST = 45
"""Lines of a picture that may be a card; one has about 20, a page of text many more, and reading them all takes minutes."""
USUAL = 20.0
"""Pixels of a letter where none was found."""


def find(gray: Gray, portrait: Box | None = None, height: float | None = None) -> list[Box]:
    """Boxes of the lines of print on an evened card, a wide gap parts columns; from top to bottom.

    What lies in *portrait* is left out: eyes, glasses and collars look like print. *height*: pixels of a letter where that is
    known. None at all where there are more than ``MOST``: that is no card.
    """
    depth, near, least = _depth(gray)
    if portrait is not None:
        left, top, right, bottom = portrait
        depth[max(0, top) : bottom, max(0, left) : right] = 0
    print_, height = _letters((depth > np.maximum(SHARE * near, least)).astype(np.uint8), height)
    # What touches a stamp or a border is too large for letters: its darker strokes are.
    rest = ((depth > np.maximum(DARKER * near, least)) & (print_ == 0)).astype(np.uint8)
    print_ |= _letters(rest, height)[0]
    joined = cv2.morphologyEx(print_, cv2.MORPH_CLOSE, np.ones((1, max(3, round(1.1 * height))), np.uint8))
    # A stroke that reaches from one line into the next does not join them.
    thin = np.ones((max(2, round(0.3 * height)), max(2, round(0.5 * height))), np.uint8)
    joined = cv2.morphologyEx(joined, cv2.MORPH_OPEN, thin)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    boxes: list[Box] = []
    for left, top, width, deep, _ in stats[1:count].tolist():
        box = (left, top, left + width, top + deep)
        boxes += [box] if deep < 1.9 * height else _apart(print_, box, height)
    boxes = [box for box in boxes if box[3] - box[1] >= 0.5 * height and box[2] - box[0] >= 0.9 * height]
    if len(boxes) > 10 * MOST:
        return []
    merged = _merged(boxes, height)
    return sorted(merged, key=lambda box: (box[1] + box[3], box[0])) if len(merged) <= MOST else []


def _apart(ink: NDArray[np.uint8], box: Box, height: float) -> list[Box]:
    """The lines of a *box* that something (a stamp, a stroke) joins: cut where hardly any ink is."""
    left, top, right, bottom = box
    part = ink[top:bottom, left:right]
    profile = part.sum(axis=1).astype(np.float32)
    profile = np.convolve(profile, np.ones(5) / 5, "same")
    full = profile > 0.3 * np.percentile(profile, 90)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], full.astype(np.int8), [0]])))
    found = []
    for first, last in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if 0.5 * height <= last - first < 2.4 * height:
            columns = np.flatnonzero(part[first:last].any(axis=0))
            pad = round(0.2 * height)
            found.append(
                (
                    left + int(columns[0]),
                    max(top, top + first - pad),
                    left + int(columns[-1]) + 1,
                    min(bottom, top + last + pad),
                )
            )
    return found or [box]


def _letters(ink: NDArray[np.uint8], height: float | None) -> tuple[NDArray[np.uint8], float]:
    """What of *ink* has the size of letters, and their usual height."""
    _, pieces, stats, _ = cv2.connectedComponentsWithStats(ink)
    tall, wide, area = stats[:, cv2.CC_STAT_HEIGHT], stats[:, cv2.CC_STAT_WIDTH], stats[:, cv2.CC_STAT_AREA]
    letters = (tall >= LETTERS[0]) & (tall < LETTERS[1]) & (wide < ink.shape[1] // 3) & (area >= 12)
    letters[0] = False
    sizes = tall[letters & (tall >= 10)]
    if height is None:
        height = float(np.median(sizes)) if len(sizes) else USUAL
    letters &= tall < 2.6 * height
    return letters.astype(np.uint8)[pieces], height


def _depth(gray: Gray) -> tuple[NDArray[np.float32], NDArray[np.float32], float]:
    """How much darker than the ground each pixel is, the darkest print near it, and what the grain reaches."""
    counted = counts(gray)
    apart = np.abs(2 * np.arange(256) - round(2 * level(counted, 0.5))).clip(0, 255)
    spread = level(np.bincount(apart, weights=counted, minlength=256).astype(np.int64), 0.5) / 2
    least = max(FAINTEST, ABOVE_GRAIN * 1.48 * spread)
    depth: Gray = cv2.subtract(np.full_like(gray, round(WHITE)), gray).astype(np.uint8, copy=False)
    for long in ((1, BORDER), (BORDER, 1)):  # borders and large dark areas are darker than print and would hide it
        wide = cv2.morphologyEx(depth, cv2.MORPH_OPEN, np.ones(long, np.uint8))
        depth = cv2.subtract(depth, wide).astype(np.uint8, copy=False)
    strong = counts(depth)
    strong[: int(least) + 1] = 0
    depth = np.minimum(depth, min(255, round(STEEP * (level(strong, 0.5) if strong.any() else least)))).astype(np.uint8)
    height, width = depth.shape
    near = cv2.dilate(cv2.GaussianBlur(depth, (0, 0), 1.0), np.ones((31, 61), np.uint8))
    small = cv2.resize(near, (width // COARSE, height // COARSE), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small.astype(np.float32), (0, 0), NEARBY / COARSE)
    around = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False)
    return depth.astype(np.float32), around, least


def _merged(boxes: list[Box], height: float) -> list[Box]:
    """*boxes*, those that stand beside each other on one line made one."""
    merged: list[Box] = []
    for box in sorted(boxes):
        merged.append(box)
        again = True
        while again:
            again = False
            last = merged[-1]
            for place in range(len(merged) - 1):
                if _beside(merged[place], last, height):
                    other = merged.pop(place)
                    merged[-1] = (
                        min(other[0], last[0]),
                        min(other[1], last[1]),
                        max(other[2], last[2]),
                        max(other[3], last[3]),
                    )
                    again = True
                    break
    return merged


def _beside(one: Box, other: Box, height: float) -> bool:
    shared = min(one[3], other[3]) - max(one[1], other[1])
    tall = one[3] - one[1], other[3] - other[1]
    gap = max(one[0], other[0]) - min(one[2], other[2])
    together = max(one[3], other[3]) - min(one[1], other[1])
    return shared > 0.55 * min(tall) and gap < 1.3 * height and together < 1.5 * max(tall)
