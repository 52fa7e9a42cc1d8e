"""Accounts of the console and their roles: made, given, taken back, by people who may, and never beyond their own rights.

A role is given only on units where one manages accounts, and only if all it allows is allowed to oneself there; an account
that may do more than oneself cannot be touched. The last administrator of the whole organisation stays.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.locks import Lock, hold
from core.settings import settings
from core.text import nfc
from members import names, passwords, sessions, totp, units
from members.access import (
    PERMISSIONS,
    SYSTEM,
    Actor,
    NotVisibleError,
    Permission,
    Role,
    access_account,
    access_member,
    access_unit,
    living,
    require_somewhere,
)
from members.models import Account, Grant, Member, Unit

NAME_LENGTH = 200
EMAIL_LENGTH = 254
_EMAIL = re.compile(r"[^\s@<>()\[\],;:\\\"]+@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W\d_][\w-]*[^\W_]")


class AccountError(ValueError):
    """The account or role cannot be made or changed so; the message says why."""


@dataclass(frozen=True)
class NewAccount:
    """What an account begins with: shown once."""

    account_id: uuid.UUID
    password: str
    totp_uri: str


def clean_email(email: str) -> str:
    """An e-mail address without blanks around it, in NFC. Errors: AccountError."""
    cleaned = nfc(email).strip()
    if len(cleaned) > EMAIL_LENGTH or not _EMAIL.fullmatch(cleaned) or ".." in cleaned:
        raise AccountError("Địa chỉ email không hợp lệ. Ví dụ: ten@coquan.vn")
    return cleaned


def email_key(email: str) -> str:
    """An address as it is compared: lower case, NFC."""
    return nfc(nfc(email).strip().lower())


def account_of_member(session: Session, member_id: uuid.UUID) -> Account | None:
    """The account of a member of the register, if there is one. For services: no access is checked."""
    return session.scalars(select(Account).where(Account.member_id == member_id)).one_or_none()


def make_member_account(session: Session, member: Member) -> Account:
    """The account with which a member signs in by one-time code; it has no role and no password. For services."""
    account = Account(id=uuid.uuid4(), member_id=member.id, name=member.name, created_at=clock.now())
    session.add(account)
    session.flush()
    crypto.create_keys(session, [account.id])
    return account


def create_account(
    session: Session,
    actor: Actor,
    *,
    name: str,
    email: str,
    member_id: uuid.UUID | None = None,
    role: Role | None = None,
    unit_id: int | None = None,
    ends_on: date | None = None,
) -> NewAccount:
    """Make an account of the console, with its first role when *role* and *unit_id* are given.

    For a member of the register (*member_id*) who signs in by code already, that account is extended. Somebody who manages
    accounts in a part of the organisation gives a role there at once, or names a member there: otherwise the new account
    would be out of their reach. Errors: AccountError, NotVisibleError.
    """
    require_somewhere(actor, Permission.MANAGE_ACCOUNTS)
    name, email = names.clean(name), clean_email(email)
    if not name or len(name) > NAME_LENGTH:
        raise AccountError("Xin nhập họ tên (tối đa 200 ký tự).")
    if (role is None) != (unit_id is None):
        raise AccountError("Xin chọn cả vai trò và đơn vị, hoặc để trống cả hai.")
    if role is None and member_id is None and not actor.may_everywhere(Permission.MANAGE_ACCOUNTS):
        raise AccountError("Xin chọn vai trò và đơn vị cho tài khoản mới.")
    member = access_member(session, actor, member_id, Permission.MANAGE_ACCOUNTS) if member_id is not None else None
    account = _account_to_extend(session, actor, member) if member is not None else None
    if session.scalar(select(Account.id).where(Account.email_key == email_key(email))) is not None:
        raise AccountError("Đã có tài khoản dùng địa chỉ email này.")
    unit = None
    if role is not None and unit_id is not None:  # refused before anything is made
        unit = _check_grant(session, actor, account, role=role, unit_id=unit_id, ends_on=ends_on)
    if account is None:
        account = Account(id=uuid.uuid4(), member_id=member.id if member else None, created_at=clock.now())
        account.name = name
        session.add(account)
        session.flush()
        crypto.create_keys(session, [account.id])
    account.name, account.email, account.email_key = name, email, email_key(email)
    password, uri = _give_credentials(session, account)
    _note(session, actor, "account.created", account, unit_id=member.unit_id if member else unit_id)
    if role is not None and unit is not None:
        _add_grant(session, actor, account, role=role, unit=unit, ends_on=ends_on)
    return NewAccount(account.id, password, uri)


def create_administrator(session: Session, *, email: str, name: str | None = None) -> NewAccount:
    """An administrator of the whole organisation, from the command line; makes the root unit when there is none.

    Errors: AccountError.
    """
    has_root = select(Unit.id).where(Unit.parent_id.is_(None), Unit.closed_on.is_(None))
    if session.scalar(has_root.limit(1)) is None:
        title = names.clean(settings().organisation)
        units.create(session, SYSTEM, parent_id=None, name=title[:1].upper() + title[1:], kind="Tổ chức")
    made = create_account(session, SYSTEM, name=name or clean_email(email).partition("@")[0], email=email)
    account = session.get_one(Account, made.account_id)
    for root in session.scalars(select(Unit).where(Unit.parent_id.is_(None), Unit.closed_on.is_(None))):
        _add_grant(session, SYSTEM, account, role=Role.ADMINISTRATOR, unit=root, ends_on=None)
    return made


def grantable(actor: Actor, path: str) -> list[Role]:
    """The roles that *actor* may give on the unit with *path*: those that allow nothing the actor may not do there."""
    if not actor.may(Permission.MANAGE_ACCOUNTS, path):
        return []
    return [role for role in Role if role is not Role.MEMBER and _allowed_to(actor, role, path)]


def grant(
    session: Session, actor: Actor, account_id: uuid.UUID, *, role: Role, unit_id: int, ends_on: date | None = None
) -> int:
    """Give a role on a unit, until the end of *ends_on*; returns the grant's id. The account's console sessions end.

    Errors: AccountError, NotVisibleError.
    """
    account = _manageable(session, actor, account_id)
    unit = _check_grant(session, actor, account, role=role, unit_id=unit_id, ends_on=ends_on)
    if account.id == actor.account_id:  # whose own role ends could make it last
        raise AccountError("Không thể tự giao vai trò cho mình. Xin nhờ một quản trị viên khác.")
    grant_id = _add_grant(session, actor, account, role=role, unit=unit, ends_on=ends_on)
    sessions.end_all(session, account.id, kind="console")
    return grant_id


def revoke(session: Session, actor: Actor, account_id: uuid.UUID, grant_id: int) -> None:
    """Take a role back. The account's console sessions end. Errors: AccountError, NotVisibleError."""
    account = _manageable(session, actor, account_id)
    found = session.get(Grant, grant_id, with_for_update=True)
    if found is None or found.account_id != account.id:
        raise NotVisibleError
    unit = access_unit(session, actor, found.unit_id, Permission.MANAGE_ACCOUNTS)
    if found.revoked_at is not None:
        return
    if found.role == Role.ADMINISTRATOR and unit.parent_id is None:
        _require_another_administrator(session, besides_grant=found.id)
    found.revoked_at = clock.now()
    if account.id != actor.account_id:
        sessions.end_all(session, account.id, kind="console")
    _note(session, actor, "grant.revoked", account, unit_id=unit.id, details={"role": found.role, "grant": found.id})


def disable(session: Session, actor: Actor, account_id: uuid.UUID) -> None:
    """Let an account sign in no more, and end its sign-ins. Errors: AccountError, NotVisibleError."""
    account = _manageable(session, actor, account_id)
    if account.disabled_at is not None:
        return
    if account.id == actor.account_id:
        raise AccountError("Không thể tự khóa tài khoản của chính mình. Xin nhờ một quản trị viên khác.")
    _require_another_administrator(session, besides_account=account.id)
    account.disabled_at = clock.now()
    ended = sessions.end_all(session, account.id)
    _note(session, actor, "account.disabled", account, details={"sign_ins_ended": ended})


def enable(session: Session, actor: Actor, account_id: uuid.UUID) -> None:
    """Let a disabled account sign in again. Errors: NotVisibleError."""
    account = _manageable(session, actor, account_id)
    if account.disabled_at is None:
        return
    account.disabled_at, account.failures, account.locked_until = None, 0, None
    _note(session, actor, "account.enabled", account)


def reset_credentials(session: Session, actor: Actor, account_id: uuid.UUID) -> NewAccount:
    """A new initial password and a new authenticator secret for somebody who lost theirs; the old ones end at once.

    Errors: AccountError (no e-mail: not an account of the console; one's own), NotVisibleError.
    """
    account = _manageable(session, actor, account_id)
    if account.id == actor.account_id:  # a stolen session would become a stolen account
        raise AccountError(
            "Không thể tự cấp lại mật khẩu ở đây. Xin đổi ở trang “Tài khoản của tôi”, hoặc nhờ quản trị viên khác."
        )
    if account.email is None:
        raise AccountError("Tài khoản này không đăng nhập trang quản trị nên không có mật khẩu.")
    password, uri = _give_credentials(session, account)
    ended = sessions.end_all(session, account.id, kind="console")
    _note(session, actor, "account.credentials_reset", account, details={"sign_ins_ended": ended})
    return NewAccount(account.id, password, uri)


def _give_credentials(session: Session, account: Account) -> tuple[str, str]:
    """A new initial password and authenticator secret; returns the password and the secret's address."""
    password, secret = passwords.make_initial(), totp.new_secret()
    account.password_hash = passwords.hash_password(password)
    account.password_changed_at, account.must_change_password = clock.now(), True
    account.totp_sealed = totp.seal(session, account.id, secret)
    account.totp_last_step = 0
    account.failures, account.locked_until = 0, None
    session.flush()
    assert account.email is not None
    return password, totp.uri(secret, account.email)


def _account_to_extend(session: Session, actor: Actor, member: Member) -> Account | None:
    account = account_of_member(session, member.id)
    if account is None:
        return None
    if account.email is not None:
        raise AccountError("Người này đã có tài khoản quản trị.")
    return _manageable(session, actor, account.id)


def _allowed_to(actor: Actor, role: Role, path: str) -> bool:
    return all(actor.may(permission, path) for permission in PERMISSIONS[role])


def _manageable(session: Session, actor: Actor, account_id: uuid.UUID) -> Account:
    """The account, locked, when *actor* may manage it and it may nowhere do more. Errors: NotVisibleError."""
    account = access_account(session, actor, account_id)
    for row in session.execute(_living_grants().where(Grant.account_id == account.id)):
        if not _allowed_to(actor, Role(row.role), row.path):
            raise NotVisibleError
    session.refresh(account, with_for_update=True)
    return account


def _living_grants() -> Any:  # noqa: ANN401 - a statement of SQLAlchemy whose row type no annotation can say shortly
    return (
        select(Grant.id, Grant.account_id, Grant.role, Unit.path).join(Unit, Unit.id == Grant.unit_id).where(living())
    )


def _check_grant(
    session: Session, actor: Actor, account: Account | None, *, role: Role, unit_id: int, ends_on: date | None
) -> Unit:
    """The unit on which *actor* may give *role*. Errors: AccountError, NotVisibleError."""
    unit = access_unit(session, actor, unit_id, Permission.MANAGE_ACCOUNTS)
    if role is Role.MEMBER:
        raise AccountError("Vai trò này có sẵn với mọi người trong danh sách, không cần giao.")
    if not _allowed_to(actor, role, unit.path):
        raise NotVisibleError
    if unit.closed_on is not None:
        raise AccountError("Đơn vị này đã giải thể nên không giao thêm vai trò.")
    if ends_on is not None and ends_on < clock.today():
        raise AccountError("Ngày hết hạn không được ở trong quá khứ.")
    if account is not None:
        same = _living_grants().where(
            Grant.account_id == account.id, Grant.role == role.value, Grant.unit_id == unit.id
        )
        if session.execute(same.limit(1)).first() is not None:
            raise AccountError(
                "Người này đang có vai trò đó tại đơn vị này. Muốn đổi ngày hết hạn, xin thu hồi rồi giao lại."
            )
    return unit


def _add_grant(
    session: Session, actor: Actor, account: Account, *, role: Role, unit: Unit, ends_on: date | None
) -> int:
    given = Grant(
        account_id=account.id,
        role=role.value,
        unit_id=unit.id,
        ends_on=ends_on,
        granted_at=clock.now(),
    )
    session.add(given)
    session.flush()
    details = {"role": role.value, "grant": given.id, "ends_on": ends_on.isoformat() if ends_on else None}
    _note(session, actor, "grant.added", account, unit_id=unit.id, details=details)
    return given.id


def _require_another_administrator(
    session: Session, *, besides_grant: int | None = None, besides_account: uuid.UUID | None = None
) -> None:
    """Somebody who administers the whole organisation remains. Errors: AccountError.

    Under a lock until the end of the work: two administrators who take each other's role away at the same moment do so
    one after the other.
    """
    hold(session, Lock.ADMINISTRATORS)
    statement = (
        _living_grants()
        .join(Account, Account.id == Grant.account_id)
        .where(
            Grant.role == Role.ADMINISTRATOR.value,
            Unit.parent_id.is_(None),
            Account.disabled_at.is_(None),
            Account.email.is_not(None),
        )
    )
    administrators = session.execute(statement).all()
    left = [row for row in administrators if row.id != besides_grant and row.account_id != besides_account]
    if administrators and not left:
        raise AccountError(
            "Đây là quản trị viên duy nhất của toàn tổ chức. Xin giao vai trò này cho một người khác trước."
        )


def _note(
    session: Session,
    actor: Actor,
    action: str,
    account: Account,
    *,
    unit_id: int | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    audit.record(
        session,
        action,
        actor_id=actor.account_id,
        object_type="account",
        object_id=account.id,
        unit_id=unit_id,
        subject=account.member_id,
        details=details,
    )
