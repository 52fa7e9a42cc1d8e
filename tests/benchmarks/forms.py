"""How members type the same question: composed, decomposed, without accents, with half of them."""

from __future__ import annotations

import random
import re
import unicodedata
import zlib

from core.text import nfc

FORMS = ("NFC", "NFD", "stripped", "half")
"""Names of the forms, as ``typed`` takes them."""

_DOTLESS = str.maketrans({"đ": "d", "Đ": "D"})


def strip_accents(text: str) -> str:
    """*text* without accents and with d for đ; case and everything else stay."""
    decomposed = unicodedata.normalize("NFD", text.translate(_DOTLESS))
    return nfc("".join(character for character in decomposed if not unicodedata.combining(character)))


def typed(question: str, form: str) -> str:
    """*question* in one of FORMS; of "half" every second syllable by chance, the same ones in every run."""
    composed = nfc(question)
    if form == "NFC":
        return composed
    if form == "NFD":
        return unicodedata.normalize("NFD", question)
    if form == "stripped":
        return strip_accents(composed)
    if form == "half":
        chance = random.Random(zlib.crc32(composed.encode()))
        parts = re.split(r"(\s+)", composed)
        return "".join(strip_accents(part) if part.strip() and chance.random() < 0.5 else part for part in parts)
    raise ValueError(f"unknown form {form!r}")
