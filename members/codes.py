"""One-time codes: a member of the register signs in for the first time, or on a new phone.

Somebody who answers for the member's unit makes the code in the console and hands it over; it counts once and for a day.
Only its keyed hash is stored.
"""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.database import unit_of_work
from members import accounts, sessions
from members.access import Actor, Permission, access_member
from members.limiting import CODES_PER_ADDRESS, CODES_PER_CONVERSATION, NOTED, attempts, network
from members.models import Account, Member, OneTimeCode

LIFETIME = timedelta(hours=24)
KEPT = timedelta(days=30)
"""How long a code that ended is kept, to be able to say what became of it."""
DIGITS = 12
_SEPARATORS = re.compile(r"[\s.\-\u2013\u00b7]+")


class CodeRefusedError(ValueError):
    """The code does not count: unknown, used, expired, or its member's account is disabled. Nobody is told which."""

    def __init__(self, message: str = "") -> None:
        super().__init__(
            message
            or "Mã này không đúng hoặc không còn dùng được. Xin kiểm tra lại, hoặc hỏi người đã cấp để nhận mã mới."
        )


class TooManyCodesError(CodeRefusedError):
    """Too many codes were tried in this conversation, or from this address."""

    def __init__(self) -> None:
        super().__init__("Đã thử quá nhiều lần. Xin chờ 15 phút rồi nhập lại mã.")


@dataclass(frozen=True)
class IssuedCode:
    """A new code in groups of four digits ("1234 5678 9012"): shown once."""

    code: str
    expires_at: datetime


def issue(session: Session, actor: Actor, member_id: uuid.UUID) -> IssuedCode:
    """Make a code for a member; codes of the member that were not used end. Errors: NotVisibleError."""
    member = access_member(session, actor, member_id, Permission.ISSUE_CODES)
    now = clock.now()
    session.execute(select(Member.id).where(Member.id == member.id).with_for_update())  # one living code at a time
    ended = session.scalars(
        update(OneTimeCode)
        .where(OneTimeCode.member_id == member.id, OneTimeCode.used_at.is_(None), OneTimeCode.expires_at > now)
        .values(expires_at=now)
        .returning(OneTimeCode.id)
    ).all()
    session.execute(delete(OneTimeCode).where(OneTimeCode.member_id == member.id, OneTimeCode.expires_at < now - KEPT))
    digits, hashed = _new_code(session)
    expires_at = now + LIFETIME
    session.add(
        OneTimeCode(
            member_id=member.id,
            code_hash=hashed,
            created_at=now,
            expires_at=expires_at,
        )
    )
    session.flush()
    audit.record(
        session,
        "code.issued",
        actor_id=actor.account_id,
        object_type="member",
        object_id=member.id,
        unit_id=member.unit_id,
        subject=member.id,
        details={"ended": len(ended)},
    )
    return IssuedCode(" ".join(digits[start : start + 4] for start in range(0, DIGITS, 4)), expires_at)


def redeem(
    session: Session, code: str, *, conversation_id: uuid.UUID, channel: str, device: str, address: str | None = None
) -> Account:
    """Sign the member of a code in on a conversation; makes the account when there is none yet.

    *code* is as typed, with or without spaces; *address* the network address where a channel knows it. Errors:
    CodeRefusedError, one and the same whatever is wrong; TooManyCodesError after too many attempts in 15 minutes.
    """
    allowed = attempts.allow(CODES_PER_CONVERSATION, "code", str(conversation_id))
    if address is not None:
        allowed = attempts.allow(CODES_PER_ADDRESS, "code-address", network(address)) and allowed
    if not allowed:
        _note_refusal("too_many", channel)
        raise TooManyCodesError
    found = _living(session, code, channel)
    member = session.get_one(Member, found.member_id)
    account = accounts.account_of_member(session, member.id)
    if account is not None and account.disabled_at is not None:
        _note_refusal("disabled", channel, member)
        raise CodeRefusedError
    now = clock.now()
    found.used_at = now
    if account is None:
        account = accounts.make_member_account(session, member)
    if member.registered_at is None:
        member.registered_at = now
        member.version += 1  # an import that made the record is no longer undone under somebody who has signed in
    sessions.start_member(session, account, conversation_id=conversation_id, channel=channel, device=device)
    audit.record(
        session,
        "code.redeemed",
        actor_id=account.id,
        object_type="member",
        object_id=member.id,
        unit_id=member.unit_id,
        subject=member.id,
        details={"channel": channel},
    )
    return account


def _hash(digits: str) -> bytes:
    return crypto.lookup_hash(digits, purpose="one-time-code")


def _new_code(session: Session) -> tuple[str, bytes]:
    while True:
        digits = "".join(secrets.choice("0123456789") for _ in range(DIGITS))
        hashed = _hash(digits)
        if session.scalar(select(OneTimeCode.id).where(OneTimeCode.code_hash == hashed)) is None:
            return digits, hashed


def _living(session: Session, code: str, channel: str) -> OneTimeCode:
    """The code's row, locked: of two requests with the same code one gets it. Errors: CodeRefusedError."""
    digits = _SEPARATORS.sub("", code)
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        _note_refusal("malformed", channel)
        raise CodeRefusedError
    found = session.scalars(
        select(OneTimeCode).where(OneTimeCode.code_hash == _hash(digits)).with_for_update()
    ).one_or_none()
    if found is None:
        _note_refusal("unknown", channel)
        raise CodeRefusedError
    if found.used_at is not None or found.expires_at <= clock.now():
        _note_refusal(
            "used" if found.used_at is not None else "expired", channel, session.get_one(Member, found.member_id)
        )
        raise CodeRefusedError
    return found


def _note_refusal(reason: str, channel: str, member: Member | None = None) -> None:
    """Into the log by a unit of work of its own: the caller's is undone. Beyond a number nothing more is learnt from it."""
    if not attempts.allow(NOTED, "code.refused", reason):
        return
    with unit_of_work() as session:
        audit.record(
            session,
            "code.refused",
            actor_id=None,
            object_type="member",
            object_id=member.id if member else None,
            unit_id=member.unit_id if member else None,
            subject=member.id if member else None,
            details={"reason": reason, "channel": channel},
        )
