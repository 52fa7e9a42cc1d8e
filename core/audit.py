"""The audit log: append-only, each entry chained to the one before it by a hash.

``record`` collects entries in the unit of work; they are chained and written just before it commits, so the lock that
orders the chain is held for a moment only. The hash covers the ciphertext of personal values, which are sealed under the
key of the person concerned: erasing the person destroys the values and leaves the chain whole.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import BigInteger, DateTime, Index, LargeBinary, Text, event, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, Session, SessionTransaction, mapped_column

from core import clock, crypto
from core.database import Base
from core.locks import Lock, hold

_PENDING = "core.audit.pending"
_MARKS = "core.audit.marks"
GENESIS = bytes(32)
"""What the first entry is chained to."""


class AuditEntry(Base):
    """One event. Rows are only ever added: a trigger refuses everything else."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        Index("ix_audit_entry_action", "action", "id"),
        Index("ix_audit_entry_actor", "actor_id", "id"),
        Index("ix_audit_entry_subject", "subject", "id"),
        Index("ix_audit_entry_at", "at"),
    )

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    """1, 2, 3 … without gaps."""
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    actor_id: Mapped[uuid.UUID | None] = mapped_column()
    """The account that acted; None: the system itself or somebody at its command line."""
    action: Mapped[str] = mapped_column(Text)
    """``room.verb`` in the past tense ("member.viewed", "grant.added")."""
    object_type: Mapped[str] = mapped_column(Text)
    object_id: Mapped[str | None] = mapped_column(Text)
    unit_id: Mapped[int | None] = mapped_column(BigInteger)
    """Where in the organisation it happened; decides which auditors see it. None: the whole organisation's business."""
    subject: Mapped[uuid.UUID | None] = mapped_column()
    """The person concerned, whose key seals ``sealed``."""
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """What is not personal."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    previous: Mapped[bytes] = mapped_column(LargeBinary)
    hash: Mapped[bytes] = mapped_column(LargeBinary)


@dataclass(frozen=True)
class Fault:
    """Where the chain is broken: the first entry that does not fit."""

    id: int
    reason: str


@dataclass(frozen=True)
class Verified:
    """What ``verify`` found: the number of entries, the last hash, and the first fault if there is one."""

    entries: int
    head: bytes
    fault: Fault | None


def record(
    session: Session,
    action: str,
    *,
    actor_id: uuid.UUID | None,
    object_type: str,
    object_id: object | None = None,
    unit_id: int | None = None,
    subject: uuid.UUID | None = None,
    details: Mapping[str, Any] | None = None,
    personal: Mapping[str, Any] | None = None,
) -> None:
    """Add an entry to the log in the unit of work of *session*.

    *details* must not name or describe a person; *personal* may (it is sealed under the key of *subject*, who must have
    one). Both are JSON values. Errors: ValueError (not JSON, or text that PostgreSQL cannot store).
    """
    plain = _plain(dict(details or {}))
    if not session.in_transaction():
        session.begin()  # so that its end, whichever it is, is heard
    sealed = None
    if personal is not None:
        if subject is None:
            raise ValueError("personal values need a subject, whose key seals them")
        sealed = crypto.seal(session, subject, json.dumps(dict(personal)).encode(), context="audit")
    pending: list[dict[str, Any]] = session.info.setdefault(_PENDING, [])
    pending.append(
        {
            "at": clock.now(),
            "actor_id": actor_id,
            "action": action,
            "object_type": object_type,
            "object_id": None if object_id is None else str(object_id),
            "unit_id": unit_id,
            "subject": subject,
            "details": plain,
            "sealed": sealed,
        }
    )


def _plain(value: Any) -> Any:  # noqa: ANN401 - JSON
    """*value* as it comes back from a column of type JSONB, so that it hashes the same then as now."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        value.encode()  # no half of a surrogate pair
        if "\0" in value:
            raise ValueError("a detail holds the character NUL")
        return str(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(f"a detail is not JSON: {type(value).__name__}")


def personal_values(session: Session, entry: AuditEntry) -> dict[str, Any] | None:
    """The sealed values of *entry*; None when it has none or their key has been destroyed. Errors: TamperedError."""
    if entry.sealed is None or entry.subject is None:
        return None
    try:
        values: dict[str, Any] = json.loads(crypto.unseal(session, entry.subject, entry.sealed, context="audit"))
    except crypto.KeyDestroyedError:
        return None
    return values


def chain_hash(previous: bytes, values: Mapping[Any, Any]) -> bytes:
    """SHA-256 over the hash before and the entry in canonical JSON (sorted keys, UTC, ciphertext in hexadecimal)."""
    canonical = json.dumps(
        {
            "id": values["id"],
            "at": values["at"].astimezone(UTC).isoformat(timespec="microseconds"),
            "actor_id": str(values["actor_id"]) if values["actor_id"] else None,
            "action": values["action"],
            "object_type": values["object_type"],
            "object_id": values["object_id"],
            "unit_id": values["unit_id"],
            "subject": str(values["subject"]) if values["subject"] else None,
            "details": values["details"],
            "sealed": values["sealed"].hex() if values["sealed"] is not None else None,
        },
        sort_keys=True,
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return hashlib.sha256(previous + canonical.encode()).digest()


@event.listens_for(Session, "before_commit")
def _append(session: Session) -> None:
    if session.in_nested_transaction() or not session.info.get(_PENDING):  # a savepoint is not the end of the work
        return
    session.flush()  # whatever can still fail fails before the lock is taken
    pending: list[dict[str, Any]] = session.info.pop(_PENDING)
    hold(session, Lock.AUDIT)
    last = session.execute(select(AuditEntry.id, AuditEntry.hash).order_by(AuditEntry.id.desc()).limit(1)).first()
    number, previous = (last.id, last.hash) if last else (0, GENESIS)
    rows = []
    for values in pending:
        number += 1
        row = {**values, "id": number, "previous": previous}
        row["hash"] = previous = chain_hash(previous, row)
        rows.append(row)
    session.execute(insert(AuditEntry), rows)


@event.listens_for(Session, "after_transaction_create")
def _mark(session: Session, transaction: SessionTransaction) -> None:
    if transaction.nested:
        session.info.setdefault(_MARKS, WeakKeyDictionary())[transaction] = len(session.info.get(_PENDING, ()))


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    """What was recorded inside a savepoint goes with it; what came before stays."""
    if transaction.nested:
        del session.info.get(_PENDING, [])[session.info[_MARKS][transaction] :]


@event.listens_for(Session, "after_transaction_end")
def _end(session: Session, transaction: SessionTransaction) -> None:
    """However the work ended (committed, rolled back, closed), nothing of it is left for the next."""
    if transaction.parent is None:
        session.info.pop(_PENDING, None)
        session.info.pop(_MARKS, None)


def verify(session: Session, *, anchors: Mapping[int, bytes] | None = None) -> Verified:
    """Go through the whole chain and find the first entry that was changed, added or taken out.

    *anchors* (``core.anchors``): the hash that the chain must have after so many entries.
    """
    expected_heads = anchors or {}
    previous, expected = GENESIS, 1
    statement = select(AuditEntry.__table__).order_by(AuditEntry.id).execution_options(yield_per=1000)
    with session.execute(statement) as rows:
        for row in rows.mappings():
            fault = None
            if row["id"] != expected:
                fault = "missing" if row["id"] > expected else "inserted before the first entry"
            elif row["previous"] != previous:
                fault = "not chained to the entry before it"
            elif row["hash"] != chain_hash(previous, row):
                fault = "altered"
            elif expected_heads.get(expected, row["hash"]) != row["hash"]:
                fault = "not what the anchor says: the chain was written anew"
            if fault:
                return Verified(expected - 1, previous, Fault(expected, fault))
            previous, expected = row["hash"], expected + 1
    if expected <= max(expected_heads, default=0):
        return Verified(expected - 1, previous, Fault(expected, "cut off: an anchor knows of later entries"))
    return Verified(expected - 1, previous, None)
