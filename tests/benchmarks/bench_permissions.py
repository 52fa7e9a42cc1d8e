"""How many pairs the generated permission tests visit; counted from their tables, nothing is run."""

from __future__ import annotations

from pathlib import Path

from members.access import Role
from tests.admin.test_permissions import PAGES
from tests.benchmarks.report import Figure, save
from tests.members.test_permissions import CASES


def permissions(out: Path, _cache: Path, _work: Path) -> None:
    """The part ``permissions``: routes of the console and services, times roles."""
    roles = len(Role)
    figures = [
        Figure("roles", roles),
        Figure("routes of the console (method and path)", len(PAGES)),
        Figure("(route, role) pairs", len(PAGES) * roles),
        Figure("services that take who acts", len(CASES)),
        Figure("(service, role) pairs", len(CASES) * roles),
    ]
    note = (
        "Counted from the tables of `tests/admin/test_permissions.py` and `tests/members/test_permissions.py`, whose tests"
        " visit every pair (what names an object, in a foreign branch, too) and fail when a route or service is not listed."
    )
    save("permissions", figures, {"routes": PAGES, "services": sorted(CASES)}, out, [note])
