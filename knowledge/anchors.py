"""Fragment identifiers of provisions: what a citation links to and what the reader gives each provision as ``id``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol

from core.text import fold

__all__ = ["Node", "anchor", "anchors"]

_WORDS = {
    "document": "van-ban",
    "attachment": "kem-theo",
    "preamble": "mo-dau",
    "part": "phan",
    "chapter": "chuong",
    "section": "muc",
    "subsection": "tieu-muc",
    "article": "dieu",
    "clause": "khoan",
    "point": "diem",
    "appendix": "phu-luc",
    "closing": "ket-thuc",
}
_NOT_PLAIN = re.compile(r"[^a-z0-9]+")


class Node(Protocol):
    """What is needed of a provision to name it."""

    @property
    def kind(self) -> str:
        """What it is, as "article" or "clause"."""

    @property
    def number(self) -> str | None:
        """Its number as printed."""

    @property
    def children(self) -> Sequence[Node]:
        """What is in it, in order."""


def anchor(path: Sequence[tuple[str, str | None]]) -> str:
    """The fragment of the provision at *path*, its (kind, number) pairs from the outside in.

    Articles are numbered through the whole document, so what stands above an article is left out:
    ``[("chapter", "II"), ("article", "12"), ("clause", "2"), ("point", "đ")]`` gives ``dieu-12-khoan-2-diem-dd``.
    Letters are folded; đ is written "dd", because d is a point of its own.
    """
    first = max((place for place, (kind, _) in enumerate(path) if kind == "article"), default=0)
    return "-".join(_segment(kind, number) for kind, number in path[first:])


def anchors(root: Node) -> Iterator[str]:
    """The fragment of each provision, *root* first, then depth first in order; unique within the document.

    A fragment that is taken (an attached regulation that numbers its articles anew) gets "-2", "-3" …, and what is in
    it follows: the clauses of the second ``dieu-1``, ``dieu-1-2``, are ``dieu-1-2-khoan-1`` and so on.
    """
    taken: set[str] = set()

    def walk(node: Node, above: str) -> Iterator[str]:
        own = _segment(node.kind, node.number)
        if above and node.kind != "article":
            own = f"{above}-{own}"
        name, count = own, 1
        while name in taken:
            count += 1
            name = f"{own}-{count}"
        taken.add(name)
        yield name
        for child in node.children:
            yield from walk(child, "" if node.kind == "document" else name)

    yield from walk(root, "")


def _segment(kind: str, number: str | None) -> str:
    word = _WORDS.get(kind, _plain(kind))
    return f"{word}-{_plain(number)}" if number and _plain(number) else word


def _plain(printed: str) -> str:
    """*printed* in letters, digits and single hyphens of a fragment."""
    return _NOT_PLAIN.sub("-", fold(printed.replace("đ", "dd").replace("Đ", "dd"))).strip("-")
