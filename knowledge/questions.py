"""Open questions: what members send to a person because no provision answered.

A curator sees the words and the day, never who asked; the answer goes back through the asker's conversation.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import delete, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import audit, clock, events
from knowledge.models import OpenQuestion
from members.access import SYSTEM, Actor, Permission, require_everywhere
from messaging import forgetting, outbox
from messaging.reply import Reply

MAX_ANSWER = 5000
"""Characters of an answer."""


class QuestionError(ValueError):
    """An open question that does not exist or cannot be answered; the message says which and what to do."""


@dataclass(frozen=True)
class QuestionSummary:
    """An open question as a curator sees it."""

    id: int
    question: str
    asked_on: date
    answered: bool


def send(session: Session, *, question: str, conversation_id: uuid.UUID, message_id: str) -> bool:
    """Keep *question* for a person.

    The same tap (conversation and message id) handled twice is one question, and so are two taps for the same words that
    wait for an answer. Returns True when the question is new.
    """
    waiting = select(OpenQuestion.id).where(
        OpenQuestion.conversation_id == conversation_id,
        OpenQuestion.question == question,
        OpenQuestion.answer.is_(None),
    )
    if session.scalar(waiting) is not None:
        return False
    key = _message_key(conversation_id, message_id)
    stored = session.scalar(
        insert(OpenQuestion)
        .values(question=question, asked_on=clock.today(), conversation_id=conversation_id, message_key=key)
        .on_conflict_do_nothing(index_elements=["message_key"])
        .returning(OpenQuestion.id)
    )
    return stored is not None


def _message_key(conversation_id: uuid.UUID, message_id: str) -> str:
    return hashlib.sha256(f"{conversation_id} {message_id}".encode()).hexdigest()


@events.on(forgetting.FORGOTTEN)
def forget(session: Session, *, conversation_id: uuid.UUID, message_ids: Sequence[str]) -> None:
    """Erase the questions that came from a conversation, answered ones too.

    An answered question no longer says where it came from; the keys of the conversation's messages find it.
    """
    keys = [_message_key(conversation_id, message_id) for message_id in message_ids]
    session.execute(
        delete(OpenQuestion).where(
            or_(OpenQuestion.conversation_id == conversation_id, OpenQuestion.message_key.in_(keys))
        )
    )


@events.on("members.own_data")
def _own_questions(session: Session, *, data: dict[str, Any], messages: Sequence[tuple[uuid.UUID, str]]) -> None:
    """What a person is told about: the questions that their *messages* (conversation, message id) sent to somebody."""
    keys = [_message_key(conversation_id, message_id) for conversation_id, message_id in messages]
    rows = session.scalars(select(OpenQuestion).where(OpenQuestion.message_key.in_(keys)).order_by(OpenQuestion.id))
    data["open_questions"] = [
        {
            "question": row.question,
            "asked_on": row.asked_on.isoformat(),
            "answer": row.answer,
            "answered_on": row.answered_on.isoformat() if row.answered_on else None,
        }
        for row in rows
    ]


def list_questions(session: Session, actor: Actor = SYSTEM) -> list[QuestionSummary]:
    """All open questions, unanswered first, then oldest first. Errors: NotVisibleError."""
    require_everywhere(actor, Permission.ANSWER_QUESTIONS)
    rows = session.scalars(
        select(OpenQuestion).order_by(OpenQuestion.answered_on.is_not(None), OpenQuestion.asked_on, OpenQuestion.id)
    )
    return [QuestionSummary(row.id, row.question, row.asked_on, row.answer is not None) for row in rows]


def waiting(session: Session, actor: Actor = SYSTEM) -> int:
    """How many questions wait for an answer. Errors: NotVisibleError."""
    require_everywhere(actor, Permission.ANSWER_QUESTIONS)
    return session.scalar(select(func.count()).select_from(OpenQuestion).where(OpenQuestion.answered_on.is_(None))) or 0


def answer(session: Session, question_id: int, words: str, *, actor: Actor = SYSTEM) -> None:
    """Answer an open question: the asker gets *words* in the chat, and the link to the asker is forgotten.

    Raises NotVisibleError when *actor* may not answer questions, QuestionError when there is no such question, it has an
    answer already, or *words* are empty or too long.
    """
    require_everywhere(actor, Permission.ANSWER_QUESTIONS)
    if not words.strip():
        raise QuestionError("the answer is empty")
    if len(words) > MAX_ANSWER:
        raise QuestionError(f"the answer has more than {MAX_ANSWER} characters")
    row = session.get(OpenQuestion, question_id, with_for_update=True)
    if row is None:
        raise QuestionError(f"there is no question {question_id}")
    if row.answer is not None:
        raise QuestionError(f"question {question_id} was answered on {row.answered_on}")
    row.answer = words.strip()
    row.answered_on = clock.today()
    if row.conversation_id is not None:
        text = f"Câu hỏi đã gửi: “{row.question}”\n\nNgười phụ trách trả lời: {row.answer}"
        outbox.send(session, row.conversation_id, [Reply(text=text)], origin=f"question:{row.id}")
        row.conversation_id = None
    audit.record(session, "question.answered", actor_id=actor.account_id, object_type="question", object_id=row.id)
