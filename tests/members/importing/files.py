"""Files to import, made in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Any

import xlsxwriter

HEADINGS = (
    "Họ và tên",
    "Số thẻ",
    "Số CCCD",
    "Ngày sinh",
    "Ngày vào Đảng",
    "Ngày chính thức",
    "Đơn vị",
    "Chính thức/dự bị",
    "Điện thoại",
)
GOOD = (
    (
        "Trần Thị Thử",
        "90000001",
        "999000000001",
        "05/09/1985",
        "02/03/2010",
        "02/03/2011",
        "A1",
        "Chính thức",
        "0912000001",
    ),
    ("Lê Văn Mẫu", "90000002", "999000000002", "6-9-1984", "2012-03-02", "", "Chi hội Ao Sen", "Dự bị", ""),
    (
        "Đỗ Ví Dụ",
        "90000003",
        "999000000003",
        "1983-10-07",
        "03/04/2009",
        "03/04/2010",
        "Hội huyện Đồng Mai / Chi hội Đầu Nguồn",
        "",
        "+84 912 000 003",
    ),
)


def csv_text(rows: Sequence[Sequence[str]] = GOOD, headings: Sequence[str] = HEADINGS, separator: str = ";") -> str:
    return "".join(separator.join(row) + "\r\n" for row in [headings, *rows])


def csv_file(rows: Sequence[Sequence[str]] = GOOD, headings: Sequence[str] = HEADINGS) -> bytes:
    return csv_text(rows, headings).encode()


def changed(**cells: str) -> tuple[str, ...]:
    """The first good row with other cells: ``changed(ngay_sinh="…")`` by place in HEADINGS."""
    places = {
        "name": 0, "card": 1, "citizen": 2, "born": 3, "joined": 4, "official": 5, "unit": 6, "status": 7, "phone": 8,
    }  # fmt: skip
    row = list(GOOD[0])
    for name, value in cells.items():
        row[places[name]] = value
    return tuple(row)


class Book:
    """A spreadsheet; ``content`` ends it."""

    def __init__(self) -> None:
        self._file = io.BytesIO()
        self.book = xlsxwriter.Workbook(self._file, {"in_memory": True})
        self.sheet = self.book.add_worksheet()
        self.day = self.book.add_format({"num_format": "dd/mm/yyyy"})

    def rows(self, rows: Sequence[Sequence[Any]], first: int = 0) -> Book:
        for place, row in enumerate(rows, start=first):
            for column, value in enumerate(row):
                if isinstance(value, date):
                    self.sheet.write_datetime(place, column, value, self.day)
                elif isinstance(value, str):
                    self.sheet.write_string(place, column, value)
                elif value is not None:
                    self.sheet.write(place, column, value)
        return self

    def content(self) -> bytes:
        self.book.close()
        return self._file.getvalue()


def spreadsheet(rows: Sequence[Sequence[Any]] = GOOD, headings: Sequence[str] = HEADINGS) -> bytes:
    return Book().rows([headings, *rows]).content()


def with_entry(content: bytes, name: str, replacement: bytes) -> bytes:
    """The spreadsheet with one entry of its archive replaced."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, replacement if info.filename == name else old.read(info))
    return made.getvalue()
