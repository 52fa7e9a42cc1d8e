"""PostgreSQL: the connection, the unit of work, and the migrations.

One unit of work per request, message or job: services add to the session and never commit; a job deferred in it
(``core.jobs.defer``) exists exactly when its rows do.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

import psycopg
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, MetaData, create_engine, make_url, text
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from core import postgres
from core.locks import Lock
from core.settings import ROOT, settings

log = logging.getLogger(__name__)


class Base(DeclarativeBase):
    """The tables of every room, with predictable names for constraints."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


@lru_cache(maxsize=1)
def url() -> str:
    """The address of the database as libpq takes it: DATABASE_URL, or the embedded server, started when needed."""
    configured = settings().database_url
    if configured:
        return make_url(configured).set(drivername="postgresql").render_as_string(hide_password=False)
    return postgres.ensure(settings().data_dir)


@lru_cache(maxsize=1)
def engine() -> Engine:
    """The connection pool of this process."""
    return create_engine(
        make_url(url()).set(drivername="postgresql+psycopg"),
        pool_size=12,
        max_overflow=8,
        pool_pre_ping=True,
        pool_timeout=20,
        hide_parameters=True,  # of a statement that failed: they are what people wrote and who they are
        connect_args={"connect_timeout": 10},
    )


@lru_cache(maxsize=1)
def _sessions() -> sessionmaker[Session]:
    return sessionmaker(engine(), expire_on_commit=False)


@contextmanager
def unit_of_work() -> Iterator[Session]:
    """A session whose work is committed at the end of the block, or undone as a whole when the block raises."""
    with _sessions().begin() as session:
        yield session


def connect() -> psycopg.Connection:
    """A connection of its own in autocommit mode (for LISTEN and advisory locks); the caller closes it."""
    return psycopg.connect(url(), autocommit=True, connect_timeout=10)


def reset() -> None:
    """Forget the pool and the address, so that the next use connects anew (settings changed, database moved)."""
    if engine.cache_info().currsize:
        engine().dispose()
    for cached in (_sessions, engine, url):
        cached.cache_clear()


def alembic_config() -> Config:
    """Where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", str(ROOT / "core" / "migrations").replace("%", "%%"))
    return config


def migrate() -> None:
    """Bring the schema up to date. Several processes may call it at once: one works, the others wait."""
    with engine().connect() as lock:
        lock.execute(text("select pg_advisory_lock(:key)"), {"key": int(Lock.MIGRATION)})
        lock.commit()
        try:
            with engine().begin() as connection:
                config = alembic_config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        finally:
            lock.execute(text("select pg_advisory_unlock(:key)"), {"key": int(Lock.MIGRATION)})
            lock.commit()
