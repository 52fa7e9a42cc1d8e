"""Behind a web server: only those whom the setting names are believed about who the client is and how it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from core.settings import Settings
from sotay import up


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, SOTAY_DATA_DIR=folder, **values)  # type: ignore[call-arg]


def application(folder: Path, monkeypatch: pytest.MonkeyPatch, **values: Any) -> list[str]:
    """The arguments with which the application is started."""
    monkeypatch.setattr(up, "ENGINE_PYTHON", folder / "none")
    supervisor = up._Supervisor(settings(folder, **values), up._Signals(), demo=False)
    try:
        return next(part.arguments for part in supervisor._make_parts() if part.name == "app")
    finally:
        supervisor.lifeline.close()


def test_nobody_is_believed_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = application(tmp_path, monkeypatch)
    assert "--no-proxy-headers" in arguments
    assert "--proxy-headers" not in arguments


def test_those_named_are_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = application(tmp_path, monkeypatch, SOTAY_TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/24, ::1")
    assert "--no-proxy-headers" not in arguments
    assert arguments[arguments.index("--forwarded-allow-ips") + 1] == "127.0.0.1,10.0.0.0/24,::1/128"


@pytest.mark.parametrize("value", ["*", "0.0.0.0/0", "::/0", "proxy.example", "10.0.0.1/24", "127.0.0.1,"])
def test_what_names_everybody_or_nobody_is_refused(tmp_path: Path, value: str) -> None:
    with pytest.raises(ValidationError, match="SOTAY_TRUSTED_PROXIES"):
        settings(tmp_path, SOTAY_TRUSTED_PROXIES=value)


async def seen(trusted: str, peer: str, **headers: str) -> tuple[str, str]:
    """The client and the scheme as the application sees them."""
    found: list[tuple[str, str]] = []

    async def inner(scope: Scope, _receive: Receive, _send: Send) -> None:
        found.append((scope["client"][0], scope["scheme"]))

    scope = {
        "type": "http", "scheme": "http", "client": (peer, 1),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    await ProxyHeadersMiddleware(inner, trusted)(scope, None, None)  # type: ignore[arg-type]
    return found[0]


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        ("10.0.0.7", "203.0.113.9", ("203.0.113.9", "https")),
        ("10.0.0.7", "127.0.0.1, 203.0.113.9", ("203.0.113.9", "https")),  # what the client wrote itself counts nothing
        ("::1", "203.0.113.9", ("203.0.113.9", "https")),
        ("203.0.113.9", "127.0.0.1", ("203.0.113.9", "http")),
    ],
)
def test_a_client_cannot_forge_its_address(
    tmp_path: Path, peer: str, forwarded: str, expected: tuple[str, str]
) -> None:
    import asyncio

    trusted = settings(tmp_path, SOTAY_TRUSTED_PROXIES="10.0.0.0/24,::1").trusted_proxies
    assert trusted is not None
    assert asyncio.run(seen(trusted, peer, x_forwarded_for=forwarded, x_forwarded_proto="https")) == expected
