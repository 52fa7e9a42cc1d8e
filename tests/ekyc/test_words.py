"""What words are expected in which field."""

from __future__ import annotations

import unicodedata

import pytest

from core.text import fold
from ekyc import words
from ekyc.words import (
    MISSPELT,
    NO_FAMILY,
    OTHER_ACCENTS,
    OTHERS_LETTERS,
    RARE,
    UNLISTED,
    expected,
    fits,
    like,
    may_be,
    named,
    usual,
    whole,
)


@pytest.mark.parametrize(
    ("field", "word", "place", "prior"),
    [
        ("full_name", "NGUYỄN", 0, 1.0),
        ("full_name", "Nguyễn", 0, 1.0),
        ("full_name", "NGUYÊN", 0, OTHER_ACCENTS),
        ("full_name", "Thu", 0, NO_FAMILY),
        ("full_name", "Nguyên", 2, 1.0),
        ("full_name", "Khảnh", 1, OTHERS_LETTERS),
        ("full_name", "Ngoét", 1, UNLISTED),
        ("full_name", "VẠN", 2, RARE),
        ("full_name", "Vạn", 0, 1.0),
        ("full_name", "Mgây", 1, MISSPELT),
        ("home_town", "huyện", 2, 1.0),
        ("home_town", "tình", 4, OTHER_ACCENTS),
        ("home_town", "khoa", 4, UNLISTED),
        ("home_town", "Điền,", 1, 1.0),
        ("home_town", "Điển,", 1, OTHERS_LETTERS),
        ("home_town", "Phủ", 1, RARE),
        ("home_town", "Phú", 1, 1.0),
        ("home_town", "12,", 1, 1.0),
        ("issuer", "Ban", 0, 1.0),
        ("issuer", "Bạn", 0, OTHER_ACCENTS),
        ("issuer", "Bạn", 1, 1.0),
        ("issuer", "Lãm", 3, RARE),
    ],
)
def test_how_usual_a_word_is(field: str, word: str, place: int, prior: float) -> None:
    assert usual(field, word, place) == prior
    assert usual(field, unicodedata.normalize("NFD", word), place) == prior


def test_a_rare_word_is_listed_and_its_like_is_not_rare() -> None:
    lists = words._lists()
    for rare, listed in (("rare_given", lists["given"]), ("rare_place", lists["place"])):
        assert lists[rare] <= listed
        for word in lists[rare]:
            assert any(fold(other) == fold(word) for other in listed - lists[rare]), word


def test_words_with_other_accents_are_like_it_in_the_same_case() -> None:
    assert "KIỀU" in like("full_name", "KIỂU")
    assert "Lâm," in like("home_town", "Lắm,")
    assert "Lắm," not in like("home_town", "Lắm,")


def test_a_small_word_one_letter_off_is_like_a_listed_one() -> None:
    assert like("home_town", "nuyện") == ["huyện"]
    assert like("home_town", "-") == ()


@pytest.mark.parametrize("word", ["nghiêng", "khuya", "quỳnh", "giếng", "oanh", "thuở", "ý", "tuyết", "ngoằn"])
def test_syllables_that_can_be(word: str) -> None:
    assert words._possible(word)


@pytest.mark.parametrize("word", ["nngay", "bìnb", "tết̀", "hướt̀", "caap", "cap̉", "mâch"])
def test_syllables_that_cannot_be(word: str) -> None:
    assert not words._possible(unicodedata.normalize("NFC", word))


def places(*read: str) -> list[set[str]]:
    """The words read in each place, different readings parted by strokes; "0" is nothing."""
    return [{"" if word == "0" else word for word in words.split("|")} for words in read]


def test_a_region_stands_last_with_its_own_accents() -> None:
    read = places("Xã", "An", "Cát,", "tỉnh", "Trường", "Văn|Vẫn.")
    assert expected("home_town", read) == {4: {"Trường"}, 5: {"Vân", "Vân."}}
    assert expected("issuer", places("Tỉnh", "hội", "Đồng", "Khê"))[2] == {"Đông"}
    assert expected("issuer", places("Tỉnh", "hội", "Đồng", "Khê", "0|x"))[2] == {"Đông"}


def test_a_region_may_hold_a_dash() -> None:
    read = places("Xã", "An", "Cát,", "Bà", "Ria", "-|0", "Vủng", "Tàu")
    assert expected("home_town", read) == {3: {"Bà"}, 4: {"Rịa"}, 5: {"-"}, 6: {"Vũng"}, 7: {"Tàu"}}


def test_both_schools_of_accents_are_right() -> None:
    assert expected("home_town", places("An", "Cát,", "Hoà", "Bình"))[2] == {"Hoà", "Hòa"}


@pytest.mark.parametrize("read", [("huyện", "Đồng", "Khê"), ("Đồng", "Khê", "Lâm"), ("Lâm", "Văn")])
def test_a_smaller_place_has_any_accents(read: tuple[str, ...]) -> None:
    assert expected("home_town", places(*read)) == {}


def test_a_dash_stands_before_the_region_where_dashes_part_the_value() -> None:
    assert expected("home_town", places("An", "-", "Cát", "-|0", "Sơn", "Bình"))[3] == {"-"}
    assert 3 not in expected("home_town", places("An", "Cát", "Sơn", "-|0", "Sơn", "Bình"))


def test_set_phrases_have_their_accents_anywhere() -> None:
    read = places("Bạn", "Thường", "vụ", "Hội", "Ban", "đọc")
    assert expected("issuer", read) == {0: {"Ban"}, 1: {"Thường"}, 2: {"vụ"}, 4: {"Bạn"}, 5: {"đọc"}}
    assert expected("full_name", places("BẠN", "ĐỌC")) == {}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("full_name", "LÊ THỬ"),
        ("full_name", "Y Thử"),
        ("full_name", "Đặng Thùy Thử"),
        ("home_town", "Xã An Cát, huyện Mỹ Khê, tỉnh Hà Trường"),
        ("home_town", "An Cát - Mỹ Khê - Hoà Bình"),
        ("home_town", "Vũng Tàu, Bà Rịa - Vũng Tàu"),
        ("home_town", "Phường 3, TX Mỹ Khê, Y Tý, Lào Cai"),
        ("home_town", "Thái Nguyên"),
        ("issuer", "Ban Chấp hành Hội Bạn đọc Trường Vân"),
        ("issuer", "Huyện hội Mỹ Khê"),
        ("issuer", "Thành ủy Huế"),
    ],
)
def test_whole_values(field: str, text: str) -> None:
    assert whole(field, text)
    assert whole(field, unicodedata.normalize("NFD", text))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("full_name", "Thùy Thử"),
        ("full_name", "LÊ"),
        ("full_name", "LÊ TH"),
        ("full_name", "LÊ THỊ THÙY VĂN"),
        ("full_name", "Lê Thị"),
        ("full_name", "Trịnh Bích VỆ"),
        ("home_town", "Xã An Cát, huyện Mỹ Khê"),
        ("home_town", "1, thành phố Hà Trường"),
        ("home_town", "Hải, tỉnh Hà Trường"),
        ("home_town", "An Cát, huyện Mỹ h Hà Trường"),
        ("home_town", "An Cát - Mỹ Khê Hà Trường"),
        ("home_town", "An Cát Mỹ Khê Hà Trường"),
        ("home_town", "Xã An Cá uyện Mỹ Khê, tỉnh Hà Trường"),
        ("issuer", "Tỉnh ội Hà Trường"),
        ("issuer", "Thành hội"),
        ("issuer", "Tỉnh hội Đông"),
        ("issuer", "hành Hội Bạn đọc Trường Vân"),
    ],
)
def test_halves_of_values(field: str, text: str) -> None:
    assert not whole(field, text)


def test_what_only_one_field_looks_like() -> None:
    assert fits("home_town", "Xã An Cát, huyện Mỹ Khê, tỉnh Hà Trường")
    assert fits("issuer", "Tỉnh hội Hà Trường")
    assert not fits("home_town", "Tỉnh hội Hà Trường")
    assert not fits("issuer", "Thị trấn An Cát, huyện Mỹ Khê, tỉnh Hà Trường")
    assert not fits("issuer", "HỘI BẠN ĐỌC")


def test_a_value_looks_like_its_field_whatever_its_accents() -> None:
    assert fits("full_name", "Lê Thi Thư")
    assert not fits("full_name", "Thùy Thử")
    assert fits("home_town", "Xã An Cát, huyện My Khê, tỉnh Ha Trương")
    assert fits("issuer", "Tinh hội Mỹ Khé")
    assert not fits("issuer", "Mỹ Khê")


@pytest.mark.parametrize(
    ("field", "text", "may"),
    [
        ("full_name", "Meô Thị Thử", True),
        ("full_name", "LÊ", False),
        ("full_name", "Lê thử", False),
        ("home_town", "An Cát, huyện Mỹ", True),
        ("home_town", "Cát Hà Trương", True),
        ("home_town", "LÊ THỬ", False),
        ("issuer", "Dan Thường vụ", True),
        ("issuer", "An Cát, huyện Mỹ Khê", False),
        ("issuer", "cấp thẻ", False),
    ],
)
def test_what_may_be_a_value_beside_its_label(field: str, text: str, may: bool) -> None:
    assert may_be(field, text) == may


def test_a_family_name_in_any_accents() -> None:
    assert named("Nguyên,")
    assert not named("nguyễn")
    assert not named("Thử")
