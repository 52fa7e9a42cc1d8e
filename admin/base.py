"""What every page of the console shares: who is signed in, the token against forged forms, rendering.

A route takes ``signed: CurrentSigned`` and asks its services with ``signed.actor``; a service that raises
``NotVisibleError`` becomes a 404 (``install`` in ``admin``). Forms carry ``csrf``, htmx sends it as a header; both are
compared by ``protect``, a dependency of the whole router.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import Depends, Query, Request
from fastapi import Path as InPath
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from admin import assets
from core.clock import VIETNAM
from core.database import unit_of_work
from core.settings import settings
from members import sessions
from members.access import ROLE_NAMES, Permission
from members.sessions import Signed
from web import base as of_members
from web.security import of_this_site

HERE = Path(__file__).parent
PREFIX = "/admin"
COOKIE = "sotay_console"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PAGE_SIZE = 50
LARGEST_ID = 2**63 - 1
Id = Annotated[int, InPath(ge=1, le=LARGEST_ID)]
"""The number of something in a page's path; a number that no row can have names nothing (404)."""
IdAsked = Annotated[int, Query(ge=1, le=LARGEST_ID)]
"""The same in a query."""
BEFORE_THE_NEW_PASSWORD = frozenset({f"{PREFIX}/own/password", f"{PREFIX}/sign-out"})
"""All that somebody with an initial password may ask for."""


class SignInRequired(Exception):  # noqa: N818 - an answer, not a fault
    """Nobody is signed in, or the session has ended."""


class PasswordChangeRequired(Exception):  # noqa: N818 - an answer, not a fault
    """The person signed in with a password that somebody else made: a new one comes before everything else."""


class ForgedRequest(Exception):  # noqa: N818 - an answer, not a fault
    """The request did not come from a page of ours."""


@dataclass(frozen=True)
class Entry:
    """An entry of the console's menu; shown to those who have *permission* (None: everybody)."""

    title: str
    path: str
    permission: Permission | None = None
    everywhere: bool = False


MENU = (
    Entry("Tổng quan", ""),
    Entry("Cây tổ chức", "/units", Permission.READ_UNITS),
    Entry("Thành viên", "/members", Permission.READ_MEMBERS),
    Entry("Nhập danh sách", "/imports", Permission.IMPORT_MEMBERS),
    Entry("Số liệu đăng ký", "/registration", Permission.READ_STATISTICS),
    Entry("Văn bản", "/documents", Permission.READ_DOCUMENTS, everywhere=True),
    Entry("Câu hỏi mở", "/questions", Permission.ANSWER_QUESTIONS, everywhere=True),
    Entry("Đăng ký trực tiếp", "/sign-ups/in-person", Permission.ISSUE_CODES),
    Entry("Đã đăng ký", "/signed-up", Permission.ISSUE_CODES),
    Entry("Xét đăng ký", "/sign-ups", Permission.REVIEW_SIGN_UPS),
    Entry("Yêu cầu về dữ liệu", "/requests", Permission.HANDLE_REQUESTS),
    Entry("Tài khoản và vai trò", "/accounts", Permission.MANAGE_ACCOUNTS),
    Entry("Nhật ký", "/audit", Permission.READ_AUDIT),
)


def menu(signed: Signed) -> list[Entry]:
    """The entries that this person may use."""
    actor = signed.actor
    return [
        entry
        for entry in MENU
        if entry.permission is None
        or (actor.may_everywhere(entry.permission) if entry.everywhere else actor.may(entry.permission))
    ]


def here(path: str) -> Entry | None:
    """The entry to which the page at *path* belongs: of those that lead there the closest."""
    leading = [
        one for one in MENU if path == PREFIX + one.path or (one.path and path.startswith(f"{PREFIX}{one.path}/"))
    ]
    return max(leading, key=lambda one: len(one.path), default=None)


def _day(value: date | None) -> str:
    """A date as people write it: 05/09/2024."""
    return f"{value:%d/%m/%Y}" if value else ""


def _moment(value: datetime | None) -> str:
    """A moment as people write it, in Vietnam: 05/09/2024 14:30."""
    return f"{value.astimezone(VIETNAM):%d/%m/%Y %H:%M}" if value else ""


def _number(value: int | None) -> str:
    """A number with the separators of Vietnamese: 95.883."""
    return "" if value is None else f"{value:,}".replace(",", ".")


def _percent(value: float | None) -> str:
    """A rate in per cent with a decimal comma: 82,45 %."""
    return "—" if value is None else f"{value:.2f} %".replace(".", ",")


def _templates() -> Jinja2Templates:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=_day, moment=_moment, number=_number, percent=_percent)
    environment.globals.update(asset=assets.url, PREFIX=PREFIX, role_names=ROLE_NAMES, Permission=Permission)
    return Jinja2Templates(env=environment)


templates = _templates()


Work = of_members.Work
"""The unit of work of a request: committed before the answer goes out, or undone as a whole."""


async def current(request: Request) -> Signed:
    """Who is signed in to the console. Errors: SignInRequired, PasswordChangeRequired."""
    token = request.cookies.get(COOKIE, "")
    if not 20 <= len(token) <= 100:
        raise SignInRequired

    def work() -> Signed | None:
        with unit_of_work() as session:
            return sessions.resolve_console(session, token)

    signed = await run_in_threadpool(work)
    if signed is None:
        raise SignInRequired
    request.state.signed = signed
    if signed.must_change_password and request.url.path not in BEFORE_THE_NEW_PASSWORD:
        raise PasswordChangeRequired
    return signed


CurrentSigned = Annotated[Signed, Depends(current)]


async def protect(request: Request, signed: CurrentSigned) -> None:
    """Refuse a change that a page of another site asks for. Errors: ForgedRequest."""
    if request.method in SAFE_METHODS:
        return
    check_site(request)
    given = request.headers.get("x-csrf-token")
    if given is None:
        content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
            value = (await request.form()).get("csrf")
            given = value if isinstance(value, str) else None
    if given is None or not hmac.compare_digest(given.encode(), signed.csrf.encode()):
        raise ForgedRequest


def check_site(request: Request) -> None:
    """Refuse a request that the browser says comes from another site. Errors: ForgedRequest."""
    if not of_this_site(request):
        raise ForgedRequest


def page(
    request: Request, signed: Signed, name: str, context: Mapping[str, Any] | None = None, *, status: int = 200
) -> Response:
    """A page of the console; asked for by htmx, only what is in its ``main`` (templates extend ``layout``)."""
    asked = request.headers.get
    whole = asked("hx-boosted") == "true" or asked("hx-history-restore-request") == "true"
    fragment = asked("hx-request") == "true" and not whole
    values = {
        "layout": "fragment.html" if fragment else "base.html",
        "signed": signed,
        "actor": signed.actor,
        "csrf": signed.csrf,
        "menu": menu(signed),
        "here": here(request.url.path),
        "settings": settings(),
        **(context or {}),
    }
    response = templates.TemplateResponse(request, name, values, status_code=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "HX-Request"
    return response


def go(path: str) -> Response:
    """After a change: to the page *path* of the console ("/units/12"), by GET."""
    return RedirectResponse(PREFIX + path, status_code=303, headers={"Cache-Control": "no-store"})


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give the browser the console's token."""
    response.set_cookie(
        COOKIE, token, httponly=True, samesite="strict", secure=request.url.scheme == "https", path=PREFIX
    )


def sign_in_address(request: Request) -> str:
    """The page to sign in, which leads back to where the person wanted to go."""
    wanted = request.url.path if request.method in SAFE_METHODS else PREFIX
    return f"{PREFIX}/sign-in?next={quote(wanted)}"
