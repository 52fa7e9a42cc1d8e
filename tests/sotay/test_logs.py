"""The logs tell what failed and where, never what people wrote or who they are."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import text

from core import crypto
from core.database import unit_of_work
from core.ports import free_port
from core.settings import ROOT
from members import register
from members.access import SYSTEM, NotVisibleError
from members.models import Account
from members.particulars import Private
from sotay import logs
from tests.people import make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NAME, PHONE, CARD, EMAIL = "Trần Thị Bí Mật", "0912345678", "10000077", "bi.mat@example.org"
PLANTED = (NAME, "Bí Mật", PHONE, CARD, EMAIL, "bi.mat", "hunter2-mật-khẩu")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What the product's logging writes, at its most talkative."""
    root, stream = logging.getLogger(), io.StringIO()
    before, level, hook = root.handlers[:], root.level, threading.excepthook
    logs.configure_logging()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    root.setLevel(logging.DEBUG)
    yield stream
    root.handlers[:], threading.excepthook = before, hook
    root.setLevel(level)


def failing_statement(statement: str, **values: object) -> None:
    with unit_of_work() as session:
        session.execute(text(statement), values)


def duplicate() -> None:
    with unit_of_work() as session:
        make_account(session, "A").email_key = EMAIL
        make_account(session, "B").email_key = EMAIL


def flush_of_a_bad_row() -> None:
    with unit_of_work() as session:
        session.add(Account(id=uuid.uuid4(), name=NAME, email=EMAIL))


def chained() -> None:
    try:
        int(PHONE + "x")
    except ValueError as error:
        raise RuntimeError("the import has failed") from error


def plain_psycopg() -> None:
    from core import database

    with database.connect() as connection:
        connection.execute("select %s::date", [NAME])


FAILURES = {
    "unique": (duplicate, "UniqueViolation", "uq_account_email_key"),
    "value in the message": (lambda: failing_statement("select cast(:x as date)", x=NAME), "InvalidDatetimeFormat", "22007"),
    "row in the detail": (flush_of_a_bad_row, "IntegrityError", "NotNull"),
    "python": (lambda: int(PHONE + "x"), "ValueError", "test_logs.py"),
    "key": (lambda: {}[EMAIL], "KeyError", "test_logs.py"),
    "chain": (chained, "RuntimeError: the import has failed", "ValueError"),
    "encoding": (lambda: NAME.encode("ascii"), "UnicodeEncodeError", "test_logs.py"),
    "driver": (plain_psycopg, "InvalidDatetimeFormat", "22007"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAILURES)
def test_a_logged_failure_says_where_and_what_kind_and_no_values(written: io.StringIO, name: str) -> None:
    work, kind, hint = FAILURES[name]
    try:
        work()  # type: ignore[no-untyped-call]
    except Exception:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    found = written.getvalue()
    assert kind in found
    assert hint in found
    assert [value for value in PLANTED if value in found] == []


def test_a_failed_thread_is_logged_by_the_same_rules(written: io.StringIO) -> None:
    thread = threading.Thread(target=chained, name="import")
    thread.start()
    thread.join()
    found = written.getvalue()
    assert "thread import has failed" in found
    assert PHONE not in found


def test_the_message_of_a_lost_connection_is_kept(written: io.StringIO) -> None:
    with pytest.raises(psycopg.OperationalError) as caught:
        psycopg.connect("postgresql://127.0.0.1:1/sotay", connect_timeout=2)
    assert "127.0.0.1" in logs.describe(caught.value)


def test_groups_of_errors_are_written_one_by_one(written: io.StringIO) -> None:
    group = ExceptionGroup("several", [ValueError(PHONE), KeyError(EMAIL)])
    logging.getLogger("x").error("failed", exc_info=group)
    found = written.getvalue()
    assert "ValueError" in found
    assert "KeyError" in found
    assert [value for value in PLANTED if value in found] == []


def test_the_work_of_the_register_leaves_nobody_in_the_log(
    written: io.StringIO, caplog: pytest.LogCaptureFixture
) -> None:
    private = Private(card_number=CARD, phone=PHONE, date_of_birth=date(1970, 1, 1))
    with unit_of_work() as session:
        unit = make_units(session).a1
        member = register.add(session, SYSTEM, unit_id=unit, name=NAME, private=private)
        register.view(session, SYSTEM, member.id)
        crypto.rotate(session)
    for work in (
        lambda session: register.add(session, SYSTEM, unit_id=unit, name=NAME, private=private),
        lambda session: register.add(session, SYSTEM, unit_id=-1, name=NAME, private=private),
    ):
        with pytest.raises((ValueError, NotVisibleError)), unit_of_work() as session:
            work(session)
    assert [value for value in PLANTED if value in written.getvalue() + caplog.text] == []


SERVER = """
    import sys
    import uvicorn
    from fastapi import Request
    from sotay.app import create_app

    def build():
        app = create_app()

        @app.get("/fails")
        def fails(x: str):
            return int(x)

        @app.post("/fails-in-the-database")
        async def fails_in_the_database(request: Request):
            from sqlalchemy import text
            from core.database import unit_of_work
            form = await request.form()
            with unit_of_work() as session:
                session.execute(text("select cast(:x as date), :y"), {"x": form["x"], "y": form["y"]})

        @app.post("/breaks-in-the-database")
        async def breaks_in_the_database(request: Request):
            from sqlalchemy import text
            from core.database import unit_of_work
            form = await request.form()
            with unit_of_work() as session:
                session.execute(text("select :x, :y from nowhere"), {"x": form["x"], "y": form["y"]})

        return app

    if __name__ == "__main__":
        sys.modules["planted"] = sys.modules["__main__"]
        uvicorn.main(["planted:build", "--factory", "--no-access-log", "--host", "127.0.0.1", "--port", sys.argv[1]])
"""


def test_a_served_application_writes_no_values_to_its_log_files(data_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "serve.py").write_text(textwrap.dedent(SERVER))
    port, log = free_port(), tmp_path / "app.log"
    environment = {**os.environ, "SOTAY_LOG_LEVEL": "DEBUG", "PYTHONPATH": str(ROOT), "SOTAY_DATA_DIR": str(data_dir)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(tmp_path / "serve.py"), str(port)], env=environment, stdout=output, stderr=output
        )
    try:
        alone = httpx.Limits(max_keepalive_connections=0)  # the server closes a connection after a failure
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20, limits=alone) as client:
            deadline = time.monotonic() + 60
            while True:
                try:
                    client.get("/")
                    break
                except httpx.TransportError:
                    assert process.poll() is None, log.read_text()
                    assert time.monotonic() < deadline, "waited in vain"
                    time.sleep(0.1)
            assert client.get("/fails", params={"x": PHONE + NAME}).status_code == 500
            assert client.post("/fails-in-the-database", data={"x": NAME, "y": EMAIL}).status_code == 422
            assert client.post("/breaks-in-the-database", data={"x": NAME, "y": EMAIL}).status_code == 500
            form = {"email": EMAIL, "password": "hunter2-mật-khẩu", "code": "123456"}
            assert (
                client.post("/admin/sign-in", data=form, headers={"Sec-Fetch-Site": "same-origin"}).status_code >= 400
            )
            assert client.get("/admin/members", params={"q": NAME}).status_code in (303, 404)
            assert client.post("/api/chat/messages", json={"text": NAME, "message_id": PHONE}).status_code >= 400
    finally:
        process.terminate()
        process.wait(30)
    content = log.read_text()
    assert "ValueError" in content
    assert "InvalidDatetimeFormat" in content
    assert "UndefinedTable" in content
    assert [value for value in PLANTED if value in content] == []
    server = (data_dir / "log" / "postgres.log").read_text()
    assert [value for value in PLANTED if value in server] == []
