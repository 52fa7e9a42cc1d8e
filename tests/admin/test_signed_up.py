"""The page of those who signed up, and taking a sign-up back."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from html import unescape
from typing import Any

import pytest

from core import clock
from core.database import unit_of_work
from members import codes, register, sessions
from members.access import SYSTEM, Role
from members.models import Member
from members.particulars import Private
from messaging import inbox
from sotay.app import create_app
from tests.people import Console, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    mo: uuid.UUID
    phone: uuid.UUID
    secretary: Console
    reviewer: Console

    @property
    def registered_at(self) -> datetime | None:
        with unit_of_work() as session:
            return session.get_one(Member, self.mo).registered_at

    def revoke(self, **data: str) -> Any:
        at = self.registered_at
        assert at is not None
        return self.secretary.post(f"/signed-up/{self.mo}/revoke", {"registered_at": at.isoformat(), **data})


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    with clock.fixed(NOW):
        with unit_of_work() as session:
            units = make_units(session)
            private = Private(card_number="12345678", date_of_birth=date(1960, 5, 9))
            mo = register.add(session, SYSTEM, unit_id=units.a1, name="Lê Thị Mơ", private=private).id
            secretary = make_account(session, "Bí thư", (Role.SECRETARY, units.a1)).id
            reviewer = make_account(session, "Người xét", (Role.REVIEWER, units.province)).id
            phone = inbox.open_conversation(session, channel="web", external_id="máy lạ").id
            code = codes.issue(session, SYSTEM, mo).code
        with unit_of_work() as session:
            codes.redeem(session, code, conversation_id=phone, channel="web", device="x")
        yield World(mo, phone, Console(app, secretary), Console(app, reviewer))


def test_the_secretary_sees_who_signed_up_and_how(world: World) -> None:
    page = unescape(world.secretary.get("/signed-up").text)
    assert "1 người đã đăng ký" in page
    assert "Lê Thị Mơ" in page
    assert "04/03/2026 10:00" in page
    assert "mã một lần" in page
    assert "12345678" not in page
    assert "người vừa đăng ký trong 7 ngày qua" in unescape(world.secretary.get("").text)
    assert f"/admin/signed-up/{world.mo}" in world.secretary.get(f"/members/{world.mo}").text
    assert world.reviewer.get("/signed-up").status_code == 404


def test_this_is_not_the_member(world: World) -> None:
    assert "Không phải người này?" in unescape(world.secretary.get(f"/signed-up/{world.mo}").text)
    unsure = world.revoke()
    assert unsure.status_code == 422
    assert "đã hỏi chính người ấy" in unescape(unsure.text)
    assert world.registered_at is not None
    done = world.revoke(sure="true")
    assert (done.status_code, done.headers["location"]) == (303, "/admin/signed-up?done=revoked")
    assert world.registered_at is None
    with unit_of_work() as session:
        assert sessions.resolve_member(session, world.phone) is None
    page = unescape(world.secretary.get("/signed-up?done=revoked").text)
    assert "Đã gỡ đăng ký." in page
    assert "Chưa có ai đăng ký." in page
    again = world.secretary.get(f"/signed-up/{world.mo}")
    assert again.status_code == 422
    assert "hiện không có đăng ký nào" in unescape(again.text)


@pytest.mark.parametrize("at", ["2026-03-01T00:00:00", "2026-03-01T00:00:00+00:00"])
def test_a_page_that_was_left_open_takes_nothing_back(world: World, at: str) -> None:
    late = world.secretary.post(f"/signed-up/{world.mo}/revoke", {"registered_at": at, "sure": "true"})
    assert late.status_code == 422
    assert "vừa thay đổi" in unescape(late.text)
    assert world.registered_at is not None
    assert (
        world.secretary.post(f"/signed-up/{world.mo}/revoke", {"sure": "true", "registered_at": "x"}).status_code == 422
    )
