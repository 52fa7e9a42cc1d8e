"""The size of bodies: refused while they arrive, whatever they say of themselves, before anything parses them."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send

from admin.limits import MAX_BODY, MAX_UPLOAD, BodyLimit
from core import clock
from core.database import unit_of_work
from members import sessions
from members.access import Role
from members.models import Account
from sotay.app import create_app
from tests.people import Console, make_account, make_units

CHUNK = b"x" * 65_536


class Reader:
    """An application that reads the whole body; remembers how much of it arrived."""

    def __init__(self) -> None:
        self.reached = 0
        self.disconnected = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async for chunk in Request(scope, receive).stream():
                self.reached += len(chunk)
        except ClientDisconnect:
            self.disconnected = True
            raise
        await PlainTextResponse("read")(scope, receive, send)


def call(
    app: Any, *, path: str, size: int, headers: list[tuple[bytes, bytes]] | None = None, opening: bytes = b""
) -> tuple[int, bytes, int]:
    """POST *size* bytes in chunks as a server delivers them; (status, body, bytes that were taken)."""
    taken, answer = 0, []

    async def body() -> AsyncIterator[Message]:
        nonlocal taken
        while taken < size:
            chunk = (CHUNK if taken else opening + CHUNK)[: min(len(CHUNK), size - taken)]
            taken += len(chunk)
            yield {"type": "http.request", "body": chunk, "more_body": taken < size}
        while True:
            yield {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        answer.append(message)

    messages = body()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *(headers or [])],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }
    asyncio.run(app(scope, messages.__anext__, send))
    starts = [message for message in answer if message["type"] == "http.response.start"]
    assert len(starts) == 1
    return starts[0]["status"], b"".join(message.get("body", b"") for message in answer), taken


@pytest.fixture
def console() -> Console:
    with unit_of_work() as session:
        units = make_units(session)
        account = make_account(session, "Quản trị", (Role.ADMINISTRATOR, units.province))
    return Console(create_app(), account.id)


def cookie(console: Console) -> list[tuple[bytes, bytes]]:
    return [(b"cookie", f"other=1; sotay_console={console.client.cookies['sotay_console']}".encode())]


def test_a_body_up_to_the_limit_passes() -> None:
    reader = Reader()
    assert call(BodyLimit(reader), path="/anything", size=MAX_BODY) == (200, b"read", MAX_BODY)
    assert reader.reached == MAX_BODY


def test_a_chunked_body_is_counted_and_ends_at_the_limit() -> None:
    reader = Reader()
    status, body, taken = call(BodyLimit(reader), path="/api/anything", size=300 << 20)
    assert (status, taken) == (413, MAX_BODY + len(CHUNK))
    assert b'"code":"too_long"' in body
    assert (reader.reached, reader.disconnected) == (MAX_BODY, True)


@pytest.mark.parametrize(("declared", "taken"), [(b"300000000", 0), (b"12", MAX_BODY + len(CHUNK))])
def test_a_declared_length_is_believed_only_when_it_is_too_large(declared: bytes, taken: int) -> None:
    answer = call(BodyLimit(Reader()), path="/x", size=4 << 20, headers=[(b"content-length", declared)])
    assert (answer[0], answer[2]) == (413, taken)


# Starlette leaves the temporary file of a form that breaks off to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.usefixtures("database")
def test_an_anonymous_upload_of_300_mib_leaves_memory_as_it_is(console: Console) -> None:
    app = console.client.app
    multipart = [(b"content-type", b"multipart/form-data; boundary=limit")]
    opening = b'--limit\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    call(app, path="/admin/imports", size=1000, headers=multipart, opening=opening)  # everything is loaded
    tracemalloc.start()
    status, body, taken = call(app, path="/admin/imports", size=300 << 20, headers=multipart, opening=opening)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (status, taken) == (413, MAX_BODY + len(CHUNK))
    assert "Tệp quá lớn" in body.decode()
    assert peak < 8 << 20


@pytest.mark.usefixtures("database")
def test_somebody_signed_in_may_hand_in_a_larger_file_where_files_belong(console: Console) -> None:
    reader = Reader()
    signed = cookie(console)
    assert call(BodyLimit(reader), path="/admin/imports", size=MAX_UPLOAD, headers=signed)[0] == 200
    assert reader.reached == MAX_UPLOAD
    status, body, taken = call(BodyLimit(Reader()), path="/admin/documents", size=MAX_UPLOAD * 2, headers=signed)
    assert (status, taken) == (413, MAX_UPLOAD + len(CHUNK))
    assert "64 MB" in body.decode()
    assert call(BodyLimit(Reader()), path="/admin/members", size=MAX_BODY + 1, headers=signed)[0] == 413


@pytest.fixture(params=["ended", "idle", "expired", "disabled", "unknown"])
def dead(request: pytest.FixtureRequest, console: Console) -> Iterator[list[tuple[bytes, bytes]]]:
    with unit_of_work() as session:
        account = session.query(Account).one()
        if request.param == "ended":
            sessions.end_all(session, account.id)
        if request.param == "disabled":
            account.disabled_at = clock.now()
    token = b"sotay_console=" + b"a" * 43 if request.param == "unknown" else cookie(console)[0][1]
    later = {"idle": sessions.IDLE, "expired": sessions.LONGEST}.get(request.param)
    with clock.fixed(clock.now() + (later or clock.now() - clock.now())):
        yield [(b"cookie", token)]


@pytest.mark.usefixtures("database")
def test_a_session_that_has_ended_opens_nothing(dead: list[tuple[bytes, bytes]]) -> None:
    assert call(BodyLimit(Reader()), path="/admin/imports", size=2 << 20, headers=dead)[0] == 413


@pytest.mark.usefixtures("database")
def test_looking_does_not_rotate_the_token(console: Console) -> None:
    with clock.fixed(clock.now() + sessions.ROTATION * 1.5):
        assert call(BodyLimit(Reader()), path="/admin/imports", size=2 << 20, headers=cookie(console))[0] == 200
        before = console.client.cookies["sotay_console"]
        assert console.get("").status_code == 200
        assert console.client.cookies["sotay_console"] != before


@pytest.mark.usefixtures("database")
def test_the_refusal_carries_the_security_headers(console: Console) -> None:
    answer = TestClient(console.client.app).post("/admin", content=b"x" * (MAX_BODY + 1))
    assert answer.status_code == 413
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_what_travels_by_tls_asks_to_stay_with_tls() -> None:
    seen = {
        scheme: TestClient(create_app(), base_url=f"{scheme}://testserver").get("/admin/static/console.css").headers
        for scheme in ("http", "https")
    }
    assert seen["https"]["strict-transport-security"] == "max-age=31536000"
    assert "strict-transport-security" not in seen["http"]
