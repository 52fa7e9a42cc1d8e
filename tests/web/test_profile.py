from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members import asking, consent, limiting, sessions
from members.models import Account, DataRequest, Member, SignIn
from messaging.models import Conversation, InboxMessage
from sotay.app import create_app
from tests.web.browser import CARD, CITIZEN, PHONE, Browser, add_member, issue
from web import receipts

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> Iterator[None]:
    limiting.attempts.clear()
    yield
    limiting.attempts.clear()


@pytest.fixture
def member_id() -> uuid.UUID:
    return add_member()


@pytest.fixture
def browser(app: Any, member_id: uuid.UUID) -> Browser:
    made = Browser(app)
    made.sign_in(issue(member_id))
    return made


def only_request() -> DataRequest:
    with unit_of_work() as session:
        return session.scalars(select(DataRequest)).one()


def audited(action: str) -> list[AuditEntry]:
    with unit_of_work() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


PAGES = ["/me", "/me/corrections/name", "/me/withdrawal", "/me/erasure", "/me/sign-out"]
FORMS = ["/me/full", "/me/corrections/name", "/me/data", "/me/withdrawal", "/me/erasure", "/me/sign-out",
         "/me/devices/00000000-0000-0000-0000-000000000000/sign-out"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_own_pages_are_for_the_signed_in_only_and_kept_by_nobody(app: Any, browser: Browser, path: str) -> None:
    stranger = Browser(app).get(path)
    assert (stranger.status_code, stranger.headers["Location"]) == (303, "/sign-in")
    page = browser.get(path)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "<script" not in page.text
    assert "style=" not in page.text


@pytest.mark.parametrize("path", FORMS)
def test_forms_are_refused_without_their_token_and_without_a_sign_in(app: Any, browser: Browser, path: str) -> None:
    for data in ({}, {"csrf": ""}, {"csrf": "x" * 32}, {"csrf": "đồng ý"}):
        assert browser.client.post(path, data=data).status_code == 403
    stolen = {"csrf": browser.csrf()}
    assert browser.client.post(path, data=stolen, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    stranger = Browser(app).client.post(path, data=stolen)
    assert (stranger.status_code, stranger.headers["Location"]) == (303, "/sign-in")
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(DataRequest)) == 0
        assert session.scalars(select(SignIn.ended_at)).all() == [None]
    assert len(audited("request.forged")) == 5


def test_token_of_another_member_is_refused(app: Any, browser: Browser, member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        unit_id = session.get_one(Member, member_id).unit_id
    other = Browser(app)
    other.sign_in(issue(add_member("Trần Văn Bách", unit_id=unit_id, card="87654321")))
    assert other.client.post("/me/erasure", data={"csrf": browser.csrf()}).status_code == 403


def test_record_is_shown_with_numbers_masked_until_asked_for(browser: Browser) -> None:
    page = browser.get("/me").text
    for shown in ("Nguyễn Thị Hoàng Yến", "Hội Bạn đọc tỉnh Sông Xanh › Hội huyện Đồng Mai › Chi hội Đầu Nguồn",
                  "Phó bí thư", "Chính thức", "05/09/1965", "03/02/1990", "03/02/1991", "xã Đồng Mai, tỉnh Sông Xanh",
                  PHONE, "•••••678", "•••••••••345"):  # fmt: skip
        assert shown in page
    assert CARD not in page
    assert CITIZEN not in page
    full = browser.post("/me/full")
    assert full.headers["Cache-Control"] == "no-store"
    assert CARD in full.text
    assert CITIZEN in full.text
    assert CARD not in browser.get("/me").text


def test_nobody_sees_another_member(app: Any, browser: Browser, member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        unit_id = session.get_one(Member, member_id).unit_id
    other = Browser(app)
    other.sign_in(issue(add_member("Trần Văn Bách", unit_id=unit_id, card="87654321")))
    assert "Trần Văn Bách" in other.get("/me").text
    assert "Hoàng Yến" not in other.get("/me").text
    assert b"Y\xe1\xba\xbfn" not in other.post("/me/data", {"format": "json"}).content


def test_what_people_wrote_is_escaped(browser: Browser) -> None:
    browser.post("/me/corrections/home_town", {"value": "<script>alert(1)</script>"})
    page = browser.get("/me").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize(
    ("field", "value", "wanted"),
    [
        ("name", " Nguyễn  Thị Yến ", {"name": "Nguyễn Thị Yến"}),
        ("date_of_birth", "05/10/1965", {"date_of_birth": "1965-10-05"}),
        ("joined_on", "3-2-1991", {"joined_on": "1991-02-03"}),
        ("official_on", "03.02.1992", {"official_on": "1992-02-03"}),
        ("home_town", "xã Mới", {"home_town": "xã Mới"}),
        ("phone", "0971717171", {"phone": "0971717171"}),
        ("position", "Ủy viên", {"position": "Ủy viên"}),
        ("status", "probationary", {"status": "probationary"}),
        ("card_number", "87654321", {"card_number": "87654321"}),
    ],
)
def test_correction_opens_a_request(browser: Browser, field: str, value: str, wanted: dict[str, str]) -> None:
    answer = browser.post(f"/me/corrections/{field}", {"value": value, "reason": "Theo giấy tờ"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me?done=correction")
    row = only_request()
    assert (row.kind, row.channel, row.state) == ("correction", "web", "received")
    with unit_of_work() as session:
        assert asking.wishes(session, row) == {**wanted, "reason": "Theo giấy tờ"}
    page = browser.get("/me?done=correction").text
    assert "Đã gửi đề nghị sửa." in page
    assert row.receipt in page
    assert "87654321" not in page


def test_unit_is_corrected_in_words(browser: Browser) -> None:
    browser.post("/me/corrections/unit_id", {"value": "Chi hội Ao Sen", "reason": "Đã chuyển tháng trước"})
    with unit_of_work() as session:
        found = asking.wishes(session, only_request())
    assert found == {"reason": "Đơn vị: Chi hội Ao Sen Đã chuyển tháng trước"}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", "", "Xin nhập nội dung đúng."),
        ("unit_id", " ", "Xin nhập nội dung đúng."),
        ("date_of_birth", "31/02/1965", "Ngày sinh cần có dạng ngày/tháng/năm"),
        ("home_town", "x" * 301, "Quê quán dài quá 300 ký tự."),
        ("status", "president", "xin ghi chính thức hoặc dự bị"),
    ],
)
def test_a_correction_that_cannot_be_is_said_and_what_was_typed_stays(
    browser: Browser, field: str, value: str, message: str
) -> None:
    answer = browser.post(f"/me/corrections/{field}", {"value": value})
    assert answer.status_code == 200
    assert message in answer.text
    assert field == "status" or f'value="{value}"' in answer.text
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(DataRequest)) == 0


@pytest.mark.parametrize("field", ["exempt", "version", "id", "sealed", "registered_at", "..%2f..%2fetc"])
def test_what_cannot_be_corrected_has_no_page(browser: Browser, field: str) -> None:
    assert browser.get(f"/me/corrections/{field}").status_code == 404
    assert browser.post(f"/me/corrections/{field}", {"value": "1"}).status_code == 404


def test_data_as_json_and_pdf_are_entered_in_the_ledger(browser: Browser, member_id: uuid.UUID) -> None:
    with clock.fixed(clock.now()):
        answers = [browser.post("/me/data", {"format": form}) for form in ("json", "pdf")]
        day = clock.today()
    assert [answer.headers["Content-Type"] for answer in answers] == ["application/json", "application/pdf"]
    assert [answer.headers["Content-Disposition"] for answer in answers] == [
        f'attachment; filename="du-lieu-cua-toi-{day}.json"',
        f'attachment; filename="du-lieu-cua-toi-{day}.pdf"',
    ]
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert json.loads(answers[0].content)["register"]["card_number"] == CARD
    assert answers[1].content.startswith(b"%PDF-")
    with unit_of_work() as session:
        rows = session.scalars(select(DataRequest)).all()
        assert [(row.kind, row.state, row.channel) for row in rows] == [("export", "done", "web")] * 2
        account = session.scalars(select(Account)).one()
    assert [(entry.actor_id, entry.subject) for entry in audited("member.exported")] == [(account.id, member_id)] * 2
    assert browser.post("/me/data", {"format": "exe"}).status_code == 400


def test_withdrawal_says_what_happens_and_signs_out_everywhere(browser: Browser, member_id: uuid.UUID) -> None:
    asked = browser.get("/me/withdrawal").text
    assert "được đăng xuất ngay trên mọi thiết bị" in asked
    before = browser.cookie
    answer = browser.post("/me/withdrawal")
    assert answer.status_code == 303
    assert browser.cookie != before
    with unit_of_work() as session:
        assert [event.action for event in consent.history(session, member_id)] == ["given", "withdrawn"]
        assert session.scalars(select(SignIn.ended_at).where(SignIn.ended_at.is_(None))).all() == []
        assert session.get_one(Member, member_id).registered_at is None
    row = only_request()
    assert (row.kind, row.state) == ("withdrawal", "done")
    assert answer.headers["Location"] == f"/receipts/{row.receipt}?new=withdrawal"
    assert "Đã rút lại đồng ý và đăng xuất" in browser.get(answer.headers["Location"]).text
    assert browser.get("/me").headers["Location"] == "/sign-in"
    again = browser.sign_in(issue(member_id), agreed=False)
    assert "chưa đánh dấu đồng ý" in again.text


def test_erasure_is_a_request_with_a_receipt(browser: Browser) -> None:
    asked = browser.get("/me/erasure").text
    for heading in ("Sẽ xóa", "Còn giữ", "Bao lâu"):
        assert f"<h2>{heading}</h2>" in asked
    answer = browser.post("/me/erasure")
    row = only_request()
    assert (row.kind, row.state) == ("erasure", "received")
    assert answer.headers["Location"] == f"/receipts/{row.receipt}?new=erasure"
    assert row.receipt in browser.get(answer.headers["Location"]).text
    browser.post("/me/erasure")
    assert only_request().receipt == row.receipt


def test_receipt_is_read_by_anybody_and_names_nobody(app: Any, browser: Browser) -> None:
    browser.post("/me/corrections/name", {"value": "Nguyễn Thị Yến", "reason": "bí mật"})
    row = only_request()
    stranger = Browser(app)
    for typed in (row.receipt, row.receipt.lower(), row.receipt.replace("-", "")):
        page = stranger.get(f"/receipts/{typed}")
        assert page.status_code == 200
        assert page.headers["Cache-Control"] == "no-store"
        assert "Sửa dữ liệu" in page.text
        assert "Đang chờ" in page.text
        assert f"{row.due_at.astimezone(clock.VIETNAM):%H:%M ngày %d/%m/%Y}" in page.text
        assert "Yến" not in page.text
        assert "bí mật" not in page.text
    assert (
        stranger.get("/receipts", params={"code": f" {row.receipt} "}).headers["Location"] == f"/receipts/{row.receipt}"
    )


@pytest.mark.parametrize("code", ["YC-2222-2222", "nothing", "%00", "YC-2222-2222'--", "x" * 5000])
def test_unknown_receipt(app: Any, code: str) -> None:
    page = Browser(app).get(f"/receipts/{code}")
    assert page.status_code == 404
    assert "Không có biên nhận nào với mã này." in page.text


def test_guessing_receipts_is_stopped(app: Any) -> None:
    browser = Browser(app)
    allowed = receipts.PER_ADDRESS.amount
    answers = [browser.get("/receipts/YC-2222-2222").status_code for _ in range(allowed + 1)]
    assert answers == [404] * allowed + [429]
    assert "<h1>Quá nhiều yêu cầu</h1>" in browser.get("/receipts/YC-2222-2222").text


def test_console_session_is_listed_and_signed_out(browser: Browser) -> None:
    with unit_of_work() as session:
        account = session.scalars(select(Account)).one()
        token = sessions.start_console(session, account, device="Firefox, Windows")
    page = browser.get("/me").text
    assert page.count("Thiết bị này") == 1
    assert "Firefox, Windows" in page
    found = re.findall(r'action="(/me/devices/[0-9a-f-]+/sign-out)"', page)
    assert len(found) == 1
    assert browser.post(found[0]).headers["Location"] == "/me?done=device"
    assert "Đã đăng xuất thiết bị." in browser.get("/me?done=device").text
    with unit_of_work() as session:
        assert sessions.resolve_console(session, token) is None
    assert browser.get("/me").status_code == 200


def test_devices_of_others_cannot_be_signed_out(app: Any, browser: Browser, member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        unit_id = session.get_one(Member, member_id).unit_id
        own = session.scalars(select(SignIn)).one()
    other = Browser(app)
    other.sign_in(issue(add_member("Trần Văn Bách", unit_id=unit_id, card="87654321")))
    for sign_in_id in (own.id, uuid.uuid4(), "nothing"):
        assert other.post(f"/me/devices/{sign_in_id}/sign-out").status_code == 404
    assert browser.get("/me").status_code == 200


@pytest.mark.parametrize(("chat", "kept"), [("keep", 1), ("erase", 0), ("", 1)])
def test_sign_out_begins_anew_and_keeps_or_erases_the_chat(
    browser: Browser, member_id: uuid.UUID, chat: str, kept: int
) -> None:
    browser.client.post("/api/chat/messages", json={"id": str(uuid.uuid4()), "text": "lời của tôi"})
    before = browser.cookie
    answer = browser.post("/me/sign-out", {"chat": chat})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert browser.cookie not in (None, before)
    assert browser.get("/me").headers["Location"] == "/sign-in"
    assert browser.get("/api/chat/history").json()["messages"] == []
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(InboxMessage)) == kept
        assert session.scalar(select(func.count()).select_from(Conversation)) == kept
    browser.sign_in(issue(member_id))
    data = json.loads(browser.post("/me/data", {"format": "json"}).content)
    assert [(talk["messages"], talk["messages_on_another_device"]) for talk in data["conversations"]] == [
        *[([], 1)] * kept,
        ([], 0),
    ]


def test_own_sign_in_is_ended_on_its_own_page_only(browser: Browser) -> None:
    with unit_of_work() as session:
        own = session.scalars(select(SignIn)).one()
    assert browser.post(f"/me/devices/{own.id}/sign-out").headers["Location"] == "/me/sign-out"
    assert browser.get("/me").status_code == 200


def test_last_use_is_noted_by_the_hour(browser: Browser) -> None:
    with unit_of_work() as session:
        begun = session.scalars(select(SignIn.last_seen_at)).one()
    for later, noted in ((timedelta(minutes=59), begun), (timedelta(hours=2), begun + timedelta(hours=2))):
        with clock.fixed(begun + later):
            browser.get("/me")
        with unit_of_work() as session:
            assert session.scalars(select(SignIn.last_seen_at)).one() == noted


def test_sign_in_ends_after_its_time(browser: Browser) -> None:
    with clock.fixed(clock.now() + sessions.MEMBER_LONGEST + timedelta(seconds=1)):
        assert browser.get("/me").headers["Location"] == "/sign-in"
