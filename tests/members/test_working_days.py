from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import VIETNAM
from members.working_days import due, is_working_day, working_day_after

MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2029, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive


def _vietnam(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=VIETNAM)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (_vietnam(2026, 3, 2, 9, 0), _vietnam(2026, 3, 4, 17, 0)),  # Monday → Wednesday
        (_vietnam(2026, 3, 2, 23, 59), _vietnam(2026, 3, 4, 17, 0)),
        (_vietnam(2026, 3, 5, 0, 1), _vietnam(2026, 3, 9, 17, 0)),  # Thursday → Friday, Monday
        (_vietnam(2026, 3, 7, 12, 0), _vietnam(2026, 3, 10, 17, 0)),  # Saturday
        (_vietnam(2026, 2, 13, 16, 0), _vietnam(2026, 2, 24, 17, 0)),  # Friday before Tết: 16 to 20 February are off
        (_vietnam(2026, 4, 23, 8, 0), _vietnam(2026, 4, 28, 17, 0)),  # 26 April is a Sunday: the 27th is off instead
        (_vietnam(2027, 4, 29, 8, 0), _vietnam(2027, 5, 5, 17, 0)),  # 30 April; 1 May is a Saturday: the 3rd is off
    ],
)
def test_the_second_working_day(received: datetime, expected: datetime) -> None:
    assert due(received) == expected


def test_the_day_of_receipt_is_vietnams() -> None:
    # 18:00 UTC on Monday is already Tuesday in Vietnam.
    assert due(datetime(2026, 3, 2, 18, 0, tzinfo=UTC)) == _vietnam(2026, 3, 5, 17, 0)


@pytest.mark.parametrize(
    ("day", "works"),
    [
        (date(2026, 8, 22), True),  # a Saturday worked for the bridging day
        (date(2026, 8, 31), False),
        (date(2026, 8, 29), False),
        (date(2026, 9, 2), False),
        (date(2026, 9, 3), True),
    ],
)
def test_a_bridging_day_is_worked_on_another(day: date, works: bool) -> None:
    assert is_working_day(day) == works


@settings(max_examples=200, deadline=None)
@given(MOMENTS)
def test_due_is_a_working_day_at_five_with_one_working_day_before_it(moment: datetime) -> None:
    deadline = due(moment)
    received = moment.astimezone(VIETNAM).date()
    between = [received + timedelta(days=n) for n in range(1, (deadline.date() - received).days + 1)]
    assert (deadline.hour, deadline.minute, deadline.second) == (17, 0, 0)
    assert is_working_day(deadline.date())
    assert sum(is_working_day(day) for day in between) == 2


@settings(max_examples=100, deadline=None)
@given(MOMENTS, st.timedeltas(timedelta(0), timedelta(days=20)))
def test_who_asks_later_is_never_answered_sooner(moment: datetime, later: timedelta) -> None:
    assert due(moment) <= due(moment + later)


@given(st.dates(date(2024, 1, 1), date(2029, 1, 1)), st.integers(0, 5), st.integers(0, 5))
def test_counting_on_is_counting_further(day: date, first: int, second: int) -> None:
    assert working_day_after(working_day_after(day, first), second) == working_day_after(day, first + second)
