"""The engine's generic form: what it is told, what is said in which order, questions in between, with and without the loop."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from bot.actions import ask, form_turns, forms
from bot.actions.base import Said
from bot.actions.form_turns import FormTurn
from bot.actions.small_talk import Greet
from bot.actions.without_engine import answer_without_engine
from core import clock, jobs
from core.database import unit_of_work
from forms import definition, engine
from forms.definition import Definition, Option
from forms.drafts import EXPIRES_AFTER
from forms.engine import Meaning
from forms.steps import Choice, Text
from messaging import inbox
from messaging.reply import Reply
from messaging.turns import Turn

pytestmark = pytest.mark.usefixtures("database")

OPEN = [
    {"event": "active_loop", "timestamp": None, "name": "step_by_step"},
    {"event": "slot", "timestamp": None, "name": "answer", "value": None},
    {"event": "slot", "timestamp": None, "name": "requested_slot", "value": "answer"},
]
ENDED = [OPEN[1], {**OPEN[2], "value": None}]
ANSWER = Reply(text="Hội phí là 2.000 đồng.")
REMINDER = "Còn câu màu. Gõ “giúp” để xem cách trả lời, “dừng” để thôi."

FORM = Definition(
    name="colours",
    version=1,
    title="chọn màu",
    steps=(
        Choice(name="colour", prompt="Màu gì?", help="Chọn một.", reminder="Còn câu màu.",
               choices=(Option("red", "Đỏ"), Option("blue", "Xanh"))),
        Text(name="why", prompt="Vì sao?", help="Lý do.", reminder="Còn câu vì sao."),
    ),
)  # fmt: skip


@pytest.fixture(autouse=True)
def _one_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(definition, "_registered", {"colours": FORM})
    monkeypatch.setattr(ask, "answer_question", lambda _question: ANSWER)


@pytest.fixture
def talk() -> uuid.UUID:
    with unit_of_work() as session:
        return inbox.open_conversation(session, channel="web", external_id="a").id


def begin(talk: uuid.UUID) -> Reply:
    with unit_of_work() as session:
        return form_turns.worded(engine.start(session, "colours", conversation_id=talk, message_id="m0"))


def said(talk: uuid.UUID, text: str, message_id: str = "m1", payload: dict[str, Any] | None = None) -> Said:
    return Said(text, message_id, talk, payload or {})


def tracker(of: Said, intent: str) -> Tracker:
    metadata = {"message_id": of.message_id, "conversation_id": str(of.conversation_id), "payload": of.payload or None}
    message = {"text": of.text, "intent": {"name": intent, "confidence": 1.0}, "metadata": metadata}
    return Tracker(str(of.conversation_id), {}, message, [], False, None, {"name": "step_by_step"}, "action_listen")


def run(action: Any, of: Said, intent: str = "ask") -> tuple[list[str], list[dict[str, Any]]]:
    dispatcher = CollectingDispatcher()
    events = asyncio.run(action().run(dispatcher, tracker(of, intent), {}))
    return [message["custom"]["reply"]["text"] for message in dispatcher.messages], events


def texts(turn: FormTurn) -> list[str]:
    return [reply.text for reply in turn.replies]


def is_open(talk: uuid.UUID) -> bool:
    with unit_of_work() as session:
        return engine.open_form(session, talk) is not None


def test_an_answer_is_handled_by_the_first_call_and_worded_by_the_second(talk: uuid.UUID) -> None:
    begin(talk)
    assert run(forms.ValidateStepByStep, said(talk, "1")) == ([], OPEN)
    assert run(forms.AskAnswer, said(talk, "1")) == (["Vì sao?"], [])


def test_the_last_answer_ends_the_loop_with_the_last_words(talk: uuid.UUID) -> None:
    begin(talk)
    run(forms.ValidateStepByStep, said(talk, "đỏ", "m1"))
    last = said(talk, "vì đẹp", "m2")
    assert run(forms.ValidateStepByStep, last) == (["Đã xong: chọn màu. Cảm ơn đồng chí."], ENDED)
    assert run(forms.ValidateStepByStep, last) == (["Đã xong: chọn màu. Cảm ơn đồng chí."], ENDED)


def test_a_question_in_between_is_answered_and_the_step_asked_again_in_a_line(talk: uuid.UUID) -> None:
    begin(talk)
    question = said(talk, "điều lệ nói gì về hội phí")
    assert run(forms.ValidateStepByStep, question) == ([ANSWER.text], OPEN)
    assert run(forms.AskAnswer, question) == ([REMINDER], [])
    assert run(forms.ValidateStepByStep, question) == ([ANSWER.text], OPEN)
    greeting = said(talk, "xin chào", "m2")
    assert texts(forms.take(greeting, "greet")) == [Greet().reply(greeting).text, REMINDER]


@pytest.mark.parametrize(
    ("text", "intent", "meaning"),
    [
        ("ừ", "ask", None),
        ("ừ ừ", "out_of_scope", None),
        ("hội phí bao nhiêu", "ask", Meaning.OTHER),
        ("xin chào", "greet", Meaning.OTHER),
        ("thôi", "stop", Meaning.STOP),
        ("chỉ tôi với", "help", Meaning.HELP),
        ("đăng ký", "sign_up", Meaning.AGAIN),
        ("gì đó ở đây", None, None),
    ],
)
def test_what_a_text_may_be_besides_an_answer(text: str, intent: str | None, meaning: Meaning | None) -> None:
    assert forms.meaning_of(text, intent) is meaning


def test_short_agreement_reaches_neither_the_next_step_nor_the_knowledge_base(talk: uuid.UUID) -> None:
    begin(talk)
    for number, (text, intent) in enumerate(
        [("ừ", "ask"), ("ok", "thank"), ("vâng ạ", "greet"), ("được", "out_of_scope")]
    ):
        [only] = texts(forms.take(said(talk, text, f"n{number}"), intent))
        assert only.startswith("Còn câu màu.\nXin bấm một nút, hoặc gõ một số từ 1 đến 2.")


def test_a_button_works_inside_and_outside_the_loop_and_after_the_end(talk: uuid.UUID) -> None:
    payload = begin(talk).choices[1].payload
    tapped = said(talk, "Xanh", "m1", payload)
    assert run(forms.FormAnswer, tapped, "form_answer") == ([], OPEN)
    assert run(forms.ValidateStepByStep, tapped, "form_answer") == ([], OPEN)
    assert run(forms.AskAnswer, tapped, "form_answer") == (["Vì sao?"], [])
    assert run(forms.FormAnswer, said(talk, "dừng", "m2"), "stop")[1] == []
    assert is_open(talk) is False
    late = ["Phần này đã kết thúc. Đồng chí cứ gõ việc cần làm hoặc câu hỏi mới."]
    assert run(forms.FormAnswer, said(talk, "Xanh", "m3", payload), "form_answer") == (late, [])
    assert run(forms.ValidateStepByStep, said(talk, "Xanh", "m3", payload), "form_answer") == (late, ENDED)


def test_a_loop_whose_form_has_ended_meanwhile_answers_as_ever_and_ends(talk: uuid.UUID) -> None:
    assert run(forms.ValidateStepByStep, said(talk, "hội phí bao nhiêu")) == ([ANSWER.text], ENDED)


def test_a_button_of_another_matter_is_answered_and_the_step_asked_again(talk: uuid.UUID) -> None:
    begin(talk)
    turn = forms.take(said(talk, "Thôi, không xóa", "m1", {"intent": "cancel"}), "cancel")
    assert [text[:6] for text in texts(turn)] == ["Đã thô", "Còn câ"]
    assert turn.is_open is True


def test_erasing_the_conversation_in_the_middle_ends_the_form(talk: uuid.UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(talk)
    with unit_of_work() as session:
        found = inbox.find_conversation(session, channel="web", external_id="a")
        assert found is not None
        inbox.receive(session, found, message_id="m1", text="Xóa cuộc trò chuyện")
    monkeypatch.setattr(jobs, "defer", lambda *_args, **_values: None)
    tapped = said(talk, "Xóa cuộc trò chuyện", "m1", {"intent": "confirm_erase_conversation"})
    replies, events = run(forms.ValidateStepByStep, tapped, "confirm_erase_conversation")
    assert ([text[:24] for text in replies], events) == (["Đã xóa cuộc trò chuyện. "], ENDED)
    assert is_open(talk) is False


def test_a_form_left_for_long_is_closed_and_the_message_answered_all_the_same(talk: uuid.UUID) -> None:
    begin(talk)
    with clock.fixed(clock.now() + EXPIRES_AFTER * 2):
        replies, events = run(forms.ValidateStepByStep, said(talk, "hội phí bao nhiêu"))
    assert [text[:22] for text in replies] == ["Việc đồng chí làm dở l", ANSWER.text]
    assert events == ENDED


def test_a_session_begins_in_the_form_that_is_open(talk: uuid.UUID) -> None:
    start = {"event": "session_started", "timestamp": None}
    listen = {"event": "action", "timestamp": None, "name": "action_listen", "policy": None, "confidence": None}
    plain: tuple[list[str], list[dict[str, Any]]] = ([], [start, listen])
    assert run(forms.SessionStart, said(talk, "")) == plain
    begin(talk)
    assert run(forms.SessionStart, said(talk, "")) == ([], [start, *OPEN, listen])
    by_hand = Tracker("somebody", {}, {}, [], False, None, {}, None)
    assert asyncio.run(forms.SessionStart().run(CollectingDispatcher(), by_hand, {})) == plain[1]


def test_asked_without_a_message_of_its_own_the_whole_question_is_said(talk: uuid.UUID) -> None:
    begin(talk)
    assert run(forms.AskAnswer, said(talk, "x", "other"))[0][0].startswith("Đồng chí đang làm dở: chọn màu.\nMàu gì?")


def test_without_the_engine_a_form_goes_on(talk: uuid.UUID) -> None:
    payload = begin(talk).choices[0].payload

    def answered(message_id: str, text: str, tapped: dict[str, Any] | None = None) -> list[str]:
        return [reply.text for reply in answer_without_engine(Turn(1, talk, message_id, text, tapped))]

    assert answered("m1", "hội phí bao nhiêu") == [ANSWER.text, REMINDER]
    assert answered("m2", "ừ")[0].startswith("Còn câu màu.\nXin bấm một nút")
    assert answered("m3", "Đỏ", payload) == ["Vì sao?"]
    assert answered("m3", "Đỏ", payload) == ["Vì sao?"]
    assert answered("m4", "dừng") == ["Đã dừng: chọn màu. Những gì đồng chí đã trả lời ở đây đã xóa."]
    assert answered("m5", "dừng") == ["Đã dừng, không việc gì đang chờ nữa. Khi nào cần, đồng chí cứ gõ câu hỏi mới."]
