"""The card found on a table and seen from above."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc import rectify
from ekyc.results import Image

CORNERS = np.array([[220, 160], [1010, 230], [980, 720], [190, 640]], np.float32)


def photographed(corners: np.ndarray = CORNERS, size: tuple[int, int] = (1200, 900)) -> Image:
    """A pale card with a dark header and a dark spot at its lower right, on a brown table."""
    card = np.full((540, 856, 3), (225, 235, 240), np.uint8)
    card[:90] = (40, 40, 180)
    card[440:520, 720:840] = (30, 30, 30)
    table = np.full((size[1], size[0], 3), (70, 90, 120), np.uint8)
    source = np.array([[0, 0], [856, 0], [856, 540], [0, 540]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    seen = cv2.warpPerspective(card, matrix, size)
    mask = cv2.warpPerspective(np.full((540, 856), 255, np.uint8), matrix, size)
    table[mask > 127] = seen[mask > 127]
    return cv2.GaussianBlur(table, (0, 0), 1.0).astype(np.uint8)


def test_the_corners_are_found_to_a_few_pixels() -> None:
    outline = rectify.find(photographed())
    assert outline is not None
    assert np.abs(outline.corners - CORNERS).max() < 6
    assert outline.score > 0.5
    assert outline.inside(photographed()) == 4


def test_things_that_touch_the_card_do_not_hide_it() -> None:
    image = photographed()
    cv2.fillPoly(image, [np.array([[900, 700], [1190, 640], [1190, 890], [880, 890]])], (200, 60, 60))
    outline = rectify.find(image)
    assert outline is not None
    assert np.abs(outline.corners - CORNERS).max() < 12


def test_a_card_straightened_is_level_and_of_its_own_shape() -> None:
    image = photographed()
    outline = rectify.find(image)
    assert outline is not None
    flat = rectify.straighten(image, outline, 1000)
    assert flat.shape == (631, 1000, 3)
    assert flat[40, 500].tolist() == pytest.approx([40, 40, 180], abs=12)
    assert flat[560, 910].tolist() == pytest.approx([30, 30, 30], abs=25)


def test_a_card_standing_upright_is_laid_on_its_long_side() -> None:
    image = np.ascontiguousarray(np.rot90(photographed()))
    outline = rectify.find(image)
    assert outline is not None
    assert rectify.straighten(image, outline, 1000).shape == (631, 1000, 3)


def test_an_empty_table_holds_no_card() -> None:
    assert rectify.find(np.full((600, 800, 3), 120, np.uint8)) is None


def test_the_whole_picture_as_outline() -> None:
    outline = rectify.whole(np.zeros((540, 856, 3), np.uint8))
    assert (outline.width(), outline.score) == (855, 0)


def test_a_shadow_s_edge_is_no_side() -> None:
    image = photographed().astype(np.float32)
    image[:, 600:] *= 0.3
    image += np.random.default_rng(7).normal(0, 4, image.shape)
    outline = rectify.find(np.clip(image, 0, 255).astype(np.uint8))
    assert outline is not None
    assert np.abs(outline.corners - CORNERS).max() < 15
