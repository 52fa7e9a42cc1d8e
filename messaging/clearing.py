"""Emptying a conversation that goes on: what was said goes, the person's own cookie and the exchange under way stay.

To erase a conversation altogether is ``messaging.forgetting``. Here the person asks for it inside the conversation, so the
message that asks has to be there still when its answer is stored; it says nothing but that it asks.
"""

from __future__ import annotations

import uuid

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from core import audit, events, jobs
from messaging.forgetting import FORGET_IN_ENGINE, FORGOTTEN, lock
from messaging.models import Conversation, InboxMessage, OutboxMessage


def clear(session: Session, conversation_id: uuid.UUID, *, asked_in: str) -> None:
    """Erase what both sides said before the message *asked_in* (the channel's id), buttons and the engine's memory included.

    What the person sent after it stays and is answered. Rooms above hear ``conversation.forgotten`` with the ids of what
    goes. Asking twice is asking once; an unknown message or conversation erases nothing.
    """
    session.execute(select(Conversation.id).where(Conversation.id == conversation_id).with_for_update())
    here = InboxMessage.conversation_id == conversation_id
    asking = session.scalar(select(InboxMessage.id).where(here, InboxMessage.message_id == asked_in))
    if asking is None:
        return
    before = session.scalars(select(InboxMessage.message_id).where(here, InboxMessage.id < asking)).all()
    events.publish(session, FORGOTTEN, conversation_id=conversation_id, message_ids=before)
    said = OutboxMessage.conversation_id == conversation_id
    # The answers' buttons go with them (the foreign key cascades).
    earlier = or_(OutboxMessage.inbox_id.is_(None), OutboxMessage.inbox_id < asking)
    answers = session.scalars(delete(OutboxMessage).where(said, earlier).returning(OutboxMessage.id)).all()
    session.execute(delete(InboxMessage).where(here, InboxMessage.id < asking))
    if before or answers:
        reached = {"inbox": len(before), "outbox": len(answers)}
        audit.record(
            session,
            "conversation.cleared",
            actor_id=None,
            object_type="conversation",
            details={"reached": reached},
        )
    jobs.defer(
        session,
        FORGET_IN_ENGINE,
        queue="deliver",
        lock=lock(conversation_id),  # so it runs after the turn that asks, which the engine stores at its end
        conversation_id=str(conversation_id),
        subject=None,
    )
