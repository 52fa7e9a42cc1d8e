"""The conversation's side: what begins, how often, and what a link is good for."""

from __future__ import annotations

import hashlib
import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import unit_of_work
from members import accounts, consent, sessions, signup
from members.models import ConsentText, Member
from members.sign_up_models import SignUp
from members.signup.words import AlreadySignedInError, SignUpError, TooManyTriesError, UnderReviewError
from messaging import inbox
from tests.people import make_units
from tests.walking import BROWSER, Walk, add_member, see

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def walk(monkeypatch: pytest.MonkeyPatch) -> Walk:
    return Walk(see(monkeypatch)).talk()


def test_a_sign_up_begins_with_a_link_whose_hash_is_kept(walk: Walk) -> None:
    with clock.fixed(NOW):
        begun = walk.begin()
    token = begun.link.removeprefix("/sign-up/")
    assert len(token) == 43
    assert begun.expires_at == NOW + timedelta(minutes=30)
    row = walk.row
    assert (row.state, row.channel, row.conversation_id) == ("card", "web", walk.conversation_id)
    assert row.token_hash == hashlib.sha256(token.encode()).digest()
    assert (row.card_takes, row.selfie_takes, row.member_id, row.photos_due_at) == (0, 0, None, begun.expires_at)
    assert walk.has_key
    with unit_of_work() as session:
        entry = session.scalars(select(AuditEntry)).one()
        assert (entry.action, entry.object_id, entry.subject) == ("sign_up.begun", str(walk.sign_up_id), None)
        assert entry.details == {"channel": "web", "text": row.text_id}
        # Both texts that were agreed to are there from now on.
        assert sorted(session.scalars(select(ConsentText.purpose))) == ["account", "sign_up"]


def test_the_same_tap_twice_begins_once_and_gives_a_link_that_works(walk: Walk) -> None:
    first, second = walk.begin("tap"), walk.begin("tap")
    assert first.sign_up_id == second.sign_up_id
    assert first.link != second.link
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(SignUp)) == 1
    with unit_of_work() as session, pytest.raises(signup.LinkError) as refused:
        signup.open_link(session, first.link.removeprefix("/sign-up/"), browser=BROWSER, conversation_key=walk.key)
    assert refused.value.code == "unknown"
    walk.open(second)


def test_two_taps_at_the_same_moment_begin_once(walk: Walk) -> None:
    with unit_of_work() as session:
        text_id = consent.current(session, signup.PURPOSE).id
    begun: list[uuid.UUID] = []

    def tap(number: int) -> None:
        with unit_of_work() as session:
            made = signup.begin(
                session, conversation_id=walk.conversation_id, channel="web", text_id=text_id, message_key=str(number)
            )
            begun.append(made.sign_up_id)

    threads = [threading.Thread(target=tap, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(begun) == 4
    assert len(set(begun)) == 1


def test_a_text_that_does_not_count_now_begins_nothing(walk: Walk) -> None:
    with unit_of_work() as session:
        wrong = consent.current(session).id  # of another purpose
    with pytest.raises(consent.ConsentError, match="đã có bản mới"), unit_of_work() as session:
        signup.begin(session, conversation_id=walk.conversation_id, channel="web", text_id=wrong, message_key="m")
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(SignUp)) == 0


def test_three_tries_a_day(walk: Walk) -> None:
    evening = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)  # 23:00 in Vietnam
    with clock.fixed(evening):
        for number in range(3):
            with unit_of_work() as session:
                assert signup.tries_left(session, walk.conversation_id) == 3 - number
            walk.begin(f"m{number}")
            with unit_of_work() as session:
                assert signup.stop(session, walk.conversation_id)
        with pytest.raises(TooManyTriesError, match="Hôm nay đã thử 3 lần"):
            walk.begin("m4")
        other = Walk(walk.eyes).talk()
        other.begin()  # another conversation is not concerned
    with clock.fixed(evening + timedelta(hours=1)):  # the next day there
        walk.begin("m5")
        with unit_of_work() as session:
            assert signup.tries_left(session, walk.conversation_id) == 2


def test_while_one_is_under_way_it_goes_on_with_another_link(walk: Walk) -> None:
    walk.open().card()
    before = walk.row
    begun = walk.begin("again")
    assert (begun.sign_up_id, walk.state) == (before.id, "confirm")
    assert walk.row.browser_hash is None  # the browser that had it is out
    with unit_of_work() as session:
        assert not signup.is_bound(session, walk.sign_up_id, browser=BROWSER)
        linked = signup.new_link(session, walk.conversation_id)
        assert linked.sign_up_id == before.id
        standing = signup.standing(session, walk.conversation_id)
        assert standing is not None
        assert (standing.sign_up_id, standing.state, standing.opened) == (before.id, "confirm", False)


def test_without_one_under_way_there_is_no_link_and_nothing_to_stop(walk: Walk) -> None:
    with unit_of_work() as session:
        assert signup.standing(session, walk.conversation_id) is None
        assert not signup.stop(session, walk.conversation_id)
    with pytest.raises(SignUpError, match="Không có đăng ký nào"), unit_of_work() as session:
        signup.new_link(session, walk.conversation_id)
    with pytest.raises(SignUpError, match="đã được xóa"), unit_of_work() as session:
        signup.new_link(session, uuid.uuid4())


def test_somebody_signed_in_is_told_so(walk: Walk) -> None:
    with unit_of_work() as session:
        units = make_units(session)
    member_id = add_member(units.a1)
    with unit_of_work() as session:
        account = accounts.make_member_account(session, session.get_one(Member, member_id))
        sessions.start_member(
            session, account, conversation_id=walk.conversation_id, channel="web", device="Chrome, Android"
        )
    with pytest.raises(AlreadySignedInError, match="Đồng chí đã đăng nhập"):
        walk.begin()


def test_in_review_there_is_nothing_to_photograph(walk: Walk) -> None:
    walk.open().card()
    with unit_of_work() as session:
        assert signup.ask_for_person(session, walk.sign_up_id) == "review"
    with pytest.raises(UnderReviewError, match="chờ người xem"), unit_of_work() as session:
        signup.new_link(session, walk.conversation_id)
    with pytest.raises(UnderReviewError):
        walk.begin("m9")
    with unit_of_work() as session:
        standing = signup.standing(session, walk.conversation_id)
        assert standing is not None
        assert (standing.state, standing.since) == ("review", walk.row.submitted_at)


def test_stopping_erases_photographs_at_once(walk: Walk) -> None:
    walk.open().card()
    assert [kind for kind, _ in walk.photos] == ["card", "portrait", "rectified"]
    with unit_of_work() as session:
        assert signup.stop(session, walk.conversation_id)
    assert (walk.state, walk.photos, walk.has_key, walk.row.sealed) == ("stopped", [], False, None)


def test_one_whose_time_has_passed_is_no_longer_under_way(walk: Walk) -> None:
    with clock.fixed(NOW):
        old = walk.open().card().row
    with clock.fixed(NOW + timedelta(minutes=30)):
        with unit_of_work() as session:
            assert signup.standing(session, walk.conversation_id) is None
        assert walk.begin("later").sign_up_id != old.id
    with unit_of_work() as session:
        assert session.get_one(SignUp, old.id).state == "expired"
        assert session.get(crypto.DataKey, old.id) is None


def test_who_comes_back_late_hears_that_the_photographs_are_gone(walk: Walk) -> None:
    with clock.fixed(NOW):
        walk.open().card()
    with clock.fixed(NOW + timedelta(minutes=30)):
        walk.begin("later")
    [words] = walk.heard()
    assert words.startswith("Lần đăng ký này đã hết hạn, ảnh đã gửi được xóa.")
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).where(AuditEntry.action == "sign_up.expired")) == 1


def test_links_do_not_keep_photographs_longer_than_a_day(walk: Walk) -> None:
    with clock.fixed(NOW):
        walk.open().card()
    for turn in range(1, 101):
        with clock.fixed(NOW + timedelta(minutes=29 * turn)), unit_of_work() as session:
            if signup.standing(session, walk.conversation_id) is None:
                break
            signup.new_link(session, walk.conversation_id)
    row = walk.row
    assert NOW + timedelta(hours=23) < row.photos_due_at <= NOW + timedelta(hours=24)
    assert row.link_expires_at <= row.photos_due_at


def test_a_message_handled_again_after_its_time_begins_anew(walk: Walk) -> None:
    with clock.fixed(NOW):
        old = walk.begin("m1").sign_up_id
    with clock.fixed(NOW + timedelta(minutes=31)):
        assert walk.begin("m1").sign_up_id != old
    with unit_of_work() as session:
        assert session.get_one(SignUp, old).state == "expired"


def test_the_channel_is_that_of_the_conversation(walk: Walk) -> None:
    with unit_of_work() as session:
        zalo = inbox.open_conversation(session, channel="zalo", external_id="u1").id
        text_id = consent.current(session, signup.PURPOSE).id
        begun = signup.begin(session, conversation_id=zalo, channel="zalo", text_id=text_id, message_key="m")
    with unit_of_work() as session:  # whoever has the phone in hand opens it; nobody else after that
        opened = signup.open_link(session, begun.link.removeprefix("/sign-up/"), browser=BROWSER)
        assert opened == begun.sign_up_id
        assert not signup.claim_conversation(session, opened, new_key="x")
        assert inbox.find_conversation(session, channel="zalo", external_id="u1") is not None
