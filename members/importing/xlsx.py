"""Spreadsheets. What is in the archive is measured before a reader opens it.

A spreadsheet of a few kilobytes can unfold into gigabytes of text, or name one cell in the last row of the last column
and so make a reader lay out billions of empty ones. Every entry is therefore unpacked here once, in pieces and within
limits, and its rows and columns are counted; only then does calamine read it.
"""

from __future__ import annotations

import io
import posixpath
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree import ElementTree as ET

import python_calamine

from members.importing.tables import MOST_COLUMNS, MOST_ROWS, Cell, ImportFileError, Merged, Sheet, too_many_rows

LARGEST_UNPACKED = 512 * 1024 * 1024
HIGHEST_RATIO = 150
"""Unpacked to packed size; registers have 5 to 30, deflate can do 1,032."""
SMALL = 16 * 1024 * 1024
"""Unpacked bytes up to which the ratio does not matter."""
MOST_ENTRIES = 5000
_PIECE = 1 << 20
_LONGEST_ROW = 8 * 1024 * 1024
_MOST_CELLS = 24_000_000
"""Cells that a reader may lay out, empty ones included."""
_SMALL_XML = 4 * 1024 * 1024

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP = b"PK\x03\x04"

_ROW_END = re.compile(rb"</(?:\w+:)?row\s*>")
_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*?\sr\s*=\s*[\"'](\d{1,9})")
_VALUE = re.compile(rb"<(?:\w+:)?(?:v|is|f)\b")
_CELL = re.compile(rb"<(?:\w+:)?c[\s>]")
_FORMULA_OR_ERROR = re.compile(rb"<(?:\w+:)?f[\s>/]|\st\s*=\s*[\"']e[\"']")
_WHOLE_CELL = re.compile(rb"<(?:\w+:)?c\b([^>]*)>(.*?)</(?:\w+:)?c\s*>", re.DOTALL)
_REFERENCE = re.compile(rb"\sr\s*=\s*[\"']([A-Z]{1,4})(\d{1,9})[\"']")
_CACHED = re.compile(rb"<(?:\w+:)?(?:v|t)\b[^>]*>([^<]+)<")
_FAR = re.compile(rb"\sr\s*=\s*[\"'](?:[A-Z]{2,}\d|[A-Z]+\d{6,})")
"""A cell beyond column Z or row 99,999: looked at one by one."""


def _bomb() -> ImportFileError:
    return ImportFileError(
        "zip_bomb",
        "Tệp nén bung ra quá lớn nên bị từ chối. Xin mở bằng Excel, lưu lại thành tệp .xlsx mới rồi nhập lại.",
    )


def _corrupt() -> ImportFileError:
    return ImportFileError(
        "corrupt", "Tệp bị hỏng, không đọc được. Xin mở bằng Excel, lưu lại thành tệp .xlsx mới rồi nhập lại."
    )


def _encrypted() -> ImportFileError:
    return ImportFileError("encrypted", "Tệp có đặt mật khẩu. Xin bỏ mật khẩu, lưu lại rồi nhập lại.")


def not_a_table() -> ImportFileError:
    """The refusal of what is neither a spreadsheet nor text with separators."""
    return ImportFileError(
        "not_a_table", "Tệp không phải bảng tính Excel (.xlsx) hay CSV. Xin lưu lại theo một trong hai dạng đó."
    )


@dataclass
class _Measured:
    """A worksheet's extent, and its cells whose value is missing."""

    rows: int = 0
    columns: int = 0
    valueless: set[tuple[int, int]] = field(default_factory=set)


def sheets(content: bytes) -> Iterator[Sheet]:
    """The visible worksheets of a spreadsheet. Errors: ImportFileError."""
    if content.startswith(OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise _encrypted()
        measured: dict[str, _Measured] = {}
    elif content.startswith(ZIP):
        measured = _measure(content)
    else:
        raise not_a_table()
    try:
        yield from _read(content, measured)
    except python_calamine.PasswordError as error:
        raise _encrypted() from error
    except python_calamine.CalamineError as error:
        raise (_corrupt() if measured else not_a_table()) from error
    except ImportFileError:
        raise
    except BaseException as error:  # a panic of the reader is not an Exception
        if type(error).__name__ != "PanicException":
            raise
        raise _corrupt() from error


def _read(content: bytes, measured: dict[str, _Measured]) -> Iterator[Sheet]:
    with python_calamine.load_workbook(io.BytesIO(content)) as workbook:
        for about in workbook.sheets_metadata:
            visible = about.visible == python_calamine.SheetVisibleEnum.Visible
            if not visible or about.typ != python_calamine.SheetTypeEnum.WorkSheet:
                continue
            yield _sheet(workbook.get_sheet_by_name(about.name), measured.get(about.name, _Measured()))


def _sheet(source: python_calamine.CalamineSheet, measured: _Measured) -> Sheet:
    height = source.end[0] + 1 if source.end else 0
    if height > MOST_ROWS:
        raise too_many_rows()

    def rows() -> Iterator[tuple[int, list[Cell]]]:
        yield from enumerate(source.iter_rows(), start=1)

    merged = [Merged(first[0] + 1, first[1], last[0] + 1, last[1]) for first, last in source.merged_cell_ranges or []]
    return Sheet(rows, height, merged, frozenset(measured.valueless), source.name)


# What is in the archive


def _measure(content: bytes) -> dict[str, _Measured]:
    """The extents of the worksheets by name. Errors: ImportFileError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = {info.filename.lstrip("/"): info for info in archive.infolist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise _corrupt() from error
    if any(info.flag_bits & 1 for info in entries.values()):
        raise _encrypted()
    total = sum(info.file_size for info in entries.values())
    too_dense = total > SMALL and total > HIGHEST_RATIO * len(content)
    if len(entries) > MOST_ENTRIES or total > LARGEST_UNPACKED or too_dense:
        raise _bomb()
    if "xl/workbook.xml" not in entries:
        raise not_a_table()
    names = _sheet_names(content, entries)
    found: dict[str, _Measured] = {}
    for path, info in entries.items():
        measured = _Measured()
        if path in names:
            _measure_sheet(_unpacked(content, info), measured)
            found[names[path]] = measured
        else:
            for _ in _unpacked(content, info):
                pass
    return found


def _unpacked(content: bytes, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """The entry in pieces. An entry larger than it says is refused: readers differ in whom they believe."""
    header = content[info.header_offset : info.header_offset + 30]
    if len(header) < 30 or not header.startswith(ZIP):
        raise _corrupt()
    name_length, extra_length = struct.unpack("<HH", header[26:30])
    start = info.header_offset + 30 + name_length + extra_length
    packed = memoryview(content)[start : start + info.compress_size]
    if info.compress_type == zipfile.ZIP_STORED:
        if len(packed) != info.file_size:
            raise _corrupt()
        for place in range(0, len(packed), _PIECE):
            yield bytes(packed[place : place + _PIECE])
        return
    if info.compress_type != zipfile.ZIP_DEFLATED:
        raise _corrupt()
    inflate, size, waiting = zlib.decompressobj(-zlib.MAX_WBITS), 0, bytes(packed)
    try:
        while not inflate.eof:
            piece = inflate.decompress(waiting, _PIECE)
            waiting = inflate.unconsumed_tail
            size += len(piece)
            if size > info.file_size:
                raise _bomb()
            if not piece and not inflate.eof:
                raise _corrupt()
            yield piece
    except zlib.error as error:
        raise _corrupt() from error


def _sheet_names(content: bytes, entries: dict[str, zipfile.ZipInfo]) -> dict[str, str]:
    """Path of a worksheet in the archive → its name."""
    relations = {}
    if "xl/_rels/workbook.xml.rels" in entries:
        for element in _xml(content, entries["xl/_rels/workbook.xml.rels"]).iter():
            if element.tag.endswith("}Relationship"):
                target = element.get("Target", "")
                path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"xl/{target}")
                relations[element.get("Id")] = path
    names = {}
    for element in _xml(content, entries["xl/workbook.xml"]).iter():
        if element.tag.endswith("}sheet"):
            key = next((value for name, value in element.attrib.items() if name.endswith("}id")), None)
            if key in relations:
                names[relations[key]] = element.get("name", "")
    return names


def _xml(content: bytes, info: zipfile.ZipInfo) -> ET.Element:
    """A small part of the workbook. One with a document type is refused: entities unfold without end."""
    if info.file_size > _SMALL_XML:
        raise _bomb()
    text = b"".join(_unpacked(content, info))
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise _corrupt()
    try:
        return ET.fromstring(text)  # noqa: S314 - bounded, and without a document type
    except ET.ParseError as error:
        raise _corrupt() from error


def _measure_sheet(pieces: Iterator[bytes], measured: _Measured) -> None:
    """Count rows and columns that hold something. Errors: ImportFileError."""
    waiting, number = b"", 0
    for piece in pieces:
        *whole, waiting = _ROW_END.split(waiting + piece)
        if len(waiting) > _LONGEST_ROW:
            raise ImportFileError("too_many_columns", f"Có dòng quá dài (hơn {MOST_COLUMNS} cột). Xin xem lại tệp.")
        for part in whole:
            row = _ROW.search(part)
            number = int(row[1]) if row else number + 1
            if _VALUE.search(part):
                _measure_row(part, number, measured)
        if measured.columns > MOST_COLUMNS:
            raise ImportFileError(
                "too_many_columns", f"Bảng có hơn {MOST_COLUMNS} cột. Xin xóa các cột thừa rồi lưu lại."
            )
        if measured.rows > MOST_ROWS or measured.rows * measured.columns > _MOST_CELLS:
            raise too_many_rows()


def _measure_row(part: bytes, number: int, measured: _Measured) -> None:
    cells, far = len(_CELL.findall(part)), _FAR.search(part) is not None
    if cells > MOST_COLUMNS or far:  # cells that only have a format, up to the end of the sheet, are not laid out
        *_, last = _VALUE.finditer(part)
        part = part[: last.end()]
        cells = len(_CELL.findall(part))
    measured.rows = max(measured.rows, number)
    measured.columns = max(measured.columns, cells)
    if far:
        for letters, row in _REFERENCE.findall(part):
            measured.rows = max(measured.rows, int(row))
            measured.columns = max(measured.columns, _column(letters) + 1)
    if _FORMULA_OR_ERROR.search(part):
        for place, (attributes, inside) in enumerate(_WHOLE_CELL.findall(part)):
            reference = _REFERENCE.search(attributes)
            column = _column(reference[1]) if reference else place
            cached = _CACHED.search(inside)
            of_formula = _FORMULA_OR_ERROR.search(inside) is not None
            # Programs that write formulas without calculating them leave nothing there, or a 0.
            if _FORMULA_OR_ERROR.search(attributes) or (
                of_formula and (not cached or cached[1].strip() in (b"", b"0"))
            ):
                measured.valueless.add((number, column))


def _column(letters: bytes) -> int:
    """The place of a column: A is 0, AA is 26."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number - 1
