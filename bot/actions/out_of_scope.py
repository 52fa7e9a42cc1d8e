"""Everyday topics and junk: a polite refusal, but never at the cost of a real question that was taken for one."""

from __future__ import annotations

from bot.actions.ask import answer_question
from bot.actions.base import Said, TalkAction
from bot.actions.wording import samples, you
from messaging.reply import Reply


class OutOfScope(TalkAction):
    """What the engine took for no question about the rules."""

    action = "action_out_of_scope"

    def reply(self, said: Said) -> Reply:
        """The knowledge base's answer when it has one, else the refusal."""
        answer = answer_question(said.text)
        return answer if answer.citations else refusal()


def refusal() -> Reply:
    """Says what the bot is for and offers questions to tap."""
    return Reply(
        text=(
            "Câu này nằm ngoài phạm vi của tôi: tôi chỉ trả lời về điều lệ, quy chế và các văn bản có trong Sổ tay. "
            f"Nếu {you()} hỏi về quy định, mời hỏi cụ thể hơn, ví dụ:"
        ),
        choices=samples(),
    )
