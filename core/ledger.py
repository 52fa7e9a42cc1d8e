"""Small append-only files beside the master keys, for what a restored database must not forget.

One JSON object a line, private to the owner; appending is safe from several processes.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from typing import Any

from core.crypto import keys_file


class LedgerError(Exception):
    """A ledger cannot be read; the message says which line."""


def append(name: str, entry: Mapping[str, Any]) -> None:
    """Add *entry* to the ledger *name*; it is on the disk when this returns."""
    path = keys_file().parent / name
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        size = os.fstat(descriptor).st_size
        # A line that a full disk or a power cut left unfinished stays a line of its own, which readers report.
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        os.write(descriptor, b"\n" * torn + json.dumps(dict(entry)).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def entries(name: str) -> list[dict[str, Any]]:
    """What was appended to the ledger *name*, oldest first. Errors: LedgerError."""
    path = keys_file().parent / name
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise LedgerError(f"{path} cannot be read: {type(error).__name__}") from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise LedgerError(f"{path}, line {number} is damaged") from error
        if not isinstance(entry, dict):
            raise LedgerError(f"{path}, line {number} is damaged")
        found.append(entry)
    return found


def set_aside(name: str) -> None:
    """Begin the ledger *name* anew; what it held is kept as ``<name>.replaced``."""
    path = keys_file().parent / name
    if path.exists():
        path.replace(path.with_name(name + ".replaced"))
