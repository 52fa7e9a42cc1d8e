import io
import json
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import textwrap
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from core import chroma, lifeline, postgres
from core.ports import free_port
from core.settings import ROOT, Settings
from sotay import up as module
from sotay.parts import Lifeline, Part, end
from sotay.up import up


def eventually(condition: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def settings(folder: Path, **values: Any) -> Settings:
    return Settings(_env_file=None, SOTAY_DATA_DIR=folder, DATABASE_URL=None, CHROMA_URL=None, **values)  # type: ignore[call-arg]


# The real supervisor, database and Chroma with small stand-ins for application and worker: starting, watching and
# stopping is what is tested here.
HARNESS = """
    import sys
    from pathlib import Path
    from core.settings import Settings
    from sotay import up
    from sotay.parts import Part

    def parts(self):
        where = ["--port", str(self.settings.port), "--host", "127.0.0.1"]
        if self.certificate:
            where += ["--tls", str(self.certificate.certificate), str(self.certificate.key)]
        environment = self._environment()
        return [
            Part("app", ["stand_in", *where], environment, self.logs / "app.log"),
            Part("worker", ["stand_in"], environment, self.logs / "worker.log"),
            Part("demo", ["platform"], environment, self.logs / "demo.log", attempts=1),
        ]

    up._Supervisor._make_parts = parts
    up._Supervisor._migrate = lambda self: None
    folder, port, tls = sys.argv[1:]
    sys.exit(up.up(Settings(SOTAY_DATA_DIR=folder, PORT=port, TLS=tls), demo=True))
"""
STAND_IN = """
    import http.server, ssl, sys, threading

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_): pass

    if "--port" in sys.argv:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler)
        if "--tls" in sys.argv:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*sys.argv[6:8])
            server.socket = context.wrap_socket(server.socket, server_side=True)
        server.serve_forever()
    threading.Event().wait()
"""


class Installation:
    def __init__(self, folder: Path, tls: str = "no") -> None:
        self.folder, self.tls = folder / "dữ liệu", tls
        self.code = folder / "code"
        self.code.mkdir()
        for name, content in (("harness", HARNESS), ("stand_in", STAND_IN)):
            (self.code / f"{name}.py").write_text(textwrap.dedent(content))
        self.port = free_port()
        self.processes: list[subprocess.Popen[str]] = []

    def start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(self.code), str(ROOT)])}
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", str(self.folder), str(self.port), self.tls],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(process)
        return process

    def state(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads((self.folder / "run" / "parts.json").read_text())
        except FileNotFoundError:
            return {}
        return content

    def pid(self, part: str) -> int | None:
        found: int | None = self.state().get(part, {}).get("pid")
        return found

    def pids(self) -> list[int]:
        values = [value for value in self.state().values() if isinstance(value, dict)]
        return [pid for value in values for pid in (value["pid"], value.get("keeper")) if pid]

    def nothing_runs(self) -> bool:
        services = [postgres.Postgres(self.folder), chroma.Chroma(self.folder)]
        return all(service.keeper() is None and service.strays() == [] for service in services)

    def clean(self) -> None:
        for process in self.processes:
            process.kill()
            process.communicate()
        eventually(self.nothing_runs)


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    made = Installation(tmp_path)
    yield made
    made.clean()


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def test_start_restart_of_killed_parts_and_clean_stop(installation: Installation) -> None:
    process = installation.start()
    assert first_line(process) == f"http://127.0.0.1:{installation.port}/\n"

    second = installation.start()
    assert second.communicate(timeout=60)[1] == (
        f"Sổ tay đang chạy trên thư mục dữ liệu {installation.folder}.\n"
        f"Sổ tay is already running on the data folder {installation.folder}.\n"
    )
    assert second.returncode == 1

    eventually(lambda: all(installation.pid(part) for part in ("app", "worker", "postgres", "chroma")))
    for part in ("app", "worker", "postgres", "chroma"):
        before = installation.pid(part)
        assert before is not None
        os.kill(before, signal.SIGKILL)
        eventually(lambda part=part, before=before: installation.pid(part) not in (None, before))
    killed = installation.state()["postgres"]["keeper"]
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: installation.state()["postgres"]["keeper"] not in (None, killed))

    pids = installation.pids()
    assert len(pids) == 7  # supervisor, two parts, two services with their keepers
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert [pid for pid in pids if alive(pid)] == []
    assert installation.state() == {}
    assert installation.nothing_runs() is True


def test_everything_ends_with_a_killed_supervisor(installation: Installation) -> None:
    process = installation.start()
    first_line(process)
    eventually(lambda: all(installation.pid(part) for part in ("app", "worker", "postgres", "chroma")))
    pids = installation.pids()
    process.kill()
    process.communicate()
    eventually(lambda: not any(alive(pid) for pid in pids))
    restarted = installation.start()  # the state file of the killed one is no obstacle
    assert first_line(restarted) == f"http://127.0.0.1:{installation.port}/\n"
    restarted.send_signal(signal.SIGTERM)
    assert restarted.wait(timeout=60) == 0


def test_taken_port_is_a_clear_error_and_nothing_is_started(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", installation.port)):
        process = installation.start()
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (1, "")
    next_port = installation.port + 1
    assert errors == (
        f"Cổng {installation.port} đang được chương trình khác dùng. Hãy chọn cổng khác, ví dụ: make run PORT={next_port}\n"
        f"Port {installation.port} is already in use. Choose another one, for example: make run PORT={next_port}\n"
    )
    assert not (installation.folder / "postgres").exists()


def test_tls_serves_with_the_certificate_of_the_installation(tmp_path: Path) -> None:
    installation = Installation(tmp_path, tls="self")
    try:
        process = installation.start()
        assert first_line(process) == f"https://127.0.0.1:{installation.port}/\n"
        trusted = ssl.create_default_context(cafile=str(installation.folder / "tls" / "certificate.pem"))
        url = f"https://localhost:{installation.port}/health"
        with urllib.request.urlopen(url, context=trusted) as response:
            assert response.status == 200
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(url, context=ssl.create_default_context())
    finally:
        installation.clean()


def test_failing_service_is_reported_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(_: Path) -> str:
        raise postgres.PostgresError("run as an ordinary user")

    monkeypatch.setattr(module.postgres, "ensure", refuse)
    before = signal.getsignal(signal.SIGTERM)
    assert up(settings(tmp_path, PORT=free_port()), demo=False) == 1
    assert capsys.readouterr().err.splitlines()[-1] == "run as an ordinary user"
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.fixture
def pipe() -> Iterator[Lifeline]:
    made = Lifeline()
    yield made
    made.close()


def part(folder: Path, code: str, **options: Any) -> Part:
    (folder / "work_of_part.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return Part("part", ["work_of_part"], environment, folder / "part.log", **options)


def run(one: Part, pipe: Lifeline, until: Callable[[], object]) -> None:
    def step() -> object:
        one.step(pipe)
        return until()

    eventually(step)


def test_a_part_that_ends_again_and_again_is_started_with_growing_pauses(
    tmp_path: Path, pipe: Lifeline, caplog: pytest.LogCaptureFixture
) -> None:
    one = part(tmp_path, "print('hello', flush=True); raise SystemExit(3)")
    with caplog.at_level(logging.WARNING):
        run(one, pipe, lambda: one.failures == 3)
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(";")[1] for message in messages] == [
        " starts again in 0.1 s",
        " starts again in 0.4 s",
        " starts again in 1.6 s",
    ]
    assert all(message.startswith("part ended with code 3 after ") for message in messages)
    assert one.log_file.read_text() == "hello\n" * 3


def test_a_part_with_attempts_is_given_up_or_done(tmp_path: Path, pipe: Lifeline) -> None:
    failing = part(tmp_path, "raise SystemExit(1)", attempts=2)
    run(failing, pipe, lambda: failing.done)
    assert failing.failures == 2
    working = part(tmp_path, "", attempts=2)
    run(working, pipe, lambda: working.done)
    assert (working.failures, working.process) == (0, None)


def test_what_comes_first_runs_before_the_part_and_is_not_the_part(tmp_path: Path, pipe: Lifeline) -> None:
    one = part(tmp_path, "import time; print('part', flush=True); time.sleep(600)", first=["work_before"])
    (tmp_path / "work_before.py").write_text("print('first', flush=True)")
    one.step(pipe)
    assert (one.preparing, one.pid) == (True, None)
    run(one, pipe, lambda: one.pid is not None and one.log_file.read_text() == "first\npart\n")
    end([one], patience=10)
    assert one.process is not None
    assert one.process.returncode == -signal.SIGTERM


def test_a_part_that_does_not_listen_is_killed_with_what_it_started(tmp_path: Path, pipe: Lifeline) -> None:
    code = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']).pid, flush=True)
time.sleep(600)
"""
    one = part(tmp_path, code)
    run(one, pipe, lambda: one.log_file.read_text().strip())
    end([one], patience=0.1)
    assert one.process is not None
    assert one.process.returncode == -signal.SIGKILL
    eventually(lambda: not alive(int(one.log_file.read_text())))


def test_lifeline_refuses_a_call_without_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["lifeline", "x"])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with pytest.raises(SystemExit, match=r"usage: python -m core\.lifeline"):
        lifeline.main()
