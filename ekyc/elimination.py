"""Values whose labels no reader made out: what is left when the others are taken, and can be only one field's."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from itertools import permutations

from ekyc.fields import inside, like_label, rows, typical_height, until_gap
from ekyc.ocr.base import Box, Word
from ekyc.results import FIELDS
from ekyc.templates import Template
from ekyc.values import DATES, Value, parse_date, read_value

_DAY_FIRST = re.compile(r"(\d\d)(\d\d)(\d{4})")


def eliminate(
    found: Mapping[str, Value], places: Mapping[str, Sequence[Box]], seen: Sequence[Sequence[Word]], template: Template
) -> dict[str, Value]:
    """Values for fields that are not among *found*, from the words of all views *seen* outside the *places* of those found.

    The one number that no label claims; dates, when only one order of them can be true; for the name what looks like one
    right above the date of birth.
    """
    missing = [name for name in FIELDS if name not in found]
    taken = [box for name in found for box in places[name]]
    numbers, days = _free(seen, taken, template)
    more: dict[str, Value] = {}
    if "card_number" in missing and len(numbers) == 1:
        more["card_number"] = numbers[0]
    more |= _dates({name: found[name] for name in DATES if name in found}, days)
    places = {**places, **{name: value.boxes for name, value in more.items()}}
    if "full_name" in missing and (born := places.get("date_of_birth")):
        dated = [box for name in DATES for box in places.get(name, ())]
        name = _name_above(seen, [*taken, *dated], born[0], template)
        if name:
            more["full_name"] = name
    return more


def _free(seen: Sequence[Sequence[Word]], taken: Sequence[Box], template: Template) -> tuple[list[Value], list[Value]]:
    """Card numbers and dates outside the boxes *taken*, each place once: as the most certain view reads it."""
    numbers: list[Value] = []
    days: list[Value] = []
    words = sorted((word for words in seen for word in words), key=lambda word: -word.confidence)
    for word in words:
        if inside(word.box, taken):
            continue
        number = read_value("card_number", [[word]], template)
        # Eight digits may be a date whose separators were not read.
        if number and not parse_date(_DAY_FIRST.sub(r"\1/\2/\3", number.text)) and _new(word, numbers):
            numbers.append(number)
        day = read_value("issued_on", [[word]], template)
        if day and _new(word, days):
            days.append(day)
    return numbers, days


def _new(word: Word, known: Sequence[Value]) -> bool:
    return not any(inside(word.box, other.boxes) or inside(other.boxes[0], [word.box]) for other in known)


def _dates(known: Mapping[str, Value], free: Sequence[Value]) -> dict[str, Value]:
    """The *free* dates for those fields that have none: born before joined before full member, not after the issue."""
    absent = [name for name in DATES if name not in known]
    if not absent or len(free) != len(absent):
        return {}
    if len(absent) == 1:  # a known one may be misread: what cannot be true together is found out later
        return {absent[0]: free[0]}
    orders = []
    for order in permutations(free):
        every = {**known, **dict(zip(absent, order, strict=True))}
        born, joined, official, issued = (
            date.fromisoformat(every[name].text) for name in ("date_of_birth", "joined_on", "official_on", "issued_on")
        )
        if born < joined < official <= issued:
            orders.append(order)
    return dict(zip(absent, orders[0], strict=True)) if len(orders) == 1 else {}


def _name_above(seen: Sequence[Sequence[Word]], taken: Sequence[Box], below: Box, template: Template) -> Value | None:
    """What looks like a person's name right above the box *below*, outside the boxes *taken*: two to five capitalised words."""
    best: tuple[float, Value] | None = None
    for words in seen:
        height = typical_height(words)
        for line in rows([word for word in words if not inside(word.box, taken)]):
            near = [
                word for word in line if below[0] - 8 * height < word.box[2] and word.box[0] < below[2] + 12 * height
            ]
            kept = until_gap(near, height)
            if not 2 <= len(kept) <= 5 or any(not word.text.isalpha() or not word.text[0].isupper() for word in kept):
                continue
            if min(word.confidence for word in kept) < 0.3 or like_label(
                " ".join(word.text for word in kept), template
            ):
                continue
            distance = below[1] - max(word.box[3] for word in kept)
            value = read_value("full_name", [kept], template)
            if value and -0.3 * height < distance < 2.5 * height and (best is None or distance < best[0]):
                best = (distance, value)
    return best[1] if best else None
