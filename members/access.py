"""Who may do what, and where: the only way to an object.

A role is granted on a node of the organisation tree and reaches its subtree until its end date. ``access_*`` functions
return an object only to an actor who may; for everybody else it does not exist (``NotVisibleError``, answered with 404),
so nothing is learnt from the difference. Queries of lists begin with ``scope_*``.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from core import clock
from core.audit import AuditEntry
from members.models import Account, DataRequest, Grant, Member, RegisterImport, Unit
from members.sign_up_models import SignUp

Row = TypeVar("Row", bound=Any)


class Role(StrEnum):
    """What an account may be; the words people read are in ``ROLE_NAMES``."""

    MEMBER = "member"
    SECRETARY = "secretary"
    CURATOR = "curator"
    APPROVER = "approver"
    EXAMINER = "examiner"
    REVIEWER = "reviewer"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"


ROLE_NAMES = {
    Role.MEMBER: "Đảng viên, hội viên",
    Role.SECRETARY: "Bí thư chi bộ",
    Role.CURATOR: "Người biên tập",
    Role.APPROVER: "Người duyệt",
    Role.EXAMINER: "Người phụ trách thi",
    Role.REVIEWER: "Người xét đăng ký",
    Role.ADMINISTRATOR: "Quản trị viên",
    Role.AUDITOR: "Người kiểm tra nhật ký",
}


class Permission(StrEnum):
    """What can be allowed."""

    READ_UNITS = "units.read"
    EDIT_UNITS = "units.edit"
    READ_MEMBERS = "members.read"
    EDIT_MEMBERS = "members.edit"
    IMPORT_MEMBERS = "members.import"
    EXPORT_MEMBERS = "members.export"
    ISSUE_CODES = "codes.issue"
    MANAGE_ACCOUNTS = "accounts.manage"
    READ_AUDIT = "audit.read"
    HANDLE_REQUESTS = "requests.handle"
    READ_STATISTICS = "statistics.read"
    IMPORT_STATISTICS = "statistics.import"
    READ_DOCUMENTS = "documents.read"
    EDIT_DOCUMENTS = "documents.edit"
    PUBLISH_DOCUMENTS = "documents.publish"
    ANSWER_QUESTIONS = "questions.answer"
    REVIEW_SIGN_UPS = "sign_ups.review"


_P = Permission
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.MEMBER: frozenset(),
    Role.SECRETARY: frozenset({_P.READ_UNITS, _P.READ_MEMBERS, _P.ISSUE_CODES, _P.READ_STATISTICS}),
    Role.CURATOR: frozenset({_P.READ_DOCUMENTS, _P.EDIT_DOCUMENTS, _P.PUBLISH_DOCUMENTS, _P.ANSWER_QUESTIONS}),
    Role.APPROVER: frozenset({_P.READ_DOCUMENTS, _P.PUBLISH_DOCUMENTS}),
    Role.EXAMINER: frozenset(),
    Role.REVIEWER: frozenset({_P.REVIEW_SIGN_UPS}),
    Role.ADMINISTRATOR: frozenset(Permission),
    Role.AUDITOR: frozenset({_P.READ_UNITS, _P.READ_STATISTICS, _P.READ_AUDIT}),
}
"""What each role may do in the subtree of its node. Examinations bring their own."""


class NotVisibleError(Exception):
    """There is no such object for this actor: it does not exist, or may not be seen."""


@dataclass(frozen=True)
class Granted:
    """A role that counts today, with the path of its node ("/1/12/")."""

    role: Role
    path: str


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """*paths* ("/1/12/") in their order, without those inside another."""
    kept: list[str] = []
    for path in sorted(paths):
        if not kept or not path.startswith(kept[-1]):
            kept.append(path)
    return tuple(kept)


@dataclass(frozen=True)
class Actor:
    """Who acts. ``account_id`` None is the command line of the installation, which may do everything."""

    account_id: uuid.UUID | None
    name: str
    grants: tuple[Granted, ...] = ()
    member_id: uuid.UUID | None = None

    @property
    def is_system(self) -> bool:
        """Whether it is the command line or a job of the installation."""
        return self.account_id is None

    def reach(self, permission: Permission) -> tuple[str, ...]:
        """The paths of the subtrees in which *permission* is given, none inside another; ("/",) is everywhere."""
        if self.is_system:
            return ("/",)
        return outermost({granted.path for granted in self.grants if permission in PERMISSIONS[granted.role]})

    def may(self, permission: Permission, path: str | None = None) -> bool:
        """Whether *permission* is given on the node with *path*; without a path: anywhere at all."""
        reach = self.reach(permission)
        return bool(reach) if path is None else any(path.startswith(prefix) for prefix in reach)

    def may_everywhere(self, permission: Permission) -> bool:
        """Whether *permission* is given on a root: for what belongs to the whole organisation (documents, questions)."""
        return any(path.count("/") <= 2 for path in self.reach(permission))


SYSTEM = Actor(None, "Hệ thống")
"""The command line and the jobs of the installation."""


def living() -> ColumnElement[bool]:
    """The condition on ``Grant``: it counts today."""
    return and_(Grant.revoked_at.is_(None), or_(Grant.ends_on.is_(None), Grant.ends_on >= clock.today()))


def actor_of(session: Session, account: Account) -> Actor:
    """The actor for *account* with the grants that count today."""
    rows = session.execute(
        select(Grant.role, Unit.path)
        .join(Unit, Unit.id == Grant.unit_id)
        .where(Grant.account_id == account.id, living())
    )
    grants = tuple(Granted(Role(row.role), row.path) for row in rows)
    return Actor(account.id, account.name, grants, account.member_id)


def require_everywhere(actor: Actor, permission: Permission) -> None:
    """Raise NotVisibleError unless *permission* is given for the whole organisation."""
    if not actor.may_everywhere(permission):
        raise NotVisibleError


def require_somewhere(actor: Actor, permission: Permission) -> None:
    """Raise NotVisibleError unless *permission* is given anywhere."""
    if not actor.may(permission):
        raise NotVisibleError


def within(paths: Iterable[str]) -> ColumnElement[bool]:
    """The condition on ``Unit.path``: inside one of these subtrees."""
    conditions = [true() if path == "/" else Unit.path.startswith(path, autoescape=True) for path in paths]
    return or_(*conditions) if conditions else false()


def scope_units(statement: Select[Row], actor: Actor, permission: Permission = Permission.READ_UNITS) -> Select[Row]:
    """*statement*, which selects from ``unit``, kept to what *actor* may see."""
    return statement.where(within(actor.reach(permission)))


def scope_by_unit(
    statement: Select[Row], actor: Actor, permission: Permission, column: InstrumentedAttribute[Any]
) -> Select[Row]:
    """*statement* kept to rows whose *column* (a unit's id) lies where *actor* has *permission*."""
    reach = actor.reach(permission)
    if reach == ("/",):
        return statement
    return statement.where(column.in_(select(Unit.id).where(within(reach))))


def scope_members(
    statement: Select[Row], actor: Actor, permission: Permission = Permission.READ_MEMBERS
) -> Select[Row]:
    """*statement*, which selects from ``member``, kept to what *actor* may see."""
    return scope_by_unit(statement, actor, permission, Member.unit_id)


def scope_audit(statement: Select[Row], actor: Actor) -> Select[Row]:
    """*statement*, which selects from ``audit_entry``, kept to what *actor* may see."""
    if actor.may_everywhere(Permission.READ_AUDIT):
        return statement
    return scope_by_unit(statement, actor, Permission.READ_AUDIT, AuditEntry.unit_id)


def _visible(row: Row | None) -> Row:
    if row is None:
        raise NotVisibleError
    return row


def access_unit(session: Session, actor: Actor, unit_id: int, permission: Permission = Permission.READ_UNITS) -> Unit:
    """The unit, for an actor who has *permission* there. Errors: NotVisibleError."""
    return _visible(
        session.scalars(scope_units(select(Unit).where(Unit.id == unit_id), actor, permission)).one_or_none()
    )


def access_member(
    session: Session, actor: Actor, member_id: uuid.UUID, permission: Permission = Permission.READ_MEMBERS
) -> Member:
    """The member of the register, for an actor who has *permission* on the unit. Errors: NotVisibleError."""
    return _visible(
        session.scalars(scope_members(select(Member).where(Member.id == member_id), actor, permission)).one_or_none()
    )


def access_own_record(session: Session, actor: Actor) -> Member:
    """The actor's own record in the register. Errors: NotVisibleError (not a member)."""
    return _visible(session.get(Member, actor.member_id) if actor.member_id else None)


def scope_accounts(statement: Select[Row], actor: Actor) -> Select[Row]:
    """*statement*, which selects from ``account``, kept to what *actor* may manage.

    An account is managed by whoever may manage accounts in all places where it has (or had) a role, or, while it has
    none, in the unit of its member, or everywhere.
    """
    if actor.may_everywhere(Permission.MANAGE_ACCOUNTS):
        return statement
    reach = actor.reach(Permission.MANAGE_ACCOUNTS)
    here = select(Unit.id).where(within(reach))
    granted = select(Grant.account_id)
    return statement.where(
        or_(
            Account.id.in_(granted.where(Grant.unit_id.in_(here))),
            Account.member_id.in_(select(Member.id).where(Member.unit_id.in_(here))),
        ),
        Account.id.not_in(granted.where(Grant.unit_id.not_in(here), Grant.revoked_at.is_(None))),
    )


def access_account(session: Session, actor: Actor, account_id: uuid.UUID) -> Account:
    """The account, for an actor who may manage it. Errors: NotVisibleError."""
    return _visible(
        session.scalars(scope_accounts(select(Account).where(Account.id == account_id), actor)).one_or_none()
    )


def access_import(session: Session, actor: Actor, import_id: uuid.UUID) -> RegisterImport:
    """The import, for an actor who may import there. Errors: NotVisibleError."""
    found = _visible(session.get(RegisterImport, import_id))
    if found.unit_id is None:
        require_everywhere(actor, Permission.IMPORT_MEMBERS)
    else:
        access_unit(session, actor, found.unit_id, Permission.IMPORT_MEMBERS)
    return found


def access_request(session: Session, actor: Actor, request_id: int) -> DataRequest:
    """The request of a person about the own data, for an actor who handles it. Errors: NotVisibleError."""
    return _visible(
        session.scalars(scope_requests(select(DataRequest).where(DataRequest.id == request_id), actor)).one_or_none()
    )


def scope_requests(statement: Select[Row], actor: Actor) -> Select[Row]:
    """*statement*, which selects from ``data_request``, kept to what *actor* handles."""
    if actor.may_everywhere(Permission.HANDLE_REQUESTS):
        return statement
    reach = actor.reach(Permission.HANDLE_REQUESTS)
    return statement.where(handled_in().in_(select(Unit.id).where(within(reach))))


def access_sign_up(session: Session, actor: Actor, sign_up_id: uuid.UUID) -> SignUp:
    """The sign-up by photographs, for an actor who reviews those of its unit. Errors: NotVisibleError."""
    return _visible(session.scalars(scope_sign_ups(select(SignUp).where(SignUp.id == sign_up_id), actor)).one_or_none())


def scope_sign_ups(statement: Select[Row], actor: Actor) -> Select[Row]:
    """*statement*, which selects from ``sign_up``, kept to what *actor* reviews.

    A sign-up belongs where its member is now. While nobody of the register was found, only who reviews everywhere sees it.
    Nobody sees the own one.
    """
    if actor.member_id is not None:
        statement = statement.where(SignUp.member_id.is_distinct_from(actor.member_id))
    if actor.may_everywhere(Permission.REVIEW_SIGN_UPS):
        return statement
    reach = actor.reach(Permission.REVIEW_SIGN_UPS)
    there = select(Member.id).join(Unit, Unit.id == Member.unit_id).where(within(reach))
    return statement.where(SignUp.member_id.in_(there))


def handled_in() -> ColumnElement[int]:
    """The unit that handles a row of ``data_request``: where its person is now, after the erasure where they were last.

    Somebody who has gone to another branch is no longer the business of those who received the request.
    """
    present = select(Member.unit_id).where(Member.id == DataRequest.member_id).scalar_subquery()
    return func.coalesce(present, DataRequest.unit_id)


def access_audit_entry(session: Session, actor: Actor, entry_id: int) -> AuditEntry:
    """The entry of the audit log, for an actor who may read it. Errors: NotVisibleError."""
    return _visible(
        session.scalars(scope_audit(select(AuditEntry).where(AuditEntry.id == entry_id), actor)).one_or_none()
    )
