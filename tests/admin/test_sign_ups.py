"""The pages of those who review sign-ups, and of the secretary face to face."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from admin import base, sign_up_words
from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from ekyc import challenge, decision, images, qr
from ekyc.results import Pose, Reason
from members import codes, register
from members.access import SYSTEM, Role
from members.models import Account, Member
from members.particulars import Private
from members.sign_up_models import SignUp
from members.signup import record, review, tasks
from messaging import inbox
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units
from tests.sign_ups import make_waiting, photo_ids, picture, state_of

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)


@dataclass(frozen=True)
class World:
    units: Units
    mo: uuid.UUID
    here: Console
    colleague: Console
    whole: Console
    foreign: Console
    secretary: Console
    administrator: Console


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture
def world(app: Any) -> Iterator[World]:
    with clock.fixed(NOW):
        with unit_of_work() as session:
            units = make_units(session)
            private = Private(card_number="12345678", date_of_birth=date(1960, 5, 9), home_town="Xom Ben")
            mo = register.add(session, SYSTEM, unit_id=units.a1, name="Lê Thị Mơ", private=private).id
            ids = [
                make_account(session, name, (role, unit)).id
                for name, role, unit in (
                    ("Người xét A", Role.REVIEWER, units.a),
                    ("Người xét A khác", Role.REVIEWER, units.a),
                    ("Người xét chung", Role.REVIEWER, units.province),
                    ("Người xét B", Role.REVIEWER, units.b),
                    ("Bí thư", Role.SECRETARY, units.a1),
                    ("Quản trị", Role.ADMINISTRATOR, units.province),
                )
            ]
        yield World(units, mo, *(Console(app, account_id) for account_id in ids))


def _make(member_id: uuid.UUID | None, **values: Any) -> uuid.UUID:
    with unit_of_work() as session:
        unit_id = session.get_one(Member, member_id).unit_id if member_id else None
        return make_waiting(session, member_id, unit_id=unit_id, **values)


def _state(sign_up_id: uuid.UUID) -> str:
    with unit_of_work() as session:
        return state_of(session, sign_up_id)


def _count(action: str) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).where(AuditEntry.action == action)) or 0


def _seen(page: str) -> str:
    found = re.search(r'name="seen" value="(\w+)"', page)
    assert found is not None
    return found[1]


def _accept(browser: Console, sign_up: uuid.UUID) -> Any:
    seen = _seen(browser.get(f"/sign-ups/{sign_up}").text)
    return browser.post(f"/sign-ups/{sign_up}/accept", {"reason": "same_person", "seen": seen})


# The queue and one of them


def test_the_queue_says_why_and_how_long_but_not_who(world: World) -> None:
    with clock.fixed(NOW - timedelta(days=6, hours=2)):
        late = _make(None, reasons=("register_unknown", "contradicts_home_town", "contradicts_qr_name", "of_a_vendor"))
    with clock.fixed(NOW - timedelta(hours=1, minutes=30)):
        _make(world.mo, already_used=True, reasons=("already_used",))
    page = world.whole.get("/sign-ups")
    assert page.status_code == 200
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    for part in (
        "2 hồ sơ đang chờ",
        "6 ngày 2 giờ chưa rõ không tìm thấy trong sổ, mâu thuẫn: quê quán, mâu thuẫn: họ tên trên căn cước, of_a_vendor 0/1 22 giờ",
        "1 giờ Chi hội Đầu Nguồn thẻ đã có tài khoản 0/2 6 ngày 22 giờ",
    ):
        assert part in words
    assert "Mơ" not in words
    assert f'href="/admin/sign-ups/{late}"' in page.text
    assert "1 hồ sơ đang chờ" in world.here.get("/sign-ups").text
    assert "Không có hồ sơ nào đang chờ" in world.foreign.get("/sign-ups").text
    assert world.secretary.get("/sign-ups").status_code == 404
    overview = " ".join(re.sub(r"<[^>]+>", " ", world.whole.get("").text).split())
    assert "1 hồ sơ đăng ký sắp hết hạn xét" in overview
    assert "1 hồ sơ đăng ký chờ xét" in overview


def test_the_queue_comes_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("members.signup.looking.PAGE_SIZE", 2)
    made = [_make(None) for _ in range(3)]
    first, second, beyond = (world.whole.get(f"/sign-ups?number={number}").text for number in (1, 2, 9999))
    assert "Trang 1/2" in first
    assert 'href="/admin/sign-ups?number=2"' in first
    assert ("Trang 2/2" in second, "Trang 2/2" in beyond) == (True, True)
    shown = [[str(one) in page for one in sorted(made)] for page in (first, second)]
    assert shown == [[True, True, False], [False, False, True]]


def test_pictures_fields_and_register_stand_side_by_side(world: World) -> None:
    sign_up = _make(world.mo, contradictions=("qr_date_of_birth",), live=False, challenge=None)
    page = world.here.get(f"/sign-ups/{sign_up}")
    assert page.status_code == 200
    with unit_of_work() as session:
        ids = photo_ids(session, sign_up)
    for photo_id in ids:
        assert page.text.count(f'href="/admin/sign-ups/{sign_up}/photos/{photo_id}"') == 1
        assert page.text.count(f'src="/admin/sign-ups/{sign_up}/photos/{photo_id}"') == 1
    words = " ".join(re.sub(r"<[^>]+>", " ", page.text).split())
    for part in (
        "Số thẻ 12345678 chắc 90 % 12345678 khớp",
        "Quê quán Xóm Bến chắc 90 % Xom Ben khác dấu",
        "Ngày kết nạp không đọc được — —",
        "Hội huyện Đồng Mai › Chi hội Đầu Nguồn",
        "Chưa chắc: máy không kết luận được, xin nhìn kỹ hai khuôn mặt. Độ giống 0,31; từ 0,36 là rất giống, dưới 0,25 là ít giống.",
        "Mã QR của căn cước chụp cùng không khớp: ngày sinh trên căn cước.",
        "Ảnh khuôn mặt được tải lên, không chụp theo yêu cầu trước máy ảnh.",
        "Ảnh khuôn mặt, như đã tải lên",
    ):
        assert part in words
    assert ("Quay sang trái" in words, "Khi làm theo yêu cầu" in words) == (False, False)
    assert "Thẻ này đã có tài khoản" not in words
    assert page.headers["cache-control"] == "no-store"
    assert _count("sign_up.viewed") == 1
    assert world.foreign.get(f"/sign-ups/{sign_up}").status_code == 404


def test_portrait_and_selfie_stand_beside_each_other_and_the_turns_below(world: World) -> None:
    sign_up = _make(world.mo)
    with unit_of_work() as session:
        record.put_photo(session, record.locked(session, sign_up), "portrait", picture(60))
    page = world.here.get(f"/sign-ups/{sign_up}").text
    [pair] = re.findall(r'<div class="photos faces">(.*?)</div>', page, flags=re.DOTALL)
    assert re.findall(r"<figcaption>([^<]+)</figcaption>", pair) == ["Ảnh trên thẻ", "Khuôn mặt"]
    assert "<h3>Khi làm theo yêu cầu trước máy ảnh</h3>" in page
    assert "<figcaption>Quay sang trái</figcaption>" in page


def test_who_was_not_photographed_is_not_taken_for_one_who_was(world: World) -> None:
    page = world.here.get(f"/sign-ups/{_make(world.mo, face=False, reasons=('asked_for_person',))}").text
    assert "Người này không chụp khuôn mặt." in page
    assert "Máy không so được hai khuôn mặt, xin tự so." in page


def test_photographs_are_kept_by_nobody_on_the_way(world: World) -> None:
    sign_up = _make(world.mo)
    with unit_of_work() as session:
        photo_id = photo_ids(session, sign_up)[0]
    address = f"/sign-ups/{sign_up}/photos/{photo_id}"
    world.here.get(f"/sign-ups/{sign_up}")
    answer = world.here.get(address)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (
        200,
        "image/jpeg",
        "no-store",
    )
    assert "etag" not in answer.headers
    assert answer.content == images.encode(picture(10))
    assert _count("sign_up.viewed") == 1
    assert world.foreign.get(address).status_code == 404
    assert world.secretary.get(address).status_code == 404
    world.here.post(f"/sign-ups/{sign_up}/reject", {"reason": "other_person"})
    assert world.here.get(address).status_code == 404


# Verdicts


def test_accepting_leads_back_to_the_queue(world: World) -> None:
    sign_up = _make(world.mo)
    done = _accept(world.here, sign_up)
    assert (done.status_code, done.headers["location"]) == (303, "/admin/sign-ups?done=accepted")
    assert "Đã chấp nhận." in world.here.get("/sign-ups?done=accepted").text
    assert _state(sign_up) == "accepted"
    after = world.here.get(f"/sign-ups/{sign_up}")
    assert after.status_code == 200
    assert "Hồ sơ này đã được xử lý: đã chấp nhận, 04/03/2026 10:00." in after.text
    assert "04/03/2026 10:00: Người xét A đồng ý (Đúng người trên thẻ, thẻ khớp với sổ)." in after.text
    assert "12345678" not in after.text


def test_a_card_in_use_is_marked_and_takes_two(world: World) -> None:
    with unit_of_work() as session:
        make_account(session, "Lê Thị Mơ", member_id=world.mo)
    sign_up = _make(world.mo, already_used=True)
    assert "<strong>Thẻ này đã có tài khoản.</strong>" in world.here.get(f"/sign-ups/{sign_up}").text
    first = _accept(world.here, sign_up)
    assert first.headers["location"] == "/admin/sign-ups?done=noted"
    page = world.here.get(f"/sign-ups/{sign_up}").text
    assert "Hồ sơ đang chờ một người khác xem và đồng ý." in page
    assert 'action="/admin/sign-ups/' + str(sign_up) + '/accept"' not in page
    assert _accept(world.colleague, sign_up).headers["location"] == "/admin/sign-ups?done=accepted"


def test_a_second_click_says_that_it_is_done(world: World) -> None:
    sign_up = _make(world.mo)
    seen = _seen(world.colleague.get(f"/sign-ups/{sign_up}").text)
    done = world.here.post(f"/sign-ups/{sign_up}/ask-again", {"reason": "card_cut"})
    assert done.headers["location"] == "/admin/sign-ups?done=again"
    for action, data in (
        ("accept", {"reason": "same_person", "seen": seen}),
        ("reject", {"reason": "other_person"}),
        ("ask-again", {"reason": "card_cut"}),
        ("member", {"member_id": str(world.mo)}),
        ("members", {"q": "Mơ"}),
    ):
        late = world.colleague.post(f"/sign-ups/{sign_up}/{action}", data)
        assert (late.status_code, "Hồ sơ này đã được xử lý." in late.text) == (409, True)
    assert world.colleague.get(f"/sign-ups/{sign_up}").status_code == 409
    assert world.foreign.get(f"/sign-ups/{sign_up}").status_code == 404


@pytest.mark.parametrize("action", ["accept", "reject", "ask-again"])
def test_a_verdict_without_a_reason_stays_on_the_page(world: World, action: str) -> None:
    sign_up = _make(world.mo)
    refused = world.here.post(f"/sign-ups/{sign_up}/{action}", {"seen": "x"})
    assert (refused.status_code, "Xin chọn lý do." in refused.text, _state(sign_up)) == (422, True, "review")


def test_an_acceptance_that_cannot_be_carried_out_is_none(world: World) -> None:
    with unit_of_work() as session:
        holder = make_account(session, "Lê Thị Mơ", member_id=world.mo)
        holder.disabled_at = NOW
    sign_up = _make(world.mo, already_used=True)
    _accept(world.here, sign_up)
    refused = _accept(world.colleague, sign_up)
    assert (refused.status_code, "đang bị khóa" in refused.text) == (422, True)
    with unit_of_work() as session:
        found = review.queue(session, _actor(session, "Người xét A"))
    assert [(line.id, line.accepted) for line in found.lines] == [(sign_up, 1)]


def _actor(session: Any, name: str) -> Any:
    from members.access import actor_of

    return actor_of(session, session.scalars(select(Account).where(Account.name == name)).one())


def test_whose_card_it_is_is_searched_and_chosen(world: World) -> None:
    sign_up = _make(None)
    page = world.whole.get(f"/sign-ups/{sign_up}").text
    assert "Không tìm thấy ai trong sổ." in page
    assert f'href="/admin/sign-ups/{sign_up}/members"' in page
    assert f"/sign-ups/{sign_up}/accept" not in page
    assert 'name="q"' in world.whole.get(f"/sign-ups/{sign_up}/members").text
    empty = world.whole.post(f"/sign-ups/{sign_up}/members", {"q": " "})
    assert (empty.status_code, "Xin gõ họ tên" in empty.text) == (422, True)
    assert "Không có ai như vậy" in world.whole.post(f"/sign-ups/{sign_up}/members", {"q": "Sen"}).text
    found = world.whole.post(f"/sign-ups/{sign_up}/members", {"q": "12345678"}).text
    assert f'name="member_id" value="{world.mo}"' in found
    chosen = world.whole.post(f"/sign-ups/{sign_up}/member", {"member_id": str(world.mo)})
    assert chosen.headers["location"] == f"/admin/sign-ups/{sign_up}?done=chosen"
    with unit_of_work() as session:
        assert session.get_one(SignUp, sign_up).member_id == world.mo
    assert _accept(world.whole, sign_up).headers["location"] == "/admin/sign-ups?done=accepted"


def test_a_form_from_elsewhere_decides_nothing(world: World) -> None:
    sign_up = _make(world.mo)
    forged = world.here.post(f"/sign-ups/{sign_up}/reject", {"csrf": "x", "reason": "other_person"})
    assert (forged.status_code, _state(sign_up)) == (403, "review")


def test_every_reason_that_a_machine_gives_has_words() -> None:
    evidence = decision.Evidence("retake", {}, confirmed=False, register="match", face=None, challenge=None, live=False)
    codes = {str(reason) for reason in Reason} | set(decision.decide(evidence, min_confidence=0.5).reasons)
    codes |= {f"register_{state}" for state in ("unknown", "differs", "ambiguous")}
    codes |= {challenge.POSE_NOT_SEEN, challenge.CHANGED_FACE, challenge.FLAT, challenge.STILL, challenge.PASSIVE}
    codes |= {"face_different", "already_used", "conversation_gone", "signed_in_meanwhile", "changed_meanwhile"}
    codes |= {"takes_used", "many_tries", "by_setting", "asked_for_person", "not_as_printed", tasks.UNAVAILABLE}
    assert codes == set(sign_up_words.REASON_WORDS)
    assert set(sign_up_words.QR_WORDS) == set(re.findall(r'"(qr_\w+)"', _source(qr)))
    assert set(sign_up_words.POSES) == {pose.value for pose in Pose}


def _source(module: Any) -> str:
    import inspect

    return inspect.getsource(module)


def test_the_menu_marks_one_entry() -> None:
    marked = {path: entry.title for path in ("/admin/sign-ups/in-person/x", "/admin/sign-ups/x", "/admin/members", "/admin")
              if (entry := base.here(path)) is not None}  # fmt: skip
    assert marked == {
        "/admin/sign-ups/in-person/x": "Đăng ký trực tiếp",
        "/admin/sign-ups/x": "Xét đăng ký",
        "/admin/members": "Thành viên",
        "/admin": "Tổng quan",
    }


# Face to face


def test_the_secretary_takes_one_after_another(world: World) -> None:
    with unit_of_work() as session:
        for name in ("Lê Thị Ánh", "Lê Thị An"):
            register.add(session, SYSTEM, unit_id=world.units.a1, name=name, private=Private())
    page = world.secretary.get("/sign-ups/in-person").text
    assert re.findall(r'in-person/[\w-]{36}\?back=[^"]*">([^<]+)</a>', page) == ["Lê Thị An", "Lê Thị Ánh", "Lê Thị Mơ"]
    assert "Hôm nay đã xác nhận 0 người." in page
    assert 'value="Chi hội Đầu Nguồn (A1)"' in page
    address = re.findall(r'href="/admin(/sign-ups/in-person/[^"]+)">Lê Thị Mơ<', page)[0]
    asked = world.secretary.get(address).text
    for words in ("Lê Thị Mơ", "09/05/1960", "12345678"):
        assert words in asked
    back = re.findall(r'name="back" value="([^"]*)"', asked)[0]
    assert back.startswith("unit=Chi")
    path = f"/sign-ups/in-person/{world.mo}"
    half = world.secretary.post(path, {"card_seen": "true", "back": back})
    assert (half.status_code, "đánh dấu cả hai ô" in half.text) == (422, True)
    done = world.secretary.post(path, {"card_seen": "true", "person_seen": "true", "back": back})
    assert done.status_code == 200
    code = re.findall(r'class="once" translate="no">(\d{4} \d{4} \d{4})<', done.text)[0]
    assert "<svg" in done.text
    assert f'href="/admin/sign-ups/in-person?{back}">Người tiếp theo' in done.text
    assert done.headers["cache-control"] == "no-store"
    assert (_count("sign_up.confirmed_in_person"), _count("code.issued")) == (1, 1)
    page = world.secretary.get("/sign-ups/in-person").text
    assert ("đã trao, chưa dùng" in page, "Hôm nay đã xác nhận 1 người." in page) == (True, True)
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="máy")
        codes.redeem(session, code, conversation_id=conversation.id, channel="web", device="Thử")
    assert "2 người chưa đăng ký" in world.secretary.get("/sign-ups/in-person").text
    again = world.secretary.get(path)
    assert (again.status_code, "Người này đã đăng ký rồi." in again.text) == (422, True)


def test_whoever_answers_for_more_chooses_the_branch(world: World) -> None:
    page = world.administrator.get("/sign-ups/in-person", params={"unit": "A1", "q": "mo"}).text
    assert "1 người chưa đăng ký" in page
    assert (
        "Mọi người ở đây đã đăng ký." in world.administrator.get(f"/sign-ups/in-person?unit_id={world.units.b1}").text
    )
    unknown = world.administrator.get("/sign-ups/in-person", params={"unit": "không có"})
    assert (unknown.status_code, 'class="count">0 người' in unknown.text, "Không có đơn vị" in unknown.text) == (
        200,
        False,
        True,
    )
    assert world.secretary.get(f"/sign-ups/in-person?unit_id={world.units.b1}").status_code == 404


def test_a_reviewer_issues_no_codes(world: World) -> None:
    assert world.here.get("/sign-ups/in-person").status_code == 404
    assert world.here.get(f"/sign-ups/in-person/{world.mo}").status_code == 404
    path = f"/sign-ups/in-person/{world.mo}"
    assert world.here.post(path, {"card_seen": "true", "person_seen": "true"}).status_code == 404
    assert _count("code.issued") == 0
