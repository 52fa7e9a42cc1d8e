"""What was read from a card beside what the register says, for the eyes of whoever reviews a sign-up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from core.text import nfc
from ekyc.results import FIELDS
from members.names import name_key
from members.particulars import FIELD_NAMES
from members.register import Profile

ONLY_ON_CARDS = {"issuer": "Nơi cấp thẻ", "issued_on": "Ngày cấp thẻ"}
"""Fields of a card that the register does not keep."""
LABELS = {field: ONLY_ON_CARDS.get(field) or FIELD_NAMES["name" if field == "full_name" else field] for field in FIELDS}
"""Field of a card → what people call it."""
DATES = frozenset({"date_of_birth", "joined_on", "official_on", "issued_on"})

SAME, ACCENTS, DIFFERENT, UNKNOWN = "same", "accents", "different", "unknown"
"""How the two sides stand: alike but for letter case and punctuation; alike without accents too; not alike; one side is empty."""

_APART = re.compile(r"[\W_]+")


@dataclass(frozen=True)
class FieldLine:
    """A field: as read (with its confidence, 0 to 1), as the register has it, and how the two stand to each other.

    Dates are written 05/09/1965.
    """

    field: str
    label: str
    read: str | None
    confidence: float | None
    register: str | None
    compared: str


def lines(
    read: Mapping[str, str | None], confidence: Mapping[str, float | None], person: Profile | None
) -> tuple[FieldLine, ...]:
    """Every field of a card in its order; *person* None: nobody of the register was found."""
    return tuple(_line(field, read.get(field), confidence.get(field), _kept(person, field)) for field in FIELDS)


def _line(field: str, read: str | None, confidence: float | None, kept: str | None) -> FieldLine:
    return FieldLine(field, LABELS[field], _shown(field, read), confidence, _shown(field, kept), compared(read, kept))


def _kept(person: Profile | None, field: str) -> str | None:
    """The register's value as a card's reading writes it."""
    if person is None or field in ONLY_ON_CARDS:
        return None
    return person.name if field == "full_name" else person.private.to_values().get(field)


def _shown(field: str, value: str | None) -> str | None:
    if value is None or field not in DATES:
        return value
    year, month, day = value.split("-")
    return f"{day}/{month}/{year}"


def compared(read: str | None, kept: str | None) -> str:
    """How a value that was read stands to the register's."""
    if not read or not kept:
        return UNKNOWN
    if _plain(read) == _plain(kept):
        return SAME
    return ACCENTS if name_key(_plain(read)) == name_key(_plain(kept)) else DIFFERENT


def _plain(text: str) -> str:
    return _APART.sub(" ", nfc(text).casefold()).strip()
