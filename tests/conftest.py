"""What every test may use: the shared material, a data folder of the test run, an empty database, no network."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything reads the settings: nothing of the user's own installation is touched.
for variable in list(os.environ):
    of_ours = variable.startswith(("SOTAY_", "EKYC_")) and variable not in ("SOTAY_MATERIAL", "SOTAY_DATA_DIR")
    if of_ours or variable in ("DATABASE_URL", "CHROMA_URL", "HOST", "PORT", "TLS", "DEMO"):
        del os.environ[variable]


@pytest.fixture(scope="session")
def material() -> Path:
    """The folder of laws, questions and payloads that are not part of the project (SOTAY_MATERIAL)."""
    folder = os.environ.get("SOTAY_MATERIAL")
    if not folder or not Path(folder).is_dir():
        pytest.skip("SOTAY_MATERIAL does not name the folder of test material")
    return Path(folder)


@pytest.fixture(scope="session", autouse=True)
def _no_network() -> Iterator[None]:
    """Tests talk to this machine only."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not (
            str(address[0]).startswith("127.") or address[0] in ("localhost", "::1")
        ):
            raise AssertionError(f"a test tried to reach {address[0]}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of this test run, with its own database and vector store."""
    from core import settings

    folder = tmp_path_factory.mktemp("dữ liệu")
    os.environ["SOTAY_DATA_DIR"] = str(folder)
    settings.settings.cache_clear()
    return folder


@pytest.fixture(scope="session")
def _schema(data_dir: Path) -> None:
    from core import database

    database.reset()
    database.migrate()


_EMPTY = """
do $$
declare found text;
begin
    for found in select quote_ident(tablename) from pg_tables where schemaname = 'public'
        and tablename <> 'alembic_version' and tablename <> 'procrastinate_version' loop
        execute 'delete from ' || found;
    end loop;
    for found in select quote_ident(sequencename) from pg_sequences
        where schemaname = 'public' and last_value is not null loop
        execute 'alter sequence ' || found || ' restart';
    end loop;
end $$
"""


def _empty() -> None:
    """Deleting is many times quicker than truncating: tests leave few rows."""
    from sqlalchemy import text

    from core.database import unit_of_work

    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))  # the audit log refuses to be emptied
        session.execute(text(_EMPTY))


@pytest.fixture
def database(_schema: None) -> Iterator[None]:
    """A database with the schema and without rows."""
    yield
    _empty()


@pytest.fixture(scope="module")
def shared_database(_schema: None) -> Iterator[None]:
    """The same for all tests of a module, which put back what they change."""
    yield
    _empty()
