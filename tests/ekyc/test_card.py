"""A card on its way: what is added to it, and which fields are read once more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ekyc.card import DIGITS, PAGE, SECOND, Card
from ekyc.fields import Found
from ekyc.surface import Surface
from ekyc.templates import templates
from ekyc.values import Value
from ekyc.voting import Reading, vote_digits
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


def test_a_text_is_settled_when_the_readings_agree() -> None:
    card = _blank()
    assert not card.settled("full_name")
    words = tuple((word, 0.97) for word in ["Nguyễn", "Văn", "An"])
    card.readings["full_name"] = [Reading(words, 1.0, PAGE), Reading(words, 1.0, SECOND)]
    assert card.settled("full_name")
    card.readings["full_name"] = [Reading(tuple((word, 0.6) for word, _ in words), 1.0, PAGE)]
    assert not card.settled("full_name")


def _placed(**tops: int) -> Card:
    card = _blank()
    for name, top in tops.items():
        card.found.places[name] = card.found.spans[name] = ((400, top, 600, top + 30),)  # type: ignore[assignment]
        card.found.values[name] = Value("", 0.9, (), ())
        card.readings[name] = [Reading((("x", 0.9),))]
    return card


def test_a_field_where_none_of_its_kind_is_printed_is_forgotten() -> None:
    card = _placed(full_name=100, date_of_birth=150, official_on=300, issuer=350, joined_on=400)
    card.drop_misplaced()
    assert "joined_on" in card.missing
    assert "joined_on" not in card.found.places
    assert "joined_on" not in card.readings
    assert {"full_name", "date_of_birth", "official_on", "issuer"} <= set(card.found.values)


def test_of_two_fields_in_each_other_s_place_the_one_whose_label_was_read_stays() -> None:
    card = _placed(joined_on=300, official_on=250)
    card.found = replace(card.found, exact=frozenset({"joined_on"}))
    card.drop_misplaced()
    assert set(card.found.values) == {"joined_on"}
    card = _placed(joined_on=300, official_on=250)
    card.drop_misplaced()
    assert card.found.values == {}


def test_a_design_with_another_order_is_believed_where_its_labels_are_read() -> None:
    card = _placed(issued_on=100, full_name=150, joined_on=200)
    card.found = replace(card.found, exact=frozenset(card.found.values))
    card.drop_misplaced()
    assert set(card.found.values) == {"issued_on", "full_name", "joined_on"}


def test_where_a_field_may_stand() -> None:
    card = _placed(date_of_birth=150, issued_on=400)
    assert card.stands("home_town", (400, 200, 600, 230))
    assert not card.stands("home_town", (400, 100, 600, 130))
    assert card.stands("card_number", (400, 50, 600, 80))


def test_digits_that_make_no_date_give_way_to_the_surest_reading() -> None:
    card = _blank()
    days = ("2001-02-01", 0.9), ("2001-01-31", 0.9), ("2001-02-11", 0.6), ("2001-12-31", 0.5)
    card.readings["issued_on"] = [Reading(((day, sure),), 1.0, day) for day, sure in days]
    voted = vote_digits(card.readings["issued_on"])
    assert voted is not None
    assert voted.text == "2001-02-31"
    verdict = card.verdict("issued_on")
    assert verdict is not None
    assert (verdict.text, verdict.confidence) == ("2001-02-01", 0.5)
