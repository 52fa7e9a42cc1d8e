"""Levels counted, print turned dark, light evened."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc import views


@pytest.mark.parametrize("shape", [(1, 1), (1, 2), (7, 9), (40, 61)])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.85, 1.0])
def test_a_level_is_the_percentile_of_the_pixels(shape: tuple[int, int], share: float) -> None:
    gray = np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)
    assert views.level(views.counts(gray), share) == pytest.approx(float(np.percentile(gray, 100 * share)))


def test_a_part_of_a_picture_is_counted_alone() -> None:
    gray = np.zeros((20, 30), np.uint8)
    gray[5:10, 4:9] = 7
    assert views.counts(gray[5:10, 4:9])[7] == views.counts(gray[5:10, 4:9]).sum() == 25


def test_light_print_is_turned_dark_where_it_is_light() -> None:
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    light = np.zeros((16, 16), np.uint8)
    light[:4] = 1
    turned = views.turned_dark(gray, light)
    assert (turned[:4] == 255 - gray[:4]).all()
    assert (turned[4:] == gray[4:]).all()
    assert gray[0, 0] == 0  # the picture itself stays


def test_shadow_goes_and_print_stays() -> None:
    gray = np.tile(np.linspace(90, 220, 600), (200, 1)).astype(np.uint8)
    written = gray.copy()
    cv2.putText(written, "SO TAY", (150, 110), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 20, 3)
    evened = views.even(written)
    ground = evened[written == gray]
    assert abs(float(np.median(ground)) - views.WHITE) <= 2
    assert float(np.percentile(evened[written != gray], 20)) < 80


def test_a_black_picture_stays_black() -> None:
    assert not views.even(np.zeros((80, 120), np.uint8)).any()


def test_grain_goes_and_strokes_stay() -> None:
    clean = np.full((60, 300), 200, np.uint8)
    cv2.putText(clean, "SO TAY", (20, 42), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 40, 3)
    grain = np.random.default_rng(5).normal(0, 12, clean.shape)
    shown = views.denoised(np.clip(clean + grain, 0, 255).astype(np.uint8))
    ground = cv2.erode((clean == 200).astype(np.uint8), np.ones((21, 21), np.uint8)) > 0
    assert float(shown[ground].std()) < 4 < float(grain[ground].std())
    assert float(np.median(shown[clean == 40])) < 60
