"""Signing up in a channel whose links open in any browser: the page shows a number, the conversation names it."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.actions import forms, sign_up
from bot.actions.base import Said
from bot.actions.form_turns import FormTurn
from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from ekyc.results import Pose
from forms.models import FormDraft
from members import signup
from members.models import SignIn
from members.sign_up_models import SignUpPhoto
from members.signup import outcome, record, tasks
from messaging import inbox
from messaging.reply import Reply
from tests.people import Units, make_units
from tests.walking import NAME, add_member, photograph, said_in, see

pytestmark = pytest.mark.usefixtures("database")

PHONE, OTHER_PHONE = "browser of whoever opened the link first .", "browser of whoever got another link ......"
ASKED = "Trang vừa mở hiện một số gồm 6 chữ số."


class Talk:
    """A conversation of the channel "zalo"."""

    def __init__(self, key: str = "a") -> None:
        with unit_of_work() as session:
            self.id = inbox.open_conversation(session, channel="zalo", external_id=key).id
        self.count = 0

    def message(self, text: str, payload: dict[str, Any] | None = None) -> Said:
        self.count += 1
        return Said(text, f"m{self.count}", self.id, payload or {})

    def say(self, text: str, intent: str = "ask") -> FormTurn:
        return forms.take(self.message(text), intent)

    def tap(self, reply: Reply, title: str) -> FormTurn:
        [choice] = [choice for choice in reply.choices if choice.title == title]
        payload = dict(choice.payload or {})
        return forms.take(self.message(title, payload), payload["intent"])

    def agree(self) -> FormTurn:
        return self.tap(sign_up.SignUp().reply(self.message("đăng ký")), "Tôi đồng ý")

    @property
    def state(self) -> str:
        with unit_of_work() as session:
            standing = signup.standing(session, self.id)
            return standing.state if standing else "none"

    @property
    def drafts(self) -> int:
        with unit_of_work() as session:
            return session.scalar(select(func.count()).where(FormDraft.ended_at.is_(None))) or 0


def link_of(turn: FormTurn) -> str:
    assert turn.question is not None
    [link] = [
        one.url
        for one in turn.question.suggestions
        if one.url and one.url.startswith("/sign-up/") and len(one.url) > 40
    ]
    return link


def open_page(link: str, browser: str = PHONE) -> uuid.UUID:
    with unit_of_work() as session:
        opened = signup.open_link(session, link.removeprefix("/sign-up/"), browser=browser, device="Chrome, Android")
        assert not signup.claim_conversation(session, opened, new_key="unused")
        return opened


def progress(sign_up_id: uuid.UUID) -> signup.Progress:
    with unit_of_work() as session:
        return signup.progress(session, sign_up_id)


def number_on(sign_up_id: uuid.UUID) -> str:
    number = progress(sign_up_id).number
    assert number is not None
    assert len(number) == 6
    assert number.isdigit()
    return number


def another(number: str) -> str:
    return f"{(int(number) + 1) % 1_000_000:06}"


def send_card(sign_up_id: uuid.UUID, seed: int = 1) -> None:
    with unit_of_work() as session:
        signup.put_card(session, sign_up_id, photograph(seed))


def photos(sign_up_id: uuid.UUID) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).where(SignUpPhoto.sign_up_id == sign_up_id)) or 0


def actions() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


def test_from_the_chat_to_the_account_with_the_number_in_between(units: Units, monkeypatch: pytest.MonkeyPatch) -> None:
    see(monkeypatch)
    add_member(units.a1)
    talk = Talk()
    turn = talk.agree()
    assert turn.is_open
    assert turn.question is not None
    assert turn.question.text.startswith("Đã ghi nhận đồng chí đồng ý.")
    assert ASKED in turn.question.text
    sign_up_id = open_page(link_of(turn))
    number = number_on(sign_up_id)
    assert progress(sign_up_id).state == "number"
    with pytest.raises(record.StepError):
        send_card(sign_up_id)
    named = talk.say(f"{number[:3]} {number[3:]}")
    assert not named.is_open
    assert named.question is not None
    assert named.question.text.startswith("Đúng rồi. Đồng chí quay lại trang chụp ảnh")
    assert (progress(sign_up_id).state, progress(sign_up_id).number) == ("card", None)
    send_card(sign_up_id)
    tasks.read_card(str(sign_up_id))
    with unit_of_work() as session:
        signup.confirm_reading(session, sign_up_id, True)
        poses = signup.begin_challenge(session, sign_up_id)
    frames = [(pose, photograph(10 + place)) for place, pose in enumerate(poses)]
    with unit_of_work() as session:
        signup.put_frames(session, sign_up_id, frames, live=True)
    tasks.check_selfie(str(sign_up_id))
    assert progress(sign_up_id).state == "accepted"
    assert said_in(talk.id)[-1].startswith(f"Đã đăng ký xong. Chào đồng chí {NAME}")
    with unit_of_work() as session:
        assert session.scalars(select(SignIn.channel)).all() == ["zalo"]
    assert "sign_up.number_named" in actions()


def test_whoever_passes_the_link_on_gets_nobody_signed_in(units: Units) -> None:
    add_member(units.a1)
    attacker = Talk()
    victim = open_page(link_of(attacker.agree()))
    number = number_on(victim)
    for guess, left in ((another(number), 2), (another(another(number)), 1)):
        turn = attacker.say(guess)
        assert turn.is_open
        assert turn.question is not None
        assert turn.question.text.startswith(
            f"Số này không đúng với số trên trang chụp ảnh. Xin xem lại rồi gõ lại, còn {left} lần."
        )
        assert number not in turn.question.text
    ended = attacker.say(another(number))
    assert not ended.is_open
    assert ended.question is not None
    assert ended.question.text.startswith("Số gõ vào sai ba lần nên lần đăng ký này đã dừng")
    assert (progress(victim).state, progress(victim).number) == ("stopped", None)
    assert not attacker.say(number).is_open
    assert attacker.state == "none"
    with pytest.raises(record.StepError):
        send_card(victim)


def test_guesses_at_the_same_moment_are_counted_one_after_another() -> None:
    attacker = Talk()
    victim = open_page(link_of(attacker.agree()))
    number = number_on(victim)
    said: list[type[Exception]] = []

    def guess(place: int) -> None:
        with unit_of_work() as session:
            try:
                signup.name_number(session, attacker.id, f"{(int(number) + place) % 1_000_000:06}")
            except signup.SignUpError as refused:
                said.append(type(refused))

    threads = [threading.Thread(target=guess, args=(place,)) for place in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counted = Counter(said)
    assert counted == {signup.WrongNumberError: 2, signup.NumbersUsedUpError: 1, signup.SignUpError: 3}
    assert attacker.state == "none"


def test_what_is_no_number_costs_no_try_and_questions_are_answered(units: Units) -> None:
    del units
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    number = number_on(sign_up_id)
    for text in ("12345", "số là 12", "1234567", "đồng ý"):
        turn = talk.say(text)
        assert turn.is_open, text
    help_turn = talk.say("giúp")
    assert help_turn.question is not None
    assert "của cùng một người" in help_turn.question.text
    assert not talk.say(number).is_open
    assert talk.state == "card"


def test_a_number_before_the_page_is_open_says_to_open_it() -> None:
    talk = Talk()
    turn = talk.agree()
    said = talk.say("123456")
    assert said.question is not None
    assert said.question.text.startswith("Trang chụp ảnh chưa mở nên chưa có số.")
    assert said.is_open
    sign_up_id = open_page(link_of(turn))
    assert not talk.say(number_on(sign_up_id)).is_open


def test_the_same_message_handled_twice_counts_once() -> None:
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    wrong = talk.message(another(number_on(sign_up_id)))
    first, again = forms.take(wrong, "ask"), forms.take(wrong, "ask")
    assert first.question == again.question
    with unit_of_work() as session:
        assert record.read(session, record.locked(session, sign_up_id)).wrong_numbers == 1


def test_another_link_finds_nothing_of_the_photographs_and_asks_for_its_own_number() -> None:
    talk = Talk()
    victim = open_page(link_of(talk.agree()))
    assert not talk.say(number_on(victim)).is_open
    send_card(victim)
    assert photos(victim) == 1
    standing = talk.say("đăng ký", "sign_up")
    assert standing.question is not None
    turn = talk.tap(standing.question, "Nhận liên kết mới")
    assert turn.is_open
    assert turn.question is not None
    assert ASKED in turn.question.text
    assert (photos(victim), talk.state) == (0, "number")
    with unit_of_work() as session:
        assert not signup.is_bound(session, victim, browser=PHONE)
    again = open_page(link_of(turn), OTHER_PHONE)
    assert again == victim
    shown = progress(again)
    assert (shown.state, shown.fields) == ("number", None)
    assert not talk.say(number_on(again)).is_open
    assert talk.state == "card"


def test_new_links_do_not_bring_back_tries() -> None:
    talk = Talk()
    turn = talk.agree()
    for _ in range(2):
        sign_up_id = open_page(link_of(turn))
        assert talk.say(another(number_on(sign_up_id))).is_open
        with unit_of_work() as session:
            link = signup.new_link(session, talk.id).link
        turn = FormTurn(question=Reply(text="x", suggestions=[{"heading": "x", "url": link}]))
    sign_up_id = open_page(link_of(turn))
    assert not talk.say(another(number_on(sign_up_id))).is_open
    assert talk.state == "none"


def test_who_is_asked_for_other_photographs_names_a_number_again(units: Units) -> None:
    del units
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    talk.say(number_on(sign_up_id))
    send_card(sign_up_id)
    with unit_of_work() as session:
        row = record.locked(session, sign_up_id)
        outcome.to_review(session, row, ("unavailable",))
        outcome.ask_again(session, row, reason="card_unclear", by=None)
    assert (talk.state, photos(sign_up_id)) == ("number", 0)
    standing = talk.say("đăng ký", "sign_up")
    assert standing.question is not None
    turn = talk.tap(standing.question, "Nhận liên kết mới")
    open_page(link_of(turn), OTHER_PHONE)
    assert not talk.say(number_on(sign_up_id)).is_open
    assert talk.state == "card"


@pytest.mark.parametrize("end", ["page", "time"])
def test_the_question_goes_with_the_sign_up(end: str) -> None:
    now = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    with clock.fixed(now):
        talk = Talk()
        sign_up_id = open_page(link_of(talk.agree()))
        assert talk.drafts == 1
        if end == "page":
            with unit_of_work() as session:
                signup.stop_here(session, sign_up_id)
    with clock.fixed(now + timedelta(minutes=31)):
        turn = talk.say("cảm ơn", "thank")
        assert not turn.is_open
        assert len(turn.replies) == 1
        assert "số" not in turn.replies[0].text
        assert talk.drafts == 0


@pytest.mark.parametrize("words", ["Không đồng ý", "Cách khác, không chụp ảnh"])
def test_who_goes_back_and_no_longer_agrees_has_stopped(words: str) -> None:
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    assert talk.say("quay lại").is_open
    turn = talk.say(words)
    assert not turn.is_open
    assert (talk.state, talk.drafts, progress(sign_up_id).state) == ("none", 0, "stopped")


def test_who_goes_back_and_agrees_again_gets_another_link() -> None:
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    talk.say("quay lại")
    turn = talk.say("Tôi đồng ý")
    assert turn.is_open
    assert open_page(link_of(turn), OTHER_PHONE) == sign_up_id
    with unit_of_work() as session:
        assert not signup.is_bound(session, sign_up_id, browser=PHONE)
    assert not talk.say(number_on(sign_up_id)).is_open
    assert talk.state == "card"


def test_stopping_stops_the_sign_up_and_the_question() -> None:
    talk = Talk()
    sign_up_id = open_page(link_of(talk.agree()))
    turn = talk.say("dừng", "stop")
    assert turn.question is not None
    assert turn.question.text.startswith("Đã dừng đăng ký")
    assert (talk.state, talk.drafts, progress(sign_up_id).state) == ("none", 0, "stopped")


def test_uploaded_stills_of_another_browser_are_refused() -> None:
    talk = Talk()
    link = link_of(talk.agree())
    sign_up_id = open_page(link)
    with pytest.raises(signup.LinkError) as refused:
        open_page(link, OTHER_PHONE)
    assert refused.value.code == "other_device"
    with pytest.raises(record.StepError), unit_of_work() as session:
        signup.put_frames(session, sign_up_id, [(Pose.FRONT, photograph(3))], live=False)
