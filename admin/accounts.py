"""Accounts of the console and their roles: list, make, give and take roles, disable, new credentials."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import PAGE_SIZE, CurrentSigned, Id, Work, go, page
from admin.days import day_meant
from admin.own import qr
from members import account_lists, accounts, units
from members.access import Permission, Role, require_somewhere
from members.accounts import AccountError
from members.sessions import Signed

router = APIRouter()

CHOICES = 20
"""Units that a picker shows at once; the others are found by name."""
DONE = {
    "granted": "Đã giao vai trò.",
    "revoked": "Đã thu hồi vai trò.",
    "disabled": "Đã khóa tài khoản và đăng xuất mọi thiết bị của người này.",
    "enabled": "Đã mở lại tài khoản.",
}


@router.get("/accounts")
def show_list(
    request: Request, signed: CurrentSigned, work: Work, q: str = "", role: str = "", number: int = 1
) -> Response:
    """The accounts that one manages."""
    wanted = Role(role) if role in set(Role) else None
    found = account_lists.list_accounts(work, signed.actor, q=q[:200], role=wanted, number=number, size=PAGE_SIZE)
    return page(
        request, signed, "accounts/list.html", {"found": found, "q": q, "role": wanted, "roles": _roles(signed)}
    )


@router.get("/accounts/new")
def show_new(
    request: Request, signed: CurrentSigned, work: Work, unit_q: str = "", member: uuid.UUID | None = None
) -> Response:
    """The form for a new account, empty or for a member of the register."""
    require_somewhere(signed.actor, Permission.MANAGE_ACCOUNTS)
    values: dict[str, Any] = {"unit_q": unit_q}
    if member is not None:
        values["name"], values["unit_id"] = account_lists.member_to_extend(work, signed.actor, member)
        values["member_id"] = str(member)
    return _new_form(request, signed, work, values)


@router.post("/accounts")
def create(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    name: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    role: Annotated[str, Form()] = "",
    unit_id: Annotated[str, Form()] = "",
    ends_on: Annotated[str, Form()] = "",
    unit_q: Annotated[str, Form()] = "",
    member_id: Annotated[str, Form()] = "",
    find: Annotated[str, Form()] = "",
) -> Response:
    """Make an account and show its first password, once; *find* only looks for units and keeps what was typed."""
    require_somewhere(signed.actor, Permission.MANAGE_ACCOUNTS)
    values = {"name": name, "email": email, "role": role, "unit_id": unit_id, "ends_on": ends_on, "unit_q": unit_q,
              "member_id": member_id}  # fmt: skip
    if find:
        return _new_form(request, signed, work, {**values, "unit_id": ""})
    try:
        made = accounts.create_account(
            work,
            signed.actor,
            name=name,
            email=email,
            member_id=_uuid(member_id),
            role=_role(role),
            unit_id=_number(unit_id),
            ends_on=parse_day(ends_on),
        )
    except AccountError as error:
        return _new_form(request, signed, work, values, error=str(error))
    return _credentials(request, signed, made, name=name, email=email, new=True)


@router.get("/accounts/{account_id}")
def show(
    request: Request, signed: CurrentSigned, work: Work, account_id: uuid.UUID, unit_q: str = "", done: str = ""
) -> Response:
    """One account with its roles."""
    return _account(request, signed, work, account_id, unit_q=unit_q, done=DONE.get(done))


@router.post("/accounts/{account_id}/grants")
def grant(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    account_id: uuid.UUID,
    role: Annotated[str, Form()] = "",
    unit_id: Annotated[str, Form()] = "",
    ends_on: Annotated[str, Form()] = "",
    unit_q: Annotated[str, Form()] = "",
) -> Response:
    """Give a role."""
    try:
        chosen, unit = _role(role), _number(unit_id)
        if chosen is None or unit is None:
            raise AccountError("Xin chọn vai trò và đơn vị.")  # noqa: TRY301 - said where the service's own errors are said
        accounts.grant(work, signed.actor, account_id, role=chosen, unit_id=unit, ends_on=parse_day(ends_on))
    except AccountError as error:
        typed = {"role": role, "unit_id": unit_id, "ends_on": ends_on}
        return _account(request, signed, work, account_id, unit_q=unit_q, error=str(error), typed=typed)
    return go(f"/accounts/{account_id}?done=granted")


@router.post("/accounts/{account_id}/grants/{grant_id}/revoke")
def revoke(request: Request, signed: CurrentSigned, work: Work, account_id: uuid.UUID, grant_id: Id) -> Response:
    """Take a role back."""
    try:
        accounts.revoke(work, signed.actor, account_id, grant_id)
    except AccountError as error:
        return _account(request, signed, work, account_id, error=str(error))
    if account_id == signed.actor.account_id:
        return go("/own")  # perhaps one no longer manages accounts
    return go(f"/accounts/{account_id}?done=revoked")


@router.post("/accounts/{account_id}/disable")
def disable(request: Request, signed: CurrentSigned, work: Work, account_id: uuid.UUID) -> Response:
    """Let the account sign in no more."""
    try:
        accounts.disable(work, signed.actor, account_id)
    except AccountError as error:
        return _account(request, signed, work, account_id, error=str(error))
    return go(f"/accounts/{account_id}?done=disabled")


@router.post("/accounts/{account_id}/enable")
def enable(signed: CurrentSigned, work: Work, account_id: uuid.UUID) -> Response:
    """Let the account sign in again."""
    accounts.enable(work, signed.actor, account_id)
    return go(f"/accounts/{account_id}?done=enabled")


@router.post("/accounts/{account_id}/reset")
def reset(request: Request, signed: CurrentSigned, work: Work, account_id: uuid.UUID) -> Response:
    """Show a new first password and authenticator secret, once."""
    try:
        made = accounts.reset_credentials(work, signed.actor, account_id)
    except AccountError as error:
        return _account(request, signed, work, account_id, error=str(error))
    view = account_lists.view_account(work, signed.actor, account_id)
    return _credentials(request, signed, made, name=view.name, email=view.email or "", new=False)


def parse_day(text: str) -> date | None:
    """The last day of a role; None for nothing. Errors: AccountError."""
    try:
        return day_meant(text)
    except ValueError as error:
        raise AccountError("Ngày hết hạn cần viết theo dạng ngày/tháng/năm, ví dụ 31/12/2027.") from error


def _role(text: str) -> Role | None:
    if not text:
        return None
    if text not in set(Role):
        raise AccountError("Xin chọn vai trò trong danh sách.")
    return Role(text)


def _number(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        raise AccountError("Xin chọn đơn vị trong danh sách.")
    return int(text)


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError as error:
        raise AccountError("Xin mở lại trang của thành viên rồi tạo tài khoản từ đó.") from error


def _roles(signed: Signed) -> list[Role]:
    """The roles that somebody may give somewhere."""
    actor = signed.actor
    possible = {role for path in actor.reach(Permission.MANAGE_ACCOUNTS) for role in accounts.grantable(actor, path)}
    return [role for role in Role if role in possible]


def _picker(work: Session, signed: Signed, unit_q: str, chosen: str) -> dict[str, Any]:
    found = units.choices(work, signed.actor, Permission.MANAGE_ACCOUNTS, unit_q[:200], limit=CHOICES + 1)
    return {
        "units": found[:CHOICES],
        "more_units": len(found) > CHOICES,
        "unit_q": unit_q,
        "chosen_unit": chosen,
        "roles": _roles(signed),
    }


def _new_form(
    request: Request, signed: Signed, work: Session, values: Mapping[str, Any], *, error: str | None = None
) -> Response:
    typed = {"name": "", "email": "", "role": "", "ends_on": "", "unit_q": "", "unit_id": "", "member_id": "", **values}
    context = {
        **_picker(work, signed, typed["unit_q"], str(typed["unit_id"])),
        "typed": typed,
        "error": error,
        "must_choose": not signed.actor.may_everywhere(Permission.MANAGE_ACCOUNTS),
    }
    return page(request, signed, "accounts/new.html", context, status=422 if error else 200)


def _account(
    request: Request,
    signed: Signed,
    work: Session,
    account_id: uuid.UUID,
    *,
    unit_q: str = "",
    done: str | None = None,
    error: str | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    values = {"role": "", "unit_id": "", "ends_on": "", **(typed or {})}
    context = {
        **_picker(work, signed, unit_q, values["unit_id"]),
        "account": account_lists.view_account(work, signed.actor, account_id),
        "own": account_id == signed.actor.account_id,
        "typed": values,
        "done": done,
        "error": error,
    }
    return page(request, signed, "accounts/show.html", context, status=422 if error else 200)


def _credentials(
    request: Request, signed: Signed, made: accounts.NewAccount, *, name: str, email: str, new: bool
) -> Response:
    secret = parse_qs(urlsplit(made.totp_uri).query)["secret"][0]
    context = {"made": made, "name": name, "email": email, "qr": qr(made.totp_uri), "secret": secret, "new": new}
    return page(request, signed, "accounts/credentials.html", context)
