"""The only table of the forms engine: answers on their way."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import DateTime, ForeignKey, Index, Integer, LargeBinary, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base


class FormDraft(Base):
    """A form that somebody fills in, in a conversation; at most one is open there at a time."""

    __tablename__ = "form_draft"
    __table_args__ = (
        Index("ix_form_draft_open", "conversation_id", unique=True, postgresql_where="ended_at is null"),
        Index("ix_form_draft_conversation", "conversation_id"),
    )

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    """Also the owner of the data key that seals the answers."""
    conversation_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    form: Mapped[str] = mapped_column(Text)
    """The name of the definition ("sign_up")."""
    version: Mapped[int] = mapped_column(Integer)
    """Of the definition when it began: a draft of another version begins anew."""
    step: Mapped[str | None] = mapped_column(Text)
    """The step that waits for an answer; None when the form has ended."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    """JSON of step → answer, context ``form_draft``; emptied, and its key destroyed, when the form ends."""
    last_message: Mapped[str | None] = mapped_column(Text)
    """The message that was answered last: handled again it gets the same answer and changes nothing."""
    last_said: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """What was said to it; never holds an answer of the person."""
    started_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    outcome: Mapped[str | None] = mapped_column(Text)
    """``done``, ``stopped`` or ``expired``."""
