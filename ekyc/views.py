"""Views of a rectified card for the readers of text: evened light, dark print on a light ground.

A view is made so that its mistakes differ from the others': another channel, another size, another sharpness.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.ocr.base import Gray

WHITE = 235.0
"""Level that the card's ground is brought to."""

SHARPENINGS = ((1.5, 4.0, 2.0), (1.0, 3.0, 1.2), (2.0, 4.0, 3.0), (2.5, 5.0, 3.0))
"""How much grain is smoothed away (sigma, pixels of the rectified card), and how strokes are made steep again (sigma, amount)."""
SMOOTH = (1.5, 4.0, 0.0)
"""Smoothed only: to see where print is."""
GRAIN, PATCH, SEARCHED = 12.0, 5, 13
"""Non-local means: strength, pixels of what is compared, pixels around it where its like is looked for."""
GRAINY = 0.006
"""Median deviation of a pixel from its neighbours, in parts of the card's lightness, that hides thin strokes."""


def even(gray: NDArray[np.uint8], under: NDArray[np.uint8] | None = None) -> Gray:
    """*gray* divided by its ground, or by what is known to lie *under* it: shadows, slopes of light and soft glare go, print stays.

    The ground is the brightest level around each place (a closing wider than a letter), smoothed.
    """
    evened = cv2.divide(gray, np.maximum(ground(gray) if under is None else under, 1), scale=WHITE, dtype=cv2.CV_32F)
    return np.minimum(evened, 255).astype(np.uint8)


def ground(gray: NDArray[np.uint8]) -> Gray:
    """The level that *gray* would have without print."""
    width = gray.shape[1]
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    reach = max(5, width // 110) | 1
    level = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    level = cv2.GaussianBlur(level, (0, 0), reach / 2)
    return cv2.resize(level, (width, gray.shape[0]), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def light_print(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """1 where print is light on a dark band (a header), 0 elsewhere.

    Where print is light, the median of a neighbourhood lies near its darkest level; a shadow does not change that.
    """
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    near = np.ones((9, 25), np.uint8)
    low, high = cv2.erode(small, near).astype(np.float32), cv2.dilate(small, near).astype(np.float32)
    middle = cv2.medianBlur(small, 19).astype(np.float32)
    lean = cv2.boxFilter((high + low - 2 * middle) / np.maximum(high, 1), -1, (61, 9))
    bands = cv2.morphologyEx((lean > 0.12).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((9, 31), np.uint8))
    across = bands.mean(axis=1) > 0.3  # a header runs across the card: no ragged border beside its print
    count, pieces, boxes, _ = cv2.connectedComponentsWithStats(bands)
    for piece in range(1, count):
        left, top, width, height, _ = boxes[piece]
        if width < 2 * height:  # a face or hair, not a line of print
            here = bands[top : top + height, left : left + width]
            here[pieces[top : top + height, left : left + width] == piece] = 0
    bands[across] = 1
    return cv2.resize(bands, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_NEAREST).astype(
        np.uint8, copy=False
    )


def turned_dark(gray: NDArray[np.uint8], light: NDArray[np.uint8]) -> Gray:
    """*gray* with the light print of the bands *light* made dark."""
    return cv2.bitwise_not(gray, gray.copy(), mask=light).astype(np.uint8, copy=False)


def grainy(gray: NDArray[np.uint8]) -> bool:
    """Whether the grain of a dark or cheap photograph hides thin strokes."""
    fine = cv2.absdiff(gray, cv2.GaussianBlur(gray, (0, 0), 1.0)).astype(np.uint8, copy=False)
    return level(counts(fine), 0.5) / max(level(counts(gray), 0.5), 1.0) > GRAINY


def counts(gray: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How many pixels of *gray* have each of the 256 levels."""
    return cv2.calcHist([gray], [0], None, [256], [0, 256]).ravel().astype(np.int64)


def level(counted: NDArray[np.int64], share: float) -> float:
    """The level that *share* of the *counted* pixels do not exceed: as ``np.percentile`` has it, much faster than by sorting."""
    upto = np.cumsum(counted)
    rank = share * (int(upto[-1]) - 1)
    low, high = np.searchsorted(upto, (int(rank), min(int(rank) + 1, int(upto[-1]) - 1)), side="right").tolist()
    return float(low + (high - low) * (rank - int(rank)))


def calm(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """*gray* without the grain of a dark or cheap photograph, strokes made steeper again.

    Found by measurement: of Gaussian, bilateral and non-local means filters with and without sharpening this read the most.
    """
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.5)
    return cv2.addWeighted(smooth, 2.2, cv2.GaussianBlur(smooth, (0, 0), 3.0), -1.2, 0).astype(np.uint8, copy=False)


def denoised(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """*gray* without its grain by non-local means (Buades, Coll and Morel 2005), strokes made steeper again; slow: for parts of a card."""
    smooth = cv2.fastNlMeansDenoising(np.ascontiguousarray(gray), None, GRAIN, PATCH, SEARCHED)
    return cv2.addWeighted(smooth, 2.2, cv2.GaussianBlur(smooth, (0, 0), 3.0), -1.2, 0).astype(np.uint8, copy=False)


def clear(gray: NDArray[np.uint8], light: NDArray[np.uint8], sharpening: tuple[float, float, float]) -> Gray:
    """*gray* evened, its grain smoothed and its strokes made steep again by *sharpening*: one of ``SHARPENINGS``.

    ``light``: 1 where print is light on dark.
    """
    smoothed, radius, amount = sharpening
    steep = smooth = cv2.GaussianBlur(gray, (0, 0), smoothed)
    if amount:
        steep = cv2.addWeighted(smooth, 1 + amount, cv2.GaussianBlur(smooth, (0, 0), radius), -amount, 0)
    return even(turned_dark(steep.astype(np.uint8, copy=False), light))
