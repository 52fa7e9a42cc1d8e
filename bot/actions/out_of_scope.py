"""Everyday topics and junk: a polite refusal, but never at the cost of a real question that was taken for one."""

from __future__ import annotations

from bot.actions import own
from bot.actions.ask import answer_question, keep_for_a_person
from bot.actions.base import Said, TalkAction
from bot.actions.wording import samples, you
from core.text import syllables
from messaging.reply import Reply


class OutOfScope(TalkAction):
    """What the engine took for no question about the rules."""

    action = "action_out_of_scope"

    def reply(self, said: Said) -> Reply:
        """The knowledge base's answer when it has one, else the refusal."""
        code = own.code_typed(said.text)
        if code is not None:
            return code
        answer = answer_question(said.text)
        return answer if answer.citations else refusal(said.text)


def refusal(question: str) -> Reply:
    """Says what the bot is for, offers to keep what has words for a person, and questions to tap."""
    keep = [keep_for_a_person(question)] if syllables(question) else []
    sending = " hoặc bấm nút để gửi câu này cho người phụ trách" if keep else ""
    return Reply(
        text=(
            "Câu này có vẻ nằm ngoài điều lệ, quy chế và các văn bản có trong Sổ tay nên tôi không trả lời được. "
            f"{you(start=True)} có thể hỏi cụ thể hơn{sending}. Ví dụ về câu hỏi:"
        ),
        choices=[*keep, *samples()],
    )
