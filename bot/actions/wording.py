"""Words that several actions share."""

from __future__ import annotations

from core.address import you
from core.settings import settings
from messaging.reply import Choice

__all__ = ["samples", "you"]


def samples() -> list[Choice]:
    """Questions to tap, the same as on the home page."""
    return [Choice(title=question) for question in settings().suggestions]
