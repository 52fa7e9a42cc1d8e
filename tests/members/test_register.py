"""The register: entering, changing, looking at people; lists, search, export."""

from __future__ import annotations

import io
import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pytest
import python_calamine
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit, clock
from core.audit import AuditEntry
from core.database import unit_of_work
from core.text import fold
from members import importing, register, seeding
from members.access import SYSTEM, Actor, NotVisibleError, Role
from members.listing import unformulated
from members.models import Member, Unit
from members.particulars import phone_number
from members.register import Private, RegisterError
from tests.people import Units, actor, make_units

pytestmark = pytest.mark.usefixtures("database")

FULL = Private(
    card_number="90 000 001",
    citizen_number="999000000001",
    phone="+84 912 000 001",
    date_of_birth=date(1985, 9, 5),
    joined_on=date(2010, 3, 2),
    official_on=date(2011, 3, 2),
    home_town="Xã  Suối Giả",
)


@pytest.fixture
def units(database: None) -> Units:
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def administrator(units: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Quản trị", (Role.ADMINISTRATOR, units.province))


def enter(by: Actor, unit_id: int, name: str, **values: object) -> Member:
    private = values.pop("private", Private())
    with unit_of_work() as session:
        return register.add(session, by, unit_id=unit_id, name=name, private=private, **values)  # type: ignore[arg-type]


def refused(by: Actor, unit_id: int, name: str = "Người Thử", **values: object) -> tuple[str | None, str]:
    with pytest.raises(RegisterError) as error:
        enter(by, unit_id, name, **values)
    return error.value.field, error.value.code


def names(page: register.MemberPage) -> list[str]:
    return [line.name for line in page.rows]


def test_private_values_survive_their_bytes() -> None:
    assert Private.from_bytes(FULL.to_bytes()) == FULL
    assert Private.from_bytes(Private().to_bytes()) == Private()


def test_somebody_is_entered_and_looked_at(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, " Trần  Thị Thử ", position="Bí thư", private=FULL)
    with unit_of_work() as session:
        profile = register.view(session, administrator, member.id)
    assert (profile.name, profile.position, profile.status, profile.exempt, profile.registered, profile.version) == (
        "Trần Thị Thử", "Bí thư", "official", False, False, 1,
    )  # fmt: skip
    assert profile.unit_names == ("Hội Bạn đọc tỉnh Sông Xanh", "Hội huyện Đồng Mai", "Chi hội Đầu Nguồn")
    assert (profile.private.card_number, profile.private.phone, profile.private.home_town) == (
        "90000001", "0912000001", "Xã Suối Giả",
    )  # fmt: skip
    with unit_of_work() as session:
        found = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [(entry.action, entry.subject, entry.unit_id) for entry in found] == [
            ("member.added", member.id, units.a1), ("member.viewed", member.id, units.a1),
        ]  # fmt: skip
        stored = session.get_one(Member, member.id)
        for value in ("90000001", "999000000001", "0912000001", "1985", "Suối"):
            assert value.encode() not in stored.sealed


def test_what_cannot_be_in_the_register(units: Units, administrator: Actor) -> None:
    born, joined, official = date(1985, 9, 5), date(2010, 3, 2), date(2011, 3, 2)
    cases: Sequence[tuple[dict[str, object], tuple[str | None, str]]] = (
        ({"name": "  "}, ("name", "missing_name")),
        ({"name": "A" * 201}, ("name", "too_long")),
        ({"status": "x"}, ("status", "bad_status")),
        ({"private": Private(card_number="1234567")}, ("card_number", "bad_card_number")),
        ({"private": Private(citizen_number="1234567890")}, ("citizen_number", "bad_citizen_number")),
        ({"private": Private(phone="12345")}, ("phone", "bad_phone")),
        ({"private": Private(date_of_birth=date(2026, 11, 24))}, ("date_of_birth", "impossible_date")),
        ({"private": Private(date_of_birth=date(1899, 1, 1))}, ("date_of_birth", "impossible_date")),
        ({"private": Private(date_of_birth=born, joined_on=date(2003, 9, 4))}, ("joined_on", "contradictory_dates")),
        ({"private": Private(date_of_birth=born, joined_on=born)}, ("joined_on", "contradictory_dates")),
        ({"private": Private(joined_on=official, official_on=joined)}, ("official_on", "contradictory_dates")),
        ({"private": Private(date_of_birth=born, official_on=born)}, ("official_on", "contradictory_dates")),
        ({"private": Private(official_on=official), "status": "probationary"}, ("official_on", "contradictory_dates")),
    )
    with clock.fixed(datetime(2026, 11, 22, 18, tzinfo=UTC)):  # 23 November in Vietnam
        for values, expected in cases:
            assert refused(administrator, units.a1, **values) == expected
        enter(administrator, units.a1, "Sinh Hôm Nay", private=Private(date_of_birth=date(2026, 11, 23)))


def test_numbers_belong_to_one_person(units: Units, administrator: Actor) -> None:
    enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    same_card = Private(card_number="90000001")
    same_citizen = Private(citizen_number="999 000 000 001")
    same_person = Private(date_of_birth=FULL.date_of_birth)
    assert refused(administrator, units.b1, private=same_card) == ("card_number", "duplicate_card")
    assert refused(administrator, units.b1, private=same_citizen) == ("citizen_number", "duplicate_citizen")
    assert refused(administrator, units.b1, "TRAN THI THU", private=same_person) == ("name", "duplicate_person")
    enter(administrator, units.b1, "Trần Thị Thử", private=same_person, same_person_is_another=True)


def test_changes_are_kept_in_the_audit_log(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    with unit_of_work() as session:
        changed = register.change(
            session, administrator, member.id, version=1, unit_id=units.a2, phone="0912000009", home_town=None
        )
        assert (changed.version, changed.unit_id) == (2, units.a2)
    with unit_of_work() as session:
        profile = register.profile_of(session, session.get_one(Member, member.id))
        assert (profile.private.phone, profile.private.home_town) == ("0912000009", None)
        assert profile.private.card_number == "90000001"
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "member.changed")).one()
        assert entry.details == {"fields": ["home_town", "phone", "unit_id"]}
        assert audit.personal_values(session, entry) == {
            "before": {"home_town": "Xã Suối Giả", "phone": "0912000001", "unit_id": units.a1}
        }


def test_a_change_of_nothing_is_no_change(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    with unit_of_work() as session:
        assert register.change(session, administrator, member.id, version=1, private=FULL).version == 1


def test_a_stale_form_is_refused(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    with unit_of_work() as session:
        register.change(session, administrator, member.id, version=1, position="Ủy viên")
    with pytest.raises(RegisterError) as error, unit_of_work() as session:
        register.change(session, administrator, member.id, version=1, position="Bí thư")
    assert (error.value.field, error.value.code) == (None, "stale")


def test_another_branch_does_not_exist(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    with unit_of_work() as session:
        secretary = actor(session, "Bí thư B1", (Role.SECRETARY, units.b1))
        of_a = actor(session, "Quản trị A", (Role.ADMINISTRATOR, units.a))
    with unit_of_work() as session:
        for work in (
            lambda: register.view(session, secretary, member.id),
            lambda: register.change(session, secretary, member.id, version=1, position="x"),
            lambda: register.list_members(session, secretary, unit_id=units.a),
            lambda: register.export_members(session, secretary, unit_id=units.b1, file=io.BytesIO()),
            lambda: register.change(session, of_a, member.id, version=1, unit_id=units.b1),
            lambda: register.add(session, of_a, unit_id=units.b1, name="x", private=Private()),
            lambda: register.own_profile(session, secretary),
        ):
            with pytest.raises(NotVisibleError):
                work()
        assert register.list_members(session, secretary, q="90000001").total == 0
        assert register.list_members(session, secretary, q="tran").total == 0


def test_the_own_record_is_seen_without_a_trace(units: Units, administrator: Actor) -> None:
    member = enter(administrator, units.a1, "Trần Thị Thử", private=FULL)
    own = Actor(administrator.account_id, "Trần Thị Thử", (), member.id)
    with unit_of_work() as session:
        assert register.own_profile(session, own).name == "Trần Thị Thử"
        assert session.scalar(select(func.count()).where(AuditEntry.action == "member.viewed")) == 0


def test_phone_numbers() -> None:
    assert [phone_number(text) for text in ("0912 000 001", "84912000001", "(024) 3825.1234", "0112000001", "091200000")] == [
        "0912000001", "0912000001", "02438251234", None, None,
    ]  # fmt: skip


# Lists


def populate(by: Actor, units: Units) -> None:
    for name, unit_id, values in (
        ("Nguyễn Văn Ân", units.a1, {"private": Private(card_number="90000001", citizen_number="999000000001")}),
        ("Nguyễn Văn An", units.a1, {"exempt": True}),
        ("Lê Thị Đào", units.a2, {"status": "probationary"}),
        ("Lê Thị Dào", units.a2, {"position": "Bí thư"}),
        ("Trần Hòa Bình", units.b1, {}),
    ):
        enter(by, unit_id, name, **values)  # type: ignore[arg-type]


def test_lists_go_by_given_names_in_vietnamese_order(units: Units, administrator: Actor) -> None:
    populate(administrator, units)
    with unit_of_work() as session:
        page = register.list_members(session, administrator)
    assert names(page) == ["Nguyễn Văn An", "Nguyễn Văn Ân", "Trần Hòa Bình", "Lê Thị Dào", "Lê Thị Đào"]
    assert (page.total, page.has_previous, page.has_next) == (5, False, False)
    assert page.rows[0].exempt
    assert page.rows[4].status == "probationary"


def test_filters_and_search(units: Units, administrator: Actor) -> None:
    populate(administrator, units)
    with unit_of_work() as session:
        session.scalars(select(Member).where(Member.name == "Nguyễn Văn An")).one().registered_at = clock.now()
    with unit_of_work() as session:
        cases: Sequence[tuple[dict[str, object], list[str]]] = (
            ({"unit_id": units.a2}, ["Lê Thị Dào", "Lê Thị Đào"]),
            ({"unit_id": units.a, "q": "nguyen"}, ["Nguyễn Văn An", "Nguyễn Văn Ân"]),
            ({"q": "van ngu"}, ["Nguyễn Văn An", "Nguyễn Văn Ân"]),
            ({"q": "HOÀ bình"}, ["Trần Hòa Bình"]),
            ({"q": "900 000 01"}, ["Nguyễn Văn Ân"]),
            ({"q": "999000000001"}, ["Nguyễn Văn Ân"]),
            ({"q": "9000"}, []),
            ({"q": "!!! & | :*"}, []),
            ({"q": "nguyen & !van"}, ["Nguyễn Văn An", "Nguyễn Văn Ân"]),
            ({"q": "   "}, ["Nguyễn Văn An", "Nguyễn Văn Ân", "Trần Hòa Bình", "Lê Thị Dào", "Lê Thị Đào"]),
            ({"status": "probationary"}, ["Lê Thị Đào"]),
            ({"registered": True}, ["Nguyễn Văn An"]),
            ({"registered": False, "unit_id": units.a1}, ["Nguyễn Văn Ân"]),
        )
        for filters, expected in cases:
            page = register.list_members(session, administrator, **filters)  # type: ignore[arg-type]
            assert (names(page), page.total) == (expected, len(expected)), filters


def test_pages_go_forth_and_back(units: Units, administrator: Actor) -> None:
    populate(administrator, units)
    with unit_of_work() as session:
        first = register.list_members(session, administrator, size=2)
        second = register.list_members(session, administrator, size=2, after=first.last_cursor)
        third = register.list_members(session, administrator, size=2, after=second.last_cursor)
        back = register.list_members(session, administrator, size=2, before=third.first_cursor)
        start = register.list_members(session, administrator, size=2, before=second.first_cursor)
        lost = register.list_members(session, administrator, size=2, after="nothing")
    assert [names(page) for page in (first, second, third)] == [
        ["Nguyễn Văn An", "Nguyễn Văn Ân"], ["Trần Hòa Bình", "Lê Thị Dào"], ["Lê Thị Đào"],
    ]  # fmt: skip
    assert [(page.has_previous, page.has_next, page.total) for page in (first, second, third)] == [
        (False, True, 5), (True, True, 5), (True, False, 5),
    ]  # fmt: skip
    assert (names(back), back.has_previous, back.has_next) == (["Trần Hòa Bình", "Lê Thị Dào"], True, True)
    assert (names(start), start.has_previous, start.has_next) == (["Nguyễn Văn An", "Nguyễn Văn Ân"], False, True)
    assert names(lost) == names(first)
    assert first.last_cursor == first.rows[-1].id.hex  # no name in an address


@pytest.mark.parametrize("q", ["n", "le", "nguyen van", "THỊ h", "zzz", ""])
def test_a_search_finds_whom_a_look_at_every_name_finds(database: None, q: str) -> None:
    with unit_of_work() as session:
        seeding.seed(session, 400)
    with unit_of_work() as session:
        paths = {unit.id: unit.path for unit in session.scalars(select(Unit))}
        by_code = {unit.code: unit.id for unit in session.scalars(select(Unit))}
        people = session.scalars(select(Member).order_by(Member.sort_key, Member.id)).all()
        for code in (None, "GIA", "GIA-01", "GIA-05-001-01"):
            unit_id = by_code[code] if code else None
            for status, registered in ((None, None), ("probationary", None), (None, False)):
                expected = [
                    person.id
                    for person in people
                    if all(any(own.startswith(word) for own in person.name_key.split()) for word in fold(q).split())
                    and (unit_id is None or paths[person.unit_id].startswith(paths[unit_id]))
                    and status in (None, person.status)
                    and registered in (None, person.registered_at is not None)
                ]
                filters: dict[str, Any] = {"unit_id": unit_id, "q": q, "status": status, "registered": registered}
                assert walk(session, **filters) == (expected, len(expected)), filters


def walk(session: Session, **filters: Any) -> tuple[list[uuid.UUID], int]:
    """Everybody in a list, page by page to the end, checked by going back; and the total, the same on every page."""
    pages = [register.list_members(session, SYSTEM, size=30, **filters)]
    while pages[-1].has_next:
        pages.append(register.list_members(session, SYSTEM, size=30, after=pages[-1].last_cursor, **filters))
    back = pages[-1]
    for page in reversed(pages[:-1]):
        back = register.list_members(session, SYSTEM, size=30, before=back.first_cursor, **filters)
        assert back.rows == page.rows
    (total,) = {page.total for page in pages}
    return [line.id for page in pages for line in page.rows], total


# Export


def exported(by: Actor, unit_id: int) -> list[list[object]]:
    file = io.BytesIO()
    with unit_of_work() as session:
        register.export_members(session, by, unit_id=unit_id, file=file)
    with python_calamine.load_workbook(io.BytesIO(file.getvalue())) as book:
        return [list(row) for row in book.get_sheet_by_index(0).iter_rows()]


def test_formulas_are_escaped_in_an_export(units: Units, administrator: Actor) -> None:
    private = Private(home_town="+1+1", date_of_birth=date(1985, 9, 5), card_number="00000001")
    enter(administrator, units.a1, "=HYPERLINK(A1)", position="@SUM(A1)", private=private)
    heading, row = exported(administrator, units.a)
    values = dict(zip(heading, row, strict=True))
    assert values["Họ và tên"] == "'=HYPERLINK(A1)"
    assert values["Chức vụ"] == "'@SUM(A1)"
    assert values["Quê quán"] == "'+1+1"
    assert values["Số thẻ"] == "00000001"
    assert values["Ngày sinh"] == date(1985, 9, 5)
    assert values["Đơn vị"] == "Hội Bạn đọc tỉnh Sông Xanh / Hội huyện Đồng Mai / Chi hội Đầu Nguồn"
    assert [unformulated(text) for text in ("-1", "\t=1", "\r=1", "An", "")] == ["'-1", "'\t=1", "'\r=1", "An", ""]
    with unit_of_work() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "members.exported")).one()
        assert (entry.unit_id, entry.details) == (units.a, {"count": 1})


def test_an_export_can_be_imported_again(units: Units, administrator: Actor) -> None:
    enter(administrator, units.a1, "Trần Thị Thử", position="-Bí thư", exempt=True, private=FULL)
    enter(administrator, units.b1, "Lê Văn Mẫu", status="probationary", private=Private(joined_on=date(2026, 1, 2)))
    file = io.BytesIO()
    with unit_of_work() as session:
        assert register.export_members(session, administrator, unit_id=units.province, file=file) == 2
    done = importing.run_now(SYSTEM, file_name="lai.xlsx", content=file.getvalue())
    assert [(one.row, one.code) for one in done.problems] == []
    with unit_of_work() as session:
        kept = session.scalars(select(Member).where(Member.name == "Trần Thị Thử")).one()
        assert (kept.version, kept.position, kept.exempt) == (1, "-Bí thư", True)


def test_an_export_has_nobody_from_elsewhere(units: Units, administrator: Actor) -> None:
    populate(administrator, units)
    assert [row[3] for row in exported(administrator, units.b)[1:]] == ["Trần Hòa Bình"]
