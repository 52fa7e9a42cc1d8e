"""What curators do with documents: take a file in as a draft, look at how it was understood, publish, withdraw.

Documents belong to the whole organisation, so every permission here is one on a root of the tree.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path, PurePath

from sqlalchemy import ColumnElement, Select, case, func, or_, select
from sqlalchemy.orm import Session

import ingest
from core import audit, clock
from knowledge import documents, validity
from knowledge.models import Document, Provision, Relation, Revision
from members.access import Actor, NotVisibleError, Permission, require_everywhere
from messaging.reply import Status

RELATION_TEXT = {"amends": "sửa đổi", "replaces": "thay thế", "repeals": "bãi bỏ"}


class CurationError(ValueError):
    """What cannot be done with a document, in Vietnamese for the curator."""


@dataclass(frozen=True)
class RevisionLine:
    """A revision in the list. ``status`` is what its document is today, or would be if it were published."""

    id: int
    number: int
    state: str
    title: str
    document_number: str | None
    issued_on: date | None
    issuer: str | None
    status: Status
    slug: str
    demo: bool
    created_at: datetime
    published_at: datetime | None


@dataclass(frozen=True)
class RelationLine:
    """What a revision does to another document; ``target`` is the stored one that is meant, if it is known."""

    kind: str
    words: str
    target: str | None


@dataclass(frozen=True)
class RevisionView:
    """A revision with what a curator checks before it is published."""

    line: RevisionLine
    file_name: str
    effective_on: date | None
    ended_on: date | None
    ended_by: str | None
    headings: tuple[tuple[str, str], ...]
    """Article and its heading, in order."""
    clauses: int
    relations: tuple[RelationLine, ...]
    opening: str
    """The beginning of the text."""
    replaces_revision: int | None
    """The number of the published revision of the same document, which publishing supersedes."""


@dataclass(frozen=True)
class RevisionPage:
    """A page of the list."""

    lines: tuple[RevisionLine, ...]
    total: int


def list_revisions(
    session: Session, actor: Actor, *, q: str = "", state: str | None = None, page: int = 1, size: int = 50
) -> RevisionPage:
    """Drafts first, then the newest; superseded ones only when asked for. *q*: words of title or number."""
    require_everywhere(actor, Permission.READ_DOCUMENTS)
    conditions = [Revision.state == state if state else Revision.state != "superseded"]
    conditions += [_named(q)] if q.strip() else []
    total = session.scalar(select(func.count()).select_from(_rows().where(*conditions).subquery())) or 0
    rows = session.execute(
        _rows()
        .where(*conditions)
        .order_by(case((Revision.state == "draft", 0), else_=1), Document.issued_on.desc().nulls_last(), Revision.id)
        .limit(size)
        .offset((max(page, 1) - 1) * size)
    )
    return RevisionPage(tuple(_line(revision, document) for revision, document in rows), total)


def _rows() -> Select[Revision, Document]:
    return select(Revision, Document).join(Document, Document.id == Revision.document_id)


def _named(q: str) -> ColumnElement[bool]:
    words = validity.title_key(q)
    number = validity.number_key(q) or ""
    return or_(
        Document.title_key.contains(words, autoescape=True), Document.number_key.contains(number, autoescape=True)
    )


def _line(revision: Revision, document: Document) -> RevisionLine:
    return RevisionLine(
        id=revision.id,
        number=revision.number,
        state=revision.state,
        title=document.title,
        document_number=document.number,
        issued_on=document.issued_on,
        issuer=document.issuer,
        status=validity.status(document, clock.today()),
        slug=document.slug,
        demo=revision.demo,
        created_at=revision.created_at,
        published_at=revision.published_at,
    )


def view(session: Session, actor: Actor, revision_id: int) -> RevisionView:
    """How a revision was understood. Errors: NotVisibleError."""
    require_everywhere(actor, Permission.READ_DOCUMENTS)
    revision, document = _access(session, revision_id)
    articles = session.execute(
        select(Provision.number, Provision.heading)
        .where(Provision.revision_id == revision.id, Provision.kind == "article")
        .order_by(Provision.position)
    )
    clauses = session.scalar(
        select(func.count()).where(Provision.revision_id == revision.id, Provision.kind == "clause")
    )
    relations = session.execute(
        select(Relation.kind, Relation.start, Relation.end, Document.title)
        .outerjoin(Document, Document.id == Relation.target_id)
        .where(Relation.revision_id == revision.id)
        .order_by(Relation.id)
    )
    ended_by = session.get(Document, document.ended_by_id) if document.ended_by_id else None
    published = session.scalar(
        select(Revision.number).where(
            Revision.document_id == document.id, Revision.state == "published", Revision.id != revision.id
        )
    )
    return RevisionView(
        line=_line(revision, document),
        file_name=revision.file_name,
        effective_on=document.effective_on,
        ended_on=document.ended_on,
        ended_by=documents.full_name(ended_by) if ended_by else None,
        headings=tuple((number or "", heading or "") for number, heading in articles),
        clauses=clauses or 0,
        relations=tuple(
            RelationLine(RELATION_TEXT[kind], " ".join(revision.text[start:end].split()), title)
            for kind, start, end, title in relations
        ),
        opening=revision.text[:1500],
        replaces_revision=published,
    )


def _access(session: Session, revision_id: int) -> tuple[Revision, Document]:
    revision = session.get(Revision, revision_id)
    if revision is None:
        raise NotVisibleError
    return revision, session.get_one(Document, revision.document_id)


def upload(session: Session, actor: Actor, *, file_name: str, content: bytes) -> int:
    """Take a file in as a draft and return its revision's id; a known file gives the revision that it is.

    Errors: CurationError (no file, one that cannot be read, or one that is marked secret).
    """
    require_everywhere(actor, Permission.EDIT_DOCUMENTS)
    if not file_name:
        raise CurationError("Chưa chọn tệp nào. Xin chọn một tệp văn bản rồi gửi lại.")
    name = Path(PurePath(file_name.replace("\\", "/")).name[-200:] or "van-ban")  # of a path only its last part counts
    try:
        source = ingest.read_bytes(content, name)
        parsed = ingest.parse(source.text, name=name.stem)
    except ingest.IngestError as error:
        raise CurationError(error.message_vi) from error
    added = documents.add(session, source, parsed)
    if added.created:
        _record(session, actor, "document.uploaded", added.revision)
    return added.revision.id


def publish(session: Session, actor: Actor, revision_id: int) -> None:
    """Publish a draft, or a withdrawn revision again. Errors: NotVisibleError, CurationError."""
    require_everywhere(actor, Permission.PUBLISH_DOCUMENTS)
    revision, _ = _access(session, revision_id)
    if revision.state == "superseded":
        raise CurationError(
            "Bản này đã có bản mới hơn thay thế nên không công bố lại được. Xin nạp lại tệp như bản mới."
        )
    if revision.state == "published":
        return
    documents.publish(session, revision)
    _record(session, actor, "document.published", revision)


def withdraw(session: Session, actor: Actor, revision_id: int) -> None:
    """Take a published revision out of what members see. Errors: NotVisibleError, CurationError."""
    require_everywhere(actor, Permission.PUBLISH_DOCUMENTS)
    revision, document = _access(session, revision_id)
    if revision.state != "published":
        raise CurationError("Bản này không được công bố nên không có gì để rút.")
    documents.withdraw(session, document)
    _record(session, actor, "document.withdrawn", revision)


def counts(session: Session, actor: Actor) -> tuple[int, int]:
    """The numbers of published documents and of drafts."""
    require_everywhere(actor, Permission.READ_DOCUMENTS)
    rows = dict(session.execute(select(Revision.state, func.count()).group_by(Revision.state)).all())
    return rows.get("published", 0), rows.get("draft", 0)


def _record(session: Session, actor: Actor, action: str, revision: Revision) -> None:
    audit.record(
        session,
        action,
        actor_id=actor.account_id,
        object_type="revision",
        object_id=revision.id,
        details={"document_id": revision.document_id, "sha256": revision.sha256},
    )
