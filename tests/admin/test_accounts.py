"""The pages of accounts and roles."""

from __future__ import annotations

import re
import uuid
from datetime import date
from typing import Any

import pytest
from sqlalchemy import select

from admin.accounts import parse_day
from core.database import unit_of_work
from members import passwords
from members.access import Role
from members.accounts import AccountError
from members.models import Account, Grant, Member
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


def console(role: Role, unit_id: int) -> Console:
    with unit_of_work() as session:
        account_id = make_account(session, "Người làm", (role, unit_id)).id
    return Console(create_app(), account_id)


def make(name: str, *grants: tuple[Role, int]) -> uuid.UUID:
    with unit_of_work() as session:
        return make_account(session, name, *grants).id


def alert(answer: Any) -> str:
    found = re.search(r'role="alert"[^>]*>([^<]*)<', answer.text)
    assert found
    return found[1]


def named(answer: Any) -> list[str]:
    return re.findall(r'<a href="/admin/accounts/[0-9a-f-]{36}">([^<]*)</a>', answer.text)


def offered(answer: Any, field: str) -> list[str]:
    select_ = re.search(rf'<select id="{field}".*?</select>', answer.text, re.DOTALL)
    assert select_
    return re.findall(r'<option value="([^"]+)"', select_[0])


def test_an_account_is_made_shown_once_and_listed(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.province)
    form = {"name": "Trần Thị Thư", "email": "thu@song-xanh.vn", "role": "secretary", "unit_id": str(units.a1),
            "ends_on": "31/12/2099"}  # fmt: skip
    answer = boss.post("/accounts", form)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    password = re.search(r"<dd><code>([^<]+)</code>", answer.text)[1]  # type: ignore[index]
    assert 'aria-label="Mã QR cho ứng dụng xác thực"><svg' in answer.text
    assert "style=" not in answer.text
    with unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.email_key == "thu@song-xanh.vn")).one()
        assert passwords.verify(account.password_hash, password)
        given = session.scalars(select(Grant).where(Grant.account_id == account.id)).one()
        assert (given.role, given.unit_id, given.ends_on) == ("secretary", units.a1, date(2099, 12, 31))
    assert named(boss.get("/accounts?q=thu")) == ["Trần Thị Thư"]
    assert password not in boss.get(f"/accounts/{account.id}").text
    again = boss.post("/accounts", form)
    assert (again.status_code, alert(again)) == (422, "Đã có tài khoản dùng địa chỉ email này.")
    assert 'value="Trần Thị Thư"' in again.text, "what was typed stays"


def test_looking_for_a_unit_keeps_what_was_typed_and_makes_nothing(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.province)
    assert len(offered(boss.get("/accounts/new"), "unit_id")) == 6
    answer = boss.post("/accounts", {"name": "Thư", "email": "t@song.vn", "unit_q": "ao sen", "find": "1"})
    assert answer.status_code == 200
    assert offered(answer, "unit_id") == [str(units.a2)]
    assert 'value="Thư"' in answer.text
    assert 'value="t@song.vn"' in answer.text
    with unit_of_work() as session:
        assert session.scalars(select(Account).where(Account.email_key == "t@song.vn")).all() == []


def test_of_many_units_the_first_are_offered_and_others_are_found(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.a)
    assert offered(boss.get("/accounts/new"), "unit_id") == [str(units.a), str(units.a2), str(units.a1)]
    assert offered(boss.get("/accounts/new?unit_q=B1"), "unit_id") == [], "not theirs"


def test_bad_forms_are_answered_in_words(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.province)
    good = {"name": "Thư", "email": "thu@song-xanh.vn", "role": "secretary", "unit_id": str(units.a1)}
    for changed, message in (
        ({"name": " "}, "Xin nhập họ tên (tối đa 200 ký tự)."),
        ({"email": "thu"}, "Địa chỉ email không hợp lệ. Ví dụ: ten@coquan.vn"),
        ({"role": "king"}, "Xin chọn vai trò trong danh sách."),
        ({"unit_id": "1; drop"}, "Xin chọn đơn vị trong danh sách."),
        ({"unit_id": "٣"}, "Xin chọn đơn vị trong danh sách."),
        ({"unit_id": ""}, "Xin chọn cả vai trò và đơn vị, hoặc để trống cả hai."),
        ({"ends_on": "32/01/2099"}, "Ngày hết hạn cần viết theo dạng ngày/tháng/năm, ví dụ 31/12/2027."),
        ({"ends_on": "01/01/2000"}, "Ngày hết hạn không được ở trong quá khứ."),
        ({"member_id": "x"}, "Xin mở lại trang của thành viên rồi tạo tài khoản từ đó."),
    ):
        answer = boss.post("/accounts", {**good, **changed})
        assert (answer.status_code, alert(answer)) == (422, message)
    with unit_of_work() as session:
        assert session.scalars(select(Account).where(Account.email_key == "thu@song-xanh.vn")).all() == []


def test_a_role_is_given_and_taken_back(units: Units) -> None:
    boss, person = console(Role.ADMINISTRATOR, units.province), make("Thư")
    form = {"role": "curator", "unit_id": str(units.province), "ends_on": "2099-01-31"}
    answer = boss.post(f"/accounts/{person}/grants", form)
    assert answer.headers["location"] == f"/admin/accounts/{person}?done=granted"
    shown = boss.get(f"/accounts/{person}?done=granted").text
    assert "Đã giao vai trò." in shown
    assert "31/01/2099" in shown
    twice = boss.post(f"/accounts/{person}/grants", form)
    assert twice.status_code == 422
    assert alert(twice).startswith("Người này đang có vai trò đó tại đơn vị này.")
    for missing in ({"role": ""}, {"unit_id": ""}):
        assert alert(boss.post(f"/accounts/{person}/grants", {**form, **missing})) == "Xin chọn vai trò và đơn vị."
    revoke = re.search(r'action="/admin(/accounts/[^"]*/revoke)"', shown)[1]  # type: ignore[index]
    assert boss.post(revoke).headers["location"] == f"/admin/accounts/{person}?done=revoked"
    assert "/revoke" not in boss.get(f"/accounts/{person}").text


def test_an_account_is_disabled_enabled_and_gets_new_credentials(units: Units) -> None:
    boss, person = console(Role.ADMINISTRATOR, units.province), make("Thư", (Role.SECRETARY, units.a1))
    own = Console(boss.client.app, person)
    assert own.get("/own").status_code == 200
    assert boss.post(f"/accounts/{person}/disable").headers["location"] == f"/admin/accounts/{person}?done=disabled"
    assert own.get("/own").status_code == 303
    assert "đã khóa" in boss.get(f"/accounts/{person}").text
    assert boss.post(f"/accounts/{person}/enable").headers["location"] == f"/admin/accounts/{person}?done=enabled"
    answer = boss.post(f"/accounts/{person}/reset")
    assert answer.status_code == 200
    password = re.search(r"<dd><code>([^<]+)</code>", answer.text)[1]  # type: ignore[index]
    with unit_of_work() as session:
        assert passwords.verify(session.get_one(Account, person).password_hash, password)


def test_the_last_administrator_stays_and_is_told_why(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.province)
    with unit_of_work() as session:
        given = session.scalars(select(Grant)).one()
    answer = boss.post(f"/accounts/{given.account_id}/grants/{given.id}/revoke")
    assert (answer.status_code, alert(answer)[:41]) == (422, "Đây là quản trị viên duy nhất của toàn tổ chức."[:41])
    answer = boss.post(f"/accounts/{given.account_id}/disable")
    assert alert(answer) == "Không thể tự khóa tài khoản của chính mình. Xin nhờ một quản trị viên khác."
    make("Khác", (Role.ADMINISTRATOR, units.province))
    assert boss.post(f"/accounts/{given.account_id}/grants/{given.id}/revoke").headers["location"] == "/admin/own"
    assert boss.get("/accounts").status_code == 404, "the rights are read at each request"


def test_who_manages_a_part_sees_and_changes_that_part(units: Units) -> None:
    local = console(Role.ADMINISTRATOR, units.a)
    inside, outside = make("Trong", (Role.SECRETARY, units.a1)), make("Ngoài", (Role.SECRETARY, units.b1))
    assert named(local.get("/accounts")) == ["Người làm", "Trong"]
    assert local.get(f"/accounts/{inside}").status_code == 200
    form = {"role": "secretary", "unit_id": str(units.a2)}
    for path in (f"/accounts/{outside}", f"/accounts/{uuid.uuid4()}"):
        assert local.get(path).status_code == 404
        for action, data in (
            ("/grants", form),
            ("/disable", {}),
            ("/enable", {}),
            ("/reset", {}),
            ("/grants/1/revoke", {}),
        ):
            assert local.post(path + action, data).status_code == 404
    for unit_id in (units.b1, units.province):
        escalation = {"role": "administrator", "unit_id": str(unit_id)}
        assert local.post(f"/accounts/{inside}/grants", escalation).status_code == 404
        assert local.post("/accounts", {"name": "A", "email": "a@song.vn", **escalation}).status_code == 404


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_other_roles_find_nothing_here(units: Units, role: Role) -> None:
    nosy, person = console(role, units.province), make("Thư")
    for path in ("/accounts", "/accounts/new", f"/accounts/{person}"):
        assert nosy.get(path).status_code == 404
    for path in ("/accounts", *(f"/accounts/{person}/{end}" for end in ("grants", "disable", "enable", "reset"))):
        form = {"role": "secretary", "unit_id": str(units.a1), "name": "A", "email": "a@song.vn", "find": "1"}
        assert nosy.post(path, form).status_code == 404


def test_the_list_is_paged_and_filtered_by_role(units: Units) -> None:
    boss = console(Role.ADMINISTRATOR, units.province)
    with unit_of_work() as session:
        for number in range(60):
            make_account(session, f"Thư {number:02}", (Role.SECRETARY, units.a1))
    first = boss.get("/accounts?role=secretary")
    assert (len(named(first)), "60 tài khoản" in first.text, "Trang 1/2" in first.text) == (50, True, True)
    assert named(boss.get("/accounts?role=secretary&number=2")) == [f"Thư {number}" for number in range(50, 60)]
    assert named(boss.get("/accounts?role=king&q=nguoi")) == ["Người làm"]
    assert boss.get("/accounts?q=<script>").text.count("<script>") == 0


def test_a_member_of_the_register_gets_an_account(units: Units) -> None:
    local = console(Role.ADMINISTRATOR, units.a)
    with unit_of_work() as session:
        ids = []
        for unit_id in (units.a1, units.b1):
            member = Member(id=uuid.uuid4(), unit_id=unit_id, name="Phạm Thị Mơ", name_key="", sort_key="", sealed=b"")
            member.status, member.created_at = "official", session.scalars(select(Account.created_at)).first()  # type: ignore[assignment]
            member.updated_at = member.created_at
            session.add(member)
            ids.append(member.id)
    form = local.get(f"/accounts/new?member={ids[0]}")
    assert 'value="Phạm Thị Mơ"' in form.text
    assert local.get(f"/accounts/new?member={ids[1]}").status_code == 404
    made = {"name": "Phạm Thị Mơ", "email": "mo@song.vn"}
    assert local.post("/accounts", {**made, "member_id": str(ids[1])}).status_code == 404
    assert local.post("/accounts", {**made, "member_id": str(ids[0])}).status_code == 200
    with unit_of_work() as session:
        assert session.scalars(select(Account.member_id).where(Account.email_key == "mo@song.vn")).one() == ids[0]


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("", None),
        (" 31/12/2027 ", date(2027, 12, 31)),
        ("2027-12-31", date(2027, 12, 31)),
        ("1/2/2027", date(2027, 2, 1)),
    ],
)
def test_a_day_is_read_as_people_and_browsers_write_it(text: str, day: date | None) -> None:
    assert parse_day(text) == day


@pytest.mark.parametrize("text", ["31/12", "12/31/2027", "mai", "2027-02-30"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(AccountError):
        parse_day(text)
