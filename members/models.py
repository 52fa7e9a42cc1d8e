"""Tables: the organisation tree, the register, accounts and roles, sign-ins, consents, requests, figures."""

from __future__ import annotations

import uuid
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class Unit(Base):
    """A node of the organisation tree: tỉnh, trực thuộc, cơ sở, chi bộ, to any depth."""

    __tablename__ = "unit"
    __table_args__ = (
        Index("ix_unit_path", "path", postgresql_ops={"path": "text_pattern_ops"}),
        Index("ix_unit_name_key", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
        Index("ix_unit_children", "parent_id", "position", "sort_key"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete="RESTRICT"))
    path: Mapped[str] = mapped_column(Text)
    """The ids from the root to the node itself, "/1/12/130/": a subtree is a prefix."""
    depth: Mapped[int] = mapped_column(Integer)
    """0 for a root."""
    code: Mapped[str] = mapped_column(Text, unique=True)
    """The organisation's own code of the unit, as registers write it."""
    name: Mapped[str] = mapped_column(Text)
    name_key: Mapped[str] = mapped_column(Text)
    """The name folded, single spaces."""
    sort_key: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    """What the organisation calls this level ("Tỉnh ủy", "Đảng bộ trực thuộc", "Chi bộ")."""
    position: Mapped[int] = mapped_column(Integer, default=0)
    """Order among its siblings; equal positions are in the order of names."""
    deployed: Mapped[bool] = mapped_column(Boolean, default=True)
    """False: "chưa triển khai", the service has not been introduced there (army, police)."""
    closed_on: Mapped[date | None] = mapped_column(Date)
    """Dissolved or merged on this day; kept for the history."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class UnitChange(Base):
    """The history of a unit: made, moved, renamed, deployed, closed."""

    __tablename__ = "unit_change"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(Text)
    """``created``, ``moved``, ``renamed``, ``deployment`` or ``closed``."""
    before: Mapped[dict[str, Any]] = mapped_column(JSONB)
    after: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column(Text)
    changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    changed_by: Mapped[uuid.UUID | None] = mapped_column()


class Member(Base):
    """A person in the register. Name and unit are clear; numbers, phone, dates, home town are in ``sealed``.

    ``sealed`` is the JSON of ``members.register.Private`` under the person's own data key (owner = ``id``, context
    ``member``). Numbers are found by keyed hashes (``core.crypto.lookup_hash``).
    """

    __tablename__ = "member"
    __table_args__ = (
        Index("ix_member_order", "sort_key", "id"),
        Index("ix_member_unit_order", "unit_id", "sort_key", "id"),
        Index("ix_member_name_prefix", "name_key", postgresql_ops={"name_key": "text_pattern_ops"}),
        Index("ix_member_name_words", func.to_tsvector(text("'simple'::regconfig"), text("name_key")),
              postgresql_using="gin"),
        Index("ix_member_citizen_hash", "citizen_hash"),
        Index("ix_member_person_hash", "person_hash"),
        CheckConstraint("status in ('official', 'probationary')", name="status"),
    )  # fmt: skip

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id", ondelete="RESTRICT"))
    name: Mapped[str] = mapped_column(Text)
    name_key: Mapped[str] = mapped_column(Text)
    """The name folded, single spaces: "nguyen thi hoa"."""
    sort_key: Mapped[str] = mapped_column(Text)
    """Vietnamese order, given name first (``members.names.sort_key``)."""
    position: Mapped[str | None] = mapped_column(Text)
    """The function in the organisation ("Bí thư", "Ủy viên")."""
    status: Mapped[str] = mapped_column(Text)
    """``official`` or ``probationary`` (newly admitted)."""
    exempt: Mapped[bool] = mapped_column(Boolean, default=False)
    """Exempt from activities (age, health)."""
    sealed: Mapped[bytes] = mapped_column(LargeBinary)
    card_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """Of the 8-digit card number, purpose ``card``."""
    citizen_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of the citizen number, purpose ``citizen``."""
    person_hash: Mapped[bytes | None] = mapped_column(LargeBinary)
    """Of folded name and date of birth, purpose ``person``: the same person twice."""
    registered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When the person first signed in: the figure of the registration statistics."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    version: Mapped[int] = mapped_column(Integer, default=1)
    """Raised with every change: a stale form is refused, an undo touches nothing that changed since."""


class RegisterImport(Base):
    """A file on its way into the register."""

    __tablename__ = "register_import"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """Also the owner of the data key that seals the file and its problems while they wait."""
    state: Mapped[str] = mapped_column(Text)
    """``mapping`` (columns are to be chosen), ``checking``, ``checked``, ``importing``, ``done``, ``undone``, ``cancelled``,
    ``failed``."""
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete="RESTRICT"))
    """The subtree that the file may name units of; None: the whole organisation."""
    file_name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Field → heading of the column."""
    rows: Mapped[int] = mapped_column(Integer, default=0)
    handled: Mapped[int] = mapped_column(Integer, default=0)
    """Rows done in the present state: real progress."""
    imported: Mapped[int] = mapped_column(Integer, default=0)
    problem_count: Mapped[int] = mapped_column(Integer, default=0)
    skip_bad: Mapped[bool] = mapped_column(Boolean, default=False)
    error: Mapped[str | None] = mapped_column(Text)
    """Why the file as a whole cannot be read, in Vietnamese, without personal data."""
    created_by: Mapped[uuid.UUID | None] = mapped_column()
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    finished_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ImportProblem(Base):
    """What is wrong with a row of a file that waits; erased with the import's data key."""

    __tablename__ = "import_problem"
    __table_args__ = (Index("ix_import_problem_order", "import_id", "row", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("register_import.id", ondelete="CASCADE"))
    row: Mapped[int] = mapped_column(Integer)
    """The row in the file; the heading is 1."""
    column: Mapped[str | None] = mapped_column(Text)
    code: Mapped[str] = mapped_column(Text)
    message: Mapped[str] = mapped_column(Text)
    """In Vietnamese, without the personal value itself."""


class ImportChange(Base):
    """What an import did to a member, for its undoing."""

    __tablename__ = "import_change"

    import_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("register_import.id", ondelete="CASCADE"), primary_key=True)
    member_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(Integer)
    """The member's version after the import."""
    before: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The row as it was, sealed under the person's key (context ``import_change``); None when the import made it."""


class ColumnMapping(Base):
    """How the columns of a kind of file were mapped the last time."""

    __tablename__ = "column_mapping"

    signature: Mapped[str] = mapped_column(Text, primary_key=True)
    """SHA-256 of the folded headings in their order."""
    mapping: Mapped[dict[str, Any]] = mapped_column(JSONB)
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Account(Base):
    """Somebody who signs in: a member (by one-time code), somebody of the console (by password and TOTP), or both."""

    __tablename__ = "account"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """Also the owner of the data key that seals the TOTP secret."""
    member_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), unique=True)
    name: Mapped[str] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    email_key: Mapped[str | None] = mapped_column(Text, unique=True)
    """The address in lower case, NFC."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    """Argon2id in PHC format; None: no sign-in to the console by password."""
    password_changed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    must_change_password: Mapped[bool] = mapped_column(Boolean, default=False)
    totp_sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The shared secret of RFC 6238, context ``totp``."""
    totp_last_step: Mapped[int] = mapped_column(BigInteger, default=0)
    """The time step of the last code that was accepted: no code counts twice."""
    failures: Mapped[int] = mapped_column(Integer, default=0)
    """Failed sign-ins since the last good one."""
    locked_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    oidc_subject: Mapped[str | None] = mapped_column(Text, unique=True)
    """``issuer subject`` of OpenID Connect."""
    demo: Mapped[bool] = mapped_column(Boolean, default=False)
    """A persona of the demo organisation."""
    disabled_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Grant(Base):
    """A role given to an account on a node of the tree; it reaches the whole subtree."""

    __tablename__ = "role_grant"
    __table_args__ = (Index("ix_role_grant_account", "account_id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(Text)
    """A value of ``members.access.Role``."""
    unit_id: Mapped[int] = mapped_column(ForeignKey("unit.id", ondelete="RESTRICT"), index=True)
    ends_on: Mapped[date | None] = mapped_column(Date)
    """The last day (in Vietnam) on which it counts; None: no end."""
    granted_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class SignIn(Base):
    """A signed-in browser: of the console (its own token) or of a member's conversation."""

    __tablename__ = "sign_in"
    __table_args__ = (
        Index("ix_sign_in_account", "account_id"),
        Index("ix_sign_in_conversation", "conversation_id", unique=True, postgresql_where="ended_at is null"),
        CheckConstraint("kind in ('console', 'member')", name="kind"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    account_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("account.id", ondelete="CASCADE"))
    kind: Mapped[str] = mapped_column(Text)
    token_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """SHA-256 of the console's cookie; a member's is that of the conversation."""
    previous_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    """The token before the last rotation, good for a moment more (requests that were under way)."""
    rotated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    csrf: Mapped[str] = mapped_column(Text)
    conversation_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    channel: Mapped[str] = mapped_column(Text)
    device: Mapped[str] = mapped_column(Text)
    """What kind of browser ("Chrome, Android"), for the owner to recognise it."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    last_seen_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class OidcAttempt(Base):
    """A sign-in by OpenID Connect that is under way; used once, for ten minutes."""

    __tablename__ = "oidc_attempt"

    state_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    nonce: Mapped[str] = mapped_column(Text)
    verifier: Mapped[str] = mapped_column(Text)
    """Of PKCE (RFC 7636)."""
    browser_hash: Mapped[bytes] = mapped_column(LargeBinary)
    """Of the cookie of the browser that began."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class OneTimeCode(Base):
    """A code with which a member of the register signs in for the first time or on a new phone."""

    __tablename__ = "one_time_code"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    member_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"), index=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, unique=True)
    """Purpose ``one-time-code``."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    used_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class ConsentText(Base):
    """A text that people agree to, in one version; never changed once somebody agreed."""

    __tablename__ = "consent_text"
    __table_args__ = (UniqueConstraint("purpose", "version"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    purpose: Mapped[str] = mapped_column(Text)
    version: Mapped[int] = mapped_column(Integer)
    title: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text)
    """Of title, line feed, body in UTF-8."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class ConsentEvent(Base):
    """The ledger: somebody agreed to a text, or withdrew it. Rows are only ever added, and go with the person."""

    __tablename__ = "consent_event"
    __table_args__ = (Index("ix_consent_event_member", "member_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    member_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("member.id", ondelete="CASCADE"))
    text_id: Mapped[int] = mapped_column(ForeignKey("consent_text.id", ondelete="RESTRICT"))
    action: Mapped[str] = mapped_column(Text)
    """``given`` or ``withdrawn``."""
    channel: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class DataRequest(Base):
    """What a person asks about the own data, with its legal clock."""

    __tablename__ = "data_request"
    __table_args__ = (
        UniqueConstraint("message_key"),
        Index("ix_data_request_open", "due_at", postgresql_where="closed_at is null"),
        CheckConstraint("kind in ('access', 'export', 'correction', 'erasure', 'withdrawal')", name="kind"),
        CheckConstraint("state in ('received', 'done', 'refused', 'cancelled')", name="state"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    receipt: Mapped[str] = mapped_column(Text, unique=True)
    """What the person quotes when asking about it."""
    member_id: Mapped[uuid.UUID | None] = mapped_column(ForeignKey("member.id", ondelete="SET NULL"), index=True)
    unit_id: Mapped[int | None] = mapped_column(ForeignKey("unit.id", ondelete="SET NULL"))
    """The member's unit at the time; at the erasure the last one, which then decides who handles it."""
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    channel: Mapped[str] = mapped_column(Text)
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """What is asked for (a correction's new values and reason), under the person's key, context ``data_request``."""
    message_key: Mapped[str | None] = mapped_column(Text)
    """Conversation and message id, hashed: the same message handled twice is one request."""
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    due_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    """The end of the second working day (Law 91/2025/QH15, decree 356/2025/NĐ-CP)."""
    closed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    answer: Mapped[str | None] = mapped_column(Text)
    """Why it was refused, in words for the person; no personal data."""


class Erasure(Base):
    """The receipt of an erasure: that it was done and how much it reached, nothing about whom."""

    __tablename__ = "erasure"

    subject: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """The id that the person had; it leads nowhere any more, but keeps a restored backup from bringing them back."""
    receipt: Mapped[str] = mapped_column(Text, unique=True)
    reached: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Place → number of things erased there."""
    requested_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    erased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    """When everything was gone, places outside the database included."""


class RegistrationReport(Base):
    """Figures of registration that were imported as a table (a report of another system)."""

    __tablename__ = "registration_report"

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    sha256: Mapped[str] = mapped_column(Text, unique=True)
    imported_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class RegistrationRow(Base):
    """A unit's line in an imported report, as it was printed."""

    __tablename__ = "registration_row"

    report_id: Mapped[int] = mapped_column(ForeignKey("registration_report.id", ondelete="CASCADE"), primary_key=True)
    row: Mapped[int] = mapped_column(Integer, primary_key=True)
    """The row in the file; the heading is 1."""
    number: Mapped[int] = mapped_column(Integer)
    name: Mapped[str] = mapped_column(Text)
    total: Mapped[int] = mapped_column(Integer)
    newly_admitted: Mapped[int] = mapped_column(Integer)
    official: Mapped[int] = mapped_column(Integer)
    registered: Mapped[int] = mapped_column(Integer)
    not_registered: Mapped[int] = mapped_column(Integer)
    printed_rate: Mapped[float | None] = mapped_column(Numeric(6, 2))
    printed_rank: Mapped[int | None] = mapped_column(Integer)
