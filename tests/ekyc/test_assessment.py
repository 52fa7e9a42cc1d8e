"""Dates that contradict or confirm each other: what makes a reading doubtful."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from core import clock
from ekyc import assessment
from ekyc.card import Card
from ekyc.fields import Found
from ekyc.surface import Surface
from ekyc.templates import templates
from ekyc.voting import Reading


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({}, set()),
        ({"joined_on": "1980-01-01"}, {"date_of_birth", "joined_on"}),
        ({"official_on": "1990-01-01"}, {"joined_on", "official_on"}),
        ({"issued_on": "1990-01-01"}, {"joined_on", "issued_on"}),
        ({"issued_on": "2030-01-01"}, {"issued_on"}),
        ({"date_of_birth": None, "joined_on": None}, set()),
    ],
)
def test_dates_that_cannot_be_true_together(changed: dict[str, str | None], wrong: set[str]) -> None:
    fields = {
        "date_of_birth": "1970-02-28",
        "joined_on": "1995-03-04",
        "official_on": "1996-03-04",
        "issued_on": "2001-05-06",
    } | changed
    with clock.fixed(datetime(2026, 1, 1, tzinfo=UTC)):
        assert assessment.contradictory(fields) == wrong


@pytest.mark.parametrize(
    ("joined", "official", "doubtful"),
    [
        (["1990-04-28"], ["1991-04-28"], False),
        (["1990-04-28"], ["1993-04-28", "1991-04-28"], True),
        (["1990-04-26", "1990-04-28"], ["1991-04-28"], True),
        (["1990-04-28"], ["1993-04-28", "1993-04-20"], False),
    ],
)
def test_dates_a_year_apart_confirm_each_other(joined: list[str], official: list[str], doubtful: bool) -> None:
    card = Card(Surface(np.full((64, 64, 3), 200, np.uint8)), [], Found(), templates()[0], 0)
    for name, days in (("joined_on", joined), ("official_on", official)):
        card.readings[name] = [Reading(((day, 0.9),)) for day in days]
    voted = {"joined_on": joined[0], "official_on": official[0]}
    assert bool(assessment._off_by_a_slip(card, voted)) == doubtful
