import importlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from core import keeper

ROOT = Path(keeper.__file__).resolve().parent.parent

# A server that is nothing but a sleeping process: what is tested here is the keeper alone.
SLEEPER = """
    import json, sys, time
    from pathlib import Path
    from core import keeper
    from core.files import write_private

    class Sleeper(keeper.Service):
        name = "sleeper"
        module = "sleeper"

        def create(self): self.data.mkdir(exist_ok=True)
        def command(self, port): return [sys.executable, "-c", "import time; time.sleep(600)"]
        def recorded(self):
            try: return keeper.Running(*json.loads((self.home / "pid").read_text()))
            except FileNotFoundError: return None
        def record(self, running): write_private(self.home / "pid", json.dumps(running))
        def forget(self): (self.home / "pid").unlink(missing_ok=True)
        def answers(self, running): return True

    if __name__ == "__main__":
        command, folder = sys.argv[1:]
        service = Sleeper(Path(folder))
        if command == "keep": keeper.keep(service)
        print(json.dumps(keeper.ensure(service)), flush=True)
        sys.stdin.readline()
"""


def eventually(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> keeper.Service:
    code = tmp_path / "code"
    code.mkdir()
    (code / "sleeper.py").write_text(textwrap.dedent(SLEEPER))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(code), str(ROOT)]))
    monkeypatch.syspath_prepend(str(code))
    monkeypatch.delitem(sys.modules, "sleeper", raising=False)
    return importlib.import_module("sleeper").Sleeper(tmp_path / "dữ liệu")


def start_user(service: keeper.Service) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sleeper", "use", str(service.data_dir)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def end_user(user: subprocess.Popen[bytes]) -> None:
    user.kill()
    user.communicate()


def test_service_lives_as_long_as_its_last_user(sleeper: keeper.Service) -> None:
    first, second = start_user(sleeper), start_user(sleeper)
    assert first.stdout is not None
    assert second.stdout is not None
    assert first.stdout.readline() == second.stdout.readline()
    end_user(first)
    time.sleep(2.5 * keeper._GRACE)
    assert sleeper.running() is not None
    end_user(second)  # killed: it has no chance to say goodbye
    eventually(lambda: sleeper.process() is None and sleeper.keeper() is None)
    assert sleeper.strays() == []


def test_keeper_restarts_a_killed_service_on_the_same_port(sleeper: keeper.Service) -> None:
    before = keeper.ensure(sleeper)
    os.kill(before.pid, signal.SIGKILL)
    eventually(lambda: (now := sleeper.running()) is not None and now.pid != before.pid)
    after = sleeper.running()
    assert after is not None
    assert after.port == before.port
    assert keeper.release(sleeper, wait=10) is True


def test_new_keeper_adopts_what_a_killed_keeper_left(sleeper: keeper.Service) -> None:
    before = keeper.ensure(sleeper)
    old = sleeper.keeper()
    assert old is not None
    os.kill(old, signal.SIGKILL)
    eventually(lambda: sleeper.keeper() is None)
    assert keeper.ensure(sleeper) == before
    assert sleeper.keeper() not in (None, old)
    assert keeper.release(sleeper, wait=10) is True
    assert not sleeper.owns(before.pid)


def test_foreign_process_in_the_pid_file_is_left_alone(sleeper: keeper.Service) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as foreign:
        sleeper.home.mkdir(parents=True)
        sleeper.record(keeper.Running(foreign.pid, 1))
        assert sleeper.running() is None
        running = keeper.ensure(sleeper)
        assert running.pid != foreign.pid
        assert keeper.release(sleeper, wait=10) is True
        assert foreign.poll() is None
        foreign.kill()


def test_a_service_that_cannot_start_is_an_error_with_its_log(
    sleeper: keeper.Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(sleeper), "answers", lambda *_: False)
    sleeper.log.parent.mkdir(parents=True)
    sleeper.log.write_text("disk full\n")
    with pytest.raises(keeper.ServiceError, match=r"sleeper did not start within 1 seconds.*\ndisk full"):
        keeper.ensure(sleeper, timeout=1)
    assert keeper.release(sleeper, wait=10) is True


def test_release_tells_that_others_use_the_service(sleeper: keeper.Service) -> None:
    user = start_user(sleeper)
    assert user.stdout is not None
    user.stdout.readline()
    keeper.ensure(sleeper)
    assert keeper.release(sleeper, wait=10) is False
    end_user(user)
    eventually(lambda: sleeper.keeper() is None)
