import pytest

from core.database import unit_of_work
from knowledge import questions
from knowledge.questions import QuestionError
from messaging import inbox, outbox

pytestmark = pytest.mark.usefixtures("database")


def _send(who: str, words: str, message_id: str) -> bool:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id=who)
        return questions.send(session, question=words, conversation_id=conversation.id, message_id=message_id)


def _said(who: str) -> list[str]:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id=who)
        return [reply["text"] for _, reply in outbox.after(session, conversation.id, 0)]


def test_a_tap_handled_twice_and_a_second_tap_are_one_question() -> None:
    assert _send("a", "Ai giữ con dấu?", "m1")
    assert not _send("a", "Ai giữ con dấu?", "m1")
    assert not _send("a", "Ai giữ con dấu?", "m2")
    assert _send("b", "Ai giữ con dấu?", "m1")
    with unit_of_work() as session:
        assert [found.question for found in questions.list_questions(session)] == ["Ai giữ con dấu?"] * 2


def test_the_answer_goes_to_the_asker_alone_and_the_link_is_forgotten() -> None:
    _send("a", "Ai giữ con dấu?", "m1")
    _send("b", "Quỹ để ở đâu?", "m1")
    with unit_of_work() as session:
        first, second = questions.list_questions(session)
        questions.answer(session, first.id, "Văn phòng Hội giữ con dấu.")
    assert _said("a") == ["Câu hỏi đã gửi: “Ai giữ con dấu?”\n\nNgười phụ trách trả lời: Văn phòng Hội giữ con dấu."]
    assert _said("b") == []
    with unit_of_work() as session:
        rows = [(row.question, row.conversation_id is None) for row in session.query(questions.OpenQuestion)]
        assert sorted(rows) == [("Ai giữ con dấu?", True), ("Quỹ để ở đâu?", False)]
        assert [found.answered for found in questions.list_questions(session)] == [False, True]
        assert second.answered is False


@pytest.mark.parametrize("words", ["", "  \n"])
def test_an_empty_answer_is_refused(words: str) -> None:
    _send("a", "Ai giữ con dấu?", "m1")
    with unit_of_work() as session, pytest.raises(QuestionError, match="empty"):
        questions.answer(session, 1, words)


def test_a_question_is_answered_once() -> None:
    _send("a", "Ai giữ con dấu?", "m1")
    with unit_of_work() as session:
        [found] = questions.list_questions(session)
        questions.answer(session, found.id, "Văn phòng.")
        with pytest.raises(QuestionError, match="was answered"):
            questions.answer(session, found.id, "Văn phòng Hội.")
    assert len(_said("a")) == 1
