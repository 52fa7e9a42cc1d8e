"""Who of a unit has signed up, for the eyes of those who know its people; and taking it back: "this is not the member".

The register holds no portrait, so photographs prove that card and face belong together, not that the card is genuine. The
branch is the last check: it sees that somebody signed up and by which way, nothing of the photographs, and closes at once what
is not the member's.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, exists, func, select, update
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.audit import AuditEntry
from members import accounts, consent, sessions
from members.access import Actor, NotVisibleError, Permission, access_member, require_somewhere, scope_members
from members.models import Account, DataRequest, Grant, Member, OneTimeCode, SignIn, Unit
from members.sign_up_models import SignUp
from members.signup import outcome, record

PAGE_SIZE = 50
LATELY = timedelta(days=7)
MACHINE, PERSON, CODE = "machine", "person", "code"
"""Ways in: photographs that the machine accepted, photographs that a person accepted, a one-time code."""
_WAYS = ("sign_up.accepted", "code.redeemed")


class RevokeError(ValueError):
    """It cannot be taken back like this; the message says why."""


@dataclass(frozen=True)
class SignedUpLine:
    """Somebody who signed up at ``registered_at``; ``way``: the last one they came in by, None: not in the log."""

    member_id: uuid.UUID
    name: str
    unit_name: str
    registered_at: datetime
    way: str | None


@dataclass(frozen=True)
class SignedUpPage:
    """A page of them, the latest first; pages begin with 1."""

    lines: tuple[SignedUpLine, ...]
    total: int
    page: int
    pages: int


def signed_up(session: Session, actor: Actor, *, page: int = 1) -> SignedUpPage:
    """Those who signed up where *actor* answers for who is who (``ISSUE_CODES``). Errors: NotVisibleError (nowhere)."""
    require_somewhere(actor, Permission.ISSUE_CODES)
    found = scope_members(select(Member.id), actor, Permission.ISSUE_CODES).where(Member.registered_at.is_not(None))
    total = session.scalar(select(func.count()).select_from(found.subquery())) or 0
    pages = max(1, -(-total // PAGE_SIZE))
    page = min(max(page, 1), pages)
    ids = found.order_by(Member.registered_at.desc(), Member.id).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)
    return SignedUpPage(_lines(session, Member.id.in_(ids)), total, page, pages)


def lately(session: Session, actor: Actor) -> int:
    """How many signed up there within ``LATELY``; 0 for somebody who answers for nobody."""
    if not actor.may(Permission.ISSUE_CODES):
        return 0
    statement = scope_members(select(Member.id), actor, Permission.ISSUE_CODES)
    statement = statement.where(Member.registered_at > clock.now() - LATELY)
    return session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def one(session: Session, actor: Actor, member_id: uuid.UUID) -> SignedUpLine:
    """One of them. Errors: NotVisibleError, RevokeError (is not signed up)."""
    member = access_member(session, actor, member_id, Permission.ISSUE_CODES)
    lines = _lines(session, Member.id == member.id)
    if not lines:
        raise RevokeError("Người này hiện không có đăng ký nào.")
    return lines[0]


def revoke(session: Session, actor: Actor, member_id: uuid.UUID, *, registered_at: datetime) -> None:
    """Close what was opened in a member's name by somebody else: signed out, account gone, the card free again.

    *registered_at*: of the sign-up that was looked at. Conversations held under the name no longer lead to the member,
    requests made there are cancelled, consents given there no longer count, codes that were not used end. An account that
    has another use (a role, a password), or is locked, stays without them. A sign-up of the member that waits for a person goes on.
    Errors: NotVisibleError, RevokeError (oneself; signed up anew meanwhile, or not at all).
    """
    member = session.get(
        Member,
        access_member(session, actor, member_id, Permission.ISSUE_CODES).id,
        with_for_update=True,
        populate_existing=True,
    )
    if member is None:  # erased this moment
        raise NotVisibleError
    if actor.member_id == member.id:
        raise RevokeError("Không ai tự gỡ đăng ký của mình ở đây. Xin nhắn “rút lại đồng ý” trong cuộc trò chuyện.")
    if member.registered_at != registered_at:
        raise RevokeError("Đăng ký này vừa thay đổi. Xin xem lại danh sách rồi quyết định.")
    account = accounts.account_of_member(session, member.id)
    if account is not None:
        for conversation_id in outcome.devices(session, account.id):
            outcome.tell_revoked(session, conversation_id)
    cancelled = _cancel_requests(session, member.id, since=registered_at)
    closed = _close(session, account) if account is not None else False
    now = clock.now()
    session.execute(
        update(OneTimeCode)
        .where(OneTimeCode.member_id == member.id, OneTimeCode.used_at.is_(None), OneTimeCode.expires_at > now)
        .values(expires_at=now)
    )
    for purpose in (consent.ACCOUNT, "sign_up"):
        consent.withdraw(session, member.id, purpose=purpose, channel=consent.REVOKED)
    waiting = SignUp.member_id == member.id, SignUp.state == record.REVIEW
    session.execute(update(SignUp).where(*waiting).values(already_used=account is not None and not closed))
    audit.record(
        session, "sign_up.revoked", actor_id=actor.account_id, object_type="member", object_id=member.id,
        unit_id=member.unit_id, subject=member.id, details={"account_closed": closed, "requests_cancelled": cancelled},
    )  # fmt: skip


def _lines(session: Session, condition: ColumnElement[bool]) -> tuple[SignedUpLine, ...]:
    rows = session.execute(
        select(Member.id, Member.name, Member.registered_at, Unit.name.label("unit"))
        .join(Unit, Unit.id == Member.unit_id)
        .where(condition, Member.registered_at.is_not(None))
        .order_by(Member.registered_at.desc(), Member.id)
    ).all()
    entries = session.scalars(
        select(AuditEntry)
        .where(AuditEntry.subject.in_([row.id for row in rows]), AuditEntry.action.in_(_WAYS))
        .order_by(AuditEntry.id)
    )
    ways = {entry.subject: _way(entry) for entry in entries}
    return tuple(SignedUpLine(row.id, row.name, row.unit, row.registered_at, ways.get(row.id)) for row in rows)


def _way(entry: AuditEntry) -> str:
    if entry.action == "code.redeemed":
        return CODE
    return MACHINE if entry.details.get("by_machine") else PERSON


def _close(session: Session, account: Account) -> bool:
    """Sign out everywhere and disconnect the conversations; delete the account unless it has another use. Returns whether."""
    sessions.end_all(session, account.id)
    has_role = session.scalar(select(exists().where(Grant.account_id == account.id)))
    locked = account.disabled_at is not None  # what an administrator has locked does not come back as a new one
    if account.email is not None or account.oidc_subject is not None or has_role or locked:
        session.execute(delete(SignIn).where(SignIn.account_id == account.id, SignIn.kind == "member"))
        return False
    session.execute(delete(Account).where(Account.id == account.id))
    crypto.destroy_key(session, account.id)
    return True


def _cancel_requests(session: Session, member_id: uuid.UUID, *, since: datetime) -> int:
    """Cancel what waits and was asked for in the chat under the name; what the console entered on paper stays."""
    statement = (
        update(DataRequest)
        .where(
            DataRequest.member_id == member_id,
            DataRequest.closed_at.is_(None),
            DataRequest.created_at >= since,
            DataRequest.channel != "console",
        )
        .values(state="cancelled", closed_at=clock.now(), sealed=None)
        .returning(DataRequest.id)
    )
    return len(session.scalars(statement).all())
