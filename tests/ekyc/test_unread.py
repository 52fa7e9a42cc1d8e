"""Values that may have been cut off."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ekyc import unread
from ekyc.fields import Found
from ekyc.ocr import Box, Gray, Word
from ekyc.values import Value
from ekyc.views import WHITE

HEIGHT = 30
WORDS = [Word("AN", (400, 200, 460, 230), 0.95), Word("BINH", (480, 200, 600, 230), 0.95)]


def card(*prints: tuple[str, int, int]) -> Gray:
    """An evened card with AN BINH and other print at x in some level."""
    page = np.full((820, 1300), WHITE, np.uint8)
    for text, x, level in (("AN", 400, 60), ("BINH", 480, 60), *prints):
        cv2.putText(page, text, (x, 228), cv2.FONT_HERSHEY_SIMPLEX, 1.1, level, 3, cv2.LINE_AA)
    return page


def lit(glare: Box | None = None) -> Gray:
    """The level of a card's ground, burnt out in *glare*."""
    ground = np.full((820, 1300), 150, np.uint8)
    if glare:
        ground[glare[1] : glare[3], glare[0] : glare[2]] = 255
    return ground


def cut(page: Gray, ground: Gray, *, end: int = 1300, value: str = "AN BINH", words: list[Word] | None = None) -> bool:
    box = (400, 200, 600, 230)
    found = Found(places={"full_name": (box,)}, spans={"full_name": (390, 200, end, 230)}, labels=1)
    return unread.cut_off(page, ground, words or WORDS, found, HEIGHT, {"full_name": value}) == {"full_name"}


def test_a_value_on_clear_ground_is_whole() -> None:
    assert not cut(card(), lit())


def test_print_that_no_reader_saw_leaves_a_doubt() -> None:
    assert cut(card(("XY", 620, 60)), lit())
    assert not cut(card(("XY", 620, 60)), lit(), end=610)
    assert not cut(card(("XY", 640, 60)), lit())


@pytest.mark.parametrize("glare", [(610, 190, 700, 240), (380, 190, 700, 240)])
def test_glare_that_may_hide_a_word_leaves_a_doubt(glare: Box) -> None:
    assert cut(card(), lit(glare))


def test_glare_after_clear_ground_hides_nothing_of_the_value() -> None:
    assert not cut(card(), lit((650, 190, 760, 240)))


def test_faint_print_beside_glare_leaves_a_doubt() -> None:
    near = lit((650, 190, 760, 240))
    assert cut(card(("X", 615, 190)), near)
    assert not cut(card(("X", 615, 190)), lit())


def test_a_word_that_was_read_and_dropped_counts_as_unread_beside_glare() -> None:
    words = [*WORDS, Word("XYZ", (612, 200, 645, 230), 0.6)]
    near = lit((645, 190, 760, 240))
    assert cut(card(("X", 615, 190)), near, words=words)
    assert not cut(card(("X", 615, 190)), near, words=words, value="AN BINH XYZ")


def test_numbers_and_dates_are_whole_or_not_read() -> None:
    found = Found(places={"issued_on": ((400, 200, 600, 230),)}, spans={"issued_on": (390, 200, 1300, 230)}, labels=1)
    page = card(("XY", 640, 60))
    assert unread.cut_off(page, lit((610, 190, 700, 240)), WORDS, found, HEIGHT, {"issued_on": "2001-05-06"}) == set()


@pytest.mark.parametrize(("glare", "doubtful"), [((560, 190, 692, 240), True), ((560, 190, 670, 240), False)])
def test_a_date_with_one_digit_right_after_glare_may_lack_another(glare: Box, doubtful: bool) -> None:
    day = Value("2018-11-06", 0.9, (("2018-11-06", 0.9),), ((700, 200, 900, 230),))
    found = Found({"joined_on": day}, {"joined_on": day.boxes}, {"joined_on": (540, 200, 1300, 230)})
    assert ("joined_on" in unread.cut_off(card(), lit(glare), WORDS, found, HEIGHT, {}, {"joined_on"})) == doubtful
    assert "joined_on" not in unread.cut_off(card(), lit(glare), WORDS, found, HEIGHT, {})


def test_glare_on_the_line_above_is_seen() -> None:
    assert unread.glare_above(lit((500, 165, 560, 190)), (400, 200, 600, 230), HEIGHT)
    assert not unread.glare_above(lit((500, 100, 560, 140)), (400, 200, 600, 230), HEIGHT)
    assert not unread.glare_above(lit((700, 165, 760, 190)), (400, 200, 600, 230), HEIGHT)
