"""Accounts as they are shown: the list, one account with its roles, one's own."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core import audit, clock
from members import names
from members.access import (
    Actor,
    NotVisibleError,
    Permission,
    Role,
    access_account,
    access_member,
    living,
    require_somewhere,
    scope_accounts,
)
from members.models import Account, Grant, Member, SignIn, Unit


@dataclass(frozen=True)
class RoleLine:
    """A role on a unit. ``living``: it counts today."""

    id: int
    role: Role
    unit_id: int
    unit_name: str
    ends_on: date | None
    granted_at: datetime
    revoked_at: datetime | None
    living: bool


@dataclass(frozen=True)
class AccountLine:
    """An account of the console in a list, with the roles that count today."""

    id: uuid.UUID
    name: str
    email: str | None
    roles: tuple[RoleLine, ...]
    disabled: bool
    demo: bool


@dataclass(frozen=True)
class AccountPage:
    """One page of a list. ``number`` begins at 1."""

    rows: tuple[AccountLine, ...]
    total: int
    number: int
    pages: int


@dataclass(frozen=True)
class AccountView:
    """An account with all roles it has and had, the latest first."""

    id: uuid.UUID
    name: str
    email: str | None
    member_id: uuid.UUID | None
    member_name: str | None
    roles: tuple[RoleLine, ...]
    created_at: datetime
    disabled_at: datetime | None
    last_seen_at: datetime | None
    must_change_password: bool
    locked_until: datetime | None
    oidc: bool
    demo: bool


@dataclass(frozen=True)
class OwnAccount:
    """One's own account. ``has_password``: it signs in by password (others by OpenID Connect, or as a persona)."""

    name: str
    email: str | None
    has_password: bool
    password_changed_at: datetime | None
    roles: tuple[RoleLine, ...]


def list_accounts(
    session: Session, actor: Actor, *, q: str = "", role: Role | None = None, number: int = 1, size: int = 50
) -> AccountPage:
    """Accounts of the console that *actor* manages, in the order of names; three queries whatever their number.

    *q*: words of the name without regard to accents, or a part of the e-mail; *role*: who has it today. Members who only
    sign in to the assistant are not accounts of the console. Errors: NotVisibleError (manages none).
    """
    require_somewhere(actor, Permission.MANAGE_ACCOUNTS)
    statement = select(Account.id, Account.name, Account.email_key).where(
        or_(Account.email.is_not(None), Account.id.in_(select(Grant.account_id))),
        Account.id.in_(scope_accounts(select(Account.id), actor)),
    )
    if role is not None:
        having = select(Grant.account_id).where(Grant.role == role.value, living())
        statement = statement.where(Account.id.in_(having))
    words, part = names.name_key(q).split(), q.strip().lower()
    found = []
    for row in session.execute(statement):
        key = names.name_key(row.name)
        if not words or all(word in key for word in words) or (row.email_key and part in row.email_key):
            found.append((names.person_sort_key(row.name), row.id))
    found.sort()
    pages = max(1, -(-len(found) // size))
    number = min(max(number, 1), pages)
    shown = [account_id for _, account_id in found[(number - 1) * size : number * size]]
    accounts = {row.id: row for row in session.scalars(select(Account).where(Account.id.in_(shown)))}
    roles = _roles(session, shown, living_only=True)
    lines = tuple(
        AccountLine(
            account_id,
            accounts[account_id].name,
            accounts[account_id].email,
            tuple(roles.get(account_id, ())),
            accounts[account_id].disabled_at is not None,
            accounts[account_id].demo,
        )
        for account_id in shown
    )
    return AccountPage(lines, len(found), number, pages)


def view_account(session: Session, actor: Actor, account_id: uuid.UUID) -> AccountView:
    """An account that *actor* manages; the look at it is logged. Errors: NotVisibleError."""
    account = access_account(session, actor, account_id)
    member = session.get(Member, account.member_id) if account.member_id else None
    last_seen = session.scalar(
        # Of the console only: when somebody talks to the assistant is nobody's business.
        select(func.max(SignIn.last_seen_at)).where(SignIn.account_id == account.id, SignIn.kind == "console")
    )
    audit.record(
        session,
        "account.viewed",
        actor_id=actor.account_id,
        object_type="account",
        object_id=account.id,
        unit_id=member.unit_id if member else None,
        subject=account.member_id,
    )
    locked = account.locked_until if account.locked_until and account.locked_until > clock.now() else None
    return AccountView(
        id=account.id,
        name=account.name,
        email=account.email,
        member_id=account.member_id,
        member_name=member.name if member else None,
        roles=tuple(_roles(session, [account.id], living_only=False).get(account.id, ())),
        created_at=account.created_at,
        disabled_at=account.disabled_at,
        last_seen_at=last_seen,
        must_change_password=account.must_change_password,
        locked_until=locked,
        oidc=account.oidc_subject is not None,
        demo=account.demo,
    )


def member_to_extend(session: Session, actor: Actor, member_id: uuid.UUID) -> tuple[str, int]:
    """Name and unit of a member who is to get an account of the console. Errors: NotVisibleError."""
    member = access_member(session, actor, member_id, Permission.MANAGE_ACCOUNTS)
    return member.name, member.unit_id


def own_account(session: Session, actor: Actor) -> OwnAccount:
    """The account of *actor*. Errors: NotVisibleError (the command line has none)."""
    if actor.account_id is None:
        raise NotVisibleError
    account = session.get_one(Account, actor.account_id)
    return OwnAccount(
        account.name,
        account.email,
        account.password_hash is not None,
        account.password_changed_at,
        tuple(_roles(session, [account.id], living_only=True).get(account.id, ())),
    )


def _roles(session: Session, account_ids: Iterable[uuid.UUID], *, living_only: bool) -> dict[uuid.UUID, list[RoleLine]]:
    statement = (
        select(Grant, Unit.name)
        .join(Unit, Unit.id == Grant.unit_id)
        .where(Grant.account_id.in_(list(account_ids)))
        .order_by(Grant.revoked_at.is_not(None), Grant.id.desc())
    )
    today = clock.today()
    roles: dict[uuid.UUID, list[RoleLine]] = {}
    for given, unit_name in session.execute(statement):
        counts = given.revoked_at is None and (given.ends_on is None or given.ends_on >= today)
        if counts or not living_only:
            roles.setdefault(given.account_id, []).append(
                RoleLine(
                    given.id,
                    Role(given.role),
                    given.unit_id,
                    unit_name,
                    given.ends_on,
                    given.granted_at,
                    given.revoked_at,
                    counts,
                )
            )
    return roles
