"""The types of documents: their names and the codes of their numbers."""

from __future__ import annotations

import re

from core.text import fold

__all__ = ["TYPES", "TYPE_IN_CAPITALS", "TYPE_PATTERN", "type_named"]

TYPES: tuple[str, ...] = (
    "Hiến pháp",
    "Bộ luật",
    "Luật",
    "Pháp lệnh",
    "Lệnh",
    "Nghị quyết liên tịch",
    "Thông tư liên tịch",
    "Nghị quyết",
    "Nghị định",
    "Thông tư",
    "Quyết định",
    "Quy định",
    "Quy chế",
    "Quy trình",
    "Hướng dẫn",
    "Chỉ thị",
    "Kết luận",
    "Điều lệ",
    "Kế hoạch",
    "Chương trình",
    "Thông báo",
    "Thông tri",
    "Tờ trình",
    "Báo cáo",
    "Công văn",
    "Đề án",
    "Phương án",
    "Nội quy",
    "Biên bản",
    "Văn bản hợp nhất",
    "Thể lệ",
    "Danh mục",
)
"""Names in their normal letter case, as they begin a title."""

_BY_FOLDED = {fold(name): name for name in TYPES}
TYPE_PATTERN = "(?:" + "|".join(sorted((name.replace(" ", "[ ]+") for name in _BY_FOLDED), key=len, reverse=True)) + ")"
"""Regular expression (folded, for use with IGNORECASE) that matches a type's name."""

TYPE_IN_CAPITALS = re.compile(TYPE_PATTERN.upper())
"""A line that is nothing but a type's name, in capitals without accents."""


def type_named(words: str) -> str | None:
    """The type whose name *words* is, in any case, with or without accents; None if it is none."""
    return _BY_FOLDED.get(" ".join(fold(words).split()))
