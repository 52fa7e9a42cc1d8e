"""Ports on loopback for the servers of an installation."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

from core.files import write_private


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on *port* of *host* now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A free port below the ranges that systems hand to outgoing connections, so that it stays free over a restart."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        if port_is_free(port):
            return port


def kept_port(file: Path) -> int:
    """The port of the last time if it is free, else a new one, remembered in *file*."""
    try:
        port = int(file.read_text())
    except (FileNotFoundError, ValueError):
        port = 0
    if not port or not port_is_free(port):
        port = free_port()
        write_private(file, str(port))
    return port
