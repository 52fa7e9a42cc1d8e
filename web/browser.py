"""What a request tells of the browser that sends it."""

from __future__ import annotations

from starlette.requests import Request

from members.sessions import device_name


def address_of(request: Request) -> str:
    """The network address that a request comes from (a reverse proxy's word counts where the server trusts it)."""
    return request.client.host if request.client else ""


def device_of(request: Request) -> str:
    """The kind of browser that asks ("Chrome, Android")."""
    return device_name(request.headers.get("user-agent", ""))
