"""The Chroma server of a data folder: on 127.0.0.1, shared by all processes, kept alive by its keeper."""

from __future__ import annotations

import http.client
import json
import os
import sys
from pathlib import Path
from typing import NoReturn

from core import keeper
from core.files import write_private

# `chroma run` without the Python client, whose import takes most of its start: 0.25 s instead of 2.5 s.
_SERVER = "import sys, chromadb_rust_bindings as server; server.cli(sys.argv)"


class Chroma(keeper.Service):
    """The vector store's server of a data folder."""

    name = "chroma"
    module = "core.chroma"

    def create(self) -> None:
        """An empty folder: the server makes the rest."""
        self.data.mkdir(mode=0o700, exist_ok=True)

    def command(self, port: int) -> list[str]:
        """``chroma run`` in the foreground."""
        options = ["--path", str(self.data), "--host", "127.0.0.1", "--port", str(port)]
        return [sys.executable, "-c", _SERVER, "run", *options]

    def environment(self) -> dict[str, str]:
        """Telemetry off; warnings only in the log, in plain text."""
        return {**os.environ, "ANONYMIZED_TELEMETRY": "False", "NO_COLOR": "1", "RUST_LOG": "warn"}

    @property
    def _pid_file(self) -> Path:
        return self.home / "pid"

    def recorded(self) -> keeper.Running | None:
        """What the keeper wrote at the start."""
        try:
            pid, port = json.loads(self._pid_file.read_text())
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return keeper.Running(int(pid), int(port))

    def record(self, running: keeper.Running) -> None:
        """Record pid and port: Chroma has no pid file."""
        write_private(self._pid_file, json.dumps(running))

    def forget(self) -> None:
        """Remove the record of a dead server."""
        self._pid_file.unlink(missing_ok=True)

    def answers(self, running: keeper.Running) -> bool:
        """Whether the heartbeat is there."""
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=2)
        try:
            connection.request("GET", "/api/v2/heartbeat")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def ensure(data_dir: Path, *, timeout: float = 60.0) -> str:
    """Have Chroma running until this process ends; return its address (``http://127.0.0.1:PORT``).

    Raises ``ServiceError`` with the last lines of the log.
    """
    return f"http://127.0.0.1:{keeper.ensure(Chroma(data_dir), timeout=timeout).port}"


def running(data_dir: Path) -> bool:
    """Whether the server of this data folder is up and answers."""
    return Chroma(data_dir).running() is not None


def release(data_dir: Path, *, wait: float = 0.0) -> bool:
    """Give up this process' use of the server; True once it has stopped (waits up to *wait* seconds)."""
    return keeper.release(Chroma(data_dir), wait=wait)


def _main(arguments: list[str]) -> NoReturn:
    if len(arguments) != 2 or arguments[0] != "keep":
        sys.exit("usage: python -m core.chroma keep DATA_DIR")
    keeper.keep(Chroma(Path(arguments[1])))


if __name__ == "__main__":
    _main(sys.argv[1:])
