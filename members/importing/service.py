"""Imports as people see them: a file is taken in, looked through, confirmed or cancelled, and can be undone."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath

from sqlalchemy import delete, exists, func, select
from sqlalchemy.orm import Session

from core import audit, clock, crypto, jobs
from members.access import (
    SYSTEM,
    Actor,
    NotVisibleError,
    Permission,
    access_import,
    access_unit,
    require_everywhere,
    scope_by_unit,
    scope_units,
)
from members.importing import columns, reading, storage, writing
from members.importing.tables import ImportFileError, ImportStateError
from members.models import Account, Erasure, ImportChange, ImportProblem, RegisterImport, Unit

PROBLEMS_PAGE = 50
NEWEST = 50
"""Imports in the list."""
KEPT_FOR = timedelta(hours=24)
WAITING = ("mapping", "checking", "checked", "importing")
"""States in which the file is still kept."""
WAITED_FOR = "waiting_for_imports"
"""Key in ``Erasure.reached``: ids of imports that were being written when the person was erased; they write nothing."""
ERASED_MEANWHILE = (
    "Sau khi tệp này được nộp, có người đã được xóa dữ liệu theo yêu cầu. Sổ chưa thay đổi gì. "
    "Xin nộp lại danh sách mới, không còn người đó."
)
"""Why a file that waited is gone: whoever was erased would come back by it."""
LOCK = "members.import"
"""Imports are worked on one after another."""


@dataclass(frozen=True)
class ImportStatus:
    """An import as the page shows it."""

    id: uuid.UUID
    state: str
    file_name: str
    unit_id: int | None
    unit_name: str | None
    rows: int
    handled: int
    """Rows done in the present state (``checking``, ``importing``) of ``rows``."""
    imported: int
    problem_count: int
    bad_rows: int
    created: int
    """New people that the import made."""
    updated: int
    skip_bad: bool
    error: str | None
    mapping: dict[str, str]
    """Field → heading."""
    headings: tuple[str, ...]
    """Of the file, while its columns can be chosen (``mapping``, ``checked``); empty otherwise."""
    created_by: str | None
    created_at: datetime
    finished_at: datetime | None

    @property
    def can_confirm(self) -> bool:
        """Whether there is something to import."""
        return self.state == "checked" and self.rows > self.bad_rows

    @property
    def can_undo(self) -> bool:
        """Whether it can be taken back."""
        return self.state == "done"

    @property
    def is_working(self) -> bool:
        """Whether the page should look again soon."""
        return self.state in ("checking", "importing")


@dataclass(frozen=True)
class ProblemLine:
    """A problem of a row."""

    row: int
    column: str | None
    code: str
    message: str


@dataclass(frozen=True)
class ProblemPage:
    """Problems in the order of rows; ``page`` counts from 1."""

    lines: list[ProblemLine]
    page: int
    pages: int
    total: int
    """Of the kind asked for."""
    codes: dict[str, int]
    """Kind → how many in the whole file, the most frequent first."""


def start(session: Session, actor: Actor, *, file_name: str, content: bytes, unit_id: int | None = None) -> uuid.UUID:
    """Take a file in and have it looked through by the worker; returns the import's id.

    *unit_id*: the subtree that the file may name units of (None: all of the actor's, when that is one place).
    Errors: NotVisibleError, ImportFileError (empty, too large).
    """
    unit_id = place(session, actor, unit_id)
    reading.check_size(content)
    made = RegisterImport(
        id=uuid.uuid4(), state="checking", unit_id=unit_id, file_name=PurePath(file_name.replace("\\", "/")).name[:200],
        sha256=hashlib.sha256(content).hexdigest(), mapping={}, created_by=actor.account_id, created_at=clock.now(),
        rows=0, handled=0, imported=0, problem_count=0, skip_bad=False,
    )  # fmt: skip
    session.add(made)
    key = crypto.create_keys(session, [made.id])[made.id]
    storage.put(made.id, key, content)
    session.flush()
    jobs.defer(session, "members.check_import", queue="index", lock=LOCK, import_id=str(made.id))
    audit.record(
        session, "members.import_started", actor_id=actor.account_id, object_type="register_import", object_id=made.id,
        unit_id=unit_id,
    )  # fmt: skip
    return made.id


def set_mapping(session: Session, actor: Actor, import_id: uuid.UUID, mapping: Mapping[str, str]) -> None:
    """Choose the columns (field → heading) and look through the file again; it is remembered for such files.

    Errors: NotVisibleError, ImportStateError, ImportFileError (bad_mapping).
    """
    found = _locked(session, actor, import_id, "mapping", "checked")
    chosen = columns.check_mapping(mapping)
    known = {columns.key_of(heading) for heading in _headings(session, found)}
    if not {columns.key_of(heading) for heading in chosen.values()} <= known:
        raise ImportFileError("bad_mapping", "Tệp không có cột với tiêu đề đã chọn. Xin chọn lại.")
    found.mapping = chosen
    found.state, found.handled, found.problem_count, found.error = "checking", 0, 0, None
    session.execute(delete(ImportProblem).where(ImportProblem.import_id == import_id))
    jobs.defer(session, "members.check_import", queue="index", lock=LOCK, import_id=str(import_id))


def confirm(session: Session, actor: Actor, import_id: uuid.UUID, *, skip_bad: bool = False) -> None:
    """Have the good rows written. Errors: NotVisibleError, ImportStateError (not looked through; bad rows not skipped)."""
    found = _locked(session, actor, import_id, "checked")
    bad = _bad_rows(session, import_id)
    if bad and not skip_bad:
        raise ImportStateError("Tệp còn dòng có vấn đề. Xin sửa tệp rồi nhập lại, hoặc chọn bỏ qua các dòng đó.")
    if found.rows <= bad:
        raise ImportStateError("Không có dòng nào nhập được. Xin sửa tệp rồi nhập lại.")
    found.state, found.skip_bad, found.handled = "importing", skip_bad, 0
    jobs.defer(session, "members.run_import", queue="index", lock=LOCK, import_id=str(import_id))
    audit.record(
        session, "members.import_confirmed", actor_id=actor.account_id, object_type="register_import",
        object_id=import_id, unit_id=found.unit_id, details={"skip_bad": skip_bad},
    )  # fmt: skip


def cancel(session: Session, actor: Actor, import_id: uuid.UUID) -> None:
    """Drop a file that waits. Errors: NotVisibleError, ImportStateError."""
    found = _locked(session, actor, import_id, "mapping", "checking", "checked")
    close(session, found, "cancelled")
    audit.record(
        session, "members.import_cancelled", actor_id=actor.account_id, object_type="register_import",
        object_id=import_id, unit_id=found.unit_id,
    )  # fmt: skip


def undo(session: Session, actor: Actor, import_id: uuid.UUID) -> writing.Undone:
    """Take an import back; people who acted or were changed since stay. Errors: NotVisibleError, ImportStateError."""
    found = _locked(session, actor, import_id, "done")
    within = set(session.scalars(scope_units(select(Unit.id), actor, Permission.IMPORT_MEMBERS)))
    undone = writing.undo(session, import_id, within=within)
    found.state = "undone"
    audit.record(
        session, "members.import_undone", actor_id=actor.account_id, object_type="register_import",
        object_id=import_id, unit_id=found.unit_id,
        details={"removed": undone.removed, "restored": undone.restored, "kept": len(undone.kept)},
    )  # fmt: skip
    session.flush()
    return undone


def status(session: Session, actor: Actor, import_id: uuid.UUID) -> ImportStatus:
    """Where the import stands. Errors: NotVisibleError."""
    return _status(session, access_import(session, actor, import_id))


def problems(
    session: Session,
    actor: Actor,
    import_id: uuid.UUID,
    *,
    page: int = 1,
    code: str | None = None,
    size: int = PROBLEMS_PAGE,
) -> ProblemPage:
    """A page of what is wrong with the file, of one kind (*code*) or all. Errors: NotVisibleError."""
    access_import(session, actor, import_id)
    counted = (
        select(ImportProblem.code, func.count())
        .where(ImportProblem.import_id == import_id)
        .group_by(ImportProblem.code)
        .order_by(func.count().desc(), ImportProblem.code)
    )
    codes = dict(session.execute(counted).all())
    total = sum(codes.values()) if code is None else codes.get(code, 0)
    pages = max(1, -(-total // size))
    page = min(max(page, 1), pages)
    statement = select(ImportProblem).where(ImportProblem.import_id == import_id)
    if code is not None:
        statement = statement.where(ImportProblem.code == code)
    rows = session.scalars(
        statement.order_by(ImportProblem.row, ImportProblem.id).offset((page - 1) * size).limit(size)
    )
    lines = [ProblemLine(row.row, row.column, row.code, row.message) for row in rows]
    return ProblemPage(lines, page, pages, total, codes)


def list_imports(session: Session, actor: Actor) -> list[ImportStatus]:
    """The newest imports that *actor* may see, newest first. Errors: NotVisibleError (may not import anywhere)."""
    reach = actor.reach(Permission.IMPORT_MEMBERS)
    if not reach:
        raise NotVisibleError
    statement = select(RegisterImport).order_by(RegisterImport.created_at.desc(), RegisterImport.id).limit(NEWEST)
    if not actor.may_everywhere(Permission.IMPORT_MEMBERS):
        statement = scope_by_unit(statement, actor, Permission.IMPORT_MEMBERS, RegisterImport.unit_id)
    found = list(session.scalars(statement))
    units = dict(
        session.execute(
            select(Unit.id, Unit.name).where(Unit.id.in_([one.unit_id for one in found if one.unit_id]))
        ).all()
    )
    people = dict(
        session.execute(
            select(Account.id, Account.name).where(Account.id.in_([one.created_by for one in found if one.created_by]))
        ).all()
    )  # fmt: skip
    return [
        _line(one, units.get(one.unit_id or 0), people.get(one.created_by) if one.created_by else None) for one in found
    ]


def close(session: Session, found: RegisterImport, state: str, *, error: str | None = None) -> None:
    """End an import: its file and its key are destroyed."""
    found.state, found.error, found.finished_at = state, error, clock.now()
    crypto.destroy_key(session, found.id)
    storage.drop_after_commit(session, found.id)


def expire(session: Session) -> int:
    """Drop files that have waited for longer than a day, and files that belong to no import; returns their number."""
    waiting = list(session.scalars(select(RegisterImport).where(RegisterImport.state.in_(WAITING))))
    old = [one for one in waiting if one.created_at < clock.now() - KEPT_FOR and one.state != "importing"]
    for one in old:
        close(session, one, "cancelled", error="Tệp chờ quá 24 giờ nên đã bị xóa. Xin nhập lại nếu còn cần.")
    session.flush()
    return len(old) + storage.drop_others({one.id for one in waiting}, before=clock.now() - KEPT_FOR)


def end_waiting(session: Session) -> list[uuid.UUID]:
    """Drop every file that waits, because somebody has been erased who may be in it.

    Returns the imports that are being written at the moment: those end by themselves (``written_off``).
    """
    statement = select(RegisterImport).where(RegisterImport.state.in_(WAITING)).order_by(RegisterImport.id)
    waiting = session.scalars(statement.with_for_update().execution_options(populate_existing=True)).all()
    for found in waiting:
        if found.state != "importing":
            close(session, found, "cancelled", error=ERASED_MEANWHILE)
    session.flush()
    return [found.id for found in waiting if found.state == "importing"]


def written_off(session: Session, import_id: uuid.UUID) -> bool:
    """Whether somebody was erased after the import was confirmed."""
    return session.scalar(select(exists().where(Erasure.reached[WAITED_FOR].contains([str(import_id)])))) or False


def place(session: Session, actor: Actor, unit_id: int | None) -> int | None:
    """The subtree of an import. Errors: NotVisibleError."""
    if unit_id is None:
        reach = actor.reach(Permission.IMPORT_MEMBERS)
        if len(reach) == 1 and not actor.may_everywhere(Permission.IMPORT_MEMBERS):
            return int(reach[0].strip("/").split("/")[-1])
        require_everywhere(actor, Permission.IMPORT_MEMBERS)
        return None
    return access_unit(session, actor, unit_id, Permission.IMPORT_MEMBERS).id


def _locked(session: Session, actor: Actor, import_id: uuid.UUID, *states: str) -> RegisterImport:
    """The import, held until the end of the transaction, in one of *states*. Errors: NotVisibleError, ImportStateError."""
    access_import(session, actor, import_id)
    found = session.scalars(
        select(RegisterImport)
        .where(RegisterImport.id == import_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if found.state not in states:
        raise ImportStateError("Lần nhập này không còn ở bước đó. Xin tải lại trang để xem tình trạng mới.")
    return found


def _bad_rows(session: Session, import_id: uuid.UUID) -> int:
    return (
        session.scalar(select(func.count(func.distinct(ImportProblem.row))).where(ImportProblem.import_id == import_id))
        or 0
    )


def _status(session: Session, found: RegisterImport) -> ImportStatus:
    unit = session.get(Unit, found.unit_id) if found.unit_id else None
    person = session.get(Account, found.created_by) if found.created_by else None
    made = func.count().filter(ImportChange.before.is_(None))
    counts = session.execute(
        select(made, func.count(ImportChange.before)).where(ImportChange.import_id == found.id)
    ).one()
    return _line(
        found,
        unit.name if unit else None,
        person.name if person else (SYSTEM.name if found.created_by is None else None),
        bad_rows=_bad_rows(session, found.id),
        created=counts[0],
        updated=counts[1],
        headings=_headings(session, found) if found.state in ("mapping", "checked") else (),
    )


def _headings(session: Session, found: RegisterImport) -> tuple[str, ...]:
    keys = crypto.keys_of(session, [found.id])
    return storage.headings(found.id, keys[found.id]) if found.id in keys else ()


def _line(
    found: RegisterImport,
    unit_name: str | None,
    person: str | None,
    *,
    bad_rows: int = 0,
    created: int = 0,
    updated: int = 0,
    headings: tuple[str, ...] = (),
) -> ImportStatus:
    return ImportStatus(
        id=found.id,
        state=found.state,
        file_name=found.file_name,
        unit_id=found.unit_id,
        unit_name=unit_name,
        rows=found.rows,
        handled=found.handled,
        imported=found.imported,
        problem_count=found.problem_count,
        bad_rows=bad_rows,
        created=created,
        updated=updated,
        skip_bad=found.skip_bad,
        error=found.error,
        mapping=dict(found.mapping),
        headings=headings,
        created_by=person,
        created_at=found.created_at,
        finished_at=found.finished_at,
    )
