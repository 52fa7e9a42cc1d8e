"""Words that several actions share."""

from __future__ import annotations

from core.settings import settings
from messaging.reply import Choice


def samples() -> list[Choice]:
    """Questions to tap, the same as on the home page."""
    return [Choice(title=question) for question in settings().suggestions]


def you(*, start: bool = False) -> str:
    """How the member is addressed; *start*: at the start of a sentence."""
    address = settings().address.strip()
    first = address[:1].upper() if start else address[:1].lower()
    return first + address[1:]
