"""From stored provisions to passages: the units that are indexed, found and quoted."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest import content_span
from knowledge import validity
from knowledge.models import Document, Provision, Revision
from knowledge.search.passages import ALWAYS, OPEN_END, Passage

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
    for row in units(rows[0], children):
        start, end = content_span(text, row.start, row.end)
        if start == end:
            continue
        yield Passage(
            id=row.id,
            article=row.article_id or row.id,
            document=document.id,
            heading=heading(document, row, by_id),
            text=text[start:end],
            valid_from=begins.toordinal() if begins else ALWAYS,
            valid_to=document.ended_on.toordinal() if document.ended_on else OPEN_END,
        )


def units(node: Provision, children: dict[int, list[Provision]]) -> Iterator[Provision]:
    """The provisions that are passages: clauses, articles without clauses, and in what has no articles the lowest units
    above the points.
    """
    if node.kind in _NEVER_QUOTED:
        return
    below = [child for child in children[node.id] if child.kind not in _NEVER_QUOTED]
    divided = [child for child in below if child.kind != "point"]
    if node.kind in ("clause", "point") or not divided:
        yield node
        return
    for child in divided:
        yield from units(child, children)


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
