"""A card on its way: what is added to it, and which fields are read once more."""

from __future__ import annotations

import numpy as np
import pytest

from ekyc.card import DIGITS, PAGE, SECOND, Card
from ekyc.fields import Found
from ekyc.surface import Surface
from ekyc.templates import templates
from ekyc.voting import Reading
from tests.printed import line


def _blank() -> Card:
    return Card(Surface(np.full((64, 64, 3), 200, np.uint8)), [], Found(), templates()[0], 0)


@pytest.mark.parametrize(
    ("first", "text"),
    [
        ("Xã An Cát, huyện -", "Xã An Cát, huyện Hà Trường"),
        ("Xã An Cát, Bà Rịa - Vũng", "Xã An Cát, Bà Rịa - Vũng Hà Trường"),
        ("An Cát - Mỹ Khê -", "An Cát - Mỹ Khê - Hà Trường"),
    ],
)
def test_a_dash_after_the_first_line_is_a_speck_where_commas_part_the_value(first: str, text: str) -> None:
    card = _blank()
    card.add("home_town", [line(100, (40, first)), line(140, (40, "Hà Trường"))], "page")
    assert [" ".join(word for word, _ in read.words) for read in card.readings["home_town"]] == [text]


@pytest.mark.parametrize(
    ("name", "read", "doubtful"),
    [
        ("card_number", [("12345678", DIGITS), ("12345678", DIGITS)], False),
        ("card_number", [("12345678", DIGITS), ("12345678", DIGITS), ("12345673", PAGE)], True),
        ("card_number", [], True),
        ("full_name", [("Nguyễn Văn An", PAGE)] * 3, False),
        ("full_name", [("Nguyễn Văn An", PAGE), ("Nguyễn Văn Ân", SECOND)], True),
    ],
)
def test_what_was_read_differently_is_read_once_more(name: str, read: list[tuple[str, str]], doubtful: bool) -> None:
    card = _blank()
    card.readings[name] = [Reading(tuple((word, 0.99) for word in text.split()), 1.0, by) for text, by in read]
    assert card.doubtful(name) == doubtful


@pytest.mark.parametrize(
    ("name", "readers", "one_sided"),
    [
        ("Nguyễn Văn Đỉnh", (PAGE, PAGE), True),
        ("Nguyễn Văn Đỉnh", (PAGE, SECOND), False),
        ("Bùi Bích Bảo", (PAGE, PAGE), False),
    ],
)
def test_a_name_that_has_its_like_wants_a_second_reader(name: str, readers: tuple[str, ...], one_sided: bool) -> None:
    card = _blank()
    card.readings["full_name"] = [Reading(tuple((word, 0.99) for word in name.split()), 1.0, by) for by in readers]
    assert card.one_sided("full_name") == one_sided
