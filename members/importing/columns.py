"""Which column of a file holds which field: headings recognised without accents and case, a mapping chosen or remembered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, zip_longest

from core.text import syllables
from members.importing.tables import Cell, ImportFileError, Sheet

HEADINGS: dict[str, tuple[str, ...]] = {
    "name": (
        "ho va ten", "ho ten", "ho va ten dang vien", "ho ten dang vien", "ten dang vien", "ho va ten hoi vien",
        "ho ten hoi vien", "ten hoi vien", "ho va ten khai sinh", "ho ten khai sinh", "ho va chu dem", "ho va ten dem",
        "ho dem", "name", "full name", "fullname",
    ),
    "given_name": ("ten", "given name", "first name"),
    "card_number": (
        "so the", "so the dang", "so the dang vien", "so the hoi vien", "ma the", "the dang", "the dang vien",
        "so hieu the", "ma dang vien", "ma hoi vien", "card", "card number", "card no",
    ),
    "citizen_number": (
        "so cccd", "cccd", "so can cuoc", "can cuoc", "so can cuoc cong dan", "can cuoc cong dan", "so dinh danh",
        "so dinh danh ca nhan", "so cccd cmnd", "cccd cmnd", "so cmnd cccd", "cmnd cccd", "so cmnd", "cmnd",
        "citizen number", "citizen id", "citizen no", "citizen",
    ),
    "date_of_birth": (
        "ngay sinh", "ngay thang nam sinh", "sinh ngay", "ngay thang nam sinh", "nam sinh", "date of birth", "birth date",
        "birthday", "dob", "born", "born on",
    ),
    "joined_on": (
        "ngay vao dang", "ngay ket nap", "ngay ket nap dang", "ngay vao dang du bi", "ngay vao", "ngay vao hoi",
        "ngay thang nam vao dang", "ngay thang nam ket nap", "ngay gia nhap", "joined on", "joined", "date joined",
        "joining date", "join date", "date of joining",
    ),
    "official_on": (
        "ngay chinh thuc", "ngay vao dang chinh thuc", "ngay cong nhan chinh thuc", "ngay chuyen chinh thuc",
        "ngay thang nam chinh thuc", "ngay cong nhan dang vien chinh thuc", "official on", "official date",
        "date official", "date of official",
    ),
    "home_town": ("que quan", "nguyen quan", "home town", "hometown", "native place"),
    "unit": (
        "chi bo", "don vi", "ten don vi", "ten chi bo", "chi hoi", "chi bo sinh hoat", "don vi sinh hoat",
        "to chuc dang", "to chuc co so dang", "noi sinh hoat", "unit", "unit name", "branch",
    ),
    "unit_above": (
        "dang bo", "dang bo co so", "dang uy", "don vi cap tren", "don vi truc thuoc", "truc thuoc",
        "dang bo truc thuoc", "parent unit", "unit above",
    ),
    "unit_code": ("ma don vi", "ma chi bo", "ma chi hoi", "ma to chuc", "unit code"),
    "position": ("chuc vu", "chuc vu dang", "chuc danh", "chuc vu chi bo", "position", "function"),
    "phone": (
        "dien thoai", "so dien thoai", "sdt", "dt", "dien thoai di dong", "so dt", "so di dong", "di dong", "phone",
        "phone number", "mobile",
    ),
    "status": (
        "chinh thuc du bi", "du bi chinh thuc", "tinh trang", "trang thai", "loai dang vien", "dang vien", "loai",
        "dien dang vien", "status",
    ),
    "exempt": ("mien sinh hoat", "mien sinh hoat dang", "mien cong tac", "mien cong tac va sinh hoat", "mien", "exempt"),
}  # fmt: skip
"""Field → headings, folded, the likeliest first."""

_FIELD_OF = {heading: field for field, headings in HEADINGS.items() for heading in headings}
_BRACKETS = re.compile(r"\([^)]*\)")
_LOOKED_AT = 30
"""Rows among which the headings are."""

_ENOUGH = 2


@dataclass(frozen=True)
class Header:
    """Where the headings are and what they mean."""

    row: int
    headings: tuple[str, ...]
    """As the file has them, column by column."""
    columns: Mapping[str, int]
    """Field → column from 0."""
    name_columns: tuple[int, ...]
    """The columns that make the name together."""

    @property
    def mapping(self) -> dict[str, str]:
        """Field → heading."""
        return {field: self.headings[column] for field, column in self.columns.items()}

    @property
    def signature(self) -> str:
        """Of the headings."""
        return signature(self.headings)

    def twice(self, *, name_may_be_merged: bool) -> str | None:
        """A heading in use that other columns have too, so that nobody knows which one counts; None when all is clear."""
        keys = [key_of(heading) for heading in self.headings]
        for field, column in self.columns.items():
            merged_name = name_may_be_merged and field == "name"
            if keys.count(keys[column]) > 1 and not merged_name:
                return self.headings[column]
        return None

    def missing(self, *, unit_given: bool) -> list[str]:
        """Fields without which nothing can be imported."""
        lacking = [] if self.name_columns else ["name"]
        if not unit_given and not {"unit", "unit_code"} & set(self.columns):
            lacking.append("unit")
        return lacking


def key_of(heading: Cell) -> str:
    """A heading for comparison: without accents, case, punctuation and what stands in brackets."""
    return " ".join(syllables(_BRACKETS.sub(" ", heading))) if isinstance(heading, str) else ""


def signature(headings: Sequence[str]) -> str:
    """What tells kinds of files apart (SHA-256 of the folded headings in their order)."""
    return hashlib.sha256("\n".join(key_of(heading) for heading in headings).encode()).hexdigest()


def recognised(headings: Sequence[Cell]) -> dict[str, int]:
    """Field → column, for the headings that are known; of two for the same field the likelier counts."""
    found: dict[str, int] = {}
    rank: dict[str, int] = {}
    for column, heading in enumerate(headings):
        key = key_of(heading)
        field = _FIELD_OF.get(key)
        if field is None:
            continue
        place = HEADINGS[field].index(key)
        if field not in found or place < rank[field]:
            found[field], rank[field] = column, place
    return found


def find_header(
    sheet: Sheet, *, mapping: Mapping[str, str] | None, remembered: Callable[[str], Mapping[str, str] | None]
) -> Header | None:
    """The headings by *mapping* (field → heading), else as remembered, else as recognised; None when there are none.

    A header without fields means: there may be headings in this row, but they say nothing to us.
    """
    candidates = [(number, _headings(cells)) for number, cells in islice(sheet.rows(), _LOOKED_AT)]
    candidates += _of_two_rows(sheet, candidates)
    if mapping is not None:
        wanted = {key_of(heading) for heading in mapping.values()}
        return next((_mapped(sheet, *one, mapping) for one in candidates if wanted <= set(map(key_of, one[1]))), None)
    for number, headings in candidates:
        known = remembered(signature(headings)) if any(headings) else None
        if known and {key_of(heading) for heading in known.values()} <= set(map(key_of, headings)):
            return _mapped(sheet, number, headings, known)
    best = max(candidates, key=lambda one: (_score(one[1]), -one[0]), default=None)
    if best and _score(best[1]) >= _ENOUGH:
        return _header(sheet, *best, recognised(best[1]))
    likeliest = max(candidates, key=lambda one: (sum(map(bool, one[1])), -one[0]), default=None)
    return _header(sheet, *likeliest, {}) if likeliest and any(likeliest[1]) else None


def check_mapping(mapping: Mapping[str, object]) -> dict[str, str]:
    """*mapping* as field → heading. Errors: ImportFileError (bad_mapping)."""
    unknown = sorted(set(mapping) - set(HEADINGS))
    if unknown or not mapping or not all(isinstance(value, str) and value.strip() for value in mapping.values()):
        fields = ", ".join(HEADINGS)
        said = f" Không có trường {', '.join(unknown)}." if unknown else ""
        raise ImportFileError(
            "bad_mapping", f"Bảng ghép cột cần dạng trường → tiêu đề cột.{said} Các trường: {fields}."
        )
    return {field: str(heading).strip() for field, heading in mapping.items()}


def _headings(cells: Iterable[Cell]) -> list[str]:
    return [" ".join(cell.split()) if isinstance(cell, str) else "" for cell in cells]


def _score(headings: Sequence[str]) -> int:
    found = recognised(headings)
    return len(found) if {"name", "given_name"} & set(found) else 0


def _of_two_rows(sheet: Sheet, candidates: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
    """Headings of two rows: "Ngày" merged over "sinh" and "vào Đảng" gives "Ngày sinh" and "Ngày vào Đảng"."""
    made = []
    for (number, upper), (below, lower) in pairwise(candidates):
        spread = list(upper)
        wide = [m for m in sheet.merged if m.first_row == m.last_row == number and m.last_column > m.first_column]
        for merge in wide:
            for column in range(merge.first_column, min(merge.last_column + 1, len(spread))):
                spread[column] = upper[merge.first_column]
        if wide:
            both = zip_longest(spread, lower, fillvalue="")
            made.append((below, [f"{a} {b}".strip() for a, b in both]))
    return made


def _mapped(sheet: Sheet, number: int, headings: list[str], mapping: Mapping[str, str]) -> Header:
    keys = [key_of(heading) for heading in headings]
    return _header(sheet, number, headings, {field: keys.index(key_of(heading)) for field, heading in mapping.items()})


def _header(sheet: Sheet, number: int, headings: list[str], columns: dict[str, int]) -> Header:
    name = columns.get("name")
    parts: list[int] = []
    if name is not None:
        parts.append(name)
        for merge in sheet.merged:  # "Họ và tên" over two columns: family name and given name
            if merge.first_row <= number <= merge.last_row and merge.first_column == name:
                parts += [c for c in range(name + 1, merge.last_column + 1) if c not in columns.values()]
    if "given_name" in columns and columns["given_name"] not in parts:
        parts.append(columns["given_name"])
    return Header(number, tuple(headings), columns, tuple(parts))
