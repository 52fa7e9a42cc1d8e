"""Background jobs by procrastinate, on the same PostgreSQL.

A job is deferred inside the unit of work that gives it its reason (``defer``), and done by the worker (``sotay worker``).
Jobs may start twice (a killed worker's jobs are rescued), so every task is idempotent.

Queues: ``chat`` (a member waits), ``deliver`` (messages to channels), ``index`` (heavy work that chat never waits behind),
``ekyc`` (photographs of a sign-up, one after another: their models fill a core).
"""

from __future__ import annotations

from typing import Literal, cast

import psycopg
from procrastinate import App, SyncPsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued
from procrastinate.types import JSONValue
from sqlalchemy.orm import Session

Queue = Literal["chat", "deliver", "index", "ekyc"]

_deferring = App(connector=SyncPsycopgConnector())  # never opened: it borrows the connection of the unit of work


def defer(
    session: Session,
    name: str,
    *,
    queue: Queue,
    lock: str | None = None,
    once: str | None = None,
    **arguments: JSONValue,
) -> bool:
    """Defer the task *name* ("room.verb", registered in ``sotay.worker``) with *arguments* in the transaction of *session*.

    Jobs with the same *lock* run one after another, in order. At most one job with the same *once* waits at a time;
    returns False when one waits already.
    """
    try:
        with session.begin_nested():  # a refused job must not take the caller's rows with it
            # Asked for inside the block: the savepoint is set on the connections that take part in it.
            connection = cast("psycopg.Connection", session.connection().connection.driver_connection)
            _deferring.configure_task(
                name, queue=queue, lock=lock, queueing_lock=once, connection=connection, allow_unknown=True
            ).defer(**arguments)
    except AlreadyEnqueued:
        return False
    return True
