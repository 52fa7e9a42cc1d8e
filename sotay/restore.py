"""Restore a backup: into databases beside the present ones, brought up to date, checked, then swapped by one rename.

Until the swap nothing of the present installation changes. Whoever was erased since the backup was made is erased
again before anybody can see the restored data.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psycopg
from alembic.script import ScriptDirectory
from psycopg import sql
from sqlalchemy import delete, inspect, select, text, update
from sqlalchemy.orm import Session

from core import anchors, audit, clock, crypto, database, erased, ledger, postgres
from core.database import unit_of_work
from core.settings import settings
from knowledge import indexing
from knowledge.models import IndexVersion
from members import erasure
from members.models import Erasure, OidcAttempt, OneTimeCode, SignIn
from members.signup import tasks as sign_ups
from sotay import worker  # noqa: F401 - everybody who hears of an erasure is there
from sotay.backup import (
    APPLICATION,
    CALIBRATION,
    ENGINE,
    BackupError,
    Manifest,
    database_name,
    run_tool,
    unpacked,
)

_TEMPORARY, _REPLACED = "_restoring", "_replaced"
_KEYS_AT_ONCE = 5000
LET_GO_SECONDS = 5.0
"""How long a connection that was just closed may take to disappear from the server's list."""


@dataclass(frozen=True)
class Restored:
    """What is in the restored database when it is ready for use."""

    schema: str
    counts: dict[str, int]
    erased_again: int
    chain: audit.Verified


@contextmanager
def stopped() -> Iterator[None]:
    """No ``sotay up`` starts on this data folder inside the block. Errors: BackupError (one runs)."""
    folder = settings().data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(
                f"Sổ tay đang chạy trên thư mục dữ liệu {settings().data_dir}: hãy dừng rồi phục hồi."
                " (sotay up is running: stop it first)"
            ) from error
        yield


def restore(
    archive: Path, *, keys: Path | None, confirm: Callable[[str], None], note: Callable[[str], None]
) -> dict[str, Any]:
    """Put the backup *archive* in the place of this installation's data.

    *keys* is the copy of the master keys; None: they are in this installation. *confirm* is asked before data are
    overwritten, and raises to stop. Returns what the command prints. Errors: BackupError, MasterKeyError, LedgerError.
    """
    with stopped(), unpacked(archive) as (manifest, files):
        _check_schema(manifest)
        _check_keys(manifest, keys)
        application = database.url()
        names = [database_name(application)]
        names.append(postgres.engine_name(application, embedded=not settings().database_url))
        _check_unused(names)
        if _in_use():
            confirm("Dữ liệu đang có ở bản cài đặt này sẽ bị thay bằng bản sao lưu và không lấy lại được.")
        gone = _erased()
        database.reset()
        try:
            _drop([name + suffix for name in names for suffix in (_TEMPORARY, _REPLACED)])
            note("Đang phục hồi vào cơ sở dữ liệu tạm …")
            _load(application, names, manifest, files)
            with TemporaryDirectory(prefix=".sotay-keys-", dir=files) as staging:
                _stage_keys(keys, Path(staging))
                with _working_on(postgres.at(application, names[0] + _TEMPORARY), Path(staging)):
                    done = _bring_up_to_date(manifest, gone)
            _swap(names, keys)
        finally:
            _drop([name + _TEMPORARY for name in names])
        _drop([name + _REPLACED for name in names])
        anchors.add("restored", done.chain.entries, done.chain.head)
        if CALIBRATION in manifest.files:
            shutil.copyfile(files / CALIBRATION, indexing.calibration_file())
        note("Đang dựng lại chỉ mục …")
        _rebuild_index()
    fault = done.chain.fault
    return {
        "archive": str(archive),
        "made_at": manifest.made_at,
        "schema": {"backup": manifest.schema, "now": done.schema},
        "counts": done.counts,
        "erased_again": done.erased_again,
        "audit": {
            "entries": done.chain.entries,
            "fault": {"id": fault.id, "reason": fault.reason} if fault else None,
        },
    }


# Before anything is touched


def _check_schema(manifest: Manifest) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(database.alembic_config()).walk_revisions()}
    if manifest.schema not in known:
        raise BackupError(
            f"Bản sao lưu do bản phần mềm mới hơn tạo ra (schema {manifest.schema}): hãy nâng cấp Sổ tay trước."
        )


def _check_keys(manifest: Manifest, keys: Path | None) -> None:
    own = crypto.keys_file()
    known = crypto.ids_in(own) if own.exists() else frozenset()
    if keys is not None:
        if not keys.is_file():
            raise BackupError(f"Không có tệp khóa {keys}.")
        given = crypto.ids_in(keys)
        known = known | given if crypto.same_installation(keys) else given
    missing = sorted(set(manifest.keys) - known)
    if missing:
        raise BackupError(
            f"Thiếu khóa chủ {', '.join(missing)} mà bản sao lưu cần: hãy đưa tệp khóa đã cất cùng bản sao lưu bằng --keys TỆP."
            " (the master keys of this backup are missing)"
        )


def _check_unused(names: list[str]) -> None:
    """Nobody else is connected: an application or a worker that was started by hand."""
    database.reset()  # this process has let go; the server takes a moment to see it
    until = time.monotonic() + LET_GO_SECONDS
    with _server() as connection:
        while _connected(connection, names):
            if time.monotonic() > until:
                raise BackupError(
                    "Còn tiến trình khác đang dùng cơ sở dữ liệu (another process uses the database): hãy dừng mọi"
                    " `sotay worker`, ứng dụng và công cụ khác rồi phục hồi."
                )
            time.sleep(0.1)


def _connected(connection: psycopg.Connection, names: list[str]) -> bool:
    """Whether anybody is connected to one of the databases *names*."""
    connection.execute("select pg_stat_clear_snapshot()")
    row = connection.execute(
        "select count(*) from pg_stat_activity where datname = any(%s) and backend_type = 'client backend'", [names]
    ).fetchone()
    return row is None or row[0] > 0


def _in_use() -> bool:
    """Whether there is anything to lose."""
    tables = ("unit", "member", "account", "document", "conversation", "audit_entry")
    with unit_of_work() as session:
        there = set(inspect(session.connection()).get_table_names())
        return any(
            session.execute(text(f"select exists (select from {table})")).scalar_one()  # noqa: S608 - names of ours
            for table in tables
            if table in there
        )


def _erased() -> dict[uuid.UUID, str]:
    """Who was erased here, by the present database and by the ledger: subject → receipt."""
    gone = {entry.subject: entry.receipt for entry in erased.remembered()}
    with unit_of_work() as session:
        if inspect(session.connection()).has_table(Erasure.__tablename__):
            for row in session.execute(select(Erasure.subject, Erasure.receipt)):
                if row.subject not in gone:
                    erased.remember(row.subject, row.receipt)
                gone[row.subject] = row.receipt
    return gone


# In the temporary databases


def _load(application: str, names: list[str], manifest: Manifest, files: Path) -> None:
    for name, file in zip(names, (APPLICATION, ENGINE), strict=True):
        url = postgres.ensure_database(application, name + _TEMPORARY)
        if file in manifest.files:
            options = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
            run_tool("pg_restore", url, *options, str(files / file))


def _stage_keys(keys: Path | None, staging: Path) -> None:
    """The keys as they will be, in a folder of their own."""
    own = crypto.keys_file()
    if keys is None or (own.exists() and crypto.same_installation(keys)):
        if own.exists():
            shutil.copyfile(own, staging / own.name)
        if keys is None:
            return
        with _environment(SOTAY_KEYS_DIR=str(staging)):
            crypto.install(keys)
    else:
        shutil.copyfile(keys, staging / own.name)


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Other settings inside the block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
        settings.cache_clear()


@contextmanager
def _working_on(url: str, keys: Path) -> Iterator[None]:
    """Services work on the database of *url* with the keys in the folder *keys* inside the block."""
    database.reset()
    with _environment(DATABASE_URL=url, SOTAY_KEYS_DIR=str(keys)):
        try:
            yield
        finally:
            database.reset()


def _bring_up_to_date(manifest: Manifest, gone: dict[uuid.UUID, str]) -> Restored:
    database.migrate()
    again = 0
    with unit_of_work() as session:
        _check_every_key(session)
        chain = audit.verify(session)
        if manifest.audit_entries and chain.fault is None and chain.head.hex() != manifest.audit_head:
            chain = audit.Verified(chain.entries, chain.head, audit.Fault(chain.entries, "not what the manifest says"))
        for subject, receipt in gone.items():
            again += erasure.erase_again(session, subject, receipt=receipt)
        sign_ups.end_restored(session)
        # A session that was ended since the backup must not come to life again; nor a code or a sign-in under way.
        session.execute(
            update(SignIn).where(SignIn.kind == "console", SignIn.ended_at.is_(None)).values(ended_at=clock.now())
        )
        session.execute(delete(OidcAttempt))
        session.execute(delete(OneTimeCode).where(OneTimeCode.used_at.is_(None)))
        if session.get(IndexVersion, 1) is not None:
            indexing.request(session)
        audit.record(
            session,
            "backup.restored",
            actor_id=None,
            object_type="backup",
            details={"made_at": manifest.made_at, "schema": manifest.schema, "erased_again": again},
        )
    with unit_of_work() as session:
        after = audit.verify(session)
        schema = session.execute(text("select version_num from alembic_version")).scalar_one()
        counts = {
            table: session.execute(text(f"select count(*) from {table}")).scalar_one()  # noqa: S608 - checked names
            for table in sorted(set(manifest.counts) & set(inspect(session.connection()).get_table_names()))
        }
    return Restored(schema, counts, again, audit.Verified(after.entries, after.head, chain.fault or after.fault))


def _check_every_key(session: Session) -> None:
    """Every data key opens with the master keys at hand."""
    owners = list(session.scalars(select(crypto.DataKey.owner)))
    for start in range(0, len(owners), _KEYS_AT_ONCE):
        crypto.keys_of(session, owners[start : start + _KEYS_AT_ONCE])


# The swap


def _swap(names: list[str], keys: Path | None) -> None:
    """Both databases in one transaction. The keys first: they are a superset, or kept aside."""
    own = crypto.keys_file()
    before = own.read_bytes() if own.exists() else None
    foreign = keys is not None and before is not None and not crypto.same_installation(keys)
    if keys is not None:
        crypto.install(keys)
    try:
        with _server() as connection, connection.transaction():
            for name in names:
                if _exists(connection, name):
                    _rename(connection, name, name + _REPLACED)
                _rename(connection, name + _TEMPORARY, name)
    except psycopg.Error as error:
        if before is not None:
            crypto.put_back(before)
        raise BackupError(
            f"Không đổi được cơ sở dữ liệu, chưa có gì thay đổi (cannot swap, nothing has changed): {error.diag.message_primary}"
        ) from error
    if foreign:
        ledger.set_aside(anchors.FILE)


@contextmanager
def _server() -> Iterator[psycopg.Connection]:
    """A connection to the server's own database, so that ours can be renamed."""
    with psycopg.connect(postgres.at(database.url(), "postgres"), autocommit=True, connect_timeout=10) as connection:
        yield connection


def _exists(connection: psycopg.Connection, name: str) -> bool:
    return connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is not None


def _rename(connection: psycopg.Connection, name: str, new: str) -> None:
    connection.execute(sql.SQL("alter database {} rename to {}").format(sql.Identifier(name), sql.Identifier(new)))


def _drop(names: list[str]) -> None:
    with _server() as connection:
        for name in names:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _rebuild_index() -> None:
    """Anew, as far as documents were ever published."""
    indexing.reset()
    shutil.rmtree(settings().data_dir / "index", ignore_errors=True)
    indexing.refresh(fresh=True)
