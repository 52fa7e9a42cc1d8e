"""What the console says of sign-ups under review: reasons, faces, verdicts, in words for those who decide."""

from __future__ import annotations

from collections.abc import Iterable

from members.signup import beside

REASON_WORDS = {
    "no_card": "không thấy thẻ trong ảnh",
    "no_face": "không thấy khuôn mặt",
    "several_faces": "có nhiều khuôn mặt",
    "blurred": "ảnh mờ",
    "glare": "ảnh bị lóa",
    "dark": "ảnh tối",
    "bright": "ảnh quá sáng",
    "too_small": "chụp quá xa",
    "field_doubtful": "có mục đọc chưa chắc",
    "not_upright": "thẻ không thẳng",
    "pose_not_seen": "không thấy làm theo yêu cầu",
    "changed_face": "khuôn mặt đổi giữa chừng",
    "flat": "khuôn mặt phẳng như ảnh in hoặc màn hình",
    "still": "các khung hình đứng yên như ảnh chụp lại",
    "passive": "máy nghi ảnh chụp lại từ bản in hoặc màn hình",
    "reading_doubtful": "đọc thẻ chưa chắc",
    "not_confirmed": "người đăng ký chưa xác nhận những gì đọc được",
    "not_as_printed": "người đăng ký nói đọc chưa đúng thẻ",
    "register_unknown": "không tìm thấy trong sổ",
    "register_differs": "có mục khác với sổ",
    "register_ambiguous": "có nhiều người giống trong sổ",
    "face_doubtful": "chưa chắc là khuôn mặt trên thẻ",
    "face_different": "khuôn mặt ít giống ảnh trên thẻ",
    "not_live": "ảnh khuôn mặt tải lên, không chụp theo yêu cầu",
    "challenge_doubtful": "chưa chắc là người thật trước máy ảnh",
    "already_used": "thẻ đã có tài khoản",
    "takes_used": "đã chụp hết số lần",
    "by_setting": "mọi đăng ký đều có người xét",
    "many_tries": "thẻ này được thử nhiều lần trong ngày",
    "asked_for_person": "xin người xem, không chụp khuôn mặt",
    "conversation_gone": "cuộc trò chuyện đã bị xóa",
    "signed_in_meanwhile": "trong cuộc trò chuyện ấy đã có người đăng nhập",
    "changed_meanwhile": "sổ hoặc tài khoản vừa thay đổi",
    "unavailable": "máy đọc ảnh gặp trục trặc",
}
"""Code of a reason → words for those who review."""
CONTRADICTS = "contradicts_"
"""Such a code goes on with a field, or with a code of ``QR_WORDS``."""
QR_WORDS = {
    "qr_province": "mã tỉnh trong số căn cước",
    "qr_sex": "giới tính trong số căn cước",
    "qr_century": "thế kỷ sinh trong số căn cước",
    "qr_year": "năm sinh trong số căn cước",
    "qr_dates": "ngày cấp căn cước",
    "qr_several": "có hai căn cước trong ảnh",
    "qr_name": "họ tên trên căn cước",
    "qr_date_of_birth": "ngày sinh trên căn cước",
}
"""What a citizen card's QR code beside the member card contradicts."""

POSES = {
    "front": "nhìn thẳng",
    "left": "quay sang trái",
    "right": "quay sang phải",
    "up": "ngẩng lên",
    "down": "cúi xuống",
}
BANDS = {
    "same": ("good", "Rất giống: máy coi là cùng một người."),
    "review": ("warn", "Chưa chắc: máy không kết luận được, xin nhìn kỹ hai khuôn mặt."),
    "different": ("bad", "Ít giống: máy nghiêng về hai người khác nhau."),
    "none": ("warn", "Máy không so được hai khuôn mặt, xin tự so."),
}
"""How alike the faces are → tone and words."""
COMPARED = {
    "same": ("good", "khớp"),
    "accents": ("warn", "khác dấu"),
    "different": ("bad", "khác"),
    "unknown": ("", ""),
}
STATES = {
    "accepted": "đã chấp nhận",
    "rejected": "đã từ chối",
    "stopped": "người đăng ký đã dừng",
    "expired": "đã quá hạn",
    "review": "đã quá hạn",
}
"""How a sign-up that came to a person ended; any other state: the member is at it again."""
VERDICTS = {"accept": "đồng ý", "reject": "từ chối", "again": "yêu cầu chụp lại"}
DONE = {
    "accepted": "Đã chấp nhận. Người đăng ký được báo ở nơi đã bắt đầu.",
    "noted": "Đã ghi nhận. Thẻ này đã có tài khoản nên cần thêm một người khác xem và đồng ý.",
    "rejected": "Đã từ chối và đã báo cho người đăng ký.",
    "again": "Đã báo người đăng ký chụp lại.",
    "chosen": "Đã chọn. Xin so lại từng mục trước khi quyết định.",
}


def reason_words(codes: Iterable[str]) -> str:
    """Reasons in words, one after another; a code of a plugged-in vendor is shown as it is."""
    return ", ".join(_in_words(code) for code in codes)


def _in_words(code: str) -> str:
    if code.startswith(CONTRADICTS):
        return f"mâu thuẫn: {contradicted(code.removeprefix(CONTRADICTS))}"
    return REASON_WORDS.get(code, code)


def contradicted(code: str) -> str:
    """A field, or what a QR code says otherwise, in words."""
    return QR_WORDS.get(code) or beside.LABELS.get(code, code).lower()
