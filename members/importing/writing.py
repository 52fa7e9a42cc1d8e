"""Many people into the register at once, and out again: COPY and set-wise statements in the caller's transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg import sql
from sqlalchemy import delete, exists, select, text
from sqlalchemy.orm import Session

from core import clock, crypto
from core.crypto import DataKey
from members import names, particulars
from members.importing.comparing import Plan
from members.models import Account, ConsentEvent, DataRequest, ImportChange, Member
from members.particulars import SEAL_CONTEXT, Private

BATCH = 5000
CHANGE_CONTEXT = "import_change"

_COLUMNS = (
    "id", "unit_id", "name", "name_key", "sort_key", "position", "status", "exempt", "sealed", "card_hash",
    "citizen_hash", "person_hash", "registered_at", "created_at", "updated_at", "version",
)  # fmt: skip
_CHANGED = tuple(name for name in _COLUMNS if name not in ("id", "registered_at", "created_at"))

Progress = Callable[[int], None]
"""Told how many rows are done."""


def copy_rows(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """COPY *rows* into *table* in the transaction of *session*."""
    session.flush()
    connection = cast("psycopg.Connection", session.connection().connection.driver_connection)
    names_of = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("copy {} ({}) from stdin").format(sql.Identifier(table), names_of)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


@dataclass(frozen=True, slots=True)
class NewMember:
    """A person to be entered, whose values have been judged."""

    id: uuid.UUID
    unit_id: int
    name: str
    position: str | None
    status: str
    exempt: bool
    private: Private
    registered_at: datetime | None = None


def insert_members(session: Session, people: Sequence[NewMember]) -> None:
    """Enter *people* with a key each."""
    now, hashed = clock.now(), crypto.hasher()
    keys = crypto.create_keys(session, [person.id for person in people])
    copy_rows(
        session,
        "member",
        _COLUMNS,
        (
            (
                person.id,
                person.unit_id,
                *_named(person.name),
                person.position,
                person.status,
                person.exempt,
                *_sealed(keys[person.id], person.name, person.private, hashed),
                person.registered_at,
                now,
                now,
                1,
            )
            for person in people
        ),
    )


def apply(session: Session, import_id: uuid.UUID, plans: Sequence[Plan], progress: Progress) -> None:
    """Do what the *plans* say, and note what an undo needs."""
    done = 0
    for start in range(0, len(plans), BATCH):
        batch = plans[start : start + BATCH]
        made = [
            NewMember(uuid.uuid4(), plan.unit_id, plan.name, plan.position, plan.status, plan.exempt, plan.private)
            for plan in batch
            if plan.before is None
        ]
        insert_members(session, made)
        changed = [plan for plan in batch if plan.before is not None and plan.changes]
        _update(session, changed)
        noted: list[tuple[uuid.UUID, uuid.UUID, int, bytes | None]] = [(import_id, one.id, 1, None) for one in made]
        for plan in changed:
            assert plan.before is not None
            noted.append((import_id, plan.before.id, plan.before.version + 1, _before(plan)))
        copy_rows(session, "import_change", ("import_id", "member_id", "version", "before"), noted)
        done += len(batch)
        progress(done)


def _named(name: str) -> tuple[str, str, str]:
    return name, names.name_key(name), names.person_sort_key(name)


def _sealed(
    key: bytes, name: str, private: Private, hashed: particulars.Hash
) -> tuple[bytes, bytes | None, bytes | None, bytes | None]:
    return (
        crypto.seal_with(key, private.to_bytes(), context=SEAL_CONTEXT),
        particulars.card_hash(private, hashed),
        particulars.citizen_hash(private, hashed),
        particulars.person_hash(name, private, hashed),
    )


def _before(plan: Plan) -> bytes:
    old = plan.before
    assert old is not None
    values = {
        "unit_id": old.unit_id,
        "name": old.name,
        "position": old.position,
        "status": old.status,
        "exempt": old.exempt,
        "private": old.private.to_values(),
    }
    return crypto.seal_with(old.key, json.dumps(values).encode(), context=CHANGE_CONTEXT)


def _update(session: Session, plans: Sequence[Plan]) -> None:
    hashed = crypto.hasher()
    rows = [
        (
            plan.before.id, plan.unit_id, *_named(plan.name), plan.position, plan.status, plan.exempt,
            *_sealed(plan.before.key, plan.name, plan.private, hashed), plan.before.version,
        )
        for plan in plans
        if plan.before is not None
    ]  # fmt: skip
    _replace(session, rows)


def _replace(session: Session, rows: Sequence[Sequence[Any]]) -> None:
    """Write (id, the changed columns …, the version that is replaced) over the members. Errors: RuntimeError (raced)."""
    if not rows:
        return
    columns = ("id", *(name for name in _CHANGED if name != "updated_at"))
    session.execute(text("create temporary table if not exists import_row (like member) on commit drop"))
    session.execute(text("truncate import_row"))
    session.execute(text("alter table import_row alter column created_at drop not null"))
    session.execute(text("alter table import_row alter column updated_at drop not null"))
    copy_rows(session, "import_row", columns, rows)
    # The unique card numbers may be exchanged between members: they are free before any is taken.
    session.execute(text("update member set card_hash = null from import_row r where member.id = r.id"))
    assignments = ", ".join(f"{name} = r.{name}" for name in columns if name not in ("id", "version"))
    done = session.execute(
        text(
            f"update member set {assignments}, version = r.version + 1, updated_at = :now"  # noqa: S608 - our own names
            " from import_row r where member.id = r.id and member.version = r.version"
        ),
        {"now": clock.now()},
    )
    if cast("Any", done).rowcount != len(rows):
        raise RuntimeError("a member changed while the import was writing")


# Undo

KEPT_NAMES = {
    "signed_in": "đã đăng nhập hoặc đã có yêu cầu, đồng ý",
    "changed_since": "hồ sơ đã được sửa sau lần nhập",
    "out_of_reach": "nay thuộc đơn vị ngoài phạm vi được giao",
}
"""Why an undo leaves a person as they are."""


@dataclass(frozen=True)
class Kept:
    """A person whom the undo left as they are, and why (a key of ``KEPT_NAMES``)."""

    member_id: uuid.UUID
    reason: str


@dataclass(frozen=True)
class Undone:
    """What an undo did."""

    removed: int
    restored: int
    kept: tuple[Kept, ...]


def undo(session: Session, import_id: uuid.UUID, *, within: Collection[int]) -> Undone:
    """Take the import back as far as nothing has happened since, for people in the units *within*.

    Errors: crypto.CryptoError.
    """
    acted = (
        exists().where(Account.member_id == Member.id)
        | exists().where(ConsentEvent.member_id == Member.id)
        | exists().where(DataRequest.member_id == Member.id)
        | Member.registered_at.is_not(None)
    )
    rows = session.execute(
        select(
            ImportChange.member_id,
            ImportChange.version,
            ImportChange.before,
            Member.version.label("present"),
            Member.unit_id,
            acted.label("acted"),
        )
        .join(Member, Member.id == ImportChange.member_id)
        .where(ImportChange.import_id == import_id)
        .order_by(ImportChange.member_id)
        .with_for_update(of=Member)
    ).all()
    kept, made, changed = [], [], []
    for row in rows:
        if row.unit_id not in within:  # its unit was put elsewhere in the tree
            kept.append(Kept(row.member_id, "out_of_reach"))
        elif row.version != row.present:
            kept.append(Kept(row.member_id, "changed_since"))
        elif row.before is not None:
            changed.append(row)
        elif row.acted:
            kept.append(Kept(row.member_id, "signed_in"))
        else:
            made.append(row.member_id)
    for start in range(0, len(made), BATCH):
        ids = made[start : start + BATCH]
        session.execute(delete(Member).where(Member.id.in_(ids)).execution_options(synchronize_session=False))
        session.execute(delete(DataKey).where(DataKey.owner.in_(ids)).execution_options(synchronize_session=False))
    for start in range(0, len(changed), BATCH):
        _restore(session, import_id, changed[start : start + BATCH])
    session.expire_all()
    return Undone(len(made), len(changed), tuple(kept))


def _restore(session: Session, import_id: uuid.UUID, rows: Sequence[Any]) -> None:
    keys = crypto.keys_of(session, [row.member_id for row in rows])
    restored, hashed = [], crypto.hasher()
    for row in rows:
        key = keys[row.member_id]
        old = json.loads(crypto.unseal_with(key, row.before, context=CHANGE_CONTEXT))
        private = Private.from_values(old["private"])
        restored.append(
            (
                row.member_id, old["unit_id"], *_named(old["name"]), old["position"], old["status"], old["exempt"],
                *_sealed(key, old["name"], private, hashed), row.present,
            )
        )  # fmt: skip
    _replace(session, restored)
    ids = [row.member_id for row in rows]
    # The record is again what the import before this one left: that one can still be undone.
    session.execute(
        text(
            "update import_change earlier set version = undone.version + 1 from import_change undone"
            " where undone.import_id = :import_id and undone.member_id = any(:ids)"
            " and earlier.member_id = undone.member_id and earlier.version = undone.version - 1"
        ),
        {"import_id": import_id, "ids": ids},
    )
    session.execute(
        delete(ImportChange)
        .where(ImportChange.import_id == import_id, ImportChange.member_id.in_(ids))
        .execution_options(synchronize_session=False)
    )
