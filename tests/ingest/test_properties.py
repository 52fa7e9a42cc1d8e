"""Whatever the text is: nothing is lost, the tree is in order, nothing raises."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import ParsedDocument, Provision, parse, pieces

_LINES = st.one_of(
    st.sampled_from(
        [
            "PHẦN THỨ NHẤT",
            "CHƯƠNG II",
            "Chương III. TÊN CHƯƠNG",
            "Mục 1",
            "Tiểu mục 2. Tên",
            "TÊN VIẾT HOA",
            "Điều 1. Tên điều",
            "Điều 2.",
            "**Điều 3.** Tên",
            "Điều 5a. 1. Khoản cùng dòng",
            "1. Một:",
            "2. Hai;",
            "8.1. Tám một",
            "a) A;",
            "đ) Đ.",
            "“Điều 7. Trích",
            "hết trích.”",
            '"',
            "I- MỤC LỚN",
            "A. PHẦN LỚN",
            "PHỤ LỤC I",
            "QUY CHẾ",
            "(Ban hành kèm theo Quyết định số 1/QĐ-X ngày 31/02/2020)",
            "Nơi nhận:",
            "TM. BAN CHẤP HÀNH",
            "Số: 12/QĐ-HTN",
            "Hà Nội, ngày 5 tháng 3 năm 2024",
            "LUẬT",
            "Quyết định này thay thế Quyết định số 5/QĐ-X ngày 1/2/2020.",
            "Luật này có hiệu lực từ ngày 31 tháng 02 năm 2021.",
            "2021 | 60 tuổi",
            "🎉🇻🇳 chào\u00a0bạn\u200b\u00ad",
            "",
            "   ",
        ]
    ),
    st.text(max_size=30),
    st.text(alphabet='Điều khoảnđiểm12a.):“”"\u0300\u0301\u0323\u00a0-IVX*#\t', max_size=25),
)
_DOCUMENTS = st.builds(
    lambda lines, newline, form: unicodedata.normalize(form, newline.join(lines)),
    st.lists(_LINES, max_size=25),
    st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    st.sampled_from(["NFC", "NFD"]),
)


def _check(provision: Provision) -> None:
    assert provision.start <= provision.end
    assert provision.start <= provision.heading_start <= provision.heading_end <= provision.end
    position = provision.start
    for child in provision.children:
        assert position <= child.start
        assert child.end <= provision.end
        assert child.start < child.end
        position = child.end
        _check(child)


def _check_document(document: ParsedDocument) -> None:
    text = document.text
    assert "".join(text[start:end] for _, start, end in pieces(document.root)) == text
    assert (document.root.start, document.root.end) == (0, len(text))
    _check(document.root)
    for relation in document.relations:
        assert 0 <= relation.start < relation.end <= len(text)


@settings(max_examples=300, deadline=None)
@given(_DOCUMENTS)
def test_documents(text: str) -> None:
    _check_document(parse(text))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_arbitrary_text(text: str) -> None:
    _check_document(parse(text, name="tệp"))
