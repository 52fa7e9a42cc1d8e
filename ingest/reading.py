"""A file's bytes to its text: plain text, Markdown and DOCX. No character is lost or changed."""

from __future__ import annotations

import codecs
import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import docx
from docx.oxml.ns import qn
from docx.oxml.xmlchemy import BaseOxmlElement

from core.text.aligned import Aligned
from ingest.errors import (
    BrokenFileError,
    ClassifiedDocumentError,
    EmptyFileError,
    EncodingError,
    ProtectedFileError,
    TooLargeError,
    UnreadableFileError,
    UnsupportedFormatError,
)
from ingest.model import Format, Source

__all__ = ["FORMATS", "MAX_BYTES", "read", "read_bytes"]

MAX_BYTES = 50_000_000
"""Largest file taken, in bytes."""
MAX_UNPACKED_BYTES = 300_000_000
"""Largest DOCX once unpacked, in bytes."""
MAX_RATIO = 200
"""Largest ratio of unpacked to packed size of a DOCX over 10 MB unpacked: ordinary ones stay under 40."""

FORMATS: dict[str, Format] = {
    ".txt": "text",
    ".text": "text",
    ".md": "markdown",
    ".markdown": "markdown",
    ".docx": "docx",
}

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_SIGNATURES: tuple[tuple[bytes, str], ...] = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "ảnh PNG"),
    (b"\xff\xd8\xff", "ảnh JPEG"),
    (b"GIF8", "ảnh GIF"),
    (b"II*\x00", "ảnh TIFF"),
    (b"MM\x00*", "ảnh TIFF"),
    (b"{\\rtf", "RTF"),
)
# Law on the protection of state secrets: the mark stands alone on a line of the head.
_SECRET = re.compile(r"^[ \t*_#|]*(?:do mat *: *)?((?:tuyet +|toi +)?mat)[ \t.*_|!]*$", re.IGNORECASE | re.MULTILINE)
_HEAD_CHARACTERS = 2_000


def read(path: Path) -> Source:
    """Read the file at *path*. Raises a subclass of :class:`IngestError` that says why it cannot be taken."""
    try:
        if not path.is_file():
            raise UnreadableFileError("no such file" if not path.exists() else "not a regular file")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise TooLargeError(size, MAX_BYTES)
        content = path.read_bytes()
    except OSError as error:
        raise UnreadableFileError(error.strerror or type(error).__name__) from error
    return read_bytes(content, path)


def read_bytes(content: bytes, path: Path) -> Source:
    """Turn *content* into a source; the format is that of *path*'s name, which need not exist (an upload)."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UnsupportedFormatError(suffix or "không có đuôi tệp")
    if len(content) > MAX_BYTES:
        raise TooLargeError(len(content), MAX_BYTES)
    if not content:
        raise EmptyFileError
    file_format = FORMATS[suffix]
    text = _docx_text(content) if file_format == "docx" else _decode(content)
    if not any(c.isalnum() for c in text):
        raise EmptyFileError
    if mark := _secret_mark(text):
        raise ClassifiedDocumentError(mark)
    return Source(path=path, format=file_format, text=text, sha256=hashlib.sha256(content).hexdigest())


def _secret_mark(text: str) -> str | None:
    head = Aligned(text[:_HEAD_CHARACTERS])
    match = _SECRET.search(head.plain)
    return head.slice(match.start(1), match.end(1)) if match else None


def _decode(content: bytes) -> str:
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            raise UnsupportedFormatError(name)
    if content.startswith(_OLE):
        raise UnsupportedFormatError("Word cũ (.doc)")
    if content.startswith(b"PK\x03\x04"):
        raise BrokenFileError("a packed file under the name of a text file")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    else:
        encoding = "utf-8-sig"
        if b"\x00" in content:
            raise BrokenFileError("binary content under the name of a text file")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise EncodingError(f"byte {error.start} is not valid {encoding}") from error
    if "\x00" in text:
        raise BrokenFileError("binary content under the name of a text file")
    return text


def _docx_text(content: bytes) -> str:
    for signature, name in _SIGNATURES:
        if content.startswith(signature):
            raise UnsupportedFormatError(name)
    if content.startswith(_OLE):
        if _ENCRYPTED in content:
            raise ProtectedFileError
        raise UnsupportedFormatError("Word cũ (.doc)")
    try:
        _check_unpacked_size(content)
        document = docx.Document(io.BytesIO(content))
        return "\n".join(_blocks(document.element.body))
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, SyntaxError, NotImplementedError, EOFError) as error:
        raise BrokenFileError(f"not a readable DOCX ({type(error).__name__}: {error})") from error


def _check_unpacked_size(content: bytes) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise ProtectedFileError
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > MAX_UNPACKED_BYTES or (unpacked > 10_000_000 and unpacked > MAX_RATIO * len(content)):
        raise TooLargeError(unpacked, MAX_UNPACKED_BYTES)


def _blocks(container: BaseOxmlElement) -> Iterator[str]:
    """The texts of *container*'s paragraphs and of its tables' cells, in the order of the body, nested ones too.

    Walks the XML because python-docx's block iterators leave out content controls and tracked insertions.
    """
    for child in container:
        if child.tag == qn("w:p"):
            yield _paragraph(child)
            for box in child.iter(qn("w:txbxContent")):  # text boxes stand after their paragraph
                if not any(a.tag == _FALLBACK for a in box.iterancestors()):
                    yield from _blocks(box)
        elif child.tag == qn("w:tbl") or child.tag in _TRANSPARENT:
            yield from _blocks(child)


_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
_TRANSPARENT = frozenset(qn(tag) for tag in ("w:tr", "w:tc", "w:sdt", "w:sdtContent", "w:ins", "w:customXml"))
_INLINE = frozenset(
    qn(tag) for tag in ("w:r", "w:hyperlink", "w:ins", "w:sdt", "w:sdtContent", "w:smartTag", "w:fldSimple")
) | {qn("w:customXml"), qn("w:moveTo")}
_CHARACTERS = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
    qn("w:softHyphen"): "\u00ad",
    qn("w:ptab"): "\t",
}


def _paragraph(element: BaseOxmlElement) -> str:
    """The words of a paragraph as shown: runs, links, fields, tracked insertions; not what was deleted."""
    parts: list[str] = []
    for child in element:
        if child.tag == qn("w:t"):
            parts.append(child.text or "")
        elif child.tag in _CHARACTERS:
            parts.append(_CHARACTERS[child.tag])
        elif child.tag in _INLINE:
            parts.append(_paragraph(child))
    return "".join(parts)
