"""The worker's part in erasing people: the engine's memory, the end of an erasure, and the database's own leftovers."""

from __future__ import annotations

import logging
import uuid

import psycopg
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job
from psycopg import sql
from sqlalchemy import func, select

from core import database, postgres
from core.audit import AuditEntry
from core.database import unit_of_work
from core.files import write_private
from core.settings import settings
from forms import drafts  # noqa: F401 - hears of forgotten conversations
from knowledge import questions  # noqa: F401 - hears of forgotten conversations
from members import erasure
from sotay.engine import LazyEngine

log = logging.getLogger(__name__)

LONGEST_WAIT = 600
"""Seconds between two attempts, at most: the engine or an import may be away for hours."""

TABLES = (
    "conversation", "inbox", "outbox", "choice", "open_question", "member", "account", "role_grant",
    "sign_in", "one_time_code", "consent_event", "data_request", "data_key", "register_import", "import_change",
    "form_draft", "sign_up", "sign_up_photo", "sign_up_review",
)  # fmt: skip
"""Tables from which erasing takes rows, or values out of rows."""

DELETIONS = ("member.erased", "conversation.forgotten", "conversation.cleared")
"""Entries of the audit log after which there is something to be written anew."""

SIGN_UP_TABLES = ("sign_up", "sign_up_photo", "data_key")
"""Tables from which photographs go every day: written anew alone when nobody was erased."""

PHOTOS_ERASED = ("sign_up.photos_erased",)

STATISTICS = "pg_statistic"
"""The planner's samples of columns: they hold values of rows."""


class UntilDone(BaseRetryStrategy):
    """Try again for ever, after 1, 2, 4 … seconds, at most ``LONGEST_WAIT``: a person's right does not lapse."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision:  # noqa: ARG002 - its signature
        """When to try again."""
        return RetryDecision(retry_in={"seconds": min(LONGEST_WAIT, 2 ** min(job.attempts, 20))})


def forget_in_engine(conversation_id: str, subject: str | None) -> None:
    """Have the engine forget a conversation."""
    erasure.forget_in_engine(uuid.UUID(conversation_id), uuid.UUID(subject) if subject else None, engine=LazyEngine())


def finish_erasure(subject: str) -> None:
    """Complete an erasure."""
    erasure.finish(uuid.UUID(subject))


def compact(timestamp: int) -> None:
    """Write the tables anew without the rows that were deleted, in the night (*timestamp*: the planned moment) after a deletion.

    PostgreSQL leaves deleted rows in its files until their place is needed. ``VACUUM (FULL, ANALYZE)`` writes tables and
    the planner's samples anew; a checkpoint lets go of the log of changes that still tells of them. A table that is in use
    for more than five seconds is left, and all is done again the next night.
    """
    people, photographs = _latest(DELETIONS), _latest(PHOTOS_ERASED)
    if _is_news("compacted", people):
        log.info("compaction after erasures, planned for %d", timestamp)
        whole = _compact(database.url(), TABLES) & _compact_engine()
        _remember(whole, compacted=people, photographs=photographs)
    elif _is_news("compacted-photographs", photographs):
        log.info("compaction after sign-ups, planned for %d", timestamp)
        _remember(_compact(database.url(), SIGN_UP_TABLES), photographs=photographs)


def _latest(actions: tuple[str, ...]) -> int | None:
    with unit_of_work() as session:
        return session.scalar(select(func.max(AuditEntry.id)).where(AuditEntry.action.in_(actions)))


def _is_news(name: str, latest: int | None) -> bool:
    marker = settings().data_dir / name
    return latest is not None and not (marker.exists() and marker.read_text(encoding="ascii") == str(latest))


def _remember(whole: bool, *, photographs: int | None, compacted: int | None = None) -> None:
    """Note up to which entries of the audit log the tables were written anew, if all of them were."""
    for name, latest in (("compacted", compacted), ("compacted-photographs", photographs)):
        if whole and latest is not None:
            write_private(settings().data_dir / name, str(latest))


def _compact_engine() -> bool:
    url = database.url()
    engine = postgres.at(url, postgres.engine_name(url, embedded=not settings().database_url))
    try:
        return _compact(engine, ("events",))
    except psycopg.OperationalError:
        log.warning("the engine's database cannot be reached: nothing was compacted there")
        return False


def _compact(url: str, tables: tuple[str, ...]) -> bool:
    """Returns whether every table was free. Errors: psycopg.OperationalError (no such database, or it does not answer)."""
    whole = True
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("set lock_timeout = '5s'")
        for table in (*tables, STATISTICS):
            statement = sql.SQL("vacuum (full, analyze) {}") if table != STATISTICS else sql.SQL("vacuum (full) {}")
            try:
                connection.execute(statement.format(sql.Identifier(table)))
            except psycopg.errors.UndefinedTable:  # the engine makes its table with its first conversation
                log.info("%s is not there yet", table)
            except psycopg.errors.LockNotAvailable:
                log.warning("%s is in use and was not compacted", table)
                whole = False
        try:
            connection.execute("select pg_switch_wal()")
            connection.execute("checkpoint")
        except psycopg.errors.InsufficientPrivilege:
            log.info("the database server keeps its log of changes by its own settings")
    return whole
