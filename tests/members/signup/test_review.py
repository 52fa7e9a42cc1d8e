"""The queue, a sign-up beside the register, and the verdicts on it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import unit_of_work
from ekyc import images
from members import accounts, codes, register, sessions
from members.access import SYSTEM, Actor, NotVisibleError, Role, actor_of
from members.models import Account, Member
from members.particulars import Private
from members.sign_up_models import SignUp, SignUpReview
from members.signup import beside, looking, record, review, words
from members.signup.review import DecidedError, ReviewError
from messaging import inbox
from tests.people import Units, make_account, make_units
from tests.sign_ups import make_waiting, photo_ids, picture, state_of
from tests.walking import said_in

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
GOOD = {"reason": "same_person"}


@dataclass(frozen=True)
class World:
    units: Units
    mo: uuid.UUID
    """Of branch A1, as on the card."""
    sen: uuid.UUID
    """Of branch B1."""
    here: Actor
    """Reviews in committee A."""
    colleague: Actor
    whole: Actor
    """Reviews everywhere."""
    secretary: Actor


@pytest.fixture
def world() -> Iterator[World]:
    with clock.fixed(NOW), unit_of_work() as session:
        units = make_units(session)
        mo, sen = (
            register.add(session, SYSTEM, unit_id=unit, name=name, private=private).id
            for unit, name, private in (
                (
                    units.a1,
                    "Lê Thị Mơ",
                    Private(card_number="12345678", date_of_birth=date(1960, 5, 9), home_town="Xom Ben", joined_on=date(1985, 3, 3)),
                ),
                (units.b1, "Trần Văn Sen", Private(card_number="87654321", date_of_birth=date(1970, 1, 1))),
            )
        )  # fmt: skip
        people = [
            actor_of(session, make_account(session, name, (role, unit)))
            for name, role, unit in (
                ("Người xét A", Role.REVIEWER, units.a),
                ("Người xét A khác", Role.REVIEWER, units.a),
                ("Người xét chung", Role.REVIEWER, units.province),
                ("Bí thư", Role.SECRETARY, units.a1),
            )
        ]
    with clock.fixed(NOW):
        yield World(units, mo, sen, *people)


def _make(world: World, member_id: uuid.UUID | None = None, **values: object) -> uuid.UUID:
    with unit_of_work() as session:
        unit_id = session.get_one(Member, member_id).unit_id if member_id else None
        return make_waiting(session, member_id, unit_id=unit_id, **values)  # type: ignore[arg-type]


def _seen(actor: Actor, sign_up_id: uuid.UUID) -> str:
    with unit_of_work() as session:
        found = review.view(session, actor, sign_up_id)
    assert found.open is not None
    return found.open.seen


def _accept(actor: Actor, sign_up_id: uuid.UUID, *, seen: str | None = None) -> bool:
    seen = _seen(actor, sign_up_id) if seen is None else seen
    with unit_of_work() as session:
        return review.accept(session, actor, sign_up_id, seen=seen, **GOOD)


def _state(sign_up_id: uuid.UUID) -> str:
    with unit_of_work() as session:
        return state_of(session, sign_up_id)


def _verdicts(sign_up_id: uuid.UUID) -> list[tuple[str, str]]:
    with unit_of_work() as session:
        rows = session.scalars(select(SignUpReview).where(SignUpReview.sign_up_id == sign_up_id)).all()
        return [(row.verdict, row.reason) for row in rows]


def _logged(action: str) -> list[tuple[uuid.UUID | None, str | None, int | None, uuid.UUID | None]]:
    with unit_of_work() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)).all()
        return [(row.actor_id, row.object_id, row.unit_id, row.subject) for row in rows]


# The queue


def test_the_queue_shows_the_longest_waiting_first_and_only_what_is_ones_own(world: World) -> None:
    with clock.fixed(NOW - timedelta(hours=2)):
        unknown = _make(world, reasons=("blurred", "glare"))
    with clock.fixed(NOW - timedelta(hours=3)):
        mo = _make(world, world.mo, already_used=True)
    with clock.fixed(NOW - timedelta(hours=1)):
        sen = _make(world, world.sen)
    _accept(world.here, mo)
    with unit_of_work() as session:
        found = review.queue(session, world.whole)
        assert [(line.id, line.unit_name, line.reasons, line.already_used, line.accepted) for line in found.lines] == [
            (mo, "Chi hội Đầu Nguồn", ("field_doubtful",), True, 1),
            (unknown, None, ("blurred", "glare"), False, 0),
            (sen, "Chi hội Chợ Cũ", ("field_doubtful",), False, 0),
        ]
        assert found.lines[0].submitted_at == NOW - timedelta(hours=3)
        assert found.lines[0].photos_due_at == NOW - timedelta(hours=3) + timedelta(days=7)
        assert (found.total, found.page, found.pages) == (3, 1, 1)
        assert [line.id for line in review.queue(session, world.here).lines] == [mo]
        assert review.counts(session, world.whole) == review.Counts(waiting=3, urgent=0)
        assert review.counts(session, world.secretary) == review.Counts(0, 0)
        with pytest.raises(NotVisibleError):
            review.queue(session, world.secretary)


def test_what_is_too_old_is_urgent_and_then_gone_even_before_the_job_came(world: World) -> None:
    sign_up = _make(world, world.mo)
    seen = _seen(world.here, sign_up)
    with unit_of_work() as session:
        photo = photo_ids(session, sign_up)[0]
    with clock.fixed(NOW + timedelta(days=6, hours=1)), unit_of_work() as session:
        assert review.counts(session, world.here) == review.Counts(waiting=1, urgent=1)
    with clock.fixed(NOW + timedelta(days=7)):
        with unit_of_work() as session:
            assert review.queue(session, world.here).lines == ()
            assert review.view(session, world.here, sign_up).open is None
            with pytest.raises(NotVisibleError):
                review.photo(session, world.here, sign_up, photo)
        with pytest.raises(DecidedError):
            _accept(world.here, sign_up, seen=seen)


def test_one_that_goes_on_without_anybody_is_nobodys_business(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session:
        row = session.get_one(SignUp, sign_up)
        row.state, row.submitted_at = "confirm", None
    with unit_of_work() as session:
        assert review.queue(session, world.whole).lines == ()
        with pytest.raises(NotVisibleError):
            review.view(session, world.whole, sign_up)


# One of them


def test_the_fields_stand_beside_the_register_and_the_look_is_written_down_once(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session:
        found = review.view(session, world.here, sign_up).open
    assert found is not None
    assert [(line.field, line.label, line.read, line.register, line.compared) for line in found.fields] == [
        ("card_number", "Số thẻ", "12345678", "12345678", "same"),
        ("full_name", "Họ và tên", "LÊ THỊ MƠ", "Lê Thị Mơ", "same"),
        ("date_of_birth", "Ngày sinh", "09/05/1960", "09/05/1960", "same"),
        ("home_town", "Quê quán", "Xóm Bến", "Xom Ben", "accents"),
        ("joined_on", "Ngày kết nạp", None, "03/03/1985", "unknown"),
        ("official_on", "Ngày chính thức", None, None, "unknown"),
        ("issuer", "Nơi cấp thẻ", "Hội huyện Đồng Mai", None, "unknown"),
        ("issued_on", "Ngày cấp thẻ", "03/02/2015", None, "unknown"),
    ]
    assert found.fields[0].confidence == 0.9
    assert [(photo.kind, photo.pose) for photo in found.photos] == [
        ("rectified", None),
        ("selfie", None),
        ("frame", "front"),
        ("card", None),
        ("frame", "left"),
    ]
    assert (found.face.score, found.face.band, found.face.live, found.face.challenge) == (0.31, "review", True, "live")
    assert found.person is not None
    assert found.person.name == "Lê Thị Mơ"
    assert _logged("sign_up.viewed") == [(world.here.account_id, str(sign_up), world.units.a1, world.mo)]


@pytest.mark.parametrize(
    ("read", "kept", "compared"),
    [
        ("LÊ THỊ MƠ", "Lê Thị  Mơ", "same"),
        ("Xã Đồng-Mai, huyện A", "xã đồng mai huyện a", "same"),
        ("Hoà Bình", "Hòa Bình", "accents"),
        ("Nguyen Van Dung", "Nguyễn Văn Dũng", "accents"),
        ("1960-05-09", "1960-05-08", "different"),
        ("Lê Thị Mơ", "Lê Thị Mai", "different"),
        (None, "Lê Thị Mơ", "unknown"),
        ("", "Lê Thị Mơ", "unknown"),
        ("Lê Thị Mơ", None, "unknown"),
    ],
)
def test_how_two_values_stand_to_each_other(read: str | None, kept: str | None, compared: str) -> None:
    assert beside.compared(read, kept) == compared


def test_nobody_found_is_seen_by_those_who_review_everywhere_only(world: World) -> None:
    sign_up = _make(world)
    with unit_of_work() as session:
        found = review.view(session, world.whole, sign_up).open
        assert found is not None
        assert found.person is None
        assert {line.register for line in found.fields} == {None}
        with pytest.raises(NotVisibleError):
            review.view(session, world.here, sign_up)


def test_photographs_belong_to_a_look_at_the_page(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session:
        ids = photo_ids(session, sign_up)
        review.view(session, world.here, sign_up)
    for photo_id, shade in zip(ids, (10, 20, 30, 40, 50), strict=True):
        with unit_of_work() as session:
            content = review.photo(session, world.here, sign_up, photo_id)
        assert content[:3] == b"\xff\xd8\xff"
        assert images.load(content).tolist() == images.load(images.encode(picture(shade))).tolist()
    assert len(_logged("sign_up.viewed")) == 1
    with clock.fixed(NOW + timedelta(minutes=31)):
        for photo_id in ids[:2]:
            with unit_of_work() as session:
                review.photo(session, world.here, sign_up, photo_id)
    assert len(_logged("sign_up.viewed")) == 2
    other = _make(world, world.sen)
    with unit_of_work() as session:
        foreign = photo_ids(session, other)[0]
        for actor, of, photo_id in (
            (world.here, sign_up, foreign),
            (world.here, other, foreign),
            (world.secretary, sign_up, ids[0]),
            (world.here, sign_up, 987654),
        ):
            with pytest.raises(NotVisibleError):
                review.photo(session, actor, of, photo_id)


# Verdicts


def test_who_is_accepted_is_signed_in_where_it_began_and_nothing_of_the_photographs_is_left(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session:
        sealed = session.get_one(SignUp, sign_up).sealed
        conversation = session.get_one(SignUp, sign_up).conversation_id
        photo = photo_ids(session, sign_up)[0]
    assert sealed is not None
    assert conversation is not None
    assert _accept(world.here, sign_up) is True
    with unit_of_work() as session:
        assert state_of(session, sign_up) == "accepted"
        signed = sessions.resolve_member(session, conversation)
        assert signed is not None
        assert signed.actor.member_id == world.mo
        assert session.get_one(Member, world.mo).registered_at == NOW
        assert photo_ids(session, sign_up) == []
        with pytest.raises(crypto.KeyDestroyedError):
            crypto.unseal(session, sign_up, sealed, context=record.CONTEXT)
        with pytest.raises(NotVisibleError):
            review.photo(session, world.here, sign_up, photo)
        found = review.view(session, world.colleague, sign_up)
    assert (found.state, found.decided_at, found.open) == ("accepted", NOW, None)
    assert found.verdicts == (looking.Verdict("Người xét A", "accept", "same_person", NOW),)
    assert len(_logged("sign_up.viewed")) == 1  # of what is decided there is nothing to see


def test_a_card_in_use_needs_two_people(world: World) -> None:
    with unit_of_work() as session:
        accounts.make_member_account(session, session.get_one(Member, world.mo))
    sign_up = _make(world, world.mo, already_used=True)
    assert _accept(world.here, sign_up) is False
    assert _state(sign_up) == "review"
    assert _logged("sign_up.first_accepted") == [(world.here.account_id, str(sign_up), world.units.a1, world.mo)]
    with unit_of_work() as session:
        found = review.view(session, world.here, sign_up).open
        assert found is not None
        assert found.mine is True
    with pytest.raises(ReviewError, match="Cần thêm một người khác"):
        _accept(world.here, sign_up)
    assert _state(sign_up) == "review"
    assert _accept(world.colleague, sign_up) is True
    assert _state(sign_up) == "accepted"
    assert _verdicts(sign_up) == [("accept", "same_person"), ("accept", "same_person")]


def test_one_rejection_is_enough_even_after_an_acceptance(world: World) -> None:
    sign_up = _make(world, world.mo, already_used=True)
    _accept(world.here, sign_up)
    with unit_of_work() as session:
        review.reject(session, world.colleague, sign_up, reason="not_the_holder")
    assert _state(sign_up) == "rejected"
    with unit_of_work() as session:
        assert photo_ids(session, sign_up) == []
        assert accounts.account_of_member(session, world.mo) is None
    assert _verdicts(sign_up) == [("accept", "same_person"), ("reject", "not_the_holder")]


def test_an_account_that_was_made_meanwhile_counts(world: World) -> None:
    sign_up = _make(world, world.mo)
    seen = _seen(world.here, sign_up)
    with unit_of_work() as session:
        issued = codes.issue(session, world.secretary, world.mo)
        elsewhere = inbox.open_conversation(session, channel="web", external_id="máy khác")
        codes.redeem(session, issued.code, conversation_id=elsewhere.id, channel="web", device="Thử")
    with pytest.raises(ReviewError, match="vừa có thay đổi"):
        _accept(world.here, sign_up, seen=seen)
    assert _accept(world.here, sign_up) is False
    assert _accept(world.colleague, sign_up) is True


def test_what_changed_since_the_look_is_not_accepted(world: World) -> None:
    sign_up = _make(world, world.mo)
    seen = _seen(world.here, sign_up)
    with unit_of_work() as session:
        register.change(session, SYSTEM, world.mo, version=1, name="Lê Thị Mận")
    with pytest.raises(ReviewError, match="vừa có thay đổi"):
        _accept(world.here, sign_up, seen=seen)
    seen = _seen(world.here, sign_up)
    with unit_of_work() as session:
        record.put_photo(session, session.get_one(SignUp, sign_up), "selfie", picture(99), position=7)
    with pytest.raises(ReviewError, match="vừa có thay đổi"):
        _accept(world.here, sign_up, seen=seen)
    assert (_state(sign_up), _verdicts(sign_up)) == ("review", [])


@pytest.mark.parametrize("reason", ["", "other_person", "blurred"])
def test_a_verdict_needs_a_reason_of_its_own(world: World, reason: str) -> None:
    sign_up = _make(world, world.mo)
    seen = _seen(world.here, sign_up)
    with unit_of_work() as session, pytest.raises(ReviewError, match="Xin chọn lý do"):
        review.accept(session, world.here, sign_up, reason=reason, seen=seen)
    with unit_of_work() as session, pytest.raises(ReviewError, match="Xin chọn lý do"):
        review.ask_again(session, world.here, sign_up, reason=reason)
    with unit_of_work() as session, pytest.raises(ReviewError, match="Xin chọn lý do"):
        review.reject(session, world.here, sign_up, reason=reason.replace("other_person", "same_person"))
    assert (_state(sign_up), _verdicts(sign_up)) == ("review", [])


def test_better_photographs_are_asked_for_and_all_begins_anew(world: World) -> None:
    sign_up = _make(world, world.mo, already_used=True)
    _accept(world.here, sign_up)
    with unit_of_work() as session:
        review.ask_again(session, world.colleague, sign_up, reason="card_unclear")
    assert _state(sign_up) == "card"
    assert _verdicts(sign_up) == [("again", "card_unclear")]
    with unit_of_work() as session:
        assert photo_ids(session, sign_up) == []
        assert review.queue(session, world.whole).lines == ()
    for call in (
        lambda session: review.reject(session, world.here, sign_up, reason="other_person"),
        lambda session: review.find_members(session, world.here, sign_up, q="Mơ"),
    ):
        with unit_of_work() as session, pytest.raises(DecidedError, match="Hồ sơ này đã được xử lý"):
            call(session)


def test_words_to_the_member_exist_for_every_reason_to_ask_again() -> None:
    assert set(review.REASONS["again"]) == set(words.AGAIN_WORDS)


def test_a_second_click_hears_that_it_is_done(world: World) -> None:
    sign_up = _make(world, world.mo)
    seen = _seen(world.colleague, sign_up)
    with unit_of_work() as session:
        review.reject(session, world.here, sign_up, reason="other_person")
    calls: list[Callable[..., object]] = [
        lambda session: review.accept(session, world.colleague, sign_up, seen=seen, **GOOD),
        lambda session: review.reject(session, world.colleague, sign_up, reason="other_person"),
        lambda session: review.ask_again(session, world.colleague, sign_up, reason="card_cut"),
        lambda session: review.choose_member(session, world.colleague, sign_up, world.mo),
    ]
    for call in calls:
        with unit_of_work() as session, pytest.raises(DecidedError, match="Hồ sơ này đã được xử lý"):
            call(session)
    assert _verdicts(sign_up) == [("reject", "other_person")]


def test_of_two_people_at_the_same_moment_one_decides(world: World) -> None:
    sign_up = _make(world, world.mo)
    seen, together = _seen(world.here, sign_up), Barrier(2)

    def decide(actor: Actor) -> str:
        together.wait()
        try:
            return str(_accept(actor, sign_up, seen=seen))
        except DecidedError:
            return "decided"

    with ThreadPoolExecutor(2) as pool:
        outcomes = sorted(pool.map(decide, (world.here, world.colleague)))
    assert outcomes == ["True", "decided"]
    assert _verdicts(sign_up) == [("accept", "same_person")]


# Whose card it is


def test_nobody_found_is_searched_for_chosen_and_then_accepted(world: World) -> None:
    sign_up = _make(world)
    seen = _seen(world.whole, sign_up)
    with pytest.raises(ReviewError, match="chọn đúng người trong sổ"):
        _accept(world.whole, sign_up, seen=seen)
    with unit_of_work() as session:
        assert [line.id for line in review.find_members(session, world.whole, sign_up, q="le thi mo").rows] == [
            world.mo
        ]
        assert [line.id for line in review.find_members(session, world.whole, sign_up, q="87654321").rows] == [
            world.sen
        ]
        with pytest.raises(ReviewError, match="Xin gõ họ tên"):
            review.find_members(session, world.whole, sign_up, q="  ")
        review.choose_member(session, world.whole, sign_up, world.mo)
    assert _logged("sign_up.member_chosen") == [(world.whole.account_id, str(sign_up), world.units.a1, world.mo)]
    with unit_of_work() as session:
        assert [line.id for line in review.queue(session, world.here).lines] == [sign_up]
    with pytest.raises(ReviewError, match="vừa có thay đổi"):
        _accept(world.whole, sign_up, seen=seen)
    assert _accept(world.whole, sign_up) is True


def test_people_are_searched_where_one_reviews(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session:
        assert review.find_members(session, world.here, sign_up, q="sen").rows == []
        with pytest.raises(NotVisibleError):
            review.choose_member(session, world.here, sign_up, world.sen)
        with pytest.raises(NotVisibleError):
            review.find_members(session, world.secretary, sign_up, q="sen")


def test_another_person_chosen_with_an_account_needs_two_new_acceptances(world: World) -> None:
    with unit_of_work() as session:
        for member_id in (world.mo, world.sen):
            accounts.make_member_account(session, session.get_one(Member, member_id))
    sign_up = _make(world, world.mo, already_used=True)
    assert _accept(world.whole, sign_up) is False
    with unit_of_work() as session:
        review.choose_member(session, world.whole, sign_up, world.sen)
        assert session.get_one(SignUp, sign_up).already_used is True
    assert _verdicts(sign_up) == []
    assert _accept(world.whole, sign_up) is False
    assert _state(sign_up) == "review"


def test_the_holder_hears_when_the_card_chosen_is_theirs(world: World) -> None:
    with unit_of_work() as session:
        talk = inbox.open_conversation(session, channel="web", external_id="máy của Sen").id
        account = accounts.make_member_account(session, session.get_one(Member, world.sen))
        sessions.start_member(session, account, conversation_id=talk, channel="web", device="x")
    sign_up = _make(world)
    with unit_of_work() as session:
        review.choose_member(session, world.whole, sign_up, world.sen)
    assert [words[:46] for words in said_in(talk)] == ["Có người vừa dùng thẻ của đồng chí để đăng ký "]
    with unit_of_work() as session:
        mo = accounts.make_member_account(session, session.get_one(Member, world.mo))
        other = inbox.open_conversation(session, channel="web", external_id="máy của Mơ").id
        sessions.start_member(session, mo, conversation_id=other, channel="web", device="x")
    another = _make(world, world.mo)  # an account that was made while it waited
    _seen(world.here, another)
    assert len(said_in(other)) == 1
    _seen(world.here, another)
    assert len(said_in(other)) == 1


@pytest.mark.parametrize("values", [{"face": False}, {"live": False}])
def test_without_a_face_taken_live_only_another_proof_accepts(world: World, values: dict[str, Any]) -> None:
    sign_up = _make(world, world.mo, **values)
    seen = _seen(world.here, sign_up)
    for reason in ("same_person", "register_outdated"):
        with pytest.raises(ReviewError, match="Không có ảnh khuôn mặt chụp trực tiếp"), unit_of_work() as session:
            review.accept(session, world.here, sign_up, reason=reason, seen=seen)
    assert (_state(sign_up), _verdicts(sign_up)) == ("review", [])
    assert list(review.accept_reasons(live=values.get("live"))) == ["confirmed_otherwise"]
    with unit_of_work() as session:
        assert review.accept(session, world.here, sign_up, reason="confirmed_otherwise", seen=seen)


# Not one's own


def test_nobody_reviews_the_own_sign_up(world: World) -> None:
    with unit_of_work() as session:
        own = make_account(session, "Mơ xét", (Role.REVIEWER, world.units.province), member_id=world.mo)
        actor = actor_of(session, own)
    by_register = _make(world, world.mo, already_used=True)
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="của Mơ").id
    by_conversation = _make(world, conversation_id=conversation)
    with unit_of_work() as session:  # signed in there now, or at any time
        sessions.start_member(
            session, session.get_one(Account, actor.account_id), conversation_id=conversation, channel="web", device="x"
        )
    open_one = _make(world)
    with unit_of_work() as session:
        assert [line.id for line in review.queue(session, actor).lines] == [open_one]
        for sign_up in (by_register, by_conversation):
            with pytest.raises(NotVisibleError):
                review.view(session, actor, sign_up)
            with pytest.raises(NotVisibleError):
                review.photo(session, actor, sign_up, photo_ids(session, sign_up)[0])
            with pytest.raises(NotVisibleError):
                review.reject(session, actor, sign_up, reason="other_person")
        with pytest.raises(ReviewError, match="Không ai tự xét cho mình"):
            review.choose_member(session, actor, open_one, world.mo)


def test_a_verdict_is_somebodys(world: World) -> None:
    sign_up = _make(world, world.mo)
    with unit_of_work() as session, pytest.raises(NotVisibleError):
        review.reject(session, SYSTEM, sign_up, reason="other_person")
    assert _state(sign_up) == "review"
