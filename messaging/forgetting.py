"""Forgetting conversations: what was said on both sides, the buttons, and the jobs that wait for them.

Other rooms hear the event ``conversation.forgotten`` (``conversation_id``, ``message_ids``: the channel's ids of what the
person sent) in the same unit of work, while the messages are still there. What the dialogue engine keeps of a
conversation is forgotten by a job (``FORGET_IN_ENGINE``), after whatever turn of it is under way.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Protocol

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from core import events, jobs
from messaging import outbox
from messaging.models import Conversation, InboxMessage, IssuedChoice, OutboxMessage

FORGOTTEN = "conversation.forgotten"
FORGET_IN_ENGINE = "members.forget_in_engine"
"""The job's name; its arguments are ``conversation_id`` and ``subject`` (the member who is erased, or null)."""


class ForgettingEngine(Protocol):
    """What forgetting needs of the engine client (``core.engine.EngineClient``)."""

    def forget(self, sender: str) -> None:
        """Delete everything stored about *sender*. Errors: EngineError."""


def forget(
    session: Session, conversation_ids: Collection[uuid.UUID], *, subject: uuid.UUID | None = None
) -> dict[str, int]:
    """Erase conversations with everything that hangs on them; returns how many rows of each table went.

    *subject*: the member whose erasure waits for the engine's answer. A conversation that is unknown counts nothing, but
    the engine is asked to forget it all the same.
    """
    ids = sorted(conversation_ids)
    reached = dict.fromkeys(("conversation", "inbox", "outbox", "choice", "job"), 0)
    # Locked: a message that arrives at this moment waits, and then finds no conversation to hang on.
    session.execute(select(Conversation.id).where(Conversation.id.in_(ids)).order_by(Conversation.id).with_for_update())
    for conversation_id in ids:
        sent = session.scalars(
            select(InboxMessage.message_id).where(InboxMessage.conversation_id == conversation_id)
        ).all()
        events.publish(session, FORGOTTEN, conversation_id=conversation_id, message_ids=sent)
        waiting = session.execute(
            text("delete from procrastinate_jobs where lock = :lock and status <> 'doing' returning id"),
            {"lock": lock(conversation_id)},
        )
        reached["job"] += len(waiting.all())
        outbox.wake(session, conversation_id)  # pages that show it look again, and find nothing
        jobs.defer(
            session,
            FORGET_IN_ENGINE,
            queue="deliver",
            lock=lock(conversation_id),
            conversation_id=str(conversation_id),
            subject=str(subject) if subject else None,
        )
    for table, column in (
        (IssuedChoice, IssuedChoice.conversation_id),
        (OutboxMessage, OutboxMessage.conversation_id),
        (InboxMessage, InboxMessage.conversation_id),
        (Conversation, Conversation.id),
    ):
        count = session.scalar(select(func.count()).select_from(table).where(column.in_(ids)))
        session.execute(delete(table).where(column.in_(ids)))
        reached[table.__tablename__] += count or 0
    return reached


def lock(conversation_id: uuid.UUID) -> str:
    """The lock under which the jobs of a conversation run, one after another (``messaging.inbox.receive``)."""
    return f"conversation:{conversation_id}"
