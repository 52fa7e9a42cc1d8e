from __future__ import annotations

from importlib import resources

import pytest

from knowledge.search.everyday import related_terms


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Đóng hội phí ở đâu?", ["nop"]),
        ("dong hoi phi o dau", []),
        ("mùa đông có họp không", ["cuoc", "hop", "cuoc hop", "sinh", "hoat", "sinh hoat"]),
        ("không phải đóng hội phí", ["mien", "nop"]),
        ("vào hội, rồi xin vào hội", ["ket", "nap", "ket nap"]),
        ("Nhiệm vụ của chi hội", []),
        ("", []),
    ],
)
def test_official_words_for_everyday_ones(question: str, expected: list[str]) -> None:
    assert related_terms(question) == expected


def test_every_line_of_the_list_is_two_sides_and_stands_once() -> None:
    text = resources.files("knowledge.search").joinpath("everyday_words.txt").read_text(encoding="utf-8")
    sides = [line.split(" = ") for line in text.splitlines()]
    assert {len(side) for side in sides} == {2}
    assert len({side[0] for side in sides}) == len(sides)
