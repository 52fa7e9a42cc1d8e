"""Who knows the people of a branch sees who signed up, and takes back what is not the member's."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import unit_of_work
from members import accounts, codes, consent, requests, sessions
from members.access import SYSTEM, Actor, NotVisibleError, Role
from members.models import DataRequest, Grant, Member, SignIn
from members.signup import review, revoking
from members.signup.revoking import RevokeError
from tests.people import Units, actor
from tests.sign_ups import make_waiting
from tests.walking import NAME, Eyes, Walk

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def secretary(units: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Bí thư", (Role.SECRETARY, units.a1))


@pytest.fixture
def impostor(eyes: Eyes, member_id: uuid.UUID) -> Walk:
    """Somebody with a card that fits and a face that fits the card."""
    del member_id
    with clock.fixed(NOW):
        walk = Walk(eyes).whole()
    assert walk.state == "accepted"
    return walk


def registered_at(member_id: uuid.UUID) -> datetime:
    with unit_of_work() as session:
        at = session.get_one(Member, member_id).registered_at
        assert at is not None
        return at


def revoke(who: Actor, member_id: uuid.UUID) -> None:
    at = registered_at(member_id)
    with unit_of_work() as session:
        revoking.revoke(session, who, member_id, registered_at=at)


def signed_in(conversation_id: uuid.UUID) -> bool:
    with unit_of_work() as session:
        return sessions.resolve_member(session, conversation_id) is not None


def test_who_signed_up_is_seen_where_one_answers_for_the_people(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, units: Units
) -> None:
    with clock.fixed(NOW + timedelta(days=6)), unit_of_work() as session:
        found = revoking.signed_up(session, secretary)
        assert [(line.member_id, line.name, line.way) for line in found.lines] == [(member_id, NAME, "machine")]
        assert (found.lines[0].unit_name, found.total, found.pages) == ("Chi hội Đầu Nguồn", 1, 1)
        assert revoking.one(session, secretary, member_id) == found.lines[0]
        assert revoking.lately(session, secretary) == 1
        foreign = actor(session, "Bí thư khác", (Role.SECRETARY, units.b1))
        assert revoking.signed_up(session, foreign).lines == ()
        assert revoking.lately(session, foreign) == 0
        with pytest.raises(NotVisibleError):
            revoking.one(session, foreign, member_id)
        with pytest.raises(NotVisibleError):
            revoking.signed_up(session, actor(session, "Người xét", (Role.REVIEWER, units.province)))
    with clock.fixed(NOW + timedelta(days=7)), unit_of_work() as session:
        assert revoking.lately(session, secretary) == 0


def test_the_way_in_is_the_last_one(member_id: uuid.UUID, secretary: Actor, eyes: Eyes) -> None:
    walk = Walk(eyes).talk()
    with unit_of_work() as session:
        issued = codes.issue(session, SYSTEM, member_id)
    with unit_of_work() as session:
        codes.redeem(session, issued.code, conversation_id=walk.conversation_id, channel="web", device="x")
    with unit_of_work() as session:
        assert revoking.one(session, secretary, member_id).way == "code"


def test_an_impostor_is_out_and_the_card_is_free_again(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, eyes: Eyes
) -> None:
    with unit_of_work() as session:
        issued = codes.issue(session, SYSTEM, member_id)
        holder = sessions.resolve_member(session, impostor.conversation_id)
        assert holder is not None
        asked = requests.open_request(session, holder.actor, kind="erasure", channel="web").receipt
        account_id = holder.actor.account_id
    revoke(secretary, member_id)
    assert not signed_in(impostor.conversation_id)
    assert impostor.heard()[-1].startswith("Chi bộ báo rằng đăng ký trên máy này không phải của chính người ấy")
    with unit_of_work() as session:
        assert accounts.account_of_member(session, member_id) is None
        assert session.scalar(select(func.count()).select_from(SignIn).where(SignIn.kind == "member")) == 0
        assert account_id is not None
        assert session.get(crypto.DataKey, account_id) is None
        assert session.get_one(Member, member_id).registered_at is None
        row = session.scalars(select(DataRequest).where(DataRequest.receipt == asked)).one()
        assert (row.state, row.closed_at is not None) == ("cancelled", True)
        assert [(event.purpose, event.action) for event in consent.history(session, member_id)][-2:] == [
            ("account", "withdrawn"),
            ("sign_up", "withdrawn"),
        ]
        assert not consent.has_given(session, member_id)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_up.revoked")).one()
        assert (entry.actor_id, entry.subject) == (secretary.account_id, member_id)
        assert entry.details == {"account_closed": True, "requests_cancelled": 1}
        with pytest.raises(codes.CodeRefusedError):
            codes.redeem(session, issued.code, conversation_id=impostor.conversation_id, channel="web", device="x")
    member = Walk(eyes).whole()  # the member's own phone: one person is enough again, or none
    assert member.state == "accepted"
    assert signed_in(member.conversation_id)


def test_a_sign_up_of_the_member_that_waits_goes_on_with_one_person(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, eyes: Eyes, units: Units
) -> None:
    member = Walk(eyes).whole()
    assert (member.state, member.row.already_used) == ("review", True)
    revoke(secretary, member_id)
    assert (member.state, member.row.already_used, member.has_key) == ("review", False, True)
    assert not signed_in(impostor.conversation_id)
    with unit_of_work() as session:
        reviewer = actor(session, "Người xét", (Role.REVIEWER, units.province))
        shown = review.view(session, reviewer, member.sign_up_id).open
        assert shown is not None
        assert review.accept(session, reviewer, member.sign_up_id, reason="same_person", seen=shown.seen)
    assert signed_in(member.conversation_id)


def test_an_account_with_another_use_stays_without_the_conversations(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, units: Units
) -> None:
    with unit_of_work() as session:
        account = accounts.account_of_member(session, member_id)
        assert account is not None
        session.add(Grant(account_id=account.id, role="examiner", unit_id=units.a1, granted_at=clock.now()))
        console = sessions.start_console(session, account, device="x")
    revoke(secretary, member_id)
    assert not signed_in(impostor.conversation_id)
    with unit_of_work() as session:
        assert accounts.account_of_member(session, member_id) is not None
        assert not sessions.is_living(session, console)  # signed out there, too; password and roles are as they were
        assert session.scalar(select(func.count()).select_from(SignIn).where(SignIn.kind == "member")) == 0


def test_what_an_administrator_locked_does_not_come_back(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, eyes: Eyes
) -> None:
    del impostor
    with unit_of_work() as session:
        account = accounts.account_of_member(session, member_id)
        assert account is not None
        account.disabled_at = clock.now()
    revoke(secretary, member_id)
    assert Walk(eyes).whole().state == "review"


def test_what_changed_since_the_look_is_not_taken_back(
    impostor: Walk, member_id: uuid.UUID, secretary: Actor, eyes: Eyes
) -> None:
    at = registered_at(member_id)
    revoke(secretary, member_id)
    with pytest.raises(RevokeError, match="hiện không có đăng ký nào"), unit_of_work() as session:
        revoking.one(session, secretary, member_id)
    member = Walk(eyes).whole()
    with pytest.raises(RevokeError, match="vừa thay đổi"), unit_of_work() as session:
        revoking.revoke(session, secretary, member_id, registered_at=at)
    assert signed_in(member.conversation_id)
    assert not signed_in(impostor.conversation_id)


def test_nobody_takes_back_the_own_sign_up(impostor: Walk, member_id: uuid.UUID, secretary: Actor) -> None:
    own = Actor(secretary.account_id, secretary.name, secretary.grants, member_id)
    with pytest.raises(RevokeError, match="Không ai tự gỡ"):
        revoke(own, member_id)
    assert signed_in(impostor.conversation_id)


def test_what_others_send_is_nobodys_business_here(member_id: uuid.UUID, secretary: Actor, units: Units) -> None:
    """A sign-up in review is no sign-up yet."""
    with unit_of_work() as session:
        make_waiting(session, member_id, unit_id=units.a1)
        assert revoking.signed_up(session, secretary).lines == ()
