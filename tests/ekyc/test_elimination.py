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


BORN = line(150, (400, "Sinh ngày: 05/09/1960"))
HOME = line(200, (400, "Quê quán: An Cát, Mỹ Khê, Hà Trường"))
ISSUER = line(350, (400, "Nơi cấp thẻ: Tỉnh hội Hà Trường"))


def test_dates_go_where_the_design_prints_them() -> None:
    dates = (
        line(250, (400, "Nzzq 03/02/1985")),
        line(300, (400, "Nzzq 03/02/1986")),
        line(400, (400, "Nzzq 03/02/1986")),
    )
    found = left_over(BORN, HOME, ISSUER, *dates)
    assert found == {"joined_on": "1985-02-03", "official_on": "1986-02-03", "issued_on": "1986-02-03"}


def test_a_date_where_the_design_prints_another_field_is_nobody_s() -> None:
    labelled = BORN, *DATED, line(320, (400, "Nơi cấp thẻ: Tỉnh hội Hà Trường"))
    assert "issued_on" in left_over(*labelled, line(400, (400, "Nzzq cxx 06/05/2001")))
    assert "issued_on" not in left_over(*labelled, line(120, (400, "Nzzq cxx 06/05/2001")))


def test_dates_in_words_are_dates() -> None:
    found = left_over(
        line(150, (400, "Sxxy nzzq 05 tháng 9 năm 1960")), *DATED, line(400, (400, "Ngày cấp thẻ: 06/05/2001"))
    )
    assert found == {"date_of_birth": "1960-09-05"}


def test_of_a_date_that_no_view_could_read_the_place_is_known() -> None:
    found = left_over(line(150, (400, "Sxxy nzzq 05/09/19%6")), *DATED, line(400, (400, "Ngày cấp thẻ: 06/05/2001")))
    assert found == {"date_of_birth": ""}


def test_what_begins_with_a_family_name_is_the_name_where_the_design_prints_it() -> None:
    assert left_over(line(105, (40, "Hx"), (400, "LÊ THỊ THỬ")), HOME) == {"full_name": "LÊ THỊ THỬ"}
    assert left_over(line(105, (400, "hx lxn: LÊ THỊ THỬ")), BORN) == {"full_name": "LÊ THỊ THỬ"}
    assert left_over(line(20, (400, "LÊ THỊ THỬ")), BORN) == {}
    assert left_over(line(260, (400, "LÊ THỊ THỬ")), BORN, HOME) == {}


def test_a_misread_date_goes_where_the_design_prints_it() -> None:
    dates = (
        line(250, (400, "Nzzq 03/02/1985")),
        line(300, (400, "Nzzq 03/02/1956")),
        line(400, (400, "Nzzq 06/05/2001")),
    )
    found = left_over(BORN, HOME, ISSUER, *dates)
    assert found == {"joined_on": "1985-02-03", "official_on": "1956-02-03", "issued_on": "2001-05-06"}
