"""A passage: the unit that is indexed, found and quoted (a clause, or an article that has no clauses)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date

from core.text import nfc

__all__ = ["ALWAYS", "OPEN_END", "Passage", "embedding_input", "is_in_force"]

ALWAYS = 0
"""``Passage.valid_from`` of a provision without a first day."""
OPEN_END = 9_999_999
"""``Passage.valid_to`` of a provision without a last day."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage as plain data.

    ``id`` is unique and stable; ``article`` and ``document`` are the keys of what it belongs to. ``heading`` is
    "law title. Điều N. heading", ``text`` the clause's own words as in the source. It is in force on a day *d* (as
    ``date.toordinal()``) when ``valid_from <= d < valid_to``: the day of the replacing rule belongs to the new rule.
    """

    id: int
    article: int
    document: int
    heading: str
    text: str
    valid_from: int = ALWAYS
    valid_to: int = OPEN_END

    def content_digest(self) -> str:
        """SHA-256 (hex) of everything in the passage but its id."""
        parts = (self.article, self.document, self.heading, self.text, self.valid_from, self.valid_to)
        return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()


def is_in_force(passage: Passage, day: date) -> bool:
    """Tell whether *passage* is in force on *day*."""
    return passage.valid_from <= day.toordinal() < passage.valid_to


def embedding_input(passage: Passage) -> str:
    """The text that stands for *passage* on the dense side: heading and own words, in NFC."""
    return nfc(f"{passage.heading}\n{passage.text}")
