"""Start everything, keep it running, and stop it cleanly: ``sotay up``.

The database and Chroma have keepers of their own (``core.keeper``); application, worker and engine are children of
this process and end with it, however it ends.
"""

from __future__ import annotations

import fcntl
import http.client
import json
import logging
import os
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from bot.model import model_path
from core import chroma, keeper, postgres
from core.files import write_private
from core.ports import kept_port
from core.secrets import secret
from core.settings import ROOT, Settings
from sotay import tls
from sotay.address import StartError, addresses, check_port, local_host
from sotay.parts import Lifeline, Part, end

log = logging.getLogger(__name__)

ENGINE_PYTHON = ROOT / ".venv-engine" / "bin" / "python"
ACTIONS_PATH = "internal/actions"


class _Stopped(BaseException):
    """Ctrl-C or SIGTERM arrived while something was being waited for."""


@dataclass
class _Signals:
    """Ctrl-C, SIGTERM and a closed terminal, counted; inside ``waiting`` they interrupt."""

    count: int = 0
    waiting: bool = False
    patience: int = 1
    _before: dict[int, Callable[[int, FrameType | None], object] | int | None] = field(default_factory=dict)

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup: it is meant to outlive the terminal
            self._before[number] = signal.signal(number, self._on_signal)

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, *_: object) -> None:
        self.count += 1
        if self.waiting and self.count >= self.patience:
            self.waiting = False
            raise _Stopped

    def interruptible(self, *, patience: int) -> None:
        """From now on the *patience*-th signal interrupts at once."""
        self.waiting, self.patience = True, patience
        if self.count >= patience:
            raise _Stopped

    def collected(self) -> None:
        """From now on signals are only counted."""
        self.waiting = False


def up(settings: Settings, *, demo: bool) -> int:
    """Start everything and stay until Ctrl-C or SIGTERM; the exit code.

    Prints the addresses on standard output, one a line, as soon as the application is healthy; progress goes to
    standard error.
    """
    signals = _Signals()
    signals.install()
    supervisor = _Supervisor(settings, signals, demo=demo)
    try:
        try:
            signals.interruptible(patience=1)
            supervisor.start()
            signals.collected()
            supervisor.supervise()
        except _Stopped:
            log.info("stopped while starting")
        except (StartError, keeper.ServiceError) as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            signals.collected()
            supervisor.stop()
    finally:
        signals.restore()
    return 0


class _Supervisor:
    def __init__(self, settings: Settings, signals: _Signals, *, demo: bool) -> None:
        self.settings = settings
        self.signals = signals
        self.demo = demo
        self.run_dir = settings.data_dir / "run"
        self.logs = settings.data_dir / "log"
        self.lifeline = Lifeline()
        self.lock: TextIO | None = None
        self.parts: list[Part] = []
        self.certificate: tls.Certificate | None = None
        self.services: tuple[str, str] | None = None
        self.ended = threading.Event()
        self.watcher: threading.Thread | None = None
        self.written = ""
        self.trained = model_path(settings.data_dir).exists()

    @property
    def state_file(self) -> Path:
        return self.run_dir / "parts.json"

    # Starting

    def start(self) -> None:
        for folder in (self.run_dir, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock()
        self._check_port()
        _say("Sổ tay đang khởi động … (nhấn Ctrl-C để dừng)")
        self.services = self._ensure_services()
        self._migrate()
        if self.settings.tls == "self":
            self.certificate = tls.certificate(self.settings.data_dir, self.settings.host)
        self.parts = self._make_parts()

    def _lock(self) -> None:
        lock = (self.run_dir / "up.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            where = self.settings.data_dir
            raise StartError(
                f"Sổ tay đang chạy trên thư mục dữ liệu {where}.\nSổ tay is already running on the data folder {where}."
            ) from error
        self.lock = lock

    def _check_port(self) -> None:
        """A supervisor that was killed leaves its state file, and its children need a moment to end."""
        deadline = time.monotonic() + (15.0 if self.state_file.exists() else 0.0)
        while True:
            try:
                return check_port(self.settings.host, self.settings.port)
            except StartError:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(0.1)

    @staticmethod
    def _migrate() -> None:
        # Imported here: an error before it (a taken port) need not wait for SQLAlchemy.
        from core import crypto, database  # noqa: PLC0415

        database.migrate()
        try:
            with database.unit_of_work() as session:
                crypto.check(session)
        except crypto.MasterKeyError as error:
            raise StartError(f"Không đọc được khóa chủ, xem docs/operations.md, mục “Mất khóa”.\n{error}") from error
        finally:
            database.reset()

    def _ensure_services(self) -> tuple[str, str]:
        """The addresses of database and Chroma; those of this installation are started, and their keepers revived."""
        settings = self.settings
        return (
            settings.database_url or postgres.ensure(settings.data_dir),
            settings.chroma_url or chroma.ensure(settings.data_dir),
        )

    def _make_parts(self) -> list[Part]:
        settings, environment = self.settings, self._environment()
        application = ["uvicorn", "sotay.app:create_app", "--factory", "--no-access-log", "--no-server-header"]
        application += ["--host", settings.host, "--port", str(settings.port), "--timeout-graceful-shutdown", "3"]
        if settings.trusted_proxies:
            application += ["--proxy-headers", "--forwarded-allow-ips", settings.trusted_proxies]
        else:  # uvicorn would believe X-Forwarded-For from loopback, or from whomever the environment names
            application += ["--no-proxy-headers"]
        if self.certificate:
            application += ["--ssl-certfile", str(self.certificate.certificate)]
            application += ["--ssl-keyfile", str(self.certificate.key)]
        parts = [
            Part("app", application, environment, self.logs / "app.log"),
            Part("worker", ["sotay", "worker"], environment, self.logs / "worker.log"),
        ]
        if self.demo:
            arguments = ["sotay", "demo", "load", "--first-start"]
            parts.append(Part("demo", arguments, environment, self.logs / "demo.log", attempts=3))
        if ENGINE_PYTHON.exists():
            parts.append(self._engine(environment))
        else:
            log.warning("the engine's environment is missing (run `make setup`); the chat answers without the engine")
        return parts

    def _environment(self) -> dict[str, str]:
        settings = self.settings
        return {
            **os.environ,
            "SOTAY_DATA_DIR": str(settings.data_dir),
            "HOST": settings.host,
            "PORT": str(settings.port),
            "TLS": settings.tls,
            "ANONYMIZED_TELEMETRY": "False",
            "ORT_DISABLE_TELEMETRY": "1",
        }

    def _engine(self, environment: dict[str, str]) -> Part:
        data_dir = self.settings.data_dir
        common = ["--data-dir", str(data_dir)]
        port = kept_port(self.run_dir / "engine.port")
        return Part(
            "engine",
            ["bot.serve", *common, "--model", str(model_path(data_dir)), "--port", str(port)],
            self._engine_environment(environment),
            self.logs / "engine.log",
            python=ENGINE_PYTHON,
            first=["bot.train", *common],
            niceness=5,
        )

    def _engine_environment(self, environment: dict[str, str]) -> dict[str, str]:
        result = {
            **environment,
            "SOTAY_ENGINE_SECRET": secret("engine", data_dir=self.settings.data_dir),
            "SOTAY_ACTIONS_URL": addresses(self.settings)[0] + ACTIONS_PATH,
            "RASA_TRACKER_URL": self._engine_database(),
            "KERAS_HOME": str(self.settings.data_dir / "engine" / "keras"),  # nothing outside the data folder
        }
        if self.certificate:  # the engine calls the application's actions, and trusts this certificate alone
            result["SSL_CERT_FILE"] = str(self.certificate.certificate)
        return result

    def _engine_database(self) -> str:
        """The engine's conversations have a database of their own, beside ours."""
        assert self.services is not None
        url = self.services[0]
        own = postgres.engine_name(url, embedded=not self.settings.database_url)
        return postgres.ensure_database(url, own)

    # Running

    def supervise(self) -> None:
        self.watcher = threading.Thread(target=self._watch_services, name="services", daemon=True)
        self.watcher.start()
        announced = told = False
        while not self.signals.count:
            for part in self.parts:
                part.step(self.lifeline)
            self._write_state()
            if not told and not self.trained and any(part.preparing for part in self.parts):
                told = True
                _say("Bộ hội thoại đang được chuẩn bị (lần đầu khoảng một phút); trong lúc đó chat đã tra cứu được.")
            if not announced and not self._demo_is_loading() and self._healthy():
                announced = True
                self._announce()
            time.sleep(0.1)

    def _watch_services(self) -> None:
        """Bring killed keepers back; when a service has moved to another port, start what uses it anew."""
        while not self.ended.wait(1.0):
            try:
                services = self._ensure_services()
            except (keeper.ServiceError, OSError):
                log.exception("a service is down")
                continue
            if services != self.services:
                log.warning("a service has moved to another port: everything that uses it starts again")
                self.services = services
                engine = next((part for part in self.parts if part.name == "engine"), None)
                if engine:
                    engine.environment = self._engine_environment(self._environment())
                for part in self.parts:
                    part.restart()

    def _demo_is_loading(self) -> bool:
        return any(part.name == "demo" and not part.done for part in self.parts)

    def _healthy(self) -> bool:
        host, port = local_host(self.settings.host), self.settings.port
        connection: http.client.HTTPConnection
        if self.certificate:
            context = ssl.create_default_context(cafile=str(self.certificate.certificate))
            connection = http.client.HTTPSConnection(host, port, timeout=2, context=context)
        else:
            connection = http.client.HTTPConnection(host, port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _announce(self) -> None:
        _say("Sổ tay đã sẵn sàng. Mở địa chỉ sau trong trình duyệt:")
        for address in addresses(self.settings):
            print(address, flush=True)
        if self.certificate:
            _say(f"Chứng chỉ tự ký, dấu vân tay SHA-256:\n{self.certificate.fingerprint}")
        self._show_first_administrator()

    def _show_first_administrator(self) -> None:
        """The demo's administrator, once: the password is stored nowhere else."""
        if not self.demo:
            return
        # Imported here: see _migrate.
        from sotay.demo_loader import take_first_administrator  # noqa: PLC0415

        shown = take_first_administrator()
        if shown:
            _say(
                f"Trang quản trị: {addresses(self.settings)[0]}admin (tổ chức mẫu, hư cấu)\n"
                f"  email     {shown['email']}\n  mật khẩu  {shown['password']}\n  mã xác thực (TOTP)  {shown['totp_uri']}\n"
                "Thông tin này chỉ hiện một lần. Xem nhanh: mở trang chủ, chọn “Bản mẫu: dùng thử với vai khác”."
            )

    def _write_state(self) -> None:
        """``run/parts.json``: pid and port of every part, for people and tests that look for one."""
        state: dict[str, object] = {
            "address": addresses(self.settings)[0],
            "supervisor": {"pid": os.getpid()},
            **{part.name: {"pid": part.pid} for part in self.parts if part.name != "demo"},
        }
        for service in self._own_services():
            process = service.process()
            state[service.name] = {
                "pid": process.pid if process else None,
                "port": process.port if process else None,
                "keeper": service.keeper(),
            }
        content = json.dumps(state, indent=1)
        if content != self.written:
            write_private(self.state_file, content)
            self.written = content

    def _own_services(self) -> list[keeper.Service]:
        services: list[keeper.Service] = []
        if not self.settings.database_url:
            services.append(postgres.Postgres(self.settings.data_dir))
        if not self.settings.chroma_url:
            services.append(chroma.Chroma(self.settings.data_dir))
        return services

    # Stopping

    def stop(self) -> None:
        """End the children in order, then the services if nobody else uses them. One more signal kills at once."""
        started = self.services is not None
        if started:
            _say("Sổ tay đang dừng …")
        self.ended.set()
        try:
            self.signals.interruptible(patience=self.signals.count + 1)
            self._end_parts(patience=12.0)
            self.signals.collected()
        except _Stopped:
            self.signals.collected()
            self._end_parts(patience=0.0)
        if self.watcher:
            self.watcher.join(timeout=5)
        for service in self._own_services():
            if started:
                keeper.release(service, wait=35.0)
        if self.lock:
            self.state_file.unlink(missing_ok=True)
            self.lock.close()
        self.lifeline.close()
        if started:
            _say("Sổ tay đã dừng.")

    def _end_parts(self, *, patience: float) -> None:
        """The engine goes last: the worker finishes what it has in hand."""
        end([part for part in self.parts if part.name != "engine"], patience=patience)
        end([part for part in self.parts if part.name == "engine"], patience=patience / 2)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
