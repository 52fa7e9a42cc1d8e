"""The service itself, and who is speaking."""

from __future__ import annotations

from bot.actions.base import Said, TalkAction
from bot.actions.wording import samples, you
from core.settings import settings
from messaging.reply import Reply


class About(TalkAction):
    """What Sổ tay is and can do, where its answers come from, what it keeps."""

    action = "action_about"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """Purpose, source, privacy, in this order."""
        return Reply(
            text=(
                f"Tôi trả lời câu hỏi về điều lệ, quy chế, quy định của {settings().organisation} bằng nguyên văn điều khoản, "
                "kèm chỗ đọc trong văn bản; không tìm thấy thì tôi nói rõ. Sổ tay là phần mềm nguồn mở, miễn phí, chạy trên "
                "máy của chính tổ chức; câu trả lời lấy từ các văn bản đã được công bố ở đây, không thêm bớt. Cuộc trò chuyện "
                f"được lưu trên máy chủ của tổ chức để {you()} xem lại; câu hỏi chỉ được gửi cho người phụ trách khi {you()} bấm "
                "gửi, và không kèm tên. Gõ “dữ liệu của tôi” để xem những gì được lưu, “xóa dữ liệu của tôi” để xóa."
            ),
            choices=samples(),
        )


class WhoAreYou(TalkAction):
    """A person or a machine."""

    action = "action_who_are_you"

    def reply(self, said: Said) -> Reply:  # noqa: ARG002
        """Says plainly that it is a machine."""
        return Reply(
            text=(
                f"Tôi là máy (trợ lý tự động), không phải người. Tên tôi là Sổ tay, do {settings().organisation} sử dụng để "
                f"giúp {you()} tra cứu điều lệ, quy chế, quy định."
            ),
            choices=samples(),
        )
