"""Signing in to the console: by password and authenticator code, or by OpenID Connect where it is set."""

from __future__ import annotations

import secrets
from typing import Annotated
from urllib.parse import quote, unquote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from admin import base
from admin.base import PREFIX, Work, go, set_cookie
from core.settings import settings
from members import oidc, sessions, signing_in
from web.browser import address_of, device_of

router = APIRouter()
"""Outside of what is behind the sign-in; changes are checked for their site (``base.check_site``)."""

OIDC_COOKIE = "sotay_oidc"
_NO_STORE = {"Cache-Control": "no-store"}


def safe_next(wanted: str) -> str:
    """The page of the console to go to after the sign-in, without the prefix; never another site, never the sign-in."""
    inside = wanted == PREFIX or wanted.startswith(f"{PREFIX}/")
    plain = (
        wanted.isprintable() and "\\" not in wanted and ".." not in wanted and "//" not in wanted and "%" not in wanted
    )
    rest = wanted.removeprefix(PREFIX)
    if not inside or not plain or len(wanted) > 500 or rest.startswith(("/sign-", "/static/")):
        return ""
    return rest


@router.get("/sign-in")
def show(request: Request, work: Work, next: str = PREFIX) -> Response:  # noqa: A002 - the name people see in the address
    """The form; somebody who is signed in goes on."""
    if sessions.is_living(work, request.cookies.get(base.COOKIE, "")):
        return go(safe_next(next))
    return _form(request, wanted=next)


@router.post("/sign-in", dependencies=[Depends(base.check_site)])
def sign_in(
    request: Request,
    work: Work,
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    code: Annotated[str, Form()] = "",
    next: Annotated[str, Form()] = PREFIX,  # noqa: A002 - as above
) -> Response:
    """Sign in by password and code."""
    try:
        token = signing_in.sign_in(
            work, email=email, password=password, code=code, address=address_of(request), device=device_of(request)
        )
    except signing_in.SignInRefusedError as refused:
        too_many = isinstance(refused, signing_in.TooManyAttemptsError | signing_in.TooManyFromAddressError)
        return _form(request, wanted=next, email=email[:254], error=str(refused), status=429 if too_many else 422)
    sessions.end_token(work, request.cookies.get(base.COOKIE, ""))
    answer = go(safe_next(next))
    set_cookie(request, answer, token)
    return answer


@router.get("/sign-in/oidc")
def begin_oidc(request: Request, work: Work, next: str = PREFIX) -> Response:  # noqa: A002 - as above
    """To the provider. A link, because a form's policy does not allow it to lead to another site."""
    if not oidc.configured():
        return go("/sign-in")
    browser = secrets.token_urlsafe(32)
    try:
        signing_in.check_address(address_of(request))
        provider = oidc.begin(work, redirect_uri=_redirect_uri(request), browser=browser)
    except (oidc.OidcError, signing_in.SignInRefusedError) as refused:
        return _form(request, wanted=next, error=str(refused), status=502)
    answer = RedirectResponse(provider, status_code=303, headers=_NO_STORE)
    answer.set_cookie(
        OIDC_COOKIE,
        f"{browser}:{quote(PREFIX + safe_next(next), safe='')}",
        max_age=int(oidc.LIFETIME.total_seconds()),
        path=f"{PREFIX}/sign-in",
        httponly=True,
        samesite="lax",  # it comes back with the answer of the provider, which is another site
        secure=request.url.scheme == "https",
    )
    return answer


@router.get("/sign-in/oidc/callback")
def finish_oidc(request: Request, work: Work) -> Response:
    """Back from the provider."""
    if not oidc.configured():
        return go("/sign-in")
    browser, _, wanted = request.cookies.get(OIDC_COOKIE, "").partition(":")
    wanted = unquote(wanted)
    try:
        token = oidc.finish(
            work,
            redirect_uri=_redirect_uri(request),
            answer=dict(request.query_params),
            browser=browser,
            address=address_of(request),
            device=device_of(request),
        )
    except (oidc.OidcError, signing_in.SignInRefusedError) as refused:
        return _form(request, wanted=wanted, error=str(refused), status=422)
    sessions.end_token(work, request.cookies.get(base.COOKIE, ""))
    # A redirect would still count as coming from the provider, and the strict cookie would stay behind: a page goes on.
    answer = base.templates.TemplateResponse(
        request, "sign_in/onward.html", {"onward": PREFIX + safe_next(wanted)}, headers=_NO_STORE
    )
    answer.delete_cookie(OIDC_COOKIE, path=f"{PREFIX}/sign-in")
    set_cookie(request, answer, token)
    return answer


def _redirect_uri(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}{PREFIX}/sign-in/oidc/callback"


def _form(request: Request, *, wanted: str, email: str = "", error: str | None = None, status: int = 200) -> Response:
    context = {
        "wanted": PREFIX + safe_next(wanted),
        "email": email,
        "error": error,
        "oidc": oidc.configured(),
        "settings": settings(),
    }
    return base.templates.TemplateResponse(request, "sign_in/form.html", context, status_code=status, headers=_NO_STORE)
