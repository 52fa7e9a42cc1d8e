"""A running installation to measure: ``sotay up`` on a data folder of its own, with the CPU time of its processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from core.ports import free_port
from core.settings import ROOT

_SETTINGS = ("DATABASE_URL", "CHROMA_URL", "HOST", "TLS", "DEMO", "SOTAY_EMBEDDING_MODEL")
PARTS = ("app", "worker", "engine", "postgres", "chroma")


class NotHealthyError(RuntimeError):
    """The installation did not become what was waited for; the message says what it was last."""


class Installation:
    """``sotay up`` as a context manager: started on entry, stopped on exit."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.port = data_dir, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.started = 0.0
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        environment = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
        environment |= {"SOTAY_DATA_DIR": str(self.data_dir), "PORT": str(self.port)}
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.started = time.perf_counter()
        with (self.data_dir / "up.log").open("ab") as log:
            command = [sys.executable, "-m", "sotay", "up"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(timeout=90)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def wait(self, wanted: Callable[[dict[str, Any]], bool], timeout: float) -> float:
        """Wait until ``/health`` fulfils *wanted*; the seconds since the start. Raises NotHealthyError."""
        assert self._process is not None
        last: Any = None
        while time.perf_counter() - self.started < timeout:
            if self._process.poll() is not None:
                raise NotHealthyError(f"sotay up ended with {self._process.returncode}: see {self.data_dir / 'up.log'}")
            with suppress(httpx.HTTPError, ValueError):
                last = httpx.get(f"{self.url}/health", timeout=5, trust_env=False).json()
                if wanted(last):
                    return time.perf_counter() - self.started
            time.sleep(0.1)
        raise NotHealthyError(f"after {timeout:.0f} s: {last}")

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds used so far by each part with its children, ended ones too."""
        state = json.loads((self.data_dir / "run" / "parts.json").read_text(encoding="utf-8"))
        return {part: cpu_seconds(state[part]["pid"]) for part in PARTS if state.get(part, {}).get("pid")}


def all_ok(health: dict[str, Any]) -> bool:
    """Every part answers."""
    return bool(health["status"] == "ok")


def answering(health: dict[str, Any]) -> bool:
    """Members can be answered, with or without the engine."""
    return health["status"] in ("ok", "degraded")


def cpu_seconds(pid: int) -> float:
    """CPU seconds used so far by a process with its children, ended ones too."""
    total = 0.0
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for member in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                times = member.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


@contextmanager
def cpu_shares(cpu_seconds: Callable[[], dict[str, float]]) -> Iterator[dict[str, float]]:
    """The cores kept busy by each part (and by this process, "client") inside the block, filled in at its end."""
    shares: dict[str, float] = {}
    begun, before, own = time.perf_counter(), cpu_seconds(), time.process_time()
    yield shares
    elapsed, after = time.perf_counter() - begun, cpu_seconds()
    shares |= {part: round((after[part] - before.get(part, 0.0)) / elapsed, 3) for part in after}
    shares["client"] = round((time.process_time() - own) / elapsed, 3)
