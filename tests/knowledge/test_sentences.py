"""Splitting a provision into sentences, and finding the one that decides a question."""

from __future__ import annotations

import json
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import fold
from knowledge.sentences import Span, deciding_sentence, split_sentences

DATA = Path(__file__).parents[1] / "data"

CLAUSE = (
    "2. Thành viên câu lạc bộ được mượn xe đạp. Mỗi lần mượn không quá 05 ngày.\r\n"
    "Khi mượn phải xuất trình:\r\n"
    "a) Thẻ thành viên còn hạn;\r\n"
    "đ) Giấy đặt cọc theo mẫu của câu lạc bộ."
)


def pieces(text: str) -> list[str]:
    return [text[span.start : span.end] for span in split_sentences(text)]


def test_sentences_lines_and_points_are_units() -> None:
    assert pieces(CLAUSE) == [
        "2. Thành viên câu lạc bộ được mượn xe đạp.",
        "Mỗi lần mượn không quá 05 ngày.",
        "Khi mượn phải xuất trình:",
        "a) Thẻ thành viên còn hạn;",
        "đ) Giấy đặt cọc theo mẫu của câu lạc bộ.",
    ]


def test_decomposed_text_is_split_at_the_same_places_and_stays_decomposed() -> None:
    decomposed = unicodedata.normalize("NFD", CLAUSE)
    assert pieces(decomposed) == [unicodedata.normalize("NFD", piece) for piece in pieces(CLAUSE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hồ sơ gồm: a) Đơn; b) Ảnh; đ) Thẻ.", ["Hồ sơ gồm:", "a) Đơn;", "b) Ảnh;", "đ) Thẻ."]),
        (
            "Thực hiện theo khoản 2 Điều 30. Chi phí do quỹ trả.",
            ["Thực hiện theo khoản 2 Điều 30.", "Chi phí do quỹ trả."],
        ),
        ("Mức thu là 1.250.000 đồng. Hạn nộp 01.02.2030.", ["Mức thu là 1.250.000 đồng.", "Hạn nộp 01.02.2030."]),
        ("Quy chế này có hiệu lực từ hôm nay./.", ["Quy chế này có hiệu lực từ hôm nay./."]),
        ("Ghi rõ “Đã thu.” Rồi ký tên.", ["Ghi rõ “Đã thu.”", "Rồi ký tên."]),
        ("12. Nghỉ hè. Nghỉ đông.", ["12. Nghỉ hè.", "Nghỉ đông."]),
        ("  \r\n\t ", []),
        ("", []),
    ],
)
def test_boundaries(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


@given(
    st.lists(
        st.sampled_from(
            [
                "1. ",
                "a) ",
                "Điều 3. ",
                "Nộp đơn. ",
                "nộp\u0323 đo\u031bn; ",
                "\r\n",
                "\n\n",
                "“Vâng.” ",
                "./.",
                "  ",
                "10.000 đồng",
                "？",
                "🙂. ",
            ]
        )
    ).map("".join)
    | st.text()
)
def test_spans_are_ordered_disjoint_trimmed_and_leave_only_whitespace_out(text: str) -> None:
    spans = split_sentences(text)
    ends = [0, *(span.end for span in spans)]
    starts = [*(span.start for span in spans), len(text)]
    assert [text[end:start].strip() for end, start in zip(ends, starts, strict=True)] == [""] * len(starts)
    assert all(before.end <= after.start for before, after in pairwise(spans))
    assert all(text[span.start : span.end] == text[span.start : span.end].strip() != "" for span in spans)


def decides(question: str, text: str, heading: str = "") -> str:
    span = deciding_sentence(question, text, heading=heading)
    assert span is not None
    return text[span.start : span.end]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Mượn xe đạp được mấy ngày?", "Mỗi lần mượn không quá 05 ngày."),
        ("muon xe dap duoc may ngay", "Mỗi lần mượn không quá 05 ngày."),
        ("Khi mượn xe phải xuất trình những gì?", "Khi mượn phải xuất trình:"),
        ("Giấy đặt cọc viết theo mẫu nào?", "đ) Giấy đặt cọc theo mẫu của câu lạc bộ."),
        (unicodedata.normalize("NFD", "Giấy đặt cọc viết theo mẫu nào?"), "đ) Giấy đặt cọc theo mẫu của câu lạc bộ."),
    ],
)
def test_the_sentence_that_decides(question: str, expected: str) -> None:
    assert decides(question, CLAUSE, "Mượn xe đạp") == expected


def test_a_definition_wins_over_a_sentence_that_only_uses_the_word() -> None:
    text = (
        "1. Chủ nhiệm quản lý thẻ xanh và danh sách thẻ xanh, thẻ đỏ của câu lạc bộ.\n"
        "2. Thẻ xanh là giấy xác nhận người đi xe đạp đã học xong lớp an toàn.\n"
        "3. Người có thẻ xanh được đi đầu đoàn."
    )
    assert decides("Thẻ xanh là gì?", text) == text.split("\n")[1]


def test_what_the_heading_says_already_does_not_decide() -> None:
    text = "1. Lớp an toàn xe đạp mở vào tháng ba.\n2. Học phí do câu lạc bộ trả."
    assert decides("Lớp an toàn xe đạp, ai trả học phí?", text, "Lớp an toàn xe đạp") == text.split("\n")[1]


def test_one_sentence_is_the_answer_and_a_blank_text_has_none() -> None:
    assert deciding_sentence("Bất kỳ?", " Xe phải có đèn. ") == Span(1, 16)
    assert deciding_sentence("Bất kỳ?", "\n ") is None


def test_a_question_without_words_gets_the_first_of_equals() -> None:
    assert deciding_sentence("???", "Có đèn. Có còi.") == Span(0, 7)


def _marked(material: Path) -> list[tuple[str, str, str, list[list[int]]]]:
    """Question, heading and body of its article, and the accepted ranges of the body."""
    corpus = json.loads((material / "data/alqac2024/law.json").read_text(encoding="utf-8"))
    articles = {(law["id"], article["id"]): article["text"] for law in corpus for article in law["articles"]}
    texts = {
        entry["question_id"]: entry["text"]
        for entry in json.loads((material / "data/alqac2024/train.json").read_text(encoding="utf-8"))
    }
    rows: list[dict[str, Any]] = json.loads((DATA / "marked_answers.json").read_text(encoding="utf-8"))
    examples = []
    for row in rows:
        heading, separator, body = articles[row["law"], row["article"]].partition("\n\n")
        if not separator:
            heading, body = "", heading
        offset = len(heading) + len(separator)
        accepted = [[start - offset, end - offset] for start, end in row["accepted"]]
        examples.append((texts[row["question_id"]], heading, body, accepted))
    return examples


@pytest.mark.parametrize("typed", [str, fold], ids=["with accents", "without accents"])
def test_at_least_85_of_100_answers_marked_by_hand_are_right(material: Path, typed: Any) -> None:
    """Harder than in use: the sentence is looked for in the whole article, not in the clause found."""
    examples = _marked(material)
    right = 0
    for question, heading, body, accepted in examples:
        span = deciding_sentence(typed(question), body, heading=heading)
        assert span is not None
        common = max(min(span.end, end) - max(span.start, start) for start, end in accepted)
        right += 2 * common >= span.end - span.start
    assert len(examples) == 100
    assert right >= 85
