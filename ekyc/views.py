"""Views of a rectified card for the readers of text: evened light, dark print on a light ground.

A view is made so that its mistakes differ from the others': another channel, another size, another sharpness.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.ocr.base import Gray
from ekyc.results import Image

WHITE = 235.0
"""Level that the card's ground is brought to."""

GRAINY = 0.006
"""Median deviation of a pixel from its neighbours, in parts of the card's lightness, that hides thin strokes."""


def even(gray: NDArray[np.uint8]) -> Gray:
    """*gray* divided by its ground: shadows, slopes of light and soft glare go, print stays.

    The ground is the brightest level around each place (a closing wider than a letter), smoothed.
    """
    width = gray.shape[1]
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    reach = max(5, width // 110) | 1
    ground = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((reach, reach), np.uint8))
    ground = cv2.GaussianBlur(ground, (0, 0), reach / 2)
    ground = cv2.resize(ground, (width, gray.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.clip(gray.astype(np.float32) * (WHITE / np.maximum(ground, 1)), 0, 255).astype(np.uint8)


def dark_print(gray: NDArray[np.uint8]) -> Gray:
    """*gray* with light print on dark bands (a header) turned into dark print on light.

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
    light = cv2.resize(bands, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.where(light > 0, 255 - gray, gray).astype(np.uint8)


def calm(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """*gray* without the grain of a dark or cheap photograph, strokes made steeper again; a clean one is left as it is.

    Found by measurement: of Gaussian, bilateral and non-local means filters with and without sharpening this read the most.
    """
    fine = gray.astype(np.float32) - cv2.GaussianBlur(gray, (0, 0), 1.0)
    grain = float(np.median(np.abs(fine))) / max(float(np.median(gray)), 1.0)
    if grain <= GRAINY:
        return gray
    smooth = cv2.GaussianBlur(gray, (0, 0), 1.5)
    return cv2.addWeighted(smooth, 2.2, cv2.GaussianBlur(smooth, (0, 0), 3.0), -1.2, 0).astype(np.uint8, copy=False)


def plain(card: Image) -> Gray:
    """Lightness, evened."""
    return even(dark_print(cv2.cvtColor(card, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)))


def darkest(card: Image) -> Gray:
    """The darkest channel, evened and sharpened: coloured print on coloured ground gains contrast."""
    least = card.min(axis=2)
    if (calmed := calm(least)) is not least:
        return even(dark_print(calmed))
    evened = even(dark_print(least))
    soft = cv2.GaussianBlur(evened, (0, 0), 2.0)
    return cv2.addWeighted(evened, 1.7, soft, -0.7, 0).astype(np.uint8, copy=False)


def line(gray: NDArray[np.uint8]) -> Gray:
    """A single printed line: dark on light whichever way it was printed, evened along its length, black and white at the ends."""
    low, middle, high = np.percentile(gray, (2, 50, 98))
    if high - low < 8:
        return gray
    if middle - low < high - middle:
        gray = cv2.bitwise_not(gray).astype(np.uint8, copy=False)
    small = cv2.resize(gray, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    tall = small.shape[0] | 1
    ground = cv2.GaussianBlur(
        cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((tall, tall), np.uint8)), (tall, tall), 0
    )
    ground = cv2.resize(ground, (gray.shape[1], gray.shape[0]), interpolation=cv2.INTER_LINEAR)
    evened = gray.astype(np.float32) / np.maximum(ground, 1)
    dark, light = np.percentile(evened, (1, 85))
    stretched: Gray = np.clip((evened - dark) * (250 / max(light - dark, 0.05)), 0, 255).astype(np.uint8)
    return stretched
