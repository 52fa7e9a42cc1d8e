"""How large the body of a request may be, counted while it arrives and before anything parses it.

FastAPI reads forms before it asks who is signed in, so the sign-in alone would not protect memory and disk. The declared
length is believed only when it is too large; what arrives is counted in any case.
"""

from __future__ import annotations

import logging
from http.cookies import CookieError, SimpleCookie

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import base
from core.database import unit_of_work
from members import sessions
from web import base as web_base
from web import sign_up

log = logging.getLogger(__name__)

MAX_BODY = 1 << 20
"""Bytes of a request's body, anywhere."""
MAX_UPLOAD = 64 << 20
"""Bytes of a request's body where files are handed in, by somebody who is signed in."""
MAX_PHOTOS = 17 << 20
"""Bytes of a request's body where photographs of a sign-up are handed in, by the browser that opened its link."""
UPLOADS = frozenset(f"{base.PREFIX}/{page}" for page in ("imports", "documents", "registration/reports"))
PHOTOS = frozenset(f"{sign_up.PATH}/{step}" for step in ("card", "frames", "selfie"))


class BodyLimit:
    """ASGI middleware that answers 413 to a body of more than ``MAX_BODY`` bytes (more where files and photographs belong)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and count what it brings."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = _declared_length(scope)
        limit, received, started, refused = MAX_BODY, 0, False, False
        if declared > limit:
            limit = await _limit_of(scope)
            if declared > limit:
                await _refusal(scope, limit)(scope, receive, send)
                return

        async def counted_receive() -> Message:
            nonlocal limit, received, refused
            if refused:
                return {"type": "http.disconnect"}
            message = await receive()
            received += len(message.get("body", b""))
            if received <= limit:
                return message
            if limit == MAX_BODY:
                limit = await _limit_of(scope)
                if received <= limit:
                    return message
            refused = True
            if not started:
                await _refusal(scope, limit)(scope, receive, send)
            return {"type": "http.disconnect"}

        async def send_unless_refused(message: Message) -> None:
            nonlocal started
            if not refused:
                started = True
                await send(message)

        try:
            await self.app(scope, counted_receive, send_unless_refused)
        except Exception:
            if not refused:
                raise
            log.info("a request whose body was too large ended early")


def _declared_length(scope: Scope) -> int:
    value = Headers(scope=scope).get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 20 else 0


async def _limit_of(scope: Scope) -> int:
    """The limit of this request: a larger one only for the upload of somebody who is signed in, or signs up."""
    if scope["method"] != "POST":
        return MAX_BODY
    if scope["path"] in UPLOADS and await run_in_threadpool(_signed_in, _cookie(scope, base.COOKIE)):
        return MAX_UPLOAD
    if scope["path"] in PHOTOS and await run_in_threadpool(sign_up.is_bound, _cookie(scope, sign_up.COOKIE)):
        return MAX_PHOTOS
    return MAX_BODY


def _cookie(scope: Scope, name: str) -> str:
    try:
        cookies = SimpleCookie(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    return cookies[name].value if name in cookies else ""


def _signed_in(token: str) -> bool:
    if not token:
        return False
    with unit_of_work() as session:
        return sessions.is_living(session, token)


def _refusal(scope: Scope, limit: int) -> Response:
    """413, as a page or as JSON, and the connection ends: the rest of the body is not waited for."""
    largest = f"{limit >> 20} MB"
    message = (
        f"Nội dung gửi lên lớn quá {largest} nên hệ thống không nhận. Xin chọn tệp nhỏ hơn hoặc chia làm nhiều phần."
    )
    headers = {"Connection": "close", "Cache-Control": "no-store"}
    if scope["path"] == base.PREFIX or scope["path"].startswith(f"{base.PREFIX}/"):
        context = {"title": "Tệp quá lớn", "message": message}
        return base.templates.TemplateResponse(Request(scope), "error.html", context, status_code=413, headers=headers)
    if scope["path"] in PHOTOS and "application/json" not in Headers(scope=scope).get("accept", ""):
        context = {"title": "Ảnh nặng quá", "message": message, "status": "413"}
        return web_base.templates.TemplateResponse(
            Request(scope), "error.html", context, status_code=413, headers=headers
        )
    return JSONResponse({"error": {"code": "too_long", "message": message}}, 413, headers=headers)
