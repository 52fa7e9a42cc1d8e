from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from knowledge.references import DocumentName, matching_words, named_documents, parse_references

Named = tuple[str, str | None, str | None, str | None, str | None]


def references(question: str) -> list[Named]:
    return [(r.article, r.clause, r.point, r.document_number, r.document_hint) for r in parse_references(question)]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("khoản 2 Điều 30 Điều lệ", [("30", "2", None, None, "Điều lệ")]),
        ("Điều 5 Quy định số 12-QĐ/HTN nói gì?", [("5", None, None, "12-QĐ/HTN", "Quy định số 12-QĐ/HTN")]),
        ("điểm đ khoản 1 điều 7 luật du lịch", [("7", "1", "đ", None, "luật du lịch")]),
        ("dieu 12 quy che tai chinh noi gi", [("12", None, None, None, "quy che tai chinh")]),
        ("Điều 5 quy định gì về hội phí?", [("5", None, None, None, None)]),
        ("Theo Điều lệ Hội, điều 5 nói gì?", [("5", None, None, None, "Điều lệ Hội")]),
        ("quy che tai chinh dieu 12 khoan 3", [("12", "3", None, None, "quy che tai chinh")]),
        ("Luật Phòng, chống ma túy điều 3", [("3", None, None, None, "Luật Phòng, chống ma túy")]),
        (
            "Điều 5 và Điều 7 Luật Cư trú",
            [("5", None, None, None, "Luật Cư trú"), ("7", None, None, None, "Luật Cư trú")],
        ),
        (
            "so sánh Điều 5 Luật Cư trú với Điều 7 Luật Du lịch",
            [("5", None, None, None, "Luật Cư trú"), ("7", None, None, None, "Luật Du lịch")],
        ),
        ("nghị định 135/2020 điều 4 quy định thế nào", [("4", None, None, "135/2020", "nghị định 135/2020")]),
        ("Điều 5 Luật này", [("5", None, None, None, None)]),
        ("theo điều 4 thì hội viên phải làm gì", [("4", None, None, None, None)]),
        ("điều lệ có mấy điều?", []),
        ("điều kiện vào hội", []),
        ("khoản 2 bao nhiêu tiền", []),
        ("🎉 <b>/start</b>", []),
        ("", []),
    ],
)
def test_references(question: str, expected: list[Named]) -> None:
    assert references(question) == expected


def test_offsets_and_decomposed_letters() -> None:
    question = unicodedata.normalize("NFD", "Xem điểm đ khoản 1 Điều 5 nhé")
    (reference,) = parse_references(question)
    assert (reference.article, reference.clause, reference.point) == ("5", "1", "đ")
    assert unicodedata.normalize("NFC", question[reference.start : reference.end]) == "điểm đ khoản 1 Điều 5"


def test_named_documents() -> None:
    assert named_documents("Quy định 37-QĐ/TW ngày 25/10/2021 còn hiệu lực không?") == [
        DocumentName("37-QĐ/TW", date(2021, 10, 25), 9, 33)
    ]
    assert named_documents("số 12-QĐ/HTN và 92/2015/QH13") == [
        DocumentName("12-QĐ/HTN", None, 3, 12),
        DocumentName("92/2015/QH13", None, 16, 28),
    ]
    assert named_documents("hội phí ngày 1/1/2024") == []


@pytest.mark.parametrize(
    ("hint", "title", "expected"),
    [
        ("luat phong chong ma tuy co noi", "Luật Phòng, chống ma túy", 5),
        ("Điều lệ", "Điều lệ Hội Thử nghiệm", 2),
        ("quy chế tài chính", "Quy chế Thi đua", 2),
        ("quy chế tài chính", "Quy định về tài chính", 0),
        ("Quy định số 12-QĐ/HTN", "Quy định về hội phí", 2),
        ("luật", "Bộ luật Dân sự", 0),
    ],
)
def test_matching_words(hint: str, title: str, expected: int) -> None:
    assert matching_words(hint, title) == expected
