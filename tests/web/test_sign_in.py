from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members import consent, limiting, sessions
from members.models import Account, ConsentEvent, Member, OneTimeCode, SignIn
from messaging import cookies, inbox
from messaging.models import Conversation
from sotay.app import create_app
from tests.web.browser import Browser, add_member, issue
from web.sign_in import blocks

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(scope="module")
def app() -> Any:
    return create_app()


@pytest.fixture(autouse=True)
def _no_attempts_yet() -> Iterator[None]:
    limiting.attempts.clear()
    yield
    limiting.attempts.clear()


def count(table: Any) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def actions() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def unused() -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).where(OneTimeCode.used_at.is_(None))) or 0


def test_form_shows_the_whole_text_and_no_tick(app: Any) -> None:
    page = Browser(app).get("/sign-in")
    with unit_of_work() as session:
        text_now = consent.current(session)
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert text_now.title in page.text
    assert f"Phiên bản {text_now.version} của văn bản này." in page.text
    for _, lines in blocks(text_now.body):
        for line in lines:
            assert line.replace('"', "&#34;") in page.text
    assert 'inputmode="numeric" autocomplete="one-time-code"' in page.text
    assert "checked" not in page.text
    assert "bí thư chi bộ" in page.text


def test_code_and_tick_sign_in(app: Any) -> None:
    member_id = add_member()
    browser = Browser(app)
    answer = browser.sign_in(issue(member_id))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me?welcome=1")
    assert answer.headers["Cache-Control"] == "no-store"
    page = browser.get("/me?welcome=1")
    assert "Chào Nguyễn Thị Hoàng Yến." in page.text
    assert "đã đồng ý lúc" in page.text
    with unit_of_work() as session:
        row = session.scalars(select(SignIn)).one()
        assert (row.kind, row.channel, row.device, row.ended_at) == ("member", "web", "Chrome, Android", None)
        assert consent.has_given(session, member_id)
        assert [event.channel for event in consent.history(session, member_id)] == ["web"]
        assert session.get_one(Member, member_id).registered_at is not None
    assert actions()[-2:] == ["code.redeemed", "consent.given"]


@pytest.mark.parametrize(
    "write", [str, lambda code: code.replace(" ", ""), lambda code: f"  {code.replace(' ', '-')} "]
)
def test_code_is_taken_as_people_write_it(app: Any, write: Any) -> None:
    assert Browser(app).sign_in(write(issue(add_member()))).status_code == 303


def test_without_the_tick_nothing_is_changed_and_the_code_stays(app: Any) -> None:
    code = issue(add_member())
    browser = Browser(app)
    answer = browser.sign_in(code, agreed=False)
    assert answer.status_code == 200
    assert "chưa đánh dấu đồng ý" in answer.text
    assert f'value="{code}"' in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert (unused(), count(SignIn), count(Account), count(ConsentEvent), count(Conversation)) == (1, 0, 0, 0, 0)
    assert "set-cookie" not in answer.headers
    assert browser.sign_in(code).status_code == 303


def test_consent_to_another_text_than_the_one_that_counts_is_none(app: Any) -> None:
    code = issue(add_member())
    answer = Browser(app).client.post("/sign-in", data={"code": code, "agreed": "yes", "text_id": "987654"})
    assert "vừa có bản mới" in answer.text
    assert (unused(), count(ConsentEvent)) == (1, 0)


@pytest.mark.parametrize("text_id", ["", "abc", "-1", "²", "99999999999999999999"])
def test_nonsense_for_a_text_is_no_consent(app: Any, text_id: str) -> None:
    code = issue(add_member())
    answer = Browser(app).client.post("/sign-in", data={"code": code, "agreed": "yes", "text_id": text_id})
    assert answer.status_code == 200
    assert (unused(), count(SignIn)) == (1, 0)


def test_new_phone_needs_a_code_and_no_new_tick(app: Any) -> None:
    member_id = add_member()
    old, new = Browser(app), Browser(app)
    old.sign_in(issue(member_id))
    answer = new.sign_in(issue(member_id), agreed=False)
    assert answer.headers["Location"] == "/me?welcome=1"
    assert "đã đồng ý lúc" in new.get("/me?welcome=1").text
    assert count(ConsentEvent) == 1
    assert old.get("/me").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("kind", ["unknown", "malformed", "used", "expired", "empty"])
def test_a_wrong_code_gets_the_same_sentence_whatever_is_wrong(app: Any, kind: str) -> None:
    member_id = add_member()
    code = issue(member_id)
    if kind == "used":
        Browser(app).sign_in(code)
    given = {"unknown": "0000 0000 0000", "malformed": "12ab", "empty": ""}.get(kind, code)
    with clock.fixed(clock.now() + timedelta(hours=25 if kind == "expired" else 0)):
        answer = Browser(app).sign_in(given)
    assert answer.status_code == 200
    assert "Mã này không đúng hoặc không còn dùng được." in answer.text
    assert f'value="{given}"' not in answer.text or not given
    assert "code.refused" in actions()


def test_guessing_is_stopped(app: Any) -> None:
    browser = Browser(app)
    allowed = limiting.CODES_PER_ADDRESS.amount
    answers = [browser.sign_in(f"{number:012d}").status_code for number in range(allowed + 1)]
    assert answers == [200] * allowed + [429]
    assert "Xin chờ 15 phút" in browser.sign_in("0" * 12).text


def test_cookie_of_before_is_worth_nothing_after(app: Any) -> None:
    """Session fixation: somebody gave this browser its cookie."""
    victim, thief = Browser(app), Browser(app)
    fixed = cookies.new_token()
    for browser in (victim, thief):
        browser.client.cookies.set(cookies.COOKIE, fixed, domain="testserver.local", path="/")
    victim.client.post("/api/chat/messages", json={"id": str(uuid.uuid4()), "text": "trước khi đăng nhập"})
    victim.sign_in(issue(add_member()))
    assert victim.cookie not in (None, fixed)
    assert thief.get("/me").headers["Location"] == "/sign-in"
    assert thief.get("/api/chat/history").json()["messages"] == []
    said = [line["text"] for line in victim.get("/api/chat/history").json()["messages"]]
    assert said == ["trước khi đăng nhập"]


def test_what_another_person_said_on_the_device_stays_theirs(app: Any) -> None:
    first = add_member()
    with unit_of_work() as session:
        unit_id = session.get_one(Member, first).unit_id
    second = add_member("Trần Văn Bách", unit_id=unit_id, card="87654321")
    browser = Browser(app)
    browser.sign_in(issue(first))
    browser.client.post("/api/chat/messages", json={"id": str(uuid.uuid4()), "text": "lời của người trước"})
    with unit_of_work() as session:
        account = session.scalars(select(Account)).one()
        sessions.end_all(session, account.id)
    assert browser.sign_in(issue(second)).status_code == 303
    assert browser.get("/api/chat/history").json()["messages"] == []
    assert count(Conversation) == 2


def test_same_person_finds_the_chat_again_on_the_same_device(app: Any) -> None:
    member_id = add_member()
    browser = Browser(app)
    browser.sign_in(issue(member_id))
    browser.client.post("/api/chat/messages", json={"id": str(uuid.uuid4()), "text": "lời của tôi"})
    with unit_of_work() as session:
        sessions.end_all(session, session.scalars(select(Account)).one().id)
    browser.sign_in(issue(member_id))
    assert [line["text"] for line in browser.get("/api/chat/history").json()["messages"]] == ["lời của tôi"]


def test_whoever_is_signed_in_is_led_to_the_own_page(app: Any) -> None:
    member_id = add_member()
    browser = Browser(app)
    browser.sign_in(issue(member_id))
    assert browser.get("/sign-in").headers["Location"] == "/me"
    spare = issue(member_id)
    assert browser.client.post("/sign-in", data={"code": spare}).headers["Location"] == "/me"
    assert unused() == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://example.org"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Referer": "https://example.org/testserver"},
    ],
)
def test_form_of_another_site_is_refused(app: Any, headers: dict[str, str]) -> None:
    code = issue(add_member())
    answer = Browser(app).sign_in(code, headers=headers)
    assert answer.status_code == 403
    assert "<h1>Biểu mẫu đã hết hạn</h1>" in answer.text
    assert unused() == 1
    assert actions()[-1] == "request.forged"


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://testserver"}, {"Referer": "http://testserver/sign-in"}],
)
def test_form_of_our_own_is_taken(app: Any, headers: dict[str, str]) -> None:
    assert Browser(app).sign_in(issue(add_member()), headers=headers).status_code == 303


def test_code_is_kept_nowhere(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    code = issue(add_member())
    digits = code.replace(" ", "")
    caplog.set_level(logging.DEBUG)
    browser = Browser(app)
    browser.sign_in(code, agreed=False)
    browser.sign_in(code)
    written = [caplog.text]
    with unit_of_work() as session:
        tables = session.scalars(text("select table_name from information_schema.tables where table_schema = 'public'"))
        written += [
            str(row) for table in list(tables) for row in session.execute(text(f'select t::text from "{table}" t'))
        ]
    assert len(written) > 10
    assert [line for line in written if digits in line or code in line] == []


def test_bar_on_top_says_who_sees_it_and_is_kept_by_nobody_else(app: Any) -> None:
    browser = Browser(app)
    before = browser.get("/documents")
    assert '<a href="/sign-in">Đăng nhập</a>' in before.text
    browser.sign_in(issue(add_member()))
    after = browser.get("/documents", headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert '<a href="/me">Hồ sơ</a>' in after.text
    for page in (before, after):
        assert page.headers["Cache-Control"] == "no-cache, private"
        assert "Cookie" in page.headers["Vary"]
    assert '<a href="/me">Hồ sơ</a>' in browser.get("/nowhere").text


def test_a_browser_without_cookie_costs_no_query(app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("asked the database")

    monkeypatch.setattr(sessions, "is_member_here", refuse)
    assert Browser(app).get("/documents").status_code == 200


def test_disabled_account_is_signed_out(app: Any) -> None:
    browser = Browser(app)
    browser.sign_in(issue(add_member()))
    with unit_of_work() as session:
        session.scalars(select(Account)).one().disabled_at = clock.now()
    assert browser.get("/me").headers["Location"] == "/sign-in"
    assert '<a href="/sign-in">Đăng nhập</a>' in browser.get("/documents").text


def test_renamed_conversation_wakes_its_open_pages() -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="old")
        inbox.rename_conversation(session, conversation, external_id="new")
    with unit_of_work() as session:
        assert inbox.find_conversation(session, channel="web", external_id="old") is None
        found = inbox.find_conversation(session, channel="web", external_id="new")
        assert found is not None
        assert found.id == conversation.id


def test_text_to_agree_to_is_set_as_headings_lists_and_paragraphs() -> None:
    body = "Lời mở.\n\n## Mục\n- một\n- hai\n\nLời cuối."
    assert blocks(body) == [
        ("paragraph", ["Lời mở."]),
        ("heading", ["Mục"]),
        ("list", ["một", "hai"]),
        ("paragraph", ["Lời cuối."]),
    ]
