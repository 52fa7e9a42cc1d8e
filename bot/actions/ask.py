"""Questions: the knowledge base answers in the words of the provision, or says that it does not know."""

from __future__ import annotations

from bot.actions import own
from bot.actions.base import Said, TalkAction
from bot.actions.wording import you
from core.database import unit_of_work
from core.text import syllables
from knowledge import answers, questions
from messaging.reply import Choice, Reply

SEND = "Gửi câu hỏi này, không kèm tên"
SEND_INTENT = "send_question"


class Ask(TalkAction):
    """Whatever no rule takes."""

    action = "action_ask"

    def reply(self, said: Said) -> Reply:
        """The answer to the question, or an abstention with a button that keeps it for a person."""
        return own.code_typed(said.text) or answer_question(said.text)


class SendQuestion(TalkAction):
    """The button under an abstention: keep the question for a person, without the member's name."""

    action = "action_send_question"

    def reply(self, said: Said) -> Reply:
        """What became of the question; the same button tapped twice keeps it once."""
        return send_question(said)


def send_question(said: Said) -> Reply:
    """Keep the question in the button's payload, once for each message."""
    question = str(said.payload.get("question") or "").strip()
    if not question:
        return Reply(text=f"Tôi không thấy câu hỏi nào để gửi. Mời {you()} gõ lại câu hỏi.")
    with unit_of_work() as session:
        questions.send(session, question=question, conversation_id=said.conversation_id, message_id=said.message_id)
    return Reply(
        text=f"Đã gửi câu hỏi, không kèm tên của {you()}. Khi có người trả lời, câu trả lời sẽ hiện ở ngay đây; "
        f"{you()} cứ quay lại xem hoặc hỏi tiếp."
    )


def answer_question(question: str) -> Reply:
    """The answer to *question*, or an abstention with the button."""
    if not syllables(question):
        return Reply(text=f"Tôi chưa đọc được câu hỏi. Mời {you()} gõ câu hỏi bằng chữ.")
    try:
        with unit_of_work() as session:
            answer = answers.answer(session, question)
    except answers.NothingPublishedError:
        return Reply(
            text=(
                "Sổ tay chưa có văn bản nào được công bố nên tôi chưa trả lời được. "
                f"{you(start=True)} có thể quay lại sau hoặc bấm nút để gửi câu hỏi cho người phụ trách."
            ),
            choices=[keep_for_a_person(question)],
        )
    if answer.abstained:
        return _abstention(question, answer)
    return Reply(text=answer.text, citations=answer.citations, suggestions=answer.suggestions)


def _abstention(question: str, answer: answers.Answer) -> Reply:
    near = "xem các điều gần nhất dưới đây hoặc " if answer.suggestions else ""
    return Reply(
        text=f"{answer.text} {you(start=True)} có thể {near}bấm nút để gửi câu hỏi cho người phụ trách.",
        suggestions=answer.suggestions,
        choices=[keep_for_a_person(question)],
    )


def keep_for_a_person(question: str) -> Choice:
    """The button that sends *question* to the people behind the bot."""
    return Choice(title=SEND, payload={"intent": SEND_INTENT, "question": question})
