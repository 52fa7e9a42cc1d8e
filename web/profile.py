"""A member's own pages: the record, corrections, the data to take away, consent, erasure, devices, signing out."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core import clock
from members import consent, erasure, export, register, requests, sessions
from members.access import NotVisibleError
from members.asking import LONGEST_VALUE
from members.particulars import DATES
from members.register import FIELD_NAMES, STATUS_NAMES, Profile
from members.requests import RequestError
from messaging import cookies
from web.base import CHANNEL, ChangingMember, CurrentMember, Member, Work, day, go, own_page
from web.sign_in import agreed_on, blocks

router = APIRouter(prefix="/me", include_in_schema=False)

MASKED = ("card_number", "citizen_number")
"""Shown but for their last digits until asked for: somebody may look over the shoulder."""
SHOWN_DIGITS = 3
LISTED = ("name", "unit_id", "position", "status", *MASKED, *DATES, "home_town", "phone")
TYPES = {"json": "application/json", "pdf": "application/pdf"}
DONE = {
    "correction": "Đã gửi đề nghị sửa. Mã biên nhận và hạn trả lời ở mục “Yêu cầu đã gửi” bên dưới.",
    "device": "Đã đăng xuất thiết bị.",
}
CHANNEL_NAMES = {"web": "trang web", "console": "trang quản trị", "revoked": "chi bộ gỡ đăng ký"}


@dataclass(frozen=True)
class Line:
    """A value of the record: what it is called and what is shown."""

    field: str
    label: str
    value: str | None


@router.api_route("", methods=["GET", "HEAD"])
def show_profile(request: Request, work: Work, member: CurrentMember, welcome: str = "", done: str = "") -> Response:
    """The record, requests, consent and devices."""
    return _profile_page(request, work, member, welcome=bool(welcome), done=DONE.get(done, ""))


@router.post("/full")
def show_in_full(request: Request, work: Work, member: ChangingMember) -> Response:
    """The same with the numbers in full, in this answer only."""
    return _profile_page(request, work, member, full=True)


def _profile_page(
    request: Request, work: Session, member: Member, *, full: bool = False, welcome: bool = False, done: str = ""
) -> Response:
    with _visible():
        profile = register.own_profile(work, member.actor)
    own_requests = requests.own_requests(work, member.actor)
    context = {
        "csrf": member.signed.csrf,
        "name": profile.name,
        "lines": list(_lines(profile, full=full)),
        "full": full,
        "welcome": welcome,
        "done": done,
        "requests": own_requests,
        "request_names": requests.KINDS,
        "state_names": requests.STATES,
        "wishes": {
            row.receipt: [
                f"{FIELD_NAMES[field]}: {_wish(field, value, full=full)}" for field, value in row.wanted.items()
            ]
            for row in own_requests
        },
        "text": consent.current(work),
        "consents": consent.history(work, profile.id),
        "agreed_at": agreed_on(work, profile.id),
        "channel_names": CHANNEL_NAMES,
        "devices": sessions.list_own(work, _account(member)),
        "this_device": member.signed.sign_in_id,
    }
    return own_page(request, "profile.html", context)


def _account(member: Member) -> uuid.UUID:
    assert member.actor.account_id is not None
    return member.actor.account_id


def _lines(profile: Profile, *, full: bool) -> Iterator[Line]:
    for field in LISTED:
        value = _shown(profile, field)
        yield Line(field, FIELD_NAMES[field], value if full else _masked(field, value))


def _masked(field: str, value: str | None) -> str | None:
    if not value or field not in MASKED:
        return value
    return "•" * (len(value) - SHOWN_DIGITS) + value[-SHOWN_DIGITS:]


def _wish(field: str, value: str | None, *, full: bool) -> str:
    """What a correction asks for, as people write it."""
    if value is None:
        return "bỏ trống"
    if field in DATES:
        return day(date.fromisoformat(value))
    if field == "status":
        return STATUS_NAMES[value]
    return (value if full else _masked(field, value)) or ""


def _shown(profile: Profile, field: str) -> str | None:
    """A value of the record as people write it."""
    if field == "unit_id":
        return " › ".join(profile.unit_names)
    if field == "status":
        return STATUS_NAMES[profile.status] + (", được miễn sinh hoạt" if profile.exempt else "")
    value = getattr(profile if field in ("name", "position") else profile.private, field)
    return day(value) if isinstance(value, date) else value


@contextmanager
def _visible() -> Iterator[None]:
    """What is not there, or not one's own, is a page that does not exist."""
    try:
        yield
    except NotVisibleError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


# Corrections


@router.api_route("/corrections/{field}", methods=["GET", "HEAD"])
def show_correction(request: Request, work: Work, member: CurrentMember, field: str) -> Response:
    """The form that proposes another value."""
    return _correction_page(request, work, member, field)


@router.post("/corrections/{field}")
def propose_correction(
    request: Request,
    work: Work,
    member: ChangingMember,
    field: str,
    value: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Open the request; the register changes when the person in charge has checked it."""
    wanted = _wanted(field, value.strip(), reason.strip())
    error = "" if wanted else "Xin nhập nội dung đúng. Muốn bỏ trống mục này thì ghi lý do."
    if wanted:
        try:
            requests.open_request(work, member.actor, kind="correction", channel=CHANNEL, wanted=wanted)
        except RequestError as refused:
            error = str(refused)
    if error:
        return _correction_page(request, work, member, field, value=value, reason=reason, error=error)
    return go("/me?done=correction")


def _wanted(field: str, value: str, reason: str) -> dict[str, str]:
    """What a request says; a unit is changed by a transfer, so it is asked for in words. Empty: nothing is asked for."""
    if field not in LISTED:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    if not value and not reason:
        return {}
    if field == "unit_id":
        return {"reason": f"{FIELD_NAMES[field]}: {value} {reason}".strip()}
    return {field: value, "reason": reason}


def _correction_page(
    request: Request, work: Session, member: Member, field: str, *, value: str = "", reason: str = "", error: str = ""
) -> Response:
    if field not in LISTED:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    with _visible():
        profile = register.own_profile(work, member.actor)
    context = {
        "csrf": member.signed.csrf,
        "label": FIELD_NAMES[field],
        "current": next(line.value for line in _lines(profile, full=False) if line.field == field),
        "field": field,
        "is_date": field in DATES,
        "statuses": STATUS_NAMES,
        "longest": LONGEST_VALUE,
        "value": value,
        "reason": reason,
        "error": error,
    }
    return own_page(request, "correction.html", context)


# The own data


@router.post("/data")
def take_data(work: Work, member: ChangingMember, form: Annotated[str, Form(alias="format")] = "json") -> Response:
    """Everything that is stored about the person, as a file."""
    if form not in TYPES:
        raise HTTPException(HTTPStatus.BAD_REQUEST)
    with _visible():
        data = export.hand_over(work, member.actor, channel=CHANNEL, conversation_id=member.conversation.id)
    content = export.as_pdf(data) if form == "pdf" else export.as_json(data)
    name = f"du-lieu-cua-toi-{clock.today():%Y-%m-%d}.{form}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    return Response(content, media_type=TYPES[form], headers=headers)


# Consent, erasure


@router.api_route("/withdrawal", methods=["GET", "HEAD"])
def ask_withdrawal(request: Request, work: Work, member: CurrentMember) -> Response:
    """What happens when consent is withdrawn."""
    text = consent.current(work)
    return own_page(request, "withdrawal.html", {"csrf": member.signed.csrf, "text": text, "blocks": blocks(text.body)})


@router.post("/withdrawal")
def withdraw(request: Request, work: Work, member: ChangingMember) -> Response:
    """Withdraw consent: signed out everywhere; this browser begins anew, without a name."""
    receipt = requests.open_request(work, member.actor, kind="withdrawal", channel=CHANNEL)
    return _leave(request, f"/receipts/{receipt.receipt}?new=withdrawal")


@router.api_route("/erasure", methods=["GET", "HEAD"])
def ask_erasure(request: Request, member: CurrentMember) -> Response:
    """What goes, what the organisation must keep, how long it takes."""
    return own_page(request, "erasure.html", {"csrf": member.signed.csrf})


@router.post("/erasure")
def request_erasure(work: Work, member: ChangingMember) -> Response:
    """Open the request and show its receipt, which works without a sign-in."""
    receipt = requests.open_request(work, member.actor, kind="erasure", channel=CHANNEL)
    return go(f"/receipts/{receipt.receipt}?new=erasure")


# Devices


@router.post("/devices/{sign_in_id}/sign-out")
def sign_out_device(work: Work, member: ChangingMember, sign_in_id: str) -> Response:
    """End another sign-in of one's own; this one has its own page, which asks about the chat."""
    if sign_in_id == str(member.signed.sign_in_id):
        return go("/me/sign-out")
    with _visible():
        sessions.end_own(work, _account(member), _known_id(sign_in_id))
    return go("/me?done=device")


def _known_id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        raise NotVisibleError from None


@router.api_route("/sign-out", methods=["GET", "HEAD"])
def ask_sign_out(request: Request, member: CurrentMember) -> Response:
    """What becomes of the chat."""
    return own_page(request, "sign_out.html", {"csrf": member.signed.csrf})


@router.post("/sign-out")
def sign_out(request: Request, work: Work, member: ChangingMember, chat: Annotated[str, Form()] = "keep") -> Response:
    """Sign this device out; it begins a new conversation. ``chat=erase`` erases the one so far."""
    with _visible():
        sessions.end_own(work, _account(member), member.signed.sign_in_id)
    if chat == "erase":
        erasure.forget_conversation(work, member.conversation.id)
    return _leave(request, "/")


def _leave(request: Request, path: str) -> Response:
    """To *path*, with a new cookie: what was said under the name is no longer on this device."""
    response = go(path)
    cookies.begin(request, response)
    return response
