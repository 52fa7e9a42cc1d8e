"""Sign-ups that wait for a person, made through the services from small drawn pictures; nothing is read or compared."""

from __future__ import annotations

import uuid
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from ekyc.results import FIELDS, Image
from members import consent, signup
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import outcome, record
from messaging import inbox

CARD = {
    "card_number": "12345678",
    "full_name": "LÊ THỊ MƠ",
    "date_of_birth": "1960-05-09",
    "home_town": "Xóm Bến",
    "joined_on": None,
    "official_on": None,
    "issuer": "Hội huyện Đồng Mai",
    "issued_on": "2015-02-03",
}


def picture(shade: int) -> Image:
    """A small picture that differs from every other by its shade."""
    return np.full((64, 96, 3), shade, np.uint8)


def make_waiting(
    session: Session,
    member_id: uuid.UUID | None,
    *,
    unit_id: int | None = None,
    already_used: bool = False,
    reasons: tuple[str, ...] = ("field_doubtful",),
    conversation_id: uuid.UUID | None = None,
    face: bool = True,
    **known: Any,
) -> uuid.UUID:
    """A sign-up in review: begun, photographed, what was read sealed. *known*: other values of ``record.Known``."""
    if conversation_id is None:
        conversation_id = inbox.open_conversation(session, channel="web", external_id=uuid.uuid4().hex).id
    text = consent.current(session, signup.PURPOSE)
    begun = signup.begin(
        session, conversation_id=conversation_id, channel="web", text_id=text.id, message_key=uuid.uuid4().hex
    )
    row = record.locked(session, begun.sign_up_id)
    record.put_photo(session, row, "card", picture(10), position=1)
    record.put_photo(session, row, "rectified", picture(20))
    if face:
        record.put_photo(session, row, "selfie", picture(30))
        record.put_photo(session, row, "frame", picture(40), position=0, pose="front")
        record.put_photo(session, row, "frame", picture(50), position=1, pose="left")
    values: dict[str, Any] = {
        "fields": CARD,
        "confidence": {name: None if CARD[name] is None else 0.9 for name in FIELDS},
        "reading": "ok",
        "confirmed": True,
        "live": True if face else None,
        "face_score": 0.31 if face else None,
        "face": "review" if face else None,
        "challenge": "live" if face else None,
    }
    record.write(session, row, record.Known(**{**values, **known}))
    outcome.to_review(session, row, reasons)
    row.member_id, row.unit_id, row.already_used = member_id, unit_id, already_used
    session.flush()
    return row.id


def state_of(session: Session, sign_up_id: uuid.UUID) -> str:
    """Where it stands."""
    return session.get_one(SignUp, sign_up_id, populate_existing=True).state


def photo_ids(session: Session, sign_up_id: uuid.UUID) -> list[int]:
    """Its photographs."""
    found = session.query(SignUpPhoto.id).filter_by(sign_up_id=sign_up_id).order_by(SignUpPhoto.id)
    return [row.id for row in found]
