"""Printed words to a value: a number, a date, a text as it is kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from core.text import fold, nfc
from ekyc.ocr.base import Box, Word
from ekyc.templates import Template

DATES = ("date_of_birth", "joined_on", "official_on", "issued_on")
_EDGE = " .,:;-–—_|/\\'\"`~=*•·<>()[]{}!?“”‘’«»©®°"
DASHES = ("-", "–", "—", "−")
_NOISE = re.compile(r"[^\w\s,.\-/()'’&]+")
_LETTER_DIGITS = str.maketrans(
    {
        "O": "0",
        "o": "0",
        "Q": "0",
        "D": "0",
        "l": "1",
        "I": "1",
        "i": "1",
        "|": "1",
        "!": "1",
        "Z": "2",
        "z": "2",
        "S": "5",
        "s": "5",
        "B": "8",
        "b": "6",
        "g": "9",
        "q": "9",
    }
)
_NUMERIC = re.compile(r"(?<!\d)(\d{1,4})\s*[/\-.,\s]\s*(\d{1,2})\s*[/\-.,\s]\s*(\d{1,4})(?!\d)")
_ONE_DIGIT = re.compile(r"^\D*\d(?!\d)")
_DAY = re.compile(r"\d{1,2}[/\-.]\d{1,2}[/\-.]\d{2,4}")
_WORDED = re.compile(r"(\d{1,2})\s*(?:thang)\s*(\d{1,2})\s*(?:nam)\s*(\d{4})")
_TOGETHER = re.compile(r"(?<!\d)(\d{2})[1/7|.-]?(\d{2})[1/7|.-]?(\d{4})(?!\d)")
UNSURE = 0.5
"""What a value is worth that was only understood by replacing letters with digits or by guessing separators."""


@dataclass(frozen=True)
class Value:
    """What one view says of a field. ``words``: (text, confidence) in order; ``boxes``: one for each printed line.

    ``short``: a date whose first number has one digit; another may stand before it.
    """

    text: str
    confidence: float
    words: tuple[tuple[str, float], ...]
    boxes: tuple[Box, ...]
    short: bool = False


def read_value(name: str, lines: Sequence[Sequence[Word]], template: Template) -> Value | None:
    """The value of the field *name* in printed *lines*; None when there is nothing like it."""
    words = [word for line in lines for word in line]
    if not words:
        return None
    boxes = tuple(around(list(line)) for line in lines if line)
    if name == "card_number":
        return _number(words, boxes, template)
    if name in DATES:
        return _date(words, boxes, template)
    return _text(name, words, boxes)


def _number(words: Sequence[Word], boxes: tuple[Box, ...], template: Template) -> Value | None:
    joined = ""
    sure: list[float] = []
    worth = 1.0
    for word in words:
        if _DAY.search(word.text):  # a date is no number
            joined, sure, worth = "", [], 1.0
            continue
        digits = re.sub(r"[\s.,\-·:/]", "", word.text)
        if not digits.isdecimal():
            digits, worth = digits.translate(_LETTER_DIGITS), UNSURE
        if not digits.isdecimal():
            if joined:
                break
            worth = 1.0
            continue
        joined += digits
        sure.append(word.confidence)
        if template.number.fullmatch(joined):
            confidence = min(sure) * worth
            return Value(joined, confidence, ((joined, confidence),), boxes)
    return None


def _date(words: Sequence[Word], boxes: tuple[Box, ...], template: Template) -> Value | None:
    text = " ".join(word.text for word in words)
    sure = min((word.confidence for word in words if any(c.isdigit() for c in word.text)), default=0.0)
    for written, worth in ((text, 1.0), (text.translate(_LETTER_DIGITS), UNSURE)):
        day = parse_date(written, template.dates)
        if day:
            short = _ONE_DIGIT.search(written) is not None
            return Value(day.isoformat(), sure * worth, ((day.isoformat(), sure * worth),), boxes, short)
    if match := _TOGETHER.search(re.sub(r"\s", "", text)):
        day = _day(match.groups(), "dmy")
        if day:
            return Value(day.isoformat(), sure * UNSURE, ((day.isoformat(), sure * UNSURE),), boxes)
    return None


def parse_date(text: str, order: str = "dmy") -> date | None:
    """The first date written in *text*: 05/09/1960, 05-09-1960, 05.09.1960, "ngày 05 tháng 9 năm 1960"; None without one."""
    if match := _WORDED.search(re.sub(r"[.,]", " ", fold(text))):
        return _day(match.groups(), "dmy")
    for match in _NUMERIC.finditer(text):
        if day := _day(match.groups(), order):
            return day
    return None


def _day(parts: Sequence[str], order: str) -> date | None:
    named = dict(zip(order, parts, strict=True))
    if len(named["y"]) != 4 or len(named["m"]) > 2 or len(named["d"]) > 2:
        return None
    if not 1900 <= int(named["y"]) < 2100:
        return None
    try:
        return date(int(named["y"]), int(named["m"]), int(named["d"]))
    except ValueError:
        return None


def _dashes(text: str) -> str:
    return re.sub("[–—−]", "-", nfc(text))


def clean(text: str) -> str:
    """Printed text as it is kept: NFC, single spaces, without marks that are no part of it."""
    text = " ".join(_NOISE.sub(" ", _dashes(text)).split())
    text = re.sub(r"\s+([,.])", r"\1", text)
    text = re.sub(r"([,])(?=[^\s\d])", r"\1 ", text)
    stripped = text.strip(_EDGE)
    return (
        stripped + ")" if stripped.count("(") > stripped.count(")") and text.rstrip(".,; ").endswith(")") else stripped
    )


def _text(name: str, words: Sequence[Word], boxes: tuple[Box, ...]) -> Value | None:
    written = [(word.text.replace(";", ","), word.confidence) for word in words]
    kept = [(piece, sure) for text, sure in written for piece in clean_word(text)]
    for place in range(len(kept) - 1, 0, -1):
        if kept[place][0] == ",":  # read as a word of its own
            kept[place - 1 : place + 1] = [(kept[place - 1][0] + ",", kept[place - 1][1])]
    if name == "home_town":  # its parts are parted by commas: a full stop after a whole word is one
        last = len(kept) - 1
        kept = [(_comma(text) if place < last else text, sure) for place, (text, sure) in enumerate(kept)]
    if name == "full_name":
        kept = [(text.strip(".,-/()&"), sure) for text, sure in kept]
        kept = [(text, sure) for text, sure in kept if text]
    text = clean(" ".join(text for text, _ in kept))
    if sum(c.isalpha() for c in text) < 2:
        return None
    pieces = text.split(" ")
    if len(pieces) != len(kept):  # a mark at the edge was a word of its own
        lowest = min(sure for _, sure in kept)
        kept = [(piece, lowest) for piece in pieces]
    pairs = tuple((piece, sure) for piece, (_, sure) in zip(pieces, kept, strict=True))
    return Value(text, min(sure for _, sure in pairs), pairs, boxes)


def _comma(word: str) -> str:
    """*word* of a home town with the mark that can stand after it: none after a small word ("huyện"), a comma after a name."""
    if word[0].islower():
        return word.rstrip(".,;")
    return word[:-1] + "," if len(word) > 3 and word[-1] in ".;" and word[-2].islower() else word


def clean_word(text: str) -> list[str]:
    """The pieces of one read word that may stand in a value."""
    apart = re.sub(r"(?<=\w)-$", " -", _NOISE.sub(" ", _dashes(text)).strip())
    return [piece for piece in apart.split() if any(c.isalnum() for c in piece) or piece in ("-", "&", ",")]


def around(words: Sequence[Word]) -> Box:
    """The box around *words*."""
    boxes = np.array([word.box for word in words])
    left, top = boxes[:, :2].min(0).tolist()
    right, bottom = boxes[:, 2:].max(0).tolist()
    return (int(left), int(top), int(right), int(bottom))
