"""Signing up in the chat: the words, the consent, the link, stopping; the same whoever is in the register."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from bot.actions import forms, sign_up
from bot.actions.base import Said
from bot.actions.form_turns import FormTurn
from bot.actions.stop import Stop
from bot.actions.without_engine import answer_without_engine
from core import clock
from core.database import unit_of_work
from core.settings import settings
from members import consent, register, sessions, signup
from members.access import Role
from members.models import ConsentText
from members.sign_up_models import SignUp
from members.signup import form
from messaging import inbox
from messaging.reply import Choice, Reply
from messaging.turns import Turn
from tests.people import actor, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


class Talk:
    """A conversation in which the engine has understood "đăng ký"; every message has a new id unless one is given."""

    def __init__(self, key: str = "a") -> None:
        with unit_of_work() as session:
            self.id = inbox.open_conversation(session, channel="web", external_id=key).id
        self.count = 0

    def said(self, text: str, payload: dict[str, Any] | None = None, message_id: str | None = None) -> Said:
        self.count += 1
        return Said(text, message_id or f"m{self.count}", self.id, payload or {})

    def begin(self, text: str = "tôi muốn đăng ký", message_id: str | None = None) -> Reply:
        return sign_up.SignUp().reply(self.said(text, message_id=message_id))

    def say(self, text: str, intent: str = "ask", message_id: str | None = None) -> FormTurn:
        return forms.take(self.said(text, message_id=message_id), intent)

    def tap(self, reply: Reply, title: str, message_id: str | None = None) -> FormTurn:
        [choice] = [choice for choice in reply.choices if choice.title == title]
        payload = dict(choice.payload or {})
        return forms.take(self.said(title, payload, message_id), payload["intent"])

    def agree(self) -> Reply:
        return self.tap(self.begin(), "Tôi đồng ý").replies[-1]


def begun() -> list[tuple[str, str]]:
    with unit_of_work() as session:
        return [(row.state, row.channel) for row in session.scalars(select(SignUp).order_by(SignUp.created_at))]


def links(reply: Reply) -> list[str]:
    return [suggestion.url for suggestion in reply.suggestions]


def titles(reply: Reply) -> list[str]:
    return [choice.title for choice in reply.choices]


def test_what_will_be_done_is_said_before_anything_is_asked() -> None:
    reply = Talk().begin()
    for words in (
        "máy đọc số thẻ, họ tên, ngày sinh", "quay đầu theo lời nhắc", "Số đo khuôn mặt không được lưu",
        "xóa ngay khi có kết quả", "nhiều nhất 7 ngày", "chỉ người được giao xét đăng ký", "Không bắt buộc",
        "quyền như nhau", "“Tôi đồng ý”, “Không đồng ý” hoặc “Cách khác, không chụp ảnh”",
    ):  # fmt: skip
        assert words in reply.text
    assert titles(reply) == ["Tôi đồng ý", "Không đồng ý", "Cách khác, không chụp ảnh"]
    assert links(reply) == ["/sign-up/consent"]
    assert begun() == []


def test_the_button_agrees_and_the_link_comes() -> None:
    talk = Talk()
    with clock.fixed(NOW):
        turn = talk.tap(talk.begin(), "Tôi đồng ý")
    [reply] = turn.replies
    assert turn.is_open is False
    assert reply.text.startswith("Đã ghi nhận đồng chí đồng ý. Bấm “Mở trang chụp thẻ” ngay trên máy này, trước 09:30.")
    [link] = links(reply)
    assert link.startswith("/sign-up/")
    with unit_of_work() as session, clock.fixed(NOW):
        sign_up_id = session.scalar(select(SignUp.id))
        assert (
            signup.open_link(session, link.removeprefix("/sign-up/"), browser="b" * 43, conversation_key="a")
            == sign_up_id
        )
        assert session.scalar(select(SignUp.text_id)) == consent.current(session, "sign_up").id
    assert begun() == [("card", "web")]


@pytest.mark.parametrize("text", ["Tôi đồng ý", "tôi đồng ý.", "toi dong y"])
def test_exactly_its_words_agree_too(text: str) -> None:
    talk = Talk()
    talk.begin()
    assert links(talk.say(text).replies[-1])[0].startswith("/sign-up/")


@pytest.mark.parametrize(
    "text",
    ["ừ", "ok", "1", "vâng", "đồng ý", "Tôi đồng ý?", "dạ đồng ý ạ", "được rồi", "👍", "tôi đồng ý với mọi điều"],
)
def test_nothing_else_agrees(text: str) -> None:
    talk = Talk()
    talk.begin()
    for number, intent in enumerate(("thank", "greet", "out_of_scope")):
        turn = talk.say(text, intent, f"n{number}")
        assert turn.is_open is True
    assert begun() == []


def test_refusing_and_the_other_way_begin_nothing_and_say_how_it_goes_on() -> None:
    for key, title, words in (
        ("a", "Không đồng ý", "Đồng chí không đồng ý, nên không có ảnh hay thông tin nào được lưu."),
        ("b", "Cách khác, không chụp ảnh", "Không cần ảnh nào: đồng chí gặp bí thư chi bộ"),
    ):
        talk = Talk(key)
        [reply] = talk.tap(talk.begin(), title).replies
        assert reply.text.startswith(words)
        assert "mã đăng nhập (12 chữ số" in reply.text
        assert links(reply) == ["/sign-in"]
    assert begun() == []


def test_the_same_tap_handled_twice_begins_once_and_gives_the_same_link() -> None:
    talk = Talk()
    asked = talk.begin(message_id="a")
    assert talk.begin(message_id="a") == asked
    first = talk.tap(asked, "Tôi đồng ý", "b")
    assert talk.tap(asked, "Tôi đồng ý", "b") == first
    assert begun() == [("card", "web")]


def test_asked_again_while_one_is_under_way_it_says_where_it_stands_and_gives_a_new_link() -> None:
    talk = Talk()
    first = links(talk.agree())
    standing = talk.begin("đăng ký của tôi đến đâu rồi")
    assert standing.text.startswith("Đồng chí đang đăng ký dở: đang chờ ảnh chụp thẻ.")
    assert titles(standing) == ["Nhận liên kết mới", "Dừng đăng ký"]
    second = links(talk.tap(standing, "Nhận liên kết mới").replies[0])
    third = links(talk.begin("liên kết mới"))
    assert len({*first, *second, *third}) == 3
    with unit_of_work() as session, pytest.raises(signup.LinkError) as gone:
        signup.open_link(session, second[0].removeprefix("/sign-up/"), browser="b" * 43, conversation_key="a")
    assert gone.value.code == "unknown"
    assert len(begun()) == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("reading", "máy đang đọc ảnh thẻ"),
        ("confirm", "đang chờ xem lại những gì máy đọc được trên thẻ"),
        ("selfie", "đang chờ ảnh chụp khuôn mặt"),
        ("checking", "máy đang xem ảnh khuôn mặt"),
    ],
)
def test_every_state_has_its_words(state: str, words: str) -> None:
    talk = Talk()
    talk.agree()
    with unit_of_work() as session:
        session.execute(update(SignUp).values(state=state))
    assert talk.begin().text.startswith(f"Đồng chí đang đăng ký dở: {words}.")


def test_in_review_there_is_a_day_and_no_other_link() -> None:
    talk = Talk()
    talk.agree()
    with unit_of_work() as session:
        due = datetime(2026, 11, 29, 20, 0, tzinfo=UTC)
        session.execute(update(SignUp).values(state="review", submitted_at=NOW, photos_due_at=due))
    with clock.fixed(NOW):
        reply = talk.begin()
        assert "đang chờ người xem. Kết quả sẽ hiện ngay tại đây, chậm nhất ngày 30/11/2026." in reply.text
        assert titles(reply) == ["Dừng đăng ký"]
        assert sign_up.SignUpLink().reply(talk.said("x")).text.startswith("Đăng ký này đang chờ người xem.")
    assert links(reply) == []


def test_without_a_sign_up_there_is_no_other_link() -> None:
    assert sign_up.SignUpLink().reply(Talk().said("x")) == Reply(
        text="Không có đăng ký nào đang làm dở. Nhắn “đăng ký” để bắt đầu."
    )


@pytest.mark.parametrize(
    ("text", "payload"), [("dừng", {}), ("dung dang ky", {}), ("Dừng đăng ký", {"intent": "stop"})]
)
def test_stopping_at_any_point_says_the_same_when_handled_again(text: str, payload: dict[str, Any]) -> None:
    talk = Talk()
    talk.agree()
    stopping = talk.said(text, payload)
    stopped = Stop().reply(stopping)
    assert stopped.text.startswith("Đã dừng đăng ký. Ảnh đã gửi (nếu có) đã được xóa.")
    assert Stop().reply(stopping) == stopped
    assert begun() == [("stopped", "web")]
    with clock.fixed(clock.now() + timedelta(minutes=10)):
        assert Stop().reply(talk.said("dừng")).text.startswith("Đã dừng, không việc gì đang chờ nữa.")


@pytest.mark.parametrize("text", ["đúng", "thôi được rồi", "bỏ qua đi"])
def test_what_only_sounds_like_stopping_erases_no_photographs(text: str) -> None:
    talk = Talk()
    talk.agree()
    reply = Stop().reply(talk.said(text))
    assert reply.text.startswith("Đồng chí đang đăng ký dở")
    assert "Dừng đăng ký" in titles(reply)
    assert begun() == [("card", "web")]


def test_stopping_works_though_the_engine_takes_it_for_signing_up() -> None:
    talk = Talk()
    assert talk.begin("dừng đăng ký") == Reply(text="Không có đăng ký nào đang làm dở.")
    talk.agree()
    assert talk.begin("dung dang ky").text.startswith("Đã dừng đăng ký.")
    assert begun() == [("stopped", "web")]


def test_stopping_before_the_consent() -> None:
    talk = Talk()
    talk.begin()
    [reply] = talk.say("dừng", "stop").replies
    assert reply.text == "Đã dừng đăng ký, không có ảnh nào được giữ. Khi cần, đồng chí cứ gõ “đăng ký”."
    assert begun() == []


def test_three_tries_a_day() -> None:
    talk = Talk()
    with clock.fixed(NOW):
        for _ in range(3):
            talk.agree()
            Stop().reply(talk.said("dừng"))
        refused = talk.begin()
    assert refused.text.startswith("Hôm nay đã thử 3 lần. Đồng chí thử lại vào ngày mai, hoặc không cần chờ:")
    assert (links(refused), titles(refused)) == (["/sign-in"], [])
    with clock.fixed(NOW + timedelta(days=1)):
        assert titles(talk.begin())[0] == "Tôi đồng ý"
    assert begun() == [("stopped", "web")] * 3


def test_a_new_text_is_read_before_it_is_agreed_to() -> None:
    talk = Talk()
    asked = talk.begin()
    with unit_of_work() as session:  # as if what was shown had been an earlier version
        session.execute(update(ConsentText).where(ConsentText.purpose == "sign_up").values(version=9999))
    [reply] = talk.tap(asked, "Tôi đồng ý").replies
    assert reply.text.startswith("Văn bản đồng ý vừa có bản mới nên lời đồng ý với bản cũ không tính")
    assert reply.choices == [Choice(title="Đăng ký", payload={"intent": "sign_up"})]
    assert begun() == []
    assert titles(talk.tap(reply, "Đăng ký").replies[-1])[0] == "Tôi đồng ý"


def test_a_text_that_was_changed_after_it_was_stored_is_agreed_to_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    talk = Talk()
    talk.tap(talk.begin(), "Không đồng ý")
    with unit_of_work() as session:
        session.execute(update(ConsentText).where(ConsentText.purpose == "sign_up").values(sha256="other"))
    reply = talk.begin()
    assert reply.text.startswith(
        "Hiện chưa đăng ký bằng ảnh được. Cách khác, không cần ảnh: đồng chí gặp bí thư chi bộ"
    )
    assert (links(reply), titles(reply)) == (["/sign-in"], [])
    assert "its consent text cannot be used" in caplog.text


def test_somebody_signed_in_need_not_sign_up() -> None:
    talk = Talk()
    asked = talk.begin()
    with unit_of_work() as session:
        units = make_units(session)
        administrator = actor(session, "Quản trị", (Role.ADMINISTRATOR, units.province))
        member_id = register.add(
            session, administrator, unit_id=units.a1, name="Lê Thị Na", private=register.Private()
        ).id
        account = make_account(session, "Lê Thị Na", member_id=member_id)
        sessions.start_member(session, account, conversation_id=talk.id, channel="web", device="Thử")
    assert talk.tap(asked, "Tôi đồng ý").replies[0].text.startswith("Đồng chí đã đăng nhập ở đây rồi")
    reply = talk.begin()
    assert reply.text == "Đồng chí đã đăng nhập ở đây rồi, không cần đăng ký nữa."
    assert links(reply) == ["/me"]
    assert begun() == []


def test_help_says_that_nobody_has_to_be_photographed() -> None:
    talk = Talk()
    talk.begin()
    for text in ("giúp", "?"):
        [reply] = talk.say(text).replies
        assert reply.text.startswith("Không chụp mặt cũng đăng ký được: chọn “Cách khác, không chụp ảnh”")


@pytest.mark.parametrize("text", ["Đăng ký", "tôi muốn đăng ký", "dang ky tai khoan", "Chụp thẻ để đăng ký!"])
def test_without_the_engine_signing_up_works_to_the_link(text: str) -> None:
    talk = Talk()

    def answered(message_id: str, typed: str) -> list[Reply]:
        return answer_without_engine(Turn(1, talk.id, message_id, typed, None))

    [asked] = answered("m1", text)
    assert titles(asked)[0] == "Tôi đồng ý"
    assert [titles(reply) for reply in answered("m2", text)] == [titles(asked)]
    [reply] = answered("m3", "tôi đồng ý")
    assert links(reply)[0].startswith("/sign-up/")
    assert answered("m4", "link mới")[0].text.startswith("Đây là liên kết mới")
    assert answered("m5", "dừng")[0].text.startswith("Đã dừng đăng ký.")


def test_every_button_has_an_intent_of_the_domain_and_no_draft_is_left_open() -> None:
    import yaml

    from core.settings import ROOT
    from forms.models import FormDraft

    intents = set(yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))["intents"])
    talk = Talk()
    replies = [talk.begin(), talk.agree(), talk.begin()]
    assert {choice.payload["intent"] for reply in replies for choice in reply.choices if choice.payload} == {
        "form_answer", "sign_up_link", "stop"
    }  # fmt: skip
    assert {"form_answer", form.LINK_INTENT, "stop", "sign_up"} <= intents
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).where(FormDraft.ended_at.is_(None))) == 0


def test_an_unknown_conversation_begins_nothing() -> None:
    with unit_of_work() as session:
        assert form.not_stopped(session, uuid.uuid4()) is None
        said = form.another_link(session, uuid.uuid4())
        assert said is not None
        assert said.text.startswith("Cuộc trò chuyện này đã được xóa.")


def test_withdrawing_while_a_sign_up_is_under_way_is_stopping_it() -> None:
    talk = Talk()
    talk.agree()
    turn = talk.say("rút lại đồng ý", "withdraw_consent")
    assert turn.question is not None
    assert turn.question.text.startswith("Rút lại đồng ý dùng ảnh là dừng đăng ký; ảnh đã gửi bị xóa ngay.")
    stopped = talk.tap(turn.question, "Dừng đăng ký")
    assert stopped.question is not None
    assert stopped.question.text.startswith("Đã dừng đăng ký.")
    after = talk.say("rút lại đồng ý", "withdraw_consent")
    assert after.question is not None
    assert "không có sự đồng ý nào để rút lại" in after.question.text


@pytest.mark.parametrize(
    ("by", "words"), [("machine", "khi máy chưa chắc"), ("person", "mọi đăng ký đều được xem trước khi nhận")]
)
def test_who_looks_at_photographs_is_said_as_it_is_set(by: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTAY_SIGN_UP_ACCEPTED_BY", by)
    settings.cache_clear()
    try:
        assert f"• Ai xem: chỉ người được giao xét đăng ký, {words}; mỗi lần" in Talk().begin().text
    finally:
        monkeypatch.undo()
        settings.cache_clear()
