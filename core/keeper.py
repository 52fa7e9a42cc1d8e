"""Share a local server between any number of processes, none of which has to outlive the others.

Every process that uses the server holds a shared ``flock`` on ``users.lock`` until it ends; the kernel drops the lock
however the process dies, so the lock is the reference count. A small detached process, the keeper, is the server's
parent: it restarts the server when it dies, adopts one that a killed keeper left behind, and stops it once nobody
holds ``users.lock``.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, NamedTuple, NoReturn

import psutil

from core.files import tail, trim
from core.ports import kept_port

_GRACE = 1.0
_POLL = 0.1
_CODE = Path(__file__).resolve().parent.parent


class ServiceError(RuntimeError):
    """A local server could not be made or started; the message says what to do."""


class Running(NamedTuple):
    """A server process and the port on 127.0.0.1 it serves."""

    pid: int
    port: int


class Service(ABC):
    """A server on loopback with a folder of its own under the data folder."""

    name: ClassVar[str]
    module: ClassVar[str]
    """The module that, run with ``keep DATA_DIR``, is this server's keeper."""
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stray_signal: ClassVar[signal.Signals] = signal.SIGKILL
    """What ends processes that a killed server left behind."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self.home = self.data_dir / self.name
        self.data = self.home / "data"
        self.log = self.data_dir / "log" / f"{self.name}.log"
        self.keeper_log = self.data_dir / "log" / f"{self.name}-keeper.log"

    @abstractmethod
    def create(self) -> None:
        """Make the data folder if it is missing; an interrupted creation leaves nothing that looks complete."""

    @abstractmethod
    def command(self, port: int) -> list[str]:
        """The command line that serves the data folder on *port*."""

    @abstractmethod
    def recorded(self) -> Running | None:
        """What the pid file says, which need not be true."""

    @abstractmethod
    def answers(self, running: Running) -> bool:
        """Whether the server is ready for work."""

    def environment(self) -> dict[str, str]:
        """The server's environment."""
        return dict(os.environ)

    @abstractmethod
    def record(self, running: Running) -> None:
        """Called by the keeper right after the start: record the pid where the server does not do it itself."""

    @abstractmethod
    def forget(self) -> None:
        """Remove what a dead server recorded: its pid may be another program's by now."""

    def owns(self, pid: int) -> bool:
        """Whether *pid* is a living process that works in the data folder (a pid may have been given to another)."""
        try:
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()).samefile(self.data)
        except (psutil.Error, OSError):
            return False

    def strays(self) -> list[int]:
        """The living processes that work in the data folder."""
        return [pid for pid in psutil.pids() if self.owns(pid)]

    def process(self) -> Running | None:
        """The living server, ready or not."""
        recorded = self.recorded()
        return recorded if recorded and self.owns(recorded.pid) else None

    def running(self) -> Running | None:
        """The living server if it is ready for work."""
        process = self.process()
        return process if process and self.answers(process) else None

    def keeper(self) -> int | None:
        """The pid of the living keeper."""
        if not self.home.is_dir():
            return None
        descriptor = self.open("keeper.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            content = os.pread(descriptor, 20, 0)
            return int(content) if content.isdigit() else 0
        else:
            return None
        finally:
            os.close(descriptor)

    def open(self, name: str) -> int:
        """Open a file of the home folder for locking; it is not inherited by other programs."""
        return os.open(self.home / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Nobody else starts or stops the server inside the block."""
        descriptor = self.open("start.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


_users: dict[Path, int] = {}
_guard = threading.Lock()
# A fork while another thread is inside the guard must not leave it locked for ever in the child.
os.register_at_fork(before=_guard.acquire, after_in_parent=_guard.release, after_in_child=_guard.release)


def ensure(service: Service, *, timeout: float = 60.0) -> Running:
    """Have the server running until this process ends (or ``release``), and return where it is.

    *timeout* in seconds counts from the moment no other process is starting it. Cheap to call again: then it
    also brings a killed keeper back. Raises ``ServiceError`` with the last lines of the log.
    """
    service.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    service.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _guard:
        if service.home not in _users:
            descriptor = service.open("users.lock")
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            _users[service.home] = descriptor
    running = service.running()
    if running and service.keeper() is not None:
        return running
    with service.exclusive():
        service.create()
        end = time.monotonic() + timeout
        while True:
            if service.keeper() is None:
                _launch(service)
            pause = time.monotonic() + 0.5
            while time.monotonic() < pause:
                running = service.running()
                if running:
                    return running
                time.sleep(0.02)
            if time.monotonic() > end:
                raise ServiceError(
                    f"{service.name} did not start within {timeout:.0f} seconds: see {service.log}\n{tail(service.log)}"
                )


def release(service: Service, *, wait: float = 0.0) -> bool:
    """Give up this process' use of the server; with *wait* (seconds) see whether it stops.

    Returns True once the server and its keeper are gone, False if others use it or it still runs.
    """
    with _guard:
        descriptor = _users.pop(service.home, None)
    if descriptor is not None:
        os.close(descriptor)
    keeper = service.keeper()
    if keeper and wait:
        try:
            os.kill(keeper, signal.SIGHUP)
        except ProcessLookupError:
            keeper = None
    end = time.monotonic() + wait
    seen_used = 0
    while service.keeper() is not None or service.process():
        seen_used = seen_used + 1 if _used(service) else 0
        if time.monotonic() >= end or seen_used > 3:  # once may be the keeper's own look at the lock
            return False
        time.sleep(0.02)
    return True


def _used(service: Service) -> bool:
    """Whether somebody holds ``users.lock``, a keeper that is stopping the server left aside."""
    for name in ("start.lock", "users.lock"):
        descriptor = service.open(name)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return name == "users.lock"
        finally:
            os.close(descriptor)
    return False


def _launch(service: Service) -> None:
    """Start the keeper; it puts itself into the background, holding ``keeper.lock``."""
    trim(service.keeper_log)
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_CODE), environment.get("PYTHONPATH")]))
    with service.keeper_log.open("ab") as log:
        result = subprocess.run(
            [sys.executable, "-m", service.module, "keep", str(service.data_dir)],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            check=False,
        )
    if result.returncode:
        raise ServiceError(
            f"the keeper of {service.name} did not start: see {service.keeper_log}\n{tail(service.keeper_log)}"
        )


def keep(service: Service) -> NoReturn:
    """Be the keeper: go into the background, run the server, end when nobody uses it."""
    lock = service.open("keeper.lock")
    end = time.monotonic() + 2.0
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:  # a keeper is there; a mere look at the lock lasts microseconds
                sys.exit(0)
            time.sleep(0.01)
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        os._exit(0 if os.read(ready, 1) else 1)
    os.setsid()
    os.close(ready)
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    keeper = _Keeper(service)
    try:
        os.write(tell, b"!")
        os.close(tell)
        keeper.run()
    except Exception as error:
        _say(f"the keeper of {service.name} failed: {error!r}")
        if not service.home.is_dir():  # the data folder was deleted: no other keeper will find this server again
            keeper.end_child()
        raise


class _Keeper:
    def __init__(self, service: Service) -> None:
        self.service = service
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping = False
        self.grace = _GRACE
        self.failures = 0
        self.born = 0.0
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGHUP, self._on_hurry)

    def _on_term(self, *_: object) -> None:
        self.stopping = True

    def _on_hurry(self, *_: object) -> None:
        self.grace = 0.0

    def end_child(self) -> None:
        """End the server that this keeper has started, without its folder."""
        if self.child is not None and self.child.poll() is None:
            self.child.send_signal(self.service.stop_signal)

    def run(self) -> NoReturn:
        users = self.service.open("users.lock")
        idle_since: float | None = None
        next_start = next_trim = 0.0
        while True:
            now = time.monotonic()
            if now >= next_trim:
                trim(self.service.log)
                next_trim = now + 30.0
            if not self._alive() and now >= next_start:
                self._start()
                next_start = now + min(5.0, 0.2 * 2**self.failures)
            if _free(users):
                idle_since = now if idle_since is None else idle_since
            else:
                idle_since, self.grace = None, _GRACE
            if self.stopping or (idle_since is not None and now - idle_since >= self.grace):
                with self.service.exclusive():
                    if self.stopping or _free(users, keep_it=True):
                        self._stop()
                        os._exit(0)  # gives up all locks at once: nobody sees a keeper that keeps nothing any more
                idle_since = None
            time.sleep(_POLL)

    def _alive(self) -> bool:
        if self.child is not None:
            code = self.child.poll()
            if code is None:
                return True
            lived = time.monotonic() - self.born
            self.failures = 0 if lived > 10 else min(self.failures + 1, 6)
            _say(f"{self.service.name} ended with code {code} after {lived:.1f} s")
            self.child = None
        return self.service.process() is not None

    def _start(self) -> None:
        service = self.service
        self._end_strays()
        service.forget()
        port = kept_port(service.home / "port")
        trim(service.log)
        with service.log.open("ab") as log:
            self.child = subprocess.Popen(
                service.command(port),
                cwd=service.data,
                env=service.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.born = time.monotonic()
        service.record(Running(self.child.pid, port))
        _say(f"{service.name} started: pid {self.child.pid}, port {port}")

    def _end_strays(self) -> None:
        number = self.service.stray_signal
        end = time.monotonic() + 10.0
        while strays := self.service.strays():
            for pid in strays:
                _signal(pid, number)
            if time.monotonic() > end:
                number = signal.SIGKILL
            time.sleep(0.05)

    def _stop(self) -> None:
        process = self.service.process()
        if process is None and self.child is not None and self.child.poll() is None:
            process = Running(self.child.pid, 0)  # so young that it has not recorded itself yet
        if process:
            _signal(process.pid, self.service.stop_signal)
            end = time.monotonic() + 30.0
            while self._lives(process.pid):
                if time.monotonic() > end:
                    _signal(process.pid, signal.SIGKILL)
                time.sleep(0.02)
        self._end_strays()
        self.service.forget()
        _say(f"{self.service.name} stopped")

    def _lives(self, pid: int) -> bool:
        if self.child is not None and self.child.pid == pid:
            return self.child.poll() is None
        return self.service.owns(pid)


def _free(users: int, *, keep_it: bool = False) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if not keep_it:
        fcntl.flock(users, fcntl.LOCK_UN)
    return True


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended by itself, which is what the signal was for


def _say(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), text, file=sys.stderr, flush=True)
