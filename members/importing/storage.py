"""Files that wait for their import: sealed with the import's own key, in ``imports/`` of the data folder."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from core import crypto
from core.settings import settings

_FILE, _HEADINGS = "register_import.file", "register_import.headings"


def folder() -> Path:
    """Where they lie; only the owner may look in."""
    path = settings().data_dir / "imports"
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def put(import_id: uuid.UUID, key: bytes, content: bytes) -> None:
    """Keep *content* sealed."""
    _write(_path(import_id), crypto.seal_with(key, content, context=_FILE))


def get(import_id: uuid.UUID, key: bytes) -> bytes:
    """The content. Errors: FileNotFoundError, crypto.TamperedError."""
    return crypto.unseal_with(key, _path(import_id).read_bytes(), context=_FILE)


def put_headings(import_id: uuid.UUID, key: bytes, headings: Sequence[str]) -> None:
    """Keep the headings for the page on which columns are chosen (a row taken for headings may hold a person)."""
    _write(_path(import_id, ".head"), crypto.seal_with(key, json.dumps(list(headings)).encode(), context=_HEADINGS))


def headings(import_id: uuid.UUID, key: bytes) -> tuple[str, ...]:
    """The headings; none when they are gone. Errors: crypto.TamperedError."""
    try:
        sealed = _path(import_id, ".head").read_bytes()
    except FileNotFoundError:
        return ()
    return tuple(json.loads(crypto.unseal_with(key, sealed, context=_HEADINGS)))


def drop(import_id: uuid.UUID) -> None:
    """Delete what is kept of the import."""
    for suffix in (".file", ".head"):
        _path(import_id, suffix).unlink(missing_ok=True)


def drop_after_commit(session: Session, import_id: uuid.UUID) -> None:
    """Delete what is kept of the import once the transaction of *session* has been committed."""

    def dropped(_: Session) -> None:
        drop(import_id)

    event.listen(session, "after_commit", dropped, once=True)


def drop_others(kept: Collection[uuid.UUID], *, before: datetime) -> int:
    """Delete files of other imports than *kept* that were written *before* that moment; returns their number."""
    names = {f"{import_id}{suffix}" for import_id in kept for suffix in (".file", ".head")}
    others = [
        path for path in folder().iterdir() if path.name not in names and path.stat().st_mtime < before.timestamp()
    ]
    for path in others:
        path.unlink(missing_ok=True)
    return len(others)


def _path(import_id: uuid.UUID, suffix: str = ".file") -> Path:
    return folder() / f"{import_id}{suffix}"


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
