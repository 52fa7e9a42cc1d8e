"""Somebody led through a form: answers, ways, commands, the same message twice, time, forgetting."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock
from core.crypto import DataKey
from core.database import unit_of_work
from forms import definition, drafts, engine
from forms.definition import Answers, Context, Definition, FormError, Link, Option, Say
from forms.engine import Meaning
from forms.models import FormDraft
from forms.steps import Choice, Choices, Confirm, Date, Number, Text
from messaging import forgetting, inbox

pytestmark = pytest.mark.usefixtures("database")

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
SECRET_ANSWER = "con mèo nhà hàng xóm"


def _older(answers: Answers) -> str | None:
    return "retired" if answers["age"] >= 60 else "work"


def _not_both(value: Any, _answers: Answers) -> str | None:
    return "“Không gì cả” thì không chọn thêm mục khác." if "none" in value and len(value) > 1 else None


YES_NO = (Option("yes", "Có"), Option("no", "Không"))
SURVEY = Definition(
    name="survey",
    version=3,
    title="khảo sát thử",
    steps=(
        Number(name="age", prompt="Bao nhiêu tuổi?", help="Tuổi tròn.", reminder="Còn câu tuổi.", least=16, most=120, next=_older),
        Choice(name="retired", prompt="Có lương hưu không?", help="Hưu.", reminder="Còn câu lương hưu.", choices=YES_NO,
               next="likes"),
        Text(name="work", prompt="Làm nghề gì?", help="Nghề.", reminder="Còn câu nghề.", longest=100),
        Choices(name="likes", prompt="Thích gì?", help="Thích.", reminder="Còn câu thích gì.", check=_not_both,
                choices=(Option("read", "Đọc"), Option("sing", "Hát"), Option("none", "Không gì cả"))),
        Date(name="since", prompt="Từ ngày nào?", help="Ngày.", reminder="Còn câu ngày."),
        Confirm(name="right", prompt=lambda answers: f"{answers['age']} tuổi, từ {answers['since']}. Đúng không?", help="Xem lại.",
                reminder="Còn câu xem lại.", next=lambda answers: None if answers["right"] else "age"),
    ),
)  # fmt: skip


def _right(session: Session, context: Context) -> Say | None:
    right = {"capital": "hanoi", "year": "1975"}[context.step or ""]
    context.kept["points"] = context.kept.get("points", 0) + (context.answers[context.step or ""] == right)
    return Say("Đúng." if context.answers[context.step or ""] == right else "Chưa đúng.", links=(Link("Bài", "/b"),))


EXAM = Definition(
    name="exam",
    version=1,
    title="bài kiểm tra thử",
    steps=(
        Choice(name="capital", prompt="Thủ đô?", help="Thủ đô nước ta.", reminder="Còn câu thủ đô.",
               choices=(Option("hue", "Huế"), Option("hanoi", "Hà Nội"))),
        Choice(name="year", prompt="Năm nào?", help="Năm thống nhất.", reminder="Còn câu năm.",
               choices=(Option("1954", "1954"), Option("1975", "1975")), numbered=False),
    ),
    on_start=lambda _session, context: context.kept.update(points=0),
    on_answer=_right,
    on_done=lambda _session, context: Say(f"Xong, {context.kept['points']} điểm."),
    on_stop=lambda _session, _context: Say("Thôi vậy."),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _forms(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(definition, "_registered", {"survey": SURVEY, "exam": EXAM})
    with clock.fixed(START):
        yield


class Talk:
    """A conversation; every message has a new id unless one is given."""

    def __init__(self, key: str = "a") -> None:
        with unit_of_work() as session:
            self.id = inbox.open_conversation(session, channel="web", external_id=key).id
        self.count = 0

    def _message(self, message_id: str | None) -> str:
        self.count += 1
        return message_id or f"m{self.count}"

    def start(self, form: str, message_id: str | None = None) -> drafts.Said:
        with unit_of_work() as session:
            return engine.start(session, form, conversation_id=self.id, message_id=self._message(message_id))

    def say(self, text: str, message_id: str | None = None, meaning: Meaning | None = None) -> drafts.Said:
        with unit_of_work() as session:
            said = engine.answer(
                session, conversation_id=self.id, message_id=self._message(message_id), text=text, meaning=meaning
            )
        assert said is not None
        return said

    def tap(self, said: drafts.Said, title: str) -> drafts.Said:
        [payload] = [button.payload for button in said.buttons if button.title == title]
        with unit_of_work() as session:
            answered = engine.answer(
                session, conversation_id=self.id, message_id=self._message(None), text=title, button=payload
            )
        assert answered is not None
        return answered

    def answers(self) -> dict[str, Any]:
        with unit_of_work() as session:
            draft = drafts.load(session, self.id, "none")
            return draft.answers if draft else {}


def keys() -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).select_from(DataKey)) or 0


def outcomes() -> list[tuple[str, str | None, bool]]:
    with unit_of_work() as session:
        rows = session.scalars(select(FormDraft).order_by(FormDraft.started_at, FormDraft.ended_at))
        return [(row.form, row.outcome, row.sealed is None) for row in rows]


def test_a_survey_from_the_first_question_to_the_last() -> None:
    talk = Talk()
    said = talk.start("survey")
    assert (said.text, said.is_open) == ("Bao nhiêu tuổi?\nXin gõ một số từ 16 đến 120.", True)
    assert talk.say("30 tuổi").text == "Làm nghề gì?"
    likes = talk.say("dạy học")
    assert (
        likes.text
        == "Thích gì?\n1. Đọc\n2. Hát\n3. Không gì cả\nBấm từng mục rồi bấm “Xong”, hoặc gõ các số, ví dụ “1, 3”."
    )
    assert talk.say("1,2").text == "Từ ngày nào?\nGõ ngày, tháng, năm, ví dụ “5/9/1965”."
    assert talk.say("1/2/2003").text.startswith("30 tuổi, từ 2003-02-01. Đúng không?\n")
    assert talk.answers() == {"age": 30, "work": "dạy học", "likes": ["read", "sing"], "since": "2003-02-01"}
    done = talk.say("đúng rồi")
    assert (done.text, done.is_open) == ("Đã xong: khảo sát thử. Cảm ơn đồng chí.", False)
    assert outcomes() == [("survey", "done", True)]
    assert keys() == 0


def test_the_way_depends_on_the_answers_and_goes_back() -> None:
    talk = Talk()
    talk.start("survey")
    assert talk.say("70").text.startswith("Có lương hưu không?\n1. Có\n2. Không")
    assert talk.say("1").text.startswith("Thích gì?")
    assert talk.say("quay lại").text.startswith("Đã quay lại câu trước.\nCó lương hưu không?")
    assert talk.say("quay lai").text.startswith("Đã quay lại câu trước.\nBao nhiêu tuổi?")
    assert talk.answers() == {}
    assert talk.say("quay lại").text.startswith("Đây là câu đầu tiên.\nBao nhiêu tuổi?")
    assert talk.say("20").text == "Làm nghề gì?"


def test_a_wrong_confirmation_leads_back_to_the_beginning() -> None:
    talk = Talk()
    talk.start("survey")
    for text in ("70", "2", "3", "1/1/2000"):
        talk.say(text)
    assert talk.say("chưa đúng").text.startswith("Bao nhiêu tuổi?")


def test_several_choices_by_button_until_done() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("70")
    likes = talk.say("2")
    assert [button.title for button in likes.buttons] == ["Đọc", "Hát", "Không gì cả"]
    picked = talk.tap(likes, "Hát")
    assert picked.text == "Đã chọn: Hát. Chọn thêm, hoặc bấm (gõ) “Xong”."
    assert [button.title for button in picked.buttons] == ["Đọc", "Không gì cả", "Xong"]
    both = talk.tap(picked, "Không gì cả")
    refused = talk.tap(both, "Xong")
    assert refused.text.startswith("“Không gì cả” thì không chọn thêm mục khác.\nThích gì?")
    assert talk.tap(talk.tap(refused, "Đọc"), "Xong").text.startswith("Từ ngày nào?")
    assert talk.answers()["likes"] == ["read"]


def test_an_examination_keeps_its_points_and_says_them() -> None:
    talk = Talk()
    first = talk.start("exam")
    second = talk.tap(first, "Hà Nội")
    assert second.text.startswith("Đúng.\nNăm nào?\n")
    assert second.links == (Link("Bài", "/b"),)
    assert [button.title for button in second.buttons] == ["1954", "1975"]
    assert talk.say("1954").text == "Xong, 1 điểm."


def test_the_same_message_handled_twice_says_the_same_and_changes_nothing() -> None:
    talk = Talk()
    first = talk.start("exam", "a")
    assert talk.start("exam", "a") == first
    second = talk.say("2", "b")
    assert talk.say("2", "b") == second
    assert talk.say("something else", "b") == second
    done = talk.say("1975", "c")
    assert talk.say("1975", "c") == done == drafts.Said("Xong, 2 điểm.", is_open=False)
    assert outcomes() == [("exam", "done", True)]


def test_what_is_no_answer_is_refused_explained_or_left_to_the_caller() -> None:
    talk = Talk()
    talk.start("exam")
    refused = talk.say("Đà Nẵng")
    assert refused.text == (
        "Còn câu thủ đô.\nXin bấm một nút, hoặc gõ một số từ 1 đến 2. Gõ “giúp” để xem giải thích, “dừng” để thôi."
    )
    assert (refused.taken, [button.title for button in refused.buttons]) == (True, ["Huế", "Hà Nội"])
    other = talk.say("hội phí bao nhiêu", meaning=Meaning.OTHER)
    assert (other.taken, other.is_open) == (False, True)
    assert other.text == "Còn câu thủ đô. Gõ “giúp” để xem cách trả lời, “dừng” để thôi."
    assert talk.say("ừ", meaning=Meaning.OTHER).taken is True
    for text, meaning in (("giúp", None), ("?", None), ("chỉ tôi với", Meaning.HELP)):
        assert talk.say(text, meaning=meaning).text.startswith("Thủ đô nước ta.\n1. Huế\n2. Hà Nội\n")
    again = talk.say("làm bài", meaning=Meaning.AGAIN)
    assert again.text.startswith("Đồng chí đang làm dở: bài kiểm tra thử.\nThủ đô?")
    assert talk.answers() == {}


def test_free_words_are_an_answer_but_a_question_is_not() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("30")
    assert talk.say("hội phí bao nhiêu?", meaning=Meaning.OTHER).taken is False
    assert talk.say("tôi không cần nghề nữa", meaning=Meaning.STOP).text.startswith("Thích gì?")
    assert talk.answers()["work"] == "tôi không cần nghề nữa"


@pytest.mark.parametrize("text", ["dừng", "DỪNG!", "dung", "dừng lại", "hủy"])
def test_stopping_destroys_the_answers(text: str) -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("70")
    assert keys() == 1
    said = talk.say(text, "stop")
    assert (said.text, said.is_open) == ("Đã dừng: khảo sát thử. Những gì đồng chí đã trả lời ở đây đã xóa.", False)
    assert talk.say(text, "stop") == said
    assert (outcomes(), keys()) == ([("survey", "stopped", True)], 0)
    with unit_of_work() as session:
        assert engine.answer(session, conversation_id=talk.id, message_id="later", text="70") is None


def test_what_only_sounds_like_stopping_loses_no_answers() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("70")
    kept = talk.say("thôi bỏ đi", meaning=Meaning.STOP)
    assert (kept.is_open, "xin gõ đúng một chữ “dừng”" in kept.text) == (True, True)
    exam = Talk("b")
    exam.start("exam")
    assert exam.say("thôi bỏ đi", meaning=Meaning.STOP).text == "Thôi vậy."


@pytest.mark.parametrize("text", ["đúng", "dung", "Đúng nha"])
def test_right_is_not_taken_for_stop(text: str) -> None:
    """Without accents "đúng" and "dừng" are one word, and the engine takes both for stopping."""
    talk = Talk()
    talk.start("survey")
    for answer in ("70", "2", "3", "1/1/2000"):
        talk.say(answer)
    said = talk.say(text, meaning=Meaning.STOP)
    assert said.is_open is True
    assert "“Đúng rồi” hoặc “Chưa đúng”" in said.text or "đúng một chữ “dừng”" in said.text


def test_an_old_button_and_a_strange_value_answer_nothing() -> None:
    talk = Talk()
    first = talk.start("exam")
    talk.tap(first, "Huế")
    late = talk.tap(first, "Hà Nội")
    assert late.text.startswith("Nút vừa bấm thuộc một câu đã qua.\nNăm nào?")
    with unit_of_work() as session:
        payload = {**late.buttons[0].payload, "value": "1999"}
        said = engine.answer(session, conversation_id=talk.id, message_id="x", text="1999", button=payload)
    assert said is not None
    assert said.text.startswith("Nút vừa bấm thuộc một câu đã qua.")
    assert talk.answers() == {"capital": "hue"}


def test_a_form_goes_on_where_it_stood_and_another_one_does_not_begin() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("70")
    again = talk.start("exam")
    assert again.text.startswith("Đồng chí đang làm dở: khảo sát thử.\nCó lương hưu không?")
    with unit_of_work() as session:
        assert engine.open_form(session, talk.id) == engine.OpenForm("survey", "khảo sát thử", "retired", expired=False)
        reminder = engine.remind(session, conversation_id=talk.id, message_id="r")
    assert reminder is not None
    assert reminder.text == "Còn câu lương hưu. Gõ “giúp” để xem cách trả lời, “dừng” để thôi."
    with unit_of_work() as session:
        assert engine.said_to(session, conversation_id=talk.id, message_id="r") == reminder
        assert engine.said_to(session, conversation_id=talk.id, message_id="other") is None
    with pytest.raises(FormError):
        talk.start("unknown")


def test_a_form_left_for_a_day_is_closed_with_a_note_once() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("70")
    with clock.fixed(START + timedelta(hours=24)):
        assert talk.say("giúp").is_open is True
    with clock.fixed(START + timedelta(hours=48, seconds=1)):
        note = talk.say("1", "late")
        assert (note.is_open, note.taken) == (False, False)
        assert note.text.startswith("Việc đồng chí làm dở lúc trước (khảo sát thử) đã được đóng lại vì để lâu")
        assert talk.say("1", "late") == note
        assert talk.start("survey", "late").text.startswith("Bao nhiêu tuổi?")
    assert outcomes() == [("survey", "expired", True), ("survey", None, False)]


def test_the_hourly_job_destroys_answers_and_the_note_is_said_all_the_same() -> None:
    talk, other = Talk(), Talk("b")
    talk.start("survey")
    other.start("exam")
    other.say("dừng")
    with clock.fixed(START + timedelta(hours=25)):
        drafts.expire(0)
        assert outcomes() == [("survey", None, True)]
        assert keys() == 0
        with unit_of_work() as session:
            assert engine.resume(session, conversation_id=talk.id, message_id="r") is None
        assert talk.say("70").text.startswith("Việc đồng chí làm dở lúc trước (khảo sát thử)")
    assert outcomes() == [("survey", "expired", True)]


def test_a_new_version_closes_the_drafts_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = Talk()
    talk.start("exam")
    newer = Definition(name="exam", version=2, title="bài mới", steps=EXAM.steps)
    monkeypatch.setattr(definition, "_registered", {"exam": newer})
    assert talk.say("1").taken is False
    assert talk.start("exam").text.startswith("Thủ đô?")
    monkeypatch.setattr(definition, "_registered", {})
    assert talk.say("1").text.startswith("Việc đồng chí làm dở lúc trước (phần đang làm dở)")


def test_answers_are_sealed_and_go_with_the_conversation() -> None:
    talk = Talk()
    talk.start("survey")
    talk.say("30")
    talk.say(SECRET_ANSWER)
    with unit_of_work() as session:
        [row] = session.scalars(select(FormDraft))
        assert row.sealed is not None
        assert SECRET_ANSWER.encode() not in row.sealed
        assert row.last_said is None
    with unit_of_work() as session:
        forgetting.forget(session, [talk.id])
    assert (outcomes(), keys()) == ([], 0)


def test_a_start_that_is_refused_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    refusing = Definition(
        name="no", version=1, title="không", steps=EXAM.steps, on_start=lambda *_: Say("Chưa đến ngày.")
    )
    monkeypatch.setattr(definition, "_registered", {"no": refusing})
    assert Talk().start("no") == drafts.Said("Chưa đến ngày.", is_open=False)
    assert (outcomes(), keys()) == ([], 0)


def test_nothing_is_open_where_nothing_began() -> None:
    with unit_of_work() as session:
        strange = uuid.uuid4()
        assert engine.open_form(session, strange) is None
        assert engine.answer(session, conversation_id=strange, message_id="m", text="x") is None
        assert engine.stop(session, conversation_id=strange, message_id="m") is None
