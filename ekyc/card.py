"""A card on its way: what its views showed so far, and what the readings of each field give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from types import MappingProxyType

from ekyc import quality
from ekyc.faces.types import Face
from ekyc.fields import Found, in_order
from ekyc.ocr import Box, Gray, Word
from ekyc.results import FIELDS, Image
from ekyc.surface import ABOVE, ABOVE_CAPITALS, HEIGHTS, Surface
from ekyc.templates import Template
from ekyc.values import DASHES, DATES, read_value
from ekyc.voting import Reading, Verdict, vote, vote_digits
from ekyc.words import expected, like, usual

NUMBERS = ("card_number", *DATES)
PAGE, DIGITS, SECOND = "page", "digits", "second"
"""Readers: the Vietnamese model, the one for digits, the second one."""
DIGITS_IN_TEXT = 0.35
"""Trust in numbers and dates by the Vietnamese model: it takes a "3" with a flat top for a "5", and is sure of it."""
AFTER = 0.7
"""Where a dash ends after a line, in parts of its height."""
CERTAIN = 0.93
"""From here on a field is not read again."""
SETTLED = 0.96
"""The same for a text and the second reader."""
IMPOSSIBLE = 0.5
"""Confidence in a date at most, when the digits that were voted make none."""


@dataclass
class Card:
    """Its surface, the words of all views, what they say, ``readings`` of every field so far.

    ``short``: dates that a view read with one digit for the day. ``quarters``: turns against the clock that brought it upright. ``verdicts``: what was voted last, and on which readings.
    """

    surface: Surface
    words: list[Word]
    found: Found
    template: Template
    quarters: int
    faces: list[Face] = field(default_factory=list)
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    short: set[str] = field(default_factory=set)
    verdicts: dict[str, tuple[tuple[Reading, ...], Verdict | None]] = field(default_factory=dict)

    @property
    def flat(self) -> Image:
        """The card seen from straight above, upright, BGR."""
        return self.surface.flat

    @cached_property
    def sharpness(self) -> float | None:
        """How steep the edges of its print are (``quality.sharpness``). Not before all words are there."""
        return quality.sharpness(self.surface.plain, self.words)

    @property
    def missing(self) -> list[str]:
        """The fields that no view has shown."""
        return [name for name in FIELDS if name not in self.found.values]

    def collect(self, found: Found) -> None:
        """Add the readings of what a view *found*."""
        for name, value in found.values.items():
            self.short |= {name} if value.short else set()
            weight = DIGITS_IN_TEXT if name in NUMBERS else 1.0
            self.readings.setdefault(name, []).append(Reading(value.words, weight, PAGE))

    def join(self, found: Found) -> None:
        """Add what another view *found*: its readings, and places where there were none or nothing could be read."""
        self.collect(found)
        for name in found.values:
            if name in self.found.values:
                self.found.places[name] = _wider(self.found.places[name], found.places[name])
        for name in self.missing:
            if name in found.places and (name in found.values or name not in self.found.places):
                self.found.places[name] = found.places[name]
                self.found.spans[name] = found.spans[name]
                if name in found.values:
                    self.found.values[name] = found.values[name]
        exact = self.found.exact | (found.exact & found.values.keys())
        self.found = replace(self.found, labels=len(self.found.places), exact=exact)

    def settled(self, name: str) -> bool:
        """Whether the text *name* needs no other reader any more."""
        verdict = self.verdict(name)
        return verdict is not None and verdict.confidence >= SETTLED

    def drop_misplaced(self) -> None:
        """Forget those fields that stand where the design prints none of their kind, those first that most others speak against.

        A label that was read letter by letter is believed: the card is of another design.
        """
        while True:
            placed = {name: self.found.places[name][0] for name in self.template.order if name in self.found.values}
            against = {
                name: sum(not in_order(self.template, {name: placed[name], other: placed[other]}) for other in placed)
                for name in placed
                if name not in self.found.exact
            }
            most = max(against.values(), default=0)
            if not most:
                return
            for name in [name for name, others in against.items() if others == most]:
                for known in (self.found.values, self.found.places, self.found.spans, self.readings):
                    known.pop(name, None)

    def stands(self, name: str, box: Box) -> bool:
        """Whether *box* is where the design prints *name* beside what was found."""
        placed = {other: self.found.places[other][0] for other in self.found.values if other != name}
        return in_order(self.template, {**placed, name: box})

    def lines(self, name: str, view: int) -> list[Gray]:
        """The lines of the value of *name* cut out of *view*."""
        above = ABOVE_CAPITALS if name == "full_name" else ABOVE
        boxes = list(self.found.places.get(name, ()))
        if name == "home_town" and len(boxes) > 1:  # a dash at the end of the first line has no size of a letter
            left, top, right, bottom = boxes[0]
            boxes[0] = (left, top, right + round(AFTER * (bottom - top)), bottom)
        strips = [self.surface.strip(view, box, HEIGHTS[view], above) for box in boxes]
        return [strip.image for strip in strips if strip is not None]

    def add(
        self,
        name: str,
        lines: Sequence[Sequence[Word]],
        by: str,
        others: Mapping[str, Mapping[str, float]] = MappingProxyType({}),
    ) -> None:
        """Add a reading *by* one reader of the value of *name*, line by line; nothing that is no such value.

        *others*: what else the words may be (``Reading.others``).
        """
        if name == "home_town" and len(lines) > 1 and any("," in word.text for word in lines[0]):
            # Where commas part the value, a dash at the end of the first line is a speck.
            while lines[0] and lines[0][-1].text in DASHES:
                lines = [lines[0][:-1], *lines[1:]]
        value = read_value(name, lines, self.template)
        if value is not None:
            self.short |= {name} if value.short else set()
            self.readings.setdefault(name, []).append(Reading(value.words, 1.0, by, others))

    def verdict(self, name: str) -> Verdict | None:
        """What the readings of *name* give together so far; None where there is none."""
        readings = tuple(self.readings.get(name, ()))
        if self.verdicts.get(name, ((), None))[0] != readings:
            self.verdicts[name] = (readings, _voted(name, readings))
        return self.verdicts[name][1] if readings else None

    def doubtful(self, name: str) -> bool:
        """Whether the field *name* should be read once more: it is not certain, or a number was read differently."""
        verdict = self.verdict(name)
        if verdict is None or verdict.confidence < CERTAIN:
            return True
        read = {reading.words[0][0] for reading in self.readings[name] if reading.words}
        return name in NUMBERS and read != {verdict.text}


def _wider(boxes: Sequence[Box], others: Sequence[Box]) -> tuple[Box, ...]:
    """*boxes* of lines, each as wide as it and its like among *others* together: one view misses a word at an end."""
    if len(boxes) != len(others):
        return tuple(boxes)
    wider = []
    for (left, top, right, bottom), (first, above, last, below) in zip(boxes, others, strict=True):
        same = min(bottom, below) - max(top, above) > 0.6 * (bottom - top)
        wider.append((min(left, first), top, max(right, last), bottom) if same else (left, top, right, bottom))
    return tuple(wider)


def _voted(name: str, readings: Sequence[Reading]) -> Verdict | None:
    if name in NUMBERS:
        verdict = vote_digits(readings)
        return _possible(verdict, readings) if verdict is not None and name in DATES else verdict
    return vote(
        readings,
        lambda word, place: usual(name, word, place),
        lambda word: like(name, word),
        lambda places: expected(name, places),
    )


def _possible(verdict: Verdict, readings: Sequence[Reading]) -> Verdict:
    """*verdict* on a date; where its digits, voted one by one, are none in the calendar, the surest reading, with little trust."""
    try:
        date.fromisoformat(verdict.text)
    except ValueError:
        surest = max(readings, key=lambda reading: reading.weight * reading.confidence)
        return Verdict(surest.words[0][0], min(IMPOSSIBLE, verdict.confidence), 1)
    return verdict
