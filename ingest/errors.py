"""Why a file cannot be taken in. ``message_vi`` is for the person who gave it, ``str()`` for the operator's log."""

from __future__ import annotations

__all__ = [
    "BrokenFileError",
    "ClassifiedDocumentError",
    "EmptyFileError",
    "EncodingError",
    "IngestError",
    "ProtectedFileError",
    "TooLargeError",
    "UnreadableFileError",
    "UnsupportedFormatError",
]

ACCEPTED = "văn bản thuần (.txt), Markdown (.md) và Word (.docx)"


class IngestError(Exception):
    """A file that cannot become a document. Nothing of it is kept."""

    def __init__(self, message: str, message_vi: str) -> None:
        super().__init__(message)
        self.message_vi = message_vi


class UnreadableFileError(IngestError):
    """The file is missing, is a folder, or may not be read."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cannot read the file: {reason}",
            "Không mở được tệp này. Xin kiểm tra đường dẫn và quyền đọc tệp.",
        )


class UnsupportedFormatError(IngestError):
    """A format that is not accepted (PDF, the old Word format, pictures, …)."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"unsupported format: {found}; accepted are plain text (.txt), Markdown (.md) and Word (.docx)",
            f"Chưa đọc được tệp dạng {found}. Xin gửi {ACCEPTED}.",
        )


class EmptyFileError(IngestError):
    """No bytes, or nothing but blanks."""

    def __init__(self) -> None:
        super().__init__("the file contains no text", "Tệp này không có chữ nào. Xin kiểm tra lại tệp.")


class BrokenFileError(IngestError):
    """The file is not what its name says, or is damaged."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"broken file: {reason}",
            "Tệp này bị hỏng hoặc không đúng định dạng. Xin mở lại bằng chương trình đã tạo ra tệp rồi lưu lại.",
        )


class ProtectedFileError(IngestError):
    """A Word file that opens only with a password."""

    def __init__(self) -> None:
        super().__init__(
            "the file is protected by a password",
            "Tệp này được đặt mật khẩu. Xin bỏ mật khẩu rồi gửi lại.",
        )


class TooLargeError(IngestError):
    """The file, or what it unpacks to, is over the limit."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"too large: {size} bytes, the limit is {limit}",
            f"Tệp này quá lớn (giới hạn {limit // 1_000_000} MB). Xin chia nhỏ tệp rồi gửi lại.",
        )


class EncodingError(IngestError):
    """Bytes that are neither UTF-8 nor UTF-16 with a byte order mark."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"cannot decode the text: {reason}; accepted are UTF-8, and UTF-16 with a byte order mark",
            "Không đọc được bảng mã của tệp này. Xin lưu lại tệp với bảng mã UTF-8 rồi gửi lại.",
        )


class ClassifiedDocumentError(IngestError):
    """A document marked as a state secret in its head."""

    def __init__(self, mark: str) -> None:
        super().__init__(
            f"the document is marked as a state secret ({mark})",
            f"Văn bản đóng dấu “{mark}” không được đưa vào hệ thống này.",
        )
