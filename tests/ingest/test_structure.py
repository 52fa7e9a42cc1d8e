from __future__ import annotations

import unicodedata

import pytest

from ingest import Provision, content_span, parse, pieces


def tree(text: str) -> list[tuple[str, str | None, str]]:
    """(kind, number, heading) of every provision but the document itself."""
    return [(p.kind, p.number, p.heading) for p in parse(text).root.walk()][1:]


def numbers(text: str, kind: str) -> list[str | None]:
    return [p.number for p in parse(text).root.walk() if p.kind == kind]


def words(text: str, kind: str, number: str) -> str:
    """The stripped text of the first provision of *kind* with *number*."""
    found = next(p for p in parse(text).root.walk() if p.kind == kind and p.number == number)
    start, end = content_span(text, found.start, found.end)
    return text[start:end]


STATE = """QUỐC HỘI
Luật số: 01/2030/QH20

LUẬT
THƯ VIỆN CỘNG ĐỒNG

Căn cứ Hiến pháp;

PHẦN THỨ NHẤT

NHỮNG QUY ĐỊNH CHUNG

CHƯƠNG I

PHẠM VI VÀ
ĐỐI TƯỢNG

Mục 1. PHẠM VI

Điều 1. Phạm vi điều chỉnh

Luật này quy định về thư viện.

Mục 2
ĐỐI TƯỢNG

Tiểu mục 1. Cá nhân

Điều 2. Đối tượng áp dụng

Luật này áp dụng với:

1. Bạn đọc:

a) Trẻ em;

b) Người lớn.

2. Thủ thư.

Chương II. QUY ĐỊNH KHÁC

Điều 2a. Điều chen thêm
1. Một.
1a. Một a.
2. Hai:
a) A;
a1) A một;
b) B.

Luật này đã được Quốc hội thông qua ngày 01 tháng 02 năm 2030.

CHỦ TỊCH QUỐC HỘI

(Đã ký) Trần Văn Sách

PHỤ LỤC I
DANH MỤC SÁCH
(Ban hành kèm theo Luật số 01/2030/QH20)
1. Sách thiếu nhi.
2. Sách khoa học.
"""


def test_state_document() -> None:
    assert tree(STATE) == [
        ("preamble", None, ""),
        ("part", "THỨ NHẤT", "NHỮNG QUY ĐỊNH CHUNG"),
        ("chapter", "I", "PHẠM VI VÀ ĐỐI TƯỢNG"),
        ("section", "1", "PHẠM VI"),
        ("article", "1", "Phạm vi điều chỉnh"),
        ("section", "2", "ĐỐI TƯỢNG"),
        ("subsection", "1", "Cá nhân"),
        ("article", "2", "Đối tượng áp dụng"),
        ("clause", "1", ""),
        ("point", "a", ""),
        ("point", "b", ""),
        ("clause", "2", ""),
        ("chapter", "II", "QUY ĐỊNH KHÁC"),
        ("article", "2a", "Điều chen thêm"),
        ("clause", "1", ""),
        ("clause", "1a", ""),
        ("clause", "2", ""),
        ("point", "a", ""),
        ("point", "a1", ""),
        ("point", "b", ""),
        ("closing", None, ""),
        ("appendix", "I", "DANH MỤC SÁCH"),
        ("clause", "1", ""),
        ("clause", "2", ""),
    ]


def test_nesting() -> None:
    root = parse(STATE).root
    assert [c.kind for c in root.children] == ["preamble", "part", "closing", "appendix"]
    chapter = root.children[1].children[0]
    assert [(c.kind, c.number) for c in chapter.children] == [("section", "1"), ("section", "2")]
    assert [(c.kind, c.number) for c in chapter.children[1].children] == [("subsection", "1")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_forms_and_line_ends_have_the_same_structure(newline: str, form: str) -> None:
    text = unicodedata.normalize(form, STATE).replace("\n", newline)
    assert tree(text) == tree(STATE)
    assert "".join(text[start:end] for _, start, end in pieces(parse(text).root)) == text


def test_heading_offsets_are_where_the_heading_stands() -> None:
    document = parse(STATE)
    article = next(p for p in document.root.walk() if p.kind == "article")
    assert STATE[article.heading_start : article.heading_end] == "Phạm vi điều chỉnh"
    assert STATE[article.start : article.start + 7] == "Điều 1."


def test_introduction_belongs_to_the_article() -> None:
    root = parse(STATE).root
    article = next(p for p in root.walk() if p.kind == "article" and p.number == "2")
    own = [STATE[start:end] for p, start, end in pieces(root) if p is article]
    assert own == ["Điều 2. Đối tượng áp dụng\n\nLuật này áp dụng với:\n\n"]


def test_paragraph_after_a_list_belongs_to_its_owner() -> None:
    text = "Điều 1. Tên\n1. Gồm:\na) Một;\nb) Hai;\nc) Ba.\nTòa án quyết định.\n2. Khác.\n"
    assert words(text, "point", "c") == "c) Ba."
    assert words(text, "clause", "1") == "1. Gồm:\na) Một;\nb) Hai;\nc) Ba.\nTòa án quyết định."


def test_points_with_several_paragraphs_keep_them() -> None:
    text = "Điều 1. Tên\n1. Gồm:\na) Một.\nThêm về một.\nb) Hai.\nThêm về hai.\n"
    assert words(text, "point", "b") == "b) Hai.\nThêm về hai."


def test_party_document_with_article_headings_that_carry_a_number() -> None:
    text = "8. Điều 8: Về thẻ\n8.1. Việc phát thẻ.\n8.1.1. Chi tiết.\n8.2. Việc đổi thẻ:\na) Một.\n9. Điều 9: Khác\n9.1. Nội dung.\n"
    assert tree(text) == [
        ("article", "8", "Về thẻ"),
        ("clause", "8.1", ""),
        ("clause", "8.1.1", ""),
        ("clause", "8.2", ""),
        ("point", "a", ""),
        ("article", "9", "Khác"),
        ("clause", "9.1", ""),
    ]


def test_resolution_without_articles() -> None:
    text = "NGHỊ QUYẾT\nvề phát triển hội viên\n\nI- TÌNH HÌNH\n1. Kết quả.\n2. Hạn chế:\na) Một.\nII- MỤC TIÊU\n1. Chung.\n- Chi tiết.\n"
    assert tree(text) == [
        ("preamble", None, ""),
        ("section", "I", "TÌNH HÌNH"),
        ("clause", "1", ""),
        ("clause", "2", ""),
        ("point", "a", ""),
        ("section", "II", "MỤC TIÊU"),
        ("clause", "1", ""),
    ]
    assert words(text, "clause", "1") == "1. Kết quả."


def test_directive_with_clauses_only() -> None:
    text = "CHỈ THỊ\nvề tiết kiệm\n\nTình hình như sau.\n1. Một.\n2. Hai.\n"
    assert tree(text) == [("preamble", None, ""), ("clause", "1", ""), ("clause", "2", "")]


def test_quoted_articles_of_an_amending_law_are_no_articles() -> None:
    text = (
        "Điều 1. Sửa đổi, bổ sung một số điều\n1. Sửa đổi Điều 5 như sau:\n“Điều 5. Tên mới\n1. Một.\n2. Hai.\n"
        "3. Ba.”.\n2. Bổ sung Điều 2 như sau:\n“Điều 2. Tên khác\na) A.”.\nĐiều 2. Hiệu lực\nTừ ngày ký.\n"
    )
    assert tree(text) == [
        ("article", "1", "Sửa đổi, bổ sung một số điều"),
        ("clause", "1", ""),
        ("clause", "2", ""),
        ("article", "2", "Hiệu lực"),
    ]


def test_a_quotation_that_never_closes_hides_nothing() -> None:
    assert numbers("Điều 1. Gọi là “hội viên\nMột.\nĐiều 2. Hai\nHai.\n", "article") == ["1", "2"]


@pytest.mark.parametrize(
    "line",
    [
        "2020. Năm của hội.",
        "5. Không nối tiếp vì khoản 2 đến sau.",
        "31.12.2020 là hạn cuối.",
        "1.000.000 đồng một năm.",
        "“2. Khoản trích.”",
        "điểm a) khoản 1 được áp dụng.",
    ],
)
def test_lines_that_are_no_clauses(line: str) -> None:
    text = f"Điều 1. Tên\n1. Một.\n{line}\n2. Hai.\n"
    assert numbers(text, "clause") == ["1", "2"]
    assert numbers(text, "point") == []


def test_reference_on_a_line_of_its_own_is_no_heading() -> None:
    text = (
        "Điều 1. Tên\n1. Theo quy định tại\n\nĐiều 5 của Luật này.\n\nChương II của Luật này.\n2. Theo khoản\n\n"
        "1 Điều 3 của Luật này và tại\nĐiều 7.\nĐiều 2. Hai\nHai.\n"
    )
    assert tree(text) == [
        ("article", "1", "Tên"),
        ("clause", "1", ""),
        ("clause", "2", ""),
        ("article", "2", "Hai"),
    ]


def test_small_gaps_are_kept() -> None:
    text = "Điều 1. Một\n1. A.\n3. C.\nĐiều 4. Bốn\nd.\nĐiều 5. Năm\ne.\n"
    assert numbers(text, "article") == ["1", "4", "5"]
    assert numbers(text, "clause") == ["1", "3"]


def test_forgotten_full_stop() -> None:
    assert numbers("Điều 1. Tên\n1 Trường hợp một.\n2. Trường hợp hai.\n", "clause") == ["1", "2"]


def test_constitution_style_articles_without_headings() -> None:
    text = "Điều 1. Nước ta là một nước độc lập.\n\nĐiều 2. 1. Nhà nước do dân.\n\n2. Nhân dân làm chủ.\n\nĐiều 3\n\n1. Ba.\n"
    assert tree(text) == [
        ("article", "1", ""),
        ("article", "2", ""),
        ("clause", "1", ""),
        ("clause", "2", ""),
        ("article", "3", ""),
        ("clause", "1", ""),
    ]
    assert words(text, "clause", "1") == "1. Nhà nước do dân."


def test_alqac_layout() -> None:
    text = "LUẬT\nX\n\nĐiều 1. Tên điều\n\nĐoạn một.\n\nĐoạn hai.\n\nTiểu mục 2\n\nTÊN TIỂU MỤC\n\nĐiều 2. Tên hai\n\n1. Một\n\n2. Hai\n"
    assert tree(text)[1:] == [
        ("article", "1", "Tên điều"),
        ("subsection", "2", "TÊN TIỂU MỤC"),
        ("article", "2", "Tên hai"),
        ("clause", "1", ""),
        ("clause", "2", ""),
    ]


def test_markdown() -> None:
    text = "# Điều lệ Hội\n\n## CHƯƠNG I\n### QUY ĐỊNH CHUNG\n\n**Điều 1.** Tên gọi\n\n1\\. Một.\n\n- a) A;\n- b) B.\n\n#### Điều 2. Hai\n\n**1.** Một.\n"
    assert tree(text) == [
        ("preamble", None, ""),
        ("chapter", "I", "QUY ĐỊNH CHUNG"),
        ("article", "1", "Tên gọi"),
        ("clause", "1", ""),
        ("point", "a", ""),
        ("point", "b", ""),
        ("article", "2", "Hai"),
        ("clause", "1", ""),
    ]


def test_wrapped_heading() -> None:
    text = "Điều 1. Tên dài của điều\nnày còn tiếp\n1. Một.\nĐiều 2. Sửa luật số\n\n10/2012/QH13\n\n1. Hai.\n"
    assert [h for k, _, h in tree(text) if k == "article"] == [
        "Tên dài của điều này còn tiếp",
        "Sửa luật số 10/2012/QH13",
    ]


def test_heading_under_a_bare_article_number() -> None:
    assert tree("Điều 1\nTên gọi\nHội có tên là X.\n") == [("article", "1", "Tên gọi")]


def test_decision_with_the_regulation_it_issues() -> None:
    text = (
        "QUYẾT ĐỊNH\nBan hành Quy chế\n\nĐiều 1. Ban hành kèm theo Quyết định này Quy chế.\nĐiều 2. Có hiệu lực từ ngày ký.\n"
        "TM. BAN CHẤP HÀNH\nNguyễn Văn A\n\nQUY CHẾ\nTÀI CHÍNH\n(Ban hành kèm theo Quyết định số 1/QĐ-X)\n\n"
        "Chương I\nQUY ĐỊNH CHUNG\nĐiều 1. Phạm vi\nMột.\nĐiều 2. Nguyên tắc\n1. Hai.\n"
    )
    root = parse(text).root
    assert [(c.kind, c.number, c.heading) for c in root.children] == [
        ("preamble", None, ""),
        ("article", "1", ""),
        ("article", "2", ""),
        ("closing", None, ""),
        ("attachment", None, "QUY CHẾ TÀI CHÍNH"),
    ]
    attached = root.children[-1]
    assert [(p.kind, p.number) for p in attached.walk()][1:] == [
        ("chapter", "I"),
        ("article", "1"),
        ("article", "2"),
        ("clause", "1"),
    ]


def test_all_letters_of_points() -> None:
    letters = [
        "a",
        "b",
        "c",
        "d",
        "đ",
        "e",
        "g",
        "h",
        "i",
        "k",
        "l",
        "m",
        "n",
        "o",
        "p",
        "q",
        "r",
        "s",
        "t",
        "u",
        "v",
        "x",
        "y",
    ]
    text = "Điều 1. Tên\n1. Gồm:\n" + "".join(f"{letter}) Điểm;\n" for letter in letters)
    assert numbers(text, "point") == letters
    assert numbers(unicodedata.normalize("NFD", text), "point") == letters


def test_points_directly_under_an_article() -> None:
    root = parse("Điều 1. Tên\nGồm:\na) Một;\nb) Hai.\n").root
    assert [(p.kind, p.number) for p in root.children[0].children] == [("point", "a"), ("point", "b")]


def test_text_without_structure_is_the_documents_own() -> None:
    text = "Chỉ là vài dòng.\nKhông có cấu trúc.\n"
    root = parse(text).root
    assert root == Provision("document", None, "", 0, len(text), 0, 0)


def test_odd_spaces_and_invisible_characters() -> None:
    text = "\ufeffĐiều\u00a01. Tên\u200b điều\n\u00a0\u00a01. M\u00adột.\n"
    assert tree(text) == [("article", "1", "Tên\u200b điều"), ("clause", "1", "")]
    assert "".join(text[start:end] for _, start, end in pieces(parse(text).root)) == text
