"""The content of a file as a table with its header, whatever its format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from members.importing import delimited, xlsx
from members.importing.columns import Header, find_header
from members.importing.tables import LARGEST_FILE, ImportFileError, Sheet

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
    unknown: tuple[Sheet, Header] | None = None
    for sheet in _sheets(content):
        header = find_header(sheet, mapping=mapping, remembered=remembered)
        if header and header.columns:
            return sheet, header
        unknown = unknown or ((sheet, header) if header else None)
    if mapping is not None:
        raise ImportFileError("bad_mapping", "Tệp không có đủ các tiêu đề cột mà bảng ghép cột nêu. Xin xem lại.")
    if unknown is None:
        raise ImportFileError("empty_file", "Tệp không có dòng nào. Xin chọn tệp khác.")
    return unknown


def _sheets(content: bytes) -> Iterator[Sheet]:
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
