"""Titles and names printed in capitals, in their natural letter case."""

from __future__ import annotations

import re

from core.text import fold

__all__ = ["natural_case"]

# Names that keep their capitals where the document itself does not show them in running text.
_NAMES = (
    "Việt Nam",
    "Hồ Chí Minh",
    "Đảng Cộng sản Việt Nam",
    "Cộng hòa xã hội chủ nghĩa Việt Nam",
    "Trung ương",
    "Quốc hội",
    "Chính phủ",
    "Nhà nước",
    "Đảng",
    "UBND",
    "MTTQ",
)
_NAME_PATTERNS = tuple((re.compile(rf"\b{name}\b", re.IGNORECASE), name) for name in _NAMES)


_VOWEL = re.compile("[aeiouy]")  # BCH, ĐH, TNCS have none


def natural_case(words: str, text: str, *, before: str = "") -> str:
    """*words* (NFC) in natural case; unchanged unless all in capitals.

    The case is that of the same words in the running *text* (NFC), after *before* if they stand so; otherwise
    sentence case with a few well-known names.
    """
    if not words.isupper():
        return words
    pattern = r"\s+".join(re.escape(word) for word in words.split())
    for context in ([re.escape(before).replace(r"\ ", r"\s+") + r"\s+"] if before else []) + [""]:
        for match in re.finditer(f"{context}({pattern})", text, re.IGNORECASE):
            found = " ".join(match.group(1).split())
            if not found.isupper():
                return found[0].upper() + found[1:]
    kept = [word.lower() if _VOWEL.search(fold(word)) else word for word in words.split(" ")]
    sentence = " ".join(kept)
    sentence = sentence[0].upper() + sentence[1:]
    for name_pattern, name in _NAME_PATTERNS:
        sentence = name_pattern.sub(name, sentence)
    return sentence
