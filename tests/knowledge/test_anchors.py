from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from knowledge.anchors import anchor, anchors


@dataclass
class Node:
    kind: str
    number: str | None = None
    children: list[Node] = field(default_factory=list)


@pytest.mark.parametrize(
    ("path", "fragment"),
    [
        ([("article", "12")], "dieu-12"),
        ([("article", "12"), ("clause", "2")], "dieu-12-khoan-2"),
        ([("article", "12"), ("clause", "2"), ("point", "d")], "dieu-12-khoan-2-diem-d"),
        ([("article", "12"), ("clause", "2"), ("point", "đ")], "dieu-12-khoan-2-diem-dd"),
        ([("article", "12"), ("clause", "2"), ("point", "Đ")], "dieu-12-khoan-2-diem-dd"),
        ([("document", None), ("part", "THỨ HAI"), ("chapter", "II"), ("article", "5a")], "dieu-5a"),
        ([("part", "THỨ HAI"), ("chapter", "II")], "phan-thu-hai-chuong-ii"),
        ([("appendix", "III"), ("clause", "1")], "phu-luc-iii-khoan-1"),
        ([("article", "8"), ("clause", "8.1")], "dieu-8-khoan-8-1"),
        ([("preamble", None)], "mo-dau"),
        ([("closing", None)], "ket-thuc"),
    ],
)
def test_anchor_of_a_path(path: list[tuple[str, str | None]], fragment: str) -> None:
    assert anchor(path) == fragment


def test_anchors_run_depth_first() -> None:
    clause = Node("clause", "2", [Node("point", "d"), Node("point", "đ")])
    root = Node(
        "document", None, [Node("preamble"), Node("chapter", "I", [Node("article", "1", [clause])]), Node("closing")]
    )
    assert list(anchors(root)) == [
        "van-ban",
        "mo-dau",
        "chuong-i",
        "dieu-1",
        "dieu-1-khoan-2",
        "dieu-1-khoan-2-diem-d",
        "dieu-1-khoan-2-diem-dd",
        "ket-thuc",
    ]


def test_repeated_articles_and_their_clauses_stay_apart() -> None:
    attached = Node("attachment", None, [Node("article", "1", [Node("clause", "1")])])
    appendix = Node("appendix", "I", [Node("article", "1", [Node("clause", "1"), Node("clause", "1")])])
    root = Node("document", None, [Node("article", "1", [Node("clause", "1")]), attached, appendix])
    assert list(anchors(root))[1:] == [
        "dieu-1",
        "dieu-1-khoan-1",
        "kem-theo",
        "dieu-1-2",
        "dieu-1-2-khoan-1",
        "phu-luc-i",
        "dieu-1-3",
        "dieu-1-3-khoan-1",
        "dieu-1-3-khoan-1-2",
    ]


def test_a_number_cannot_take_the_name_of_a_repetition() -> None:
    root = Node("document", None, [Node("article", "1"), Node("article", "1-2"), Node("article", "1")])
    assert list(anchors(root))[1:] == ["dieu-1", "dieu-1-2", "dieu-1-3"]


def test_anchors_agree_with_anchor_where_nothing_repeats() -> None:
    root = Node(
        "document", None, [Node("chapter", "I", [Node("article", "7", [Node("clause", "3", [Node("point", "đ")])])])]
    )
    path = [("document", None), ("chapter", "I"), ("article", "7"), ("clause", "3"), ("point", "đ")]
    assert list(anchors(root))[1:] == [anchor(path[1:length]) for length in range(2, 6)]
