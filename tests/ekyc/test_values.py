"""Printed words to numbers, dates and texts."""

from __future__ import annotations

from datetime import date

import pytest

from ekyc.ocr import Word
from ekyc.templates import templates
from ekyc.values import clean, parse_date, read_value

OLD = templates()[0]


def words(text: str, sure: float = 0.9) -> list[Word]:
    return [Word(word, (20 * place, 0, 20 * place + 15, 20), sure) for place, word in enumerate(text.split())]


@pytest.mark.parametrize(
    "text",
    [
        "05/09/1960",
        "05-09-1960",
        "05.09.1960",
        "5 / 9 / 1960",
        "ngày 05 tháng 9 năm 1960",
        "Ngày 05, tháng 09, năm 1960",
    ],
)
def test_every_way_to_write_a_date(text: str) -> None:
    assert parse_date(text) == date(1960, 9, 5)


@pytest.mark.parametrize("text", ["31/02/1960", "05/13/1960", "05/09/60", "1960", "không có", ""])
def test_what_is_no_date(text: str) -> None:
    assert parse_date(text) is None


def test_the_order_of_a_date_is_the_template_s() -> None:
    assert parse_date("1960-09-05", "ymd") == date(1960, 9, 5)


@pytest.mark.parametrize("text", ["12345678", "12.345678", "12 345 678", "12,345.678"])
def test_the_number_is_eight_digits_however_it_is_grouped(text: str) -> None:
    value = read_value("card_number", [words(text)], OLD)
    assert value is not None
    assert (value.text, value.confidence) == ("12345678", 0.9)


def test_letters_taken_for_digits_halve_the_confidence() -> None:
    value = read_value("card_number", [words("I2.34S678")], OLD)
    assert value is not None
    assert (value.text, value.confidence) == ("12345678", 0.45)


@pytest.mark.parametrize("text", ["1234567", "123456789", "Hà Nội", "12/34/5678", "29.04.2004", "39-01-2004"])
def test_another_count_of_digits_is_no_number(text: str) -> None:
    assert read_value("card_number", [words(text)], OLD) is None


def test_a_date_between_which_the_strokes_were_lost_is_unsure() -> None:
    value = read_value("joined_on", [words("05091960")], OLD)
    assert value is not None
    assert (value.text, value.confidence) == ("1960-09-05", 0.45)


def test_two_lines_become_one_text_with_one_box_each() -> None:
    value = read_value("home_town", [words("Xã An Lâm , huyện"), words("Mỹ Khê.")], OLD)
    assert value is not None
    assert value.text == "Xã An Lâm, huyện Mỹ Khê"
    assert len(value.boxes) == 2


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("  LÊ   THỊ  THỬ ", "LÊ THỊ THỬ"),
        ("Le\u0302 Thi\u0323", "Lê Thị"),
        ("“Hà Nội”......", "Hà Nội"),
        ("An Phước – Hà Trường", "An Phước - Hà Trường"),
        ("Phường 5,quận 6", "Phường 5, quận 6"),
    ],
)
def test_text_is_kept_as_printed_with_single_spaces(raw: str, kept: str) -> None:
    assert clean(raw) == kept


def test_marks_in_a_home_town_are_those_that_can_stand_there() -> None:
    value = read_value("home_town", [words("Xã An Lâm. huyện, Mỹ Khê; TP. Hà Trường.")], OLD)
    assert value is not None
    assert value.text == "Xã An Lâm, huyện Mỹ Khê, TP. Hà Trường"


def test_specks_are_no_name() -> None:
    assert read_value("full_name", [words(". | -")], OLD) is None


@pytest.mark.parametrize(
    ("text", "short"), [("6/11/2018", True), ("26/11/2018", False), ("ngày 6 tháng 11 năm 2018", True)]
)
def test_a_day_of_one_digit_is_marked(text: str, short: bool) -> None:
    value = read_value("joined_on", [words(text)], OLD)
    assert value is not None
    assert value.short == short


def test_a_date_with_one_separator_is_worth_less() -> None:
    value = read_value("joined_on", [words("0202-1943")], OLD)
    assert value is not None
    assert (value.text, value.confidence) == ("1943-02-02", 0.45)
