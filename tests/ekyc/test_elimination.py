"""Values whose labels were not read."""

from __future__ import annotations

from ekyc.elimination import eliminate
from ekyc.fields import find
from ekyc.ocr import Word
from ekyc.templates import templates
from tests.printed import WIDTH, line

OLD = templates()[0]


def left_over(*lines: list[Word]) -> dict[str, str]:
    words = [word for one in lines for word in one]
    found = find(words, OLD, WIDTH)
    return {name: value.text for name, value in eliminate(found.values, found.places, [words], OLD).items()}


DATED = (
    line(200, (400, "Ngày vào Đảng: 03/02/1985")),
    line(250, (400, "Ngày chính thức: 03/02/1986")),
)


def test_the_one_number_without_a_label_is_the_card_s() -> None:
    assert left_over(line(100, (40, "S6 trẻ")), line(140, (40, "12.345678")))["card_number"] == "12345678"


def test_two_numbers_are_nobody_s() -> None:
    assert "card_number" not in left_over(line(100, (40, "12.345678")), line(140, (40, "23.456789")))


def test_a_date_without_separators_is_no_number() -> None:
    assert "card_number" not in left_over(line(100, (40, "05091960")))


def test_dates_go_where_only_one_order_can_be_true() -> None:
    found = left_over(line(150, (400, "Sxxy nzzq 05/09/1960")), *DATED, line(300, (400, "Nzzq cxx 06/05/2001")))
    assert (found["date_of_birth"], found["issued_on"]) == ("1960-09-05", "2001-05-06")


def test_one_date_left_over_is_the_one_that_is_missing_even_beside_a_misread_one() -> None:
    found = left_over(line(150, (400, "Sinh ngày: 05/09/1990")), *DATED, line(300, (400, "Nzzq cxx 06/05/2001")))
    assert found == {"issued_on": "2001-05-06"}


def test_dates_that_could_be_either_stay_unread() -> None:
    labelled = line(150, (400, "Sinh ngày: 05/09/1960")), line(300, (400, "Ngày cấp thẻ: 06/05/2001"))
    assert left_over(*labelled, line(200, (400, "Nzzq 03/02/1985"))) == {}


def test_what_looks_like_a_name_above_the_date_of_birth_is_one() -> None:
    born = line(150, (400, "Sinh ngày: 05/09/1960"))
    assert left_over(line(105, (400, "LÊ THỊ THỬ")), born) == {"full_name": "LÊ THỊ THỬ"}
    assert left_over(line(105, (400, "thẻ hội viên")), born) == {}
    assert left_over(line(20, (400, "LÊ THỊ THỬ")), born) == {}
