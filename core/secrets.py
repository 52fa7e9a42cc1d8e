"""Secrets of the installation: made on first use, kept in files that only the owner can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from core.settings import settings


def secret(name: str, *, data_dir: Path | None = None) -> str:
    """The installation's secret called *name* (43 URL-safe characters), made when it does not exist yet.

    Safe when several processes ask at once: the file appears whole or not at all, and the first one wins.
    """
    folder = (data_dir or settings().data_dir) / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / name
    if not path.exists():
        draft = folder / f".{name}.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)  # fails if another process was first
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii")
