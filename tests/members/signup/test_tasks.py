"""The jobs and what comes of them: accepted, a person, expired; once, whatever happens in between."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from procrastinate.jobs import Job
from sqlalchemy import func, select

from core import clock, crypto
from core.audit import AuditEntry
from core.database import unit_of_work
from core.settings import settings
from ekyc.results import FIELDS, ChallengeResult, MatchResult
from members import accounts, consent, register, sessions
from members.access import SYSTEM, Actor
from members.models import Account, ConsentText, Member, SignIn
from members.sign_up_models import SignUp
from members.signup import outcome, record, tasks
from members.signup.outcome import AlreadyUsedError, OutcomeError
from sotay import worker
from tests.people import Units
from tests.walking import PRINTED, Eyes, Walk, add_member, said_in

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
REVIEWED = "Đã nhận được ảnh. Có người của tổ chức sẽ xem rồi trả lời ngay tại đây"


@pytest.fixture
def walk(eyes: Eyes) -> Walk:
    return Walk(eyes)


def log(walk: Walk) -> list[tuple[str, uuid.UUID | None, dict[str, Any]]]:
    with unit_of_work() as session:
        rows = session.scalars(
            select(AuditEntry)
            .where(AuditEntry.object_type == "sign_up", AuditEntry.object_id == str(walk.sign_up_id))
            .order_by(AuditEntry.id)
        )
        return [(row.action, row.subject, row.details) for row in rows]


def signed_in(conversation_id: uuid.UUID) -> uuid.UUID | None:
    with unit_of_work() as session:
        signed = sessions.resolve_member(session, conversation_id)
        return signed.actor.member_id if signed else None


# Accepted


def test_the_full_set_signs_the_member_up(walk: Walk, member_id: uuid.UUID, units: Units) -> None:
    walk.to_selfie().send_face()
    asked_at = walk.row.created_at
    tasks.check_selfie(str(walk.sign_up_id))
    assert (walk.state, walk.progress.outcome, walk.row.reasons) == ("accepted", "accepted", [])
    assert signed_in(walk.conversation_id) == member_id
    # Nothing of the photographs is left.
    assert (walk.photos, walk.has_key, walk.row.sealed) == ([], False, None)
    assert walk.row.photos_erased_at is not None
    with unit_of_work() as session:
        member = session.get_one(Member, member_id)
        assert (member.registered_at is not None, member.version) == (True, 2)
        device = session.scalars(select(SignIn)).one()
        assert (device.kind, device.device, device.channel) == ("member", "Chrome, Android", "web")
        events = consent.history(session, member_id)
        assert [(event.purpose, event.action, event.channel, event.at) for event in events] == [
            ("sign_up", "given", "web", asked_at),
            ("account", "given", "web", asked_at),
        ]
        assert consent.has_given(session, member_id)
    assert log(walk) == [
        ("sign_up.begun", None, {"channel": "web", "text": walk.row.text_id}),
        ("sign_up.photos_erased", member_id, {"photos": 10, "key_destroyed": True, "why": "accepted"}),
        ("sign_up.accepted", member_id, {"channel": "web", "by_machine": True}),
    ]
    assert walk.row.unit_id == units.a1
    [words] = walk.heard()
    assert words == (
        "Đã đăng ký xong. Chào đồng chí Lê Thị Mơ, Chi hội Đầu Nguồn. Ảnh thẻ và ảnh khuôn mặt đã được xóa."
        " Từ nay nhắn “hồ sơ của tôi” để xem hồ sơ, “dữ liệu của tôi” để xem những gì đang lưu."
    )


def test_a_job_that_runs_twice_or_after_the_end_changes_nothing(walk: Walk, member_id: uuid.UUID) -> None:
    walk.whole()
    before, heard = log(walk), walk.heard()
    tasks.check_selfie(str(walk.sign_up_id))
    tasks.read_card(str(walk.sign_up_id))
    tasks.give_up(str(walk.sign_up_id))
    tasks.check_selfie(str(uuid.uuid4()))
    assert (walk.state, log(walk), walk.heard()) == ("accepted", before, heard)
    assert signed_in(walk.conversation_id) == member_id


def test_a_job_killed_before_its_end_goes_on(walk: Walk, eyes: Eyes, member_id: uuid.UUID, monkeypatch: Any) -> None:
    walk.to_selfie().send_face()

    def killed(*_args: object, **_options: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(outcome, "accept", killed)
        with pytest.raises(SystemExit):
            tasks.check_selfie(str(walk.sign_up_id))
    assert (walk.state, [kind for kind, _ in walk.photos if kind == "selfie"]) == ("checking", [])
    tasks.check_selfie(str(walk.sign_up_id))
    assert (walk.state, signed_in(walk.conversation_id)) == ("accepted", member_id)


def test_a_text_replaced_meanwhile_is_recorded_as_it_was_agreed_to(
    walk: Walk, member_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk.to_selfie()
    newer = consent._Shipped(2, "Văn bản mới", "Nội dung mới")
    monkeypatch.setattr(consent, "_shipped", lambda _purpose: newer)
    with unit_of_work() as session:
        consent.current(session)
    walk.face()
    assert walk.state == "accepted"
    with unit_of_work() as session:
        given = [(event.purpose, event.version) for event in consent.history(session, member_id)]
        assert given == [("sign_up", 2), ("account", 1)]
        assert not consent.has_given(session, member_id)  # asked anew at the next sign-in
        assert session.scalar(select(func.count()).select_from(ConsentText)) == 3


# A person


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        ({"card_number": "87654321"}, ["register_differs"]),
        ({"card_number": "87654321", "full_name": "Người Lạ"}, ["register_unknown"]),
        ({"date_of_birth": "1960-05-10"}, ["register_differs"]),
        ({"full_name": "Trần Văn Bình"}, ["register_differs"]),
        ({"joined_on": "1999-01-01"}, ["contradicts_joined_on"]),
    ],
)
def test_any_doubt_of_the_register_is_a_persons(
    walk: Walk, eyes: Eyes, member_id: uuid.UUID, change: dict[str, str], reasons: list[str]
) -> None:
    eyes.printed = {**PRINTED, **change}
    walk.whole()
    assert (walk.state, walk.row.reasons, signed_in(walk.conversation_id)) == ("review", reasons, None)
    assert walk.row.member_id == (None if reasons == ["register_unknown"] else member_id)
    assert [words[: len(REVIEWED)] for words in walk.heard()] == [REVIEWED]
    assert log(walk)[-1] == ("sign_up.submitted", walk.row.member_id, {})
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 0


@pytest.mark.parametrize(
    ("face", "challenge", "reasons"),
    [
        (MatchResult(0.3, "review"), ChallengeResult("live"), ["face_doubtful"]),
        (MatchResult(0.01, "different"), ChallengeResult("live"), ["face_different"]),
        (MatchResult(0.9, "same"), ChallengeResult("review", ("flat",)), ["flat", "challenge_doubtful"]),
    ],
)
@pytest.mark.usefixtures("member_id")
def test_any_doubt_of_the_face_is_a_persons(
    walk: Walk, eyes: Eyes, face: MatchResult, challenge: ChallengeResult, reasons: list[str]
) -> None:
    eyes.face, eyes.challenge = face, challenge
    walk.whole()
    doubtful = ["face_doubtful", *reasons] if challenge.selfie is None and challenge.decision == "review" else reasons
    assert (walk.state, sorted(walk.row.reasons)) == ("review", sorted(doubtful))
    assert walk.row.photos_due_at - (walk.row.submitted_at or NOW) == timedelta(days=7)


@pytest.mark.usefixtures("member_id")
def test_a_reading_below_the_set_confidence_is_a_persons(walk: Walk, eyes: Eyes) -> None:
    eyes.confidence = settings().ekyc_min_confidence - 0.01  # a vendor that says ok all the same
    walk.whole()
    assert (walk.state, walk.row.reasons) == ("review", ["reading_doubtful"])


def test_a_contradicting_citizen_card_is_a_persons(
    walk: Walk, member_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_contradictions", lambda _image, fields: ("date_of_birth",) if len(fields) == 8 else ())
    walk.whole()
    assert (walk.state, walk.row.reasons) == ("review", ["contradicts_date_of_birth"])
    assert walk.row.member_id == member_id


def test_what_cannot_be_judged_comes_to_a_person_after_three_attempts(
    walk: Walk, eyes: Eyes, member_id: uuid.UUID
) -> None:
    eyes.error = RuntimeError("the model is missing")

    def attempt(number: int, task: Any) -> None:
        job = Job(id=1, queue="ekyc", lock=None, queueing_lock=None, task_name="x", attempts=number)

        class Context:
            def __init__(self) -> None:
                self.job = job

        task(Context(), sign_up_id=str(walk.sign_up_id))

    walk.talk().open().send_card()
    for number in range(2):
        with pytest.raises(RuntimeError, match="model is missing"):
            attempt(number, worker.read_card)
        assert walk.state == "reading"
    attempt(2, worker.read_card)
    assert (walk.state, walk.row.reasons, walk.progress.reasons) == ("review", ["unavailable"], ())
    assert walk.heard()[-1].startswith(REVIEWED)
    assert walk.photos == [("card", 1)]  # the reviewer sees what there is

    # A face: and a picture that kills its worker every time is not tried for ever.
    eyes.error = None
    other = Walk(eyes).to_selfie().send_face()
    shown = len(eyes.shown)
    job_walk, walk = walk, other
    attempt(3, worker.check_selfie)
    assert (other.state, other.row.reasons, other.row.member_id) == ("review", ["unavailable"], member_id)
    assert len(eyes.shown) == shown
    assert job_walk.state == "review"


def test_the_worker_knows_the_jobs() -> None:
    found = worker.build_app().tasks
    assert found["members.read_card"].func is worker.read_card
    assert found["members.check_selfie"].func is worker.check_selfie
    assert found["members.expire_sign_ups"].func is tasks.expire
    assert {found[name].queue for name in ("members.read_card", "members.check_selfie")} == {"ekyc"}


# One card, one account


def used(member_id: uuid.UUID, eyes: Eyes) -> Walk:
    """The member has signed up on the own phone."""
    holder = Walk(eyes).whole()
    assert signed_in(holder.conversation_id) == member_id
    return holder


def test_a_card_used_again_comes_to_two_people_and_its_holder_hears(
    walk: Walk, eyes: Eyes, member_id: uuid.UUID
) -> None:
    holder = used(member_id, eyes)
    heard = holder.heard()
    walk.whole()
    assert (walk.state, walk.row.reasons, walk.row.already_used) == ("review", ["already_used"], True)
    assert [words[: len(REVIEWED)] for words in walk.heard()] == [REVIEWED]  # as to everybody in review
    *before, warning = holder.heard()
    assert before == heard
    assert warning == (
        "Có người vừa dùng thẻ của đồng chí để đăng ký trên máy khác. Nếu là đồng chí (đổi máy), không cần làm gì:"
        " hai người của tổ chức sẽ xem rồi mới quyết định. Nếu không phải đồng chí, xin báo ngay cho bí thư chi bộ."
    )
    Walk(eyes).whole()
    assert len(holder.heard()) == len(heard) + 1  # once a day at most
    assert signed_in(holder.conversation_id) == member_id


def test_the_holder_is_told_on_the_device_that_is_signed_in_only(walk: Walk, eyes: Eyes, member_id: uuid.UUID) -> None:
    holder = used(member_id, eyes)
    heard = holder.heard()
    with unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.member_id == member_id)).one()
        sessions.end_all(session, account.id)
    walk.whole()
    assert (walk.state, holder.heard()) == ("review", heard)


def test_of_two_sign_ups_with_one_card_at_the_same_moment_one_is_accepted(eyes: Eyes, member_id: uuid.UUID) -> None:
    walks = [Walk(eyes).to_selfie().send_face() for _ in range(3)]
    threads = [threading.Thread(target=tasks.check_selfie, args=(str(walk.sign_up_id),)) for walk in walks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(walk.state for walk in walks) == ["accepted", "review", "review"]
    assert [walk.row.already_used for walk in walks if walk.state == "review"] == [True, True]
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1
        assert session.scalar(select(func.count()).select_from(SignIn).where(SignIn.ended_at.is_(None))) == 1


def test_when_two_people_agreed_the_account_moves_and_the_old_device_hears(
    walk: Walk, eyes: Eyes, member_id: uuid.UUID, reviewer: Actor
) -> None:
    holder = used(member_id, eyes)
    walk.whole()
    with unit_of_work() as session:
        outcome.accept(session, record.locked(session, walk.sign_up_id), by=reviewer)
    assert (signed_in(walk.conversation_id), signed_in(holder.conversation_id)) == (member_id, None)
    assert holder.heard()[-1].startswith("Tài khoản của đồng chí vừa được đăng nhập trên máy khác")
    assert (walk.photos, walk.has_key) == ([], False)
    entry = log(walk)[-1]
    assert entry == ("sign_up.accepted", member_id, {"channel": "web", "by_machine": False})


# What people decide


def test_where_it_is_set_a_person_decides_although_everything_fits(
    walk: Walk, member_id: uuid.UUID, reviewer: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOTAY_SIGN_UP_ACCEPTED_BY", "person")
    settings.cache_clear()
    try:
        walk.whole()
    finally:
        monkeypatch.undo()
        settings.cache_clear()
    assert (walk.state, walk.row.reasons) == ("review", ["by_setting"])
    assert [words[: len(REVIEWED)] for words in walk.heard()] == [REVIEWED]
    assert signed_in(walk.conversation_id) is None
    with unit_of_work() as session:
        outcome.accept(session, record.locked(session, walk.sign_up_id), by=reviewer)
    assert signed_in(walk.conversation_id) == member_id


@pytest.mark.parametrize("purpose", ["sign_up", "account"])
def test_a_consent_taken_back_since_is_none(
    walk: Walk, eyes: Eyes, member_id: uuid.UUID, reviewer: Actor, purpose: str
) -> None:
    used(member_id, eyes)
    walk.to_selfie().send_face()  # nobody knows yet whose it is
    with unit_of_work() as session:
        consent.withdraw(session, member_id, purpose=purpose, channel="web")
    tasks.check_selfie(str(walk.sign_up_id))
    assert walk.state == "review"
    with pytest.raises(OutcomeError, match="đã rút lại đồng ý"), unit_of_work() as session:
        outcome.accept(session, record.locked(session, walk.sign_up_id), by=reviewer)
    with unit_of_work() as session:
        assert not consent.has_given(session, member_id, purpose)


def test_a_machine_never_gives_an_account_to_a_second_person(
    walk: Walk, member_id: uuid.UUID, reviewer: Actor, units: Units
) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        accounts.make_member_account(session, session.get_one(Member, member_id))
    with pytest.raises(AlreadyUsedError), unit_of_work() as session:
        outcome.accept(session, record.locked(session, walk.sign_up_id), by=None)
    assert walk.state == "review"


def test_who_reviews_hears_why_an_acceptance_cannot_be(
    walk: Walk, member_id: uuid.UUID, reviewer: Actor, units: Units
) -> None:
    walk.to_selfie().face(live=False)

    def refusal() -> str:
        with pytest.raises(OutcomeError) as refused, unit_of_work() as session:
            outcome.accept(session, record.locked(session, walk.sign_up_id), by=reviewer)
        return str(refused.value)

    other = add_member(units.b1, name="Người Khác", private=register.Private())
    with unit_of_work() as session:
        account = accounts.make_member_account(session, session.get_one(Member, other))
        sessions.start_member(session, account, conversation_id=walk.conversation_id, channel="web", device="x")
    assert "đã có người khác đăng nhập" in refusal()
    with unit_of_work() as session:
        mine = accounts.make_member_account(session, session.get_one(Member, member_id))
        mine.disabled_at = clock.now()
    assert "đang bị khóa" in refusal()
    with unit_of_work() as session:
        record.locked(session, walk.sign_up_id).member_id = None
    assert "Chưa chọn người" in refusal()
    assert (walk.state, walk.has_key) == ("review", True)


def test_a_conversation_where_somebody_signed_in_meanwhile_is_a_persons(
    walk: Walk, member_id: uuid.UUID, units: Units
) -> None:
    other = add_member(units.b1, name="Người Khác", private=register.Private())
    walk.to_selfie().send_face()
    with unit_of_work() as session:
        account = accounts.make_member_account(session, session.get_one(Member, other))
        sessions.start_member(session, account, conversation_id=walk.conversation_id, channel="web", device="x")
    tasks.check_selfie(str(walk.sign_up_id))
    assert (walk.state, walk.row.reasons, walk.row.member_id) == ("review", ["signed_in_meanwhile"], member_id)
    assert signed_in(walk.conversation_id) == other


def test_a_rejection_ends_it_in_the_same_words_whatever_the_reason(
    eyes: Eyes, member_id: uuid.UUID, reviewer: Actor
) -> None:
    heard = []
    for reason in ("other_person", "not_in_register"):
        walk = Walk(eyes).to_selfie().face(live=False)
        with unit_of_work() as session:
            outcome.reject(session, record.locked(session, walk.sign_up_id), reason=reason, by=reviewer)
        assert (walk.state, walk.row.reasons, walk.photos, walk.has_key) == ("rejected", [reason], [], False)
        assert walk.progress.reasons == ()
        assert log(walk)[-1] == ("sign_up.rejected", member_id, {"reason": reason})
        heard.append(walk.heard()[-1])
    assert heard[0] == heard[1]
    assert heard[0].startswith("Chưa đăng ký được qua ảnh. Ảnh đã được xóa.")


def test_other_photographs_are_asked_for_with_new_takes_and_a_new_key(
    walk: Walk, member_id: uuid.UUID, reviewer: Actor
) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        old_key = crypto.keys_of(session, [walk.sign_up_id])[walk.sign_up_id]
        outcome.ask_again(session, record.locked(session, walk.sign_up_id), reason="card_unclear", by=reviewer)
    row = walk.row
    assert (row.state, row.card_takes, row.selfie_takes, row.member_id, row.reasons) == ("card", 0, 0, None, [])
    assert (walk.photos, row.sealed, row.token_hash) == ([], None, None)
    with unit_of_work() as session:
        assert crypto.keys_of(session, [walk.sign_up_id])[walk.sign_up_id] != old_key
    assert "chụp lại: ảnh thẻ bị mờ, lóa hoặc bị che. Ảnh cũ đã được xóa." in walk.heard()[-1]
    assert [action for action, *_ in log(walk)][-2:] == ["sign_up.photos_erased", "sign_up.asked_again"]
    with clock.fixed(datetime.now(UTC) + timedelta(days=2)):
        walk.open(walk.begin("again")).card().confirm().face()
        assert (walk.state, signed_in(walk.conversation_id)) == ("accepted", member_id)


# Time


def test_what_is_late_ends_and_its_photographs_go(eyes: Eyes, member_id: uuid.UUID) -> None:
    with clock.fixed(NOW):
        begun, photographed, waiting, checked = (Walk(eyes).talk(), Walk(eyes), Walk(eyes), Walk(eyes))
        begun.begin()
        photographed.to_selfie()
        waiting.talk().open().send_card()
        checked.to_selfie().face(live=False)
        done = Walk(eyes).whole()
    walks = (begun, photographed, waiting, checked, done)

    def states_at(moment: datetime) -> list[str]:
        with clock.fixed(moment):
            tasks.expire(0)
            return [walk.row.state for walk in walks]

    half, day, week = timedelta(minutes=30), timedelta(hours=24), timedelta(days=7)
    second = timedelta(seconds=1)
    assert states_at(NOW + half - second) == ["card", "selfie", "reading", "review", "accepted"]
    assert states_at(NOW + half) == ["expired", "expired", "reading", "review", "accepted"]
    assert (photographed.photos, photographed.has_key, waiting.has_key) == ([], False, True)
    assert begun.heard() == []  # who sent nothing hears nothing
    assert photographed.heard()[-1].startswith("Lần đăng ký này đã hết hạn, ảnh đã gửi được xóa.")
    assert states_at(NOW + day) == ["expired", "expired", "expired", "review", "accepted"]
    assert states_at(NOW + week - second)[3] == "review"
    assert states_at(NOW + week)[3] == "expired"
    assert (checked.photos, checked.has_key) == ([], False)
    assert checked.heard()[-1].startswith("Rất tiếc, chưa có người xem kịp trong thời hạn nên ảnh đã được xóa")
    assert [action for action, *_ in log(checked)][-2:] == ["sign_up.photos_erased", "sign_up.expired"]
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(SignUp)) == 5
    with clock.fixed(NOW + week + timedelta(days=30)):
        tasks.expire(0)
    with unit_of_work() as session:
        assert session.scalars(select(SignUp.id)).all() == [checked.sign_up_id]
    with clock.fixed(NOW + week + timedelta(days=30, seconds=1)):
        tasks.expire(0)
    with unit_of_work() as session:
        assert session.scalars(select(SignUp.id)).all() == []
        assert session.get_one(Member, member_id).registered_at == NOW


def test_nothing_that_was_read_is_in_the_log_or_the_jobs(walk: Walk, eyes: Eyes, member_id: uuid.UUID) -> None:
    eyes.printed = {**PRINTED, "full_name": "Người Lạ", "home_town": "nơi không ai biết"}
    walk.whole()
    with unit_of_work() as session:
        stored = repr([(entry.details, entry.object_id) for entry in session.scalars(select(AuditEntry))])
        stored += repr(session.connection().exec_driver_sql("select args::text from procrastinate_jobs").all())
    assert [value for value in eyes.printed.values() if value and value in stored] == []
    assert walk.known.fields == {name: eyes.printed[name] for name in FIELDS}
    with unit_of_work() as session:
        raw = repr(session.connection().exec_driver_sql("select sign_up::text from sign_up").all())
    assert [value for value in eyes.printed.values() if value and value in raw] == []
    assert SYSTEM.is_system
    assert said_in(walk.conversation_id) == walk.heard()
