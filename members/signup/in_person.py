"""The equal way without photographs: somebody who answers for the unit sees card and person, and hands over a one-time code.

A secretary sits with several members in a row, so the people who are not signed up yet come as a list in Vietnamese order.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit, clock
from core.audit import AuditEntry
from members import codes, register
from members.access import Actor, Permission, access_member
from members.codes import IssuedCode
from members.listing import MemberPage, list_members
from members.models import Member, OneTimeCode
from members.register import Profile

CONFIRMED = "sign_up.confirmed_in_person"


class InPersonError(ValueError):
    """A code cannot be made now; the message says why."""


@dataclass(frozen=True)
class Waiting:
    """A page of the people who are not signed up yet; ``with_code``: those who hold a code that still counts."""

    people: MemberPage
    with_code: frozenset[uuid.UUID]


def waiting(
    session: Session,
    actor: Actor,
    *,
    unit_id: int | None = None,
    q: str = "",
    after: str | None = None,
    before: str | None = None,
    size: int = 50,
) -> Waiting:
    """Those of *unit_id* and below (None: of everywhere that *actor* issues codes) who are not signed up yet.

    *q*, *after*, *before*: as in ``listing.list_members``. Errors: NotVisibleError (unit; or no right anywhere).
    """
    people = list_members(
        session, actor, unit_id=unit_id, q=q, registered=False, after=after, before=before, size=size,
        permission=Permission.ISSUE_CODES,
    )  # fmt: skip
    living = select(OneTimeCode.member_id).where(
        OneTimeCode.member_id.in_([line.id for line in people.rows]),
        OneTimeCode.used_at.is_(None),
        OneTimeCode.expires_at > clock.now(),
    )
    return Waiting(people, frozenset(session.scalars(living)))


def person(session: Session, actor: Actor, member_id: uuid.UUID) -> Profile:
    """Whom to compare with the card on the table; that the record was looked at is in the audit log.

    Errors: NotVisibleError, InPersonError (signed up already).
    """
    member = _unregistered(session, actor, member_id)
    audit.record(
        session, "member.viewed", actor_id=actor.account_id, object_type="member", object_id=member.id,
        unit_id=member.unit_id, subject=member.id,
    )  # fmt: skip
    return register.profile_of(session, member)


def confirm(
    session: Session, actor: Actor, member_id: uuid.UUID, *, card_seen: bool, person_seen: bool
) -> tuple[str, IssuedCode]:
    """The name and a one-time code for somebody whose card and face *actor* has seen. Errors: NotVisibleError, InPersonError."""
    member = _unregistered(session, actor, member_id)
    if actor.member_id == member.id:
        raise InPersonError("Không ai tự xác nhận cho mình. Xin nhờ người khác có quyền cấp mã.")
    if not (card_seen and person_seen):
        raise InPersonError("Xin đánh dấu cả hai ô sau khi đã xem thẻ và gặp đúng người.")
    audit.record(
        session, CONFIRMED, actor_id=actor.account_id, object_type="member", object_id=member.id,
        unit_id=member.unit_id, subject=member.id,
    )  # fmt: skip
    return member.name, codes.issue(session, actor, member.id)


def done_today(session: Session, actor: Actor) -> int:
    """How many people *actor* has confirmed today (in Vietnam): counted in the audit log, kept nowhere else."""
    midnight = datetime.combine(clock.today(), time(), tzinfo=clock.VIETNAM)
    statement = select(func.count(AuditEntry.subject.distinct())).where(
        AuditEntry.actor_id == actor.account_id, AuditEntry.action == CONFIRMED, AuditEntry.at >= midnight
    )
    return session.scalar(statement) or 0


def _unregistered(session: Session, actor: Actor, member_id: uuid.UUID) -> Member:
    member = access_member(session, actor, member_id, Permission.ISSUE_CODES)
    if member.registered_at is not None:
        raise InPersonError(
            "Người này đã đăng ký rồi. Muốn đăng nhập trên máy mới thì cấp mã ở trang hồ sơ của người ấy."
        )
    return member
