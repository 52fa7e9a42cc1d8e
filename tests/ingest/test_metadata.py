from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from ingest import Metadata, parse

PARTY = """BAN CHẤP HÀNH LIÊN HIỆP HỘI
HỘI THỬ NGHIỆM VIỆT NAM
*
Số 12-QĐ/HTN

ĐẢNG CỘNG SẢN VIỆT NAM
Hà Nội, ngày 05 tháng 02 năm 2026

QUY ĐỊNH
về hội phí và việc sử dụng hội phí
-----
- Căn cứ Điều lệ Hội Thử nghiệm Việt Nam;

Điều 1. Phạm vi
Quy định này do Hội Thử nghiệm Việt Nam ban hành.

Điều 2. Hiệu lực
Quy định này có hiệu lực kể từ ngày ký.

T/M BAN CHẤP HÀNH
CHỦ TỊCH
(Đã ký)
Trần Thị Minh
"""


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_party_document(form: str) -> None:
    assert parse(unicodedata.normalize(form, PARTY)).metadata == Metadata(
        type="Quy định",
        number="12-QĐ/HTN",
        issued_on=date(2026, 2, 5),
        issuer="Hội Thử nghiệm Việt Nam",
        subject="về hội phí và việc sử dụng hội phí",
        title="Quy định về hội phí và việc sử dụng hội phí",
        signer="Trần Thị Minh",
        effective_on=date(2026, 2, 5),
    )


def test_state_document() -> None:
    text = (
        "BỘ THỬ NGHIỆM\nVÀ ĐO LƯỜNG\nSố: 09/2020/TT-BTN\nCỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM\nĐộc lập - Tự do - Hạnh phúc\n"
        "Hà Nội, ngày 12 tháng 11 năm 2020\nTHÔNG TƯ\nQuy định về cân\nCăn cứ Luật số 1/2019/QH14 ngày 1 tháng 1 năm 2019;\n"
        "Điều 1. Hiệu lực\nThông tư này có hiệu lực thi hành kể từ ngày 15 tháng 3 năm 2021.\nKT. BỘ TRƯỞNG\nTHỨ TRƯỞNG\nLê Văn Cân\n"
    )
    assert parse(text).metadata == Metadata(
        type="Thông tư",
        number="09/2020/TT-BTN",
        issued_on=date(2020, 11, 12),
        issuer="Bộ thử nghiệm và đo lường",
        subject="Quy định về cân",
        title="Thông tư Quy định về cân",
        signer="Lê Văn Cân",
        effective_on=date(2021, 3, 15),
    )


@pytest.mark.parametrize(
    ("head", "title"),
    [
        ("LUẬT\nDU LỊCH", "Luật Du lịch"),
        ("LUẬT DU LỊCH", "Luật Du lịch"),
        ("BỘ LUẬT\n\nDÂN SỰ", "Bộ luật Dân sự"),
        ("NGHỊ ĐỊNH\nQuy định về tuổi nghỉ hưu", "Nghị định Quy định về tuổi nghỉ hưu"),
        ("HIẾN PHÁP\nNƯỚC CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Hiến pháp nước Cộng hòa xã hội chủ nghĩa Việt Nam"),
        ("HIẾN PHÁP", "Hiến pháp"),
        ("ĐIỀU LỆ\nHỘI THỬ NGHIỆM", "Điều lệ Hội Thử Nghiệm"),
        ("# Điều lệ Hội Thử Nghiệm", "Điều lệ Hội Thử Nghiệm"),
        ("LUẬT\nSỬA ĐỔI, BỔ SUNG MỘT SỐ ĐIỀU CỦA\nLUẬT DU LỊCH", "Luật sửa đổi, bổ sung một số điều của luật du lịch"),
        ("Quy định số 12-QĐ/HTN ngày 5/2/2026 về hội phí", "Quy định về hội phí"),
        ("QUYẾT ĐỊNH\nVề việc khen thưởng\n\nCHỦ TỊCH HỘI THỬ NGHIỆM", "Quyết định về việc khen thưởng"),
        ("Vài lời đầu", "Vài lời đầu"),
    ],
)
def test_titles(head: str, title: str) -> None:
    text = f"{head}\n\nCăn cứ Điều lệ;\n\nĐiều 1. Tên\nHội Thử Nghiệm hoạt động.\n"
    assert parse(text).metadata.title == title


def test_title_falls_back_to_the_files_name() -> None:
    assert parse("Điều 1. Tên\nMột.", name="quy_che_thu_chi").metadata.title == "quy che thu chi"


def test_number_and_date_in_the_first_line() -> None:
    metadata = parse(
        "Bộ luật Thử nghiệm số 92/2015/QH13, ngày 25/11/2015 của Quốc hội, hiệu lực thi hành từ ngày 01/7/2016\n\n"
        "BỘ LUẬT\n\nTHỬ NGHIỆM\n\nĐiều 1. Tên\nMột.\n"
    ).metadata
    assert (metadata.title, metadata.number, metadata.issued_on, metadata.effective_on, metadata.issuer) == (
        "Bộ luật Thử nghiệm",
        "92/2015/QH13",
        date(2015, 11, 25),
        date(2016, 7, 1),
        "Quốc hội",
    )


def test_date_in_the_closing_only() -> None:
    text = (
        "LUẬT\nDU LỊCH\n\nĐiều 1. Tên\nMột.\n\nLuật này đã được Quốc hội khóa XV thông qua ngày 19 tháng 6 năm 2017.\n\n"
        "CHỦ TỊCH QUỐC HỘI\n\n(Đã ký) Trần Văn Đi\n"
    )
    metadata = parse(text).metadata
    assert (metadata.issued_on, metadata.issuer, metadata.signer) == (date(2017, 6, 19), "Quốc hội", "Trần Văn Đi")


def test_regulation_known_by_the_decision_that_issues_it() -> None:
    metadata = parse(
        "QUY CHẾ\nTÀI CHÍNH\n(Ban hành kèm theo Quyết định số 15/QĐ-HTN ngày 10/5/2024)\n\nĐiều 1. Tên\nMột.\n"
    ).metadata
    assert (metadata.title, metadata.number, metadata.issued_on) == (
        "Quy chế Tài chính",
        "15/QĐ-HTN",
        date(2024, 5, 10),
    )


def test_numbers_and_dates_of_grounds_are_not_the_documents() -> None:
    metadata = parse("QUY CHẾ\nTÀI CHÍNH\n\nCăn cứ Luật số 1/2020/QH14 ngày 1/1/2020;\n\nĐiều 1. Tên\nMột.\n").metadata
    assert (metadata.number, metadata.issued_on) == (None, None)


def test_blank_date_of_a_form() -> None:
    assert parse("Hà Nội, ngày     tháng    năm 20\nNGHỊ QUYẾT\nvề hội viên\n\n1. Một.\n").metadata.issued_on is None


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Luật này có hiệu lực thi hành từ ngày 01 tháng 01 năm 2021.", date(2021, 1, 1)),
        ("Luật này có hiệu lực từ 01/7/2016.", date(2016, 7, 1)),
        ("Luật này gồm 5 chương, có hiệu lực kể từ ngày 1-7-2016.", date(2016, 7, 1)),
        ("Luật này có hiệu lực kể từ ngày ký.", date(2020, 3, 4)),
        ("Luật này có hiệu lực sau 45 ngày kể từ ngày ký.", date(2020, 4, 18)),
        ("Luật Du lịch số 1/2005/QH11 có hiệu lực từ ngày 01/01/2006.", None),
        ("Các văn bản khác hết hiệu lực kể từ ngày Luật này có hiệu lực thi hành.", None),
        ("“Luật này có hiệu lực từ ngày 01/01/2006.”", None),
        ("Luật này có hiệu lực từ ngày 31 tháng 02 năm 2021.", None),
    ],
)
def test_effective_date(sentence: str, expected: date | None) -> None:
    text = f"Số: 1/2020/QH14\nHà Nội, ngày 4 tháng 3 năm 2020\nLUẬT\nTHỬ NGHIỆM\n\nĐiều 1. Hiệu lực\n{sentence}\n"
    assert parse(text).metadata.effective_on == expected
