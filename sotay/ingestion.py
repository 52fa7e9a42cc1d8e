"""``sotay ingest``: files and folders into the knowledge base, each for itself, then searchable."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError

import ingest
from core.database import unit_of_work
from knowledge import documents, indexing

log = logging.getLogger(__name__)


def ingest_paths(
    paths: Sequence[Path],
    *,
    publish: bool,
    progress: Callable[[int, int], None],
    note: Callable[[str], None],
    demo: bool = False,
) -> list[dict[str, Any]]:
    """Take in every file, good ones although others fail, and refresh the index when something was published.

    Returns for each file ``{"path", "status", "published", "document", "articles", "clauses", "error"}``; status is
    ``created``, ``known`` (the same file was taken in before) or ``failed``.
    """
    results = []
    for path in _files(paths):
        note(f"Đang đọc {path} …")
        results.append(ingest_file(path, publish=publish, demo=demo))
    if publish:
        indexing.refresh(progress=progress)
    return results


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and those in the folders named at any depth; hidden ones in folders are passed over."""
    for path in paths:
        if path.is_dir():
            inside = (found for found in path.rglob("*") if found.is_file())
            yield from sorted(f for f in inside if not any(part.startswith(".") for part in f.relative_to(path).parts))
        else:
            yield path


def ingest_file(path: Path, *, publish: bool, demo: bool = False) -> dict[str, Any]:
    """Take in one file: wholly, or not at all."""
    try:
        source = ingest.read(path)
        parsed = ingest.parse(source.text, name=path.stem)
    except ingest.IngestError as error:
        log.warning("%s: %s", path, error)
        return _failed(path, f"{error.message_vi} ({error})")
    try:
        return _store(source, parsed, publish=publish, demo=demo)
    except IntegrityError:
        log.info("%s was stored by another process at the same moment", path)
        return _store(source, parsed, publish=publish, demo=demo)


def _store(source: ingest.Source, parsed: ingest.ParsedDocument, *, publish: bool, demo: bool) -> dict[str, Any]:
    with unit_of_work() as session:
        added = documents.add(session, source, parsed, demo=demo)
        if publish:
            documents.publish(session, added.revision)
        session.flush()
        return {
            "path": str(source.path),
            "status": "created" if added.created else "known",
            "published": added.revision.state == "published",
            "document": documents.cited(added.document).model_dump(mode="json"),
            "articles": added.articles,
            "clauses": added.clauses,
            "error": None,
        }


def _failed(path: Path, error: str) -> dict[str, Any]:
    return {
        "path": str(path),
        "status": "failed",
        "published": False,
        "document": None,
        "articles": 0,
        "clauses": 0,
        "error": error,
    }
