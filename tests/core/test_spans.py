from __future__ import annotations

import threading
import unicodedata
from datetime import date

import pytest

from core.text.spans import find_spans

Named = tuple[str | None, str | None, str | None]


def provisions(text: str) -> list[Named]:
    return [(m.article, m.clause, m.point) for m in find_spans(text).provisions]


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("khoản 2 Điều 30 Điều lệ", [("30", "2", None)]),
        ("điểm đ khoản 1 và khoản 3 Điều 5", [("5", "1", "đ"), ("5", "3", None)]),
        ("dieu 12 noi gi", [("12", None, None)]),
        ("ĐIỀU 12, KHOẢN 1", [("12", "1", None)]),
        ("Điều 5a, Điều 5b", [("5a", None, None), ("5b", None, None)]),
        ("Điều 30,khoản 2", [("30", "2", None)]),
        ("Điều 30 khoản 2 điểm a", [("30", "2", "a")]),
        ("các khoản 1, 2 và 3 Điều 2 của Bộ luật", [("2", "1", None), ("2", "2", None), ("2", "3", None)]),
        ("các điều 43, 44 và 45", [("43", None, None), ("44", None, None), ("45", None, None)]),
        ("điểm a và điểm b khoản 2 Điều 7", [("7", "2", "a"), ("7", "2", "b")]),
        ("Điều 5 khoản 1 và Điều 6 khoản 2", [("5", "1", None), ("6", "2", None)]),
        ("Điều 5 và khoản 3 Điều 7", [("5", None, None), ("7", "3", None)]),
        ("khoản 8.1 Điều 8", [("8", "8.1", None)]),
        ("Điều 5 và 3 người", [("5", None, None)]),
        ("Điều 5. Khoản tiền 3 triệu", [("5", None, None)]),
        ("khoản 4", [(None, "4", None)]),
        ("điều kiện, Điều lệ, điều này", []),
        ("", []),
    ],
)
def test_provisions(text: str, expected: list[Named], form: str) -> None:
    assert provisions(unicodedata.normalize(form, text)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Quy định số 12-QĐ/HTN, số 92/2015/QH13", ["12-QĐ/HTN", "92/2015/QH13"]),
        ("Số 05 - NQ/ĐU", ["05-NQ/ĐU"]),
        ("15/QĐ-UBND; 01/2019/TT-BNV; 06/2020/NQ-HĐND", ["15/QĐ-UBND", "01/2019/TT-BNV", "06/2020/NQ-HĐND"]),
        ("nghi dinh 135/2020", ["135/2020"]),
        ("quy dinh so 12-qd/htn", ["12-qd/htn"]),
        ("ngày 26/7/2026, tháng 5/1980, 24/7, 1/2", []),
    ],
)
def test_numbers(text: str, expected: list[str]) -> None:
    assert [n.number for n in find_spans(text).numbers] == expected
    assert [n.number for n in find_spans(unicodedata.normalize("NFD", text)).numbers] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ngày 26/7/2026", [date(2026, 7, 26)]),
        ("01 tháng 01 năm 2021", [date(2021, 1, 1)]),
        ("ngay 1 thang 7 nam 2016", [date(2016, 7, 1)]),
        ("ngày\n 05  tháng 02\tnăm 2026", [date(2026, 2, 5)]),
        ("1-7-2016 và 2.8.2017", [date(2016, 7, 1), date(2017, 8, 2)]),
        ("31/02/2020 và 99/99/2020", []),
    ],
)
def test_dates(text: str, expected: list[date]) -> None:
    assert [d.day for d in find_spans(text).dates] == expected


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_offsets_are_into_the_text_as_given(form: str) -> None:
    text = unicodedata.normalize(form, "Xem khoản 2 Điều 30 Quy định số 12-QĐ/HTN, ngày 26/7/2026.")
    spans = find_spans(text)
    found = [text[m.start : m.end] for m in (*spans.provisions, *spans.numbers, *spans.dates)]
    assert [unicodedata.normalize("NFC", f) for f in found] == ["khoản 2 Điều 30", "12-QĐ/HTN", "ngày 26/7/2026"]


def test_threads_share_the_pipeline() -> None:
    results: list[list[Named]] = []
    threads = [threading.Thread(target=lambda: results.append(provisions("khoản 2 Điều 30"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [[("30", "2", None)]] * 8
