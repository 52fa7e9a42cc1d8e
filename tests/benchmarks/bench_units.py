"""The organisation tree with 10,000 nodes and a province's members: moves, lists, figures."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import insert, text
from sqlalchemy.orm import Session

from core import clock
from core.database import unit_of_work
from members import registration, units
from members.access import SYSTEM, Permission
from members.models import Member, Unit
from members.names import name_key, person_sort_key
from members.units.changing import unit_sort_key
from tests.benchmarks import store
from tests.benchmarks.report import Figure, save, spread

NODES = 10_000
MEMBERS = 95_883
ROUNDS = 40
_WARM = 2
_BATCH = 20_000


def tree(out: Path, _kept: Path, work: Path) -> None:
    """The part ``units``: times of the services, a transaction each, on the embedded database."""
    store.use(store.fresh(work / "units"))
    try:
        _measure(out)
    finally:
        store.leave()


def _measure(out: Path) -> None:
    with unit_of_work() as session:
        root, half, elsewhere = fill(session)
    with unit_of_work() as session:
        session.execute(text("analyze unit, member"))
        subtree = len(units.descendant_ids(session, SYSTEM, half))
        deepest = session.scalars(text("select id from unit order by depth desc, id desc limit 1")).one()

    def there_and_back(session: Session, place: int) -> Any:
        return units.move(session, SYSTEM, half, parent_id=(elsewhere, root)[place % 2])

    calls: dict[str, Callable[[Session, int], Any]] = {
        "move of a subtree": there_and_back,
        "children with counts": lambda session, _: units.children(session, SYSTEM, root),
        "page of a unit with breadcrumbs": lambda session, _: units.view(session, SYSTEM, deepest),
        "search": lambda session, _: units.search(session, SYSTEM, "chi bo 77"),
        "figures of the province": lambda session, _: registration.statistics(session, SYSTEM, root),
        "unit named on a form": lambda session, _: units.UnitIndex(
            session, SYSTEM, Permission.EDIT_UNITS, only="u77"
        ).resolve("u77"),
        "index for an import": lambda session, _: units.UnitIndex(session, SYSTEM, Permission.IMPORT_MEMBERS),
    }
    details: dict[str, Any] = {"nodes": NODES, "members": MEMBERS, "moved subtree": subtree}
    for name, call in calls.items():
        times = []
        for place in range(_WARM + ROUNDS):
            begun = time.perf_counter()
            with unit_of_work() as session:
                call(session, place)
            times.append(time.perf_counter() - begun)
        details[name] = spread(times[_WARM:])
    figures = [Figure(f"{name}, p95", details[name]["p95"], "ms") for name in calls]
    notes = [
        f"{NODES:,} units, {MEMBERS:,} members; the moved subtree has {subtree:,} units; commits are included.",
        f"One caller, {ROUNDS} times each after {_WARM} that do not count.",
    ]
    save("units", figures, details, out, notes)


def fill(session: Session) -> tuple[int, int, int]:
    """A province with 10 committees, half of all units below the first; ids of the root, the first and the second."""
    now = clock.now()
    rows: list[dict[str, Any]] = []

    def add(parent: dict[str, Any] | None, name: str, kind: str) -> dict[str, Any]:
        number = len(rows) + 1
        row = {
            "id": number,
            "parent_id": parent["id"] if parent else None,
            "path": f"{parent['path'] if parent else '/'}{number}/",
            "depth": parent["depth"] + 1 if parent else 0,
            "code": f"U{number}",
            "name": name,
            "name_key": name_key(name),
            "sort_key": unit_sort_key(name),
            "kind": kind,
            "position": 0,
            "deployed": True,
            "created_at": now,
        }
        rows.append(row)
        return row

    root = add(None, "Đảng bộ tỉnh", "Tỉnh")
    committees = [add(root, f"Đảng bộ trực thuộc {number}", "Trực thuộc") for number in range(1, 11)]
    for committee in committees:
        share = (NODES // 2 if committee is committees[0] else NODES // 2 // 9) - 1
        bases = [add(committee, f"Đảng bộ cơ sở {number}", "Cơ sở") for number in range(1, max(2, share // 20))]
        for number in range(share - len(bases)):
            add(bases[number % len(bases)], f"Chi bộ {number + 1}", "Chi bộ")
    session.execute(insert(Unit), rows)
    session.execute(text("select setval(pg_get_serial_sequence('unit', 'id'), :last)"), {"last": len(rows)})
    branches = [row["id"] for row in rows if row["kind"] == "Chi bộ"]
    name = "Nguyễn Thị Thử"
    person = {
        "name": name,
        "name_key": name_key(name),
        "sort_key": person_sort_key(name),
        "sealed": bytes(300),
        "exempt": False,
        "created_at": now,
        "updated_at": now,
        "version": 1,
    }
    for begin in range(0, MEMBERS, _BATCH):
        people = [
            {
                **person,
                "id": uuid.uuid4(),
                "unit_id": branches[number % len(branches)],
                "status": "probationary" if number % 40 == 0 else "official",
                "registered_at": now if number % 100 < 82 else None,
            }
            for number in range(begin, min(begin + _BATCH, MEMBERS))
        ]
        session.execute(insert(Member), people)
    return root["id"], committees[0]["id"], committees[1]["id"]
