"""The page where a member signs in with a one-time code, and agrees before anything is stored under the name."""

from __future__ import annotations

import uuid
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from core.database import unit_of_work
from members import codes, consent, sessions
from members.codes import CodeRefusedError, TooManyCodesError
from messaging import cookies, inbox
from web.base import CHANNEL, SIGN_IN, Work, find_member, forged, go, own_page
from web.browser import address_of, device_of
from web.security import of_this_site

router = APIRouter(include_in_schema=False)

LONGEST_CODE = 40
"""Characters of a code with its spaces and hyphens; more is no code."""

CONSENT_MISSING = (
    "Mã đúng, nhưng chưa đánh dấu đồng ý. Mã chưa bị dùng: xin đọc phần dưới, đánh dấu rồi bấm “Đăng nhập” lần nữa."
)
TEXT_CHANGED = (
    "Văn bản đồng ý vừa có bản mới. Mã chưa bị dùng: xin đọc lại bản mới dưới đây, đánh dấu rồi bấm “Đăng nhập”."
)

Block = tuple[Literal["heading", "list", "paragraph"], list[str]]


class _ConsentMissing(Exception):  # noqa: N818 - an answer, not a fault
    """The code is right, the member has not agreed to the text that counts now: nothing is changed, the code stays."""


class _SharedDevice(Exception):  # noqa: N818 - the same
    """Somebody else was signed in on this conversation before."""


@router.api_route(SIGN_IN, methods=["GET", "HEAD"])
def show_sign_in(request: Request, work: Work) -> Response:
    """The form; whoever is signed in is led to the own page."""
    if find_member(request, work) is not None:
        return go("/me")
    return _form(request, work)


@router.post(SIGN_IN)
def sign_in(
    request: Request,
    code: Annotated[str, Form()] = "",
    agreed: Annotated[str, Form()] = "",
    text_id: Annotated[str, Form()] = "",
) -> Response:
    """Redeem the code and record the consent, both or neither; the browser gets a new cookie."""
    if not of_this_site(request):
        forged(request)
    with unit_of_work() as work:
        if find_member(request, work) is not None:
            return go("/me")
    token = cookies.new_token()
    key = cookies.read(request)
    agreed_to = (
        int(text_id) if agreed == "yes" and text_id.isascii() and text_id.isdigit() and len(text_id) < 10 else None
    )
    code = code[:LONGEST_CODE]
    try:
        try:
            _redeem(request, code, agreed_to=agreed_to, key=key, token=token)
        except _SharedDevice:  # what the other person said here stays theirs
            _redeem(request, code, agreed_to=agreed_to, key=None, token=token)
    except TooManyCodesError as refused:
        return _again(request, str(refused), status=HTTPStatus.TOO_MANY_REQUESTS)
    except CodeRefusedError as refused:
        return _again(request, str(refused), wrong=True)
    except _ConsentMissing:
        return _again(request, TEXT_CHANGED if agreed_to is not None else CONSENT_MISSING, code=code)
    response = go("/me?welcome=1")
    cookies.give(request, response, token)
    return response


def _redeem(request: Request, code: str, *, agreed_to: int | None, key: str | None, token: str) -> None:
    """One unit of work. Errors: CodeRefusedError, _ConsentMissing, _SharedDevice (all leave the code as it was)."""
    with unit_of_work() as work:
        new_key = cookies.external_id(token)
        conversation = inbox.find_conversation(work, channel=CHANNEL, external_id=key) if key else None
        if conversation is None:
            conversation = inbox.open_conversation(work, channel=CHANNEL, external_id=new_key)
        else:  # against session fixation: whoever gave this browser its cookie does not know the new one
            inbox.rename_conversation(work, conversation, external_id=new_key)
        account = codes.redeem(
            work,
            code,
            conversation_id=conversation.id,
            channel=CHANNEL,
            device=device_of(request),
            address=address_of(request) or None,
        )
        assert account.member_id is not None
        if sessions.was_of_another(work, conversation.id, account.id):
            raise _SharedDevice
        if not consent.has_given(work, account.member_id):
            if agreed_to is None or agreed_to != consent.current(work).id:
                raise _ConsentMissing
            consent.give(work, account.member_id, agreed_to, channel=CHANNEL)


def _again(
    request: Request, message: str, *, status: int = HTTPStatus.OK, code: str = "", wrong: bool = False
) -> Response:
    """The form once more, saying what is missing."""
    with unit_of_work() as work:
        return _form(request, work, message=message, status=status, code=code, wrong=wrong)


def _form(
    request: Request,
    work: Session,
    *,
    message: str = "",
    status: int = HTTPStatus.OK,
    code: str = "",
    wrong: bool = False,
) -> Response:
    text = consent.current(work)
    context = {"text": text, "blocks": blocks(text.body), "message": message, "code": code, "wrong": wrong}
    return own_page(request, "sign_in.html", context, status=status)


def agreed_on(work: Session, member_id: uuid.UUID) -> datetime | None:
    """When the member agreed to the text that counts now; None when it is not agreed to."""
    if not consent.has_given(work, member_id):
        return None
    return consent.history(work, member_id)[-1].at


def blocks(body: str) -> list[Block]:
    """A text to agree to, as what to set: headings ("## "), lists ("- ") and paragraphs."""
    made: list[Block] = []
    for line in (line.strip() for line in body.splitlines()):
        if line.startswith("#"):
            made.append(("heading", [line.lstrip("# ")]))
        elif line.startswith("- "):
            if not made or made[-1][0] != "list":
                made.append(("list", []))
            made[-1][1].append(line.removeprefix("- "))
        elif line:
            made.append(("paragraph", [line]))
    return made
