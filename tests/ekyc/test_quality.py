"""The quality gate."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc import quality
from ekyc.ocr import Word
from ekyc.results import Quality, Reason

GOOD = Quality(corners=4, text_height_px=25, blur=0.5, exposure=0.6, glare=0.0, faces=1)


def printed(sigma: float) -> tuple[np.ndarray, list[Word]]:
    gray = np.full((200, 600), 235, np.uint8)
    cv2.putText(gray, "12345678", (20, 120), cv2.FONT_HERSHEY_SIMPLEX, 2.0, 20, 5, cv2.LINE_AA)
    if sigma:
        gray = cv2.GaussianBlur(gray, (0, 0), sigma)
    return gray, [Word("12345678", (15, 70, 340, 125), 0.9)]


def test_sharpness_falls_with_blur() -> None:
    measured = [quality.sharpness(*printed(sigma)) for sigma in (0, 2, 5, 9)]
    assert measured == sorted(measured, reverse=True)
    assert measured[0] is not None
    assert measured[-1] is not None
    assert measured[0] > 0.5 > 0.2 > measured[-1]


def test_without_words_there_is_no_sharpness_and_no_height() -> None:
    assert quality.sharpness(printed(0)[0], []) is None
    assert quality.text_height([], 1.0) is None


def test_text_height_is_told_in_pixels_of_the_photograph() -> None:
    words = [Word("12.345678", (0, 0, 90, 20), 0.9)] * 3 + [Word("Họ", (0, 0, 20, 30), 0.9)]
    assert quality.text_height(words, 0.8) == 16.0


def test_exposure_is_mean_lightness() -> None:
    assert quality.exposure(np.zeros((50, 80, 3), np.uint8)) == 0
    assert quality.exposure(np.full((50, 80, 3), 255, np.uint8)) == 1


def test_a_burnt_spot_is_glare_and_white_paper_is_not() -> None:
    card = np.full((250, 400, 3), 190, np.uint8)
    assert quality.glare(card) == 0
    card[100:150, 100:200] = 255
    assert quality.glare(card) == pytest.approx(0.05, abs=0.005)
    assert quality.glare(np.full((250, 400, 3), 252, np.uint8)) == 0


@pytest.mark.parametrize(
    ("changed", "reasons"),
    [
        ({}, []),
        ({"exposure": 0.1}, [Reason.DARK]),
        ({"exposure": 0.99}, [Reason.BRIGHT]),
        ({"glare": 0.2}, [Reason.GLARE]),
        ({"blur": 0.1}, [Reason.BLURRED]),
        ({"text_height_px": 7}, [Reason.TOO_SMALL]),
        ({"exposure": 0.1, "text_height_px": 7}, [Reason.DARK, Reason.TOO_SMALL]),
        ({"exposure": None, "glare": None, "blur": None, "text_height_px": None}, []),
    ],
)
def test_what_is_complained_of(changed: dict[str, float | None], reasons: list[Reason]) -> None:
    assert quality.complaints(Quality(**(GOOD.__dict__ | changed))) == reasons
