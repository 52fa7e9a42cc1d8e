"""Tables: documents, revisions, provisions, relations, open questions, and the state of the index."""

from __future__ import annotations

import uuid
from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class Document(Base):
    """A document's identity: type, number, date, issuer. Numbers restart each term, so none of them is enough alone."""

    __tablename__ = "document"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    identity: Mapped[str] = mapped_column(Text, unique=True)
    """Number, date and issuer, or title and date where there is no number: folded, for comparison."""
    slug: Mapped[str] = mapped_column(Text, unique=True)
    type: Mapped[str | None] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    number_key: Mapped[str | None] = mapped_column(Text, index=True)
    """The number folded and without spaces, for comparison."""
    issued_on: Mapped[date | None] = mapped_column(Date)
    issuer: Mapped[str | None] = mapped_column(Text)
    title: Mapped[str] = mapped_column(Text)
    title_key: Mapped[str] = mapped_column(Text, index=True)
    """The title folded, for comparison."""
    subject: Mapped[str | None] = mapped_column(Text)
    signer: Mapped[str | None] = mapped_column(Text)
    effective_on: Mapped[date | None] = mapped_column(Date)
    ended_on: Mapped[date | None] = mapped_column(Date)
    """The first day on which the document is no longer in force."""
    ended_kind: Mapped[str | None] = mapped_column(Text)
    """``replaced`` or ``repealed``."""
    ended_by_id: Mapped[int | None] = mapped_column(ForeignKey("document.id", ondelete="SET NULL"))
    amended_on: Mapped[date | None] = mapped_column(Date)
    """The day of effect of the first published amendment."""


class Revision(Base):
    """An immutable text of a document, with the hash of the file it came from."""

    __tablename__ = "revision"
    __table_args__ = (
        UniqueConstraint("document_id", "number"),
        Index("uq_revision_published", "document_id", unique=True, postgresql_where="state = 'published'"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    document_id: Mapped[int] = mapped_column(ForeignKey("document.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(Text)
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text, unique=True)
    state: Mapped[str] = mapped_column(Text, default="draft")
    """``draft``, ``published``, ``superseded`` (by a later revision) or ``withdrawn``."""
    demo: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    published_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Provision(Base):
    """A node of a revision's tree: Phần, Chương, Mục, Điều, khoản, điểm; offsets are code points of the text."""

    __tablename__ = "provision"
    __table_args__ = (Index("ix_provision_tree", "revision_id", "position"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id", ondelete="CASCADE"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("provision.id", ondelete="CASCADE"))
    position: Mapped[int] = mapped_column(Integer)
    """Place in the document, depth first."""
    kind: Mapped[str] = mapped_column(Text)
    number: Mapped[str | None] = mapped_column(Text)
    heading: Mapped[str | None] = mapped_column(Text)
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    heading_start: Mapped[int | None] = mapped_column(Integer)
    heading_end: Mapped[int | None] = mapped_column(Integer)
    anchor: Mapped[str] = mapped_column(Text)
    """The fragment under which the reader shows it ("dieu-12-khoan-2")."""
    article_id: Mapped[int | None] = mapped_column(BigInteger)
    """The article that it is or belongs to."""
    article: Mapped[str | None] = mapped_column(Text)
    clause: Mapped[str | None] = mapped_column(Text)
    point: Mapped[str | None] = mapped_column(Text)


class Relation(Base):
    """What a revision says that it does to another document."""

    __tablename__ = "relation"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    revision_id: Mapped[int] = mapped_column(ForeignKey("revision.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    """``amends``, ``replaces`` or ``repeals``."""
    number: Mapped[str | None] = mapped_column(Text)
    issued_on: Mapped[date | None] = mapped_column(Date)
    title: Mapped[str | None] = mapped_column(Text)
    start: Mapped[int] = mapped_column(Integer)
    end: Mapped[int] = mapped_column(Integer)
    target_id: Mapped[int | None] = mapped_column(ForeignKey("document.id", ondelete="SET NULL"))
    """The stored document that is meant, once it is known."""


class Embedding(Base):
    """The vector of a passage, kept so that no text is encoded twice."""

    __tablename__ = "embedding"

    digest: Mapped[str] = mapped_column(Text, primary_key=True)
    """SHA-256 of the model's id and the passage."""
    vector: Mapped[bytes] = mapped_column(LargeBinary)
    """float32, little endian."""


class IndexVersion(Base):
    """The version of the search index in use: one row."""

    __tablename__ = "index_version"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    built_for: Mapped[date] = mapped_column(Date)
    wanted: Mapped[int] = mapped_column(Integer)
    """Raised in the unit of work of every change; the index is up to date when it was built for this number."""
    built: Mapped[int] = mapped_column(Integer)
    recipe: Mapped[int] = mapped_column(Integer)
    """How passages were cut (``knowledge.passages.RECIPE``)."""


class OpenQuestion(Base):
    """A question that a member sent to a person. Who asked is known to the delivery alone and shown to nobody."""

    __tablename__ = "open_question"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    question: Mapped[str] = mapped_column(Text)
    asked_on: Mapped[date] = mapped_column(Date)
    answer: Mapped[str | None] = mapped_column(Text)
    answered_on: Mapped[date | None] = mapped_column(Date)
    conversation_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("conversation.id", ondelete="SET NULL"))
    """Where the answer goes; cleared when it has gone."""
    message_key: Mapped[str] = mapped_column(Text, unique=True)
    """Conversation and message id of the tap, hashed: the same tap handled twice is one question."""
