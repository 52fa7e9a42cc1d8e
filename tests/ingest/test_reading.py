from __future__ import annotations

import hashlib
import io
import unicodedata
import zipfile
from pathlib import Path

import docx
import pytest

from ingest import (
    BrokenFileError,
    ClassifiedDocumentError,
    EmptyFileError,
    EncodingError,
    IngestError,
    ProtectedFileError,
    TooLargeError,
    UnreadableFileError,
    UnsupportedFormatError,
    read,
    reading,
)

TEXT = "Điều 1. Tên gọi\r\nHội có tên là Hội Thử Nghiệm.\n"


def write(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_keep_every_character(tmp_path: Path, encoding: str, form: str) -> None:
    text = unicodedata.normalize(form, TEXT)
    content = text.encode(encoding)
    source = read(write(tmp_path, "điều lệ.TXT", content))
    assert source.text == text
    assert source.format == "text"
    assert source.sha256 == hashlib.sha256(content).hexdigest()


def test_markdown_stays_as_it_is(tmp_path: Path) -> None:
    source = read(write(tmp_path, "a.md", b"# Hi\n\n**b**\n"))
    assert (source.format, source.text) == ("markdown", "# Hi\n\n**b**\n")


def test_docx_paragraphs_tables_and_nested_tables_in_order(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("Trước\tbảng")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text = "Số 05-NQ/ĐU"
    inner = table.cell(0, 1).add_table(rows=1, cols=1)
    inner.cell(0, 0).text = "Bảng trong"
    document.add_paragraph("Điều 1.").add_run(" Tên")
    path = tmp_path / "a.docx"
    document.save(str(path))
    source = read(path)
    assert [line for line in source.text.split("\n") if line] == [
        "Trước\tbảng",
        "Số 05-NQ/ĐU",
        "Bảng trong",
        "Điều 1. Tên",
    ]
    assert source.format == "docx"


def _error(path: Path) -> IngestError:
    with pytest.raises(IngestError) as caught:
        read(path)
    assert caught.value.message_vi
    return caught.value


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.txt", b"", EmptyFileError),
        ("a.docx", b"", EmptyFileError),
        ("a.txt", " \r\n\u00a0\t".encode(), EmptyFileError),
        ("a.txt", b"--- *** ...", EmptyFileError),
        ("a.pdf", b"%PDF-1.7", UnsupportedFormatError),
        ("a.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", UnsupportedFormatError),
        ("a.png", b"\x89PNG", UnsupportedFormatError),
        ("noname", b"abc", UnsupportedFormatError),
        ("a.txt", b"%PDF-1.7 abc", UnsupportedFormatError),
        ("a.docx", b"%PDF-1.7 abc", UnsupportedFormatError),
        ("a.docx", b"not a zip at all", BrokenFileError),
        ("a.docx", b"PK\x03\x04 cut off", BrokenFileError),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), ProtectedFileError),
        ("a.txt", b"abc\x00def", BrokenFileError),
        ("a.md", b"PK\x03\x04zip", BrokenFileError),
        ("a.txt", "Điều lệ".encode("cp1258", "replace"), EncodingError),
        ("a.txt", b"\xff\xfea\x00b", EncodingError),
        ("a.txt", "MẬT\nSố 1/QĐ".encode(), ClassifiedDocumentError),
        ("a.txt", unicodedata.normalize("NFD", "BAN X\nTuyệt mật\nĐiều 1. A\nb").encode(), ClassifiedDocumentError),
    ],
)
def test_files_that_cannot_be_taken(tmp_path: Path, name: str, content: bytes, expected: type[IngestError]) -> None:
    assert type(_error(write(tmp_path, name, content))) is expected


def test_words_about_secrets_are_no_mark(tmp_path: Path) -> None:
    text = "QUY CHẾ\nbảo vệ bí mật\n\nĐiều 1. Bí mật\nTài liệu Mật được giữ kín."
    assert read(write(tmp_path, "a.txt", text.encode())).text == text


def test_unsupported_format_names_what_is_accepted(tmp_path: Path) -> None:
    message = _error(write(tmp_path, "a.pdf", b"%PDF")).message_vi
    assert message == "Chưa đọc được tệp dạng .pdf. Xin gửi văn bản thuần (.txt), Markdown (.md) và Word (.docx)."


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert type(_error(tmp_path / "missing.txt")) is UnreadableFileError
    (tmp_path / "folder.txt").mkdir()
    assert type(_error(tmp_path / "folder.txt")) is UnreadableFileError


def test_zip_without_a_document_is_broken(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("hello.txt", "hi")
    assert type(_error(write(tmp_path, "a.docx", content.getvalue()))) is BrokenFileError


def test_zip_bomb(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 20_000_000)
    assert type(_error(write(tmp_path, "a.docx", content.getvalue()))) is TooLargeError


def test_large_file_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_BYTES", 10)
    assert type(_error(write(tmp_path, "a.txt", b"x" * 11))) is TooLargeError
