"""What the bot says: each action against stubbed services."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bot.actions import ask, wording
from bot.actions.about import About, WhoAreYou
from bot.actions.ask import Ask, SendQuestion
from bot.actions.base import MetadataMissingError, Said
from bot.actions.help import Help
from bot.actions.out_of_scope import OutOfScope, refusal
from bot.actions.small_talk import Goodbye, Greet, Thank
from bot.actions.without_engine import answer_without_engine
from core import address
from core.settings import settings
from knowledge.answers import Answer, NothingPublishedError
from messaging.reply import Citation, CitedDocument, Suggestion
from messaging.turns import Turn

CONVERSATION = uuid.UUID("1b4e28ba-2fa1-11d2-883f-0016d3cca427")
CITATION = Citation(
    document=CitedDocument(number="01/QĐ", title="Quy chế", issued_on=None, issuer=None, status="in_force"),
    article="5",
    clause="2",
    point=None,
    quote="Hội viên đóng hội phí.",
    url="/documents/quy-che#dieu-5-khoan-2",
)


def said(text: str, **payload: Any) -> Said:
    return Said(text, "m1", CONVERSATION, payload)


class Knowledge:
    """Stands for the knowledge room: answers what contains "hội phí", remembers what was sent."""

    NothingPublishedError = NothingPublishedError

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.sent: list[dict[str, Any]] = []
        self.empty = False

    def answer(self, _session: object, question: str) -> Answer:
        self.asked.append(question)
        if self.empty:
            raise NothingPublishedError("nothing is published")
        if "hội phí" in question:
            return Answer(question, f"Theo Điều 5: {CITATION.quote}", abstained=False, citations=[CITATION])
        near = [Suggestion(heading="Điều 6", url="/documents/quy-che#dieu-6")]
        return Answer(question, "Chưa tìm thấy.", abstained=True, suggestions=near)

    def send(self, _session: object, **question: Any) -> bool:
        self.sent.append(question)
        return True


@pytest.fixture
def knowledge(monkeypatch: pytest.MonkeyPatch) -> Knowledge:
    stub = Knowledge()

    @contextmanager
    def unit_of_work() -> Iterator[None]:
        yield None

    monkeypatch.setattr(ask, "unit_of_work", unit_of_work)
    monkeypatch.setattr(ask, "answers", stub)
    monkeypatch.setattr(ask, "questions", stub)
    return stub


def test_ask_gives_the_answer_with_its_citation(knowledge: Knowledge) -> None:
    reply = Ask().reply(said("hội phí bao nhiêu?"))
    assert reply.text == "Theo Điều 5: Hội viên đóng hội phí."
    assert reply.citations == [CITATION]
    assert reply.choices == []
    assert knowledge.asked == ["hội phí bao nhiêu?"]


def test_an_abstention_offers_headings_and_keeps_the_question_in_the_button(knowledge: Knowledge) -> None:
    reply = Ask().reply(said("lương giáo viên?"))
    assert reply.text == (
        "Chưa tìm thấy. Đồng chí có thể xem các điều gần nhất dưới đây hoặc bấm nút để gửi câu hỏi cho người phụ trách."
    )
    assert [suggestion.heading for suggestion in reply.suggestions] == ["Điều 6"]
    assert [(choice.title, choice.payload) for choice in reply.choices] == [
        ("Gửi câu hỏi này, không kèm tên", {"intent": "send_question", "question": "lương giáo viên?"})
    ]


def test_nothing_published_is_said_and_the_question_can_be_kept(knowledge: Knowledge) -> None:
    knowledge.empty = True
    reply = Ask().reply(said("hội phí?"))
    assert reply.text.startswith("Sổ tay chưa có văn bản nào được công bố")
    assert [choice.payload for choice in reply.choices] == [{"intent": "send_question", "question": "hội phí?"}]


@pytest.mark.parametrize("text", ["", "😀😀", "?!…", "   "])
def test_a_message_without_words_never_reaches_the_search(knowledge: Knowledge, text: str) -> None:
    assert Ask().reply(said(text)).citations == []
    refused = OutOfScope().reply(said(text))
    assert [choice.title for choice in refused.choices] == settings().suggestions
    assert "gửi" not in refused.text
    assert knowledge.asked == []


def test_out_of_scope_is_refused_unless_the_knowledge_base_answers(knowledge: Knowledge) -> None:
    assert OutOfScope().reply(said("giá vàng hôm nay")) == refusal("giá vàng hôm nay")
    assert OutOfScope().reply(said("hội phí hôm nay")).citations == [CITATION]


def test_what_is_refused_can_be_sent_to_a_person_too(knowledge: Knowledge) -> None:
    [send, *samples] = OutOfScope().reply(said("giá vàng hôm nay")).choices
    assert (send.title, send.payload) == (
        "Gửi câu hỏi này, không kèm tên",
        {"intent": "send_question", "question": "giá vàng hôm nay"},
    )
    assert [(choice.title, choice.payload) for choice in samples] == [(q, None) for q in settings().suggestions]


def test_sample_questions_are_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wording, "settings", lambda: settings().model_copy(update={"suggestions": ["Một?", "Hai?"]}))
    for action in (Greet, Help, About, WhoAreYou):
        assert [choice.title for choice in action().reply(said("x")).choices] == ["Một?", "Hai?"]


def test_send_question_keeps_the_question_of_the_button_not_the_text(knowledge: Knowledge) -> None:
    reply = SendQuestion().reply(said("/send_question", intent="send_question", question="Ai được miễn hội phí?"))
    assert reply.text.startswith("Đã gửi câu hỏi, không kèm tên")
    assert knowledge.sent == [
        {"question": "Ai được miễn hội phí?", "conversation_id": CONVERSATION, "message_id": "m1"}
    ]


def test_send_question_without_a_question_sends_nothing(knowledge: Knowledge) -> None:
    assert SendQuestion().reply(said("gửi")).text.startswith("Tôi không thấy câu hỏi nào để gửi")
    assert knowledge.sent == []


@pytest.mark.usefixtures("database")
def test_without_the_engine_texts_are_questions_and_buttons_still_work(knowledge: Knowledge) -> None:
    typed = Turn(1, CONVERSATION, "m1", "hội phí?", None)
    tapped = Turn(2, CONVERSATION, "m2", "Gửi", {"intent": "send_question", "question": "Q?"})
    assert [reply.citations for reply in answer_without_engine(typed)] == [[CITATION]]
    assert [reply.text[:3] for reply in answer_without_engine(tapped)] == ["Đã "]
    assert [sent["message_id"] for sent in knowledge.sent] == ["m2"]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("text", ["Xin chào!", "chao ban", "alo"])
def test_without_the_engine_a_greeting_is_still_greeted(knowledge: Knowledge, text: str) -> None:
    assert answer_without_engine(Turn(1, CONVERSATION, "m1", text, None)) == [Greet().reply(said(text))]
    assert knowledge.asked == []


def test_the_bot_says_plainly_that_it_is_a_machine() -> None:
    assert WhoAreYou().reply(said("bạn là ai")).text.startswith("Tôi là máy (trợ lý tự động), không phải người.")


def test_courtesies_need_no_service_and_some_offer_questions() -> None:
    replies = {action.action: action().reply(said("x")) for action in (Greet, Goodbye, Thank, Help, About)}
    offering = {name for name, reply in replies.items() if len(reply.choices) == 3}
    assert offering == {"action_greet", "action_help", "action_about"}
    assert all(reply.citations == [] for reply in replies.values())


def test_the_form_of_address_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(address, "settings", lambda: settings().model_copy(update={"address": "Anh/Chị"}))
    assert wording.you(start=True) == "Anh/Chị"
    assert wording.you() == "anh/Chị"
    assert Thank().reply(said("cảm ơn")).text == "Không có gì ạ. Anh/Chị còn câu hỏi nào, cứ gõ tiếp nhé."


def test_said_reads_the_engines_message_and_refuses_one_without_ids() -> None:
    metadata = {"message_id": "m1", "conversation_id": str(CONVERSATION), "payload": None}
    assert Said.of({"text": "chào", "metadata": metadata}) == Said("chào", "m1", CONVERSATION, {})
    for broken in ({}, {"message_id": "m1"}, {"message_id": "m1", "conversation_id": "no uuid"}):
        with pytest.raises(MetadataMissingError):
            Said.of({"text": "chào", "metadata": broken})
