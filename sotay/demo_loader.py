"""The demo documents: a fictitious association's charter and regulations, shipped with the product."""

from __future__ import annotations

from collections.abc import Callable

from core.database import unit_of_work
from core.settings import ROOT
from knowledge import documents
from sotay.ingestion import ingest_paths

FOLDER = ROOT / "sotay" / "demo"


class DemoError(RuntimeError):
    """A demo document could not be taken in: the installation is incomplete."""


def load_demo(*, only_first_start: bool, progress: Callable[[int, int], None]) -> int:
    """Take in and publish the demo documents; returns how many are published now that were not before.

    With *only_first_start* nothing happens when anything was ever taken in, so that withdrawn documents stay withdrawn.
    """
    with unit_of_work() as session:
        before = documents.count(session)
        published_before = documents.count(session, published=True)
    if only_first_start and before:
        return 0
    results = ingest_paths([FOLDER], publish=True, progress=progress, note=lambda _: None, demo=True)
    failed = [f"{result['path']}: {result['error']}" for result in results if result["status"] == "failed"]
    if failed:
        raise DemoError("; ".join(failed))
    with unit_of_work() as session:
        return documents.count(session, published=True) - published_before
