"""The photographs of a sign-up end with it: rows deleted, key destroyed, in the unit of work that ends it.

Backups hold no photographs at all (``sotay.backup``), and a restored backup ends every sign-up that was under way when it
was made. So what is left of one is that it was: state, times, who decided.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock, crypto, events
from members import consent
from members.models import Account, SignIn
from members.sign_up_models import SignUp
from members.signup import record, words
from members.signup.record import ENDED, LIVING, REJECTED, REVIEW, STOPPED
from messaging import forgetting, outbox


def erase_photos(session: Session, row: SignUp, *, why: str) -> None:
    """Erase what tells who it is: photographs, readings, the key that sealed both. Doing it twice is doing it once."""
    count = record.remove_photos(session, row)
    destroyed = crypto.destroy_key(session, row.id)
    row.sealed = row.poses = row.poses_at = None
    if row.photos_erased_at is None:
        row.photos_erased_at = clock.now()
        record.note(session, "photos_erased", row, photos=count, key_destroyed=destroyed, why=why)


def begin_anew(session: Session, row: SignUp, *, why: str) -> None:
    """Erase what was sent, and give the sign-up another key for what will be sent."""
    count = record.remove_photos(session, row)
    destroyed = crypto.destroy_key(session, row.id)
    row.sealed = row.poses = row.poses_at = None
    crypto.create_keys(session, [row.id])
    record.note(session, "photos_erased", row, photos=count, key_destroyed=destroyed, why=why)


def end(session: Session, row: SignUp, state: str, *, why: str | None = None) -> None:
    """End *row* (locked) in *state*; its photographs go at once. Errors: StepError."""
    record.move(row, state)
    erase_photos(session, row, why=why or state)


def stop_all(session: Session, sign_up_ids: Sequence[uuid.UUID], *, why: str) -> int:
    """End those of the sign-ups that live; returns how many."""
    ended = 0
    for sign_up_id in sorted(sign_up_ids):
        row = record.locked(session, sign_up_id)
        if row.state in LIVING:
            end(session, row, STOPPED, why=why)
            record.note(session, "stopped", row, why=why)
            ended += 1
    return ended


def _disconnect(session: Session, sign_up_ids: Sequence[uuid.UUID]) -> None:
    """What is left of ended sign-ups no longer leads to a person."""
    session.execute(
        update(SignUp)
        .where(SignUp.id.in_(sign_up_ids))
        .values(member_id=None, unit_id=None, reasons=[], message_key=None)
    )


@events.on(forgetting.FORGOTTEN)
def forget_conversation(session: Session, *, conversation_id: uuid.UUID, message_ids: Sequence[str]) -> None:
    """A conversation is erased or emptied: what was begun there ends, and what ended there leads to nobody.

    The rows themselves stay for the count of tries of the day.
    """
    del message_ids
    begun = session.scalars(select(SignUp.id).where(SignUp.conversation_id == conversation_id)).all()
    stop_all(session, begun, why="conversation_forgotten")
    _disconnect(session, begun)


@events.on(consent.CONSENT_WITHDRAWN)
def forget_member(session: Session, *, member_id: uuid.UUID, **_details: object) -> None:
    """Consent was withdrawn: photographs that seem to show this person go, wherever they were begun."""
    erase_member(session, member_id, why="consent_withdrawn")


def erase_member(session: Session, member_id: uuid.UUID, *, why: str) -> int:
    """End the living sign-ups that belong, or seem to belong, to a member, and disconnect the others; returns how many there were.

    Whoever waits elsewhere for a person's word on this card gets a no like any other: that the member has withdrawn or was
    erased, or ever was in the register, is nobody's business there.
    """
    own = select(SignIn.conversation_id).join(Account, Account.id == SignIn.account_id).where(
        Account.member_id == member_id, SignIn.conversation_id.is_not(None)
    )  # fmt: skip
    found = session.scalars(
        select(SignUp.id).where((SignUp.member_id == member_id) | SignUp.conversation_id.in_(own))
    ).all()
    here = set(session.scalars(own))
    for sign_up_id in sorted(found):
        row = record.locked(session, sign_up_id)
        if row.state == REVIEW and row.conversation_id is not None and row.conversation_id not in here:
            end(session, row, REJECTED, why=why)
            record.note(session, "rejected", row, reason=why)
            outbox.send(session, row.conversation_id, [words.rejected()])
    stop_all(session, found, why=why)
    _disconnect(session, found)
    return len(found)


def delete_ended(session: Session, *, before: datetime) -> int:
    """Delete the rows of sign-ups that ended long ago; returns how many."""
    statement = delete(SignUp).where(SignUp.state.in_(ENDED), SignUp.decided_at < before)
    return len(session.scalars(statement.returning(SignUp.id)).all())
