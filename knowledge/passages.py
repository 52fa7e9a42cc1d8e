"""From stored provisions to passages: the units that are indexed, found and quoted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest import content_span
from knowledge import validity
from knowledge.models import Document, Provision, Revision
from knowledge.search.passages import ALWAYS, OPEN_END, Passage

RECIPE = 1
"""Raised whenever passages are cut differently: an index of an older recipe is built again."""

_NEVER_QUOTED = {"preamble", "closing"}
"""Heads and signatures answer nothing; the reader shows them."""


def load(session: Session) -> list[Passage]:
    """The passages of all published documents, in force or not, with the days of their validity."""
    passages: list[Passage] = []
    published = session.execute(
        select(Document, Revision)
        .join(Revision, Revision.document_id == Document.id)
        .where(Revision.state == "published")
        .order_by(Document.id)
    )
    for document, revision in published:
        rows = session.scalars(
            select(Provision).where(Provision.revision_id == revision.id).order_by(Provision.position)
        ).all()
        passages += _passages(document, revision.text, rows)
    return passages


def _passages(document: Document, text: str, rows: Sequence[Provision]) -> Iterator[Passage]:
    begins = validity.first_day(document)
    children: dict[int, list[Provision]] = defaultdict(list)
    by_id = {row.id: row for row in rows}
    for row in rows:
        if row.parent_id is not None:
            children[row.parent_id].append(row)
    for row, words in units(text, rows[0], children):
        yield Passage(
            id=row.id,
            article=row.article_id or row.id,
            document=document.id,
            heading=heading(document, row, by_id),
            text=words,
            valid_from=begins.toordinal() if begins else ALWAYS,
            valid_to=document.ended_on.toordinal() if document.ended_on else OPEN_END,
        )


def units(text: str, node: Provision, children: dict[int, list[Provision]]) -> Iterator[tuple[Provision, str]]:
    """The provisions that are passages, with the words that are indexed for each.

    Clauses, articles without clauses, and in what has no articles the lowest units above the points, with all their
    words; and whatever stands above those with words of its own (an article's introduction), with these words only.
    """
    if node.kind in _NEVER_QUOTED:
        return
    divided = [child for child in children[node.id] if child.kind != "point" and child.kind not in _NEVER_QUOTED]
    if node.kind == "point" or not divided:
        start, end = content_span(text, node.start, node.end)
        if start < end:
            yield node, text[start:end]
        return
    own = own_words(text, node, children[node.id])
    if own:
        yield node, own
    for child in divided:
        yield from units(text, child, children)


def own_words(text: str, node: Provision, children: Sequence[Provision]) -> str:
    """What stands in *node* beside its label, its heading and what is divided off, pieces joined by a line break."""
    position = max(node.start, node.heading_end or node.start)
    pieces = []
    for child in children:
        pieces.append(text[position : child.start])
        position = child.end
    pieces.append(text[position : node.end])
    if not node.heading:
        pieces[0] = _LABEL.sub("", pieces[0], count=1)
    return "\n".join(piece.strip() for piece in pieces if any(character.isalnum() for character in piece))


_LABEL = re.compile(r"^\W*\w+\s+[\w.]+[.:]?\s*")
"""A label without a heading ("Điều 5.", "Chương II"), decomposed or not."""


def heading(document: Document, row: Provision, by_id: dict[int, Provision]) -> str:
    """What stands above a passage: "Luật Du lịch. Điều 12. Bảo vệ môi trường du lịch"."""
    if row.article_id is not None:
        return f"{document.title}. {label(by_id[row.article_id])}"
    path = []
    node: Provision | None = row
    while node is not None and node.parent_id is not None:
        if node.heading:
            path.append(node.heading)
        node = by_id.get(node.parent_id)
    return ". ".join([document.title, *reversed(path)])


_LABELS = {
    "part": "Phần",
    "chapter": "Chương",
    "section": "Mục",
    "subsection": "Tiểu mục",
    "article": "Điều",
    "appendix": "Phụ lục",
}


def label(row: Provision) -> str:
    """A provision's own name with its heading: "Điều 12. Bảo vệ môi trường du lịch", "Phụ lục I"."""
    name = " ".join(part for part in (_LABELS.get(row.kind), row.number) if part)
    return ". ".join(part for part in (name, row.heading) if part)
