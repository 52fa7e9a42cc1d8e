"""Vietnamese text: one normalisation shared by every room and by the engine's components.

This module uses the standard library only, because the engine loads it in its own environment.
The linguistic pipeline (references, numbers, dates) is in ``core.text.spans``.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

__all__ = ["SYLLABLE", "fold", "nfc", "syllables", "unify_tones"]

SYLLABLE = re.compile(r"[^\W_]+")
"""A run of letters and digits: what Vietnamese writing separates by spaces and punctuation."""

_TONES = "\u0300\u0301\u0303\u0309\u0323"  # huyền sắc ngã hỏi nặng
_DOTLESS_D = str.maketrans({"đ": "d", "Đ": "D"})
# Old placement puts the tone on the glide: "hoá", "khoẻ", "Uỷ"; new placement on the main vowel: "hóa", "khỏe", "Ủy".
_OLD_TONE = re.compile(rf"([^\W\d_]*?)(o)([ae])([{_TONES}])(?![^\W\d_])", re.IGNORECASE)
_OLD_TONE_UY = re.compile(rf"(?<![qQ])(u)(y)([{_TONES}])(?![^\W\d_])", re.IGNORECASE)


def nfc(text: str) -> str:
    """Compose *text* (Unicode NFC): one code point for each Vietnamese letter."""
    return unicodedata.normalize("NFC", text)


def unify_tones(text: str) -> str:
    """Return *text* in NFC with the tone of open "oa", "oe", "uy" on the first vowel ("hóa", "khỏe", "Ủy").

    Both placements are correct Vietnamese; they are unified for comparison only, never in a quotation.
    """
    decomposed = unicodedata.normalize("NFD", text)
    decomposed = _OLD_TONE.sub(r"\1\2\4\3", decomposed)
    decomposed = _OLD_TONE_UY.sub(r"\1\3\2", decomposed)
    return nfc(decomposed)


@lru_cache(maxsize=65536)
def _fold_word(word: str) -> str:
    decomposed = unicodedata.normalize("NFD", word.lower().translate(_DOTLESS_D))
    return nfc("".join(c for c in decomposed if not unicodedata.combining(c)))


def fold(text: str) -> str:
    """Lower-case *text* without accents and with đ as d: "Điều lệ Đảng" gives "dieu le dang".

    NFC and NFD, both tone placements, and text typed without accents fold to the same string. Idempotent.
    """
    return " ".join(_fold_word(word) for word in text.split(" ")) if len(text) < 2000 else _fold_word.__wrapped__(text)


def syllables(text: str) -> list[str]:
    """Folded syllables and numbers of *text* in order, without punctuation: "Khoản 2, Điều 30" → khoan 2 dieu 30."""
    return SYLLABLE.findall(fold(text))
