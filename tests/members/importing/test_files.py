"""Reading files: formats, encodings, headings, and whole files that are refused."""

from __future__ import annotations

import io
import struct
import zipfile
from datetime import date, datetime

import pytest

from members.importing import reading, tables, values, xlsx
from members.importing.columns import check_mapping, recognised
from members.importing.tables import ImportFileError
from members.importing.values import CellError
from tests.members.importing.files import GOOD, HEADINGS, Book, csv_file, csv_text, spreadsheet, with_entry

SHEET = "xl/worksheets/sheet1.xml"


def refused(content: bytes) -> str:
    """Why the file as a whole is refused."""
    try:
        sheet, header = reading.open_table(content)
        list(sheet.rows())
        problem = reading.no_header(header, unit_given=False)
    except ImportFileError as error:
        return error.code
    assert problem is not None
    return problem.code


# Encodings and separators


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("separator", [";", ",", "\t"])
def test_csv_is_read_in_every_encoding_with_every_separator(encoding: str, separator: str) -> None:
    sheet, header = reading.open_table(csv_text(separator=separator).encode(encoding))
    assert header.columns["name"] == 0
    assert [cells[0] for _, cells in sheet.rows()] == ["Họ và tên", "Trần Thị Thử", "Lê Văn Mẫu", "Đỗ Ví Dụ"]


def test_the_separator_that_a_file_announces_counts() -> None:
    sheet, header = reading.open_table(("sep=,\r\n" + csv_text(separator=",")).encode())
    assert (header.row, header.columns["unit"]) == (2, 6)
    assert next(number for number, cells in sheet.rows() if cells[0] == "Trần Thị Thử") == 3


@pytest.mark.parametrize("encoding", ["cp1258", "utf-16-le"])
def test_other_encodings_are_refused(encoding: str) -> None:
    text = "Họ và tên;Số thẻ\r\nTrần;1\r\n"
    content = text.encode(encoding, errors="replace")
    if encoding == "cp1258":
        content = text.encode("latin-1", errors="replace") + b"\xe9\xff"
    assert refused(content) == ("bad_encoding" if encoding == "cp1258" else "not_a_table")


def test_the_refusal_of_an_encoding_says_how_to_save() -> None:
    with pytest.raises(ImportFileError, match="UTF-8"):
        reading.open_table(b"H\xe4\xff;x\r\n")


# Headings


def test_headings_are_recognised_without_accents_and_case() -> None:
    found = recognised(["HO VA TEN", "so the dang vien (8 so)", "NGÀY, THÁNG, NĂM SINH", "Ma don vi", "card_number"])
    assert found == {"name": 0, "card_number": 1, "date_of_birth": 2, "unit_code": 3}


def test_headings_may_stand_below_a_merged_title() -> None:
    book = Book()
    book.sheet.merge_range("A1:I1", "DANH SÁCH HỘI VIÊN")
    book.sheet.merge_range("A2:I2", "Năm 2026")
    sheet, header = reading.open_table(book.rows([HEADINGS, *GOOD], first=3).content())
    assert header.row == 4
    assert [number for number, cells in sheet.rows() if cells[0] == "Trần Thị Thử"] == [5]


def test_headings_of_two_rows_are_joined() -> None:
    book = Book()
    book.sheet.merge_range("A1:A2", "Họ và tên")
    book.sheet.merge_range("B1:D1", "Ngày")
    for column, heading in enumerate(["sinh", "vào Đảng", "chính thức"], start=1):
        book.sheet.write_string(1, column, heading)
    book.sheet.merge_range("E1:E2", "Đơn vị")
    _, header = reading.open_table(book.rows([("Trần Thị Thử", "05/09/1985", "", "", "A1")], first=2).content())
    assert header.row == 2
    assert header.columns["date_of_birth"] == 1
    assert header.columns["joined_on"] == 2
    assert header.columns["official_on"] == 3


def test_a_name_may_take_two_columns() -> None:
    book = Book()
    book.sheet.merge_range("A1:B1", "Họ và tên")
    book.sheet.write_string(0, 2, "Đơn vị")
    _, header = reading.open_table(book.rows([("Trần Thị", "Thử", "A1")], first=1).content())
    assert header.name_columns == (0, 1)


def test_without_known_headings_there_is_no_header() -> None:
    assert refused(csv_file(headings=["a", "b", "c", "d", "e", "f", "g", "h", "i"])) == "no_header"
    assert refused(csv_file(headings=[*HEADINGS[:6], "x", *HEADINGS[7:]])) == "no_header"


def test_a_mapping_names_fields_and_headings() -> None:
    assert check_mapping({"name": " Tên A "}) == {"name": "Tên A"}
    for bad in ({}, {"nothing": "x"}, {"name": 3}, {"name": " "}):
        with pytest.raises(ImportFileError) as error:
            check_mapping(bad)
        assert error.value.code == "bad_mapping"


@pytest.mark.parametrize("twice", ["Ngày sinh", "NGAY SINH"])
def test_a_heading_that_stands_twice_is_refused(twice: str) -> None:
    """Which of the two columns counts would be a guess."""
    content = csv_file([(*row, "01/01/1990") for row in GOOD], [*HEADINGS, twice])
    with pytest.raises(ImportFileError, match="Có nhiều cột") as error:
        reading.open_table(content)
    assert error.value.code == "duplicate_column"
    notes = csv_file([(*row, "", "") for row in GOOD], [*HEADINGS, "Ghi chú", "Ghi chú"])
    assert reading.open_table(notes)[1].columns["unit"] == 6


def test_two_sheets_with_people_are_refused() -> None:
    """Only one would be taken in, and nobody told."""
    book = Book().rows([HEADINGS, *GOOD])
    second = book.book.add_worksheet("Chi bộ 2")
    second.write_row(0, 0, HEADINGS)
    second.write_row(1, 0, GOOD[0])
    with pytest.raises(ImportFileError, match="“Sheet1”, “Chi bộ 2”") as error:
        reading.open_table(book.content())
    assert error.value.code == "several_sheets"


def test_sheets_without_people_do_not_count() -> None:
    book = Book()
    book.sheet.write_string(0, 0, "Hướng dẫn")
    people = book.book.add_worksheet("Danh sách")
    people.write_row(0, 0, HEADINGS)
    people.write_row(1, 0, GOOD[0])
    book.book.add_worksheet("Mẫu trống").write_row(0, 0, HEADINGS)
    sheet, header = reading.open_table(book.content())
    assert (sheet.name, sheet.height, header.row) == ("Danh sách", 2, 1)


def test_empty_cells_with_a_format_do_not_count_as_columns() -> None:
    book = Book().rows([HEADINGS, *GOOD])
    for column in range(len(HEADINGS), 400):
        book.sheet.write_blank(1, column, None, book.day)
    sheet, header = reading.open_table(book.content())
    assert (sheet.height, len(header.columns)) == (4, len(HEADINGS))
    book = Book().rows([HEADINGS, *GOOD])
    book.sheet.write_string(1, 400, "x")
    assert refused(book.content()) == "too_many_columns"


def test_a_quote_that_is_never_closed_is_refused() -> None:
    """It would make one cell of all the rows below it."""
    text = csv_text().replace("Trần Thị Thử", '"Trần Thị Thử')
    with pytest.raises(ImportFileError, match="dòng 2 ") as error:
        reading.open_table(text.encode())
    assert error.value.code == "unclosed_quote"
    reading.open_table(csv_text().replace("Trần Thị Thử", '"Trần Thị\nThử"').encode())


# Whole files


@pytest.mark.parametrize("content", [b"", b"   \r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    assert refused(content) == "empty_file"


def test_too_large_a_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST_FILE", 10)
    assert refused(csv_file()) == "too_large"


@pytest.mark.parametrize("content", [b"%PDF-1.7\n\x00\x01", b"\x89PNG\r\n\x1a\n\x00\x00", xlsx.OLE + bytes(600)])
def test_what_is_no_table_is_refused(content: bytes) -> None:
    assert refused(content) == "not_a_table"


def test_an_archive_that_is_no_spreadsheet_is_refused() -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("readme.txt", "x")
    assert refused(made.getvalue()) == "not_a_table"


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_a_damaged_spreadsheet_is_refused(cut: float) -> None:
    content = spreadsheet()
    assert refused(content[: int(len(content) * cut)]) == "corrupt"


def test_a_sheet_that_is_no_xml_is_refused() -> None:
    assert refused(with_entry(spreadsheet(), SHEET, b"<worksheet><sheetData><row r='1'><c")) in (
        "corrupt",
        "empty_file",
    )


def test_an_encrypted_spreadsheet_is_refused() -> None:
    assert refused(xlsx.OLE + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(600)) == "encrypted"


def test_a_zip_bomb_is_refused() -> None:
    assert refused(with_entry(spreadsheet(), SHEET, b"<worksheet>" + b" " * (40 << 20))) == "zip_bomb"


def test_a_zip_bomb_that_lies_about_its_size_is_refused() -> None:
    content = bytearray(with_entry(spreadsheet(), SHEET, b"<worksheet>" + b" " * (40 << 20)))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        size = archive.getinfo(SHEET).file_size
    said = struct.pack("<I", size)
    assert content.count(said) == 2  # once in the local header, once in the directory
    assert refused(bytes(content).replace(said, struct.pack("<I", 1000))) == "zip_bomb"


def test_a_cell_in_the_farthest_corner_is_refused() -> None:
    far = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>%s</sheetData></worksheet>'
    column = b'<row r="1"><c r="A1"><v>1</v></c><c r="XFD1"><v>1</v></c></row>'
    row = b'<row r="1"><c r="A1"><v>1</v></c></row><row r="2"><c r="B1048576"><v>1</v></c></row>'
    assert refused(with_entry(spreadsheet(), SHEET, far % column)) == "too_many_columns"
    assert refused(with_entry(spreadsheet(), SHEET, far % row)) == "too_many_rows"


def test_entities_are_refused() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><workbook>&a;</workbook>'
    assert refused(with_entry(spreadsheet(), "xl/workbook.xml", bomb)) == "corrupt"


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables.MOST_ROWS < 1_000_000
    monkeypatch.setattr("members.importing.xlsx.MOST_ROWS", 3)
    monkeypatch.setattr("members.importing.delimited.MOST_ROWS", 3)
    assert refused(spreadsheet()) == "too_many_rows"
    assert refused(csv_file()) == "too_many_rows"


def test_a_million_rows_of_text_are_refused() -> None:
    assert refused(b"a;b\n" * 1_000_001) == "too_many_rows"


# Cells


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("05/09/1985", date(1985, 9, 5)),
        ("5-9-1985", date(1985, 9, 5)),
        ("5.9.1985", date(1985, 9, 5)),
        ("1985-09-05", date(1985, 9, 5)),
        ("1985-09-05T00:00:00", date(1985, 9, 5)),
        ("1985-09-05 00:00:00", date(1985, 9, 5)),
        (" 05/09/1985\u200b ", date(1985, 9, 5)),
        (31295, date(1985, 9, 5)),
        (31295.0, date(1985, 9, 5)),
        ("31295", date(1985, 9, 5)),
        (date(1985, 9, 5), date(1985, 9, 5)),
        (datetime(1985, 9, 5, 10, 0), date(1985, 9, 5)),  # noqa: DTZ001 - as a spreadsheet has it
        ("", None),
        (None, None),
    ],
)
def test_dates_are_read(cell: tables.Cell, read: date | None) -> None:
    assert values.day(cell) == read


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("05/09/85", "two_digit_year"),
        ("5-9-05", "two_digit_year"),
        ("31/02/1985", "impossible_date"),
        ("05/13/1985", "impossible_date"),
        ("1985-00-10", "impossible_date"),
        ("năm 1985", "bad_date"),
        ("1985", "bad_date"),
        (1985, "bad_date"),
        (1985.0, "bad_date"),
        ("9/1985", "bad_date"),
        (True, "bad_date"),
        (10**9, "bad_date"),
    ],
)
def test_other_dates_are_problems(cell: tables.Cell, code: str) -> None:
    with pytest.raises(CellError) as error:
        values.day(cell)
    assert error.value.code == code
    assert not any(letter in str(error.value) for letter in ["85", str(cell)]) or code in ("two_digit_year", "bad_date")


def test_numbers_that_excel_stored_as_numbers_get_their_zeros_back() -> None:
    assert values.card_number(123456.0) == "00123456"
    assert values.citizen_number(1085000001.0) == "001085000001"
    assert values.citizen_number(12345678.0) == "012345678"
    assert values.phone(912000001.0) == "0912000001"
    assert values.card_number('="00123456"') == "00123456"
    for read, cell in (
        (values.card_number, "123456"),
        (values.citizen_number, "1085000001"),
        (values.phone, "912000001"),
    ):
        with pytest.raises(CellError):
            read(cell)


def test_words_for_status_and_exempt() -> None:
    assert [values.status(cell) for cell in ("Chính thức", "DU BI", "dự bị ", "", None)] == [
        "official", "probationary", "probationary", None, None,
    ]  # fmt: skip
    assert [values.yes(cell) for cell in ("x", "Có", "không", "", True, 1.0, 0.0)] == [
        True,
        True,
        False,
        False,
        True,
        True,
        False,
    ]
    for read in (values.status, values.yes):
        with pytest.raises(CellError):
            read("chưa rõ")
