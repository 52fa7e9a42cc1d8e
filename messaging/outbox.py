"""Sending replies: stored first, then delivered; readers resume from the last event they saw."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from core import clock
from messaging.models import Conversation, InboxMessage, IssuedChoice, OutboxMessage
from messaging.reply import Reply

NOTIFY_CHANNEL = "sotay_outbox"
"""PostgreSQL channel on which readers wake; the payload is the conversation's id."""


def send(
    session: Session,
    conversation_id: uuid.UUID,
    replies: Sequence[Reply],
    *,
    inbox_id: int | None = None,
    origin: str | None = None,
) -> None:
    """Put *replies* into the outbox of a conversation, as the answer to *inbox_id* or for a reason of their own.

    Ids ascend in the order of commit within a conversation (its row is locked), so a reader that resumes misses nothing.
    """
    session.execute(select(Conversation.id).where(Conversation.id == conversation_id).with_for_update())
    for position, reply in enumerate(replies):
        row = OutboxMessage(
            conversation_id=conversation_id,
            inbox_id=inbox_id,
            position=position,
            origin=origin,
            reply={},
            created_at=clock.now(),
        )
        session.add(row)
        session.flush()
        row.reply = _issue(session, row, reply)
    wake(session, conversation_id)


def wake(session: Session, conversation_id: uuid.UUID) -> None:
    """Let every open page of a conversation look again, once the unit of work of *session* is committed."""
    session.execute(
        text("select pg_notify(:channel, :payload)"), {"channel": NOTIFY_CHANNEL, "payload": str(conversation_id)}
    )


def _issue(session: Session, row: OutboxMessage, reply: Reply) -> dict[str, Any]:
    """Store the buttons of *reply* and return it as channels see it: tokens instead of payloads."""
    stored = reply.model_dump(mode="json")
    stored["choices"] = []
    for choice in reply.choices:
        token = secrets.token_urlsafe(18)
        session.add(
            IssuedChoice(
                token=token,
                outbox_id=row.id,
                conversation_id=row.conversation_id,
                title=choice.title,
                payload=choice.payload,
            )
        )
        stored["choices"].append({"title": choice.title, "token": token})
    return stored


def after(session: Session, conversation_id: uuid.UUID, event_id: int) -> list[tuple[int, dict[str, Any]]]:
    """The messages of a conversation after *event_id*: (event id, what the channel shows), oldest first."""
    rows = session.execute(
        select(OutboxMessage.id, OutboxMessage.reply, InboxMessage.message_id)
        .outerjoin(InboxMessage, InboxMessage.id == OutboxMessage.inbox_id)
        .where(OutboxMessage.conversation_id == conversation_id, OutboxMessage.id > event_id)
        .order_by(OutboxMessage.id)
    )
    return [(event, {"in_reply_to": message_id, **reply}) for event, reply, message_id in rows]


def delivered(session: Session, event_ids: Sequence[int]) -> None:
    """Record that these messages reached the person's channel."""
    session.execute(
        update(OutboxMessage)
        .where(OutboxMessage.id.in_(event_ids), OutboxMessage.delivered_at.is_(None))
        .values(delivered_at=clock.now())
    )


def history(session: Session, conversation_id: uuid.UUID, *, limit: int = 200) -> list[dict[str, Any]]:
    """The last *limit* messages of both sides, oldest first; an answer stands behind what it answers."""
    asked = session.execute(
        select(InboxMessage.id, InboxMessage.message_id, InboxMessage.text, InboxMessage.received_at)
        .where(InboxMessage.conversation_id == conversation_id)
        .order_by(InboxMessage.id.desc())
        .limit(limit)
    ).all()
    said = session.execute(
        select(OutboxMessage.id, OutboxMessage.reply, OutboxMessage.created_at, InboxMessage.message_id)
        .outerjoin(InboxMessage, InboxMessage.id == OutboxMessage.inbox_id)
        .where(OutboxMessage.conversation_id == conversation_id)
        .order_by(OutboxMessage.id.desc())
        .limit(limit)
    ).all()
    lines = [
        (
            at,
            0,
            inbox_id,
            {"role": "member", "id": message_id, "event_id": None, "in_reply_to": None, "text": words, "citations": [],
             "choices": [], "suggestions": [], "at": at.isoformat()},
        )
        for inbox_id, message_id, words, at in asked
    ] + [
        (
            at,
            1,
            event_id,
            {"role": "bot", "id": f"event-{event_id}", "event_id": event_id, "in_reply_to": message_id, **reply,
             "at": at.isoformat()},
        )
        for event_id, reply, at, message_id in said
    ]  # fmt: skip
    return [line for *_, line in sorted(lines, key=lambda entry: entry[:3])][-limit:]


def last_event_id(session: Session, conversation_id: uuid.UUID) -> int:
    """The id of the newest message of a conversation, 0 when there is none."""
    newest = session.scalar(select(func.max(OutboxMessage.id)).where(OutboxMessage.conversation_id == conversation_id))
    return newest or 0
