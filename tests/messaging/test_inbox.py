import unicodedata

import pytest
from sqlalchemy import text

from core.database import unit_of_work
from messaging import inbox, outbox
from messaging.inbox import MessageRefused
from messaging.reply import Choice, Reply

pytestmark = pytest.mark.usefixtures("database")


def _jobs() -> list[tuple[str, str | None]]:
    with unit_of_work() as session:
        return [
            tuple(row) for row in session.execute(text("select task_name, lock from procrastinate_jobs order by id"))
        ]


def test_a_message_is_stored_once_together_with_its_job() -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        first = inbox.receive(session, conversation, message_id="m1", text="Hội phí bao nhiêu?")
        second = inbox.receive(session, conversation, message_id="m1", text="Hội phí bao nhiêu?")
    with unit_of_work() as session:
        again = inbox.open_conversation(session, channel="web", external_id="a")
        third = inbox.receive(session, again, message_id="m1", text="Hội phí bao nhiêu?")
    assert (first, second, third) == (True, False, False)
    assert again.id == conversation.id
    assert _jobs() == [("messaging.handle", f"conversation:{conversation.id}")]


def test_the_same_id_in_another_conversation_is_another_message() -> None:
    with unit_of_work() as session:
        one = inbox.open_conversation(session, channel="web", external_id="a")
        other = inbox.open_conversation(session, channel="web", external_id="b")
        assert inbox.receive(session, one, message_id="m1", text="một")
        assert inbox.receive(session, other, message_id="m1", text="hai")
    assert len(_jobs()) == 2


def test_a_failed_unit_of_work_leaves_neither_message_nor_job() -> None:
    def interrupted() -> None:
        with unit_of_work() as session:
            conversation = inbox.open_conversation(session, channel="web", external_id="a")
            inbox.receive(session, conversation, message_id="m1", text="một")
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        interrupted()
    assert _jobs() == []
    with unit_of_work() as session:
        assert inbox.find_conversation(session, channel="web", external_id="a") is None


@pytest.mark.parametrize("words", ["", "   ", "\n\t", "\x00\x01", "\u200b\u200d\ufeff", "\ud800"])
def test_nothing_to_read_is_refused(words: str) -> None:
    with pytest.raises(MessageRefused) as refused:
        inbox.clean(words)
    assert refused.value.code == "empty"


def test_too_long_is_refused_with_both_numbers() -> None:
    with pytest.raises(MessageRefused) as refused:
        inbox.clean("a" * 10_000)
    assert refused.value.code == "too_long"
    assert "10.000 ký tự" in refused.value.message
    assert "2.000 ký tự" in refused.value.message
    assert inbox.clean("a" * 2000) == "a" * 2000


def test_words_stay_as_typed_without_control_characters() -> None:
    decomposed = unicodedata.normalize("NFD", "Điều lệ")
    assert inbox.clean(f" {decomposed}\x00\x1b <b>👍</b>\n/restart ") == f"{decomposed} <b>👍</b>\n/restart"


def test_only_a_button_of_this_conversation_stands_for_its_payload() -> None:
    with unit_of_work() as session:
        mine = inbox.open_conversation(session, channel="web", external_id="a")
        other = inbox.open_conversation(session, channel="web", external_id="b")
        button = Choice(title="Gửi câu hỏi này", payload={"intent": "send_question", "question": "x"})
        outbox.send(session, mine.id, [Reply(text="?", choices=[button])])
        [(_, shown)] = outbox.after(session, mine.id, 0)
    [choice] = shown["choices"]
    assert choice["title"] == "Gửi câu hỏi này"
    assert "send_question" not in str(shown)
    with unit_of_work() as session, pytest.raises(MessageRefused) as refused:
        inbox.receive(session, other, message_id="m1", text="", choice=choice["token"])
    assert refused.value.code == "unknown_choice"
    with unit_of_work() as session:
        inbox.receive(session, mine, message_id="m1", text="chữ khác", choice=choice["token"])
        row = session.execute(text("select text, payload from inbox")).one()
    assert tuple(row) == ("Gửi câu hỏi này", {"intent": "send_question", "question": "x"})


def test_a_flood_is_stopped_until_answers_came() -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        for number in range(inbox.MAX_WAITING):
            inbox.receive(session, conversation, message_id=f"m{number}", text="?")
    with unit_of_work() as session, pytest.raises(MessageRefused) as refused:
        inbox.receive(session, conversation, message_id="one more", text="?")
    assert refused.value.code == "busy"
