"""Values found by their labels in layouts of every kind."""

from __future__ import annotations

import pytest

from ekyc.fields import find, unlabelled
from ekyc.ocr import Word
from ekyc.templates import templates
from tests.printed import EM, WIDTH, line

OLD = templates()[0]


def values(*lines: list[Word]) -> dict[str, str]:
    return {
        name: value.text for name, value in find([word for one in lines for word in one], OLD, WIDTH).values.items()
    }


def test_label_and_value_on_one_line() -> None:
    assert values(
        line(100, (40, "Số thẻ: 12.345678")),
        line(150, (40, "Họ và tên: LÊ THỊ THỬ")),
        line(200, (40, "Sinh ngày: 05/09/1960")),
        line(250, (40, "Nơi cấp thẻ: Tỉnh hội Hà Trường")),
        line(300, (40, "Ngày cấp thẻ: 06-05-2001")),
    ) == {
        "card_number": "12345678",
        "full_name": "LÊ THỊ THỬ",
        "date_of_birth": "1960-09-05",
        "issuer": "Tỉnh hội Hà Trường",
        "issued_on": "2001-05-06",
    }


def test_value_below_its_label_in_two_columns() -> None:
    assert values(
        line(100, (40, "Ngày vào Đảng"), (600, "Chính thức ngày")),
        line(140, (40, "03.02.1985"), (600, "03.02.1986")),
        line(190, (40, "Họ tên")),
        line(230, (40, "Lê Thị Thử")),
    ) == {"joined_on": "1985-02-03", "official_on": "1986-02-03", "full_name": "Lê Thị Thử"}


def test_two_labels_on_one_line() -> None:
    assert values(line(100, (40, "Ngày vào Hội: 03/02/1985 Ngày chính thức: 03/02/1986"))) == {
        "joined_on": "1985-02-03",
        "official_on": "1986-02-03",
    }


def test_a_long_value_runs_on_in_the_next_line() -> None:
    assert values(
        line(100, (40, "Quê quán: Xã An Lâm, huyện Mỹ Khê,")),
        line(140, (190, "tỉnh Hà Trường")),
        line(190, (40, "Ngày vào Đảng: 03/02/1985")),
    ) == {"home_town": "Xã An Lâm, huyện Mỹ Khê, tỉnh Hà Trường", "joined_on": "1985-02-03"}


def test_the_next_row_is_no_second_line() -> None:
    read = values(line(100, (40, "Nơi cấp thẻ: Tỉnh hội Hà Trường")), line(140, (40, "Ngỳ cp th: 06/05/2001")))
    assert read == {"issuer": "Tỉnh hội Hà Trường"}


def test_the_portrait_s_caption_is_no_value() -> None:
    assert values(
        line(100, (40, "Nơi cấp thẻ"), (1030, "SPECIMEN")),
        line(140, (40, "Huyện hội Khánh Vượng")),
    ) == {"issuer": "Huyện hội Khánh Vượng"}
    assert values(
        line(100, (40, "Nơi cấp thẻ")), line(128, (1030, "SPECIMEN")), line(150, (40, "Huyện hội Khánh Vượng"))
    ) == {"issuer": "Huyện hội Khánh Vượng"}


def test_a_value_may_hold_words_like_those_of_a_label() -> None:
    assert values(line(100, (40, "Nơi cấp thẻ: Ban Thường vụ Tỉnh hội"))) == {"issuer": "Ban Thường vụ Tỉnh hội"}


@pytest.mark.parametrize("label", ["Ho va ten", "Họ và tn", "Họ, và tên", "HỌ VÀ TÊN", "Hovà tên"])
def test_labels_survive_small_reading_errors(label: str) -> None:
    assert values(line(100, (40, f"{label}: Lê Thị Thử"))) == {"full_name": "Lê Thị Thử"}


def test_a_page_that_is_no_card_has_no_labels() -> None:
    found = find(line(100, (40, "Điều 1. Phạm vi điều chỉnh của quy định này")), OLD, WIDTH)
    assert (found.labels, found.values) == (0, {})


def test_a_label_without_a_value_keeps_its_place() -> None:
    found = find(line(100, (40, "Họ và tên:"), (700, "Ngày sinh: 05/09/1960")), OLD, WIDTH)
    assert set(found.values) == {"date_of_birth"}
    left, top, right, bottom = found.places["full_name"][0]
    assert (left > 150, right < 700, top, bottom) == (True, True, 100, 130)


def test_nothing_read_nothing_found() -> None:
    assert find([], OLD, WIDTH).labels == 0


def test_a_label_half_made_out_counts_only_when_asked_for() -> None:
    words = [Word(word.text, word.box, 0.6) for word in line(150, (40, "Sĩnx rgcy: 05/09/1960"))]
    missing = ("date_of_birth",)
    assert find(words, OLD, WIDTH).values == {}
    assert find(words, OLD, WIDTH, missing=missing, least=0.55).values["date_of_birth"].text == "1960-09-05"
    assert find(words, OLD, WIDTH, missing=missing, taken_up=[(0, 140, 1300, 190)], least=0.55).values == {}
    assert find(words, OLD, WIDTH, missing=("issuer",), least=0.55).values == {}


def test_the_rest_of_a_label_is_no_value() -> None:
    assert (
        values(line(100, (40, "Nơi cấp ibẻ:")), line(140, (40, "Tỉnh hội Hà Trường")))["issuer"] == "Tỉnh hội Hà Trường"
    )


def test_a_stamp_between_two_lines_does_not_cut_the_value() -> None:
    found = values(
        line(100, (40, "Nơi cấp thẻ: Ban Thường vụ Hội")),
        line(122, (900, "MẪU"), height=14),
        line(140, (235, "Hà Trường")),
    )
    assert found["issuer"] == "Ban Thường vụ Hội Hà Trường"


def test_a_label_right_after_a_number_is_one() -> None:
    found = values(line(100, (40, "Số: 71.159292 Ngày cấp thẻ 15/08/2009")))
    assert found == {"card_number": "71159292", "issued_on": "2009-08-15"}


def test_a_name_is_no_label_half_made_out() -> None:
    def guessed(text: str) -> bool:
        words = [Word(word.text, word.box, 0.6) for word in line(150, (40, text))]
        return bool(find(words, OLD, WIDTH, missing=("issuer",), least=0.55).values)

    assert guessed("Nai cam Sơn Bình")
    assert not guessed("Nai Cam Sơn Bình")


def issuer_of(*lines: list[Word]) -> str | None:
    words = [word for one in lines for word in one]
    found = unlabelled("issuer", words, OLD, WIDTH, lambda text: text.endswith("Hà Trường"), [(40, 100, 400, 130)])
    return found.values["issuer"].text if found.values else None


def test_an_issuer_without_label_begins_a_line_or_follows_the_rest_of_a_label() -> None:
    assert issuer_of(line(200, (40, "xxi zzẻ: Tỉnh hội Hà Trường"))) == "Tỉnh hội Hà Trường"
    two = (
        line(200, (235, "Ban Thường vụ Hội")),
        line(240, (235, "Hà Trường")),
        line(290, (40, "Ngày cấp thẻ: 06/05/2001")),
    )
    assert issuer_of(*two) == "Ban Thường vụ Hội Hà Trường"


def test_nothing_else_is_an_issuer() -> None:
    assert issuer_of(line(20, (40, "Tỉnh hội Hà Trường"))) is None
    assert issuer_of(line(200, (40, "Quê quán: Tỉnh Hà Trường"))) is None
    assert issuer_of(line(200, (40, "Tỉnh"))) is None


def test_the_place_of_a_number_ends_where_it_ends() -> None:
    words = line(150, (40, "Số thẻ: 12345678 x!(8 cxx 05/09/1960"))
    found = find(words, OLD, WIDTH)
    ((left, _, right, _),) = found.places["card_number"]
    assert found.values["card_number"].text == "12345678"
    assert (left, right) == (40 + 8 * EM, 40 + 16 * EM)


def test_a_value_by_a_vague_label_is_of_its_kind() -> None:
    words = [Word(word.text, word.box, 0.6) for word in line(150, (40, "Nai cam LONG"))]
    assert not find(words, OLD, WIDTH, missing=("issuer",), least=0.55).values


def test_a_name_is_no_label_of_the_home_town() -> None:
    assert "home_town" not in find(line(150, (40, "NGUYÊN QUỐC LONG")), OLD, WIDTH).places
    assert "home_town" in find(line(150, (40, "Nguyên quán An Cát, Mỹ Khê")), OLD, WIDTH).places


def test_it_is_known_which_labels_were_read_letter_by_letter() -> None:
    words = [
        *line(150, (40, "Sinh ngày: 05/09/1960")),
        *line(200, (40, "Ngày vao Hộí: 03/02/1985")),
        *line(250, (40, "Chinh thưc ngáv: 03/02/1986")),
    ]
    assert find(words, OLD, WIDTH).exact == {"date_of_birth", "joined_on"}
