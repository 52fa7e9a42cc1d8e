"""Lines of print found by their ink."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc import lines, unread
from ekyc.ocr import Box, Gray, Word
from ekyc.surface import Surface
from ekyc.views import WHITE


def sheet(*texts: tuple[str, int, int], grain: float = 0.0) -> Gray:
    """A sheet of 1300 × 820 with *texts* at x and the baseline y."""
    page = np.full((820, 1300), WHITE, np.uint8)
    for text, x, y in texts:
        cv2.putText(page, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.0, 60, 2, cv2.LINE_AA)
    noise = np.random.default_rng(7).normal(0, grain, page.shape)
    return np.clip(page + cv2.GaussianBlur(noise, (0, 0), 1.5), 0, 255).astype(np.uint8)


def holds(box: Box, x: int, y: int) -> bool:
    return box[0] <= x <= box[2] and box[1] <= y <= box[3]


@pytest.mark.parametrize("grain", [0.0, 12.0])
def test_each_line_is_one_box_and_columns_are_apart(grain: float) -> None:
    found = lines.find(
        sheet(("Ho va ten: Thu", 40, 200), ("03/02/1985", 40, 300), ("03/02/1986", 700, 300), grain=grain)
    )
    assert len(found) == 3
    assert holds(found[0], 60, 190)
    assert holds(found[1], 60, 290)
    assert holds(found[2], 720, 290)


def test_a_border_hides_no_print_beside_it() -> None:
    page = sheet(("Ho va ten: Thu", 40, 200))
    cv2.rectangle(page, (0, 150), (1299, 162), 0, -1)
    assert any(holds(box, 60, 190) for box in lines.find(page))


def test_print_under_a_stamp_is_found() -> None:
    page = sheet(("Tinh hoi Ha Truong", 40, 200))
    stamp = np.full_like(page, 255)
    cv2.circle(stamp, (260, 190), 50, 165, 3)
    page = np.minimum(page, stamp)
    found = [box for box in lines.find(page) if holds(box, 60, 190)]
    assert [holds(box, 290, 190) for box in found] == [True]


def test_nothing_is_print_in_the_portrait() -> None:
    page = sheet(("oo oo", 900, 400), ("Thu", 40, 200))
    assert len(lines.find(page)) == 2
    assert len(lines.find(page, (850, 300, 1200, 500))) == 1


def test_an_empty_sheet_has_no_lines() -> None:
    assert lines.find(sheet()) == []


def test_lines_that_words_do_not_cover() -> None:
    seen = [Word("Thu", (40, 180, 100, 210), 0.9), Word("?", (700, 180, 800, 210), 0.3)]
    assert unread.boxes([(38, 178, 110, 212), (700, 180, 800, 210)], seen) == [(700, 180, 800, 210)]


@pytest.mark.parametrize("columns", [5, 15])
def test_a_page_full_of_print_is_no_card(columns: int) -> None:
    page = np.full((820, 1300), WHITE, np.uint8)
    wide = 1300 // columns - 18
    for y in range(20, 800, 36):
        for x in range(10, 1300 - wide, wide + 18):
            cv2.rectangle(page, (x, y), (x + wide // 2, y + 18), 60, -1)
    assert lines.find(page) == []


def test_print_that_the_portrait_hid_is_found_when_it_is_looked_for() -> None:
    page = sheet(("Ho va ten: Thu", 40, 200), ("12345678", 900, 400))
    surface = Surface(cv2.cvtColor(page, cv2.COLOR_GRAY2BGR).astype(np.uint8))
    surface.find_lines((850, 300, 1200, 500))
    assert [holds(box, 60, 190) for box in surface.boxes] == [True]
    assert [holds(box, 1000, 390) for box in surface.overlooked()] == [True]


def test_nothing_more_is_found_where_all_was_seen() -> None:
    surface = Surface(cv2.cvtColor(sheet(("Ho va ten: Thu", 40, 200)), cv2.COLOR_GRAY2BGR).astype(np.uint8))
    surface.find_lines(None)
    assert surface.overlooked() == []
