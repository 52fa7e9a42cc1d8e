"""What words are expected in which field."""

from __future__ import annotations

import unicodedata

import pytest

from ekyc import words
from ekyc.words import MISSPELT, NO_FAMILY, UNLISTED, like, usual


@pytest.mark.parametrize(
    ("field", "word", "place", "prior"),
    [
        ("full_name", "NGUYỄN", 0, 1.0),
        ("full_name", "Nguyễn", 0, 1.0),
        ("full_name", "NGUYÊN", 0, NO_FAMILY),
        ("full_name", "Nguyên", 2, 1.0),
        ("full_name", "Khảnh", 1, UNLISTED),
        ("full_name", "Mgây", 1, MISSPELT),
        ("home_town", "huyện", 2, 1.0),
        ("home_town", "tình", 4, UNLISTED),
        ("home_town", "Điền,", 1, 1.0),
        ("home_town", "12,", 1, 1.0),
        ("issuer", "Ban", 0, 1.0),
        ("issuer", "Bạn", 0, NO_FAMILY),
        ("issuer", "Bạn", 1, 1.0),
    ],
)
def test_how_usual_a_word_is(field: str, word: str, place: int, prior: float) -> None:
    assert usual(field, word, place) == prior
    assert usual(field, unicodedata.normalize("NFD", word), place) == prior


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
