"""What the pages of a sign-up by photographs say: how to take a better picture, what to do before the camera."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ekyc.results import Pose, Reason
from members.register import FIELD_NAMES

__all__ = ["FIELD_LABELS", "FRAMES_A_POSE", "POSE_WORDS", "STEPS", "advice", "as_printed"]

FRAMES_A_POSE = 6
"""Pictures that the page takes for each request."""

STEPS = {
    "number": ("Gõ số này vào cuộc trò chuyện", 0),
    "card": ("Chụp thẻ", 1),
    "reading": ("Đang đọc thẻ", 1),
    "confirm": ("Xem lại những gì đã đọc", 2),
    "selfie": ("Chụp khuôn mặt", 3),
    "checking": ("Đang kiểm tra", 3),
    "review": ("Có người sẽ xem giúp", 0),
    "accepted": ("Đã đăng ký", 0),
    "rejected": ("Chưa đăng ký được qua ảnh", 0),
    "stopped": ("Đã dừng, ảnh đã xóa", 0),
    "expired": ("Lần đăng ký này đã hết hạn", 0),
}
"""State of a sign-up → heading of its page, and which of the three steps it is (0: none any more)."""

POSE_WORDS = {
    Pose.FRONT: "Nhìn thẳng vào máy",
    Pose.LEFT: "Quay mặt sang bên trái",
    Pose.RIGHT: "Quay mặt sang bên phải",
    Pose.UP: "Ngẩng mặt lên",
    Pose.DOWN: "Cúi mặt xuống",
}

FIELD_LABELS = {
    "card_number": FIELD_NAMES["card_number"],
    "full_name": "Họ và tên",
    "date_of_birth": FIELD_NAMES["date_of_birth"],
    "home_town": FIELD_NAMES["home_town"],
    "joined_on": FIELD_NAMES["joined_on"],
    "official_on": FIELD_NAMES["official_on"],
    "issuer": "Nơi cấp thẻ",
    "issued_on": "Ngày cấp thẻ",
}

_DATES = ("date_of_birth", "joined_on", "official_on", "issued_on")

_CARD = {
    "no_card": "Chưa thấy trọn tấm thẻ. Đặt thẻ trên mặt bàn trơn, khác màu thẻ, cho đủ bốn góc vào khung.",
    "no_face": "Chưa thấy rõ ảnh chân dung trên thẻ. Chụp mặt thẻ có ảnh, đừng để ngón tay che.",
    "several_faces": "Trong ảnh có nhiều khuôn mặt. Chỉ chụp riêng tấm thẻ.",
    "blurred": "Ảnh bị nhòe. Giữ yên tay, hoặc tì tay lên bàn rồi chụp.",
    "glare": "Thẻ bị lóa. Nghiêng thẻ đi một chút, tránh bóng đèn chiếu thẳng vào thẻ.",
    "dark": "Ảnh tối quá. Ra chỗ sáng hơn hoặc bật đèn.",
    "bright": "Ảnh sáng quá. Tránh nắng chiếu thẳng vào thẻ.",
    "too_small": "Chữ trên thẻ nhỏ quá. Đưa máy lại gần cho thẻ vừa khung.",
    "field_doubtful": "Có mục trên thẻ chưa đọc chắc. Lau thẻ, chụp thẳng từ trên xuống, đủ sáng.",
    "not_as_printed": "Lần trước đọc chưa đúng. Chụp gần hơn, đủ sáng, để chữ thật rõ nét.",
    "not_upright": "Thẻ bị nghiêng hoặc ngược. Xoay thẻ cho chữ đọc xuôi.",
}
_FACE = {
    "no_face": "Chưa thấy khuôn mặt. Đưa mặt vào giữa khung tròn, bỏ khẩu trang và kính râm.",
    "several_faces": "Trong ảnh có nhiều người. Chỉ để một mình đồng chí trước máy.",
    "blurred": "Ảnh bị nhòe. Để máy yên, quay đầu chậm.",
    "glare": "Ảnh bị lóa. Đừng để đèn hoặc cửa sổ ở sau lưng.",
    "dark": "Ảnh tối quá. Ra chỗ sáng hơn, mặt hướng về phía đèn hoặc cửa sổ.",
    "bright": "Ảnh sáng quá. Tránh nắng chiếu thẳng vào mặt.",
    "too_small": "Khuôn mặt nhỏ quá. Đưa máy lại gần hơn.",
    "pose_not_seen": "Chưa thấy đồng chí quay mặt theo lời nhắc. Làm lại, quay chậm và rõ hơn một chút.",
}
_OTHERWISE = "Ảnh chưa dùng được. Xin chụp lại, đủ sáng và giữ yên máy."
"""Codes that nobody is helped by hearing in detail (``flat``, ``still``, ``changed_face`` …) are this sentence."""


def advice(state: str, reasons: Iterable[str]) -> list[str]:
    """What to do better at the next picture, one sentence a reason, none twice; *state* is the step being repeated."""
    words = _FACE if state in ("selfie", "checking") else _CARD
    given = list(reasons)
    mendable = [reason for reason in given if reason != Reason.FIELD_DOUBTFUL]  # which follows from the others
    return list(dict.fromkeys(words.get(reason, _OTHERWISE) for reason in mendable or given))


def as_printed(field: str, value: str) -> str:
    """A value that was read as cards print it: days as 05/09/1965, the number in two groups."""
    if field in _DATES:
        return f"{date.fromisoformat(value):%d/%m/%Y}"
    return f"{value[:2]}.{value[2:]}" if field == "card_number" and len(value) == 8 else value
