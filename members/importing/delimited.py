"""Text with separators: UTF-8 with or without its mark, UTF-16 with its mark; ``;``, ``,`` or tab."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from itertools import islice

from members.importing.columns import recognised
from members.importing.tables import MOST_COLUMNS, MOST_ROWS, Cell, ImportFileError, Sheet, too_many_rows
from members.importing.xlsx import not_a_table

_SEPARATORS = ";,\t"
_LOOKED_AT = 20
_ANNOUNCED = "sep="
_TOO_LONG, _OPEN = "field larger than field limit", "unexpected end of data"
"""What the csv module says of a cell that never ends."""


def sheet(content: bytes) -> Sheet:
    """The table. Errors: ImportFileError."""
    text = _decoded(content)
    if text.count("\n") > 2 * MOST_ROWS:  # cells may hold line ends, but not that many
        raise too_many_rows()
    separator = _separator(text)

    def rows() -> Iterator[tuple[int, list[Cell]]]:
        try:
            number = 0
            for number, cells in enumerate(csv.reader(io.StringIO(text, newline=""), delimiter=separator), start=1):
                if number == 1 and cells and cells[0].lower().startswith(_ANNOUNCED):
                    continue
                if len(cells) > MOST_COLUMNS:
                    raise ImportFileError(
                        "too_many_columns", f"Dòng {number} có hơn {MOST_COLUMNS} cột. Xin xem lại tệp."
                    )
                yield number, list(cells)
        except csv.Error as error:
            raise _unclosed_quote(number + 1) if _TOO_LONG in str(error) else not_a_table() from error

    height = sum(1 for _ in rows())
    if height > MOST_ROWS:
        raise too_many_rows()
    _check_quotes(text, separator)
    return Sheet(rows, height)


def _check_quotes(text: str, separator: str) -> None:
    """Refuse a text whose last record is still open at its end: it may have swallowed any number of rows."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    number = start = end = 0
    for number, _ in enumerate(reader, start=1):  # noqa: B007 - the last one counts
        start, end = end, reader.line_num
    last = islice(io.StringIO(text, newline=""), start, None)
    try:
        list(csv.reader(last, delimiter=separator, strict=True))
    except csv.Error as error:
        if _OPEN in str(error):
            raise _unclosed_quote(number) from error


def _unclosed_quote(number: int) -> ImportFileError:
    return ImportFileError(
        "unclosed_quote",
        f'Từ dòng {number} có dấu ngoặc kép (") mở mà không đóng, nên không phân biệt được các dòng sau. Xin sửa rồi nhập lại.',
    )


def _decoded(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        if b"\x00" in content[:4096]:
            raise not_a_table()
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise ImportFileError(
            "bad_encoding",
            "Tệp CSV không phải mã UTF-8 nên chữ tiếng Việt sẽ sai. Xin mở bằng Excel, chọn Lưu thành (Save As) và chọn"
            " “CSV UTF-8 (Comma delimited)”, hoặc lưu thành .xlsx, rồi nhập lại.",
        ) from error
    if "\x00" in text:
        raise not_a_table()
    return text


def _separator(text: str) -> str:
    """The separator with which most headings are recognised, or else that makes most columns."""
    first = text[:_ANNOUNCED_LENGTH].lower()
    if first.startswith(_ANNOUNCED) and first[len(_ANNOUNCED) :]:
        return text[len(_ANNOUNCED)]
    best, best_score = _SEPARATORS[0], (-1, -1)
    for separator in _SEPARATORS:
        try:
            rows = list(islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), _LOOKED_AT))
        except csv.Error:
            continue
        score = max(((len(recognised(row)), len(row)) for row in rows), default=(0, 0))
        if score > best_score:
            best, best_score = separator, score
    return best


_ANNOUNCED_LENGTH = len(_ANNOUNCED) + 1
