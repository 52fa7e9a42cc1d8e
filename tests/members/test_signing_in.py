"""Signing in by password and code: one answer whatever is wrong, delays that grow, codes that count once."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp
import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from core import clock, settings
from core.audit import AuditEntry
from core.database import unit_of_work
from members import accounts, passwords, sessions, signing_in, totp
from members.access import SYSTEM, NotVisibleError
from members.limiting import attempts, delay, unknown_emails
from members.models import Account, SignIn
from members.sessions import Signed

pytestmark = pytest.mark.usefixtures("database", "_nothing_remembered")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
EMAIL = "Thu.Ky@song-xanh.vn"
NEW = "ba con mèo mướp ngủ trưa"


@pytest.fixture
def _nothing_remembered() -> Iterator[None]:
    attempts.clear()
    unknown_emails.clear()
    yield
    attempts.clear()
    unknown_emails.clear()


class Person:
    """Somebody with a password and an authenticator."""

    def __init__(self) -> None:
        with unit_of_work() as session, clock.fixed(NOW - timedelta(days=1)):
            made = accounts.create_account(session, SYSTEM, name="Trần Thị Thư", email=EMAIL)
        self.id, self.password = made.account_id, made.password
        self.secret = pyotp.parse_uri(made.totp_uri).secret

    def code(self, moment: datetime | None = None) -> str:
        return pyotp.TOTP(self.secret).at(moment or clock.now())

    def sign_in(self, **changed: str) -> str:
        given: dict[str, Any] = {
            "email": EMAIL,
            "password": self.password,
            "code": self.code(),
            "address": "192.0.2.1",
            "device": "Firefox, Linux",
        }
        with unit_of_work() as session:
            return signing_in.sign_in(session, **{**given, **changed})

    def row(self) -> Account:
        with unit_of_work() as session:
            return session.get_one(Account, self.id)

    def signed(self, token: str) -> Signed:
        with unit_of_work() as session:
            found = sessions.resolve_console(session, token)
            assert found is not None
            return found


@pytest.fixture
def person() -> Iterator[Person]:
    with clock.fixed(NOW):
        yield Person()


def logged(action: str) -> list[dict[str, Any]]:
    with unit_of_work() as session:
        return [
            {"object_id": row.object_id, **row.details}
            for row in session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id))
        ]


def refusal(call: Any) -> str:
    with pytest.raises(signing_in.SignInRefusedError) as caught:
        call()
    return str(caught.value)


def test_password_and_code_sign_in(person: Person) -> None:
    token = person.sign_in(email="  thu.ky@SONG-XANH.vn ")
    signed = person.signed(token)
    assert (signed.actor.account_id, signed.must_change_password) == (person.id, True)
    assert (person.row().failures, person.row().locked_until) == (0, None)
    assert logged("account.signed_in") == [
        {"object_id": str(person.id), "method": "password", "device": "Firefox, Linux"}
    ]


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"password": "không phải mật khẩu này"}, "password"),
        ({"password": ""}, "password"),
        ({"password": "x" * 100_000}, "password"),
        ({"code": "000000"}, "code"),
        ({"code": ""}, "code"),
        ({"code": "không số"}, "code"),
        ({"email": "khac@song-xanh.vn"}, "password"),
        ({"email": ""}, "password"),
        ({"email": "x" * 100_000}, "password"),
    ],
)
def test_whatever_is_wrong_the_answer_is_the_same(person: Person, changed: dict[str, str], reason: str) -> None:
    if changed.get("code") == "000000" and "000000" in {
        person.code(NOW + timedelta(seconds=30 * k)) for k in (-1, 0, 1)
    }:
        changed = {"code": "000001"}
    assert refusal(lambda: person.sign_in(**changed)) == "Email, mật khẩu hoặc mã xác thực không đúng."
    (entry,) = logged("account.sign_in_refused")
    assert entry["reason"] == reason
    known = "email" not in changed
    assert entry["object_id"] == (str(person.id) if known else None)
    assert ("email" in entry) == (not known)
    assert "song-xanh" not in str(entry)
    assert person.row().failures == (1 if known else 0)


def test_a_disabled_account_gets_the_same_answer(person: Person) -> None:
    with unit_of_work() as session:
        session.get_one(Account, person.id).disabled_at = NOW
    assert refusal(person.sign_in) == signing_in.WRONG
    assert [entry["reason"] for entry in logged("account.sign_in_refused")] == ["disabled"]


def test_a_code_counts_once(person: Person) -> None:
    code = person.code()
    person.sign_in(code=code)
    assert refusal(lambda: person.sign_in(code=code)) == signing_in.WRONG
    with clock.fixed(NOW + timedelta(seconds=30)):
        person.sign_in()
        assert refusal(lambda: person.sign_in(code=person.code(NOW))) == signing_in.WRONG, "an older code, too"


def test_of_two_requests_with_one_code_one_is_accepted(person: Person) -> None:
    code, outcome = person.code(), []

    def attempt() -> None:
        try:
            person.sign_in(code=code)
            outcome.append("in")
        except signing_in.SignInRefusedError:
            outcome.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == ["in", "refused", "refused", "refused"]


def test_codes_of_the_step_before_and_after_count_and_others_do_not(person: Person) -> None:
    found = [totp.matching_step(person.secret, person.code(NOW + timedelta(seconds=30 * k))) for k in range(-3, 4)]
    present = int(NOW.timestamp()) // 30
    assert found == [None, None, present - 1, present, present + 1, None, None]


def test_the_delay_doubles_after_five_failures_up_to_a_quarter_of_an_hour() -> None:
    assert [int(delay(failures).total_seconds()) for failures in (0, 5, 6, 7, 10, 14, 15, 16, 400)] == [
        *(0, 0, 2, 4, 32, 512, 900, 900, 900)
    ]


@pytest.mark.parametrize("email", [EMAIL, "khongai@song-xanh.vn"])
def test_guessing_is_slowed_down_in_the_same_way_for_accounts_that_exist_and_others(person: Person, email: str) -> None:
    def guess() -> str:
        return refusal(lambda: person.sign_in(email=email, password="đoán"))

    assert [guess() for _ in range(6)] == [signing_in.WRONG] * 6
    assert guess() == "Đã thử sai nhiều lần. Xin thử lại sau 2 giây."
    assert refusal(lambda: person.sign_in(email=email)) == "Đã thử sai nhiều lần. Xin thử lại sau 2 giây.", (
        "right or not"
    )
    with clock.fixed(NOW + timedelta(seconds=2)):
        assert guess() == signing_in.WRONG
        assert guess() == "Đã thử sai nhiều lần. Xin thử lại sau 4 giây."
    with clock.fixed(NOW + timedelta(seconds=6) + timedelta(hours=24, seconds=1)):
        assert [guess() for _ in range(6)] == [signing_in.WRONG] * 6, "forgotten after a day"


def test_a_good_sign_in_forgives_the_failures(person: Person) -> None:
    for _ in range(6):
        refusal(lambda: person.sign_in(password="đoán"))
    assert person.row().failures == 6
    with clock.fixed(NOW + timedelta(seconds=2)):
        person.sign_in()
    assert (person.row().failures, person.row().locked_until) == (0, None)


def test_guesses_made_at_the_same_moment_all_count(person: Person) -> None:
    answers: list[str] = []

    def guess() -> None:
        answers.append(refusal(lambda: person.sign_in(password="đoán")))

    threads = [threading.Thread(target=guess) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers.count(signing_in.WRONG) == 6
    assert person.row().failures == 6


def test_an_address_has_sixty_attempts_in_ten_minutes(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "verify", lambda *_: False)

    def guess(number: int, address: str) -> str:
        return refusal(lambda: person.sign_in(email=f"a{number}@song-xanh.vn", address=address))

    assert {guess(number, f"2001:db8::{number:x}") for number in range(60)} == {signing_in.WRONG}
    assert guess(61, "2001:db8::ffff") == "Có quá nhiều lần đăng nhập từ mạng này. Xin thử lại sau 10 phút."
    assert guess(62, "2001:db8:1::1") == signing_in.WRONG
    assert logged("account.sign_in_refused")[-2] == {"object_id": None, "reason": "too_many_from_address"}
    monkeypatch.setenv("SOTAY_RATE_LIMITS", "false")
    settings.settings.cache_clear()
    try:
        assert guess(63, "2001:db8::ffff") == signing_in.WRONG
    finally:
        monkeypatch.undo()
        settings.settings.cache_clear()


def test_an_old_hash_is_renewed_at_the_sign_in(person: Person) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(person.password)
    with unit_of_work() as session:
        session.get_one(Account, person.id).password_hash = old
    person.sign_in()
    renewed = person.row().password_hash
    assert renewed is not None
    assert (passwords.is_outdated(old), passwords.is_outdated(renewed)) == (True, False)
    assert passwords.verify(renewed, person.password)


def test_an_initial_password_is_changed_with_itself_alone_and_a_later_one_needs_a_code(person: Person) -> None:
    other, token = person.sign_in(), ""
    with clock.fixed(NOW + timedelta(minutes=1)):
        token = person.sign_in()
        with unit_of_work() as session:
            fresh = signing_in.change_password(
                session, person.signed(token), current=person.password, code="", new=NEW, address="", device="x"
            )
        assert not person.row().must_change_password
        with unit_of_work() as session:
            assert [sessions.is_living(session, each) for each in (other, token, fresh)] == [False, False, True]

        def change(code: str, current: str = NEW) -> str:
            with unit_of_work() as session:
                return signing_in.change_password(
                    session, person.signed(fresh), current=current, code=code, new=NEW + "!", address="", device="x"
                )

        wrong = "Mật khẩu hiện tại hoặc mã xác thực không đúng."
        assert refusal(lambda: change("")) == wrong
        assert refusal(lambda: change(person.code())) == wrong, "used at the sign-in"
        assert refusal(lambda: change(person.code(), current="khác")) == wrong
        assert person.row().failures == 3
    with clock.fixed(NOW + timedelta(minutes=2)):
        fresh = change(person.code())
        with unit_of_work() as session:
            assert sessions.is_living(session, fresh)
    assert len(logged("account.password_changed")) == 2


def test_a_password_that_may_not_be_used_costs_no_code_and_no_failure(person: Person) -> None:
    signed = person.signed(person.sign_in())
    for new, start in ((person.password, "Mật khẩu mới phải khác"), ("ngắn", "Mật khẩu mới cần ít nhất")):
        with unit_of_work() as session, pytest.raises(passwords.PasswordRefusedError) as caught:
            signing_in.change_password(
                session, signed, current=person.password, code="", new=new, address="", device="x"
            )
        assert str(caught.value).startswith(start)
    assert (person.row().failures, person.row().must_change_password) == (0, True)


def test_a_new_authenticator_counts_once_its_first_code_is_right(person: Person) -> None:
    signed = person.signed(person.sign_in())
    with clock.fixed(NOW + timedelta(minutes=1)):
        other = person.sign_in()
    with clock.fixed(NOW + timedelta(minutes=2)), unit_of_work() as session:
        new = signing_in.begin_authenticator(
            session, signed, current=person.password, code=person.code(), address="192.0.2.1"
        )
    with clock.fixed(NOW + timedelta(minutes=3)):
        with unit_of_work() as session:
            assert signing_in.waiting_authenticator(session, signed, new.pending) == new
        old_code = person.code()
        with unit_of_work() as session, pytest.raises(signing_in.SignInRefusedError):
            signing_in.confirm_authenticator(session, signed, pending=new.pending, code=old_code)
        with unit_of_work() as session:
            code = pyotp.TOTP(new.secret).at(clock.now())
            signing_in.confirm_authenticator(session, signed, pending=new.pending, code=code)
        assert refusal(lambda: person.sign_in(code=code)) == signing_in.WRONG, "used up by the confirmation"
        with unit_of_work() as session:
            assert not sessions.is_living(session, other)
    with clock.fixed(NOW + timedelta(minutes=4)):
        assert refusal(person.sign_in) == signing_in.WRONG, "the old authenticator"
        person.secret = new.secret
        person.sign_in()


def test_a_waiting_authenticator_belongs_to_its_session_and_ends(person: Person) -> None:
    signed = person.signed(person.sign_in())
    with clock.fixed(NOW + timedelta(minutes=1)):
        other = person.signed(person.sign_in())
    with clock.fixed(NOW + timedelta(minutes=2)), unit_of_work() as session:
        new = signing_in.begin_authenticator(
            session, signed, current=person.password, code=person.code(), address="192.0.2.1"
        )

    def show(by: Signed, pending: str) -> str:
        with unit_of_work() as session:
            return signing_in.waiting_authenticator(session, by, pending).secret

    with clock.fixed(NOW + timedelta(minutes=3)):
        assert show(signed, new.pending) == new.secret
        expired = "Mã QR này đã hết hạn. Xin làm lại từ đầu việc đổi ứng dụng xác thực."
        assert refusal(lambda: show(other, new.pending)) == expired
        for forged in ("", "x", "AAAA", new.pending[:-8] + "AAAAAAA=", "đ"):
            assert refusal(lambda: show(signed, forged)) == "Xin làm lại từ đầu việc đổi ứng dụng xác thực."  # noqa: B023
    with clock.fixed(NOW + timedelta(minutes=13)):
        assert refusal(lambda: show(signed, new.pending)) == expired


def test_ones_own_sign_ins_are_ended_and_those_of_others_are_not(person: Person) -> None:
    signed = person.signed(person.sign_in())
    with clock.fixed(NOW + timedelta(minutes=1)):
        other = person.sign_in()
        other_id = person.signed(other).sign_in_id
        with unit_of_work() as session:
            stranger = accounts.create_account(session, SYSTEM, name="Lê Văn Lạ", email="la@song-xanh.vn")
            token = sessions.start_console(session, session.get_one(Account, stranger.account_id), device="x")
            strangers = session.scalars(select(SignIn.id).where(SignIn.token_hash == sessions.token_hash(token))).one()
        for forged in (strangers, uuid.uuid4()):
            with unit_of_work() as session, pytest.raises(NotVisibleError):
                signing_in.sign_out(session, signed, forged)
        with unit_of_work() as session:
            signing_in.sign_out(session, signed, other_id)
            assert not sessions.is_living(session, other)
            assert sessions.is_living(session, token)
        again = person.sign_in(code=person.code(NOW + timedelta(minutes=1, seconds=30)))
        with unit_of_work() as session:
            assert signing_in.end_others(session, signed) == 1
            assert not sessions.is_living(session, again)
            assert [entry.id for entry in sessions.list_own(session, person.id)] == [signed.sign_in_id]
