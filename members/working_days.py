"""Working days in Vietnam: the legal clock of requests about personal data.

Weekends and public holidays by the package ``holidays`` (lunar ones, days off in lieu, and the Saturdays that are worked
for a bridging day, as far as the government's yearly decision is known to it).
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from functools import lru_cache

import holidays

from core.clock import VIETNAM

ANSWER_DAYS = 2
"""Working days within which a person is answered (Law 91/2025/QH15, decree 356/2025/NĐ-CP)."""

CLOSE_OF_WORK = time(17, 0)
"""In Vietnam."""


@lru_cache(maxsize=16)
def _calendar(year: int) -> holidays.HolidayBase:
    """One year, complete from the start: a calendar that grows while it is asked is not safe among threads."""
    return holidays.country_holidays("VN", years=year, expand=False)


def is_working_day(day: date) -> bool:
    """Whether offices work on *day*."""
    return _calendar(day.year).is_working_day(day)


def working_day_after(day: date, count: int) -> date:
    """The *count*-th working day after *day*, which itself never counts."""
    while count > 0:
        day += timedelta(days=1)
        count -= is_working_day(day)
    return day


def due(created_at: datetime) -> datetime:
    """When a request received at *created_at* (aware) must be answered: 17:00 of the second working day after it."""
    received = created_at.astimezone(VIETNAM).date()
    return datetime.combine(working_day_after(received, ANSWER_DAYS), CLOSE_OF_WORK, tzinfo=VIETNAM)
