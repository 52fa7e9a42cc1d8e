"""Courtesies: greeting, thanks, good-bye."""

from __future__ import annotations

from bot.actions.base import Said, TalkAction
from bot.actions.wording import samples, you
from core.settings import settings
from messaging.reply import Reply


class Greet(TalkAction):
    """A greeting, or someone who only says that they want to ask."""

    action = "action_greet"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """A greeting with questions to tap."""
        return Reply(
            text=(
                f"Xin chào {you()}! Tôi là Sổ tay, trợ lý tự động của {settings().organisation}. "
                f"Mời {you()} hỏi về điều lệ, quy chế, quy định; tôi trả lời bằng nguyên văn điều khoản."
            ),
            choices=samples(),
        )


class Goodbye(TalkAction):
    """Leaving."""

    action = "action_goodbye"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """A good-bye."""
        return Reply(text=f"Chào tạm biệt {you()}. Khi cần tra cứu, {you()} cứ quay lại đây hỏi.")


class Thank(TalkAction):
    """Thanks and praise."""

    action = "action_thank"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """Welcome."""
        return Reply(text=f"Không có gì ạ. {you(start=True)} còn câu hỏi nào, cứ gõ tiếp nhé.")
