"""A database of the previous release, with rows in every table, is brought up to date and loses nothing."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from alembic import command
from procrastinate.schema import SchemaManager
from sqlalchemy import text

from core import audit, crypto, postgres
from core import database as db
from core.database import unit_of_work
from core.settings import settings
from knowledge import documents, questions
from messaging import inbox, outbox
from messaging.reply import Reply

TEXT = """QUY ĐỊNH
Về hội phí
Điều 1. Mức hội phí
1. Hội viên nộp hội phí 10.000 đồng một tháng."""
ARTICLE = TEXT.index("Điều 1")
CLAUSE = TEXT.index("1. Hội")
WHO = uuid.UUID(int=5)

ROWS = (
    ("conversation", f"('{WHO}', 'web', 'hash', 1, '2026-11-01 08:00+00')"),
    ("inbox", f"(1, '{WHO}', 'm1', 'hội phí bao nhiêu?', null, '2026-11-01 08:00+00', '2026-11-01 08:00:01+00', '2026-11-01 08:00:02+00')"),
    ("inbox", f"(2, '{WHO}', 'm2', 'Khoản khác', '{{\"intent\": \"more\"}}', '2026-11-01 08:01+00', null, null)"),
    ("outbox", f"(1, '{WHO}', 1, 0, null, '{{\"text\": \"1. Hội viên nộp hội phí …\", \"choices\": []}}', '2026-11-01 08:00:02+00', null)"),
    ("choice", f"('token', 1, '{WHO}', 'Khoản khác', '{{\"intent\": \"more\"}}')"),
    ("document", "(1, '02/2021', 'quy-dinh-02-2021', 'Quy định', '02/2021/QĐ-HTN', '02/2021/qd-htn', '2021-05-10', 'Hội Thử', 'Quy định về hội phí', 'quy dinh ve hoi phi', 'Về hội phí', null, '2021-06-01', null, null, null, null)"),
    ("revision", f"(1, 1, 1, $${TEXT}$$, 'q.txt', 'sha', 'published', false, '2026-11-01 07:00+00', '2026-11-01 07:00+00')"),
    ("provision", f"(1, 1, null, 0, 'document', null, null, 0, {len(TEXT)}, null, null, '', null, null, null, null)"),
    ("provision", f"(2, 1, 1, 1, 'article', '1', 'Mức hội phí', {ARTICLE}, {len(TEXT)}, null, null, 'dieu-1', 2, '1', null, null)"),
    ("provision", f"(3, 1, 2, 2, 'clause', '1', null, {CLAUSE}, {len(TEXT)}, null, null, 'dieu-1-khoan-1', 2, '1', '1', null)"),
    ("relation", "(1, 1, 'amends', '01/2020', '2020-01-01', 'Quy định cũ', 0, 5, null)"),
    ("embedding", "('digest', '\\x0001')"),
    ("index_version", "(1, 3, '2026-11-01', 3, 3, 1)"),
    ("open_question", f"(1, 'Con hội viên có được trợ cấp không?', '2026-11-01', null, null, '{WHO}', 'key')"),
    ("procrastinate_jobs (queue_name, task_name, lock, args)", "('chat', 'messaging.handle', 'conversation:1', '{\"inbox_id\": 2}')"),
)  # fmt: skip


@pytest.fixture
def previous_release(data_dir: Any) -> Iterator[None]:
    """A database of its own at revision 0001, filled."""
    address = postgres.ensure_database(postgres.ensure(settings().data_dir), "previous")
    os.environ["DATABASE_URL"] = address
    settings.cache_clear()
    db.reset()
    try:
        with db.engine().begin() as connection:
            config = db.alembic_config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        with unit_of_work() as session:
            for table, values in ROWS:
                session.connection().exec_driver_sql(f"insert into {table} values {values}")
            for table in ("inbox", "outbox", "document", "revision", "provision", "relation", "open_question"):
                session.execute(text(f"select setval(pg_get_serial_sequence('{table}', 'id'), 100)"))
        yield
    finally:
        db.reset()
        del os.environ["DATABASE_URL"]
        settings.cache_clear()
        with db.connect() as connection:
            connection.execute("drop database previous with (force)")


def own_tables() -> list[str]:
    with unit_of_work() as session:
        return list(
            session.scalars(
                text(
                    "select table_name from information_schema.tables where table_schema = 'public'"
                    " and table_name not like 'procrastinate%' and table_name <> 'alembic_version' order by 1"
                )
            )
        )


def content(columns: dict[str, list[str]]) -> dict[str, list[tuple[Any, ...]]]:
    with unit_of_work() as session:
        return {
            table: [tuple(row) for row in session.execute(text(f'select {", ".join(names)} from "{table}" order by 1'))]
            for table, names in columns.items()
        }


def columns_of(tables: list[str]) -> dict[str, list[str]]:
    with unit_of_work() as session:
        return {
            table: list(
                session.scalars(
                    text(
                        "select quote_ident(column_name) from information_schema.columns"
                        " where table_schema = 'public' and table_name = :table order by ordinal_position"
                    ),
                    {"table": table},
                )
            )
            for table in tables
        }


def test_everything_of_the_previous_release_is_kept_and_usable(previous_release: None) -> None:
    assert "procrastinate_jobs" in SchemaManager.get_schema()
    columns = columns_of([*own_tables(), "procrastinate_jobs"])
    before = content(columns)
    assert [table for table, rows in before.items() if not rows] == [], "every table of that release has rows"

    db.migrate()

    assert content(columns) == before
    assert set(own_tables()) > set(columns) - {"procrastinate_jobs"}
    with unit_of_work() as session:
        history = outbox.history(session, WHO)
        assert "hội phí bao nhiêu?" in str(history)
        assert "1. Hội viên nộp hội phí …" in str(history)
        view = documents.get_published(session, "quy-dinh-02-2021")
        assert view is not None
        assert [question.question for question in questions.list_questions(session)] == [
            "Con hội viên có được trợ cấp không?"
        ]
        conversation = inbox.find_conversation(session, channel="web", external_id="hash")
        assert conversation is not None
        assert conversation.id == WHO
        outbox.send(session, WHO, [Reply(text="Xin chào")], origin="question:1")
        owner = uuid.UUID(int=9)
        crypto.create_keys(session, [owner])
        audit.record(session, "member.added", actor_id=None, object_type="member", subject=owner, personal={"a": 1})
    with unit_of_work() as session:
        assert "Xin chào" in str(outbox.history(session, WHO))
        assert audit.verify(session).entries == 1
        waiting = session.execute(text("select task_name, args from procrastinate_jobs")).all()
        assert ("messaging.handle", {"inbox_id": 2}) in [tuple(row) for row in waiting]


def test_an_upgrade_twice_is_an_upgrade_once(previous_release: None) -> None:
    db.migrate()
    columns = columns_of(own_tables())
    before = content(columns)
    db.migrate()
    assert content(columns) == before
