from __future__ import annotations

import unicodedata
from datetime import date

import pytest

from ingest import parse

Found = tuple[str, str | None, str | None, date | None, str | None]


def relations(text: str) -> list[Found]:
    return [(r.kind, r.type, r.number, r.issued_on, r.title) for r in parse(text).relations]


def in_article(sentence: str, *, head: str = "QUY ĐỊNH\nvề thử nghiệm\n\n") -> list[Found]:
    return relations(f"{head}Điều 1. Hiệu lực thi hành\n{sentence}\n")


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_replaces_by_number_and_date(form: str) -> None:
    sentence = "Quy định này có hiệu lực kể từ ngày ký và thay thế Quy định số 37-QĐ/TW, ngày 25/10/2021 của Ban Chấp hành về việc thử."
    assert in_article(unicodedata.normalize(form, sentence)) == [
        ("replaces", "Quy định", "37-QĐ/TW", date(2021, 10, 25), "Quy định về việc thử")
    ]


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Bãi bỏ Quyết định số 5/QĐ-X ngày 1/2/2019.", [("repeals", "Quyết định", "5/QĐ-X", date(2019, 2, 1), None)]),
        (
            "Bãi bỏ các Quyết định số 3/QĐ-A, số 4/QĐ-B.",
            [("repeals", "Quyết định", "3/QĐ-A", None, None), ("repeals", "Quyết định", "4/QĐ-B", None, None)],
        ),
        ("Bãi bỏ khoản 3 Điều 4 Thông tư số 3/2012/TT-BNV.", [("amends", "Thông tư", "3/2012/TT-BNV", None, None)]),
        (
            "Luật Cư trú số 81/2006/QH11 đã được sửa đổi theo Luật số 36/2013/QH13 và Luật số 1/2014/QH13 hết hiệu lực.",
            [("repeals", "Luật", "81/2006/QH11", None, "Luật Cư trú")],
        ),
        (
            "Luật Phòng, chống cháy số 1/2001/QH10 hết hiệu lực kể từ ngày Luật này có hiệu lực.",
            [("repeals", "Luật", "1/2001/QH10", None, "Luật Phòng, chống cháy")],
        ),
        (
            "Quy chế tài chính ban hành kèm theo Quyết định số 12/QĐ-HTN ngày 10/5/2019 hết hiệu lực.",
            [("repeals", "Quy chế", "12/QĐ-HTN", date(2019, 5, 10), "Quy chế tài chính")],
        ),
        (
            "Quyết định số 12/QĐ-HTN ngày 10/5/2019 được thay thế bằng Quy định này.",
            [("replaces", "Quyết định", "12/QĐ-HTN", date(2019, 5, 10), None)],
        ),
        (
            "Quy định này thay thế Quy định về hội phí năm 2019.",
            [("replaces", "Quy định", None, None, "Quy định về hội phí")],
        ),
        (
            "Sửa đổi, bổ sung một số điều của Luật Du lịch số 44/2005/QH11 như sau:",
            [("amends", "Luật", "44/2005/QH11", None, "Luật Du lịch")],
        ),
        ("Luật Du lịch đã được sửa đổi, bổ sung theo Luật số 35/2018/QH14.", []),
        ("Việc sửa đổi, bổ sung Điều lệ Hội do Đại hội quyết định.", []),
        ("Đại hội có quyền bãi bỏ Quyết định của Ban Chấp hành.", []),
        ("Trường hợp Luật số 1/2001/QH10 hết hiệu lực thì áp dụng luật mới.", []),
        ("“Bãi bỏ Luật số 1/2001/QH10.”", []),
        ("Người nào thay thế hội viên phải có quyết định số 5/QĐ-X.", []),
    ],
)
def test_sentences(sentence: str, expected: list[Found]) -> None:
    assert in_article(sentence) == expected


def test_grounds_are_no_relations() -> None:
    assert (
        in_article("Một.", head="QUY ĐỊNH\nvề thử\n\nCăn cứ Luật số 1/2001/QH10 thay thế Luật số 2/1999/QH9;\n\n") == []
    )


def test_list_under_an_announcement() -> None:
    text = (
        "NGHỊ ĐỊNH\nvề thử\n\nĐiều 1. Hiệu lực\n1. Các văn bản sau đây hết hiệu lực kể từ ngày Nghị định này có hiệu lực:\n"
        "a) Nghị định số 1/2010/NĐ-CP ngày 2 tháng 3 năm 2010 của Chính phủ quy định về A;\nb) Điều 5 Nghị định số 2/2011/NĐ-CP.\n"
        "2. Một khoản khác có nhắc Nghị định số 9/2015/NĐ-CP.\n"
    )
    assert relations(text) == [
        ("repeals", "Nghị định", "1/2010/NĐ-CP", date(2010, 3, 2), "Nghị định quy định về A"),
        ("amends", "Nghị định", "2/2011/NĐ-CP", None, None),
    ]


def test_title_of_an_amending_law() -> None:
    text = (
        "LUẬT\nSỬA ĐỔI, BỔ SUNG MỘT SỐ ĐIỀU CỦA\nLUẬT DU LỊCH\n\nĐiều 1. Sửa đổi, bổ sung một số điều của Luật Du lịch\n"
        "1. Sửa đổi Điều 5 như sau:\n“Điều 5. Bãi bỏ Luật số 1/2001/QH10.”.\n"
    )
    assert relations(text) == [("amends", "Luật", None, None, "Luật Du lịch")]


def test_offsets_point_at_the_name() -> None:
    text = "Điều 1. Hiệu lực\nBãi bỏ Quyết định số 5/QĐ-X ngày 1/2/2019.\n"
    (relation,) = parse(text).relations
    assert text[relation.start : relation.end] == "Quyết định số 5/QĐ-X ngày 1/2/2019"
