"""Rows as people: every problem of every row, within the file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from core import crypto
from members import particulars
from members.importing import values
from members.importing.columns import Header
from members.importing.tables import Cell, Sheet
from members.importing.values import CellError
from members.names import name_key
from members.particulars import LONGEST, OFFICIAL, PROBATIONARY, Private
from members.units import AmbiguousUnitError, UnknownUnitError

Resolve = Callable[[str], int]
"""Text → id of a unit within reach. Errors: UnknownUnitError, AmbiguousUnitError."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a row: the file's row, the heading of the column (None: the row), a code, Vietnamese words."""

    row: int
    column: str | None
    code: str
    message: str


@dataclass(slots=True)
class Person:
    """A row. What the file does not say is None."""

    row: int
    name: str = ""
    unit_id: int | None = None
    position: str | None = None
    status: str | None = None
    exempt: bool | None = None
    private: Private = field(default_factory=Private)
    card_hash: bytes | None = None
    citizen_hash: bytes | None = None
    person_hash: bytes | None = None
    good: bool = True

    @property
    def name_key(self) -> str:
        """The name folded."""
        return name_key(self.name)


_READERS: dict[str, Callable[[Cell], Any]] = {
    "card_number": values.card_number,
    "citizen_number": values.citizen_number,
    "phone": values.phone,
    "date_of_birth": values.day,
    "joined_on": values.day,
    "official_on": values.day,
    "home_town": lambda cell: values.text(cell, longest=LONGEST["home_town"]),
}


class Rows:
    """Goes through a sheet once; ``problems`` fills on the way."""

    def __init__(self, sheet: Sheet, header: Header, *, resolve: Resolve, unit_given: int | None, today: date) -> None:
        self._sheet, self._header, self._resolve, self._today = sheet, header, resolve, today
        self._unit_given = unit_given
        self._hash = crypto.hasher()
        self.problems: list[Problem] = []
        self.read = 0
        """Rows with something in them so far."""
        self._first: dict[str, dict[bytes, int]] = {"card": {}, "citizen": {}, "person": {}}
        self._columns = sorted({*header.columns.values(), *header.name_columns})
        self._merged = self._merged_cells()
        self._valueless: dict[int, list[int]] = {}
        for row, column in sorted(sheet.valueless):
            if column in self._columns:
                self._valueless.setdefault(row, []).append(column)

    def __iter__(self) -> Iterator[Person]:
        width = self._columns[-1] + 1
        for number, found in self._sheet.rows():
            if number <= self._header.row:
                continue
            cells = found if len(found) >= width else [*found, *[None] * (width - len(found))]
            if number not in self._merged and number not in self._valueless and self._is_blank(cells):
                continue
            if not self.read and values.numbers_columns(cells):
                continue
            self.read += 1
            yield self._person(number, cells)

    def _is_blank(self, cells: list[Cell]) -> bool:
        return not any(
            cell.strip() if isinstance(cell := cells[column], str) else cell is not None for column in self._columns
        )

    def say(self, person: Person, column: int | None, code: str, message: str) -> None:
        """Note a problem of *person*."""
        heading = self._header.headings[column] if column is not None else None
        self.problems.append(Problem(person.row, heading, code, message))
        person.good = False

    def say_of(self, person: Person, field: str, code: str, message: str) -> None:
        """Note a problem with a field of *person*."""
        self.say(person, self._header.columns.get(field), code, message)

    def _person(self, number: int, cells: list[Cell]) -> Person:
        person = Person(number)
        bad = self._unreadable(person, cells)
        self._name(person, cells, bad)
        self._unit(person, cells, bad)
        self._clear(person, cells, bad)
        known: dict[str, Any] = {}
        for name, read in _READERS.items():
            column = self._header.columns.get(name)
            if column is None or column in bad:
                continue
            try:
                known[name] = read(cells[column])
            except CellError as error:
                self.say(person, column, error.code, str(error))
        person.private = private = Private(**known)
        person.card_hash = particulars.card_hash(private, self._hash)
        person.citizen_hash = particulars.citizen_hash(private, self._hash)
        person.person_hash = particulars.person_hash(person.name, private, self._hash) if person.name else None
        for fault in particulars.faults(private, status=person.status or OFFICIAL, today=self._today):
            self.say_of(person, fault.field, fault.code, fault.message)
        self._duplicates(person)
        return person

    def _unreadable(self, person: Person, cells: list[Cell]) -> set[int]:
        """Columns whose cell says nothing: merged, or a formula without its value."""
        bad = set()
        for column in self._merged.get(person.row, ()):
            bad.add(column)
            self.say(person, column, "merged_cell", "Ô bị gộp với ô khác. Xin bỏ gộp ô và ghi riêng từng dòng.")
        formulas = self._valueless.get(person.row, [])
        for column in self._columns:
            if column not in bad and (column in formulas or values.is_formula_text(cells[column])):
                bad.add(column)
                self.say(
                    person, column, "formula_without_value",
                    "Ô chứa công thức mà không có kết quả. Xin dán lại thành giá trị (Paste Values).",
                )  # fmt: skip
        return bad

    def _merged_cells(self) -> dict[int, list[int]]:
        """Row → columns in which a data cell is merged with another."""
        found: dict[int, set[int]] = {}
        for merge in self._sheet.merged:
            columns = [c for c in self._columns if merge.first_column <= c <= merge.last_column]
            for row in range(max(merge.first_row, self._header.row + 1), min(merge.last_row, self._sheet.height) + 1):
                if columns:
                    found.setdefault(row, set()).update(columns)
        return {row: sorted(columns) for row, columns in found.items()}

    def _name(self, person: Person, cells: list[Cell], bad: set[int]) -> None:
        columns = self._header.name_columns
        if bad & set(columns):
            return
        try:
            parts = [values.text(cells[column], longest=LONGEST["name"]) for column in columns]
            name = " ".join(part for part in parts if part)
            if not any(letter.isalpha() for letter in name):
                self.say(person, columns[0], "missing_name", "Thiếu họ và tên.")
            else:
                person.name = name
        except CellError as error:
            self.say(person, columns[0], error.code, str(error))

    def _unit(self, person: Person, cells: list[Cell], bad: set[int]) -> None:
        columns = self._header.columns
        code, name, above = (columns.get(field) for field in ("unit_code", "unit", "unit_above"))
        used = [column for column in (code, name) if column is not None]
        if not used:
            person.unit_id = self._unit_given
            return
        if bad & set(used):
            return
        column = next((column for column in used if values.plain(cells[column])), None)
        if column is None:
            self.say(person, used[-1], "missing_unit", "Thiếu đơn vị.")
            return
        said = values.plain(cells[column])
        upper = values.plain(cells[above]) if above is not None and above not in bad and column != code else ""
        try:
            person.unit_id = self._resolved(said, upper)
        except UnknownUnitError as error:
            self.say(person, column, "unknown_unit", str(error))
        except AmbiguousUnitError as error:
            self.say(person, column, "ambiguous_unit", str(error))

    def _resolved(self, said: str, upper: str) -> int:
        if upper:
            try:
                return self._resolve(f"{upper} / {said}")
            except UnknownUnitError:  # the column above may be written otherwise; a name that is the only one will do
                pass
        return self._resolve(said)

    def _clear(self, person: Person, cells: list[Cell], bad: set[int]) -> None:
        columns = self._header.columns
        for name, read in (
            ("position", lambda cell: values.text(cell, longest=LONGEST["position"])),
            ("status", values.status),
            ("exempt", values.yes),
        ):  # type: tuple[str, Callable[[Cell], Any]]
            column = columns.get(name)
            if column is None or column in bad:
                continue
            try:
                setattr(person, name, read(cells[column]))
            except CellError as error:
                self.say(person, column, error.code, str(error))

    def _duplicates(self, person: Person) -> None:
        """The first row with a number counts, those after it are problems."""
        for kind, value, name, code, words in (
            ("card", person.card_hash, "card_number", "duplicate_card", "Số thẻ trùng với dòng"),
            ("citizen", person.citizen_hash, "citizen_number", "duplicate_citizen", "Số CCCD trùng với dòng"),
            ("person", person.person_hash, "name", "duplicate_person", "Cùng họ tên và ngày sinh với dòng"),
        ):
            if value is None:
                continue
            first = self._first[kind].setdefault(value, person.row)
            if first != person.row:
                self.say_of(person, name, code, f"{words} {first} của tệp.")


def status_of(person: Person, *, knows_official: bool) -> str:
    """The status of a new person when the file does not say it: by the official date, if the file has such a column."""
    if person.status:
        return person.status
    if person.private.official_on or not knows_official or person.private.joined_on is None:
        return OFFICIAL
    return PROBATIONARY
