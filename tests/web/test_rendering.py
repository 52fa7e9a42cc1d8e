from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web import shelf
from web.rendering import Block, Line, Run, Table, layout, outline, plain


@dataclass
class Node:
    kind: str
    number: str | None
    heading: str
    start: int
    end: int
    heading_end: int
    anchor: str
    children: list[Node] = field(default_factory=list)


def whole(text: str, kind: str = "document", *children: Node) -> Node:
    return Node(kind, None, "", 0, len(text), 0, kind, list(children))


def part(text: str, kind: str, number: str | None, piece: str, heading: str = "", *children: Node) -> Node:
    """A node over the only place where *piece* stands in *text*."""
    assert text.count(piece) == 1
    start = text.index(piece)
    heading_end = text.index(heading, start) + len(heading) if heading else start
    return Node(kind, number, heading, start, start + len(piece), heading_end, f"{kind}-{number}", list(children))


def test_clause_with_points() -> None:
    text = "Điều 5. Miễn hội phí\n1. Miễn cho:\na) Người già;\nđ) Người ốm.\n"
    a = part(text, "point", "a", "a) Người già;\n")
    d = part(text, "point", "đ", "đ) Người ốm.\n")
    clause = part(text, "clause", "1", "1. Miễn cho:\na) Người già;\nđ) Người ốm.\n", "", a, d)
    article = part(text, "article", "5", text, "Miễn hội phí", clause)

    shown = layout(text, whole(text, "document", article)).content[0]

    assert isinstance(shown, Block)
    assert (shown.label, shown.level, shown.heading) == ("Điều 5", 2, (Line((Run("Điều 5. Miễn hội phí"),)),))
    (inner,) = shown.content
    assert isinstance(inner, Block)
    assert (inner.label, inner.anchor, inner.heading) == ("Khoản 1 Điều 5", "clause-1", ())
    assert inner.content[0] == Line((Run("1. Miễn cho:"),))
    assert [(point.label, point.content) for point in inner.content[1:] if isinstance(point, Block)] == [
        ("Điểm a khoản 1 Điều 5", (Line((Run("a) Người già;"),)),)),
        ("Điểm đ khoản 1 Điều 5", (Line((Run("đ) Người ốm."),)),)),
    ]


def test_heading_on_two_lines_and_levels_follow_the_nesting() -> None:
    text = "Phần THỨ HAI\nTÀI CHÍNH\nChương I\nHỘI PHÍ\nĐiều 7. Mức\nMột đồng.\n"
    article = part(text, "article", "7", "Điều 7. Mức\nMột đồng.\n", "Mức")
    chapter = part(text, "chapter", "I", text[text.index("Chương") :], "HỘI PHÍ", article)
    root = whole(text, "document", part(text, "part", "THỨ HAI", text, "TÀI CHÍNH", chapter))

    shown = layout(text, root).content[0]

    assert isinstance(shown, Block)
    assert [plain(line) for line in shown.heading] == ["Phần THỨ HAI", "TÀI CHÍNH"]
    assert (shown.label, shown.level) == ("Phần thứ hai", 2)
    (second,) = shown.content
    assert isinstance(second, Block)
    assert second.level == 3
    (third,) = second.content
    assert isinstance(third, Block)
    assert (third.level, third.content) == (4, (Line((Run("Một đồng."),)),))


def test_article_without_heading_keeps_its_words_out_of_the_heading() -> None:
    text = "Điều 3. Quyết định này có hiệu lực từ ngày ký."

    (shown,) = layout(text, whole(text, "document", part(text, "article", "3", text))).content

    assert isinstance(shown, Block)
    assert [plain(line) for line in shown.heading] == ["Điều 3."]
    assert shown.content == (Line((Run("Quyết định này có hiệu lực từ ngày ký."),)),)


def test_marks_of_markdown_stay_but_are_not_words() -> None:
    text = "## Chương I\n## QUY ĐỊNH CHUNG\n**Độc lập**\n*Căn cứ Điều lệ;*\n*\nhai * ba **bốn** năm"

    chapter = part(text, "chapter", "I", text, "QUY ĐỊNH CHUNG")
    (shown,) = layout(text, whole(text, "document", chapter)).content

    assert isinstance(shown, Block)
    assert shown.heading == (
        Line((Run("## ", "markup"), Run("Chương I"))),
        Line((Run("## ", "markup"), Run("QUY ĐỊNH CHUNG"))),
    )
    assert shown.content == (
        Line((Run("**", "markup"), Run("Độc lập", "strong"), Run("**", "markup"))),
        Line((Run("*", "markup"), Run("Căn cứ Điều lệ;", "emphasis"), Run("*", "markup"))),
        Line((Run("*"),)),
        Line((Run("hai * ba **bốn** năm"),)),
    )


def test_head_is_centred_and_grounds_are_not() -> None:
    text = "HỘI BẠN ĐỌC\nngày 05 tháng 9 năm 2024\n(Ban hành kèm theo)\nCăn cứ Điều lệ;\nHội ban hành:\n"

    (shown,) = layout(text, whole(text, "document", whole(text, "preamble"))).content

    assert isinstance(shown, Block)
    assert [line.style for line in shown.content if isinstance(line, Line)] == [
        "centred capitals",
        "centred",
        "note",
        "ground",
        "ground",
    ]


def test_rows_become_a_table() -> None:
    text = "Bảng:\nNăm | Tuổi\n--- | ---\n2021 | 60\nHết."

    content = layout(text, whole(text)).content

    assert [type(item) for item in content] == [Line, Table, Line]
    assert isinstance(content[1], Table)
    assert [[cell[0].text for cell in row.cells] for row in content[1].rows] == [
        ["Năm", "Tuổi"],
        ["--- | ---"],
        ["2021", "60"],
    ]
    assert [row.rule for row in content[1].rows] == [False, True, False]


def test_outline_nests_and_leaves_clauses_out() -> None:
    text = "Chương I\nCHUNG\nĐiều 1. Tên\n1. Một.\nĐiều 2.\nHai."
    clause = part(text, "clause", "1", "1. Một.\n")
    first = part(text, "article", "1", "Điều 1. Tên\n1. Một.\n", "Tên", clause)
    second = part(text, "article", "2", "Điều 2.\nHai.")
    (entry,) = outline(whole(text, "document", part(text, "chapter", "I", text, "CHUNG", first, second)))

    assert (entry.label, entry.heading, entry.anchor) == ("Chương I", "CHUNG", "chapter-I")
    assert [(inner.label, inner.heading, inner.children) for inner in entry.children] == [
        ("Điều 1", "Tên", ()),
        ("Điều 2", "", ()),
    ]


_TEXT = st.lists(
    st.sampled_from(
        ["Điều 1. ", "# ", "*", "**", "_", " | ", "---", "|", "\n", "\r\n", " ", "a", "đ) ", "e\u0301", "(", "."]
    ),
    max_size=40,
).map("".join)
_KINDS = ["preamble", "part", "chapter", "section", "article", "clause", "point", "appendix", "closing"]


@st.composite
def _trees(draw: st.DrawFn) -> tuple[str, Node]:
    text = draw(_TEXT)

    def node(kind: str, start: int, end: int, depth: int) -> Node:
        heading_end = draw(st.integers(start, end))
        made = Node(kind, "1", draw(st.sampled_from(["", "x"])), start, end, heading_end, "x")
        if depth:
            cuts = sorted(draw(st.lists(st.integers(heading_end, end), max_size=4)))
            for left, right in zip(cuts[::2], cuts[1::2], strict=False):
                made.children.append(node(draw(st.sampled_from(_KINDS)), left, right, depth - 1))
        return made

    return text, node("document", 0, len(text), 3)


@given(_trees())
def test_no_character_is_lost(drawn: tuple[str, Node]) -> None:
    text, root = drawn
    assert shelf.without_space(plain(layout(text, root))) == shelf.without_space(text)


@pytest.mark.parametrize("path", shelf.FILES, ids=lambda path: path.name)
def test_no_character_of_the_demo_is_lost(path: Path) -> None:
    shown = shelf.view(path)
    assert shelf.without_space(plain(layout(shown.text, shown.root))) == shelf.without_space(shown.text)


def test_no_character_of_real_laws_is_lost(material: Path) -> None:
    laws = sorted((material / "data" / "samples" / "laws").glob("*.txt"))
    assert len(laws) > 0
    for path in laws:
        shown = shelf.view(path)
        assert shelf.without_space(plain(layout(shown.text, shown.root))) == shelf.without_space(shown.text)
