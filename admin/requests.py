"""Requests about personal data: the list with its legal clock, and the page on which one is answered."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import CurrentSigned, Id, Work, go, page
from admin.days import span_words
from core import clock
from members import requests
from members.access import Permission, access_member
from members.erasure import ErasureError
from members.register import RegisterError
from members.requests import RequestError
from members.sessions import Signed

router = APIRouter()

CHANNELS = {"web": "Trang hỏi đáp", "console": "Nhập hộ tại văn phòng"}
DONE = {
    "received": "Đã ghi yêu cầu. Xin trao mã cho người yêu cầu.",
    "done": "Đã làm xong và đã báo cho người yêu cầu.",
    "refused": "Đã từ chối và đã báo cho người yêu cầu.",
}


def clock_words(due_at: datetime, now: datetime) -> str:
    """How much time is left until *due_at*: "còn 1 ngày 3 giờ", "quá hạn 2 giờ"."""
    return f"{'còn' if due_at >= now else 'quá hạn'} {span_words(due_at - now)}"


@router.get("/requests")
def show_list(
    request: Request, signed: CurrentSigned, work: Work, state: str = "open", kind: str = "", number: int = 1
) -> Response:
    """The requests that one handles, open ones first."""
    open_only = state == "open"
    found = requests.list_requests(
        work, signed.actor, open_only=open_only, kind=kind if kind in requests.KINDS else None, page=number
    )
    context = {
        **_words(),
        "found": found,
        "state": state,
        "kind": kind,
        "query": urlencode({"state": state, "kind": kind}),
        "counts": requests.counts(work, signed.actor),
    }
    return page(request, signed, "requests/list.html", context)


def _words() -> dict[str, Any]:
    now = clock.now()
    return {
        "kinds": requests.KINDS,
        "states": requests.STATES,
        "channels": CHANNELS,
        "left": lambda due_at: clock_words(due_at, now),
    }


@router.get("/requests/new")
def show_form(request: Request, signed: CurrentSigned, work: Work, member: uuid.UUID) -> Response:
    """The form for a request that a person made on paper, by telephone or in the office."""
    return _form(request, signed, work, member)


def _form(
    request: Request,
    signed: Signed,
    work: Session,
    member_id: uuid.UUID,
    *,
    error: str | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    person = access_member(work, signed.actor, member_id, Permission.HANDLE_REQUESTS)
    context = {
        **_words(),
        "person": person,
        "fields": requests.CORRECTABLE,
        "on_behalf": requests.ON_BEHALF,
        "given": {"kind": "", "field": "", "value": "", "reason": "", **(given or {})},
        "error": error,
    }
    return page(request, signed, "requests/new.html", context, status=422 if error else 200)


@router.post("/requests/new")
def enter(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    member: Annotated[uuid.UUID, Form()],
    kind: Annotated[str, Form()] = "",
    field: Annotated[str, Form()] = "",
    value: Annotated[str, Form()] = "",
    reason: Annotated[str, Form()] = "",
) -> Response:
    """Enter a request for somebody."""
    wanted = None
    if kind == "correction":
        wanted = {"reason": reason} | ({field: value} if field else {})
    given = {"kind": kind, "field": field, "value": value, "reason": reason}
    if kind == "correction" and value and not field:
        return _form(request, signed, work, member, error="Xin chọn mục cần sửa.", given=given)
    try:
        receipt = requests.open_on_behalf(work, signed.actor, member, kind=kind, wanted=wanted)
    except RequestError as refused:
        return _form(request, signed, work, member, error=str(refused), given=given)
    found = requests.find(work, signed.actor, receipt.receipt)
    return go(f"/requests/{found}?done=received")


@router.get("/requests/{request_id}")
def show(request: Request, signed: CurrentSigned, work: Work, request_id: Id, done: str = "") -> Response:
    """A request with the person it is about."""
    return _show(request, signed, work, request_id, done=DONE.get(done))


def _show(
    request: Request,
    signed: Signed,
    work: Session,
    request_id: int,
    *,
    error: str | None = None,
    done: str | None = None,
    given: dict[str, str] | None = None,
) -> Response:
    found = requests.view_request(work, signed.actor, request_id)
    waits = found.line.closed_at is None and found.line.kind in requests.BY_A_PERSON
    context = {
        **_words(),
        "found": found,
        "line": found.line,
        "answerable": waits and found.person is not None,
        "grounds": requests.GROUNDS,
        "confirmation": requests.CONFIRMATION,
        "receipt": requests.receipt_state(work, found.line.receipt),
        "given": {"answer": "", "ground": "", **(given or {})},
        "error": error,
        "done": done,
    }
    return page(request, signed, "requests/show.html", context, status=422 if error else 200)


@router.post("/requests/{request_id}/complete")
def complete(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    request_id: Id,
    seen: Annotated[str, Form()] = "",
    version: Annotated[int, Form()] = 0,
    word: Annotated[str, Form()] = "",
) -> Response:
    """Do what the person asked for."""
    try:
        requests.complete(work, signed.actor, request_id, seen=seen, version=version, word=word)
    except (RequestError, RegisterError, ErasureError) as refused:
        return _show(request, signed, work, request_id, error=str(refused))
    return go(f"/requests/{request_id}?done=done")


@router.post("/requests/{request_id}/refuse")
def refuse(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    request_id: Id,
    answer: Annotated[str, Form()] = "",
    ground: Annotated[str, Form()] = "",
) -> Response:
    """Refuse, with words for the person."""
    try:
        requests.refuse(work, signed.actor, request_id, answer=answer, ground=ground or None)
    except RequestError as refused:
        return _show(request, signed, work, request_id, error=str(refused), given={"answer": answer, "ground": ground})
    return go(f"/requests/{request_id}?done=refused")
