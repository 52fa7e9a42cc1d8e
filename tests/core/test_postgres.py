import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from core import postgres

USER = "import sys, pathlib; from core import postgres; print(postgres.ensure(pathlib.Path(sys.argv[1])), flush=True)"


def eventually(condition: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with spaces and Vietnamese letters; every test leaves a running server behind."""
    folder = tmp_path_factory.mktemp("thư mục có dấu cách") / "Sổ tay đảng viên"
    yield folder
    assert postgres.release(folder, wait=30) is True
    assert postgres.Postgres(folder).strays() == []


def query(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url, autocommit=True, connect_timeout=10) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def kill(pid: int | None) -> None:
    assert pid
    os.kill(pid, signal.SIGKILL)


def pid_of(service: postgres.Postgres) -> int:
    running = service.process()
    assert running is not None
    return running.pid


def test_six_starts_at_once_share_one_server(data_dir: Path) -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", USER, str(data_dir)], stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    urls = [process.communicate(timeout=90)[0].strip() for process in processes]
    assert [process.returncode for process in processes] == [0] * 6
    assert set(urls) == {postgres.ensure(data_dir)}


def test_a_fresh_server_is_private_and_in_utf8(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    assert query(url, "select current_database(), current_setting('server_encoding'), lower('ĐIỀU Ư')") == [
        ("sotay", "UTF8", "điều ư")
    ]
    assert query(url, "select current_setting('listen_addresses'), current_setting('unix_socket_directories')") == [
        ("127.0.0.1", "")
    ]
    assert query(url, "select distinct auth_method from pg_hba_file_rules") == [("scram-sha-256",)]
    home = postgres.Postgres(data_dir).home
    assert [(home / name).stat().st_mode & 0o777 for name in (".", "secret")] == [0o700, 0o600]


def test_a_wrong_password_is_refused(data_dir: Path) -> None:
    parts = urlsplit(postgres.ensure(data_dir))
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        query(f"postgresql://postgres:wrong@127.0.0.1:{parts.port}/sotay", "select 1")


def test_words_of_members_do_not_reach_the_log(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    query(url, "create table if not exists said (word text unique)")
    query(url, "insert into said values ('bí mật của tôi')")
    with pytest.raises(psycopg.errors.UniqueViolation):
        query(url, "insert into said values ('bí mật của tôi')")
    with pytest.raises(psycopg.errors.InvalidDatetimeFormat):  # its message quotes the value
        query(url, "select 'bí mật của tôi'::date")
    with pytest.raises(psycopg.OperationalError):
        query(postgres.at(url, "nowhere"), "select 1")
    log = postgres.Postgres(data_dir).log
    eventually(lambda: 'database "nowhere" does not exist' in log.read_text())
    assert "bí mật" not in log.read_text()


def test_acknowledged_commits_survive_kills_of_server_keeper_and_both(data_dir: Path) -> None:
    service = postgres.Postgres(data_dir)
    url = postgres.ensure(data_dir)
    query(url, "create table kept (n int)")
    for n, victims in enumerate((("server",), ("keeper",), ("server", "keeper"), ("keeper", "server"))):
        query(url, f"insert into kept values ({n})")
        server = pid_of(service)
        for victim in victims:
            kill(server if victim == "server" else service.keeper())
        eventually(lambda victims=victims, server=server: "keeper" not in victims or service.keeper() is None)
        if "server" in victims:
            eventually(lambda server=server: not service.owns(server))
        assert postgres.ensure(data_dir) == url
        assert (pid_of(service) == server) is ("server" not in victims)
        assert query(url, "select n from kept order by n") == [(i,) for i in range(n + 1)]


def test_foreign_process_in_the_pid_file(data_dir: Path) -> None:
    service = postgres.Postgres(data_dir)
    url = postgres.ensure(data_dir)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as foreign:
        pid_file = service.data / "postmaster.pid"
        content = pid_file.read_text()
        kill(service.keeper())
        kill(pid_of(service))
        eventually(lambda: service.keeper() is None and not service.owns(int(content.split()[0])))
        pid_file.write_text("\n".join([str(foreign.pid), *content.splitlines()[1:]]) + "\n")
        assert postgres.running(data_dir) is False
        assert postgres.ensure(data_dir) == url
        assert foreign.poll() is None
        foreign.kill()
    assert query(url, "select 1") == [(1,)]


def test_an_interrupted_initdb_is_begun_again(data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    service = postgres.Postgres(tmp_path)
    (service.home / "data.new").mkdir(parents=True)
    (service.home / "data.new" / "PG_VERSION").write_text("18\n")
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(postgres, "_as_allowed_user", list)
    monkeypatch.setattr(postgres.subprocess, "run", run)
    service.create()
    assert [Path(command[0]).name for command in commands] == ["initdb"]
    assert list(service.data.iterdir()) == []


def test_ensure_database_creates_it_once(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    engine = postgres.ensure_database(url, "engine")
    assert engine == url.removesuffix("/sotay") + "/engine"
    assert postgres.ensure_database(url, "engine") == engine
    assert query(engine, "select current_database()") == [("engine",)]


def test_ensure_database_says_what_an_unprivileged_user_must_do(data_dir: Path) -> None:
    url = postgres.ensure(data_dir)
    query(url, "create role plain login password 'x'")
    plain = f"postgresql://plain:x@127.0.0.1:{urlsplit(url).port}/sotay"
    with pytest.raises(postgres.PostgresError, match="may not create the database 'other': create it yourself"):
        postgres.ensure_database(plain, "other")


@pytest.mark.parametrize(
    ("platform", "found", "code", "message"),
    [
        ("darwin", "/usr/bin/unshare", 0, "PostgreSQL refuses to run as root: run as an ordinary user"),
        ("linux", None, 0, "unshare .package util-linux. is missing"),
        ("linux", "/usr/bin/unshare", 1, r"this machine forbids user namespaces \(not permitted\): run as an ordinary"),
    ],
)
def test_root_without_a_user_namespace_is_a_clear_error(
    monkeypatch: pytest.MonkeyPatch, platform: str, found: str | None, code: int, message: str
) -> None:
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres.sys, "platform", platform)
    monkeypatch.setattr(postgres.shutil, "which", lambda _: found)
    result = subprocess.CompletedProcess([], code, "", "not permitted\n")
    monkeypatch.setattr(postgres.subprocess, "run", lambda *_, **__: result)
    postgres._as_allowed_user.cache_clear()
    try:
        with pytest.raises(postgres.PostgresError, match=message):
            postgres._as_allowed_user()
    finally:
        postgres._as_allowed_user.cache_clear()


def test_an_ordinary_user_needs_nothing_in_front(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres.os, "geteuid", lambda: 1000)
    postgres._as_allowed_user.cache_clear()
    assert postgres._as_allowed_user() == []
    postgres._as_allowed_user.cache_clear()


def test_nothing_runs_in_an_empty_folder(tmp_path: Path) -> None:
    assert postgres.running(tmp_path) is False
