from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import func, select, text

from core import events
from core.database import unit_of_work
from messaging import forgetting, inbox, outbox
from messaging.models import Conversation, InboxMessage, IssuedChoice, OutboxMessage
from messaging.reply import Choice, Reply

pytestmark = pytest.mark.usefixtures("database")


def _talk(who: str) -> uuid.UUID:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id=who)
        inbox.receive(session, conversation, message_id="m1", text="Một")
        inbox.receive(session, conversation, message_id="m2", text="Hai")
        outbox.send(session, conversation.id, [Reply(text="Chào", choices=[Choice(title="A"), Choice(title="B")])])
        return conversation.id


def _rows() -> list[int]:
    with unit_of_work() as session:
        tables = (Conversation, InboxMessage, OutboxMessage, IssuedChoice)
        return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


def _jobs() -> list[tuple[str, str, dict[str, Any]]]:
    with unit_of_work() as session:
        rows = session.execute(text("select task_name, lock, args from procrastinate_jobs order by id"))
        return [(row.task_name, row.lock, row.args) for row in rows]


def test_what_was_said_goes_and_other_conversations_stay() -> None:
    mine, other = _talk("a"), _talk("b")
    assert _rows() == [2, 4, 2, 4]
    with unit_of_work() as session:
        reached = forgetting.forget(session, [mine])
    assert reached == {"conversation": 1, "inbox": 2, "outbox": 1, "choice": 2, "job": 2}
    assert _rows() == [1, 2, 1, 2]
    assert [(name, lock) for name, lock, _ in _jobs()] == [
        ("messaging.handle", f"conversation:{other}"),
        ("messaging.handle", f"conversation:{other}"),
        ("members.forget_in_engine", f"conversation:{mine}"),
    ]
    assert _jobs()[-1][2] == {"conversation_id": str(mine), "subject": None}


def test_a_job_in_hand_ends_first() -> None:
    mine = _talk("a")
    with unit_of_work() as session:
        session.execute(text("update procrastinate_jobs set status = 'doing' where args->>'inbox_id' = '1'"))
        assert forgetting.forget(session, [mine])["job"] == 1
    assert [name for name, _, _ in _jobs()] == ["messaging.handle", "members.forget_in_engine"]


def test_other_rooms_hear_what_was_sent_while_it_is_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = _talk("a")
    heard: list[tuple[uuid.UUID, list[str], int]] = []

    def listen(session: Any, *, conversation_id: uuid.UUID, message_ids: Any) -> None:
        left = session.scalar(select(func.count()).select_from(InboxMessage))
        heard.append((conversation_id, sorted(message_ids), left))

    monkeypatch.setattr(events, "_handlers", {forgetting.FORGOTTEN: [listen]})
    with unit_of_work() as session:
        forgetting.forget(session, [mine])
    assert heard == [(mine, ["m1", "m2"], 2)]


def test_nothing_is_forgotten_for_nobody() -> None:
    _talk("a")
    with unit_of_work() as session:
        assert set(forgetting.forget(session, []).values()) == {0}
    assert _rows() == [1, 2, 1, 2]
