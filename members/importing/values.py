"""Cells as values: what a cell says, or what is wrong with it. Nothing is guessed, and no message repeats a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TypeVar

from core.text import fold
from members import particulars
from members.importing.tables import Cell
from members.names import clean
from members.particulars import OFFICIAL, PROBATIONARY

Value = TypeVar("Value")


class CellError(ValueError):
    """What is wrong with a cell."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


_CONTROL = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u2028-\u202e\u2060\ufeff]+")
_QUOTED_NUMBER = re.compile(r'="([^"]*)"')
"""How CSV keeps the zeros before a number from Excel."""
_FORMULA_SIGNS = ("=", "+", "-", "@")

_DAY_FIRST = re.compile(r"(\d{1,2})\s*([/.\-])\s*(\d{1,2})\s*\2\s*(\d{4}|\d{2})")
_YEAR_FIRST = re.compile(
    r"(\d{4})\s*([/.\-])\s*(\d{1,2})\s*\2\s*(\d{1,2})(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_TIME_AFTER = re.compile(r"\s+\d{1,2}:\d{2}(?::\d{2})?$")
_SERIAL = re.compile(r"\d{4,5}(?:\.\d+)?")
_EPOCH = date(1899, 12, 30)
"""Day 0 of spreadsheets, whose calendar has a 29 February 1900."""
_FIRST_SERIAL, _LAST_SERIAL = 3654, 80000
"""1910 to 2119; what is smaller may be a bare year."""

_COLUMN_NUMBER = re.compile(r"[(\[]?(\d{1,3})[)\]]?", re.ASCII)
_FEWEST_NUMBERED = 3

_OFFICIAL = {"chinh thuc", "ct", "dang vien chinh thuc", "hoi vien chinh thuc", "dvct", "official", "full"}
_PROBATIONARY = {
    "du bi", "db", "dang vien du bi", "dvdb", "moi ket nap", "hoi vien du bi", "probationary", "probation", "candidate",
}  # fmt: skip
_YES = {"x", "co", "1", "true", "yes", "y", "mien", "mien sinh hoat", "duoc mien", "dung", "v", "✓", "✔"}
_NO = {"", "khong", "0", "false", "no", "n", "khong mien", "sai", "-"}


def plain(cell: Cell) -> str:
    """The cell as text with single spaces, NFC, without control characters; whole numbers without a point."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        text = _CONTROL.sub(" ", cell).strip()
        quoted = _QUOTED_NUMBER.fullmatch(text)
        if quoted:
            return clean(quoted[1])
        if text.startswith("'") and text[1:].startswith(_FORMULA_SIGNS):
            text = text[1:]  # how our own export keeps text from being a formula
        return clean(text)
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)


def numbers_columns(cells: Sequence[Cell]) -> bool:
    """Whether a row below the headings only numbers the columns, as forms do: "1", "2", "3" or "(1)", "(2)", "(3)"."""
    found = [_COLUMN_NUMBER.fullmatch(text) for cell in cells if (text := plain(cell))]
    numbers = [int(one[1]) for one in found if one]
    consecutive = all(after == before + 1 for before, after in pairwise(numbers))
    return len(numbers) == len(found) >= _FEWEST_NUMBERED and consecutive


def is_formula_text(cell: Cell) -> bool:
    """Whether the cell holds the text of a formula in place of its value."""
    return isinstance(cell, str) and cell.lstrip().startswith("=") and not _QUOTED_NUMBER.fullmatch(cell.strip())


def text(cell: Cell, *, longest: int) -> str | None:
    """Free text. Errors: CellError (too_long)."""
    value = plain(cell)
    if len(value) > longest:
        raise CellError("too_long", f"Ô này dài quá {longest} chữ.")
    return value or None


def number(cell: Cell, *, least: int, width: int) -> str:
    """The digits of a number.

    A cell that a spreadsheet holds as a number has lost the zeros in front: they are put back when the number has at
    least *least* digits and fewer than *width*.
    """
    value = plain(cell)
    stored_as_number = isinstance(cell, (int, float)) and not isinstance(cell, bool)
    if stored_as_number and value.isdigit() and least <= len(value) < width:
        return value.zfill(width)
    return value


def card_number(cell: Cell) -> str | None:
    """A card number. Errors: CellError."""
    return _number(
        number(cell, least=1, width=8), particulars.card_number, "bad_card_number", "Số thẻ phải gồm đúng 8 chữ số."
    )


def citizen_number(cell: Cell) -> str | None:
    """A citizen number; stored as a number, 12 digits lose at most two zeros, the old 9 at most two. Errors: CellError."""
    value = number(cell, least=7, width=9)
    if len(value) != 9:
        value = number(cell, least=10, width=12)
    return _number(
        value,
        particulars.citizen_number,
        "bad_citizen_number",
        "Số CCCD phải gồm 12 chữ số (CMND cũ: 9 chữ số); nên để cột này ở dạng văn bản (Text).",
    )


def phone(cell: Cell) -> str | None:
    """A phone number. Errors: CellError."""
    value = number(cell, least=9, width=10)
    return _number(
        value, particulars.phone_number, "bad_phone", "Số điện thoại phải gồm 10 chữ số, bắt đầu bằng 0, mỗi ô một số."
    )


def _number(value: str, read: Callable[[str], str | None], code: str, message: str) -> str | None:
    if not value:
        return None
    found = read(value)
    if found is None:
        raise CellError(code, message)
    return found


def day(cell: Cell) -> date | None:
    """A date. Errors: CellError (two_digit_year, impossible_date, bad_date)."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return _of_serial(float(cell))
    value = plain(cell)
    if not value:
        return None
    first = _DAY_FIRST.fullmatch(_TIME_AFTER.sub("", value))
    if first:
        if len(first[4]) == 2:
            raise CellError("two_digit_year", "Năm chỉ có hai chữ số. Xin ghi đủ bốn chữ số, ví dụ 05/09/1985.")
        return _made(int(first[4]), int(first[3]), int(first[1]))
    year_first = _YEAR_FIRST.fullmatch(value)
    if year_first:
        return _made(int(year_first[1]), int(year_first[3]), int(year_first[4]))
    if _SERIAL.fullmatch(value):
        return _of_serial(float(value))
    raise _bad_date()


def _made(year: int, month: int, day_of_month: int) -> date:
    try:
        return date(year, month, day_of_month)
    except ValueError as error:
        raise CellError("impossible_date", "Không có ngày này trong lịch (cần ngày/tháng/năm).") from error


def _of_serial(serial: float) -> date:
    if not _FIRST_SERIAL <= serial <= _LAST_SERIAL:
        raise _bad_date()
    return _EPOCH + timedelta(days=int(serial))


def _bad_date() -> CellError:
    return CellError("bad_date", "Không đọc được ngày. Xin ghi đủ ngày/tháng/năm, ví dụ 05/09/1985.")


def status(cell: Cell) -> str | None:
    """Official or probationary. Errors: CellError (bad_status)."""
    value = " ".join(fold(plain(cell)).replace(".", " ").split())
    if not value:
        return None
    if value in _OFFICIAL:
        return OFFICIAL
    if value in _PROBATIONARY:
        return PROBATIONARY
    raise CellError("bad_status", "Chỉ ghi “Chính thức” hoặc “Dự bị”.")


def yes(cell: Cell) -> bool:
    """A cell that is ticked. Errors: CellError (bad_exempt)."""
    if isinstance(cell, bool):
        return cell
    value = fold(plain(cell))
    if value in _YES:
        return True
    if value in _NO:
        return False
    raise CellError("bad_exempt", "Chỉ ghi “x” nếu được miễn, hoặc để trống.")
