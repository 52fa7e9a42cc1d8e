"""Files of the data folder: private ones written whole, logs kept short."""

from __future__ import annotations

import os
import threading
from pathlib import Path

LOG_LIMIT = 5_000_000
"""Bytes after which a log is moved to ``<name>.log.1``."""


def write_private(path: Path, content: str) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, content.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)


def trim(log: Path, limit: int = LOG_LIMIT) -> None:
    """Move a log's content to ``.1`` once it is larger than *limit* bytes; its writers append, so they go on in it."""
    try:
        if log.stat().st_size <= limit:
            return
    except FileNotFoundError:
        return
    with log.open("rb+") as file:
        file.seek(-limit, os.SEEK_END)
        log.with_name(log.name + ".1").write_bytes(file.read())
        file.truncate(0)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log."""
    try:
        content = log.read_bytes()[-4000:]
    except FileNotFoundError:
        return ""
    return "\n".join(content.decode(errors="replace").splitlines()[-lines:])
