from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, select

from admin.requests import clock_words
from core import clock
from core.database import engine, unit_of_work
from members import register, requests
from members.access import SYSTEM, Role
from members.models import DataRequest, Member
from members.particulars import Private
from sotay.app import create_app
from tests.people import Console, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 4, 10, 0, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    administrator: Console
    foreign: Console
    secretary: Console
    member_id: uuid.UUID


@pytest.fixture
def world() -> World:
    with unit_of_work() as session:
        units = make_units(session)
        private = Private(home_town="Xóm Bến", date_of_birth=date(1960, 5, 9))
        member = register.add(session, SYSTEM, unit_id=units.a1, name="Lê Thị Mơ", private=private).id
        ids = [
            make_account(session, name, (role, unit)).id
            for name, role, unit in (
                ("Quản trị A", Role.ADMINISTRATOR, units.a),
                ("Quản trị B", Role.ADMINISTRATOR, units.b),
                ("Bí thư", Role.SECRETARY, units.a1),
            )
        ]
    app = create_app()
    return World(*(Console(app, account) for account in ids), member)


def _request(world: World, kind: str, **wanted: str) -> int:
    with unit_of_work() as session:
        receipt = requests.open_on_behalf(session, SYSTEM, world.member_id, kind=kind, wanted=wanted or None)
        return requests.find(session, SYSTEM, receipt.receipt)


def _state(number: int) -> str:
    with unit_of_work() as session:
        return session.get_one(DataRequest, number).state


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=1, hours=3, minutes=20), "còn 1 ngày 3 giờ"),
        (timedelta(days=2), "còn 2 ngày"),
        (timedelta(hours=5, minutes=59), "còn 5 giờ"),
        (timedelta(minutes=12), "còn 12 phút"),
        (timedelta(seconds=20), "còn dưới 1 phút"),
        (timedelta(0), "còn dưới 1 phút"),
        (timedelta(hours=-2, minutes=-5), "quá hạn 2 giờ"),
        (timedelta(days=-3, hours=-1), "quá hạn 3 ngày 1 giờ"),
    ],
)
def test_the_clock_in_words(left: timedelta, words: str) -> None:
    assert clock_words(NOW + left, NOW) == words


def test_the_list_shows_the_clock_and_no_name(world: World) -> None:
    with clock.fixed(NOW - timedelta(days=14)):
        late = _request(world, "erasure")
    page = world.administrator.get("/requests")
    assert page.status_code == 200
    assert "quá hạn" in page.text
    assert "1 yêu cầu đã quá hạn" in page.text
    assert f'href="/admin/requests/{late}"' in page.text
    assert "Lê Thị Mơ" not in page.text
    assert "Chi hội Đầu Nguồn" in page.text


def test_the_list_is_filtered(world: World) -> None:
    erasure, correction = _request(world, "erasure"), _request(world, "correction", home_town="Xóm Chài")
    found = world.administrator.get("/requests?kind=correction").text
    assert (f"/requests/{correction}" in found, f"/requests/{erasure}" in found) == (True, False)
    assert "0 yêu cầu" in world.administrator.get("/requests?kind=export&state=all").text


def test_a_correction_is_shown_side_by_side_and_carried_out(world: World) -> None:
    number = _request(world, "correction", home_town="Xóm Chài", reason="Ghi nhầm <b>")
    page = world.administrator.get(f"/requests/{number}").text
    for words in ("Lê Thị Mơ", "Xóm Bến", "Xóm Chài", "Ghi nhầm &lt;b&gt;", "Hội huyện Đồng Mai › Chi hội Đầu Nguồn"):
        assert words in page
    with unit_of_work() as session:
        seen = requests.view_request(session, SYSTEM, number).seen
    stale = world.administrator.post(f"/requests/{number}/complete", {"seen": "x", "version": "1"})
    assert (stale.status_code, _state(number)) == (422, "received")
    done = world.administrator.post(f"/requests/{number}/complete", {"seen": seen, "version": "1"})
    assert (done.status_code, done.headers["location"]) == (303, f"/admin/requests/{number}?done=done")
    assert "đã báo cho người yêu cầu" in world.administrator.get(f"/requests/{number}?done=done").text
    with unit_of_work() as session:
        member = session.get_one(Member, world.member_id)
        assert register.profile_of(session, member).private.home_town == "Xóm Chài"


def test_an_erasure_needs_the_word_and_leaves_no_name_on_the_page(world: World) -> None:
    number = _request(world, "erasure")
    wrong = world.administrator.post(f"/requests/{number}/complete", {"word": "xoa"})
    assert (wrong.status_code, _state(number)) == (422, "received")
    assert "Xin gõ chữ XÓA" in wrong.text
    done = world.administrator.post(f"/requests/{number}/complete", {"word": "xóa"})
    assert done.status_code == 303
    page = world.administrator.get(f"/requests/{number}?done=done").text
    assert "Lê Thị Mơ" not in page
    assert "đang hoàn tất" in page
    with unit_of_work() as session:
        assert session.scalars(select(Member)).all() == []


def test_a_refusal_keeps_what_was_written_until_it_is_complete(world: World) -> None:
    number = _request(world, "erasure")
    refused = world.administrator.post(f"/requests/{number}/refuse", {"answer": "Xin gặp văn phòng."})
    assert (refused.status_code, _state(number)) == (422, "received")
    assert "Xin gặp văn phòng.</textarea>" in refused.text
    done = world.administrator.post(f"/requests/{number}/refuse", {"answer": "Xin gặp.", "ground": "authority"})
    assert (done.status_code, _state(number)) == (303, "refused")


def test_a_request_on_paper_is_entered(world: World) -> None:
    assert "Lê Thị Mơ" in world.administrator.get(f"/requests/new?member={world.member_id}").text
    form = {"member": str(world.member_id), "kind": "correction", "value": "10/05/1960"}
    nothing = world.administrator.post("/requests/new", form)
    assert (nothing.status_code, "Xin chọn mục cần sửa." in nothing.text) == (422, True)
    bad = world.administrator.post("/requests/new", {**form, "field": "date_of_birth", "value": "hôm qua"})
    assert (bad.status_code, 'value="hôm qua"' in bad.text) == (422, True)
    entered = world.administrator.post("/requests/new", {**form, "field": "date_of_birth"})
    assert entered.status_code == 303
    page = world.administrator.client.get(entered.headers["location"]).text
    assert "Nhập hộ tại văn phòng" in page
    assert "10/05/1960" in page


@pytest.mark.parametrize("who", ["foreign", "secretary"])
def test_others_find_nothing(world: World, who: str) -> None:
    number = _request(world, "erasure")
    stranger: Console = getattr(world, who)
    codes = [
        stranger.get(f"/requests/{number}").status_code,
        stranger.get("/requests/999").status_code,
        stranger.get(f"/requests/new?member={world.member_id}").status_code,
        stranger.post("/requests/new", {"member": str(world.member_id), "kind": "erasure"}).status_code,
        stranger.post(f"/requests/{number}/complete", {"word": "XÓA"}).status_code,
        stranger.post(f"/requests/{number}/refuse", {"answer": "Không.", "ground": "other"}).status_code,
    ]
    assert codes == [404] * 6
    assert _state(number) == "received"
    assert stranger.get("/requests").status_code == (200 if who == "foreign" else 404)


def test_a_form_from_elsewhere_is_refused(world: World) -> None:
    number = _request(world, "erasure")
    forged = world.administrator.post(f"/requests/{number}/complete", {"csrf": "x", "word": "XÓA"})
    assert (forged.status_code, _state(number)) == (403, "received")


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_asks_the_database_as_often_for_many_as_for_one(world: World, count: int) -> None:
    for _ in range(count):
        _request(world, "withdrawal")
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine(), "before_cursor_execute", note)
    try:
        with unit_of_work() as session:
            assert requests.list_requests(session, SYSTEM).total == count
    finally:
        event.remove(engine(), "before_cursor_execute", note)
    assert len([statement for statement in statements if "data_request" in statement or "FROM unit" in statement]) == 3
