"""A sign-up's row: which step may follow which, what is sealed in it, its photographs.

Everything here is called with the row locked (``locked``), so of two requests at the same moment one goes first. What was
read and compared is one JSON under the sign-up's own data key (context ``sign_up``), the photographs are JPEGs under the
same key (context ``sign_up_photo``).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.settings import settings
from ekyc import images
from ekyc.results import FIELDS, Image
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup.words import SignUpError
from messaging.models import Conversation

__all__ = ["CONTEXT", "ENDED", "LIVING", "PHOTO_CONTEXT", "Known", "StepError", "find_locked", "load_photo", "locked", "move", "note",
           "put_photo", "read", "remove_photos", "write"]  # fmt: skip

CONTEXT, PHOTO_CONTEXT = "sign_up", "sign_up_photo"

NUMBER = "number"
"""The page is open, and waits until the conversation has named the number that it shows."""
CARD, READING, CONFIRM, SELFIE, CHECKING = "card", "reading", "confirm", "selfie", "checking"
REVIEW, ACCEPTED, REJECTED, STOPPED, EXPIRED = "review", "accepted", "rejected", "stopped", "expired"
LIVING = (NUMBER, CARD, READING, CONFIRM, SELFIE, CHECKING, REVIEW)
ENDED = (ACCEPTED, REJECTED, STOPPED, EXPIRED)

_ANY_END = {STOPPED, EXPIRED}
TRANSITIONS: Mapping[str, frozenset[str]] = {
    NUMBER: frozenset({NUMBER, CARD, *_ANY_END}),
    CARD: frozenset({READING, REVIEW, NUMBER, *_ANY_END}),
    READING: frozenset({READING, CARD, CONFIRM, REVIEW, NUMBER, *_ANY_END}),
    CONFIRM: frozenset({READING, CARD, SELFIE, REVIEW, NUMBER, *_ANY_END}),
    SELFIE: frozenset({CHECKING, REVIEW, NUMBER, *_ANY_END}),
    CHECKING: frozenset({SELFIE, ACCEPTED, REVIEW, NUMBER, *_ANY_END}),
    REVIEW: frozenset({CARD, NUMBER, ACCEPTED, REJECTED, *_ANY_END}),
    **{state: frozenset() for state in ENDED},
}
"""State → what may follow."""

OWN_BROWSER = frozenset({"web"})
"""Channels whose conversations are a browser's own: a link counts there and nowhere else (``steps.open_link``)."""

IDLE = timedelta(minutes=30)
"""A link, and a sign-up in which nothing happens, ends after this long."""
IN_HAND = timedelta(hours=24)
"""What waits for a job ends after this long only: the worker may have been away."""
RETURN = timedelta(days=3)
"""How long somebody who is asked for other photographs may take to come back."""


class StepError(SignUpError):
    """The sign-up does not stand where this step could be done: another page or device was quicker, or it has ended."""

    def __init__(self) -> None:
        super().__init__("Bước này không còn làm được nữa. Xin tải lại trang để xem đăng ký đang ở bước nào.")


@dataclass(frozen=True)
class Known:
    """What is known of a sign-up while it lives. Nobody but who reviews it sees more than the own fields."""

    fields: Mapping[str, str | None] = field(default_factory=lambda: dict.fromkeys(FIELDS))
    confidence: Mapping[str, float | None] = field(default_factory=lambda: dict.fromkeys(FIELDS))
    quality: Mapping[str, float | None] = field(default_factory=dict)
    reading: str | None = None
    """``ok`` or ``retake``; None while nothing was read."""
    contradictions: tuple[str, ...] = ()
    """Of a citizen card's QR code beside it."""
    confirmed: bool = False
    """The member said that what was read is what stands on the card."""
    live: bool | None = None
    """Whether the face was taken by the page's camera after requests; None: no face was sent."""
    face_score: float | None = None
    face: str | None = None
    """``same``, ``review``, ``different``."""
    challenge: str | None = None
    challenge_reasons: tuple[str, ...] = ()
    register: str | None = None
    """``match``, ``unknown``, ``differs``, ``ambiguous``; None: not looked up."""
    device: str = ""
    """The kind of browser ("Chrome, Android")."""
    number: str | None = None
    """What the page shows in the state ``number``: six digits, chosen when the link was opened."""
    wrong_numbers: int = 0
    """How often the conversation named another."""


def first_state(channel: str) -> str:
    """Where a sign-up of *channel* begins: where links open in any browser, with the number that its page shows."""
    return CARD if channel in OWN_BROWSER else NUMBER


def find_locked(session: Session, sign_up_id: uuid.UUID) -> SignUp | None:
    """The row, locked and fresh; None when there is none.

    Its conversation is locked first, as everything does that is done in a conversation: so no two wait for each other.
    """
    where = session.scalar(select(SignUp.conversation_id).where(SignUp.id == sign_up_id))
    if where is not None:
        session.execute(select(Conversation.id).where(Conversation.id == where).with_for_update())
    return session.get(SignUp, sign_up_id, with_for_update=True, populate_existing=True)


def locked(session: Session, sign_up_id: uuid.UUID) -> SignUp:
    """The row, locked and fresh. Errors: StepError (there is none)."""
    row = find_locked(session, sign_up_id)
    if row is None:
        raise StepError
    return row


def move(row: SignUp, state: str) -> None:
    """Let *row* stand at *state*, with the moment at which it ends by itself. Errors: StepError (does not follow)."""
    if state not in TRANSITIONS[row.state]:
        raise StepError
    now = clock.now()
    row.state = state
    if state == REVIEW:
        row.submitted_at = row.submitted_at or now
        row.photos_due_at = now + timedelta(days=settings().ekyc_review_days)
    elif state in (READING, CHECKING):
        row.photos_due_at = now + IN_HAND
    elif state in LIVING:
        row.link_expires_at = row.photos_due_at = now + IDLE
    else:
        row.decided_at = now
        row.poses = row.poses_at = None


def read(session: Session, row: SignUp) -> Known:
    """What is sealed in *row*; nothing known when it is empty."""
    if row.sealed is None:
        return Known()
    values: dict[str, Any] = json.loads(crypto.unseal(session, row.id, row.sealed, context=CONTEXT))
    known = {item.name for item in fields(Known)}
    for name in ("contradictions", "challenge_reasons"):
        values[name] = tuple(values[name])
    return Known(**{name: value for name, value in values.items() if name in known})


def write(session: Session, row: SignUp, known: Known) -> None:
    """Seal *known* in *row*."""
    content = json.dumps(asdict(known), ensure_ascii=False).encode()
    row.sealed = crypto.seal(session, row.id, content, context=CONTEXT)


def change(session: Session, row: SignUp, **values: Any) -> Known:  # noqa: ANN401 - of ``Known``
    """Seal what is known with other *values*, and return it."""
    known = replace(read(session, row), **values)
    write(session, row, known)
    return known


def put_photo(
    session: Session, row: SignUp, kind: str, image: Image, *, position: int = 0, pose: str | None = None
) -> None:
    """Seal *image* as a photograph of *row*: pixels only, whatever came with the file is gone."""
    sealed = crypto.seal(session, row.id, images.encode(image), context=PHOTO_CONTEXT)
    session.add(
        SignUpPhoto(sign_up_id=row.id, kind=kind, position=position, pose=pose, sealed=sealed, created_at=clock.now())
    )
    session.flush()


def load_photo(session: Session, row: SignUp, photo: SignUpPhoto) -> Image:
    """The pixels of a photograph."""
    return images.load(crypto.unseal(session, row.id, photo.sealed, context=PHOTO_CONTEXT))


def photos(session: Session, row: SignUp, kind: str) -> list[SignUpPhoto]:
    """The photographs of one kind, in their order."""
    statement = select(SignUpPhoto).where(SignUpPhoto.sign_up_id == row.id, SignUpPhoto.kind == kind)
    return list(session.scalars(statement.order_by(SignUpPhoto.position)))


def remove_photos(session: Session, row: SignUp, *kinds: str) -> int:
    """Delete the photographs of these kinds (all without kinds): others take their place. Returns how many."""
    statement = delete(SignUpPhoto).where(SignUpPhoto.sign_up_id == row.id)
    if kinds:
        statement = statement.where(SignUpPhoto.kind.in_(kinds))
    return len(session.scalars(statement.returning(SignUpPhoto.id)).all())


def note(session: Session, action: str, row: SignUp, *, by: uuid.UUID | None = None, **details: Any) -> None:  # noqa: ANN401
    """An entry of the audit log about *row*; *details* name and describe nobody."""
    audit.record(
        session, f"sign_up.{action}", actor_id=by, object_type="sign_up", object_id=row.id, unit_id=row.unit_id,
        subject=row.member_id, details=details,
    )  # fmt: skip
