"""Where the application listens, and whether it may."""

from __future__ import annotations

import errno
import ipaddress
import socket

from core.settings import Settings
from sotay import tls

_ANY = ("0.0.0.0", "::")  # noqa: S104 - the settings of someone who wants to be reached from the network


class StartError(RuntimeError):
    """Nothing was started; the message, in both languages, says what to do."""


def addresses(settings: Settings) -> list[str]:
    """Where a browser finds the application: first on this machine, then in its networks."""
    scheme = "https" if settings.tls == "self" else "http"
    hosts = [local_host(settings.host)]
    if settings.host in _ANY:
        hosts += tls.network_addresses()
    return [f"{scheme}://{_bracketed(host)}:{settings.port}/" for host in hosts]


def local_host(host: str) -> str:
    """The address by which this machine reaches itself."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def _bracketed(host: str) -> str:
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def check_port(host: str, port: int) -> None:
    """Raise ``StartError`` if the application could not listen on *port* of *host*."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise StartError(
                f"Cổng {port} đang được chương trình khác dùng. Hãy chọn cổng khác, ví dụ: make run PORT={port + 1}\n"
                f"Port {port} is already in use. Choose another one, for example: make run PORT={port + 1}"
            ) from error
        if error.errno == errno.EACCES:
            raise StartError(
                f"Không có quyền mở cổng {port}. Hãy chọn cổng từ 1024 trở lên, ví dụ: make run PORT=8000\n"
                f"Port {port} may not be opened by this user. Choose one from 1024 on, for example: make run PORT=8000"
            ) from error
        raise StartError(
            f"Không mở được địa chỉ {host}:{port} ({error}).\nThe address {host}:{port} cannot be opened ({error})."
        ) from error
