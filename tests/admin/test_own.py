"""The own account: sign-ins, password, authenticator, and what an initial password keeps closed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest

from core import clock
from core.database import unit_of_work
from members import accounts
from members.access import SYSTEM, Role
from members.limiting import attempts
from members.models import Account
from sotay.app import create_app
from tests.people import Console, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NEW = "ba con mèo mướp ngủ trưa"


class Person(Console):
    """A browser of somebody with an initial password."""

    def __init__(self) -> None:
        with unit_of_work() as session:
            made = accounts.create_account(session, SYSTEM, name="Thư", email="thu@song-xanh.vn")
        self.id, self.password = made.account_id, made.password
        self.totp = pyotp.TOTP(pyotp.parse_uri(made.totp_uri).secret)
        super().__init__(create_app(), made.account_id)

    def code(self) -> str:
        return self.totp.at(clock.now())

    def renew_csrf(self) -> None:
        """What a new session's pages carry."""
        self.csrf = re.search(r'name="csrf" value="([^"]+)"', self.get("/own").text)[1]  # type: ignore[index]


@pytest.fixture
def person() -> Iterator[Person]:
    attempts.clear()
    yield Person()
    attempts.clear()


@pytest.fixture
def settled(person: Person) -> Person:
    with unit_of_work() as session:
        session.get_one(Account, person.id).must_change_password = False
    return person


def alert(answer: Any) -> str:
    found = re.search(r'role="alert"[^>]*>([^<]*)<', answer.text)
    assert found
    return found[1]


def test_an_initial_password_opens_its_change_and_the_way_out_only(person: Person) -> None:
    for path in ("", "/own", "/units", "/accounts", "/own/authenticator"):
        answer = person.get(path)
        assert (path, answer.status_code, answer.headers["location"]) == (path, 303, "/admin/own/password")
    assert person.post("/own/sign-ins/end-others").headers["location"] == "/admin/own/password"
    part = person.get("/units", headers={"hx-request": "true"})
    assert (part.status_code, part.headers["hx-redirect"]) == (403, "/admin/own/password")
    form = person.get("/own/password")
    assert form.status_code == 200
    assert "Đặt mật khẩu của riêng mình" in form.text
    assert 'name="code"' not in form.text
    before = person.client.cookies["sotay_console"]
    answer = person.post("/own/password", {"current": person.password, "new": NEW, "repeated": NEW})
    assert (answer.status_code, answer.headers["location"]) == (303, "/admin/own?done=password")
    assert person.client.cookies["sotay_console"] != before
    assert "Đã đổi mật khẩu. Các thiết bị khác đã được đăng xuất." in person.get("/own?done=password").text
    person.renew_csrf()
    assert person.post("/sign-out").headers["location"] == "/admin/sign-in"


def test_signing_out_ends_the_session(person: Person) -> None:
    token = person.client.cookies["sotay_console"]
    answer = person.post("/sign-out")
    assert answer.headers["location"] == "/admin/sign-in"
    assert "sotay_console" not in person.client.cookies
    person.client.cookies.set("sotay_console", token, domain="testserver.local", path="/admin")
    assert person.get("/own").headers["location"] == "/admin/sign-in?next=/admin/own"


def test_a_new_password_needs_the_old_one_and_a_code(settled: Person) -> None:
    for form, message in (
        (
            {"current": settled.password, "new": NEW, "repeated": NEW + "x"},
            "Hai lần nhập mật khẩu mới không giống nhau.",
        ),
        ({"current": settled.password, "new": NEW, "repeated": NEW}, "Mật khẩu hiện tại hoặc mã xác thực không đúng."),
        (
            {"current": "sai", "new": NEW, "repeated": NEW, "code": settled.code()},
            "Mật khẩu hiện tại hoặc mã xác thực không đúng.",
        ),
        (
            {"current": settled.password, "new": "ngắn", "repeated": "ngắn", "code": settled.code()},
            "Mật khẩu mới cần ít nhất 12 ký tự. Có thể dùng một câu dễ nhớ.",
        ),
    ):
        answer = settled.post("/own/password", form)
        assert (answer.status_code, alert(answer)) == (422, message)
        assert NEW not in answer.text
    form = {"current": settled.password, "new": NEW, "repeated": NEW, "code": settled.code()}
    assert settled.post("/own/password", form).status_code == 303


def test_guesses_of_the_password_inside_are_slowed_down_too(settled: Person) -> None:
    for _ in range(6):
        settled.post("/own/password", {"current": "đoán", "new": NEW, "repeated": NEW, "code": "000000"})
    form = {"current": settled.password, "new": NEW, "repeated": NEW, "code": settled.code()}
    assert alert(settled.post("/own/password", form)) == "Đã thử sai nhiều lần. Xin thử lại sau 2 giây."


def test_another_device_is_signed_out(settled: Person) -> None:
    other, third = Console(settled.client.app, settled.id), Console(settled.client.app, settled.id)
    listed = settled.get("/own").text
    ids = re.findall(r"/own/sign-ins/([0-9a-f-]{36})/end", listed)
    assert (len(ids), listed.count("thiết bị này")) == (2, 1)
    own_id = re.findall(r"/own/sign-ins/([0-9a-f-]{36})/end", other.get("/own").text)
    foreign = next(each for each in own_id if each not in ids)
    assert settled.post(f"/own/sign-ins/{ids[0]}/end").headers["location"] == "/admin/own?done=ended"
    assert sorted(each.get("/own").status_code for each in (other, third)) == [200, 303]
    assert settled.post("/own/sign-ins/end-others").headers["location"] == "/admin/own?done=others"
    assert [each.get("/own").status_code for each in (settled, other, third)] == [200, 303, 303]
    assert settled.post(f"/own/sign-ins/{foreign}/end").headers["location"] == "/admin/sign-in", "one's own"


def test_a_sign_in_of_somebody_else_does_not_exist(settled: Person) -> None:
    with unit_of_work() as session:
        units = make_units(session)
        stranger_id = make_account(session, "Lạ", (Role.ADMINISTRATOR, units.province)).id
    stranger = Console(settled.client.app, stranger_id)
    Console(settled.client.app, settled.id)
    listed = re.findall(r"/own/sign-ins/([0-9a-f-]{36})/end", settled.get("/own").text)
    assert stranger.post(f"/own/sign-ins/{listed[0]}/end").status_code == 404
    assert settled.get("/own").status_code == 200


def test_a_new_authenticator_is_shown_and_confirmed(settled: Person) -> None:
    now = clock.now()
    refused = settled.post("/own/authenticator", {"current": settled.password, "code": "000000x"})
    assert (refused.status_code, alert(refused)) == (422, "Mật khẩu hiện tại hoặc mã xác thực không đúng.")
    shown = settled.post("/own/authenticator", {"current": settled.password, "code": settled.code()})
    assert shown.status_code == 200
    assert 'role="img" aria-label="Mã QR cho ứng dụng xác thực"><svg' in shown.text
    assert "style=" not in shown.text
    secret = re.search(r"<code>([A-Z2-7 ]+)</code>", shown.text)[1].replace(" ", "")  # type: ignore[index]
    pending = re.search(r'name="pending" value="([^"]+)"', shown.text)[1]  # type: ignore[index]
    with clock.fixed(now + timedelta(minutes=1)):
        wrong = settled.post("/own/authenticator/confirm", {"pending": pending, "code": "12345"})
        assert alert(wrong).startswith("Mã xác thực chưa đúng.")
        assert pending in wrong.text, "it can be tried again"
        form = {"pending": pending, "code": pyotp.TOTP(secret).at(clock.now())}
        done = settled.post("/own/authenticator/confirm", form)
        assert done.headers["location"] == "/admin/own?done=authenticator"
    forged = settled.post("/own/authenticator/confirm", {"pending": "x", "code": "123456"})
    assert (forged.status_code, alert(forged)) == (422, "Xin làm lại từ đầu việc đổi ứng dụng xác thực.")


def test_somebody_without_a_password_has_none_to_change() -> None:
    with unit_of_work() as session:
        units = make_units(session)
        account_id = make_account(session, "Cơ quan", (Role.SECRETARY, units.a1)).id
    console = Console(create_app(), account_id)
    listed = console.get("/own").text
    assert "/own/password" not in listed
    assert "Bí thư chi bộ – Chi hội Đầu Nguồn" in listed
    assert console.get("/own/password").status_code == 404
    assert console.post("/own/password", {"current": "", "new": NEW, "repeated": NEW}).status_code == 404
    assert console.get("/own/authenticator").status_code == 404
    assert console.post("/own/authenticator", {"current": "", "code": ""}).status_code == 404
