"""Documents: taking a parsed file in, publishing, withdrawing, listing, reading."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from sqlalchemy import Select, func, insert, select, text
from sqlalchemy.orm import Session

import ingest
from core import clock
from core.text import fold
from knowledge import indexing, validity
from knowledge.anchors import anchors
from knowledge.models import Document, Provision, Relation, Revision
from messaging.reply import CitedDocument, Status


@dataclass(frozen=True)
class DocumentSummary:
    """A published document as lists show it; ``status`` is its state today."""

    id: int
    slug: str
    type: str | None
    number: str | None
    issued_on: date | None
    issuer: str | None
    title: str
    signer: str | None
    effective_on: date | None
    ended_on: date | None
    status: Status
    replaced_by: DocumentSummary | None = None


@dataclass
class Node:
    """A provision as the reader shows it: offsets into the text, children in order, the fragment that opens it."""

    kind: str
    number: str | None
    heading: str
    start: int
    end: int
    heading_start: int
    heading_end: int
    anchor: str
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True)
class DocumentView:
    """A published document with its text and its tree."""

    summary: DocumentSummary
    text: str
    root: Node
    sha256: str


@dataclass(frozen=True)
class Added:
    """What became of a file: its revision, whether it was new, and how much is in it."""

    revision: Revision
    document: Document
    created: bool
    articles: int
    clauses: int


def add(session: Session, source: ingest.Source, parsed: ingest.ParsedDocument, *, demo: bool = False) -> Added:
    """Store a parsed file as a draft: a new revision of its document, or the known one when the file is known.

    The same file (by SHA-256) is recognised; another text of a stored document (same number, date and issuer; or same
    title and date where there is no number) becomes its next revision.
    """
    known = session.scalars(select(Revision).where(Revision.sha256 == source.sha256)).one_or_none()
    if known is not None:
        return Added(known, session.get_one(Document, known.document_id), False, *_counts(session, known.id))
    document = _document(session, parsed.metadata)
    last = session.scalar(select(func.max(Revision.number)).where(Revision.document_id == document.id)) or 0
    revision = Revision(
        document_id=document.id,
        number=last + 1,
        text=parsed.text,
        file_name=source.path.name,
        sha256=source.sha256,
        state="draft",
        demo=demo,
        created_at=clock.now(),
    )
    session.add(revision)
    session.flush()
    _add_provisions(session, revision.id, parsed.root)
    session.add_all(
        Relation(
            revision_id=revision.id,
            kind=relation.kind,
            number=relation.number,
            issued_on=relation.issued_on,
            title=relation.title,
            start=relation.start,
            end=relation.end,
        )
        for relation in parsed.relations
    )
    session.flush()
    return Added(revision, document, True, *_counts(session, revision.id))


def _identity(metadata: ingest.Metadata) -> str:
    issued = metadata.issued_on.isoformat() if metadata.issued_on else ""
    number = validity.number_key(metadata.number)
    if number:
        return f"number {number} {issued} {validity.title_key(metadata.issuer)}"
    return f"title {validity.title_key(metadata.title)} {issued}"


def _document(session: Session, metadata: ingest.Metadata) -> Document:
    identity = _identity(metadata)
    document = session.scalars(select(Document).where(Document.identity == identity)).one_or_none()
    if document is None:
        document = Document(identity=identity, slug=_slug(session, metadata))
        _describe(document, metadata)
        session.add(document)
        session.flush()
    return document


def _describe(document: Document, metadata: ingest.Metadata) -> None:
    """Let *document* say of itself what its text says."""
    document.type = metadata.type
    document.number = metadata.number
    document.number_key = validity.number_key(metadata.number)
    document.issued_on = metadata.issued_on
    document.issuer = metadata.issuer
    document.title = metadata.title
    document.title_key = validity.title_key(metadata.title)
    document.subject = metadata.subject
    document.signer = metadata.signer
    document.effective_on = metadata.effective_on


def _slug(session: Session, metadata: ingest.Metadata) -> str:
    """A readable, unique name for the document's address: "quy-dinh-12-qd-hbd-2025", "luat-du-lich"."""
    words = f"{metadata.type or ''} {metadata.number}" if metadata.number else metadata.title
    base = re.sub(r"[^a-z0-9]+", "-", fold(words)).strip("-")[:80].strip("-") or "van-ban"
    if metadata.number and metadata.issued_on and str(metadata.issued_on.year) not in base:
        base = f"{base}-{metadata.issued_on.year}"
    taken = set(session.scalars(select(Document.slug).where(Document.slug.startswith(base))))
    slug, count = base, 1
    while slug in taken:
        count += 1
        slug = f"{base}-{count}"
    return slug


def _add_provisions(session: Session, revision_id: int, root: ingest.Provision) -> None:
    """Store the tree depth first; each row knows its article, clause and point."""
    nodes = list(root.walk())
    sequence = text("select nextval(pg_get_serial_sequence('provision', 'id')) from generate_series(1, :count)")
    ids = list(session.scalars(sequence, {"count": len(nodes)}))  # one round trip instead of one for each row
    key = {id(node): row_id for node, row_id in zip(nodes, ids, strict=True)}
    parent_of = {id(child): node for node in nodes for child in node.children}
    rows: dict[int, Provision] = {}
    for position, (node, anchor) in enumerate(zip(nodes, anchors(root), strict=True)):
        parent = rows[id(parent_of[id(node)])] if position else None
        row = Provision(
            id=key[id(node)],
            revision_id=revision_id,
            parent_id=parent.id if parent else None,
            position=position,
            kind=node.kind,
            number=node.number,
            heading=node.heading,
            start=node.start,
            end=node.end,
            heading_start=node.heading_start,
            heading_end=node.heading_end,
            anchor=anchor,
            article_id=parent.article_id if parent else None,
            article=parent.article if parent else None,
            clause=parent.clause if parent else None,
            point=parent.point if parent else None,
        )
        if node.kind == "article":
            row.article_id, row.article, row.clause, row.point = row.id, node.number, None, None
        elif node.kind == "clause":
            row.clause, row.point = node.number, None
        elif node.kind == "point":
            row.point = node.number
        rows[id(node)] = row
    session.execute(
        insert(Provision),
        [{column.key: getattr(row, column.key) for column in Provision.__table__.columns} for row in rows.values()],
    )


def _counts(session: Session, revision_id: int) -> tuple[int, int]:
    """The numbers of articles and clauses of a revision."""
    rows = session.execute(
        select(Provision.kind, func.count().label("number"))
        .where(Provision.revision_id == revision_id, Provision.kind.in_(("article", "clause")))
        .group_by(Provision.kind)
    )
    counts: dict[str, int] = {row.kind: row.number for row in rows}
    return counts.get("article", 0), counts.get("clause", 0)


def publish(session: Session, revision: Revision) -> None:
    """Publish a draft (nothing happens when it is published): members find it once the index is refreshed."""
    if revision.state == "published":
        return
    for earlier in session.scalars(
        select(Revision).where(Revision.document_id == revision.document_id, Revision.state == "published")
    ):
        earlier.state = "superseded"
    session.flush()
    # A draft changes nothing of what is published: its title and dates count from now on.
    name = Path(revision.file_name).stem
    _describe(session.get_one(Document, revision.document_id), ingest.parse(revision.text, name=name).metadata)
    revision.state = "published"
    revision.published_at = clock.now()
    session.flush()
    validity.refresh(session)
    indexing.request(session)


def withdraw(session: Session, document: Document) -> None:
    """Take a document out of what members see; its text is kept."""
    for revision in session.scalars(
        select(Revision).where(Revision.document_id == document.id, Revision.state == "published")
    ):
        revision.state = "withdrawn"
    session.flush()
    validity.refresh(session)
    indexing.request(session)


def any_published(session: Session) -> bool:
    """Whether there is anything that can be asked about."""
    return session.scalar(select(Revision.id).where(Revision.state == "published").limit(1)) is not None


def any_own(session: Session) -> bool:
    """Whether anything but the demo's documents was ever taken in."""
    return session.scalar(select(Revision.id).where(~Revision.demo).limit(1)) is not None


def count(session: Session, *, published: bool = False) -> int:
    """How many revisions are stored, or how many of them are published."""
    query = select(func.count()).select_from(Revision)
    return session.scalar(query.where(Revision.state == "published") if published else query) or 0


def cited(document: Document) -> CitedDocument:
    """The document of a citation, with its state today."""
    return CitedDocument(
        number=document.number,
        title=document.title,
        issued_on=document.issued_on,
        issuer=document.issuer,
        status=validity.status(document, clock.today()),
    )


def full_name(document: Document) -> str:
    """How a citation names a document: "Điều lệ Hội Bạn đọc (số 01-ĐL/HBĐ, ngày 15/03/2024)"."""
    details = [f"số {document.number}" if document.number else ""]
    details += [f"ngày {document.issued_on:%d/%m/%Y}" if document.issued_on else ""]
    named = ", ".join(detail for detail in details if detail)
    return f"{document.title} ({named})" if named else document.title


def list_published(session: Session) -> list[DocumentSummary]:
    """All published documents, in force or not, newest first."""
    documents = list(session.scalars(_published_documents()))
    by_id = {document.id: document for document in documents}
    summaries = [_summary(document, by_id) for document in documents]
    return sorted(summaries, key=lambda summary: (summary.issued_on or date.min, summary.id), reverse=True)


def get_published(session: Session, slug: str) -> DocumentView | None:
    """A published document with its text, by the last part of its address; None when there is none."""
    document = session.scalars(_published_documents().where(Document.slug == slug)).one_or_none()
    if document is None:
        return None
    revision = session.scalars(
        select(Revision).where(Revision.document_id == document.id, Revision.state == "published")
    ).one()
    rows = session.scalars(
        select(Provision).where(Provision.revision_id == revision.id).order_by(Provision.position)
    ).all()
    successor = session.scalars(_published_documents().where(Document.id == document.ended_by_id)).all()
    summary = _summary(document, {found.id: found for found in successor})
    return DocumentView(summary=summary, text=revision.text, root=_tree(rows), sha256=revision.sha256)


def _published_documents() -> Select[Document]:
    return select(Document).join(Revision, Revision.document_id == Document.id).where(Revision.state == "published")


def _summary(document: Document, others: dict[int, Document]) -> DocumentSummary:
    successor = others.get(document.ended_by_id) if document.ended_by_id else None
    return DocumentSummary(
        id=document.id,
        slug=document.slug,
        type=document.type,
        number=document.number,
        issued_on=document.issued_on,
        issuer=document.issuer,
        title=document.title,
        signer=document.signer,
        effective_on=document.effective_on,
        ended_on=document.ended_on,
        status=validity.status(document, clock.today()),
        replaced_by=_summary(successor, {}) if successor else None,
    )


def _tree(rows: Sequence[Provision]) -> Node:
    nodes: dict[int, Node] = {}
    for row in rows:
        node = Node(
            kind=row.kind,
            number=row.number,
            heading=row.heading or "",
            start=row.start,
            end=row.end,
            heading_start=row.heading_start or row.start,
            heading_end=row.heading_end or row.start,
            anchor=row.anchor,
        )
        nodes[row.id] = node
        if row.parent_id is not None:
            nodes[row.parent_id].children.append(node)
    return nodes[rows[0].id]
