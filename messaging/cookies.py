"""The cookie that ties a browser to its conversation. Only its hash is stored."""

from __future__ import annotations

import hashlib
import secrets

from starlette.requests import Request
from starlette.responses import Response

CHANNEL = "web"
"""The channel of conversations that a cookie names."""
COOKIE = "sotay_session"
MAX_AGE_SECONDS = 180 * 24 * 3600


def new_token() -> str:
    """A value for the cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def external_id(token: str) -> str:
    """What stands in the database for the cookie's *token*."""
    return hashlib.sha256(token.encode()).hexdigest()


def read(request: Request) -> str | None:
    """The conversation key of the request's cookie, None when there is no usable cookie."""
    token = request.cookies.get(COOKIE, "")
    return external_id(token) if 20 <= len(token) <= 100 else None


def give(request: Request, response: Response, token: str) -> None:
    """Set the cookie to *token*, in the place of whatever the browser had."""
    response.set_cookie(
        COOKIE,
        token,
        max_age=MAX_AGE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )


def begin(request: Request, response: Response) -> str:
    """Give the browser a new cookie and return its conversation key."""
    token = new_token()
    give(request, response, token)
    return external_id(token)
