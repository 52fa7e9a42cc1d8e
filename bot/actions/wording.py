"""Words that several actions share."""

from __future__ import annotations

from core.settings import settings
from messaging.reply import Choice

SAMPLES = (
    "Điều kiện để trở thành hội viên là gì?",
    "Hội viên có những quyền gì?",
    "Hội phí đóng thế nào?",
)


def samples() -> list[Choice]:
    """Three questions to tap."""
    return [Choice(title=question) for question in SAMPLES]


def you(*, start: bool = False) -> str:
    """How the member is addressed; *start*: at the start of a sentence."""
    address = settings().address.strip()
    first = address[:1].upper() if start else address[:1].lower()
    return first + address[1:]
