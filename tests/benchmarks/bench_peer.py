"""Plain Rasa with its own action server: the same model, data, questions and machine, none of our parts between."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import httpx

from bot.model import model_path
from core.ports import free_port
from core.settings import ROOT
from tests.benchmarks import members
from tests.benchmarks.bench_chat import (
    LIMIT_SECONDS,
    MEMBER_TURNS,
    MEMBERS,
    ONE_MEMBER_TURNS,
    details,
    figures,
    prepare,
)
from tests.benchmarks.bench_search import demo_questions
from tests.benchmarks.installation import NotHealthyError, cpu_seconds, cpu_shares
from tests.benchmarks.members import RestMember
from tests.benchmarks.report import save

START_SECONDS = 180.0


def peer(out: Path, cache: Path, work: Path) -> None:
    """``rasa run`` with the ``rest`` channel, tracker store in memory, and ``python -m rasa_sdk`` with the same actions."""
    data_dir = work / "chat"
    prepare(data_dir)
    folder = data_dir / "plain"
    folder.mkdir(exist_ok=True)
    actions, engine = free_port(), free_port()
    (folder / "endpoints.yml").write_text(
        f"action_endpoint:\n  url: http://127.0.0.1:{actions}/webhook\n", encoding="utf-8"
    )
    (folder / "credentials.yml").write_text("rest:\n", encoding="utf-8")
    model = model_path(data_dir)
    serve_actions = [
        sys.executable,
        "-m",
        "rasa_sdk",
        "--actions",
        "tests.benchmarks.peer_actions",
        "--port",
        str(actions),
    ]
    serve_engine = [
        *(".venv-engine/bin/python", "-m", "rasa", "run", "--model", str(model)),
        *("--endpoints", str(folder / "endpoints.yml"), "--credentials", str(folder / "credentials.yml")),
        *("--interface", "127.0.0.1", "--port", str(engine)),
    ]
    with ExitStack() as stack:
        first = stack.enter_context(_process(serve_actions, data_dir, folder / "actions.log"))
        second = stack.enter_context(_process(serve_engine, data_dir, folder / "engine.log"))
        url, questions = f"http://127.0.0.1:{engine}", demo_questions()
        _wait(f"http://127.0.0.1:{actions}/health", first)
        _wait(url, second)

        def member() -> RestMember:
            return RestMember(url)

        def cpu_so_far() -> dict[str, float]:
            return {"engine": cpu_seconds(second.pid), "actions": cpu_seconds(first.pid)}

        members.run(member, questions, members=2, turns=10, limit=60)
        one = members.run(member, questions, members=1, turns=ONE_MEMBER_TURNS, limit=LIMIT_SECONDS)
        with cpu_shares(cpu_so_far) as together:
            many = members.run(member, questions, members=MEMBERS, turns=MEMBER_TURNS, limit=LIMIT_SECONDS)
    save(
        "peer",
        figures(one, many, targets=False, peer=True),
        details(one, many) | {"cores_busy_many": together},
        out,
        [
            (
                "Rasa 3.6.21 as it comes (`rasa run`, channel `rest`, tracker store in memory, a connection for each call of an action)"
                " with its own action server; the same trained model, documents, questions and replies. Nothing is stored, nobody is"
                " woken, a restart loses everything: it does less than the product's path beside it."
            ),
            "Cores kept busy: " + ", ".join(f"{part} {share:.2f}" for part, share in together.items()) + ".",
        ],
    )


@contextmanager
def _process(command: list[str], data_dir: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server of the peer, ended with the block."""
    environment = {**os.environ, "SOTAY_DATA_DIR": str(data_dir), "RASA_TELEMETRY_ENABLED": "false"}
    environment |= {"LOG_LEVEL": "WARNING", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).status_code == httpx.codes.OK:
                return
        time.sleep(0.2)
    raise NotHealthyError(f"the peer's server at {url} did not start (exit code {process.poll()})")
