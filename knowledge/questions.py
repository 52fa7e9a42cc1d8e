"""Open questions: what members send to a person because no provision answered.

A curator sees the words and the day, never who asked; the answer goes back through the asker's conversation.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import date

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from knowledge.models import OpenQuestion
from messaging import outbox
from messaging.reply import Reply


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
    key = hashlib.sha256(f"{conversation_id} {message_id}".encode()).hexdigest()
    stored = session.scalar(
        insert(OpenQuestion)
        .values(question=question, asked_on=clock.today(), conversation_id=conversation_id, message_key=key)
        .on_conflict_do_nothing(index_elements=["message_key"])
        .returning(OpenQuestion.id)
    )
    return stored is not None


def list_questions(session: Session) -> list[QuestionSummary]:
    """All open questions, unanswered first, then oldest first."""
    rows = session.scalars(
        select(OpenQuestion).order_by(OpenQuestion.answered_on.is_not(None), OpenQuestion.asked_on, OpenQuestion.id)
    )
    return [QuestionSummary(row.id, row.question, row.asked_on, row.answer is not None) for row in rows]


def answer(session: Session, question_id: int, words: str) -> None:
    """Answer an open question: the asker gets *words* in the chat, and the link to the asker is forgotten.

    Raises QuestionError when there is no such question, it has an answer already, or *words* are empty.
    """
    if not words.strip():
        raise QuestionError("the answer is empty")
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
