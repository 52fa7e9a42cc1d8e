"""Emptying a conversation that goes on."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy import text as sql
from sqlalchemy.exc import NoResultFound

from core import events
from core.audit import AuditEntry
from core.database import unit_of_work
from messaging import clearing, forgetting, inbox, outbox
from messaging.models import InboxMessage, IssuedChoice
from messaging.reply import Choice, Reply

pytestmark = pytest.mark.usefixtures("database")


def talk(*exchanges: tuple[str, str | None], key: str = "a") -> uuid.UUID:
    """A conversation: (message, answer or None while it waits); the message ids are m0, m1, …"""
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id=key)
        for number, (words, answer) in enumerate(exchanges):
            inbox.receive(session, conversation, message_id=f"m{number}", text=words)
            if answer is not None:
                inbox_id = session.scalars(
                    select(InboxMessage.id).where(
                        InboxMessage.conversation_id == conversation.id, InboxMessage.message_id == f"m{number}"
                    )
                ).one()
                reply = Reply(text=answer, choices=[Choice(title="Nút")])
                outbox.send(session, conversation.id, [reply], inbox_id=inbox_id)
        return conversation.id


def clear(conversation_id: uuid.UUID, asked_in: str) -> None:
    with unit_of_work() as session:
        clearing.clear(session, conversation_id, asked_in=asked_in)


def lines(conversation_id: uuid.UUID) -> list[str]:
    with unit_of_work() as session:
        return [line["text"] for line in outbox.history(session, conversation_id)]


def test_what_stands_before_goes_and_what_was_sent_after_stays() -> None:
    here = talk(("một", "trả lời một"), ("hai", "trả lời hai"), ("xóa", None), ("ba", None))
    other = talk(("của người khác", "trả lời"), key="b")
    with unit_of_work() as session:
        outbox.send(session, here, [Reply(text="của người phụ trách")], origin="question:1")
    clear(here, "m2")
    clear(here, "m2")
    assert lines(here) == ["xóa", "ba"]
    assert lines(other) == ["của người khác", "trả lời"]
    with unit_of_work() as session:
        assert set(session.scalars(select(IssuedChoice.conversation_id))) == {other}
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "conversation.cleared")).all()
        assert [entry.details for entry in entries] == [{"reached": {"inbox": 2, "outbox": 3}}]
        jobs = session.execute(
            sql("select lock, args from procrastinate_jobs where task_name = :name"),
            {"name": forgetting.FORGET_IN_ENGINE},
        ).all()
    assert {job.lock for job in jobs} == {f"conversation:{here}"}
    assert jobs[0].args == {"conversation_id": str(here), "subject": None}


def test_an_unknown_message_or_conversation_erases_nothing() -> None:
    here = talk(("một", "trả lời"))
    clear(here, "m9")
    clear(uuid.uuid4(), "m0")
    assert lines(here) == ["một", "trả lời"]


def test_rooms_above_hear_what_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[dict[str, Any]] = []
    monkeypatch.setitem(events._handlers, forgetting.FORGOTTEN, [lambda _session, **details: heard.append(details)])
    here = talk(("một", None), ("hai", None), ("xóa", None))
    clear(here, "m2")
    assert heard == [{"conversation_id": here, "message_ids": ["m0", "m1"]}]


def test_the_channel_of_a_conversation() -> None:
    here = talk(("một", None))
    with unit_of_work() as session:
        assert inbox.channel_of(session, here) == "web"
        with pytest.raises(NoResultFound):
            inbox.channel_of(session, uuid.uuid4())


def test_only_a_reply_that_clears_says_so() -> None:
    assert "clears" not in Reply(text="a").model_dump(mode="json")
    cleared = Reply(text="a", clears=True).model_dump(mode="json")
    assert cleared["clears"] is True
    assert Reply.model_validate(cleared).clears is True
