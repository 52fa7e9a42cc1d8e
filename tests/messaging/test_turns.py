from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from core.database import unit_of_work
from core.engine import EngineError, EngineUnavailable
from messaging import inbox, outbox, turns
from messaging.models import InboxMessage
from messaging.reply import Choice, Reply

pytestmark = pytest.mark.usefixtures("database")


class Engine:
    """Keeps turns as Rasa's tracker does: a turn is stored as a whole at its end, or not at all."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.sent: list[tuple[str, str | None]] = []
        self.sessions: list[str] = []
        self.failure: Exception | None = None
        self.answer: list[dict[str, Any]] = [{"custom": {"reply": {"text": "Chào đồng chí"}}}]

    def send(
        self, sender: str, text: str, intent: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        if self.failure:
            raise self.failure
        assert metadata is not None
        self.sent.append((text, intent))
        self.taken[sender, metadata["message_id"]] = self.answer
        return self.answer

    def replies_of(self, sender: str, message_id: str) -> list[dict[str, Any]] | None:
        if self.failure:
            raise self.failure
        return self.taken.get((sender, message_id))

    def new_session(self, sender: str) -> None:
        self.sessions.append(sender)


def _without_engine(turn: turns.Turn) -> list[Reply]:
    return [Reply(text=f"không có engine: {turn.text}")]


def _receive(text: str = "chào", message_id: str = "m1", choice: str | None = None) -> int:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        assert inbox.receive(session, conversation, message_id=message_id, text=text, choice=choice)
        return session.query(InboxMessage.id).filter_by(message_id=message_id).scalar()


def _said() -> list[tuple[str | None, str]]:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        return [(reply["in_reply_to"], reply["text"]) for _, reply in outbox.after(session, conversation.id, 0)]


def test_the_engines_replies_are_stored_once_however_often_the_job_runs() -> None:
    engine, inbox_id = Engine(), _receive()
    for _ in range(3):
        turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == [("m1", "Chào đồng chí")]
    assert engine.sent == [("chào", None)]


def test_after_a_crash_behind_the_engine_its_replies_are_rebuilt() -> None:
    """The worker died after the engine had taken the message and before the replies were stored."""
    engine, inbox_id = Engine(), _receive()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "record", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == []
    turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == [("m1", "Chào đồng chí")]
    assert engine.sent == [("chào", None)], "the engine must not get the message twice"


def test_after_a_crash_before_the_engine_the_message_is_handed_over() -> None:
    engine, inbox_id = Engine(), _receive()
    engine.failure = KeyboardInterrupt()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    engine.failure = None
    turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == [("m1", "Chào đồng chí")]
    assert engine.sent == [("chào", None)]


@pytest.mark.parametrize("failure", [EngineUnavailable("refused"), EngineError("500")])
def test_without_the_engine_the_knowledge_base_answers(failure: Exception) -> None:
    engine, inbox_id = Engine(), _receive()
    engine.failure = failure
    turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == [("m1", "không có engine: chào")]


def test_an_engine_that_says_nothing_is_not_left_to_silence() -> None:
    engine, inbox_id = Engine(), _receive()
    engine.answer = []
    turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert _said() == [("m1", "không có engine: chào")]


def test_a_tapped_button_goes_to_the_engine_as_its_intent() -> None:
    engine = Engine()
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        outbox.send(session, conversation.id, [Reply(text="?", choices=[Choice(title="Gửi", payload={"intent": "x"})])])
        [(_, shown)] = outbox.after(session, conversation.id, 0)
    inbox_id = _receive(choice=shown["choices"][0]["token"])
    turns.handle(inbox_id, engine=engine, without_engine=_without_engine)
    assert engine.sent == [("Gửi", "x")]


def test_long_conversations_begin_new_sessions() -> None:
    engine = Engine()
    for number in range(turns.TURNS_PER_SESSION + 1):
        turns.handle(_receive(message_id=f"m{number}"), engine=engine, without_engine=_without_engine)
    assert len(engine.sessions) == 1
    assert len(_said()) == turns.TURNS_PER_SESSION + 1


def test_after_a_turn_without_the_engine_its_next_turn_begins_a_session() -> None:
    """A form may have begun or ended in that turn: only a new session asks where it stands."""
    engine = Engine()
    turns.handle(_receive(message_id="m1"), engine=engine, without_engine=_without_engine)
    engine.failure = EngineUnavailable("down")
    turns.handle(_receive(message_id="m2"), engine=engine, without_engine=_without_engine)
    engine.failure = None
    assert engine.sessions == []
    for message_id in ("m3", "m4"):
        turns.handle(_receive(message_id=message_id), engine=engine, without_engine=_without_engine)
    assert len(engine.sessions) == 1
    assert [text for _, text in _said()] == ["Chào đồng chí", "không có engine: chào", "Chào đồng chí", "Chào đồng chí"]


def test_giving_up_answers_once() -> None:
    inbox_id = _receive()
    turns.give_up(inbox_id, Reply(text="Xin lỗi"))
    turns.give_up(inbox_id, Reply(text="Xin lỗi"))
    assert _said() == [("m1", "Xin lỗi")]
