"""The worker's part of an import, and an import in one go for the command line.

Whatever a job finds done already is left alone: jobs may start twice.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import Integer, cast, delete, func, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.database import unit_of_work
from core.locks import Lock, hold
from members.access import SYSTEM, Actor, NotVisibleError, access_import, actor_of
from members.importing import reading, service, storage, working, writing
from members.importing.columns import Header, check_mapping, signature
from members.importing.rows import Problem
from members.importing.tables import ImportFileError, Sheet
from members.models import Account, ColumnMapping, ImportProblem, RegisterImport

log = logging.getLogger(__name__)


def check_import(import_id: str) -> None:
    """The job ``members.check_import``: look through the file, note every problem."""
    _guarded(uuid.UUID(import_id), "checking", _check)


def run_import(import_id: str) -> None:
    """The job ``members.run_import``: look through the file again and write the register, all or nothing."""
    _guarded(uuid.UUID(import_id), "importing", _run)


def expire_imports(timestamp: int) -> None:
    """The hourly job ``members.expire_imports``: drop files that nobody came back for."""
    with unit_of_work() as session:
        count = service.expire(session)
    if count:
        log.info("%d waiting import files dropped at %s", count, datetime.fromtimestamp(timestamp, UTC))


@dataclass
class Result:
    """What an import in one go did."""

    import_id: uuid.UUID | None
    rows: int
    imported: int
    problems: list[Problem] = field(default_factory=list)


def run_now(
    actor: Actor,
    *,
    file_name: str,
    content: bytes,
    mapping: Mapping[str, object] | None = None,
    dry_run: bool = False,
    skip_bad: bool = False,
    progress: working.Progress = lambda _done, _total: None,
) -> Result:
    """Look through a file and, unless it is a *dry_run* or has problems that are not skipped, write the register.

    Errors: ImportFileError, NotVisibleError.
    """
    chosen = None if mapping is None else check_mapping(mapping)
    with unit_of_work() as session:
        unit_id = service.place(session, actor, None)
        sheet, header = reading.open_table(content, mapping=chosen, remembered=working.remembered(session))
        if not dry_run:
            hold(session, Lock.IMPORT)
        judged = working.judge(session, actor, sheet, header, unit_id=unit_id, progress=progress)
        if dry_run or not judged.plans or (judged.problems and not skip_bad):
            return Result(None, judged.rows, 0, judged.problems)
        made = RegisterImport(
            id=uuid.uuid4(), state="importing", unit_id=unit_id, file_name=file_name[:200],
            sha256=hashlib.sha256(content).hexdigest(), mapping=header.mapping, created_by=actor.account_id,
            created_at=clock.now(), rows=judged.rows, skip_bad=skip_bad,
        )  # fmt: skip
        session.add(made)
        session.flush()
        working.write(session, made.id, judged, progress)
        if chosen is not None:
            _remember(session, header)
        _finish(session, actor, made, judged)
        return Result(made.id, judged.rows, made.imported, judged.problems)


def _guarded(import_id: uuid.UUID, state: str, work: Callable[[uuid.UUID], None]) -> None:
    """Do the work; whatever ends it is said on the import."""
    try:
        work(import_id)
    except ImportFileError as error:
        _fail(import_id, state, str(error))
    except FileNotFoundError:
        _fail(import_id, state, "Tệp không còn trên máy chủ. Xin nhập lại từ đầu.")
    except NotVisibleError:
        _fail(import_id, state, "Người nhập không còn quyền nhập hồ sơ ở đây. Xin liên hệ quản trị viên.")
    except DBAPIError:  # the database is away for a moment: the job is tried again
        raise
    except Exception:
        _fail(import_id, state, "Hệ thống gặp trục trặc, sổ chưa thay đổi gì. Xin nhập lại sau.")
        raise


def _fail(import_id: uuid.UUID, state: str, message: str) -> None:
    with unit_of_work() as session:
        found = session.get(RegisterImport, import_id, with_for_update=True)
        if found is not None and found.state == state:
            service.close(session, found, "failed", error=message)


def _check(import_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        found = session.get(RegisterImport, import_id)
        if found is None or found.state != "checking":
            return
        actor, unit_id, chosen = _actor(session, found), found.unit_id, dict(found.mapping) or None
        sheet, header = _opened(session, found, chosen)
        if reading.no_header(header, unit_given=unit_id is not None):
            _advance(session, import_id, "checking", state="mapping", mapping=header.mapping)
            return
        judged = working.judge(
            session, actor, sheet, header, unit_id=unit_id, progress=_shown(import_id, "checking", share=1.0)
        )
        advanced = _advance(
            session, import_id, "checking", state="checked", mapping=header.mapping, rows=judged.rows,
            handled=judged.rows, problem_count=len(judged.problems),
        )  # fmt: skip
        if advanced:  # nobody cancelled it in the meantime
            _note(session, import_id, judged.problems)
            if chosen is not None:
                _remember(session, header)


def _run(import_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        hold(session, Lock.IMPORT)
        found = session.get(RegisterImport, import_id)
        if found is None or found.state != "importing":
            return
        actor = _actor(session, found)
        sheet, header = _opened(session, found, dict(found.mapping))
        looking, writing_ = (
            _shown(import_id, "importing", share=0.5),
            _shown(import_id, "importing", share=0.5, base=0.5),
        )
        judged = working.judge(session, actor, sheet, header, unit_id=found.unit_id, progress=looking)
        if judged.problems and not found.skip_bad:  # the register changed since the file was looked through
            _note(session, import_id, judged.problems)
            _advance(session, import_id, "importing", state="checked", problem_count=len(judged.problems))
            return
        if service.written_off(session, import_id):
            raise ImportFileError("erased_meanwhile", service.ERASED_MEANWHILE)
        working.write(session, import_id, judged, writing_)
        session.refresh(found)
        _finish(session, actor, found, judged)


def _actor(session: Session, found: RegisterImport) -> Actor:
    """Who started the import, with the rights of today. Errors: NotVisibleError."""
    if found.created_by is None:
        return SYSTEM
    account = session.get(Account, found.created_by)
    if account is None or account.disabled_at is not None:
        raise NotVisibleError
    actor = actor_of(session, account)
    access_import(session, actor, found.id)
    return actor


def _opened(session: Session, found: RegisterImport, chosen: dict[str, str] | None) -> tuple[Sheet, Header]:
    key = crypto.keys_of(session, [found.id]).get(found.id)
    if key is None:
        raise FileNotFoundError
    content = storage.get(found.id, key)
    sheet, header = reading.open_table(content, mapping=chosen, remembered=working.remembered(session))
    storage.put_headings(found.id, key, header.headings)
    return sheet, header


def _shown(import_id: uuid.UUID, state: str, *, share: float, base: float = 0.0) -> working.Progress:
    """Progress written at once, in small transactions of its own: the page sees it while the large one is open."""

    def show(done: int, total: int) -> None:
        with unit_of_work() as session:
            rows = func.greatest(RegisterImport.rows, total) if state == "checking" else RegisterImport.rows
            part = base + share * (done / total if total else 1.0)
            handled = cast(func.floor(rows * part), Integer)
            statement = update(RegisterImport).where(RegisterImport.id == import_id, RegisterImport.state == state)
            session.execute(statement.values(rows=rows, handled=handled))

    return show


def _advance(session: Session, import_id: uuid.UUID, before: str, **values: object) -> bool:
    """Move the import on from the state *before*; False when it is in that state no more."""
    return (
        session.scalar(
            update(RegisterImport)
            .where(RegisterImport.id == import_id, RegisterImport.state == before)
            .values(**values)
            .returning(RegisterImport.id)
            .execution_options(synchronize_session=False)
        )
        is not None
    )


def _note(session: Session, import_id: uuid.UUID, problems: list[Problem]) -> None:
    """Store the problems in place of those before."""
    session.execute(delete(ImportProblem).where(ImportProblem.import_id == import_id))
    rows = ((import_id, one.row, one.column, one.code, one.message) for one in problems)
    writing.copy_rows(session, "import_problem", ("import_id", "row", "column", "code", "message"), rows)


def _remember(session: Session, header: Header) -> None:
    """Keep a mapping that somebody chose for the next file with these headings."""
    values = {"mapping": header.mapping, "updated_at": clock.now()}
    statement = insert(ColumnMapping).values(signature=signature(header.headings), **values)
    session.execute(statement.on_conflict_do_update(index_elements=["signature"], set_=values))


def _finish(session: Session, actor: Actor, found: RegisterImport, judged: working.Judged) -> None:
    """The import is done: figures, audit, the file's end."""
    _note(session, found.id, judged.problems)
    found.rows = found.handled = judged.rows
    found.imported, found.problem_count = len(judged.plans), len(judged.problems)
    service.close(session, found, "done")
    created = sum(plan.before is None for plan in judged.plans)
    updated = sum(plan.before is not None and plan.changes for plan in judged.plans)
    audit.record(
        session, "members.imported", actor_id=actor.account_id, object_type="register_import", object_id=found.id,
        unit_id=found.unit_id,
        details={
            "rows": judged.rows, "imported": found.imported, "created": created, "updated": updated,
            "problems": found.problem_count,
        },
    )  # fmt: skip
    session.flush()
