"""The demo documents: enough of them, marked as fictitious, read as meant; and the questions asked about them in tests."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import date
from typing import Any

import pytest

import ingest
from core.settings import ROOT
from ingest.model import ParsedDocument, Provision

DEMO = ROOT / "sotay" / "demo"
FILES = sorted(path for path in DEMO.iterdir() if path.suffix in {".txt", ".md"})
QUESTIONS = ROOT / "tests" / "data" / "demo_questions.jsonl"
BOARD = "Ban Chấp hành Hội Bạn đọc Sông Xanh"
FEES = "Quy định về hội phí và tài chính của Hội Bạn đọc Sông Xanh"
EXPECTED = {
    "01/2024/ĐL-HBĐSX": ("Điều lệ Hội Bạn đọc Sông Xanh", date(2024, 3, 15), date(2024, 4, 1), 44),
    "02/2021/QĐ-HBĐSX": (FEES, date(2021, 5, 10), date(2021, 6, 1), 13),
    "03/2024/QC-HBĐSX": (
        "Quy chế làm việc và sinh hoạt của chi hội thuộc Hội Bạn đọc Sông Xanh",
        date(2024, 9, 5),
        date(2024, 10, 1),
        19,
    ),
    "05/2025/QĐ-HBĐSX": (FEES, date(2025, 6, 20), date(2025, 7, 1), 20),
}
"""Number: title, date of issue, first day of effect, articles."""


@pytest.fixture(scope="module")
def parsed() -> dict[str, ParsedDocument]:
    found = [ingest.parse(ingest.read(path).text) for path in FILES]
    return {str(document.metadata.number): document for document in found}


@pytest.fixture(scope="module")
def questions() -> list[dict[str, Any]]:
    return [json.loads(line) for line in QUESTIONS.read_text(encoding="utf-8").splitlines()]


def articles(document: ParsedDocument) -> dict[str | None, Provision]:
    return {provision.number: provision for provision in document.root.walk() if provision.kind == "article"}


def test_each_is_read_as_meant(parsed: dict[str, ParsedDocument]) -> None:
    read = {
        number: (d.metadata.title, d.metadata.issued_on, d.metadata.effective_on, len(articles(d)))
        for number, d in parsed.items()
    }
    assert read == EXPECTED


def test_articles_count_on_from_one(parsed: dict[str, ParsedDocument]) -> None:
    for document in parsed.values():
        numbers = [int(str(number)) for number in articles(document)]
        assert numbers == list(range(1, len(numbers) + 1))


def test_one_replaces_another_and_only_that(parsed: dict[str, ParsedDocument]) -> None:
    relations = [(number, r.kind, r.number, r.issued_on) for number, d in parsed.items() for r in d.relations]
    assert relations == [("05/2025/QĐ-HBĐSX", "replaces", "02/2021/QĐ-HBĐSX", date(2021, 5, 10))]


def test_each_says_in_its_head_that_it_is_fictitious() -> None:
    for path in FILES:
        head = path.read_text(encoding="utf-8").split("Điều 1.")[0]
        assert head.count("VĂN BẢN HƯ CẤU, DÙNG ĐỂ MINH HỌA") == 1


def test_issuer_and_signer(parsed: dict[str, ParsedDocument]) -> None:
    read = {number: (d.metadata.issuer, d.metadata.signer) for number, d in parsed.items()}
    assert read == {
        "01/2024/ĐL-HBĐSX": ("Đại hội đại biểu Hội Bạn đọc Sông Xanh", "Nguyễn Thị Bến Sách"),
        "02/2021/QĐ-HBĐSX": (BOARD, "Trần Văn Giấy Dó"),
        "03/2024/QC-HBĐSX": (BOARD, "Nguyễn Thị Bến Sách"),
        "05/2025/QĐ-HBĐSX": (BOARD, "Nguyễn Thị Bến Sách"),
    }


def test_questions_are_many_distinct_and_half_without_accents(questions: list[dict[str, Any]]) -> None:
    texts = [str(question["question"]) for question in questions]
    bare = [text for text in texts if unicodedata.normalize("NFD", text).isascii() and "đ" not in text.lower()]
    assert len(texts) == len(set(texts)) == 93
    assert len(bare) == 46


def test_questions_point_at_clauses_that_decide(
    questions: list[dict[str, Any]], parsed: dict[str, ParsedDocument]
) -> None:
    for question in questions:
        (gold,) = question["relevant"]
        document = parsed[gold["document"]]
        article = articles(document)[gold["article"]]
        (clause,) = [child for child in article.children if child.number == question["clause"]]
        if question["decides"] is not None:
            assert document.text[clause.start : clause.end].count(question["decides"]) == 1
            assert re.match(r"\d", question["decides"]) is None
