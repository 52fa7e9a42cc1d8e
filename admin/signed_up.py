"""Who has signed up, the latest first, and "this is not the member": for whoever answers for the people of a unit."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import CurrentSigned, Work, go, page
from members.sessions import Signed
from members.signup import revoking
from members.signup.revoking import RevokeError

router = APIRouter()

WAYS = {
    revoking.MACHINE: "ảnh thẻ, máy nhận",
    revoking.PERSON: "ảnh thẻ, người xét nhận",
    revoking.CODE: "mã một lần",
}
"""How somebody came in."""
DONE = {"revoked": "Đã gỡ đăng ký. Người đang dùng máy ấy đã bị đăng xuất; thẻ này đăng ký lại được."}


@router.get("/signed-up")
def show_list(request: Request, signed: CurrentSigned, work: Work, number: int = 1, done: str = "") -> Response:
    """Those who signed up, the latest first."""
    found = revoking.signed_up(work, signed.actor, page=number)
    return page(request, signed, "signed_up/list.html", {"found": found, "ways": WAYS, "done": DONE.get(done)})


@router.get("/signed-up/{member_id}")
def show_one(request: Request, signed: CurrentSigned, work: Work, member_id: uuid.UUID) -> Response:
    """One of them, and what is to be known before taking it back."""
    return _one(request, signed, work, member_id)


def _one(
    request: Request, signed: Signed, session: Session, member_id: uuid.UUID, *, error: str | None = None
) -> Response:
    line = None
    try:
        line = revoking.one(session, signed.actor, member_id)
    except RevokeError as gone:
        error = error or str(gone)
    context = {"line": line, "ways": WAYS, "error": error}
    return page(request, signed, "signed_up/one.html", context, status=422 if error else 200)


@router.post("/signed-up/{member_id}/revoke")
def revoke(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    member_id: uuid.UUID,
    registered_at: Annotated[datetime, Form()],
    sure: Annotated[bool, Form()] = False,
) -> Response:
    """This is not the member: sign out, close, free the card."""
    if not sure:
        return _one(request, signed, work, member_id, error="Xin đánh dấu là đã hỏi chính người ấy rồi mới gỡ.")
    try:
        revoking.revoke(work, signed.actor, member_id, registered_at=registered_at)
    except RevokeError as refused:
        return _one(request, signed, work, member_id, error=str(refused))
    return go("/signed-up?done=revoked")
