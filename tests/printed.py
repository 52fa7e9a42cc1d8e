"""Words of printed lines, as a reader would give them."""

from __future__ import annotations

from ekyc.ocr import Word

WIDTH, HIGH, EM = 1300, 30, 15
"""Pixels of the card, of a line, of a letter."""


def line(y: int, *pieces: tuple[int, str], height: int = HIGH) -> list[Word]:
    """Words of one printed line: every piece begins at its x."""
    found = []
    for x, text in pieces:
        at = x
        for word in text.split(" "):
            found.append(Word(word, (at, y, at + EM * len(word), y + height), 0.95))
            at += EM * (len(word) + 1)
    return found
