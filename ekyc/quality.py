"""The quality gate: how large, sharp, evenly lit and free of glare a photographed card is.

All measures are taken on the rectified card, so that the table around it does not count; sizes are told in pixels of the
photograph.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from core.settings import settings
from ekyc import views
from ekyc.ocr.base import Word
from ekyc.results import Image, Quality, Reason

DARK, BRIGHT = 0.22, 0.96
"""Mean lightness beyond which print is lost in noise or burnt out."""
BURNT = 248
"""Level of the darkest channel from which a pixel holds no drawing any more."""
CAPITALS = 0.72
"""Height of a capital in parts of a word's box with accents and descenders."""
GRID = 400
"""Columns of the picture on which exposure and glare are measured."""
SAMPLE = 50
"""Words whose edges are measured at least, where there are as many."""
SHARP_EDGE = 0.09
"""Steepest edge of sharp print: share of its contrast passed in one thousandth of the card's width."""


def sharpness(gray: NDArray[np.uint8], words: Sequence[Word]) -> float | None:
    """How steep the edges of the printed *words* are, 0 (no edge) to 1; None without words.

    For each word the steepest gradient in relation to its contrast, per stroke width: a blur counts as much as it costs
    the reader. The median of the words, or of every second, third … where there are at least twice ``SAMPLE``.
    """
    steep = []
    for word in words[:: max(1, len(words) // SAMPLE)]:
        left, top, right, bottom = word.box
        part = gray[max(0, top) : bottom, max(0, left) : right]
        if min(part.shape) < 6 or sum(c.isalnum() for c in word.text) < 2:
            continue
        counted = views.counts(part)
        low, high = views.level(counted, 0.04), views.level(counted, 0.96)
        if high - low < 12:
            continue
        values = part.astype(np.float32)
        slope = np.hypot(cv2.Sobel(values, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(values, cv2.CV_32F, 0, 1) / 8)
        steep.append(float(np.percentile(slope, 96) / (high - low)) * word.height / 24)
    return float(np.clip(np.median(steep), 0, 1)) if steep else None


def fine_detail(card: Image) -> float:
    """Share of *card*'s contrast that lies in its finest strokes: near 0 for a picture out of focus, with or without words."""
    gray = cv2.cvtColor(card, cv2.COLOR_BGR2GRAY).astype(np.float32)
    calm = cv2.GaussianBlur(gray, (0, 0), 1.2)  # grain is no detail
    return float(np.abs(calm - cv2.GaussianBlur(calm, (0, 0), 3.0)).mean() / max(float(gray.std()), 1.0))


def text_height(words: Sequence[Word], scale: float) -> float | None:
    """Median height of printed capitals in pixels of the photograph; *scale*: its pixels for one of the rectified card."""
    digits = [word.height for word in words if word.confidence > 0.6 and sum(c.isdigit() for c in word.text) >= 4]
    others = [
        word.height * CAPITALS for word in words if word.confidence > 0.6 and sum(c.isalpha() for c in word.text) >= 2
    ]
    heights = digits if len(digits) >= 3 else digits + others
    return round(float(np.median(heights)) * scale, 1) if heights else None


def reduced(card: Image) -> Image:
    """*card* on a grid of ``GRID`` columns, what light is measured on; a smaller one as it is."""
    height, width = card.shape[:2]
    if width <= GRID:
        return card
    size = (GRID, round(GRID * height / width))
    return cv2.resize(card, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def exposure(card: Image) -> float:
    """Mean lightness of *card*, 0 to 1."""
    return round(float(cv2.cvtColor(card, cv2.COLOR_BGR2LAB)[:, :, 0].mean()) / 255, 3)


def burnt(card: Image) -> NDArray[np.uint8]:
    """1 where *card* is burnt out, on the grid of ``reduced``.

    A spot counts where no channel holds drawing and it is clearly brighter than the card: the white ground of a scan is no
    glare.
    """
    darkest = reduced(card).min(axis=2)
    if float(np.percentile(darkest, 60)) >= BURNT - 14:
        return np.zeros(darkest.shape, np.uint8)
    spots = (darkest >= BURNT).astype(np.uint8)
    return cv2.morphologyEx(spots, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False)


def glare(card: Image) -> float:
    """Share of *card* that is burnt out, 0 to 1."""
    return round(float(burnt(card).mean()), 4)


def complaints(quality: Quality) -> list[Reason]:
    """What is wrong with a photograph of this *quality*, the most useful to the member first."""
    limits = settings()
    reasons = []
    if quality.exposure is not None and quality.exposure < DARK:
        reasons.append(Reason.DARK)
    if quality.exposure is not None and quality.exposure > BRIGHT:
        reasons.append(Reason.BRIGHT)
    if quality.glare is not None and quality.glare > limits.ekyc_max_glare:
        reasons.append(Reason.GLARE)
    if quality.blur is not None and quality.blur < limits.ekyc_min_sharpness:
        reasons.append(Reason.BLURRED)
    if quality.text_height_px is not None and quality.text_height_px < limits.ekyc_min_text_height:
        reasons.append(Reason.TOO_SMALL)
    return reasons
