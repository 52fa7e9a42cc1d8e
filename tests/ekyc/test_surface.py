"""Single lines cut out of a card, in every view."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc.surface import DENOISED, HEIGHTS, Surface

BOX = (60, 40, 300, 70)


@pytest.fixture(scope="module")
def surface() -> Surface:
    flat = np.full((160, 400, 3), 190, np.uint8)
    cv2.putText(flat, "THE HOI VIEN", (60, 66), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (30, 30, 30), 2)
    grain = np.random.default_rng(2).normal(0, 6, flat.shape)
    return Surface(np.clip(flat + grain, 0, 255).astype(np.uint8))


@pytest.mark.parametrize("view", range(len(HEIGHTS)))
def test_a_line_has_black_print_on_white_and_the_height_of_its_view(surface: Surface, view: int) -> None:
    strip = surface.strip(view, BOX, HEIGHTS[view])
    assert strip is not None
    assert strip.image.shape[0] == HEIGHTS[view]
    assert strip.image.min() < 40
    assert float(np.median(strip.image)) > 200
    assert (strip.left, strip.top) == (51, 33)


@pytest.mark.parametrize("box", [(0, 0, 60, 30), (330, 120, 400, 160), (380, 140, 460, 200), (-20, -10, 80, 40)])
def test_a_denoised_line_at_the_edge_is_as_large_as_in_the_other_views(surface: Surface, box: tuple[int, ...]) -> None:
    left, top, right, bottom = box
    plain, denoised = (surface.strip(view, (left, top, right, bottom), 44) for view in (0, DENOISED))
    assert plain is not None
    assert denoised is not None
    assert plain.image.shape == denoised.image.shape
    assert plain[1:] == denoised[1:]


@pytest.mark.parametrize("view", [0, DENOISED])
def test_a_line_too_small_or_outside_is_none(surface: Surface, view: int) -> None:
    assert surface.strip(view, (10, 10, 12, 14), 44) is None
    assert surface.strip(view, (500, 300, 600, 330), 44) is None
