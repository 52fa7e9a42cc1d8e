from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import fold
from knowledge.search.restoration import Restorer

RESTORER = Restorer.train(
    [
        "Hội viên có quyền ứng cử, đề cử và bầu cử.",
        "Hội viên đóng hội phí hằng tháng; mức hội phí do Ban Chấp hành quyết định.",
        "Khởi kiện vụ án hành chính theo quy định của pháp luật.",
    ]
)


@pytest.mark.parametrize(
    ("typed", "restored"),
    [
        ("hoi vien dong hoi phi bao nhieu", "hội viên đóng hội phí bao nhiêu"),
        ("Ai co quyen khoi kien vu an hanh chinh?", "Ai có quyền khởi kiện vụ án hành chính?"),
        ("HOI PHI, ban chap hanh", "HỘI PHÍ, ban chấp hành"),
        ("muc hội phi hang thang", "mức hội phí hằng tháng"),
        ("Hội viên đóng hội phí", "Hội viên đóng hội phí"),
        ("xyz 123 qwerty", "xyz 123 qwerty"),
        ("", ""),
        ("?! 2026", "?! 2026"),
    ],
)
def test_restored(typed: str, restored: str) -> None:
    assert RESTORER.restore(typed) == restored


def test_an_accented_syllable_is_never_changed() -> None:
    assert RESTORER.restore("hói vien dong hoi phi").split()[0] == "hói"


def test_decomposed_input_comes_back_composed() -> None:
    assert RESTORER.restore(unicodedata.normalize("NFD", "Hội viên có quyền")) == "Hội viên có quyền"


@given(st.text(alphabet="abdehinoptuvy HOI.,;?123\nđộưà", max_size=80))
def test_only_accents_change(text: str) -> None:
    restored = RESTORER.restore(text)
    assert fold(restored) == fold(text)
    assert RESTORER.restore(restored) == restored or fold(RESTORER.restore(restored)) == fold(text)


def test_saved_and_loaded(tmp_path: Path) -> None:
    path = tmp_path / "accents.npz"
    RESTORER.save(path)
    assert Restorer.load(path).restore("hoi vien co quyen bau cu") == "hội viên có quyền bầu cử"


def test_question_words_are_known_without_any_document() -> None:
    assert Restorer.train([]).restore("bao nhieu") == "bao nhiêu"
