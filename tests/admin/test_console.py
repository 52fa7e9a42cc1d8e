"""The shell of the console: sign-in required, forged forms refused, tokens rotated."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members.access import Role
from sotay.app import create_app
from tests.people import Console, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def console() -> Console:
    with unit_of_work() as session:
        units = make_units(session)
        account = make_account(session, "Quản trị", (Role.ADMINISTRATOR, units.province))
    return Console(create_app(), account.id)


def test_a_stranger_is_sent_to_the_sign_in(console: Console) -> None:
    answer = TestClient(console.client.app, follow_redirects=False).get("/admin")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in?next=/admin")


def test_the_overview_is_shown_to_somebody_signed_in(console: Console) -> None:
    answer = console.get("")
    assert answer.status_code == 200
    assert "<h1>Tổng quan</h1>" in answer.text


def test_a_token_is_rotated_and_the_old_one_ends_the_session_when_it_is_used_late(console: Console) -> None:
    old = console.client.cookies["sotay_console"]
    now = clock.now()
    with clock.fixed(now + timedelta(minutes=16)):
        console.get("")
    fresh = console.client.cookies["sotay_console"]
    assert fresh != old
    thief = Console.__new__(Console)
    thief.client = TestClient(console.client.app, follow_redirects=False)
    thief.client.cookies.set("sotay_console", old, domain="testserver.local", path="/admin")
    with clock.fixed(now + timedelta(minutes=16, seconds=30)):
        assert thief.get("").status_code == 200
    with clock.fixed(now + timedelta(minutes=18)):
        assert thief.get("").status_code == 303
        assert console.get("").status_code == 303, "a copied token ends the session for both"
    with unit_of_work() as session:
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "account.token_reused")).all()
        assert [(entry.object_type, entry.details) for entry in noted] == [("account", {"device": "Thử"})]
