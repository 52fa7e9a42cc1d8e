"""The time, in one place, so that a test can move it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")

_fixed: datetime | None = None


def now() -> datetime:
    """The current moment, aware, in UTC (what is stored)."""
    return _fixed or datetime.now(UTC)


def today() -> date:
    """The current day in Vietnam (what people mean by "today")."""
    return now().astimezone(VIETNAM).date()


@contextmanager
def fixed(moment: datetime) -> Iterator[None]:
    """Let the clock of this process stand at *moment* (aware) inside the block."""
    global _fixed  # noqa: PLW0603 - the one place where time is kept
    if moment.tzinfo is None:
        raise ValueError("the clock takes aware times only")
    before, _fixed = _fixed, moment.astimezone(UTC)
    try:
        yield
    finally:
        _fixed = before
