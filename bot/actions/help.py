"""What the bot can do and how to ask it."""

from __future__ import annotations

from bot.actions.base import Said, TalkAction
from bot.actions.wording import samples, you
from messaging.reply import Reply


class Help(TalkAction):
    """How to use the bot."""

    action = "action_help"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """What to ask, with questions to tap."""
        return Reply(
            text=(
                f"{you(start=True)} gõ câu hỏi về điều lệ, quy chế, quy định, có dấu hay không dấu đều được. Tôi tìm điều khoản "
                "trả lời, trích nguyên văn và dẫn đường đến đúng chỗ trong văn bản. Cũng có thể hỏi thẳng, ví dụ “khoản 2 "
                "Điều 5 Điều lệ”. Nếu không tìm thấy, tôi nói rõ và có thể gửi câu hỏi cho người phụ trách, không kèm tên. "
                f"Việc riêng của {you()}: gõ “đăng ký” (chụp thẻ, hoặc nhờ bí thư chi bộ), “đăng nhập”, “hồ sơ của tôi”, “dữ liệu "
                "của tôi”, “xóa dữ liệu của tôi” hoặc “rút lại đồng ý”. Muốn dừng thì gõ “dừng”. Mời thử:"
            ),
            choices=samples(),
        )
