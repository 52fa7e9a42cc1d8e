"""What people are told in a sign-up by photographs, and the errors that say it. Nothing here depends on the register."""

from __future__ import annotations

from core.address import you
from core.settings import settings
from messaging.reply import Choice, Reply

BEGIN = Choice(title="Đăng ký")
"""As if typed: the conversation says what comes next."""
SECRETARY = "Cách khác: gặp bí thư chi bộ để xác nhận và nhận mã một lần, không cần chụp ảnh."


class SignUpError(ValueError):
    """The step cannot be done now; the message says why and what to do, in Vietnamese."""


class TooManyTriesError(SignUpError):
    """All tries of today are used, or too much comes from one network address."""


class AlreadySignedInError(SignUpError):
    """The conversation is signed in already."""

    def __init__(self) -> None:
        super().__init__(f"{you(start=True)} đã đăng nhập ở đây rồi nên không cần đăng ký nữa.")


class WrongNumberError(SignUpError):
    """The conversation named another number than the page shows; it may try again."""

    def __init__(self, left: int) -> None:
        super().__init__(f"Số này không đúng với số trên trang chụp ảnh. Xin xem lại rồi gõ lại, còn {left} lần.")


class NumbersUsedUpError(SignUpError):
    """Too many wrong numbers: the sign-up has ended."""

    def __init__(self) -> None:
        super().__init__("Số gõ vào sai ba lần nên lần đăng ký này đã dừng, không có ảnh nào được giữ. " + SECRETARY)


class UnderReviewError(SignUpError):
    """There is nothing to photograph: a person is looking at what was sent."""

    def __init__(self) -> None:
        super().__init__("Đăng ký này đang chờ người xem. Kết quả sẽ được báo trong cuộc trò chuyện này.")


class ChallengeLateError(SignUpError):
    """The pictures of the face came too late after they were asked for, or were not asked for."""

    def __init__(self) -> None:
        super().__init__("Đã quá thời gian chụp khuôn mặt. Xin bấm bắt đầu lại rồi làm theo lời nhắc.")


class LinkError(SignUpError):
    """The link does not lead on. ``code``: ``unknown``, ``expired``, ``other_device`` or ``ended``."""

    def __init__(self, code: str) -> None:
        super().__init__(_LINK[code])
        self.code = code


_AGAIN = "Xin quay lại cuộc trò chuyện và nhắn “đăng ký”"
_LINK = {
    "unknown": f"Đường dẫn này không đúng hoặc đã được thay bằng đường dẫn mới. {_AGAIN} để nhận đường dẫn.",
    "expired": f"Đường dẫn này đã hết hạn. {_AGAIN} để nhận đường dẫn mới.",
    "other_device": "Đường dẫn này chỉ mở được trên máy đã nhận hoặc đã mở nó lần đầu."
    f" {_AGAIN} trên máy muốn dùng để nhận đường dẫn mới.",
    "ended": f"Lần đăng ký này đã kết thúc. {_AGAIN} nếu cần làm lại.",
}

AGAIN_WORDS = {
    "card_unclear": "ảnh thẻ bị mờ, lóa hoặc bị che",
    "card_cut": "ảnh thẻ chưa đủ bốn góc",
    "face_unclear": "ảnh khuôn mặt bị mờ hoặc tối",
    "face_covered": "khuôn mặt bị che (khẩu trang, kính đen, mũ)",
    "several_faces": "trong ảnh có nhiều người",
}
"""Why somebody who reviews asks for other photographs (codes of ``members.signup.review.REASONS``), as the member reads it."""


def accepted(name: str, unit: str) -> str:
    """To somebody who is signed up: the conversation is that of the member now."""
    return (
        f"Đã đăng ký xong. Chào {you()} {name}, {unit}. Ảnh thẻ và ảnh khuôn mặt đã được xóa."
        " Từ nay nhắn “hồ sơ của tôi” để xem hồ sơ, “dữ liệu của tôi” để xem những gì đang lưu."
    )


def in_review() -> str:
    """To somebody whose photographs wait for a person. The same words whatever the reason."""
    return (
        "Đã nhận được ảnh. Có người của tổ chức sẽ xem rồi trả lời ngay tại đây,"
        f" chậm nhất sau {settings().ekyc_review_days} ngày. Ảnh được mã hóa và bị xóa ngay khi có kết quả. {SECRETARY}"
    )


def rejected() -> Reply:
    """To somebody who was not accepted. The same words whatever the reason."""
    said = (
        f"Chưa đăng ký được qua ảnh. Ảnh đã được xóa. Nếu cần, {you()} nhắn “đăng ký” để chụp lại từ đầu. {SECRETARY}"
    )
    return Reply(text=said, choices=[BEGIN])


def asked_again(reason: str) -> str:
    """To somebody who is asked for other photographs; *reason* is a code of ``AGAIN_WORDS``."""
    why = AGAIN_WORDS.get(reason, "ảnh chưa đủ rõ")
    return (
        f"Người xem đề nghị {you()} chụp lại: {why}. Ảnh cũ đã được xóa."
        f" Khi sẵn sàng, nhắn “đăng ký” để nhận đường dẫn mới. {SECRETARY}"
    )


def stopped() -> str:
    """To somebody who stopped on the page."""
    return "Đã dừng đăng ký. Ảnh đã gửi (nếu có) đã được xóa. Muốn làm lại, nhắn “đăng ký”."


def expired(*, in_review: bool) -> str:
    """To somebody whose sign-up ended because time ran out."""
    if in_review:
        return (
            "Rất tiếc, chưa có người xem kịp trong thời hạn nên ảnh đã được xóa như đã hứa."
            f" Nhắn “đăng ký” để gửi lại. {SECRETARY}"
        )
    return f"Lần đăng ký này đã hết hạn, ảnh đã gửi được xóa. Nhắn “đăng ký” để bắt đầu lại. {SECRETARY}"


def card_used_again() -> str:
    """To the holder of an account, on the own device, when the card was used once more."""
    return (
        f"Có người vừa dùng thẻ của {you()} để đăng ký trên máy khác. Nếu là {you()} (đổi máy), không cần làm gì:"
        " hai người của tổ chức sẽ xem rồi mới quyết định."
        f" Nếu không phải {you()}, xin báo ngay cho bí thư chi bộ."
    )


def revoked() -> str:
    """To the device that was signed in under a name, when the branch says that it is somebody else."""
    return (
        f"Chi bộ báo rằng đăng ký trên máy này không phải của chính người ấy, nên máy đã được đăng xuất. Nếu nhầm, {you()} gặp"
        " bí thư chi bộ, đưa thẻ cho xem để được cấp mã đăng nhập."
    )


def signed_out_elsewhere() -> str:
    """To the device that was signed in before, when the account moves to another one."""
    return (
        f"Tài khoản của {you()} vừa được đăng nhập trên máy khác sau khi hai người của tổ chức xác nhận, nên máy này đã"
        f" được đăng xuất. Nếu không phải {you()} làm, xin báo ngay cho bí thư chi bộ."
    )
