"""Ending whatever runs."""

from __future__ import annotations

from bot.actions.base import Said, TalkAction
from bot.actions.wording import you
from messaging.reply import Reply


class Stop(TalkAction):
    """The member wants no more of this."""

    action = "action_stop"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """Says that it has ended and how to go on."""
        return Reply(text=f"Đã dừng, không việc gì đang chờ nữa. Khi nào cần, {you()} cứ gõ câu hỏi mới.")
