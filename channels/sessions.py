"""The cookie that ties a browser to its conversation. Only its hash is stored."""

from __future__ import annotations

import hashlib
import secrets

from fastapi import Request, Response

COOKIE = "sotay_session"
MAX_AGE_SECONDS = 180 * 24 * 3600


def external_id(token: str) -> str:
    """What stands in the database for the cookie's *token*."""
    return hashlib.sha256(token.encode()).hexdigest()


def read(request: Request) -> str | None:
    """The conversation key of the request's cookie, None when there is no usable cookie."""
    token = request.cookies.get(COOKIE, "")
    return external_id(token) if 20 <= len(token) <= 100 else None


def begin(request: Request, response: Response) -> str:
    """Give the browser a new cookie and return its conversation key."""
    token = secrets.token_urlsafe(32)
    response.set_cookie(
        COOKIE,
        token,
        max_age=MAX_AGE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
        path="/",
    )
    return external_id(token)
