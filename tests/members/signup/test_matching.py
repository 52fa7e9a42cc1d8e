"""Whom the register shows for a card: number, name and date of birth together, and what contradicts."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date

import pytest

from core.database import unit_of_work
from members import accounts
from members.models import Member
from members.particulars import Private
from members.signup.matching import Found, look_up, same_name
from tests.people import Units
from tests.walking import BORN, PRINTED, PRIVATE, add_member

pytestmark = pytest.mark.usefixtures("database")


def found(**change: str | None) -> Found:
    with unit_of_work() as session:
        return look_up(session, {**PRINTED, **change})


def said(found: Found) -> tuple[str, uuid.UUID | None, tuple[str, ...]]:
    return found.state, found.member.id if found.member else None, found.contradictions


def test_number_name_and_date_of_birth_are_a_match(member_id: uuid.UUID) -> None:
    assert said(found()) == ("match", member_id, ())
    assert said(found(full_name="LE THI MO")) == ("match", member_id, ())
    assert said(found(card_number="12.345678")) == ("match", member_id, ())
    assert found().already_used is False


@pytest.mark.parametrize(
    "change",
    [
        {"full_name": "Trần Văn Bình"},
        {"full_name": None},
        {"date_of_birth": "1960-05-10"},
        {"date_of_birth": None},
        {"date_of_birth": "ngày 9"},
        {"card_number": "12345679"},
        {"card_number": None},
        {"card_number": "1234"},
    ],
)
def test_anything_less_leads_to_the_person_but_is_no_match(change: dict[str, str | None], member_id: uuid.UUID) -> None:
    assert said(found(**change)) == ("differs", member_id, ())


@pytest.mark.parametrize(
    "change",
    [
        {"card_number": "87654321", "date_of_birth": "1961-05-09"},
        {"card_number": "87654321", "full_name": "Lê Thị Mận"},
        {"card_number": None, "full_name": None, "date_of_birth": None},
    ],
)
@pytest.mark.usefixtures("member_id")
def test_nobody_is_found_by_a_name_or_a_date_alone(change: dict[str, str | None]) -> None:
    assert said(found(**change)) == ("unknown", None, ())


def test_a_card_of_two_people_is_nobodys(units: Units, member_id: uuid.UUID) -> None:
    other = add_member(units.b1, name="Trần Văn Bình", private=Private(card_number="87654321", date_of_birth=BORN))
    assert said(found(full_name="Trần Văn Bình")) == ("ambiguous", None, ())
    assert said(found(card_number="87654321", full_name="TRẦN VĂN BÌNH", joined_on=None)) == ("match", other, ())
    # Two people of the same name and date of birth: the number decides, without it nobody does.
    add_member(units.b1, private=replace(PRIVATE, card_number="11112222"))
    assert said(found()) == ("match", member_id, ())
    assert said(found(card_number=None)) == ("ambiguous", None, ())


def test_a_register_without_date_of_birth_matches_nobody(units: Units) -> None:
    member_id = add_member(units.a1, private=Private(card_number="12345678"))
    assert said(found()) == ("differs", member_id, ())


def test_what_else_the_card_says_must_not_contradict(member_id: uuid.UUID) -> None:
    changed = found(joined_on="1985-02-04", official_on="1987-02-03", home_town="Phường Ba Đình, Hà Nội")
    assert said(changed) == ("match", member_id, ("joined_on", "official_on", "home_town"))
    assert said(found(joined_on=None, official_on=None, home_town=None)) == ("match", member_id, ())
    assert said(found(home_town="XÓM BẾN, xã Mới Sáp Nhập, tỉnh Sông Xanh")) == ("match", member_id, ())


def test_an_account_is_seen(member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        accounts.make_member_account(session, session.get_one(Member, member_id))
    assert found().already_used is True
    assert found(card_number=None).already_used is True
    assert found(card_number="87654321", date_of_birth="1961-05-09").already_used is False


def test_the_register_is_asked_the_same_whatever_is_found(member_id: uuid.UUID) -> None:
    """Number and kind of statements do not depend on the answer."""
    from sqlalchemy import event

    from core.database import engine

    asked: list[list[str]] = []
    for change in ({}, {"card_number": "87654321"}, {"card_number": "87654321", "date_of_birth": None}):
        statements: list[str] = []

        def note(_c: object, _cursor: object, statement: str, *_rest: object, into: list[str] = statements) -> None:
            into.append(statement)

        event.listen(engine(), "before_cursor_execute", note)
        found(**change)
        event.remove(engine(), "before_cursor_execute", note)
        asked.append(statements)
    assert asked[0] == asked[1] == asked[2]
    assert len(asked[0]) == 4
    assert said(found()) == ("match", member_id, ())


@pytest.mark.parametrize(
    ("read", "kept", "same"),
    [
        ("LÊ THỊ MƠ", "Lê Thị Mơ", True),
        ("Lê Thi Mớ", "Lê Thị Mơ", True),
        ("NGUYỄN VĂN AN", "Nguyễn Văn Ấn", True),
        ("Nguyễn Văn Anh", "Nguyễn Văn An", True),
        ("Nguyễn Văn Bình", "Nguyễn Văn An", False),
        ("Mơ", "Lê Thị Mơ", False),
        ("", "", False),
    ],
)
def test_names_are_compared_without_accents(read: str, kept: str, same: bool) -> None:
    assert same_name(read, kept) == same


def test_today_is_of_no_interest(member_id: uuid.UUID) -> None:
    assert date.fromisoformat(PRINTED["date_of_birth"] or "") == BORN
    assert said(found(issuer=None, issued_on=None)) == ("match", member_id, ())
