"""Days that people type into forms."""

from __future__ import annotations

import re
from datetime import date, timedelta

_DAY_FIRST = re.compile(r"(\d{1,2})[/.\-](\d{1,2})[/.\-](\d{4})", re.ASCII)
_YEAR_FIRST = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def day_meant(text: str) -> date | None:
    """A day as people write it (5/9/2024, 05-09-2024, 5.9.2024) or as browsers do (2024-09-05); None for nothing.

    Errors: ValueError (anything else, or a day that no calendar has).
    """
    text = text.strip()
    if not text:
        return None
    if written := _DAY_FIRST.fullmatch(text):
        day, month, year = map(int, written.groups())
        return date(year, month, day)
    if not _YEAR_FIRST.fullmatch(text):
        raise ValueError("this is no day")
    return date.fromisoformat(text)


def span_words(span: timedelta) -> str:
    """A stretch of time in words, in either direction: "1 ngày 3 giờ", "2 giờ", "dưới 1 phút"."""
    seconds = int(abs(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds % 86400 // 3600, seconds % 3600 // 60
    parts = [(days, "ngày"), (hours, "giờ"), (minutes, "phút")]
    shown = [f"{count} {name}" for count, name in parts if count][: 2 if days else 1]
    return " ".join(shown) or "dưới 1 phút"
