"""Articles of real laws that were read one by one: their places, their clauses and points (no text is kept here)."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.text import fold
from ingest import ParsedDocument, parse, pieces, read
from tests.material import write_alqac_laws

CHECKED: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("articles_checked.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def laws(material: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each law's file under its key: the samples, and ALQAC's laws written in the official layout."""
    alqac = json.loads((material / "data" / "alqac2024" / "law.json").read_text(encoding="utf-8"))
    written = write_alqac_laws(tmp_path_factory.mktemp("laws"), alqac)
    return {path.stem: path for path in [*(material / "data" / "samples" / "laws").glob("*.txt"), *written]}


@cache
def _parsed(path: Path) -> ParsedDocument:
    return parse(read(path).text)


def test_at_least_two_hundred() -> None:
    assert len({(row["law"], row["article"]) for row in CHECKED}) == len(CHECKED) == 211


@pytest.mark.parametrize("law", sorted({row["law"] for row in CHECKED}))
def test_articles(laws: dict[str, Path], law: str) -> None:
    document = _parsed(laws[law])
    articles = {p.number: p for p in document.root.walk() if p.kind == "article"}
    rows = [row for row in CHECKED if row["law"] == law]
    found = [
        {
            "law": law,
            "article": row["article"],
            "start": article.start,
            "end": article.end,
            "sha256": hashlib.sha256(document.text[article.start : article.end].encode()).hexdigest(),
            "heading": [article.heading_start, article.heading_end],
            "parts": [[p.kind, p.number, p.start, p.end] for p in article.walk() if p is not article],
        }
        for row in rows
        for article in [articles[row["article"]]]
    ]
    assert found == rows


def test_nothing_is_lost_and_every_article_is_found(laws: dict[str, Path]) -> None:
    for path in laws.values():
        document = _parsed(path)
        assert "".join(document.text[start:end] for _, start, end in pieces(document.root)) == document.text
    counts = {
        key: sum(p.kind == "article" for p in _parsed(path).root.walk())
        for key, path in laws.items()
        if key.startswith(("bo_luat_92", "nghi_dinh_135", "thong_tu_09", "bo_luat_dan_su"))
    }
    assert sorted(counts.values()) == [9, 13, 517, 689]


def test_titles_of_the_laws(laws: dict[str, Path], material: Path) -> None:
    alqac = json.loads((material / "data" / "alqac2024" / "law.json").read_text(encoding="utf-8"))
    titles = sorted(fold(_parsed(path).metadata.title) for key, path in laws.items() if "_20" not in key)
    assert titles == sorted(fold(law["id"]) for law in alqac)
