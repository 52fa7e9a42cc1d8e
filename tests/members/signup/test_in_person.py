"""Face to face: who is not signed up yet, what is compared, the code."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members import codes, register
from members.access import SYSTEM, Actor, NotVisibleError, Role, actor_of
from members.models import OneTimeCode
from members.particulars import Private
from members.signup import in_person
from members.signup.in_person import InPersonError
from messaging import inbox
from tests.people import Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
NAMES = ("Trần Văn Bình", "Lê Thị Ánh", "Lê Thị An", "Nguyễn Văn Đức")


@dataclass(frozen=True)
class World:
    units: Units
    people: dict[str, uuid.UUID]
    secretary: Actor
    foreign: Actor
    reviewer: Actor


@pytest.fixture
def world() -> Iterator[World]:
    with clock.fixed(NOW):
        with unit_of_work() as session:
            units = make_units(session)
            people = {
                name: register.add(session, SYSTEM, unit_id=units.a1, name=name, private=private).id
                for number, name in enumerate(NAMES)
                for private in [Private(card_number=f"1234567{number}", date_of_birth=date(1960, 5, 9))]
            }
            actors = [
                actor_of(session, make_account(session, name, (role, unit)))
                for name, role, unit in (
                    ("Bí thư", Role.SECRETARY, units.a1),
                    ("Bí thư khác", Role.SECRETARY, units.b1),
                    ("Người xét", Role.REVIEWER, units.a),
                )
            ]
        yield World(units, people, *actors)


def _confirm(actor: Actor, member_id: uuid.UUID, *, card: bool = True, person: bool = True) -> tuple[str, str]:
    with unit_of_work() as session:
        name, issued = in_person.confirm(session, actor, member_id, card_seen=card, person_seen=person)
        return name, issued.code


def _redeem(code: str) -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id=uuid.uuid4().hex)
        codes.redeem(session, code, conversation_id=conversation.id, channel="web", device="Thử")


def _names(actor: Actor, **asked: str) -> list[str]:
    with unit_of_work() as session:
        return [line.name for line in in_person.waiting(session, actor, **asked).people.rows]  # type: ignore[arg-type]


def test_who_is_not_signed_up_comes_in_vietnamese_order(world: World) -> None:
    assert _names(world.secretary) == ["Lê Thị An", "Lê Thị Ánh", "Trần Văn Bình", "Nguyễn Văn Đức"]
    assert _names(world.secretary, q="duc") == ["Nguyễn Văn Đức"]
    assert _names(world.secretary, q="12345670") == ["Trần Văn Bình"]
    assert _names(world.foreign) == []


def test_one_after_another_gets_a_code_and_leaves_the_list_by_using_it(world: World) -> None:
    an, anh = world.people["Lê Thị An"], world.people["Lê Thị Ánh"]
    name, code = _confirm(world.secretary, an)
    assert name == "Lê Thị An"
    _confirm(world.secretary, anh)
    with unit_of_work() as session:
        assert in_person.waiting(session, world.secretary).with_code == {an, anh}
        assert in_person.done_today(session, world.secretary) == 2
        assert in_person.done_today(session, world.foreign) == 0
    _redeem(code)
    assert _names(world.secretary) == ["Lê Thị Ánh", "Trần Văn Bình", "Nguyễn Văn Đức"]
    with unit_of_work() as session:
        actions = session.scalars(
            select(AuditEntry.action).where(AuditEntry.subject == an).order_by(AuditEntry.id).offset(1)
        ).all()
        with pytest.raises(InPersonError, match="đã đăng ký rồi"):
            in_person.person(session, world.secretary, an)
        with pytest.raises(InPersonError, match="đã đăng ký rồi"):
            in_person.confirm(session, world.secretary, an, card_seen=True, person_seen=True)
    assert actions == ["sign_up.confirmed_in_person", "code.issued", "code.redeemed"]


def test_the_same_person_twice_counts_once_and_yesterday_is_another_day(world: World) -> None:
    an = world.people["Lê Thị An"]
    with clock.fixed(NOW - timedelta(days=1)):
        _confirm(world.secretary, world.people["Lê Thị Ánh"])
    _confirm(world.secretary, an)
    _confirm(world.secretary, an)
    with unit_of_work() as session:
        assert in_person.done_today(session, world.secretary) == 1


@pytest.mark.parametrize(("card", "person"), [(False, True), (True, False), (False, False)])
def test_without_having_seen_card_and_person_there_is_no_code(world: World, card: bool, person: bool) -> None:
    with pytest.raises(InPersonError, match="đánh dấu cả hai ô"):
        _confirm(world.secretary, world.people["Lê Thị An"], card=card, person=person)
    with unit_of_work() as session:
        assert session.scalars(select(OneTimeCode)).all() == []
        assert in_person.done_today(session, world.secretary) == 0


def test_the_record_is_shown_to_compare_and_the_look_written_down(world: World) -> None:
    an = world.people["Lê Thị An"]
    with unit_of_work() as session:
        found = in_person.person(session, world.secretary, an)
    assert (found.name, found.private.card_number, found.private.date_of_birth) == (
        "Lê Thị An",
        "12345672",
        date(1960, 5, 9),
    )
    with unit_of_work() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "member.viewed")).one()
        assert (entry.actor_id, entry.subject, entry.unit_id) == (world.secretary.account_id, an, world.units.a1)


def test_others_find_nobody(world: World) -> None:
    an = world.people["Lê Thị An"]
    for actor in (world.foreign, world.reviewer):
        with unit_of_work() as session, pytest.raises(NotVisibleError):
            in_person.person(session, actor, an)
        with pytest.raises(NotVisibleError):
            _confirm(actor, an)
    with unit_of_work() as session, pytest.raises(NotVisibleError):
        in_person.waiting(session, world.reviewer)
    with unit_of_work() as session, pytest.raises(NotVisibleError):
        in_person.waiting(session, world.secretary, unit_id=world.units.b1)


def test_nobody_confirms_the_own_person(world: World) -> None:
    an = world.people["Lê Thị An"]
    with unit_of_work() as session:
        own = actor_of(session, make_account(session, "An", (Role.SECRETARY, world.units.a1), member_id=an))
    with pytest.raises(InPersonError, match="Không ai tự xác nhận"):
        _confirm(own, an)
