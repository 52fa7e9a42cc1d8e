"""A document as a page: from its text and its tree to blocks that the reader's template prints.

Pure: no database, no HTML. The blocks hold every character of the text that is not white space, in order
(:func:`plain`); marks of Markdown stay in them too, in runs that the page hides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

from knowledge.anchors import Node as Named

__all__ = ["Block", "Entry", "Line", "Node", "Row", "Run", "Table", "layout", "outline", "plain"]


LineStyle = Literal["body", "centred", "centred capitals", "ground", "note"]


class Node(Named, Protocol):
    """A provision: half-open offsets in code points, children in order, nested, disjoint."""

    @property
    def heading(self) -> str:
        """The words of its heading on one line; empty when it has none."""

    @property
    def start(self) -> int:
        """Where it begins in the text."""

    @property
    def end(self) -> int:
        """Where it ends in the text."""

    @property
    def heading_end(self) -> int:
        """Where the words of its heading end in the text."""

    @property
    def anchor(self) -> str:
        """The fragment that opens the reader at it."""

    @property
    def children(self) -> Sequence[Node]:
        """What is in it, in order."""


@dataclass(frozen=True)
class Run:
    """A piece of a line in one style; ``markup`` is a mark of the source format, kept but not shown."""

    text: str
    style: Literal["plain", "strong", "emphasis", "markup"] = "plain"


@dataclass(frozen=True)
class Line:
    """A line of the source without the white space around it."""

    shape: ClassVar[str] = "line"
    runs: tuple[Run, ...]
    style: LineStyle = "body"

    @property
    def visible(self) -> bool:
        """Whether anything of the line is shown."""
        return any(run.style != "markup" for run in self.runs)


@dataclass(frozen=True)
class Row:
    """A row of a table; ``rule`` is the line of hyphens below the head, which is not shown."""

    cells: tuple[tuple[Run, ...], ...]
    rule: bool = False


@dataclass(frozen=True)
class Table:
    """Lines of cells that the source separates by upright strokes."""

    shape: ClassVar[str] = "table"
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Block:
    """A provision with its heading and, in order, its own lines and the provisions in it."""

    shape: ClassVar[str] = "block"
    kind: str
    number: str | None
    anchor: str
    label: str
    """What people call it: "Điểm đ khoản 2 Điều 12"."""
    level: int
    """The level of its heading in the page, 2 to 6."""
    heading: tuple[Line, ...]
    content: tuple[Line | Table | Block, ...]


@dataclass(frozen=True)
class Entry:
    """A line of the table of contents."""

    label: str
    heading: str
    anchor: str
    children: tuple[Entry, ...]


_NAMES = {
    "part": "Phần",
    "chapter": "Chương",
    "section": "Mục",
    "subsection": "Tiểu mục",
    "article": "Điều",
    "clause": "Khoản",
    "point": "Điểm",
    "appendix": "Phụ lục",
    "attachment": "Văn bản kèm theo",
}
_HEADED = ("part", "chapter", "section", "subsection", "article", "appendix", "attachment")
_LINE = re.compile(r"[^\r\n]+")
_HASHES = re.compile(r"#{1,6}(?:\s+|$)")
_WRAPPED = re.compile(r"(\*\*|__|\*|_)(?=[^\s*_])([^*_]*[^\s*_])\1")
_RULE = re.compile(r"\|?\s*:?-{3,}:?\s*(?:\|\s*:?-{3,}:?\s*)*\|?")
_STROKE = re.compile(r"\s*\|\s*")
_ARTICLE_LABEL = re.compile(r"[#*_\s]*(?:[\d.]+\s*)?Điều\s+[^\s.:]+[.:]?[*_]*", re.IGNORECASE)
_GROUNDS = re.compile(r"[-*_\s]*(?:căn cứ|theo đề nghị|xét|thực hiện)\b", re.IGNORECASE)
_LONGEST_CENTRED = 90
"""Characters: head lines are shorter; a longer one of a preamble is a sentence."""


def layout(text: str, root: Node) -> Block:
    """The whole document as one block whose content is to be printed in order; *root* spans all of *text*."""
    return _block(text, root, outer=(), level=2)


def outline(root: Node) -> tuple[Entry, ...]:
    """The table of contents: parts, chapters, sections, articles and appendices, nested as in the document."""

    def entries(node: Node) -> Iterator[Entry]:
        for child in node.children:
            if child.kind in _HEADED:
                heading = " ".join(child.heading.split())
                yield Entry(_name(child), heading, child.anchor, tuple(entries(child)))
            else:
                yield from entries(child)

    return tuple(entries(root))


def plain(item: Block | Table | Line) -> str:
    """All the text of *item*, marks included, a line of the source on a line of its own."""
    return "\n".join(_texts(item))


def _texts(item: Block | Table | Line) -> Iterator[str]:
    if isinstance(item, Line):
        yield "".join(run.text for run in item.runs)
    elif isinstance(item, Table):
        for row in item.rows:
            yield "".join(run.text for cell in row.cells for run in cell)
    else:
        for part in (*item.heading, *item.content):
            yield from _texts(part)


def _name(node: Node) -> str:
    number = node.number or ""
    if " " in number:
        number = number.lower()  # printed in capitals: "PHẦN THỨ NHẤT"
    return " ".join(part for part in (_NAMES.get(node.kind, ""), number) if part)


def _label(node: Node, outer: Sequence[Node]) -> str:
    """What people call *node*: a clause and a point with what they belong to, innermost first."""
    named = [_name(node)]
    if node.kind in ("clause", "point"):
        for above in reversed(outer):
            if above.kind in ("clause", "article", "appendix", "attachment"):
                name = _name(above)
                named.append(name.lower() if above.kind == "clause" else name)
    return " ".join(named)


def _block(text: str, node: Node, *, outer: tuple[Node, ...], level: int) -> Block:
    cut = _heading_end(text, node)
    content: list[Line | Table | Block] = []
    at = cut
    inner = min(level + 1, 6) if node.kind in _HEADED else level
    for child in node.children:
        content += _passage(text, at, child.start, node.kind)
        content.append(_block(text, child, outer=(*outer, node), level=inner))
        at = child.end
    content += _passage(text, at, node.end, node.kind)
    return Block(
        kind=node.kind,
        number=node.number,
        anchor=node.anchor,
        label=_label(node, outer),
        level=level,
        heading=tuple(Line(_runs(line)) for line in _lines(text, node.start, cut)),
        content=tuple(content),
    )


def _heading_end(text: str, node: Node) -> int:
    """Where the heading that *node* begins with ends; its own start where it has none."""
    if node.kind not in _HEADED:
        return node.start
    limit = min((child.start for child in node.children), default=node.end)
    if node.heading:
        cut = node.heading_end
        rest = _LINE.match(text, cut, limit)
        if rest and not rest.group().strip(" \t*_#:"):
            cut = rest.end()
        return min(cut, limit)
    if node.kind == "article":
        label = _ARTICLE_LABEL.match(text, node.start, limit)
    else:
        label = _LINE.search(text, node.start, limit)
    return label.end() if label else node.start


def _lines(text: str, start: int, end: int) -> Iterator[str]:
    for match in _LINE.finditer(text, start, end):
        line = match.group().strip()
        if line:
            yield line


def _passage(text: str, start: int, end: int, kind: str) -> Iterator[Line | Table]:
    """The lines between *start* and *end* that belong to a provision of *kind* itself; runs of rows become tables."""
    rows: list[Row] = []
    in_head = kind == "preamble"
    for line in _lines(text, start, end):
        row = _row(line)
        if row:
            rows.append(row)
            continue
        if rows:
            yield Table(tuple(rows))
            rows = []
        if in_head and (_GROUNDS.match(line) or len(line) > _LONGEST_CENTRED):
            in_head = line.startswith("(")
        yield Line(_runs(line), _style(line, kind, in_head=in_head))
    if rows:
        yield Table(tuple(rows))


def _style(line: str, kind: str, *, in_head: bool) -> LineStyle:
    centred: LineStyle = "centred capitals" if line.isupper() else "centred"
    if kind == "preamble":
        if line.startswith("("):
            return "note"
        return centred if in_head else "ground"
    if kind == "closing":
        return "note" if line.startswith(("-", "Nơi nhận")) else centred
    return "body"


def _row(line: str) -> Row | None:
    """The cells of *line* when it is a row of a table: upright strokes with text on either side, or a rule."""
    if "|" not in line:
        return None
    if _RULE.fullmatch(line):
        return Row(((Run(line, "markup"),),), rule=True)
    if len(_STROKE.findall(line.strip("|"))) == 0:
        return None
    cells: list[tuple[Run, ...]] = []
    at = 0
    pending: list[Run] = []
    for stroke in _STROKE.finditer(line):
        if stroke.start() == 0:
            pending.append(Run(stroke.group(), "markup"))
        else:
            cells.append((*pending, Run(line[at : stroke.start()]), Run(stroke.group(), "markup")))
            pending = []
        at = stroke.end()
    if at < len(line):
        cells.append((*pending, Run(line[at:])))
    return Row(tuple(cells))


def _runs(line: str) -> tuple[Run, ...]:
    """*line* in runs: hashes of a heading and stars around a whole line are marks, not words."""
    runs: list[Run] = []
    hashes = _HASHES.match(line)
    if hashes:
        runs.append(Run(hashes.group(), "markup"))
        line = line[hashes.end() :]
    wrapped = _WRAPPED.fullmatch(line)
    if wrapped:
        mark, words = wrapped.groups()
        style: Literal["strong", "emphasis"] = "strong" if len(mark) == 2 else "emphasis"
        runs += [Run(mark, "markup"), Run(words, style), Run(mark, "markup")]
    elif line:
        runs.append(Run(line))
    return tuple(runs)
