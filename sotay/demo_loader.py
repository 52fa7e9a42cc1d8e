"""The demo: a fictitious association's charter and regulations, its organisation and people, its first administrator."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.database import unit_of_work
from core.files import write_private
from core.settings import ROOT, settings
from knowledge import documents
from members import accounts
from sotay.demo_organisation import load_organisation
from sotay.ingestion import ingest_paths

FOLDER = ROOT / "sotay" / "demo"
ADMINISTRATOR = "quan-tri@song-xanh.example"


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


def load_people(*, only_first_start: bool) -> int:
    """The demo's organisation where there is none, and its first administrator; returns the number of members.

    With *only_first_start* nothing happens where documents of one's own are: that is no demo any more.
    The administrator's password waits in a private file until ``take_first_administrator`` shows it, once.
    """
    with unit_of_work() as session:
        if only_first_start and documents.any_own(session):
            return 0
        count = load_organisation(session)
        if count:
            made = accounts.create_administrator(session, email=ADMINISTRATOR, name="Quản trị bản mẫu")
            shown = {"email": ADMINISTRATOR, "password": made.password, "totp_uri": made.totp_uri}
            _first_administrator().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(_first_administrator(), json.dumps(shown))
    return count


def _first_administrator() -> Path:
    return settings().data_dir / "run" / "first-administrator.json"


def take_first_administrator() -> dict[str, Any] | None:
    """``{"email", "password", "totp_uri"}`` of the demo's first administrator, the first time only."""
    path = _first_administrator()
    try:
        shown: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    path.unlink()
    return shown
