"""Ending whatever runs."""

from __future__ import annotations

from bot.actions import sign_up
from bot.actions.base import Said, TalkAction
from bot.actions.wording import you
from messaging.reply import Reply

PHRASES = frozenset({"dung", "dung lai", "dung dang ky", "huy", "huy dang ky", "huy dang ky vua roi"})
"""Folded. What is understood without the engine."""


class Stop(TalkAction):
    """The member wants no more of this."""

    action = "action_stop"

    def reply(self, said: Said) -> Reply:
        """Stops what waits here (a form, a sign-up); says that it has ended and how to go on."""
        stopped = sign_up.stopped(said)
        if stopped is not None:
            return stopped
        return Reply(text=f"Đã dừng, không việc gì đang chờ nữa. Khi nào cần, {you()} cứ gõ câu hỏi mới.")
