"""One-time codes: made by who answers for the member's unit, used once, one answer whatever is wrong."""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import unit_of_work
from members import codes, sessions
from members.access import Actor, NotVisibleError, Role
from members.limiting import attempts
from members.models import Account, Member, OneTimeCode
from messaging.models import Conversation
from tests.people import Units, actor, make_units

pytestmark = pytest.mark.usefixtures("database", "_nothing_counted")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
REFUSED = "Mã này không đúng hoặc không còn dùng được. Xin kiểm tra lại, hoặc hỏi người đã cấp để nhận mã mới."


@pytest.fixture
def _nothing_counted() -> Iterator[None]:
    attempts.clear()
    yield
    attempts.clear()


@pytest.fixture
def units() -> Iterator[Units]:
    with clock.fixed(NOW):
        with unit_of_work() as session:
            made = make_units(session)
        yield made


@pytest.fixture
def member_id(units: Units) -> uuid.UUID:
    with unit_of_work() as session:
        member = Member(
            id=uuid.uuid4(), unit_id=units.a1, name="Phạm Thị Mơ", name_key="", sort_key="", status="official"
        )
        member.sealed, member.created_at, member.updated_at = b"", NOW, NOW
        crypto.create_keys(session, [member.id])
        session.add(member)
        return member.id


@pytest.fixture
def secretary(units: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Bí thư A1", (Role.SECRETARY, units.a1))


def conversation() -> uuid.UUID:
    with unit_of_work() as session:
        made = Conversation(id=uuid.uuid4(), channel="web", external_id=uuid.uuid4().hex, created_at=NOW)
        session.add(made)
        return made.id


def issue(by: Actor, member_id: uuid.UUID) -> codes.IssuedCode:
    with unit_of_work() as session:
        return codes.issue(session, by, member_id)


def redeem(code: str, where: uuid.UUID | None = None, address: str | None = None) -> uuid.UUID:
    where = where or conversation()
    with unit_of_work() as session:
        return codes.redeem(
            session, code, conversation_id=where, channel="web", device="Chrome, Android", address=address
        ).id


def refusal(code: str, where: uuid.UUID | None = None, address: str | None = None) -> str:
    with pytest.raises(codes.CodeRefusedError) as caught:
        redeem(code, where, address)
    return str(caught.value)


def logged() -> list[tuple[str, dict[str, Any]]]:
    with unit_of_work() as session:
        return [(row.action, row.details) for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def test_a_code_signs_a_member_in_and_registers_them(secretary: Actor, member_id: uuid.UUID) -> None:
    issued = issue(secretary, member_id)
    assert re.fullmatch(r"\d{4} \d{4} \d{4}", issued.code)
    assert issued.expires_at == NOW + timedelta(hours=24)
    where = conversation()
    account_id = redeem(f" {issued.code} ", where)
    with unit_of_work() as session:
        account, member = session.get_one(Account, account_id), session.get_one(Member, member_id)
        assert (account.member_id, account.name, account.email, account.password_hash) == (
            member_id,
            "Phạm Thị Mơ",
            None,
            None,
        )
        assert (member.registered_at, member.version) == (NOW, 2)
        signed = sessions.resolve_member(session, where)
        assert signed is not None
        assert (signed.actor.account_id, signed.actor.member_id, signed.actor.grants) == (account_id, member_id, ())
        assert crypto.keys_of(session, [account_id]).keys() == {account_id}
        stored = session.scalars(select(OneTimeCode)).one()
        assert issued.code.replace(" ", "").encode() not in stored.code_hash
    assert logged() == [("code.issued", {"ended": 0}), ("code.redeemed", {"channel": "web"})]


@pytest.mark.parametrize(
    "typed", ["{0}{1}{2}", "{0}-{1}-{2}", "{0}.{1}.{2}\n", "  {0}  {1}\t{2}", "{0}\u00a0{1}\u00a0{2}"]
)
def test_a_code_is_taken_however_it_is_spaced(secretary: Actor, member_id: uuid.UUID, typed: str) -> None:
    redeem(typed.format(*issue(secretary, member_id).code.split()))


def test_a_new_phone_signs_the_old_one_out_and_keeps_the_account(secretary: Actor, member_id: uuid.UUID) -> None:
    first, second = conversation(), conversation()
    account_id = redeem(issue(secretary, member_id).code, first)
    with clock.fixed(NOW + timedelta(days=30)):
        assert redeem(issue(secretary, member_id).code, second) == account_id
    with unit_of_work() as session:
        assert sessions.resolve_member(session, first) is None
        assert sessions.resolve_member(session, second) is not None
        assert session.get_one(Member, member_id).registered_at == NOW
        assert session.scalar(select(func.count()).select_from(Account).where(Account.member_id.is_not(None))) == 1


def test_whatever_is_wrong_the_answer_is_the_same(secretary: Actor, member_id: uuid.UUID) -> None:
    used = issue(secretary, member_id).code
    account_id = redeem(used)
    replaced = issue(secretary, member_id).code
    living = issue(secretary, member_id).code
    other = living[:-1] + str((int(living[-1]) + 1) % 10)
    typed = [used, replaced, other, "", "1234", living + "0", "mã của tôi", "١٢٣٤ ٥٦٧٨ ٩٠١٢", "x" * 100_000]
    assert [refusal(each) for each in typed] == [REFUSED] * len(typed)
    with clock.fixed(NOW + timedelta(hours=24)):
        assert refusal(living) == REFUSED
    with unit_of_work() as session:
        session.get_one(Account, account_id).disabled_at = NOW
    assert refusal(living) == REFUSED
    reasons = [details["reason"] for action, details in logged() if action == "code.refused"]
    assert reasons == ["used", "expired", "unknown", *["malformed"] * 6, "expired", "disabled"]
    with unit_of_work() as session:
        session.get_one(Account, account_id).disabled_at = None
    assert redeem(living) == account_id, "none of it used the code up"


def test_an_erased_member_has_no_code(secretary: Actor, member_id: uuid.UUID) -> None:
    code = issue(secretary, member_id).code
    with unit_of_work() as session:
        session.delete(session.get_one(Member, member_id))
    assert refusal(code) == REFUSED


def test_of_two_phones_with_one_code_one_signs_in(secretary: Actor, member_id: uuid.UUID) -> None:
    code, outcome = issue(secretary, member_id).code, []

    def attempt() -> None:
        try:
            redeem(code)
            outcome.append("in")
        except codes.CodeRefusedError:
            outcome.append("refused")

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcome) == ["in", "refused", "refused", "refused"]


def test_only_who_may_issue_codes_for_the_unit_does(units: Units, member_id: uuid.UUID) -> None:
    for role, unit_id, allowed in (
        (Role.SECRETARY, units.a1, True),
        (Role.SECRETARY, units.a, True),
        (Role.ADMINISTRATOR, units.province, True),
        (Role.SECRETARY, units.a2, False),
        (Role.SECRETARY, units.b, False),
        (Role.ADMINISTRATOR, units.b, False),
        *((role, units.province, False) for role in Role if role not in (Role.SECRETARY, Role.ADMINISTRATOR)),
    ):
        with unit_of_work() as session:
            somebody = actor(session, "Ai đó", (role, unit_id))
        if allowed:
            issue(somebody, member_id)
        else:
            with pytest.raises(NotVisibleError):
                issue(somebody, member_id)
    with pytest.raises(NotVisibleError), unit_of_work() as session:
        codes.issue(session, actor(session, "Bí thư", (Role.SECRETARY, units.province)), uuid.uuid4())


def test_a_conversation_and_an_address_have_ten_attempts(secretary: Actor, member_id: uuid.UUID) -> None:
    where, code = conversation(), issue(secretary, member_id).code
    assert {refusal("000000000000", where) for _ in range(10)} == {REFUSED}
    assert refusal(code, where) == "Đã thử quá nhiều lần. Xin chờ 15 phút rồi nhập lại mã."
    assert {refusal("000000000000", address="192.0.2.7") for _ in range(60)} == {REFUSED}
    assert refusal(code, address="192.0.2.7") == "Đã thử quá nhiều lần. Xin chờ 15 phút rồi nhập lại mã."
    redeem(code, address="192.0.2.8")


def test_a_redemption_that_is_undone_leaves_the_code(secretary: Actor, member_id: uuid.UUID) -> None:
    code, where = issue(secretary, member_id).code, conversation()

    def change_ones_mind() -> None:
        with unit_of_work() as session:
            codes.redeem(session, code, conversation_id=where, channel="web", device="x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_ones_mind()
    redeem(code, where)
