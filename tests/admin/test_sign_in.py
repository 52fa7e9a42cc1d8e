"""The sign-in page: what it answers, the cookie it gives, where it leads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from admin.sign_in import safe_next
from core import clock
from core.database import unit_of_work
from members import accounts
from members.access import SYSTEM
from members.limiting import attempts, unknown_emails
from members.models import Account, SignIn
from sotay.app import create_app

pytestmark = pytest.mark.usefixtures("database")

WRONG = "Email, mật khẩu hoặc mã xác thực không đúng."


class Browser:
    """A browser that is not signed in, and what its owner knows."""

    def __init__(self) -> None:
        with unit_of_work() as session:
            made = accounts.create_account(session, SYSTEM, name="Thư", email="thu@song-xanh.vn")
            session.get_one(Account, made.account_id).must_change_password = False
        self.password, self.totp = made.password, pyotp.TOTP(pyotp.parse_uri(made.totp_uri).secret)
        self.account_id = made.account_id
        self.client = TestClient(create_app(), follow_redirects=False)

    def sign_in(self, headers: dict[str, str] | None = None, **changed: str) -> Any:
        form = {"email": "thu@song-xanh.vn", "password": self.password, "code": self.totp.at(clock.now()), **changed}
        return self.client.post("/admin/sign-in", data=form, headers=headers)


@pytest.fixture
def browser() -> Iterator[Browser]:
    attempts.clear()
    unknown_emails.clear()
    yield Browser()
    attempts.clear()
    unknown_emails.clear()


def alert(answer: Any) -> str:
    found = re.search(r'role="alert"[^>]*>([^<]*)<', answer.text)
    assert found
    return found[1]


def test_the_form_says_to_the_browser_what_its_fields_are(browser: Browser) -> None:
    answer = browser.client.get("/admin/sign-in")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert re.findall(r'autocomplete="([^"]*)"', answer.text) == ["username", "current-password", "one-time-code"]
    assert 'role="alert"' not in answer.text
    assert "tài khoản cơ quan" not in answer.text


def test_signing_in_gives_a_cookie_and_leads_to_the_page_wanted(browser: Browser) -> None:
    answer = browser.sign_in(next="/admin/own")
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/own")
    parts = {part.strip() for part in answer.headers["set-cookie"].split(";")}
    assert {"HttpOnly", "SameSite=strict", "Path=/admin"} < parts
    assert "Secure" not in parts
    assert browser.client.get("/admin/own").status_code == 200
    again = browser.client.get("/admin/sign-in?next=/admin/own")
    assert (again.status_code, again.headers["location"]) == (303, "/admin/own")


def test_over_tls_the_cookie_is_for_tls_only(browser: Browser) -> None:
    browser.client = TestClient(create_app(), base_url="https://testserver", follow_redirects=False)
    assert "Secure" in browser.sign_in().headers["set-cookie"]


@pytest.mark.parametrize(
    "changed",
    [
        {"password": "sai"},
        {"code": "12345"},
        {"email": "khongai@song-xanh.vn"},
        {"email": "", "password": "", "code": ""},
    ],
)
def test_whatever_is_wrong_the_page_is_the_same(browser: Browser, changed: dict[str, str]) -> None:
    answer = browser.sign_in(**changed)
    assert (answer.status_code, alert(answer)) == (422, WRONG)
    assert "set-cookie" not in answer.headers
    typed = changed.get("email", "thu@song-xanh.vn")
    page = answer.text.replace(f'value="{typed}"', 'value=""')
    other = browser.sign_in(email="lakhac@song-xanh.vn").text.replace('value="lakhac@song-xanh.vn"', 'value=""')
    assert page == other


def test_what_was_typed_is_no_markup_and_the_password_does_not_come_back(browser: Browser) -> None:
    answer = browser.sign_in(email='"><script>alert(1)</script>', password="mật khẩu vừa gõ", code="654321")
    assert "<script>" not in answer.text
    assert "mật khẩu vừa gõ" not in answer.text
    assert "654321" not in answer.text


def test_after_many_failures_one_waits(browser: Browser) -> None:
    for _ in range(6):
        assert browser.sign_in(password="sai").status_code == 422
    answer = browser.sign_in()
    assert (answer.status_code, alert(answer)[:45]) == (429, "Đã thử sai nhiều lần. Xin thử lại sau 2 giây."[:45])


def test_a_form_of_another_site_signs_nobody_in(browser: Browser) -> None:
    for headers in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://evil.example.org"},
    ):
        assert browser.sign_in(headers=headers).status_code == 403
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(SignIn)) == 0
    assert browser.sign_in(headers={"sec-fetch-site": "same-origin", "origin": "http://testserver"}).status_code == 303


def test_a_cookie_that_was_put_into_the_browser_is_replaced_and_ended(browser: Browser) -> None:
    browser.sign_in()
    before = browser.client.cookies["sotay_console"]
    with unit_of_work() as session:
        session.get_one(Account, browser.account_id).totp_last_step = 0
    browser.sign_in()
    assert browser.client.cookies["sotay_console"] != before
    thief = TestClient(browser.client.app, follow_redirects=False)
    thief.cookies.set("sotay_console", before, domain="testserver.local", path="/admin")
    assert thief.get("/admin/own").headers["location"] == "/admin/sign-in?next=/admin/own"


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ("/admin", ""),
        ("/admin/units/12", "/units/12"),
        ("/admin/", "/"),
        ("", ""),
        ("https://evil.example.org/admin", ""),
        ("//evil.example.org/admin", ""),
        ("/admin//evil.example.org", ""),
        ("/admin/../../evil", ""),
        ("/administrator", ""),
        ("/admin\\@evil.example.org", ""),
        ("/admin/%2e%2e/x", ""),
        ("/admin/units\r\nSet-Cookie: a=b", ""),
        ("/admin/sign-in", ""),
        ("/admin/sign-out", ""),
        ("/admin/" + "x" * 600, ""),
        ("javascript:alert(1)", ""),
    ],
)
def test_the_sign_in_leads_to_pages_of_the_console_only(wanted: str, path: str) -> None:
    assert safe_next(wanted) == path
