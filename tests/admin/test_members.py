"""The register in the console: finding people, records, changes, moves, codes, the export, and who may do which."""

from __future__ import annotations

import io
import re
import uuid
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from python_calamine import CalamineWorkbook
from sqlalchemy import func, select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members import register
from members.access import SYSTEM, Role
from members.models import Member, OneTimeCode
from members.register import Private
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

HOA = Private(
    card_number="12345678",
    citizen_number="001090000001",
    phone="0912345678",
    date_of_birth=date(1990, 9, 5),
    joined_on=date(2015, 5, 19),
    official_on=date(2016, 5, 19),
    home_town="xã Ao Sen",
)


@dataclass
class World:
    units: Units
    hoa: uuid.UUID
    binh: uuid.UUID
    app: Any

    def console(self, role: Role, unit: int) -> Console:
        with unit_of_work() as session:
            account_id = make_account(session, "Ai đó", (role, unit)).id
        return Console(self.app, account_id)

    @property
    def administrator(self) -> Console:
        return self.console(Role.ADMINISTRATOR, self.units.province)

    @property
    def secretary(self) -> Console:
        return self.console(Role.SECRETARY, self.units.a1)


@pytest.fixture
def world() -> World:
    with unit_of_work() as session:
        units = make_units(session)
        hoa = register.add(
            session, SYSTEM, unit_id=units.a1, name="Nguyễn Thị Hòa", position="Chi hội phó", private=HOA
        )
        binh = register.add(
            session, SYSTEM, unit_id=units.b1, name="Trần Bình", status="probationary", private=Private()
        )
        binh.registered_at = clock.now()
    return World(units, hoa.id, binh.id, create_app())


FORM = {
    "unit": "Chi hội Ao Sen (A2)",
    "name": "Lê Văn Sáu",
    "position": "",
    "status": "official",
    "card_number": "8765 4321",
    "citizen_number": "",
    "phone": "091.234.5679",
    "date_of_birth": "1/2/1980",
    "joined_on": "03-02-2005",
    "official_on": "2006-02-03",
    "home_town": " xã  Ao Sen ",
}


def names(text: str) -> list[str]:
    return re.findall(r'<td><a href="/admin/members/[0-9a-f-]{36}">(.*?)</a></td>', text)


def entries(action: str) -> list[AuditEntry]:
    with unit_of_work() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)))


# ---- the list


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Trần Bình", "Nguyễn Thị Hòa"]),
        ("?q=hoa", ["Nguyễn Thị Hòa"]),
        ("?q=Nguyễn+hò", ["Nguyễn Thị Hòa"]),
        ("?q=1234+5678", ["Nguyễn Thị Hòa"]),
        ("?q=001090000001", ["Nguyễn Thị Hòa"]),
        ("?q=1234567", []),
        ("?q=nobody", []),
        ("?unit=A", ["Nguyễn Thị Hòa"]),
        ("?unit=Hội+huyện+Đồng+Mai+(A)", ["Nguyễn Thị Hòa"]),
        ("?unit=cho+cu", ["Trần Bình"]),
        ("?status=probationary", ["Trần Bình"]),
        ("?registered=no", ["Nguyễn Thị Hòa"]),
        ("?registered=yes&status=official", []),
    ],
)
def test_the_list_finds(world: World, query: str, found: list[str]) -> None:
    text = world.administrator.get(f"/members{query}").text
    assert names(text) == found
    assert f'role="status">{len(found)} người</p>' in text


def test_an_unknown_unit_is_said(world: World) -> None:
    answer = world.administrator.get("/members?unit=Hội+nào+đó")
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert names(answer.text) == []


def test_a_unit_by_id_fills_the_field(world: World) -> None:
    text = world.administrator.get(f"/members?unit_id={world.units.b}").text
    assert 'value="Hội thành phố Bến Ngự (B)"' in text
    assert names(text) == ["Trần Bình"]


def test_pages_lead_forth_and_back_and_keep_the_filters(world: World) -> None:
    with unit_of_work() as session:
        for number in range(60):
            register.add(session, SYSTEM, unit_id=world.units.a2, name=f"Phạm Văn {number:02d}", private=Private())
    console = world.administrator
    first = console.get("/members?unit=A2").text
    assert names(first) == [f"Phạm Văn {number:02d}" for number in range(50)]
    assert "Trang trước" not in first
    [onward] = re.findall(r'href="/admin(/members\?unit=A2&amp;after=[^"]+)"', first)
    second = console.get(onward.replace("&amp;", "&")).text
    assert names(second) == [f"Phạm Văn {number:02d}" for number in range(50, 60)]
    assert "Trang sau" not in second
    [back] = re.findall(r'href="/admin(/members\?unit=A2&amp;before=[^"]+)"', second)
    assert names(console.get(back.replace("&amp;", "&")).text) == names(first)


def test_a_persons_number_stays_out_of_the_browsers_history(world: World) -> None:
    console = world.administrator
    assert console.get("/members?q=12345678").headers["hx-push-url"] == "false"
    assert "hx-push-url" not in console.get("/members?q=hoa").headers


def test_htmx_gets_the_part_and_a_restored_page_is_whole(world: World) -> None:
    console = world.administrator
    assert "<nav" not in console.get("/members", headers={"HX-Request": "true"}).text.partition('id="ket-qua"')[0]
    restored = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
    assert "<!doctype html>" in console.get("/members", headers=restored).text


def test_the_field_of_units_proposes_what_may_be_chosen(world: World) -> None:
    console = world.console(Role.ADMINISTRATOR, world.units.a)
    text = console.get("/choices/units?permission=members.edit&unit=hoi").text
    assert re.findall('value="(.*?)"', text) == [
        "Hội huyện Đồng Mai (A)", "Chi hội Ao Sen (A2)", "Chi hội Đầu Nguồn (A1)",
    ]  # fmt: skip
    assert console.get("/choices/units?permission=everything").status_code == 422
    assert re.findall("value", world.secretary.get("/choices/units?permission=members.edit").text) == []


# ---- a record


def test_a_record_shows_the_private_values_and_the_look_is_written_down(world: World) -> None:
    text = world.administrator.get(f"/members/{world.hoa}").text
    for shown in ("12345678", "001090000001", "0912345678", "05/09/1990", "19/05/2015", "19/05/2016", "xã Ao Sen"):
        assert f"<dd>{shown}</dd>" in text
    assert "đã được ghi vào nhật ký" in text
    assert f"/admin/requests/new?member={world.hoa}" in text
    assert "chưa đăng ký" in text
    assert [(entry.subject, entry.unit_id) for entry in entries("member.viewed")] == [(world.hoa, world.units.a1)]


def test_a_secretary_looks_but_does_not_change(world: World) -> None:
    secretary = world.secretary
    text = secretary.get(f"/members/{world.hoa}").text
    assert "Cấp mã đăng nhập" in text
    assert "Sửa hồ sơ" not in text
    assert "/admin/requests/new" not in text
    assert "Chuyển sang đơn vị khác" not in text
    listed = secretary.get("/members").text
    assert names(listed) == ["Nguyễn Thị Hòa"]
    assert "Thêm hồ sơ" not in listed
    assert "Xuất danh sách" not in listed


def test_what_may_not_be_seen_does_not_exist(world: World) -> None:
    secretary, other, own = world.secretary, f"/members/{world.binh}", f"/members/{world.hoa}"
    a1 = world.units.a1
    refused = [
        secretary.get(other),
        secretary.post(f"{other}/code"),
        secretary.get(f"{own}/edit"),
        secretary.post(f"{own}/edit", {**FORM, "version": "1"}),
        secretary.post(f"{own}/unit", {"unit": "B1", "version": "1"}),
        secretary.get("/members/new"),
        secretary.post("/members/new", FORM),
        secretary.get(f"/members/export?unit_id={a1}"),
        secretary.get(f"/members?unit_id={world.units.b}"),
        secretary.get(f"/members/{uuid.uuid4()}"),
        world.console(Role.CURATOR, world.units.province).get("/members"),
    ]
    assert {answer.status_code for answer in refused} == {404}
    assert len({answer.text for answer in refused}) == 1
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(OneTimeCode)) == 0
        assert session.get_one(Member, world.hoa).version == 1


# ---- entering, changing, moving


def test_a_person_is_entered(world: World) -> None:
    console = world.administrator
    assert '<input type="radio" name="status" value="official" checked required>' in console.get("/members/new").text
    answer = console.post("/members/new", FORM)
    assert answer.status_code == 303
    path = answer.headers["location"].removeprefix("/admin")
    assert "Đã thêm hồ sơ vào sổ." in console.get(path).text
    with unit_of_work() as session:
        profile = register.view(session, SYSTEM, uuid.UUID(path[9:45]))
    assert (profile.name, profile.unit_id, profile.status, profile.exempt, profile.position) == (
        "Lê Văn Sáu", world.units.a2, "official", False, None,
    )  # fmt: skip
    assert profile.private == Private(
        card_number="87654321",
        phone="0912345679",
        date_of_birth=date(1980, 2, 1),
        joined_on=date(2005, 2, 3),
        official_on=date(2006, 2, 3),
        home_town="xã Ao Sen",
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("unit", ""),
        ("unit", "Chi hội Không Có"),
        ("status", "emperor"),
        ("card_number", "123"),
        ("card_number", "12345678"),
        ("citizen_number", "001090000001"),
        ("phone", "12"),
        ("date_of_birth", "31/02/1980"),
        ("date_of_birth", "1980"),
        ("joined_on", "01/01/1970"),
        ("official_on", "01/01/2001"),
    ],
)
def test_what_cannot_be_is_said_at_its_field_and_nothing_typed_is_lost(world: World, field: str, value: str) -> None:
    answer = world.administrator.post("/members/new", {**FORM, field: value})
    assert answer.status_code == 422
    assert "Chưa lưu được." in answer.text
    if field != "status":
        assert f'id="{field}-error"' in answer.text
    for name, kept in {**FORM, field: value}.items():
        if name != "status" and kept.strip():
            assert f'value="{kept}"' in answer.text
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 2


def test_the_same_person_twice_is_asked_about(world: World) -> None:
    console = world.administrator
    twin = {**FORM, "name": "NGUYEN THI HOA", "date_of_birth": "5/9/1990", "joined_on": "", "official_on": ""}
    answer = console.post("/members/new", twin)
    assert answer.status_code == 422
    assert "đây là hai người khác nhau" in answer.text
    assert console.post("/members/new", {**twin, "another": "true"}).status_code == 303


def test_a_form_that_names_more_than_it_has_changes_nothing_more(world: World) -> None:
    more = {"registered_at": "2026-01-01", "id": str(world.hoa), "card_hash": "00"}
    path = world.administrator.post("/members/new", {**FORM, **more}).headers["location"]
    with unit_of_work() as session:
        member = session.get_one(Member, uuid.UUID(path[15:51]))
    assert member.id != world.hoa
    assert member.registered_at is None


def test_a_record_is_changed_and_a_stale_form_is_refused(world: World) -> None:
    console, path = world.administrator, f"/members/{world.hoa}/edit"
    form = console.get(path).text
    filled = dict(re.findall(r'name="(\w+)" type="(?:text|tel)"[^>]*? value="([^"]*)"', form))
    assert filled["date_of_birth"] == "05/09/1990"
    assert filled["unit"] == "Chi hội Đầu Nguồn (A1)" or 'value="Chi hội Đầu Nguồn (A1)"' in form
    [version] = re.findall(r'name="version" value="(\d+)"', form)
    change = {
        **filled,
        "unit": "A1",
        "status": "official",
        "version": version,
        "phone": "0987654321",
        "position": "Ủy viên",
    }
    assert console.post(path, change).headers["location"] == f"/admin/members/{world.hoa}?done=changed"
    stale = console.post(path, {**change, "phone": "0911111111"})
    assert stale.status_code == 422
    assert "đã được người khác sửa" in stale.text
    assert "Mở lại hồ sơ" in stale.text
    with unit_of_work() as session:
        profile = register.view(session, SYSTEM, world.hoa)
    assert (profile.private.phone, profile.position, profile.version) == ("0987654321", "Ủy viên", 2)
    assert profile.private.citizen_number == HOA.citizen_number
    assert [entry.details for entry in entries("member.changed")] == [{"fields": ["phone", "position"]}]


def test_a_person_moves_to_another_unit(world: World) -> None:
    console = world.administrator
    moved = console.post(f"/members/{world.hoa}/unit", {"unit": "Chi hội Chợ Cũ (B1)", "version": "1"})
    assert moved.headers["location"] == f"/admin/members/{world.hoa}?done=moved"
    with unit_of_work() as session:
        assert session.get_one(Member, world.hoa).unit_id == world.units.b1
    refused = console.post(f"/members/{world.hoa}/unit", {"unit": "nowhere", "version": "2"})
    assert refused.status_code == 422
    assert 'id="unit-error"' in refused.text


def test_nobody_moves_a_person_where_nothing_may_be_changed(world: World) -> None:
    console = world.console(Role.ADMINISTRATOR, world.units.a)
    assert console.post(f"/members/{world.hoa}/unit", {"unit": "B1", "version": "1"}).status_code == 422
    with unit_of_work() as session:
        assert session.get_one(Member, world.hoa).unit_id == world.units.a1


def test_a_form_without_its_token_is_refused(world: World) -> None:
    assert world.administrator.post("/members/new", {**FORM, "csrf": "forged"}).status_code == 403


# ---- codes and the export


def test_a_secretary_makes_a_code_that_is_shown_once(world: World) -> None:
    secretary = world.secretary
    answer = secretary.post(f"/members/{world.hoa}/code")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    [code] = re.findall(r'<p class="once" translate="no">(\d{4} \d{4} \d{4})</p>', answer.text)
    assert "http://testserver/sign-in" in answer.text
    assert code not in secretary.get(f"/members/{world.hoa}").text
    with unit_of_work() as session:
        [made] = session.scalars(select(OneTimeCode))
    assert f"{made.expires_at.astimezone(clock.VIETNAM):%d/%m/%Y %H:%M}" in answer.text
    assert made.member_id == world.hoa
    assert code.encode() not in made.code_hash


def test_a_code_is_not_made_by_opening_a_page(world: World) -> None:
    assert world.secretary.get(f"/members/{world.hoa}/code").status_code == 405


def test_the_export_holds_the_unit_and_what_is_below(world: World) -> None:
    with unit_of_work() as session:
        register.add(session, SYSTEM, unit_id=world.units.a2, name="=1+1", private=Private())
    console = world.administrator
    assert f"/admin/members/export?unit_id={world.units.province}" in console.get("/members").text
    answer = console.get(f"/members/export?unit_id={world.units.a}")
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''Danh%20s%C3%A1ch%20")
    rows = CalamineWorkbook.from_filelike(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    place = rows[0].index("Họ và tên")
    assert sorted(str(row[place]) for row in rows[1:]) == ["'=1+1", "Nguyễn Thị Hòa"]
    assert [entry.details for entry in entries("members.exported")] == [{"count": 2}]
