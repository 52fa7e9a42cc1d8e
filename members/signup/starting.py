"""The conversation's side of a sign-up: begin, another link, stop, where it stands."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock, crypto
from members import consent, sessions
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import forgetting, outcome, record
from members.signup.record import CARD, IDLE, IN_HAND, LIVING, NUMBER, REVIEW, STOPPED
from members.signup.words import (
    AlreadySignedInError,
    NumbersUsedUpError,
    SignUpError,
    TooManyTriesError,
    UnderReviewError,
    WrongNumberError,
)
from messaging.models import Conversation

PURPOSE = "sign_up"
"""The consent text that is agreed to first; who agrees to it agrees to that of ``consent.ACCOUNT``, too."""
TRIES_A_DAY = 3
NUMBER_TRIES = 3
"""So often the conversation may name the page's number: of a million, nobody guesses it."""


@dataclass(frozen=True)
class Begun:
    """A one-time link: a path of our pages that counts until ``expires_at``."""

    sign_up_id: uuid.UUID
    link: str
    expires_at: datetime


@dataclass(frozen=True)
class Standing:
    """A sign-up under way, as its conversation may know it. ``ends_at``: when it ends by itself."""

    sign_up_id: uuid.UUID
    state: str
    since: datetime
    ends_at: datetime
    opened: bool
    """Whether the present link was opened."""


def begin(session: Session, *, conversation_id: uuid.UUID, channel: str, text_id: int, message_key: str) -> Begun:
    """Begin a sign-up after the consent to the text *text_id*; the same *message_key* twice begins once.

    While one is under way, this is another link to it. Errors: AlreadySignedInError, consent.ConsentError (the text has been
    replaced), TooManyTriesError (of today), UnderReviewError.
    """
    if _hold(session, conversation_id) != channel:
        raise ValueError("the channel is not that of the conversation")
    key = hashlib.sha256(f"{conversation_id} {message_key}".encode()).hexdigest()
    known = session.scalars(select(SignUp).where(SignUp.message_key == key)).one_or_none()
    living = _living(session, conversation_id)
    if known is not None and living is not None and known.id == living.id:  # cut off before the answer was stored
        return _give_link(session, living)
    if sessions.resolve_member(session, conversation_id) is not None:
        raise AlreadySignedInError
    if consent.current(session, PURPOSE).id != text_id:
        raise consent.ConsentError("Văn bản đồng ý đã có bản mới. Xin đọc bản mới rồi chọn lại.")
    if living is not None:
        return _give_link(session, living)
    if tries_left(session, conversation_id) == 0:
        raise TooManyTriesError(
            f"Hôm nay đã thử {TRIES_A_DAY} lần. Xin thử lại vào ngày mai, hoặc gặp bí thư chi bộ để nhận mã một lần."
        )
    consent.current(session)  # stored from now on, so that it can be said later which version was agreed to
    now = clock.now()
    row = SignUp(
        id=uuid.uuid4(),
        conversation_id=conversation_id,
        channel=channel,
        message_key=None if known is not None else key,
        text_id=text_id,
        state=record.first_state(channel),
        link_expires_at=now + IDLE,
        photos_due_at=now + IDLE,
        card_takes=0,
        selfie_takes=0,
        already_used=False,
        reasons=[],
        created_at=now,
    )
    session.add(row)
    session.flush()
    crypto.create_keys(session, [row.id])
    record.note(session, "begun", row, channel=channel, text=text_id)
    return _give_link(session, row)


def new_link(session: Session, conversation_id: uuid.UUID) -> Begun:
    """Another link to the sign-up under way; the one before and the browser that opened it are out.

    Errors: SignUpError (there is none under way), UnderReviewError.
    """
    _hold(session, conversation_id)
    row = _living(session, conversation_id)
    if row is None:
        raise SignUpError("Không có đăng ký nào đang làm dở. Nhắn “đăng ký” để bắt đầu.")
    return _give_link(session, row)


def name_number(session: Session, conversation_id: uuid.UUID, number: str) -> None:
    """The conversation names the number that the page shows: it is the same person who holds both. The page goes on.

    Errors: WrongNumberError, NumbersUsedUpError (the sign-up has ended), SignUpError (nothing waits for a number, or the link
    was not opened yet: nothing is counted).
    """
    _hold(session, conversation_id)
    row = _living(session, conversation_id)
    if row is None or row.state != NUMBER:
        raise SignUpError("Không có đăng ký nào đang chờ số. Nhắn “đăng ký” để bắt đầu.")
    known = record.read(session, row)
    if row.browser_hash is None or known.number is None:
        raise SignUpError(
            "Trang chụp ảnh chưa mở nên chưa có số. Xin bấm liên kết trước, rồi gõ số hiện trên trang ấy."
        )
    if hmac.compare_digest(known.number.encode(), number.encode()):
        record.move(row, CARD)
        record.change(session, row, number=None)
        record.note(session, "number_named", row)
        return
    wrong = record.change(session, row, wrong_numbers=known.wrong_numbers + 1).wrong_numbers
    if wrong < NUMBER_TRIES:
        raise WrongNumberError(NUMBER_TRIES - wrong)
    forgetting.end(session, row, STOPPED, why="wrong_numbers")
    record.note(session, "stopped", row, why="wrong_numbers")
    raise NumbersUsedUpError


def stop(session: Session, conversation_id: uuid.UUID) -> bool:
    """Stop the sign-up under way; its photographs are erased at once. Returns whether there was one."""
    _hold(session, conversation_id)
    row = _living(session, conversation_id)
    if row is None:
        return False
    forgetting.end(session, row, STOPPED)
    record.note(session, "stopped", row)
    return True


def standing(session: Session, conversation_id: uuid.UUID) -> Standing | None:
    """The sign-up under way in a conversation, None when there is none."""
    row = session.scalars(
        select(SignUp).where(
            SignUp.conversation_id == conversation_id, SignUp.state.in_(LIVING), SignUp.photos_due_at > clock.now()
        )
    ).one_or_none()
    if row is None:
        return None
    since = row.submitted_at if row.state == REVIEW and row.submitted_at else row.created_at
    return Standing(row.id, row.state, since, row.photos_due_at, row.browser_hash is not None)


def tries_left(session: Session, conversation_id: uuid.UUID) -> int:
    """How often a sign-up may still be begun today in this conversation."""
    midnight = datetime.combine(clock.today(), time(), clock.VIETNAM)
    begun = session.scalar(
        select(func.count()).where(SignUp.conversation_id == conversation_id, SignUp.created_at >= midnight)
    )
    return max(0, TRIES_A_DAY - (begun or 0))


def _hold(session: Session, conversation_id: uuid.UUID) -> str:
    """What is begun in a conversation, is begun one after another; returns its channel. Errors: SignUpError (it is gone)."""
    channel = session.scalar(select(Conversation.channel).where(Conversation.id == conversation_id).with_for_update())
    if channel is None:
        raise SignUpError("Cuộc trò chuyện này đã được xóa. Xin tải lại trang rồi nhắn “đăng ký”.")
    return channel


def _living(session: Session, conversation_id: uuid.UUID) -> SignUp | None:
    """The sign-up under way, locked; one whose time has passed is ended here."""
    found = session.scalar(select(SignUp.id).where(SignUp.conversation_id == conversation_id, SignUp.state.in_(LIVING)))
    if found is None:
        return None
    row = record.locked(session, found)
    if row.state not in LIVING:
        return None
    if row.photos_due_at <= clock.now():
        outcome.expire(session, row)
        session.flush()
        return None
    return row


def _give_link(session: Session, row: SignUp) -> Begun:
    """A new token; only its hash is stored. Errors: UnderReviewError.

    Where links open in any browser, the next one may be somebody else's: it begins with its own number, and finds nothing of
    what was photographed before. Photographs live for ``IN_HAND`` at most, however many links are asked for.
    """
    if row.state == REVIEW:
        raise UnderReviewError
    if row.channel not in record.OWN_BROWSER and (row.state != NUMBER or row.browser_hash is not None):
        wrong = record.read(session, row).wrong_numbers
        record.move(row, NUMBER)
        forgetting.begin_anew(session, row, why="new_link")
        record.write(session, row, record.Known(wrong_numbers=wrong))
        row.reasons = []
    token = secrets.token_urlsafe(32)
    row.token_hash, row.browser_hash = sessions.token_hash(token), None
    row.link_expires_at = clock.now() + IDLE
    oldest = session.scalar(select(func.min(SignUpPhoto.created_at)).where(SignUpPhoto.sign_up_id == row.id))
    if oldest is not None:
        row.link_expires_at = min(row.link_expires_at, max(row.photos_due_at, oldest + IN_HAND))
    row.photos_due_at = max(row.photos_due_at, row.link_expires_at)
    session.flush()
    return Begun(row.id, f"/sign-up/{token}", row.link_expires_at)
