"""The child processes of an installation: started, kept alive with growing pauses, ended in order."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.files import trim
from core.settings import ROOT

log = logging.getLogger(__name__)

LONGEST_PAUSE = 30.0
"""Seconds between two attempts of a part that ends again and again."""
STEADY = 60.0
"""A part that ran this many seconds has recovered."""


class Lifeline:
    """A pipe whose writing end only this process holds: children see its end however this process ends."""

    def __init__(self) -> None:
        self.reading, self._writing = os.pipe()

    def close(self) -> None:
        """Let go of both ends."""
        os.close(self.reading)
        os.close(self._writing)

    def start(
        self, arguments: Sequence[str], *, python: Path, environment: Mapping[str, str], log_file: Path
    ) -> subprocess.Popen[bytes]:
        """Start a module with its arguments; its output is appended to *log_file*.

        The child has a session of its own, so that Ctrl-C in the terminal reaches this process only.
        """
        trim(log_file)
        with log_file.open("ab") as output:
            return subprocess.Popen(
                [str(python), "-m", "core.lifeline", str(self.reading), *arguments],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=[self.reading],
                start_new_session=True,
            )


@dataclass
class Part:
    """One child process and what must have succeeded before it.

    ``first`` is a command run to its end before each series of starts; it is run again after three failures in a row.
    ``attempts``: the part has done its work when it ends with code 0, and is given up after so many failures.
    """

    name: str
    arguments: list[str]
    environment: dict[str, str]
    log_file: Path
    python: Path = Path(sys.executable)
    first: list[str] | None = None
    attempts: int | None = None
    niceness: int = 0
    process: subprocess.Popen[bytes] | None = None
    done: bool = False
    failures: int = 0
    _prepared: bool = False
    _next_start: float = 0.0
    _started: float = 0.0
    _preparing: bool = False

    @property
    def pid(self) -> int | None:
        """The process of the part itself, not of its preparation."""
        return None if self.process is None or self._preparing else self.process.pid

    @property
    def preparing(self) -> bool:
        """Whether the command that comes first is running."""
        return self.process is not None and self._preparing

    def step(self, lifeline: Lifeline) -> None:
        """Look at the process; start what is due. Returns at once."""
        if self.process is not None:
            code = self.process.poll()
            if code is not None:
                self._ended(code)
        if self.process is None and not self.done and time.monotonic() >= self._next_start:
            self._start(lifeline)

    def _start(self, lifeline: Lifeline) -> None:
        self._preparing = self.first is not None and not self._prepared
        arguments = self.first if self.first is not None and self._preparing else self.arguments
        self.process = lifeline.start(
            arguments, python=self.python, environment=self.environment, log_file=self.log_file
        )
        self._started = time.monotonic()
        if self.niceness and self._preparing:
            os.setpriority(os.PRIO_PROCESS, self.process.pid, self.niceness)

    def _ended(self, code: int) -> None:
        lived = time.monotonic() - self._started
        preparing, self.process = self._preparing, None
        if code == 0 and preparing:
            self._prepared = True
            return
        if code == 0 and self.attempts:
            self.done = True
            return
        self.failures = 1 if lived > STEADY else self.failures + 1
        if self.attempts and self.failures >= self.attempts:
            self.done = True
            log.error("%s failed %d times and is given up; its log: %s", self.name, self.failures, self.log_file)
            return
        if self.failures % 3 == 0:
            self._prepared = False
        pause = min(LONGEST_PAUSE, 0.1 * 4 ** min(self.failures - 1, 6))
        self._next_start = time.monotonic() + pause
        log.warning(
            "%s ended with code %d after %.1f s; starts again in %.1f s; its log: %s",
            self.name,
            code,
            lived,
            pause,
            self.log_file,
        )

    def restart(self) -> None:
        """End the process; the next step starts it again."""
        if self.process is not None:
            self.process.terminate()


def end(parts: Sequence[Part], *, patience: float) -> None:
    """Ask the parts to end, all at once; after *patience* seconds they are killed with what they have started."""
    living = [part.process for part in parts if part.process is not None]
    for process in living:
        process.terminate()
    deadline = time.monotonic() + patience
    try:
        for process in living:
            process.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as expired:
        log.warning("a part did not end when asked: killed (%s)", expired)
    finally:  # also when a second Ctrl-C interrupts the waiting
        for process in living:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own and is not reaped yet
                process.wait()
