"""The content of a file as a table with its header, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from members.importing import delimited, xlsx
from members.importing.columns import Header, find_header
from members.importing.tables import LARGEST_FILE, ImportFileError, Sheet

_OF_PEOPLE = 3
"""Known columns from which a second sheet is taken for a list of people."""

Remembered = Callable[[str], Mapping[str, str] | None]


def check_size(content: bytes) -> None:
    """Refuse what is empty or too large before anything else is done with it. Errors: ImportFileError."""
    if not content.strip(b"\x00\r\n\t ") if len(content) < 1024 else False:
        raise ImportFileError("empty_file", "Tệp không có nội dung. Xin chọn tệp khác.")
    if len(content) > LARGEST_FILE:
        raise ImportFileError("too_large", "Tệp lớn hơn 64 MB. Xin chia thành nhiều tệp nhỏ hơn.")


def open_table(
    content: bytes, *, mapping: Mapping[str, str] | None = None, remembered: Remembered = lambda _: None
) -> tuple[Sheet, Header]:
    """The sheet that has headings, and them. Errors: ImportFileError.

    With headings of which none is known, the header has no columns: people choose them.
    """
    check_size(content)
    known: list[tuple[Sheet, Header]] = []
    unknown: tuple[Sheet, Header] | None = None
    for sheet in sheets(content):
        header = find_header(sheet, mapping=mapping, remembered=remembered)
        if header and header.columns:
            known.append((sheet, header))
        unknown = unknown or ((sheet, header) if header else None)
    if known:
        return _only(known)
    if mapping is not None:
        raise ImportFileError("bad_mapping", "Tệp không có đủ các tiêu đề cột mà bảng ghép cột nêu. Xin xem lại.")
    if unknown is None:
        raise ImportFileError("empty_file", "Tệp không có dòng nào. Xin chọn tệp khác.")
    return unknown


def _only(known: list[tuple[Sheet, Header]]) -> tuple[Sheet, Header]:
    """The one table with people. Errors: ImportFileError (several of them; a heading that stands twice).

    A list of units, or an empty form, may be in the file too.
    """
    filled = [one for one in known if one[0].height > one[1].row] or known[:1]
    sheet, header = max(filled, key=lambda one: len(one[1].columns))
    others = [
        one for one in filled if len(one[1].columns) >= _OF_PEOPLE or one[1].signature == header.signature
    ]  # fmt: skip
    if len(others) > 1:
        names = ", ".join(f"“{one[0].name}”" for one in others)
        raise ImportFileError(
            "several_sheets",
            f"Tệp có {len(others)} trang tính có danh sách: {names}. Xin gộp vào một trang, hoặc lưu mỗi trang thành một tệp.",
        )
    twice = header.twice(name_may_be_merged=bool(sheet.merged))
    if twice is not None:
        raise ImportFileError(
            "duplicate_column", f"Có nhiều cột “{twice}”. Xin giữ một cột, hoặc đổi tên cột không dùng rồi nhập lại."
        )
    return sheet, header


def sheets(content: bytes) -> Iterator[Sheet]:
    """The tables of a file, whatever its format. Errors: ImportFileError."""
    if content.startswith((xlsx.ZIP, xlsx.OLE)):
        yield from xlsx.sheets(content)
    else:
        yield delimited.sheet(content)


def no_header(header: Header, *, unit_given: bool) -> ImportFileError | None:
    """Why nothing can be imported with these columns; None when it can."""
    missing = header.missing(unit_given=unit_given)
    if not missing:
        return None
    wanted = " và ".join({"name": "“Họ và tên”", "unit": "“Đơn vị” (hoặc “Mã đơn vị”)"}[field] for field in missing)
    return ImportFileError(
        "no_header",
        f"Không tìm thấy cột {wanted}. Dòng tiêu đề cần có các cột như: Họ và tên, Số thẻ, Ngày sinh, Ngày vào Đảng, Đơn vị.",
    )
