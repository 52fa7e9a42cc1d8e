"""What every page for members shares: templates, who is signed in, the token against forged forms, caching."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Form, HTTPException, Request
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from limits import RateLimitItemPerMinute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from core import audit
from core.clock import VIETNAM
from core.database import unit_of_work
from members import sessions
from members.access import Actor
from members.limiting import attempts, network
from members.sessions import Signed
from messaging import cookies, inbox
from messaging.models import Conversation
from web.browser import address_of
from web.security import of_this_site

log = logging.getLogger(__name__)

HERE = Path(__file__).parent
STATIC = HERE / "static"
CHANNEL = cookies.CHANNEL
SIGN_IN = "/sign-in"
FORGED_LOGGED = RateLimitItemPerMinute(20, 10)
"""Refused forms of one address that are logged."""

STATUS_TEXT = {
    "in_force": "Còn hiệu lực",
    "amended": "Còn hiệu lực, đã được sửa đổi",
    "replaced": "Đã được thay thế",
    "repealed": "Đã bị bãi bỏ",
    "not_yet": "Chưa có hiệu lực",
}


class SignInRequired(Exception):  # noqa: N818 - an answer, not a fault
    """A page of somebody's own was asked for, and nobody is signed in on this device."""


@dataclass(frozen=True)
class Member:
    """Who asks for a page of the own: the sign-in, and the conversation of this browser."""

    signed: Signed
    conversation: Conversation

    @property
    def actor(self) -> Actor:
        """In whose name services are called."""
        return self.signed.actor


def day(value: date | None) -> str:
    """A date as people write it: 05/09/2024; empty when there is none."""
    return f"{value:%d/%m/%Y}" if value else ""


def moment(value: datetime | None) -> str:
    """A moment as people write it, in Vietnam: 14:30 ngày 05/09/2024; empty when there is none."""
    return f"{value.astimezone(VIETNAM):%H:%M ngày %d/%m/%Y}" if value else ""


@lru_cache(maxsize=64)
def _version(name: str, modified_ns: int) -> str:  # the time is part of the key: a changed file gets a new version
    del modified_ns
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def current_version(name: str) -> str:
    """The version of a file of ``static/``: a hash of what is in it."""
    return _version(name, (STATIC / name).stat().st_mtime_ns)


def static_url(name: str) -> str:
    """The address of a file of ``static/`` with its version, under which it may be kept for ever."""
    return f"/static/{name}?v={current_version(name)}"


def _templates() -> Jinja2Templates:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(day=day, moment=moment)
    environment.globals.update(static_url=static_url, status_text=STATUS_TEXT, is_signed_in=is_signed_in)
    return Jinja2Templates(env=environment)


def is_signed_in(request: Request) -> bool:
    """Whether the bar on top offers "Hồ sơ": one query, and none for a browser without our cookie.

    While the database is away the public pages still come, as to somebody who is not signed in.
    """
    known: bool | None = getattr(request.state, "signed_in", None)
    if known is None:
        known = _look_up(request)
        request.state.signed_in = known
    return known


def _look_up(request: Request) -> bool:
    key = cookies.read(request)
    if key is None:
        return False
    try:
        with unit_of_work() as session:
            return sessions.is_member_here(session, channel=CHANNEL, external_id=key)
    except (DBAPIError, PoolTimeoutError) as error:
        log.warning("the database cannot be reached: %s", type(error).__name__)
        return False


templates = _templates()


def session() -> Iterator[Session]:
    """The unit of work of a request: everything or nothing."""
    with unit_of_work() as work:
        yield work


Work = Annotated[Session, Depends(session, scope="function")]
"""Committed before the answer goes out."""


def find_member(request: Request, work: Session) -> Member | None:
    """Who is signed in on the browser of *request*, if anybody is."""
    key = cookies.read(request)
    conversation = inbox.find_conversation(work, channel=CHANNEL, external_id=key) if key else None
    signed = sessions.resolve_member(work, conversation.id) if conversation else None
    request.state.signed_in = signed is not None
    return Member(signed, conversation) if signed and conversation else None


def current(request: Request, work: Work) -> Member:
    """Who is signed in. Errors: SignInRequired."""
    member = find_member(request, work)
    if member is None:
        raise SignInRequired
    return member


CurrentMember = Annotated[Member, Depends(current, scope="function")]


def protected(request: Request, member: CurrentMember, csrf: Annotated[str, Form()] = "") -> Member:
    """Who sends a form, which must come from a page of ours. Errors: SignInRequired, HTTPException 403."""
    if not of_this_site(request) or not hmac.compare_digest(csrf.encode(), member.signed.csrf.encode()):
        forged(request, member.actor)
    return member


ChangingMember = Annotated[Member, Depends(protected, scope="function")]


def forged(request: Request, actor: Actor | None = None) -> None:
    """Log that a form did not come from a page of ours, and refuse it. Errors: HTTPException 403.

    Of one address only so many are logged: nobody without a sign-in can fill the log.
    """
    if attempts.allow(FORGED_LOGGED, "forged", network(address_of(request))):
        with unit_of_work() as work:
            audit.record(
                work,
                "request.forged",
                actor_id=actor.account_id if actor else None,
                object_type="route",
                details={"route": getattr(request.scope.get("route"), "path", "?"), "method": request.method},
            )
    raise HTTPException(HTTPStatus.FORBIDDEN)


def public_page(request: Request, name: str, context: Mapping[str, Any]) -> Response:
    """A page that browsers keep and ask about again: unchanged, it is answered with 304 and no body.

    The bar on top differs by cookie, so nobody else may keep the page.
    """
    response = templates.TemplateResponse(request, name, dict(context))
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache, private", "Vary": "Accept-Encoding, Cookie"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if etag in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response


def own_page(request: Request, name: str, context: Mapping[str, Any], *, status: int = 200) -> Response:
    """A page with somebody's own data, or a form that begins with a secret: no browser and nothing between keeps it."""
    response = templates.TemplateResponse(request, name, dict(context), status_code=status)
    response.headers["Cache-Control"] = "no-store"
    return response


def go(path: str) -> Response:
    """After a change: to *path*, by GET."""
    return RedirectResponse(path, status_code=HTTPStatus.SEE_OTHER, headers={"Cache-Control": "no-store"})
