"""Writes material of the shared data as files for tests and evaluation."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from core.text import fold

__all__ = ["AlqacArticle", "AlqacLaw", "official_layout", "write_alqac_laws"]

_HEAD = "QUỐC HỘI\n\nCỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\n"
_TYPES = ("Hiến pháp", "Bộ luật", "Luật")


class AlqacArticle(TypedDict):
    """*id* is the article's number, *text* its heading, a blank line and its body."""

    id: str
    text: str


class AlqacLaw(TypedDict):
    """*id* is the title: type and subject."""

    id: str
    articles: Sequence[AlqacArticle]


def official_layout(law: AlqacLaw) -> str:
    """One law as a text in the layout of an official document: head, type, subject, "Điều N. heading", body.

    The set has no numbers and dates, so the head has none. The articles' characters are kept as they are.
    """
    title = unicodedata.normalize("NFC", law["id"])
    kind = next(kind for kind in _TYPES if title.startswith(kind))
    subject = title[len(kind) :].strip()
    parts = [_HEAD, kind.upper(), *([subject.upper()] if subject else []), ""]
    parts.extend(f"Điều {article['id']}. {article['text'].strip()}\n" for article in law["articles"])
    return "\n".join(parts)


def write_alqac_laws(folder: Path, laws: Iterable[AlqacLaw]) -> list[Path]:
    """Write each law (``json.load`` of ALQAC's ``law.json``) as a UTF-8 text file into *folder*; the files, in order."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for law in laws:
        name = "_".join("".join(c if c.isalnum() else " " for c in fold(law["id"])).split())
        path = folder / f"{name}.txt"
        path.write_bytes(official_layout(law).encode())
        written.append(path)
    return written
