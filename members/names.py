"""Names of people and units as they are compared and sorted."""

from __future__ import annotations

import unicodedata

from core.text import fold, nfc

_LETTERS = "aăâbcdđeêfghijklmnoôơpqrstuưvwxyz"
_TONES = {"": "0", "\u0300": "1", "\u0309": "2", "\u0303": "3", "\u0301": "4", "\u0323": "5"}
"""Level, huyền, hỏi, ngã, sắc, nặng: the order of Vietnamese dictionaries."""
_ORDER = {letter: chr(ord("A") + place) for place, letter in enumerate(_LETTERS)}


def clean(name: str) -> str:
    """A name in NFC with single spaces."""
    return " ".join(nfc(name).split())


def name_key(name: str) -> str:
    """A name for comparison: without accents and case, single spaces ("nguyen thi hoa")."""
    return " ".join(fold(name).split())


def sort_key(name: str) -> str:
    """A key whose byte order is Vietnamese order: letters first (a ă â b … đ …), tones as the second level.

    Words are compared one after another, so give the words of a person's name in the order that counts
    (``person_sort_key``).
    """
    letters, tones = [], []
    for word in clean(name).lower().split():
        for letter in word:
            base, tone = _split(letter)
            letters.append(_ORDER.get(base, base if base.isdigit() else "~"))
            tones.append(tone)
        letters.append(" ")
    return "".join(letters).rstrip() + "\t" + "".join(tones)


def person_sort_key(name: str) -> str:
    """Vietnamese lists of people go by the given name (the last word), then by the words before it."""
    *before, given = clean(name).split() or [""]
    return sort_key(" ".join([given, *before]))


def _split(letter: str) -> tuple[str, str]:
    """The letter without its tone, and the tone's rank."""
    tone = "0"
    kept = []
    for mark in unicodedata.normalize("NFD", letter):
        if mark in _TONES:
            tone = _TONES[mark]
        else:
            kept.append(mark)
    return unicodedata.normalize("NFC", "".join(kept)), tone
