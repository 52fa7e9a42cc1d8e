"""Starting, and questions through the widget's API with everything running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks import members
from tests.benchmarks.bench_search import demo_questions
from tests.benchmarks.installation import Installation, all_ok, answering, cpu_shares
from tests.benchmarks.members import Outcome, WidgetMember
from tests.benchmarks.report import Figure, save, spread

ONE_MEMBER_TURNS = 120
MEMBERS = 16
MEMBER_TURNS = 15
LIMIT_SECONDS = 120.0
FIRST_START_SECONDS = 480.0
_WARM_TURNS = 10


def restart(out: Path, cache: Path, work: Path) -> None:
    """A first start with an answer while the engine trains, then the second start until everything is well."""
    data_dir = work / "restart"
    with Installation(data_dir) as first:
        answers_from = first.wait(answering, FIRST_START_SECONDS)
        engine_was = _engine_state(first)
        reply = members.run(lambda: WidgetMember(first.url), demo_questions(), members=1, turns=1, limit=30)
        first_answer = time.perf_counter() - first.started - reply.elapsed + sum(reply.times)
        everything = first.wait(all_ok, FIRST_START_SECONDS)
    with Installation(data_dir) as second:
        again_answers = second.wait(answering, 120)
        again = second.wait(all_ok, 120)
        asked_again = members.run(lambda: WidgetMember(second.url), demo_questions(), members=1, turns=1, limit=30)
    save(
        "restart",
        [
            Figure("second start until every part is well", round(again, 1), "s", 30),
            Figure("second start until members are answered", round(again_answers, 1), "s"),
            Figure("first start until members are answered (demo documents)", round(answers_from, 1), "s"),
            Figure("first start until the engine is trained and everything is well", round(everything, 1), "s"),
            Figure("first answer while the engine trains", round(1000 * reply.times[0]) if reply.times else None, "ms"),
            Figure(
                "first answer after the second start",
                round(1000 * asked_again.times[0]) if asked_again.times else None,
                "ms",
            ),
        ],
        {"engine_at_first_answer": engine_was, "first_answer_after_s": first_answer},
        out,
        [f'The engine was "{engine_was}" when the first question was asked.'],
    )


def turns(out: Path, cache: Path, work: Path) -> None:
    """One member, then sixteen at once, with the CPU time of every process."""
    with Installation(work / "chat") as installation:
        installation.wait(all_ok, FIRST_START_SECONDS)
        questions = demo_questions()

        def member() -> WidgetMember:
            return WidgetMember(installation.url)

        members.run(member, questions, members=2, turns=_WARM_TURNS, limit=60)
        with cpu_shares(installation.cpu_seconds) as alone:
            one = members.run(member, questions, members=1, turns=ONE_MEMBER_TURNS, limit=LIMIT_SECONDS)
        with cpu_shares(installation.cpu_seconds) as together:
            many = members.run(member, questions, members=MEMBERS, turns=MEMBER_TURNS, limit=LIMIT_SECONDS)
    bottleneck, note = _bottleneck(together)
    save(
        "turns",
        [
            *figures(one, many, targets=True),
            Figure(f"cores kept busy by the bottleneck ({bottleneck})", together[bottleneck]),
        ],
        details(one, many) | {"cores_busy_one": alone, "cores_busy_many": together, "bottleneck": bottleneck},
        out,
        [
            (
                f"{ONE_MEMBER_TURNS} turns of one member, {MEMBERS} members with {MEMBER_TURNS} turns each, questions about the demo"
                " documents, each asked when the one before is answered; POST, then the event on the member's kept stream."
            ),
            note,
        ],
    )


def figures(one: Outcome, many: Outcome, *, targets: bool, peer: bool = False) -> list[Figure]:
    """The figures of one and of sixteen members."""
    single, crowd = spread(one.times), spread(many.times)
    goal: list[float | None] = [150, 300, 12, 0] if targets else [None] * 4
    return [
        Figure("one member, p50", single.get("p50"), "ms", goal[0], peer=peer),
        Figure("one member, p95", single.get("p95"), "ms", goal[1], peer=peer),
        Figure(
            f"{MEMBERS} members, turns per second", round(many.turns_per_second, 1), "/s", goal[2], "least", peer=peer
        ),
        Figure(f"{MEMBERS} members, p50", crowd.get("p50"), "ms", peer=peer),
        Figure(f"{MEMBERS} members, p95", crowd.get("p95"), "ms", peer=peer),
        Figure("lost", one.lost + many.lost, "", goal[3], peer=peer),
        Figure("answered twice", one.twice + many.twice, "", goal[3], peer=peer),
    ]


def details(one: Outcome, many: Outcome) -> dict[str, Any]:
    """All numbers of one and of sixteen members."""
    return {"one": spread(one.times), "many": spread(many.times), "many_elapsed_s": round(many.elapsed, 2)}


def _bottleneck(shares: dict[str, float]) -> tuple[str, str]:
    cores = os.cpu_count() or 1
    total = sum(shares.values())
    name = max((part for part in shares if part != "client"), key=lambda part: shares[part])
    listed = ", ".join(f"{part} {share:.2f}" for part, share in sorted(shares.items(), key=lambda item: -item[1]))
    limit = (
        "a single-threaded process at its core's limit" if shares[name] > 0.85 else "not one process at its limit alone"
    )
    return name, (
        f"Cores kept busy with {MEMBERS} members: {listed}; together {total:.2f} of {cores}. The bottleneck is the CPU of"
        f" {name} ({limit})."
    )


def _engine_state(installation: Installation) -> str:
    import httpx

    health = httpx.get(f"{installation.url}/health", timeout=10, trust_env=False).json()
    return str(health["parts"]["engine"])


def prepare(data_dir: Path) -> None:
    """A data folder with the demo documents and a trained engine, without starting everything."""
    environment = {**os.environ, "SOTAY_DATA_DIR": str(data_dir)}
    commands = (
        [sys.executable, "-m", "sotay", "demo", "load", "--first-start"],
        [".venv-engine/bin/python", "-m", "bot.train", "--data-dir", str(data_dir)],
    )
    from core.settings import ROOT

    for command in commands:
        subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)
