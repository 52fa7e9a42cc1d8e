"""Security headers on every response: a policy without inline code, no framing, no sniffing, no referrer to others."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HEADERS", "TRANSPORT", "SecurityHeaders"]

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

CAMERA_PAGE = "/sign-up"
"""The one page that may use the camera."""

TRANSPORT = ("Strict-Transport-Security", "max-age=31536000")
"""On what travels by TLS (RFC 6797): for a year the browser does not ask without."""


def of_this_site(request: Request) -> bool:
    """Whether a form came from a page of ours, as far as the browser says.

    ``Sec-Fetch-Site`` decides; browsers from before 2023 may not send it, then ``Origin`` or ``Referer`` must name our host.
    A request with none of them passes: the token in the form and the cookie's SameSite are there as well.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    source = request.headers.get("origin") or request.headers.get("referer")
    return source is None or source.partition("://")[2].partition("/")[0] == request.url.netloc


class SecurityHeaders:
    """ASGI middleware that sets :data:`HEADERS`; it does not touch bodies, so event streams pass as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to what comes back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                if scope["path"] == CAMERA_PAGE:
                    headers["Permissions-Policy"] = HEADERS["Permissions-Policy"].replace("camera=()", "camera=(self)")
                if scope["scheme"] == "https":
                    headers[TRANSPORT[0]] = TRANSPORT[1]
            await send(message)

        await self.app(scope, receive, send_with_headers)
