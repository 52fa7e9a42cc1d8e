"""The page's side: one browser, one step after another, limits, and nothing of the register."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pytest
from limits import RateLimitItemPerMinute
from sqlalchemy import select

from core import clock
from core.database import unit_of_work
from ekyc.images import MAX_BYTES, UnreadableImageError
from ekyc.results import FIELDS, ChallengeResult, Pose, Reason
from members import accounts, erasure, register, sessions, signup
from members.access import Actor
from members.limiting import attempts
from members.models import Member
from members.signup import outcome, record, steps, tasks
from members.signup.record import StepError
from members.signup.words import ChallengeLateError, SignUpError, TooManyTriesError
from messaging import cookies, inbox
from messaging.models import Conversation
from tests.people import Units
from tests.walking import BROWSER, PRINTED, Eyes, Walk, add_member, photograph, waiting_jobs

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)


@pytest.fixture
def walk(eyes: Eyes) -> Walk:
    return Walk(eyes).talk()


@pytest.fixture
def _nothing_counted() -> Iterator[None]:
    attempts.clear()
    yield
    attempts.clear()


def refusal(walk: Walk, begun: signup.Begun, *, browser: str = BROWSER, key: str | None = None) -> tuple[str, str]:
    with unit_of_work() as session, pytest.raises(signup.LinkError) as refused:
        signup.open_link(
            session, begun.link.removeprefix("/sign-up/"), browser=browser, conversation_key=key or walk.key
        )
    return refused.value.code, str(refused.value)


# The link


def test_a_link_is_for_the_first_browser_that_opens_it(walk: Walk) -> None:
    begun = walk.begin()
    walk.open(begun)
    with unit_of_work() as session:
        assert signup.is_bound(session, walk.sign_up_id, browser=BROWSER)
        assert not signup.is_bound(session, walk.sign_up_id, browser=BROWSER.upper())
        assert not signup.is_bound(session, uuid.uuid4(), browser=BROWSER)
        again = signup.open_link(
            session, begun.link.removeprefix("/sign-up/"), browser=BROWSER, conversation_key=walk.key
        )
        assert again == walk.sign_up_id
    code, words = refusal(walk, begun, browser="another browser's secret .........")
    assert code == "other_device"
    assert "đã mở nó lần đầu" in words


def test_a_link_needs_the_browser_of_the_conversation(walk: Walk) -> None:
    begun = walk.begin()
    stranger = cookies.external_id(cookies.new_token())
    assert refusal(walk, begun, key=stranger)[0] == "other_device"
    with unit_of_work() as session:  # somebody else who talks to us, too
        inbox.open_conversation(session, channel="web", external_id=stranger)
    assert refusal(walk, begun, key=stranger)[0] == "other_device"
    with unit_of_work() as session, pytest.raises(signup.LinkError):
        signup.open_link(session, begun.link.removeprefix("/sign-up/"), browser=BROWSER)
    assert walk.row.browser_hash is None


def test_an_unknown_late_or_ended_link_says_so(walk: Walk) -> None:
    with clock.fixed(NOW):
        begun = walk.begin()
    wrong = dataclasses.replace(begun, link="/sign-up/" + "x" * 43)
    assert refusal(walk, wrong)[0] == "unknown"
    with clock.fixed(NOW + timedelta(minutes=30)):
        code, words = refusal(walk, begun)
        assert (code, "đã hết hạn" in words) == ("expired", True)
    with clock.fixed(NOW + timedelta(minutes=29)):
        walk.open(begun)
        with unit_of_work() as session:
            signup.stop_here(session, walk.sign_up_id)
        assert refusal(walk, begun)[0] == "ended"
        with unit_of_work() as session:  # whoever stopped sees that it is stopped, for a while
            assert signup.is_bound(session, walk.sign_up_id, browser=BROWSER)
    with clock.fixed(NOW + timedelta(hours=1)), unit_of_work() as session:
        assert not signup.is_bound(session, walk.sign_up_id, browser=BROWSER)


def test_whoever_planted_the_cookie_is_out_when_the_page_opens(walk: Walk) -> None:
    planted = walk.key
    walk.open()
    with unit_of_work() as session:
        assert inbox.find_conversation(session, channel="web", external_id=planted) is None
        mine = inbox.find_conversation(session, channel="web", external_id=walk.key)
        assert mine is not None
        assert mine.id == walk.row.conversation_id


def test_on_a_shared_phone_the_other_persons_conversation_stays_theirs(walk: Walk, units: Units) -> None:
    first = add_member(units.a1, name="Người Dùng Trước", private=register.Private())
    with unit_of_work() as session:
        account = accounts.make_member_account(session, session.get_one(Member, first))
        sessions.start_member(session, account, conversation_id=walk.conversation_id, channel="web", device="x")
        sessions.end_all(session, account.id)
    before = walk.conversation_id
    walk.open()
    assert walk.row.conversation_id != before
    with unit_of_work() as session:
        assert session.get(Conversation, before) is not None
        here = inbox.find_conversation(session, channel="web", external_id=walk.key)
        assert here is not None
        assert here.id == walk.row.conversation_id


# The card


def test_the_card_is_stored_as_pixels_under_the_own_key_and_read_by_a_job(walk: Walk) -> None:
    walk.open().send_card()
    assert (walk.state, walk.photos, walk.row.card_takes) == ("reading", [("card", 1)], 1)
    assert waiting_jobs() == [("members.read_card", {"sign_up_id": str(walk.sign_up_id)})]
    assert walk.progress == signup.Progress(
        state="reading", reasons=(), fields=None, poses=(), poses_until=None, card_takes_left=4, selfie_takes_left=3,
        ends_at=walk.row.photos_due_at, outcome=None,
    )  # fmt: skip
    tasks.read_card(str(walk.sign_up_id))
    assert walk.state == "confirm"
    assert walk.progress.fields == PRINTED
    assert walk.photos == [("card", 1), ("portrait", 0), ("rectified", 0)]
    assert walk.known.device == "Chrome, Android"


@pytest.mark.parametrize("content", [b"", b"GIF89a no", b"\xff\xd8\xff" + b"0" * 100, b"0" * (MAX_BYTES + 1)])
def test_what_is_no_photograph_is_refused_and_counts_nothing(walk: Walk, content: bytes) -> None:
    walk.open()
    with pytest.raises(UnreadableImageError), unit_of_work() as session:
        signup.put_card(session, walk.sign_up_id, content)
    assert (walk.state, walk.photos, walk.row.card_takes, waiting_jobs()) == ("card", [], 0, [])


def test_a_bad_photograph_is_taken_again_with_its_reasons(walk: Walk, eyes: Eyes) -> None:
    eyes.decision, eyes.reasons = "retake", (Reason.GLARE, Reason.FIELD_DOUBTFUL)
    walk.open().card()
    assert (walk.state, walk.progress.reasons) == ("card", ("glare", "field_doubtful"))
    assert walk.progress.fields is None
    eyes.decision, eyes.reasons = "ok", ()
    walk.card()
    assert (walk.state, walk.progress.reasons, walk.progress.card_takes_left) == ("confirm", (), 3)
    assert walk.photos[0] == ("card", 2)  # the first photograph is gone


def test_after_five_takes_a_person_looks_and_the_page_hears_no_reason(walk: Walk, eyes: Eyes) -> None:
    eyes.decision, eyes.reasons = "retake", (Reason.BLURRED,)
    walk.open()
    for _ in range(5):
        assert walk.state == "card"
        walk.card()
    assert (walk.state, walk.row.reasons, walk.progress.reasons) == ("review", ["blurred"], ())
    assert walk.progress.card_takes_left == 0
    assert walk.heard()[-1].startswith("Đã nhận được ảnh. Có người của tổ chức sẽ xem rồi trả lời ngay tại đây")
    with pytest.raises(StepError, match="không còn làm được nữa"):
        walk.send_card()


def test_what_was_read_wrongly_is_photographed_again(walk: Walk) -> None:
    walk.open().card().confirm(correct=False)
    assert (walk.state, walk.progress.reasons) == ("card", ("not_as_printed",))
    for _ in range(4):
        walk.card().confirm(correct=False)
    assert (walk.state, walk.row.reasons) == ("review", ["not_as_printed"])


def test_a_photograph_that_replaces_another_is_the_one_that_is_judged(walk: Walk) -> None:
    walk.open().send_card().send_card()
    assert walk.photos == [("card", 2)]
    tasks.read_card(str(walk.sign_up_id))
    tasks.read_card(str(walk.sign_up_id))  # the second job finds nothing to do
    assert (walk.state, [kind for kind, _ in walk.eyes.shown]) == ("confirm", ["card"])


def test_a_photograph_replaced_while_it_is_read_is_not_judged(walk: Walk, eyes: Eyes) -> None:
    walk.open().send_card()
    read = eyes.read_card

    def slow(image: Any) -> Any:
        eyes.read_card = read  # type: ignore[method-assign]
        walk.send_card()
        return read(image)

    eyes.read_card = slow  # type: ignore[method-assign]
    tasks.read_card(str(walk.sign_up_id))
    assert (walk.state, walk.photos) == ("reading", [("card", 2)])


@pytest.mark.parametrize("end", ["stopped", "forgotten", "late"])
def test_what_ends_while_a_card_is_read_has_ended(walk: Walk, eyes: Eyes, end: str) -> None:
    walk.open().send_card()
    read = eyes.read_card

    def meanwhile(image: Any) -> Any:
        if end == "late":
            with clock.fixed(datetime.now(UTC) + timedelta(hours=25)):
                tasks.expire(0)
        else:
            with unit_of_work() as session:
                if end == "stopped":
                    assert signup.stop(session, walk.conversation_id)
                else:
                    erasure.forget_conversation(session, walk.conversation_id)
        return read(image)

    eyes.read_card = meanwhile  # type: ignore[method-assign]
    tasks.read_card(str(walk.sign_up_id))
    tasks.read_card(str(walk.sign_up_id))
    assert walk.state == ("expired" if end == "late" else "stopped")
    assert (walk.photos, walk.has_key, walk.row.sealed) == ([], False, None)


def test_a_job_of_an_earlier_photograph_never_speaks_for_a_later_one(
    walk: Walk, eyes: Eyes, reviewer: Actor, units: Units
) -> None:
    """A worker that stood still while its card came to a person, who asked for another one: the count of takes is the same."""
    walk.talk().open().send_card()
    read = eyes.read_card

    def slow(image: Any) -> Any:
        eyes.read_card = read  # type: ignore[method-assign]
        tasks.give_up(str(walk.sign_up_id))
        with unit_of_work() as session:
            outcome.ask_again(session, record.locked(session, walk.sign_up_id), reason="card_unclear", by=reviewer)
        walk.send_card()
        return read(image)

    eyes.read_card = slow  # type: ignore[method-assign]
    tasks.read_card(str(walk.sign_up_id))
    assert (walk.row.card_takes, walk.state, walk.known.reading) == (1, "reading", None)


# The face


@pytest.mark.parametrize("number", ["12345678", "99999999"])
def test_a_card_is_tried_six_times_a_day_in_all_conversations_known_or_not(
    walk: Walk, eyes: Eyes, number: str, member_id: uuid.UUID
) -> None:
    eyes.printed["card_number"] = number
    eyes.challenge = ChallengeResult("retake", ("pose_not_seen",))
    for printed in (number, f"{number[:2]}.{number[2:]}"):  # as a plugged-in vendor may write it
        eyes.printed["card_number"] = printed
        other = Walk(eyes).to_selfie()
        for _ in range(3):
            with unit_of_work() as session:
                signup.begin_challenge(session, other.sign_up_id)
                record.locked(session, other.sign_up_id).poses_at = clock.now() - timedelta(minutes=10)
    eyes.challenge = ChallengeResult("live")
    walk.to_selfie()
    with unit_of_work() as session:
        assert signup.begin_challenge(session, walk.sign_up_id) == ()
    assert (walk.state, walk.row.reasons) == ("review", ["many_tries"])
    assert walk.progress.reasons == ()
    eyes.printed["card_number"] = "11111111"
    third = Walk(eyes).to_selfie()
    with unit_of_work() as session:
        assert len(signup.begin_challenge(session, third.sign_up_id)) == 3


def test_the_challenge_is_the_same_until_its_time_is_over(walk: Walk) -> None:
    walk.to_selfie()
    with clock.fixed(datetime.now(UTC)) as _, unit_of_work() as session:
        poses = signup.begin_challenge(session, walk.sign_up_id)
    assert poses[0] is Pose.FRONT
    assert len(poses) == 3
    with unit_of_work() as session:
        assert signup.begin_challenge(session, walk.sign_up_id) == poses
    began = walk.row.poses_at
    assert began is not None
    progress = walk.progress
    assert (progress.poses, progress.poses_until) == (poses, began + timedelta(seconds=120))
    assert progress.selfie_takes_left == 2
    with clock.fixed(began + timedelta(seconds=120)):
        assert walk.progress.poses == ()
        with unit_of_work() as session:
            signup.begin_challenge(session, walk.sign_up_id)
        assert walk.row.selfie_takes == 2


def test_challenges_that_are_not_followed_end_with_a_person(walk: Walk) -> None:
    walk.to_selfie()
    now = datetime.now(UTC)
    for number in range(3):
        with clock.fixed(now + timedelta(minutes=3 * number)), unit_of_work() as session:
            assert signup.begin_challenge(session, walk.sign_up_id) != ()
    with clock.fixed(now + timedelta(minutes=9)), unit_of_work() as session:
        assert signup.begin_challenge(session, walk.sign_up_id) == ()
    assert (walk.state, walk.row.reasons) == ("review", ["takes_used"])


def test_the_pictures_of_the_face_are_judged_in_the_order_asked(walk: Walk, eyes: Eyes) -> None:
    walk.to_selfie().send_face()
    poses = tuple(Pose(pose) for pose in walk.row.poses or ())
    assert walk.state == "checking"
    assert [kind for kind, _ in walk.photos] == ["card", *["frame"] * 6, "portrait", "rectified"]
    assert waiting_jobs()[-1] == ("members.check_selfie", {"sign_up_id": str(walk.sign_up_id)})
    tasks.check_selfie(str(walk.sign_up_id))
    assert eyes.shown[1:] == [
        ("judge", (poses, [(pose, 2) for pose in poses], (64, 64, 3))),
        ("match", ((64, 64, 3), (96, 96, 3))),
    ]


def test_frames_must_answer_the_requests_in_time_and_within_limits(walk: Walk) -> None:
    walk.to_selfie()
    picture = photograph(7)

    def put(frames: list[tuple[Pose, bytes]], *, live: bool = True) -> None:
        with unit_of_work() as session:
            signup.put_frames(session, walk.sign_up_id, frames, live=live)

    with pytest.raises(ChallengeLateError, match="Đã quá thời gian"):  # nothing was asked
        put([(Pose.FRONT, picture)])
    with unit_of_work() as session:
        poses = signup.begin_challenge(session, walk.sign_up_id)
    whole = [(pose, picture) for pose in poses]
    began = walk.row.poses_at
    assert began is not None
    with pytest.raises(SignUpError, match="Chưa có ảnh"):
        put([])
    with pytest.raises(SignUpError, match="Chưa đủ ảnh theo các lời nhắc"):
        put(whole[:2])
    with pytest.raises(SignUpError, match="Chưa đủ ảnh theo các lời nhắc"):
        put(whole[::-1])
    with pytest.raises(SignUpError, match="nặng quá"):
        put(whole * 11)
    with pytest.raises(SignUpError, match="nặng quá"):
        put([(pose, picture + bytes(1_000_000)) for pose in poses])
    huge = cv2.imencode(".png", np.zeros((2400, 2400, 3), np.uint8))[1].tobytes()  # few bytes, many pixels
    with pytest.raises(UnreadableImageError, match="dưới 4 megapixel"):
        put([(pose, huge) for pose in poses])
    with pytest.raises(UnreadableImageError):
        put([*whole[:-1], (poses[-1], b"not a picture")])
    with clock.fixed(began + timedelta(seconds=180)), pytest.raises(ChallengeLateError):
        put(whole)
    assert (walk.state, walk.row.selfie_takes) == ("selfie", 1)
    with clock.fixed(began + timedelta(seconds=179)):  # a slow network
        put(whole)
    assert walk.state == "checking"


def test_uploaded_stills_go_to_a_person_whatever_they_show(walk: Walk, eyes: Eyes, units: Units) -> None:
    add_member(units.a1)
    walk.to_selfie().face(live=False)
    assert (walk.state, walk.row.reasons) == ("review", ["not_live", "challenge_doubtful"])
    assert [kind for kind, _ in eyes.shown] == ["card", "match"]  # nothing was judged as if it moved
    assert walk.row.selfie_takes == 1


def test_a_pose_that_was_not_seen_is_asked_for_again(walk: Walk, eyes: Eyes) -> None:
    eyes.challenge = ChallengeResult("retake", ("pose_not_seen",))
    walk.to_selfie().face()
    assert (walk.state, walk.progress.reasons) == ("selfie", ("pose_not_seen",))
    assert [kind for kind, _ in walk.photos] == ["card", "portrait", "rectified"]
    walk.face().face()
    assert (walk.state, walk.progress.reasons) == ("review", ())
    assert walk.row.reasons[0] == "pose_not_seen"


# The other ways


def test_a_person_is_asked_without_a_face_check(walk: Walk) -> None:
    walk.open()
    with unit_of_work() as session:
        assert signup.ask_for_person(session, walk.sign_up_id) == "secretary"  # nothing to look at yet
    assert walk.state == "card"
    walk.card()
    with unit_of_work() as session:
        assert signup.ask_for_person(session, walk.sign_up_id) == "review"
    assert (walk.state, walk.row.reasons) == ("review", ["asked_for_person"])
    with unit_of_work() as session, pytest.raises(StepError):
        signup.ask_for_person(session, walk.sign_up_id)


def test_stopping_on_the_page_erases_and_tells_the_conversation(walk: Walk) -> None:
    walk.to_selfie()
    for _ in range(2):
        with unit_of_work() as session:
            signup.stop_here(session, walk.sign_up_id)
    assert (walk.state, walk.progress.outcome, walk.photos, walk.has_key) == ("stopped", "stopped", [], False)
    assert walk.heard() == ["Đã dừng đăng ký. Ảnh đã gửi (nếu có) đã được xóa. Muốn làm lại, nhắn “đăng ký”."]


@pytest.mark.parametrize("step", ["confirm", "challenge", "frames", "card"])
def test_no_step_is_done_out_of_its_order(walk: Walk, step: str) -> None:
    walk.open()
    if step == "card":
        walk.card().confirm()
    calls = {
        "confirm": lambda session: signup.confirm_reading(session, walk.sign_up_id, True),
        "challenge": lambda session: signup.begin_challenge(session, walk.sign_up_id),
        "frames": lambda session: signup.put_frames(session, walk.sign_up_id, [(Pose.FRONT, photograph(1))], live=True),
        "card": lambda session: signup.put_card(session, walk.sign_up_id, photograph(1)),
    }
    before = walk.row.state
    with pytest.raises(StepError), unit_of_work() as session:
        calls[step](session)
    with pytest.raises(StepError), unit_of_work() as session:
        signup.progress(session, uuid.uuid4())
    assert walk.state == before


def test_a_step_after_its_time_is_refused_before_the_job_has_come(walk: Walk) -> None:
    with clock.fixed(NOW):
        walk.open()
    with clock.fixed(NOW + timedelta(minutes=30)), pytest.raises(StepError):
        walk.send_card()


@pytest.mark.usefixtures("_nothing_counted")
def test_photographs_of_one_network_are_limited(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "UPLOADS_PER_ADDRESS", RateLimitItemPerMinute(2, 15))
    walk.open()
    for _ in range(2):
        with unit_of_work() as session:
            signup.put_card(session, walk.sign_up_id, photograph(1), address="203.0.113.7")
    with pytest.raises(TooManyTriesError, match="Xin chờ 15 phút"), unit_of_work() as session:
        signup.put_card(session, walk.sign_up_id, photograph(1), address="203.0.113.7")
    with unit_of_work() as session:
        signup.put_card(session, walk.sign_up_id, photograph(1), address="203.0.113.8")


def test_the_page_sees_the_same_whether_the_card_is_known_or_not(eyes: Eyes, units: Units) -> None:
    """Every state, reason and count on the way, for a card of the register, one with another date, one that is unknown."""
    seen = []
    eyes.challenge = ChallengeResult("review", ("flat",))
    for number, change in enumerate(({}, {"date_of_birth": "1961-05-09"}, {"card_number": "99999999"})):
        if number == 0:
            add_member(units.a1)
        eyes.printed = {**PRINTED, **change}
        walk = Walk(eyes).talk().open()
        states = []
        for step in (walk.card, walk.confirm, walk.face):
            step()
            states.append(dataclasses.replace(walk.progress, ends_at=NOW))
        assert states[0].fields == {name: eyes.printed.get(name) for name in FIELDS}
        seen.append(([dataclasses.replace(state, fields=None) for state in states], walk.heard()))
    assert seen[0] == seen[1] == seen[2]
    assert [state.state for state in seen[0][0]] == ["confirm", "selfie", "review"]
    with unit_of_work() as session:
        assert session.scalar(select(Member.registered_at)) is None
