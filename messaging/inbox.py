"""Taking messages in: stored at once, handled by a job, each exactly once."""

from __future__ import annotations

import re
import unicodedata
import uuid

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock, jobs
from messaging import outbox
from messaging.models import Conversation, InboxMessage, IssuedChoice

MAX_CHARACTERS = 2000
"""The longest message a person may send, in characters."""

MAX_WAITING = 20
"""How many messages of one conversation may wait for an answer."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\ufdd0-\ufdef]")


class MessageRefused(ValueError):  # noqa: N818 - it says what happened to the message
    """A message that cannot be taken. ``code`` is for programs, the message in Vietnamese for the sender."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def open_conversation(session: Session, *, channel: str, external_id: str) -> Conversation:
    """The conversation of *external_id* in *channel*, begun when there is none yet."""
    session.execute(
        insert(Conversation)
        .values(id=uuid.uuid4(), channel=channel, external_id=external_id, turns=0, created_at=clock.now())
        .on_conflict_do_nothing(index_elements=["channel", "external_id"])
    )
    return session.scalars(
        select(Conversation).where(Conversation.channel == channel, Conversation.external_id == external_id)
    ).one()


def find_conversation(session: Session, *, channel: str, external_id: str) -> Conversation | None:
    """The conversation of *external_id* in *channel*, or None."""
    return session.scalars(
        select(Conversation).where(Conversation.channel == channel, Conversation.external_id == external_id)
    ).one_or_none()


def channel_of(session: Session, conversation_id: uuid.UUID) -> str:
    """The channel in which a conversation is held ("web"). Errors: NoResultFound (it has been erased)."""
    return session.scalars(select(Conversation.channel).where(Conversation.id == conversation_id)).one()


def rename_conversation(session: Session, conversation: Conversation, *, external_id: str) -> None:
    """Give *conversation* a new key: whoever knows only the old one is out of it, open pages included."""
    conversation.external_id = external_id
    session.flush()
    outbox.wake(session, conversation.id)


def clean(text: str) -> str:
    """*text* as it is stored: without control characters and lone surrogates, blanks at the ends gone.

    Raises:
        MessageRefused: nothing is left (code ``empty``), or more than ``MAX_CHARACTERS`` (code ``too_long``).
    """
    cleaned = _CONTROL.sub("", text).strip()
    if not any(unicodedata.category(character) not in {"Cf", "Zs", "Zl", "Zp"} for character in cleaned):
        raise MessageRefused("empty", "Tin nhắn trống. Xin nhập câu hỏi rồi gửi lại.")
    if len(cleaned) > MAX_CHARACTERS:
        raise MessageRefused(
            "too_long",
            f"Tin nhắn dài {_grouped(len(cleaned))} ký tự, quá giới hạn {_grouped(MAX_CHARACTERS)} ký tự. "
            "Xin rút gọn câu hỏi rồi gửi lại.",
        )
    return cleaned


def _grouped(number: int) -> str:
    """A number as it is written in Vietnamese: 10.000."""
    return f"{number:,}".replace(",", ".")


def receive(
    session: Session, conversation: Conversation, *, message_id: str, text: str, choice: str | None = None
) -> bool:
    """Store a message and defer its handling, in the unit of work of *session*.

    Args:
        message_id: the channel's id of the message; the same id twice is one message.
        choice: the token of a tapped button, which must be one that this conversation was given.

    Returns:
        True when the message is new, False when it was known.

    Raises:
        MessageRefused: empty, too long, an unknown button, or too many messages waiting.
    """
    payload = None
    if choice is not None:
        issued = session.get(IssuedChoice, choice)
        if issued is None or issued.conversation_id != conversation.id:
            raise MessageRefused("unknown_choice", "Nút này không còn dùng được. Xin nhập câu hỏi.")
        text, payload = issued.title, issued.payload
    text = clean(text)
    known = session.scalar(
        select(InboxMessage.id).where(
            InboxMessage.conversation_id == conversation.id, InboxMessage.message_id == message_id
        )
    )
    if known is not None:
        return False
    waiting = session.scalar(
        select(func.count()).where(InboxMessage.conversation_id == conversation.id, InboxMessage.handled_at.is_(None))
    )
    if waiting is not None and waiting >= MAX_WAITING:
        raise MessageRefused("busy", "Có nhiều tin đang chờ trả lời. Xin chờ trả lời rồi gửi tiếp.")
    inbox_id = session.scalar(
        insert(InboxMessage)
        .values(
            conversation_id=conversation.id, message_id=message_id, text=text, payload=payload, received_at=clock.now()
        )
        .on_conflict_do_nothing(index_elements=["conversation_id", "message_id"])
        .returning(InboxMessage.id)
    )
    if inbox_id is None:  # the same message arrived twice at the same moment
        return False
    jobs.defer(session, "messaging.handle", queue="chat", lock=f"conversation:{conversation.id}", inbox_id=inbox_id)
    return True
