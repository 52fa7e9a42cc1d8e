"""How provisions are numbered: values that can be compared, and the order of the lettered points."""

from __future__ import annotations

import re
from bisect import bisect_left

__all__ = ["POINT_LETTERS", "Value", "follows", "letter_value", "longest_increasing", "number_value", "roman_value"]

POINT_LETTERS = "abcdđefghijklmnopqrstuvwxyz"
"""Letters in the order of points (decree 30/2020/NĐ-CP: a b c d đ e g h …; f j w z are usually left out)."""

Value = tuple[int, int, int]
"""(number, inserted letter, inserted digit): 5 < 5a < 5b < 6; a < a1 < b."""

_NUMBER = re.compile(r"(\d+)([a-zđ]?)(\d*)")
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}
_MAX_GAP = 3


def number_value(number: str) -> Value | None:
    """The value of "5", "5a", "1b2" (any case, NFC); None for anything else."""
    match = _NUMBER.fullmatch(number.lower())
    if match is None:
        return None
    return int(match[1]), POINT_LETTERS.find(match[2]) + 1 if match[2] else 0, int(match[3] or 0)


def letter_value(letter: str) -> Value | None:
    """The value of "a", "đ", "a1" among points; None for anything else."""
    index = POINT_LETTERS.find(letter[:1])
    if index < 0 or not letter or (len(letter) > 1 and not letter[1:].isdecimal()):
        return None
    return index + 1, 0, int(letter[1:] or 0)


def roman_value(number: str) -> int | None:
    """The value of a Roman numeral in capitals; None if it is not one as it should be written (1–399)."""
    total = 0
    for char, following in zip(number, number[1:] + " ", strict=True):
        if char not in _ROMAN:
            return None
        value = _ROMAN[char]
        total += -value if _ROMAN.get(following, 0) > value else value
    return total if total > 0 and _to_roman(total) == number else None


def _to_roman(value: int) -> str:
    parts: list[str] = []
    for amount, letters in (
        (100, "C"),
        (90, "XC"),
        (50, "L"),
        (40, "XL"),
        (10, "X"),
        (9, "IX"),
        (5, "V"),
        (4, "IV"),
        (1, "I"),
    ):
        count, value = divmod(value, amount)
        parts.append(letters * count)
    return "".join(parts)


def follows(value: Value, last: Value | None, later: set[Value]) -> bool:
    """Whether *value* continues a list whose last number was *last* (None: at its beginning).

    The next number does, and an inserted one (5a); a small gap does if the expected number does not come *later*.
    """
    base = last[0] if last else 0
    if value[0] == base and last is not None:
        return value > last
    if value[0] == base + 1:
        return True
    return base + 1 < value[0] <= base + _MAX_GAP and (base + 1, 0, 0) not in later


def longest_increasing(values: list[Value]) -> list[int]:
    """Indices of a longest strictly increasing subsequence of *values*: what is out of order is no heading."""
    tails: list[Value] = []
    tail_indices: list[int] = []
    previous: list[int] = []
    for index, value in enumerate(values):
        place = bisect_left(tails, value)
        previous.append(tail_indices[place - 1] if place else -1)
        if place == len(tails):
            tails.append(value)
            tail_indices.append(index)
        elif value != tails[place]:
            tails[place] = value
            tail_indices[place] = index
    chain: list[int] = []
    index = tail_indices[-1] if tail_indices else -1
    while index >= 0:
        chain.append(index)
        index = previous[index]
    return chain[::-1]
