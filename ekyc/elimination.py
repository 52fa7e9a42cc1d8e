"""Values whose labels no reader made out: what is left when the others are taken, and can be only one field's.

What kind of value a field has, the order in which a design prints its fields, and the order of the dates in a life leave mostly one way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import permutations

from core.text import fold
from ekyc.fields import in_order, inside, like_label, rows, typical_height, until_gap
from ekyc.ocr.base import Box, Word
from ekyc.templates import Template
from ekyc.values import DATES, Value, around, parse_date, read_value
from ekyc.words import named

_DAY_FIRST = re.compile(r"(\d\d)(\d\d)(\d{4})")
LONGEST_DATE = 6
"""Words: "ngày 05 tháng 9 năm 1960"."""
ROW = 3.0
"""From one value to the next, in heights of a line: no design puts more clear ground between them."""
_DIGITS_OF_DATE = range(5, 9)
"""Digits that are left of a date of which one or more were misread."""
_MONTH = re.compile("th|nam|[/.-]")


def eliminate(
    found: Mapping[str, Value], places: Mapping[str, Sequence[Box]], seen: Sequence[Sequence[Word]], template: Template
) -> dict[str, Value]:
    """Values for fields that are not among *found*, from the words of all views *seen* outside the *places* of those found.

    The one number that no label claims; as many dates as have no place, when only one order of them can be true; for the name what
    looks like one, alone or right above the date of birth. A value without text: only its place is known, what stands there was misread.
    """
    taken = [box for name in found for box in places[name]]
    numbers, days = _free(seen, taken, template)
    more: dict[str, Value] = {}
    if "card_number" not in found and len(numbers) == 1:
        more["card_number"] = numbers[0]
    known = {name: found[name] for name in DATES if name in found}
    located = {name: boxes[0] for name, boxes in places.items() if name in found}
    unplaced = [name for name in DATES if name not in places]
    absent = [name for name in DATES if name not in found]
    shaped = [*days, *_shaped(seen, [*taken, *_at(days), *_at(numbers)])]
    for wanted, free in ((unplaced, days), (absent, days), (unplaced, shaped), (absent, shaped)):
        if dates := _dates(known, wanted, free, located, template):
            more |= dates
            break
    places = {**places, **{name: value.boxes for name, value in more.items()}}
    if "full_name" not in found:
        dated = [box for name in DATES for box in places.get(name, ())]
        everywhere = {**located, **{name: value.boxes[0] for name, value in more.items()}}
        names = [value for value in _names(seen, [*taken, *dated], template) if _leads(value, everywhere, template)]
        if len(names) == 1:
            more["full_name"] = names[0]
        elif born := places.get("date_of_birth"):
            name = _name_above(seen, [*taken, *dated], born[0], template)
            if name:
                more["full_name"] = name
    return more


def _at(values: Sequence[Value]) -> list[Box]:
    return [box for value in values for box in value.boxes]


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
        if number and not parse_date(_DAY_FIRST.sub(r"\1/\2/\3", number.text)) and _new(word.box, numbers):
            numbers.append(number)
    dates = (value for words in seen for value in _written_out(words, taken, template))
    for day in sorted(dates, key=lambda value: -value.confidence):
        if _new(day.boxes[0], days):
            days.append(day)
    return numbers, days


def _written_out(words: Sequence[Word], taken: Sequence[Box], template: Template) -> Iterator[Value]:
    """The dates among *words* of one view, each of as few words as it needs."""
    for line in rows([word for word in words if not inside(word.box, taken)]):
        first = 0
        while first < len(line):
            if line[first].text[:1].isdigit():
                for last in range(first, min(first + LONGEST_DATE, len(line))):
                    value = read_value("issued_on", [line[first : last + 1]], template)
                    if value:
                        yield value
                        first = last
                        break
            first += 1


def _shaped(seen: Sequence[Sequence[Word]], taken: Sequence[Box]) -> list[Value]:
    """Where something like a date stands that no view could read as one: values without text."""
    found: list[Value] = []
    for words in seen:
        height = typical_height(words)
        for line in rows([word for word in words if not inside(word.box, taken)]):
            for first, word in enumerate(line):
                numbered = any(c.isdigit() for c in word.text)
                kept = until_gap(line[first : first + LONGEST_DATE], height) if numbered else []
                while kept and not kept[-1].text[-1:].isdigit():
                    kept.pop()
                written = fold("".join(one.text for one in kept))
                if sum(c.isdigit() for c in written) in _DIGITS_OF_DATE and _MONTH.search(written):
                    if _new(around(kept), found):
                        found.append(Value("", 0.0, (), (around(kept),)))
                    break
    return found


def _new(box: Box, known: Sequence[Value]) -> bool:
    return not any(inside(box, other.boxes) or inside(other.boxes[0], [box]) for other in known)


def _dates(
    known: Mapping[str, Value],
    absent: Sequence[str],
    free: Sequence[Value],
    places: Mapping[str, Box],
    template: Template,
) -> dict[str, Value]:
    """The *free* dates for the *absent* fields: in the order of the *template*, born before joined before full member, not after the issue."""
    if not absent or len(free) != len(absent):
        return {}
    orders = []
    for order in permutations(free):
        more = dict(zip(absent, order, strict=True))
        standing = {**places, **{name: value.boxes[0] for name, value in more.items()}}
        # One of them may be misread: where their places say which is which, what cannot be true together is found out later.
        sure = len(absent) == 1 or set(absent) <= set(template.order)
        if in_order(template, standing) and (sure or _in_time({**known, **more})):
            orders.append(more)
    return orders[0] if len(orders) == 1 else {}


def _in_time(dates: Mapping[str, Value]) -> bool:
    """Whether *dates* can be true together."""
    days = {name: date.fromisoformat(value.text) for name, value in dates.items() if value.text}
    pairs = (("date_of_birth", "joined_on"), ("joined_on", "official_on"), ("official_on", "issued_on"))
    return all(days[one] <= days[other] for one, other in pairs if one in days and other in days)


def _leads(name: Value, places: Mapping[str, Box], template: Template) -> bool:
    """Whether *name* stands where *template* prints it, and no further above the next field found than those between them need."""
    after = [field for field in template.order[1:] if field in places] if template.order[:1] == ("full_name",) else []
    if not after or not in_order(template, {**places, "full_name": name.boxes[0]}):
        return False
    box = name.boxes[0]
    steps = template.order.index(after[0])
    return places[after[0]][1] - box[3] < ROW * steps * (box[3] - box[1])


def _names(seen: Sequence[Sequence[Word]], taken: Sequence[Box], template: Template) -> list[Value]:
    """What begins with a family name and goes on like a person's, outside the boxes *taken*: each place once, as the most certain view reads it."""
    every: list[Value] = []
    for words in seen:
        height = typical_height(words)
        for line in rows([word for word in words if not inside(word.box, taken)]):
            for first, word in enumerate(line):
                if not named(word.text) or (first and not _ends_label(line[first - 1], word, height)):
                    continue
                kept = until_gap(line[first:], height)
                if not 2 <= len(kept) <= 5 or any(not one.text.isalpha() or not one.text[0].isupper() for one in kept):
                    continue
                value = read_value("full_name", [kept], template)
                if value and value.confidence >= 0.3 and not like_label(value.text, template):
                    every.append(value)
                    break
    names: list[Value] = []
    for value in sorted(every, key=lambda value: -value.confidence):
        if _new(value.boxes[0], names):
            names.append(value)
    return names


def _ends_label(word: Word, after: Word, height: float) -> bool:
    """Whether *word* may be the end of a label before *after*: a colon, small letters, a gap."""
    return word.text.endswith(":") or word.text[0].islower() or after.box[0] - word.box[2] > height


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
