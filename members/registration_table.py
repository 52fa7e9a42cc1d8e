"""A report of registration figures as somebody typed it: its columns and figures, and what contradicts what in it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from fractions import Fraction

from core.text import syllables
from members.importing.tables import Cell, Row
from members.importing.values import numbers_columns
from members.names import clean, name_key

_HEADINGS: dict[str, tuple[str, ...]] = {
    "number": ("tt", "stt", "so tt", "so thu tu", "thu tu"),
    "name": ("dang bo", "don vi", "ten don vi", "ten dang bo", "dang bo truc thuoc", "dang bo don vi", "to chuc dang",
             "ten to chuc dang", "to chuc", "chi bo", "unit", "name"),
    "total": ("tong so", "tong", "tong so dang vien", "so dang vien", "tong so hoi vien", "tong dang vien", "total"),
    "newly_admitted": ("moi ket nap", "dang vien moi ket nap", "du bi", "dang vien du bi", "newly admitted"),
    "official": ("chinh thuc", "dang vien chinh thuc", "official"),
    "registered": ("da dang ky", "so da dang ky", "so dang vien da dang ky", "dang vien da dang ky", "registered"),
    "rate": ("ty le", "ty le phan tram", "phan tram", "ty le dang ky", "ty le da dang ky", "rate"),
    "not_registered": ("chua dang ky", "so chua dang ky", "so dang vien chua dang ky", "dang vien chua dang ky",
                       "not registered"),
    "rank": ("thu hang", "xep hang", "hang", "xep thu", "vi tri", "rank"),
}  # fmt: skip
"""Column → its headings, folded, words only ("Tỷ lệ (%)" is "ty le"; "kí" and "tỉ" count as "ký" and "tỷ")."""
_FIELDS = {heading: field for field, headings in _HEADINGS.items() for heading in headings}
_SPELLINGS = {"ki": "ky", "ti": "ty"}
COLUMN_NAMES = {
    "number": "TT",
    "name": "Đơn vị",
    "total": "Tổng số",
    "newly_admitted": "Mới kết nạp",
    "official": "Chính thức",
    "registered": "Đã đăng ký",
    "rate": "Tỷ lệ (%)",
    "not_registered": "Chưa đăng ký",
    "rank": "Xếp hạng",
}
"""Column → what people call it, in the order of the table."""
_REQUIRED = ("name", "total", "newly_admitted", "official", "registered")
_SUMS = frozenset({"tong", "tong so", "tong cong", "cong", "toan tinh", "toan dang bo", "toan dang bo tinh"})
"""Names of the line at the end of a table that sums it up."""

_BLANK = frozenset({"", "-", "–", "—", "x", "."})
_GROUPED = re.compile(r"\d{1,3}(?:([., \u00a0])\d{3})(?:\1\d{3})*")
_LARGEST = 1_000_000_000
MOST_ROWS = 2000
"""A report has a line for each unit of one level."""
_HEADING_ROWS = 20
"""Titles may stand above the headings, within this many rows."""
SUM_NUMBER = 0
"""The number of a printed line that sums up the others."""


@dataclass(frozen=True)
class Problem:
    """What is wrong in a row; the file's first row is 1. ``message`` is for the person who has the file."""

    row: int
    code: str
    message: str


@dataclass(frozen=True)
class ReportRow:
    """A unit's line as printed, rates in per cent."""

    row: int
    number: int
    """Of the unit in the report; ``SUM_NUMBER`` for the line that sums up the others."""
    name: str
    total: int
    newly_admitted: int
    official: int
    registered: int
    not_registered: int
    printed_rate: Decimal | None
    printed_rank: int | None

    @property
    def exact(self) -> Fraction | None:
        """Registered members of all, exactly; None of nobody."""
        return Fraction(self.registered, self.total) if self.total else None


class UnreadableReportError(ValueError):
    """The file has no table of figures, or rows whose figures cannot be read: nothing was taken from it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("Không đọc được bảng số liệu trong tệp. Xin sửa các dòng dưới đây rồi nhập lại.")
        self.problems = tuple(problems)


def read_rows(table: Iterable[Row]) -> list[ReportRow]:
    """The lines of a table given as (row in the file, cells). Errors: UnreadableReportError with all that is wrong."""
    rows: list[Row] = []
    for row, cells in table:
        if any(_text(cell) for cell in cells):
            rows.append((row, cells))
        if len(rows) > MOST_ROWS:
            message = f"Bảng có hơn {MOST_ROWS} dòng; đây có phải bảng số liệu theo đơn vị không? Xin xem lại tệp."
            raise UnreadableReportError([Problem(row, "too_many_rows", message)])
    start, columns = _headings(rows)
    problems: list[Problem] = []
    found: list[ReportRow] = []
    below = rows[start + 1 :]
    for row, cells in below[1:] if below and numbers_columns(below[0][1]) else below:
        reader = _Reader(row, cells, columns)
        line = reader.line(place=len(found) + 1)
        problems += reader.problems
        if line is not None:
            found.append(line)
    if not found and not problems:
        problems.append(Problem(rows[start][0], "no_rows", "Dưới dòng tiêu đề không có dòng số liệu nào."))
    if problems:
        raise UnreadableReportError(problems)
    return _as_per_cent(found)


def _headings(rows: Sequence[Row]) -> tuple[int, Mapping[str, int]]:
    """Which of *rows* has the headings, and the place of each column. Errors: UnreadableReportError."""
    best: tuple[int, dict[str, int]] = (0, {})
    for place, (row, cells) in enumerate(rows[:_HEADING_ROWS]):
        columns: dict[str, int] = {}
        for column, cell in enumerate(cells):
            field = _FIELDS.get(" ".join(_SPELLINGS.get(word, word) for word in syllables(_text(cell))))
            if field in columns:
                message = f"Có hai cột “{COLUMN_NAMES[field]}”. Xin giữ một cột."
                raise UnreadableReportError([Problem(row, "duplicate_column", message)])
            if field is not None:
                columns[field] = column
        if len(columns) > len(best[1]):
            best = (place, columns)
    start, columns = best
    row = rows[start][0] if rows else 1
    missing = [field for field in _REQUIRED if field not in columns]
    if missing:
        raise UnreadableReportError(
            [Problem(row, "missing_column", f"Thiếu cột “{COLUMN_NAMES[field]}”.") for field in missing]
        )
    return start, columns


class _Reader:
    """Reads the cells of one row and collects what cannot be read."""

    def __init__(self, row: int, cells: Sequence[Cell], columns: Mapping[str, int]) -> None:
        self.row, self.problems = row, list[Problem]()
        self._cells = {field: cells[column] if column < len(cells) else None for field, column in columns.items()}

    def line(self, *, place: int) -> ReportRow | None:
        """The row as a line; None when something in it cannot be read."""
        name = clean(_text(self._cells["name"]))
        of_sum = name_key(name or _text(self._cells.get("number"))) in _SUMS
        if of_sum:
            name = name or clean(_text(self._cells["number"]))
        if not name:
            self.problems.append(Problem(self.row, "missing_name", "Dòng này chưa có tên đơn vị."))
        number = SUM_NUMBER if of_sum else self._count("number", blank=place)
        counts = {field: self._count(field) for field in ("total", "newly_admitted", "official", "registered")}
        total, registered = counts["total"], counts["registered"]
        remaining = total - registered if total is not None and registered is not None else None
        not_registered = self._count("not_registered", blank=remaining)
        rate, rank = self._rate(), None if of_sum else self._count("rank", blank=None, optional=True)
        if self.problems:
            return None
        return ReportRow(
            row=self.row,
            number=number or 0,
            name=name,
            total=total or 0,
            newly_admitted=counts["newly_admitted"] or 0,
            official=counts["official"] or 0,
            registered=registered or 0,
            not_registered=not_registered or 0,
            printed_rate=rate,
            printed_rank=rank,
        )

    def _count(self, field: str, *, blank: int | None = None, optional: bool = False) -> int | None:
        """A whole number; *blank* is what an empty cell means, None with ``optional`` unset is a problem."""
        cell = self._cells.get(field)
        if _text(cell).lower() in _BLANK:
            if blank is None and not optional and not (field == "not_registered" and self.problems):
                self._bad(field)
            return blank
        value = parse_count(cell)
        if value is None:
            self._bad(field)
        return value

    def _rate(self) -> Decimal | None:
        cell = self._cells.get("rate")
        if _text(cell).lower() in _BLANK:
            return None
        value = parse_rate(cell)
        if value is None:
            self._bad("rate")
        return value

    def _bad(self, field: str) -> None:
        self.problems.append(
            Problem(self.row, "bad_number", f"Cột “{COLUMN_NAMES[field]}” phải là một số không âm (ví dụ: 1760).")
        )


def _text(cell: Cell) -> str:
    return "" if cell is None else str(cell).strip()


def parse_count(cell: Cell) -> int | None:
    """A whole number from 0: "1760", "27.525", "27 525", 1760.0; None for anything else."""
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return int(cell) if 0 <= cell <= _LARGEST and cell == int(cell) else None
    text = _text(cell)
    if _GROUPED.fullmatch(text):
        text = re.sub(r"\D", "", text)
    return int(text) if text.isascii() and text.isdigit() and int(text[:12]) <= _LARGEST else None


def parse_rate(cell: Cell) -> Decimal | None:
    """A rate with at most two decimals: "87", "87,5 %", "82.45%", 0.87; None for anything else."""
    if isinstance(cell, bool):
        return None
    text = repr(float(cell)) if isinstance(cell, int | float) else _text(cell).rstrip("%").strip().replace(",", ".")
    if not re.fullmatch(r"\d{1,4}(\.\d{1,20})?", text, re.ASCII):
        return None
    return Decimal(text)


def _as_per_cent(rows: list[ReportRow]) -> list[ReportRow]:
    """Spreadsheets keep "87 %" as 0.87: when all rates are such fractions, they are taken times 100; two decimals kept."""
    printed = [row.printed_rate for row in rows if row.printed_rate is not None]
    highest = max((row.exact or Fraction(0) for row in rows), default=Fraction(0))
    factor = 100 if printed and max(printed) <= 2 and highest > Fraction(4, 100) else 1
    return [
        row
        if row.printed_rate is None
        else ReportRow(**{**row.__dict__, "printed_rate": _hundredths(row.printed_rate * factor)})
        for row in rows
    ]


def _hundredths(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.01"), ROUND_HALF_UP)


def check(rows: Sequence[ReportRow]) -> list[Problem]:
    """What contradicts what in *rows*, by row; figures stay as they were printed."""
    units = [row for row in rows if row.number != SUM_NUMBER]
    problems = [problem for row in rows for problem in _check_row(row)]
    problems += _check_numbers(units)
    problems += _check_sums([row for row in rows if row.number == SUM_NUMBER], units)
    problems += [
        Problem(row.row, "rank_contradicts_rate", f"Thứ hạng in {row.printed_rank} trái với tỷ lệ đăng ký của đơn vị.")
        for row in contradicted_ranks(units)
    ]
    return sorted(problems, key=lambda problem: (problem.row, problem.code))


def _check_row(row: ReportRow) -> Iterator[Problem]:
    if row.registered > row.official:
        message = f"Số đã đăng ký ({row.registered}) nhiều hơn số chính thức ({row.official})."
        yield Problem(row.row, "registered_exceeds_official", message)
    if row.total != row.newly_admitted + row.official:
        message = f"Tổng số {row.total} không bằng mới kết nạp {row.newly_admitted} cộng chính thức {row.official}."
        yield Problem(row.row, "total_mismatch", message)
    if row.not_registered != row.total - row.registered:
        message = f"Chưa đăng ký {row.not_registered} không bằng tổng số {row.total} trừ đã đăng ký {row.registered}."
        yield Problem(row.row, "not_registered_mismatch", message)
    if row.printed_rate is not None and not _says(row.printed_rate, row.exact):
        computed = "không tính được" if row.exact is None else f"là {_shown(row.exact)} %"
        message = f"Tỷ lệ in {plain(row.printed_rate)} %, tính từ số liệu {computed}."
        yield Problem(row.row, "rate_mismatch", message)


def _says(printed: Decimal, exact: Fraction | None) -> bool:
    """Whether *printed* is *exact* in per cent, rounded or truncated to the decimals that are printed."""
    if exact is None:
        return printed == 0
    printed = printed.normalize()
    step = Decimal(1).scaleb(min(0, int(printed.as_tuple().exponent)))
    value = Decimal(exact.numerator) * 100 / Decimal(exact.denominator)
    return any(value.quantize(step, rounding) == printed for rounding in (ROUND_HALF_UP, ROUND_DOWN))


def _shown(exact: Fraction) -> str:
    return plain(_hundredths(Decimal(exact.numerator) * 100 / Decimal(exact.denominator)))


def plain(value: Decimal) -> str:
    """A rate as people write it, without zeros at its end: "87", "87,5"."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text).replace(".", ",")


def _check_numbers(units: Sequence[ReportRow]) -> Iterator[Problem]:
    numbers = Counter(row.number for row in units)
    names = Counter(name_key(row.name) for row in units)
    for row in units:
        if numbers[row.number] > 1:
            yield Problem(row.row, "duplicate_number", f"Số thứ tự {row.number} có ở nhiều dòng.")
        if names[name_key(row.name)] > 1:
            yield Problem(row.row, "duplicate_name", "Tên đơn vị này có ở nhiều dòng.")


def _check_sums(sums: Sequence[ReportRow], units: Sequence[ReportRow]) -> Iterator[Problem]:
    for row in sums:
        for field in ("total", "newly_admitted", "official", "registered", "not_registered"):
            expected = sum(getattr(unit, field) for unit in units)
            if getattr(row, field) != expected:
                message = (
                    f"Dòng tổng cộng: “{COLUMN_NAMES[field]}” in {getattr(row, field)}, cộng các dòng là {expected}."
                )
                yield Problem(row.row, "sum_mismatch", message)


def contradicted_ranks(units: Sequence[ReportRow]) -> list[ReportRow]:
    """The rows whose printed rank contradicts their rate.

    Two rows contradict each other when the one with the higher exact rate has the lower rank, or the same rank though
    the rates differ as printed. A row is named when some smallest set of rows, taken out, leaves no contradiction, and
    the row is in that set: of two neighbours in the wrong order both, of one unit far from its place that one alone.
    """
    ranked = [row for row in units if row.exact is not None and row.printed_rank is not None]
    ranked.sort(key=lambda row: (-(row.exact or 0), row.printed_rank, row.row))
    agrees = [[_agree(higher, lower) for lower in ranked] for higher in ranked]
    count = len(ranked)
    upto, onward = [1] * count, [1] * count
    for place in range(count):
        upto[place] += max((upto[other] for other in range(place) if agrees[other][place]), default=0)
    for place in reversed(range(count)):
        onward[place] += max((onward[other] for other in range(place + 1, count) if agrees[place][other]), default=0)
    longest = max(upto, default=0)
    in_some = [place for place in range(count) if upto[place] + onward[place] - 1 == longest]
    alone = Counter(upto[place] for place in in_some)
    kept = {place for place in in_some if alone[upto[place]] == 1}  # in every longest chain without a contradiction
    return sorted((row for place, row in enumerate(ranked) if place not in kept), key=lambda row: row.row)


def _agree(higher: ReportRow, lower: ReportRow) -> bool:
    """Whether the ranks of two rows fit their rates; *higher* has the higher rate, or the same and not the lower rank."""
    assert higher.printed_rank is not None
    assert lower.printed_rank is not None
    if higher.exact == lower.exact or higher.printed_rank < lower.printed_rank:
        return True
    same_as_printed = higher.printed_rate is not None and higher.printed_rate == lower.printed_rate
    return higher.printed_rank == lower.printed_rank and same_as_printed
