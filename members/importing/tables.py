"""A file as rows of cells, whatever its format; and the reasons why a whole file is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

Cell = str | int | float | bool | date | datetime | time | timedelta | None
Row = tuple[int, list[Cell]]
"""The row's number in the file (the first is 1) and its cells."""

LARGEST_FILE = 64 * 1024 * 1024
MOST_ROWS = 500_000
"""More than the largest province has; a file beyond it is a mistake, or meant to harm."""
MOST_COLUMNS = 256


class ImportFileError(ValueError):
    """The file as a whole cannot be read. ``code`` says why; the message tells people what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ImportStateError(ValueError):
    """The import is not in the state for this."""


def too_many_rows() -> ImportFileError:
    """The refusal of a file with too many rows."""
    return ImportFileError(
        "too_many_rows",
        f"Tệp có hơn {MOST_ROWS:,} dòng.".replace(",", ".") + " Xin chia thành nhiều tệp nhỏ hơn rồi nhập lần lượt.",
    )


@dataclass(frozen=True)
class Merged:
    """A merged range; rows count from 1, columns from 0, both ends included."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass(frozen=True)
class Sheet:
    """A table: rows that can be gone through again and again."""

    rows: Callable[[], Iterator[Row]]
    height: int
    """The number of its last row: the measure of progress."""
    merged: list[Merged] = field(default_factory=list)
    valueless: frozenset[tuple[int, int]] = frozenset()
    """Cells (row from 1, column from 0) with a formula whose value is not in the file, or with an error value."""
    name: str = ""
    """Of the worksheet; text with separators has none."""
