"""The register at the size of a province: import of a spreadsheet, pages, filters, search, deep paging."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import select, text

from core.database import unit_of_work
from members import importing, register, seeding
from members.access import SYSTEM, Role
from members.models import Member, Unit
from tests.benchmarks import store
from tests.benchmarks.report import Figure, save, spread
from tests.people import Console, make_account

MEMBERS = 95_883
WORDS = ("n", "le", "ngu", "nguyen van", "Hoàng Đức", "bich ng", "Nguyễn Thị Hoa", "zzz")
"""Searched for one by one: what somebody has typed so far, frequent and rare words, a whole name, nobody."""
FREQUENT = "n"
_TIMES = 40
_WARM = 3


def members(out: Path, cache: Path, work: Path) -> None:
    """Seconds of an import of 95,883 rows, and p95 of pages over as many members."""
    del cache
    store.use(store.fresh(work / "members"))
    begun = time.perf_counter()
    with unit_of_work() as session:
        units = seeding.seed(session, MEMBERS)
    seeded = time.perf_counter() - begun
    with unit_of_work() as session:
        session.execute(text("analyze"))
    pages = {name: _spread(call) for name, call in _service_calls().items()}
    http = {name: _spread(call) for name, call in _console_calls().items()}
    peers = {name: _spread(call) for name, call in _peer_calls().items()}
    content, exported = _exported()
    dry, run = _imported(content)
    store.leave()
    worst = max(pages, key=lambda name: pages[name]["p95"])
    figures = [
        Figure("members", MEMBERS),
        Figure("units", units),
        Figure("import of an XLSX file, looking through", dry, "s"),
        Figure("import of an XLSX file, looking through and writing", run, "s", 120 * MEMBERS / 100_000),
        Figure("import, rows per second", round(MEMBERS / run)),
        Figure("synthetic province", round(seeded, 1), "s", 120),
        Figure("export as XLSX", exported, "s"),
        Figure(f"list through the service, slowest p95 ({worst})", pages[worst]["p95"], "ms", 200),
    ]
    if http:
        worst = max(http, key=lambda name: http[name]["p95"])
        figures.append(Figure(f"list as a page of the console, slowest p95 ({worst})", http[worst]["p95"], "ms", 200))
    figures += [Figure(f"{name}, p95", times["p95"], "ms") for name, times in {**pages, **http}.items()]
    figures += [Figure(f"{name}, p95", times["p95"], "ms", peer=True) for name, times in peers.items()]
    save(
        "members",
        figures,
        {"service": pages, "console": http, "peers": peers, "bytes": len(content)},
        out,
        [
            f"One caller, {_TIMES} times each after {_WARM} that do not count; every page has 50 rows and the total.",
            (
                "Peers: the same page and total by plain SQL on the same tables, one by OFFSET instead of a cursor, one with"
                " LIKE '%…%' on the folded name instead of the index of words (it also finds the middle of a word)."
            ),
            "The file has all fields; the import is into an empty register with all units, new keys for everybody included.",
        ],
    )


def _timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def _spread(call: Callable[[], Any]) -> dict[str, float]:
    for _ in range(_WARM):
        call()
    return spread([_timed(call) for _ in range(_TIMES)])


def _places() -> tuple[int, int, int, str]:
    """The root, a committee, a branch, and a member far down the list."""
    with unit_of_work() as session:
        ids = {
            code: session.scalars(select(Unit.id).where(Unit.code == f"{seeding.PREFIX}{code}")).one()
            for code in ("", "-01", "-05-001-01")
        }
        far = session.scalars(
            select(Member.id).order_by(Member.sort_key, Member.id).offset(MEMBERS - 500).limit(1)
        ).one()
    return ids[""], ids["-01"], ids["-05-001-01"], far.hex


def _service_calls() -> dict[str, Callable[[], Any]]:
    root, committee, branch, far = _places()

    def listed(**filters: Any) -> Callable[[], Any]:
        def call() -> register.MemberPage:
            with unit_of_work() as session:
                return register.list_members(session, SYSTEM, **filters)

        return call

    scopes: dict[str, dict[str, Any]] = {
        "": {},
        ", in the province": {"unit_id": root},
        ", in a committee": {"unit_id": committee},
        ", in a branch": {"unit_id": branch},
    }
    calls = {
        "first page": listed(),
        "deep page": listed(after=far),
        "page back from the end": listed(before=far),
        "committee": listed(unit_id=committee),
        "branch": listed(unit_id=branch),
        "not registered, of the committee": listed(unit_id=committee, registered=False),
        "probationary": listed(unit_id=root, status="probationary"),
        "search by card": listed(q="99000123"),
    }
    for place, scope in scopes.items():
        calls |= {f"search “{word}”{place}": listed(q=word, **scope) for word in WORDS}
    for place, scope in list(scopes.items())[:3]:
        first = listed(q=FREQUENT, **scope)()
        calls |= {
            f"search “{FREQUENT}”{place}, {page}": listed(q=FREQUENT, **scope, **filters)
            for page, filters in {
                "next page": {"after": first.last_cursor},
                "deep page": {"after": far},
                "page back from the end": {"before": far},
                "probationary": {"status": "probationary"},
                "not registered": {"registered": False},
            }.items()
        }
    return calls


def _peer_calls() -> dict[str, Callable[[], Any]]:
    columns = "m.id, m.name, u.name, m.position, m.status, m.exempt, m.registered_at"
    source = "from member m join unit u on u.id = m.unit_id"
    order = "order by m.sort_key, m.id"

    def asked(condition: str, tail: str) -> Callable[[], Any]:
        def call() -> None:
            with unit_of_work() as session:
                session.execute(text(f"select count(*) {source} where {condition}")).scalar_one()
                session.execute(text(f"select {columns} {source} where {condition} {order} {tail}")).all()

        return call

    return {
        "deep page by OFFSET": asked("true", f"limit 51 offset {MEMBERS - 500}"),
        **{
            f"search “{word}” by LIKE": asked(f"m.name_key like '%{word}%'", "limit 51") for word in ("n", "ngu", "zzz")
        },
    }


def _console_calls() -> dict[str, Callable[[], Any]]:
    """The same through HTTP, the whole page; nothing while the console has no such page."""
    from sotay.app import create_app

    root, committee, _, far = _places()
    with unit_of_work() as session:
        account = make_account(session, "Quản trị", (Role.ADMINISTRATOR, root)).id
    console = Console(create_app(), account)
    if console.get("/members").status_code == 404:
        return {}

    def got(path: str) -> Callable[[], Any]:
        def call() -> None:
            answer = console.get(path)
            if answer.status_code != 200:
                raise RuntimeError(f"the console answered {answer.status_code}")

        return call

    return {
        "console: first page": got("/members"),
        "console: deep page": got(f"/members?after={far}"),
        "console: committee": got(f"/members?unit_id={committee}"),
        **{f"console: search “{word}”": got(f"/members?q={quote(word)}") for word in WORDS},
        f"console: search “{FREQUENT}”, in a committee": got(f"/members?q={FREQUENT}&unit_id={committee}"),
    }


def _exported() -> tuple[bytes, float]:
    root, _, _, _ = _places()
    file = io.BytesIO()
    begun = time.perf_counter()
    with unit_of_work() as session:
        register.export_members(session, SYSTEM, unit_id=root, file=file)
    return file.getvalue(), round(time.perf_counter() - begun, 1)


def _imported(content: bytes) -> tuple[float, float]:
    """Seconds of a dry run and of the import, into a register without members."""
    with unit_of_work() as session:
        session.execute(
            text("set local session_replication_role = replica")
        )  # the ledger of consents refuses otherwise
        session.execute(text("truncate member cascade"))
        session.execute(text("delete from data_key"))
    seconds = []
    for dry_run in (True, False):
        begun = time.perf_counter()
        done = importing.run_now(SYSTEM, file_name="members.xlsx", content=content, dry_run=dry_run)
        seconds.append(round(time.perf_counter() - begun, 1))
        if done.problems or done.rows != MEMBERS:
            raise RuntimeError(f"{len(done.problems)} problems in {done.rows} rows")
    return seconds[0], seconds[1]
