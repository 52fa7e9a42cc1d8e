"""One click to try a role of the demo: on this machine only, in the demo organisation only.

A persona's account has no password and exists only where the demo made it. The button works when the demo is on, the
service listens on loopback, and the request comes from loopback directly, not through a proxy.
"""

from __future__ import annotations

import ipaddress
import logging

from fastapi import APIRouter, Request
from sqlalchemy.exc import DBAPIError
from starlette.responses import RedirectResponse, Response

from admin import base
from core import audit
from core.database import unit_of_work
from core.settings import settings
from members import sessions
from members.access import NotVisibleError
from messaging import cookies, inbox
from sotay.demo_organisation import Persona, living_personas, persona_account
from web.browser import address_of, device_of

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)

PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def offered(request: Request) -> tuple[Persona, ...]:
    """The personas that this request may take; none outside of the demo on loopback."""
    direct = not any(name in request.headers for name in PROXY_HEADERS)
    here = (
        _is_loopback(address_of(request)) and _is_loopback(request.url.hostname or "") and _is_loopback(settings().host)
    )
    if not (settings().demo and direct and here):
        return ()
    try:
        with unit_of_work() as session:
            return living_personas(session)
    except DBAPIError as error:  # the first page comes also while the database is away
        log.warning("the database cannot be reached: %s", type(error).__name__)
        return ()


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@router.post("/demo/personas/{key}")
def take(request: Request, work: base.Work, key: str) -> Response:
    """Sign the browser in as a persona: in the console, or as a member in its own chat."""
    base.check_site(request)
    persona = next((persona for persona in offered(request) if persona.key == key), None)
    account = persona_account(work, persona) if persona else None
    if persona is None or account is None:
        raise NotVisibleError
    device = device_of(request)
    audit.record(work, "demo.persona_taken", actor_id=account.id, object_type="account", object_id=account.id)
    if persona.role is not None:
        response = RedirectResponse(base.PREFIX, status_code=303)
        base.set_cookie(request, response, sessions.start_console(work, account, device=device))
        return response
    response = RedirectResponse("/me", status_code=303)
    conversation = inbox.open_conversation(work, channel="web", external_id=cookies.begin(request, response))
    sessions.start_member(work, account, conversation_id=conversation.id, channel="web", device=device)
    return response
