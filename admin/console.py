"""The console as a whole: its routes, its files, what its errors look like."""

from __future__ import annotations

import logging
from http.cookies import SimpleCookie

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from admin import (
    accounts,
    assets,
    base,
    dashboard,
    documents,
    imports,
    members,
    own,
    picking,
    questions,
    registration,
    requests,
    sign_in,
    sign_ups,
    signed_up,
    units,
)
from admin import audit as audit_log
from core import audit
from core.database import unit_of_work
from members.access import NotVisibleError
from members.limiting import NOTED, attempts
from web.pages import error_page

log = logging.getLogger(__name__)

PAGES = (
    audit_log.router,
    own.router,
    accounts.router,
    dashboard.router,
    documents.router,
    imports.router,
    members.router,
    picking.router,
    questions.router,
    registration.router,
    requests.router,
    sign_ups.router,
    signed_up.router,
    units.router,
)
"""Every page of somebody who is signed in; each router's paths begin with its capability ("/units")."""

_STATIC_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


def build_router() -> APIRouter:
    """The console's routes. Everything in ``PAGES`` is behind the sign-in and the check of forms."""
    console = APIRouter(include_in_schema=False)
    behind_the_sign_in = [Depends(base.current), Depends(base.protect)]
    for router in PAGES:
        console.include_router(router, prefix=base.PREFIX, dependencies=behind_the_sign_in)
    console.include_router(sign_in.router, prefix=base.PREFIX)
    console.add_api_route(f"{base.PREFIX}/static/{{name}}", _static, methods=["GET"])
    return console


def _static(name: str, request: Request) -> Response:
    file = assets.path(name)
    if file is None:
        raise HTTPException(404)
    current = f"/admin/static/{name}?{request.url.query}" == assets.url(name)
    caching = "public, max-age=31536000, immutable" if current else "no-cache"
    return FileResponse(
        file, headers={"Cache-Control": caching, "Content-Type": _STATIC_TYPES.get(file.suffix, "text/plain")}
    )


def install(app: FastAPI) -> None:
    """Add the console to *app*."""
    app.include_router(build_router())
    app.add_exception_handler(base.SignInRequired, _sign_in_required)
    app.add_exception_handler(base.PasswordChangeRequired, _password_change_required)
    app.add_exception_handler(base.ForgedRequest, _forged)
    app.add_exception_handler(NotVisibleError, _not_visible)
    app.add_middleware(RotatedCookie)


async def _sign_in_required(request: Request, _error: Exception) -> Response:
    address = base.sign_in_address(request)
    if request.headers.get("hx-request") == "true":  # the whole page, not the part that was asked for
        return Response(status_code=401, headers={"HX-Redirect": address, "Cache-Control": "no-store"})
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


async def _password_change_required(request: Request, _error: Exception) -> Response:
    address = f"{base.PREFIX}/own/password"
    if request.headers.get("hx-request") == "true":
        return Response(status_code=403, headers={"HX-Redirect": address, "Cache-Control": "no-store"})
    return RedirectResponse(address, status_code=303, headers={"Cache-Control": "no-store"})


async def _forged(request: Request, _error: Exception) -> Response:
    await _note(request, "request.forged")
    context = {
        "title": "Biểu mẫu đã hết hạn",
        "message": "Biểu mẫu này không còn dùng được hoặc không do trang này gửi. Xin tải lại trang rồi làm lại.",
    }
    return base.templates.TemplateResponse(
        request, "error.html", context, status_code=403, headers={"Cache-Control": "no-store"}
    )


async def _not_visible(request: Request, _error: Exception) -> Response:
    await _note(request, "access.refused")
    if not request.url.path.startswith(base.PREFIX):
        return await run_in_threadpool(error_page, request, 404, {})
    context = {
        "title": "Không tìm thấy",
        "message": "Trang này không có, hoặc không thuộc phạm vi được giao.",
    }
    return base.templates.TemplateResponse(
        request, "error.html", context, status_code=404, headers={"Cache-Control": "no-store"}
    )


async def _note(request: Request, action: str) -> None:
    """Refusals are logged: by whom and which route, not what was asked for."""
    signed = getattr(request.state, "signed", None)
    route = getattr(request.scope.get("route"), "path", "?")

    if not attempts.allow(NOTED, action, str(signed.actor.account_id) if signed else "stranger"):
        return

    def work() -> None:
        with unit_of_work() as session:
            audit.record(
                session,
                action,
                actor_id=signed.actor.account_id if signed else None,
                object_type="route",
                details={"route": route, "method": request.method},
            )

    await run_in_threadpool(work)


class RotatedCookie:
    """ASGI middleware that gives the browser the console's new token whenever a request's session was rotated."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the cookie to what comes back."""
        if scope["type"] != "http" or not scope["path"].startswith(base.PREFIX):
            await self.app(scope, receive, send)
            return

        async def send_with_cookie(message: Message) -> None:
            signed = scope.get("state", {}).get("signed")
            if message["type"] == "http.response.start" and signed is not None and signed.token is not None:
                headers = MutableHeaders(scope=message)
                if not any(base.COOKIE in SimpleCookie(value) for value in headers.getlist("set-cookie")):
                    response = Response()
                    base.set_cookie(Request(scope), response, signed.token)
                    headers.append("set-cookie", response.headers["set-cookie"])
            await send(message)

        await self.app(scope, receive, send_with_cookie)
