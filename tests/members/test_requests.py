from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import audit, clock
from core.audit import AuditEntry
from core.clock import VIETNAM
from core.database import unit_of_work
from members import consent, register, requests, sessions
from members.access import SYSTEM, Actor, NotVisibleError, Role, actor_of
from members.erasure import ErasureError
from members.models import Account, DataRequest, Grant, Member, Unit
from members.particulars import Private, RegisterError
from members.receipts import normalise
from members.requests import Receipt, RequestCounts, RequestError
from messaging import inbox, outbox
from tests import people
from tests.people import make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

MONDAY = datetime(2026, 3, 2, 2, 0, tzinfo=UTC)
WEDNESDAY_AT_FIVE = datetime(2026, 3, 4, 17, 0, tzinfo=VIETNAM)


@dataclass(frozen=True)
class World:
    member: Actor
    member_id: uuid.UUID
    administrator: Actor
    foreign: Actor
    secretary: Actor
    conversation: uuid.UUID


@pytest.fixture
def world() -> World:
    with unit_of_work() as session:
        units = make_units(session)
        private = Private(card_number="12345678", home_town="Xóm Bến, xã Đồng Mai", date_of_birth=date(1960, 5, 9))
        member = register.add(session, SYSTEM, unit_id=units.a1, name="Lê Thị Mơ", private=private)
        account = make_account(session, "Lê Thị Mơ", member_id=member.id)
        conversation = inbox.open_conversation(session, channel="web", external_id="x")
        sessions.start_member(session, account, conversation_id=conversation.id, channel="web", device="Thử")
        return World(
            actor_of(session, account),
            member.id,
            people.actor(session, "Quản trị huyện A", (Role.ADMINISTRATOR, units.a)),
            people.actor(session, "Quản trị thành phố B", (Role.ADMINISTRATOR, units.b)),
            people.actor(session, "Bí thư", (Role.SECRETARY, units.a1)),
            conversation.id,
        )


def _open(world: World, kind: str, **options: Any) -> Receipt:
    with unit_of_work() as session:
        return requests.open_request(session, world.member, kind=kind, channel="web", **options)


def _only_id(world: World) -> int:
    with unit_of_work() as session:
        (line,) = requests.list_requests(session, world.administrator).lines
        return line.id


def _said(world: World) -> list[str]:
    with unit_of_work() as session:
        return [reply["text"] for _, reply in outbox.after(session, world.conversation, 0)]


def _audited(*, prefix: str = "request.") -> list[tuple[str, uuid.UUID | None]]:
    with unit_of_work() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action.startswith(prefix)).order_by(AuditEntry.id))
        return [(row.action, row.actor_id) for row in rows]


def test_a_correction_waits_with_its_clock(world: World) -> None:
    with clock.fixed(MONDAY):
        receipt = _open(world, "correction", wanted={"home_town": "Xóm Chài", "reason": "  ghi   nhầm "})
    assert re.fullmatch(r"YC-[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}", receipt.receipt)
    assert (receipt.kind, receipt.created_at, receipt.due_at, receipt.state) == (
        "correction", MONDAY, WEDNESDAY_AT_FIVE, "received",
    )  # fmt: skip
    with unit_of_work() as session:
        (own,) = requests.own_requests(session, world.member)
        row = session.scalars(select(DataRequest)).one()
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "request.received"))
        assert "Xóm Chài".encode() not in (row.sealed or b"")
        assert audit.personal_values(session, entry) == {"home_town": "Xóm Chài", "reason": "ghi nhầm"}
        assert entry.details == {"kind": "correction", "receipt": receipt.receipt, "channel": "web"}
    assert (own.wanted, own.reason, own.state, own.closed_at) == (
        {"home_town": "Xóm Chài"}, "ghi nhầm", "received", None,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["access", "export"])
def test_access_and_export_are_done_at_once(world: World, kind: str) -> None:
    assert _open(world, kind).state == "done"
    with unit_of_work() as session:
        assert requests.counts(session, world.administrator) == RequestCounts(0, 0)


def test_the_same_message_is_one_request_and_another_one_is_new(world: World) -> None:
    first = _open(world, "access", message_key="c m1")
    assert _open(world, "access", message_key="c m1") == first
    assert _open(world, "access", message_key="c m2") != first
    with unit_of_work() as session:
        assert requests.receipt_of_message(session, "c m1") == first
        assert requests.receipt_of_message(session, "c m3") is None
        assert session.scalars(select(DataRequest.message_key)).first() != "c m1"


def test_a_second_open_erasure_is_the_first_one(world: World) -> None:
    first = _open(world, "erasure", message_key="c m1")
    assert _open(world, "erasure", message_key="c m2") == first


def test_a_second_correction_adds_to_the_open_one(world: World) -> None:
    first = _open(world, "correction", wanted={"home_town": "Xóm Chài", "phone": "0912345678"})
    assert _open(world, "correction", wanted={"home_town": "Xóm Trại", "position": ""}) == first
    with unit_of_work() as session:
        (own,) = requests.own_requests(session, world.member)
    assert own.wanted == {"home_town": "Xóm Trại", "phone": "0912345678", "position": None}


def test_withdrawal_is_done_at_once_and_its_message_is_still_known(world: World) -> None:
    with unit_of_work() as session:
        consent.give(session, world.member_id, consent.current(session).id, channel="web")
    receipt = _open(world, "withdrawal", message_key="c m9")
    assert receipt.state == "done"
    with unit_of_work() as session:
        assert sessions.resolve_member(session, world.conversation) is None
        assert not consent.has_given(session, world.member_id)
        assert requests.receipt_of_message(session, "c m9") == receipt
        assert session.get_one(Member, world.member_id).name == "Lê Thị Mơ"


@pytest.mark.parametrize(
    ("kind", "wanted", "message"),
    [
        ("correction", None, "cần sửa mục nào"),
        ("correction", {"reason": "   "}, "cần sửa mục nào"),
        ("erasure", {"name": "A"}, "cần sửa mục nào"),
        ("correction", {"unit_id": "3"}, "bí thư chi bộ"),
        ("correction", {"sealed": "x"}, "bí thư chi bộ"),
        ("correction", {"name": ""}, "không để trống được"),
        ("correction", {"date_of_birth": "31/02/1960"}, "05/09/1965"),
        ("correction", {"status": "vip"}, "chính thức hoặc dự bị"),
        ("correction", {"home_town": "x" * 301}, "dài quá 300"),
        ("correction", {"reason": "x" * 1001}, "dài quá 1000"),
        ("gift", None, "Không có loại"),
    ],
)
def test_what_cannot_be_asked(world: World, kind: str, wanted: dict[str, str] | None, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        _open(world, kind, wanted=wanted)
    with unit_of_work() as session:
        assert session.scalars(select(DataRequest)).all() == []


def test_who_is_no_member_has_no_requests(world: World) -> None:
    with unit_of_work() as session:
        for attempt in (
            lambda: requests.open_request(session, world.administrator, kind="access", channel="web"),
            lambda: requests.own_requests(session, world.administrator),
        ):
            with pytest.raises(NotVisibleError):
                attempt()


def test_completing_a_correction_changes_the_record_and_tells_the_person(world: World) -> None:
    receipt = _open(
        world, "correction", wanted={"home_town": "Xóm Chài", "date_of_birth": "10/05/1960", "position": "Ủy viên"}
    )
    number = _only_id(world)
    with unit_of_work() as session:
        view = requests.view_request(session, world.administrator, number)
        assert view.person is not None
        assert {(wish.label, wish.before, wish.after) for wish in view.wishes} == {
            ("Quê quán", "Xóm Bến, xã Đồng Mai", "Xóm Chài"),
            ("Ngày sinh", "09/05/1960", "10/05/1960"),
            ("Chức vụ", None, "Ủy viên"),
        }
        version = view.person.version
    with unit_of_work() as session:
        done = requests.complete(session, world.administrator, number, seen=view.seen, version=version)
        assert (done.receipt, done.state) == (receipt.receipt, "done")
    with unit_of_work() as session:
        profile = register.own_profile(session, world.member)
        assert (profile.position, profile.private.home_town, profile.private.date_of_birth) == (
            "Ủy viên", "Xóm Chài", date(1960, 5, 10),
        )  # fmt: skip
        row = session.get_one(DataRequest, number)
        assert row.state == "done"
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "request.completed"))
        assert audit.personal_values(session, entry) == {
            "home_town": "Xóm Chài", "date_of_birth": "1960-05-10", "position": "Ủy viên",
        }  # fmt: skip
    (told,) = _said(world)
    assert receipt.receipt in told
    assert "Chài" not in told
    assert _audited() == [
        ("request.received", world.member.account_id),
        ("request.viewed", world.administrator.account_id),
        ("request.completed", world.administrator.account_id),
    ]
    with unit_of_work() as session, pytest.raises(RequestError, match="rồi"):
        requests.complete(session, world.administrator, number, seen=view.seen, version=version + 1)


def test_wishes_added_meanwhile_are_not_applied_unseen(world: World) -> None:
    _open(world, "correction", wanted={"home_town": "Xóm Chài"})
    number = _only_id(world)
    with unit_of_work() as session:
        view = requests.view_request(session, world.administrator, number)
    _open(world, "correction", wanted={"phone": "0912345678"})
    with unit_of_work() as session, pytest.raises(RequestError, match="bổ sung"):
        requests.complete(session, world.administrator, number, seen=view.seen, version=1)
    with unit_of_work() as session:
        assert register.own_profile(session, world.member).private.home_town == "Xóm Bến, xã Đồng Mai"


@pytest.mark.parametrize(("wanted", "version"), [({"phone": "113"}, 1), ({"home_town": "Xóm Chài"}, 7)])
def test_a_correction_that_the_register_refuses_stays_open(world: World, wanted: dict[str, str], version: int) -> None:
    _open(world, "correction", wanted=wanted)
    number = _only_id(world)
    with unit_of_work() as session:
        view = requests.view_request(session, world.administrator, number)
        with pytest.raises(RegisterError):
            requests.complete(session, world.administrator, number, seen=view.seen, version=version)
    with unit_of_work() as session:
        assert session.get_one(DataRequest, number).state == "received"
    assert _said(world) == []


def test_a_wish_in_words_alone_is_closed_by_hand(world: World) -> None:
    _open(world, "correction", wanted={"reason": "Ngày vào Đảng ghi sai."})
    number = _only_id(world)
    with unit_of_work() as session:
        view = requests.view_request(session, world.administrator, number)
        assert (view.wishes, view.reason) == ((), "Ngày vào Đảng ghi sai.")
        assert requests.complete(session, world.administrator, number, seen=view.seen).state == "done"


def test_refusing_tells_the_person_why(world: World) -> None:
    receipt = _open(world, "correction", wanted={"home_town": "Xóm Chài"})
    number = _only_id(world)
    for empty in ("", "   "):
        with unit_of_work() as session, pytest.raises(RequestError, match="lý do"):
            requests.refuse(session, world.administrator, number, answer=empty)
    with unit_of_work() as session:
        requests.refuse(session, world.administrator, number, answer="Giấy tờ ghi khác.")
    with unit_of_work() as session:
        (own,) = requests.own_requests(session, world.member)
    assert (own.state, own.answer) == ("refused", "Giấy tờ ghi khác.")
    (told,) = _said(world)
    assert told.startswith(f"Yêu cầu {receipt.receipt} (sửa dữ liệu) không thực hiện được. Lý do: Giấy tờ ghi khác.")


def test_refusing_an_erasure_needs_a_ground_in_law(world: World) -> None:
    _open(world, "erasure")
    number = _only_id(world)
    for ground in (None, "because"):
        with unit_of_work() as session, pytest.raises(RequestError, match="căn cứ"):
            requests.refuse(session, world.administrator, number, answer="Không.", ground=ground)
    with unit_of_work() as session:
        requests.refuse(session, world.administrator, number, answer="Xin gặp văn phòng.", ground="dispute")
    with unit_of_work() as session:
        (own,) = requests.own_requests(session, world.member)
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "request.refused"))
    assert own.answer == f"{requests.GROUNDS['dispute']} Xin gặp văn phòng."
    assert entry.details["ground"] == "dispute"


def test_an_erasure_needs_the_word(world: World) -> None:
    receipt = _open(world, "erasure")
    number = _only_id(world)
    for word in ("", "XOA", "đồng ý"):
        with unit_of_work() as session, pytest.raises(RequestError, match="XÓA"):
            requests.complete(session, world.administrator, number, word=word)
    with unit_of_work() as session:
        assert session.get(Member, world.member_id) is not None
    with unit_of_work() as session:
        requests.complete(session, world.administrator, number, word=" xo\u0301a ")
    with unit_of_work() as session:
        assert session.get(Member, world.member_id) is None
        view = requests.view_request(session, world.administrator, number)
        assert (view.person, view.line.state, view.line.unit_name) == (None, "done", "Chi hội Đầu Nguồn")
        state = requests.receipt_state(session, receipt.receipt.lower().replace("-", " "))
        assert state is not None
        assert (state.receipt, state.kind, state.state, state.finishing) == (receipt.receipt, "erasure", "done", True)


def test_somebody_with_a_role_is_not_erased_and_the_request_stays_open(world: World) -> None:
    with unit_of_work() as session:
        units = session.scalars(select(Member.unit_id)).one()
        own = session.get_one(Account, world.member.account_id)
        session.add(Grant(account_id=own.id, role="secretary", unit_id=units, granted_at=clock.now()))
    _open(world, "erasure")
    number = _only_id(world)
    with unit_of_work() as session, pytest.raises(ErasureError, match="Bí thư chi bộ"):
        requests.complete(session, world.administrator, number, word="XÓA")
        # the page answers with the error and commits what was done so far: nothing
    with unit_of_work() as session:
        assert session.get_one(DataRequest, number).state == "received"
        assert session.get(Member, world.member_id) is not None


@pytest.mark.parametrize("who", ["foreign", "secretary", "member"])
def test_only_those_who_handle_see_a_request(world: World, who: str) -> None:
    _open(world, "erasure")
    number = _only_id(world)
    stranger: Actor = getattr(world, who)
    with unit_of_work() as session:
        for attempt in (
            lambda: requests.view_request(session, stranger, number),
            lambda: requests.complete(session, stranger, number, word="XÓA"),
            lambda: requests.refuse(session, stranger, number, answer="Không.", ground="other"),
            lambda: requests.open_on_behalf(session, stranger, world.member_id, kind="erasure"),
        ):
            with pytest.raises(NotVisibleError):
                attempt()
        assert requests.counts(session, stranger) == RequestCounts(0, 0)
        if who == "foreign":
            assert requests.list_requests(session, stranger).total == 0
        else:
            with pytest.raises(NotVisibleError):
                requests.list_requests(session, stranger)


def test_requests_follow_a_person_to_another_branch_and_who_had_them_sees_the_person_no_more(world: World) -> None:
    _open(world, "correction", wanted={"home_town": "Xóm Chài"})
    number = _only_id(world)
    with unit_of_work() as session:
        there = session.scalars(select(Unit).where(Unit.code == "B1")).one()
        register.change(session, SYSTEM, world.member_id, version=1, unit_id=there.id)
    with unit_of_work() as session:
        assert requests.counts(session, world.administrator) == RequestCounts(0, 0)
        assert requests.list_requests(session, world.administrator).total == 0
        for attempt in (
            lambda: requests.view_request(session, world.administrator, number),
            lambda: requests.refuse(session, world.administrator, number, answer="Không."),
        ):
            with pytest.raises(NotVisibleError):
                attempt()
        (line,) = requests.list_requests(session, world.foreign).lines
        assert (line.id, line.unit_name) == (number, there.name)
        found = requests.view_request(session, world.foreign, number)
        assert found.line.unit_name == there.name
        requests.complete(session, world.foreign, number, seen=found.seen, version=2)
    with unit_of_work() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "request.completed"))
        assert [entry.unit_id for entry in entries] == [there.id]


def test_after_an_erasure_the_requests_stay_with_the_last_branch(world: World) -> None:
    _open(world, "erasure")
    number = _only_id(world)
    with unit_of_work() as session:
        there = session.scalars(select(Unit).where(Unit.code == "B1")).one()
        register.change(session, SYSTEM, world.member_id, version=1, unit_id=there.id)
        requests.complete(session, world.foreign, number, word="XÓA")
    with unit_of_work() as session:
        assert requests.view_request(session, world.foreign, number).line.state == "done"
        with pytest.raises(NotVisibleError):
            requests.view_request(session, world.administrator, number)


def test_the_list_begins_with_what_is_due_first(world: World) -> None:
    with clock.fixed(MONDAY - timedelta(days=7)):
        _open(world, "access")
    with clock.fixed(MONDAY + timedelta(days=1)):
        _open(world, "erasure")
    with clock.fixed(MONDAY):
        _open(world, "correction", wanted={"reason": "x"})
        _open(world, "export")
    with clock.fixed(MONDAY + timedelta(days=3)), unit_of_work() as session:  # Thursday morning
        page = requests.list_requests(session, world.administrator)
        assert [(line.kind, line.overdue) for line in page.lines] == [
            ("correction", True), ("erasure", False), ("export", False), ("access", False),
        ]  # fmt: skip
        assert (page.total, page.page, page.pages) == (4, 1, 1)
        assert requests.counts(session, world.administrator) == RequestCounts(2, 1)
        waiting = requests.list_requests(session, world.administrator, open_only=True, kind="erasure")
        assert [line.kind for line in waiting.lines] == ["erasure"]


def test_a_request_on_paper_of_somebody_who_never_signed_in(world: World) -> None:
    with unit_of_work() as session:
        unit = session.scalars(select(Member.unit_id)).one()
        other = register.add(session, SYSTEM, unit_id=unit, name="Trần Văn Nón", private=Private()).id
        with pytest.raises(RequestError):
            requests.open_on_behalf(session, world.administrator, other, kind="export")
        receipt = requests.open_on_behalf(session, world.administrator, other, kind="erasure")
        number = requests.find(session, world.administrator, receipt.receipt)
    with unit_of_work() as session:
        requests.complete(session, world.administrator, number, word="XÓA")
    with unit_of_work() as session:
        assert session.get(Member, other) is None
        assert session.get(Member, world.member_id) is not None


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("YC-7K3M-9QX2", "YC-7K3M-9QX2"),
        (" yc 7k3m9qx2 ", "YC-7K3M-9QX2"),
        ("YC7K3M–9QX2", "YC-7K3M-9QX2"),
        ("7K3M-9QX2", None),
        ("YC-7K3M-9QXO", None),
        ("YC-7K3M-9QX22", None),
        ("'; drop table", None),
        ("", None),
    ],
)
def test_a_receipt_is_read_however_it_is_typed(typed: str, code: str | None) -> None:
    assert normalise(typed) == code


def test_an_unknown_receipt_tells_nothing(world: World) -> None:
    with unit_of_work() as session:
        assert requests.receipt_state(session, "YC-2222-2222") is None
        assert requests.receipt_state(session, "x") is None
