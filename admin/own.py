"""One's own account: roles, sign-ins, password, authenticator, signing out."""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Form, Request
from markupsafe import Markup
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin import base
from admin.base import PREFIX, CurrentSigned, Work, go, page, set_cookie
from members import account_lists, sessions, signing_in, totp
from members.access import NotVisibleError
from members.passwords import SHORTEST, PasswordRefusedError
from members.sessions import Signed
from web.browser import address_of, device_of

router = APIRouter()

DONE = {
    "password": "Đã đổi mật khẩu. Các thiết bị khác đã được đăng xuất.",
    "authenticator": "Đã đổi ứng dụng xác thực. Các thiết bị khác đã được đăng xuất.",
    "others": "Đã đăng xuất tất cả thiết bị khác.",
    "ended": "Đã đăng xuất thiết bị đó.",
}


@router.get("/own")
def show(request: Request, signed: CurrentSigned, work: Work, done: str = "") -> Response:
    """The own account."""
    assert signed.actor.account_id is not None
    context = {
        "account": account_lists.own_account(work, signed.actor),
        "sign_ins": sessions.list_own(work, signed.actor.account_id),
        "done": DONE.get(done),
    }
    return page(request, signed, "own/show.html", context)


@router.post("/own/sign-ins/{sign_in_id}/end")
def end_one(signed: CurrentSigned, work: Work, sign_in_id: uuid.UUID) -> Response:
    """Sign out one device."""
    signing_in.sign_out(work, signed, sign_in_id)
    return go("/sign-in" if sign_in_id == signed.sign_in_id else "/own?done=ended")


@router.post("/own/sign-ins/end-others")
def end_others(signed: CurrentSigned, work: Work) -> Response:
    """Sign out every device but this one."""
    signing_in.end_others(work, signed)
    return go("/own?done=others")


@router.get("/own/password")
def show_password(request: Request, signed: CurrentSigned, work: Work) -> Response:
    """The form for a new password."""
    _require_password(work, signed)
    return _password_form(request, signed)


@router.post("/own/password")
def change_password(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    current: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    repeated: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
) -> Response:
    """Set a new password; this browser stays signed in, with a new session."""
    if new != repeated:
        return _password_form(request, signed, error="Hai lần nhập mật khẩu mới không giống nhau.")
    try:
        token = signing_in.change_password(
            work,
            signed,
            current=current,
            code=code,
            new=new,
            address=address_of(request),
            device=device_of(request),
        )
    except (signing_in.SignInRefusedError, PasswordRefusedError) as refused:
        return _password_form(request, signed, error=str(refused))
    answer = go("/own?done=password")
    set_cookie(request, answer, token)
    return answer


@router.get("/own/authenticator")
def show_authenticator(request: Request, signed: CurrentSigned, work: Work) -> Response:
    """The form that begins a change of the authenticator app."""
    _require_password(work, signed)
    return page(request, signed, "own/authenticator.html", {"error": None})


@router.post("/own/authenticator")
def begin_authenticator(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    current: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
) -> Response:
    """Show a new secret, which counts once its first code was typed."""
    try:
        new = signing_in.begin_authenticator(work, signed, current=current, code=code, address=address_of(request))
    except signing_in.SignInRefusedError as refused:
        return page(request, signed, "own/authenticator.html", {"error": str(refused)}, status=422)
    return _waiting_form(request, signed, new)


@router.post("/own/authenticator/confirm")
def confirm_authenticator(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    pending: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
) -> Response:
    """Take the new secret into use."""
    try:
        new = signing_in.waiting_authenticator(work, signed, pending)
    except signing_in.SignInRefusedError as refused:
        return page(request, signed, "own/authenticator.html", {"error": str(refused)}, status=422)
    try:
        signing_in.confirm_authenticator(work, signed, pending=pending, code=code)
    except signing_in.SignInRefusedError as refused:
        return _waiting_form(request, signed, new, error=str(refused))
    return go("/own?done=authenticator")


@router.post("/sign-out")
def sign_out(signed: CurrentSigned, work: Work) -> Response:
    """End this session."""
    signing_in.sign_out(work, signed)
    answer = go("/sign-in")
    answer.delete_cookie(base.COOKIE, path=PREFIX)
    return answer


def _require_password(work: Session, signed: Signed) -> None:
    if not account_lists.own_account(work, signed.actor).has_password:
        raise NotVisibleError


def _password_form(request: Request, signed: Signed, *, error: str | None = None) -> Response:
    context = {"error": error, "first": signed.must_change_password, "shortest": SHORTEST}
    return page(request, signed, "own/password.html", context, status=422 if error else 200)


def _waiting_form(
    request: Request, signed: Signed, new: signing_in.NewAuthenticator, *, error: str | None = None
) -> Response:
    context = {"new": new, "qr": qr(new.uri), "error": error}
    return page(request, signed, "own/authenticator_new.html", context, status=422 if error else 200)


def qr(uri: str) -> Markup:
    """A QR code as it stands in a page: an SVG of our own making, of squares only."""
    return Markup(totp.qr_svg(uri))  # noqa: S704 - the text is encoded as squares, nothing of it is markup
