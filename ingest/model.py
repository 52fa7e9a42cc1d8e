"""What a file becomes: decoded text, its provisions as a tree of offsets, its metadata and its relations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

__all__ = [
    "KINDS",
    "Format",
    "Kind",
    "Metadata",
    "ParsedDocument",
    "Provision",
    "Relation",
    "RelationKind",
    "Source",
    "content_span",
    "pieces",
]

Format = Literal["text", "markdown", "docx"]

Kind = Literal[
    "document",
    "attachment",  # a document issued with this one: the regulation under a decision
    "appendix",  # Phụ lục, Mẫu số
    "preamble",  # national or Party head, title, grounds
    "part",  # Phần; a capital letter "A." in documents without articles
    "chapter",  # Chương
    "section",  # Mục; a Roman numeral "I-" in documents without articles
    "subsection",  # Tiểu mục
    "article",  # Điều
    "clause",  # khoản; "8.1." nests in "8."
    "point",  # điểm
    "closing",  # adoption, signature, recipients
]
KINDS: tuple[Kind, ...] = Kind.__args__  # type: ignore[attr-defined]

RelationKind = Literal["amends", "replaces", "repeals"]


@dataclass(frozen=True, slots=True)
class Source:
    """A file as read: *text* is the decoded text, unchanged; *sha256* is of the file's bytes, in hexadecimal."""

    path: Path
    format: Format
    text: str
    sha256: str


@dataclass(slots=True)
class Provision:
    """One unit of a document: half-open offsets into the text; children are ordered, disjoint and inside it.

    *number* is as printed ("12", "5a", "đ", "II", "THỨ NHẤT") in NFC, None where the unit has none; *heading* is the
    heading's words in NFC on one line (empty when there is none) and *heading_start*:*heading_end* where it stands.
    """

    kind: Kind
    number: str | None
    heading: str
    start: int
    end: int
    heading_start: int
    heading_end: int
    children: list[Provision] = field(default_factory=list)

    def walk(self) -> Iterator[Provision]:
        """This provision and everything in it, in the order of the text."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the document says of itself, in NFC; None (or an empty title) where it does not say."""

    type: str | None
    number: str | None
    issued_on: date | None
    issuer: str | None
    subject: str | None
    title: str
    signer: str | None
    effective_on: date | None


@dataclass(frozen=True, slots=True)
class Relation:
    """What this document does to another one; *start*:*end* is where the other one is named.

    ``replaces`` and ``repeals`` end the whole named document; ``amends`` changes or ends parts of it.
    """

    kind: RelationKind
    type: str | None
    number: str | None
    issued_on: date | None
    title: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A text with its structure; the provisions' pieces put together are the text, character for character."""

    text: str
    metadata: Metadata
    relations: tuple[Relation, ...]
    root: Provision


def pieces(root: Provision) -> Iterator[tuple[Provision, int, int]]:
    """Each provision's own stretches (what no child covers), in order: (provision, start, end), never empty.

    The slices joined equal the text from ``root.start`` to ``root.end``.
    """
    position = root.start
    for child in root.children:
        if position < child.start:
            yield root, position, child.start
        yield from pieces(child)
        position = child.end
    if position < root.end:
        yield root, position, root.end


def content_span(text: str, start: int, end: int) -> tuple[int, int]:
    """*start*:*end* without the white space at both ends (for quoting)."""
    stretch = text[start:end]
    left = len(stretch) - len(stretch.lstrip())
    return (start, start) if left == len(stretch) else (start + left, start + len(stretch.rstrip()))
