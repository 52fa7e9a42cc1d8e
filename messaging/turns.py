"""One turn: from a stored message to stored replies, through the engine when it runs and without it when it does not."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from core import clock
from core.database import unit_of_work
from core.engine import EngineError
from messaging import outbox
from messaging.models import Conversation, InboxMessage
from messaging.reply import Choice, Reply

log = logging.getLogger(__name__)

TURNS_PER_SESSION = 15
"""The engine gets slower with every turn of a session, so a new one begins after this many."""


@dataclass(frozen=True)
class Turn:
    """A message to be answered. ``message_id`` is the unique key of everything that it changes."""

    inbox_id: int
    conversation_id: uuid.UUID
    message_id: str
    text: str
    payload: dict[str, Any] | None


class DialogueEngine(Protocol):
    """What a turn needs of the engine client (``core.engine.EngineClient``)."""

    def send(
        self, sender: str, text: str, intent: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Hand a message over and return the engine's messages."""

    def replies_of(self, sender: str, message_id: str) -> list[dict[str, Any]] | None:
        """The messages with which the engine answered *message_id*, None when it never took it."""

    def new_session(self, sender: str) -> None:
        """Begin a new session of *sender*."""


WithoutEngine = Callable[[Turn], Sequence[Reply]]
"""Answers a turn when the engine cannot be reached."""


def handle(inbox_id: int, *, engine: DialogueEngine, without_engine: WithoutEngine) -> None:
    """Answer the message *inbox_id*, once, however often this is called and wherever an earlier call was cut off."""
    with unit_of_work() as session:
        message = session.get(InboxMessage, inbox_id)
        if message is None or message.handled_at is not None:
            return
        turn = Turn(inbox_id, message.conversation_id, message.message_id, message.text, message.payload)
        handed_over = message.handed_over_at is not None
        conversation = session.get_one(Conversation, turn.conversation_id)
        fresh_session = False
        if not handed_over:
            message.handed_over_at = clock.now()
            fresh_session = conversation.turns > 0 and conversation.turns % TURNS_PER_SESSION == 0
            conversation.turns += 1
    try:
        replies = _ask_engine(turn, engine, look_first=handed_over, fresh_session=fresh_session)
    except EngineError as error:
        log.warning("answering without the engine: %s", error)
        replies = list(without_engine(turn))
        _missed(turn.conversation_id)
    record(turn, replies)


def _missed(conversation_id: uuid.UUID) -> None:
    """The engine knows nothing of this turn (a form may have begun or ended in it), so its next turn begins a new session."""
    with unit_of_work() as session:
        conversation = session.get(Conversation, conversation_id, with_for_update=True)
        if conversation is not None:
            conversation.turns += -conversation.turns % TURNS_PER_SESSION


def give_up(inbox_id: int, apology: Reply) -> None:
    """Answer a message that failed every time with *apology*."""
    with unit_of_work() as session:
        message = session.get(InboxMessage, inbox_id)
        if message is None:
            return
        turn = Turn(inbox_id, message.conversation_id, message.message_id, message.text, message.payload)
    record(turn, [apology])


def record(turn: Turn, replies: Sequence[Reply]) -> None:
    """Store *replies* as the answer to *turn*, unless it has been answered meanwhile."""
    with unit_of_work() as session:
        message = session.get(InboxMessage, turn.inbox_id, with_for_update=True)
        if message is None or message.handled_at is not None:
            return
        outbox.send(session, turn.conversation_id, replies, inbox_id=turn.inbox_id)
        message.handled_at = clock.now()


def _ask_engine(turn: Turn, engine: DialogueEngine, *, look_first: bool, fresh_session: bool) -> list[Reply]:
    sender = str(turn.conversation_id)
    if look_first:
        known = engine.replies_of(sender, turn.message_id)
        if known is not None:
            return _replies(known)
    if fresh_session:
        engine.new_session(sender)
    metadata = {"message_id": turn.message_id, "conversation_id": sender, "payload": turn.payload}
    intent = turn.payload.get("intent") if turn.payload else None
    return _replies(engine.send(sender, turn.text, intent=intent, metadata=metadata))


def _replies(messages: Sequence[Mapping[str, Any]]) -> list[Reply]:
    """The engine's messages as replies. An engine that says nothing is an error: a member never waits in vain."""
    replies = []
    for message in messages:
        custom = message.get("custom")
        if custom and "reply" in custom:
            replies.append(Reply.model_validate(custom["reply"]))
        elif message.get("text"):
            buttons = message.get("buttons") or []
            replies.append(Reply(text=message["text"], choices=[Choice(title=button["title"]) for button in buttons]))
    if not replies:
        raise EngineError("the engine answered a message with nothing")
    return replies
