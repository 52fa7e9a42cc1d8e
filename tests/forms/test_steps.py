"""What people type for an answer: taken, refused with a word in Vietnamese, or a question of its own."""

from __future__ import annotations

import unicodedata
from datetime import UTC, date, datetime
from typing import Any

import pytest

from core import clock
from forms.definition import AnswerError, Definition, FormError, Option, Step, find, is_said, register
from forms.steps import Choice, Choices, Confirm, Date, Number, Text

ASKED: dict[str, Any] = {"name": "s", "prompt": "?", "help": "Giúp.", "reminder": "Nhắc."}
COLOURS = (Option("red", "Đỏ"), Option("blue", "Xanh", ("xanh lam",)), Option("none", "Không màu nào"))
NO = AnswerError


def read(step: Step, text: str) -> Any:
    try:
        return step.read(text)
    except AnswerError:
        return NO


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Đỏ", "red"), ("đỏ.", "red"), ("do", "red"), ("1", "red"), ("2", "blue"), ("xanh lam", "blue"),
        ("khong mau nao", "none"), ("đó", NO), ("đỏ?", NO), ("4", NO), ("0", NO), ("12", NO), ("", NO), ("😀", NO),
        ("đỏ xanh", NO),
    ],
)  # fmt: skip
def test_one_choice_by_number_or_exactly_its_words(text: str, value: Any) -> None:
    step = Choice(**ASKED, choices=COLOURS)
    assert read(step, text) == value
    assert read(step, unicodedata.normalize("NFD", text)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Tôi đồng ý", "yes"), ("tôi đồng ý!", "yes"), ("TOI DONG Y", "yes"), ("Không đồng ý", "no"),
        ("1", NO), ("ừ", NO), ("ok", NO), ("đồng ý", NO), ("vâng tôi đồng ý", NO), ("tôi đồng ý?", NO),
        ("tôi đồng ý với ông A", NO), ("tôi không đồng ý", NO), ("toi dong ý", "yes"), ("tôi đống ý", NO),
    ],
)  # fmt: skip
def test_consent_is_given_by_exactly_its_words(text: str, value: Any) -> None:
    step = Choice(**ASKED, choices=(Option("yes", "Tôi đồng ý"), Option("no", "Không đồng ý")), numbered=False)
    assert read(step, text) == value


@pytest.mark.parametrize(
    ("text", "attempted"),
    [
        ("ừ", True), ("ok nhé em", True), ("vâng thì đồng ý vậy", True), ("đồng ý hết đó", True), ("5", True),
        ("Không đồng ý thì sao", True), ("không đồng ý thì sao?", False), ("điều lệ nói gì về hội phí", False),
        ("xin chào", False), ("có được miễn hội phí không", False),
    ],
)  # fmt: skip
def test_agreeing_is_told_from_asking(text: str, attempted: bool) -> None:
    step = Choice(**ASKED, choices=(Option("yes", "Tôi đồng ý"), Option("no", "Không đồng ý")), numbered=False)
    assert step.attempted(text) is attempted


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1, 3", ["red", "none"]), ("3 1", ["red", "none"]), ("1 và 2", ["red", "blue"]), ("xanh; đỏ", ["red", "blue"]),
        ("2", ["blue"]), ("Không màu nào", ["none"]), ("1,1", ["red"]), ("1,9", NO), ("1,2,3", NO), ("tím", NO), ("", NO),
    ],
)  # fmt: skip
def test_several_choices(text: str, value: Any) -> None:
    assert read(Choices(**ASKED, choices=COLOURS, most=2), text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("Đúng rồi", True), ("dung roi", True), ("Chưa đúng", False), ("ừ", NO), ("đúng rồi?", NO)]
)
def test_confirmation_takes_nothing_vague(text: str, value: Any) -> None:
    assert read(Confirm(**ASKED), text) is value


@pytest.mark.parametrize(
    ("text", "value"), [("  một hai  ", "một hai"), ("ab", NO), ("x" * 21, NO), ("e\u0302\u0301ch", "ếch")]
)
def test_free_words_have_a_length(text: str, value: Any) -> None:
    assert read(Text(**ASKED, shortest=3, longest=20), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12), ("1.200", 1200), ("50 tuổi", 50), ("khoảng 50 tuổi", 50), ("-3", NO), ("2000", NO), ("12,5", NO),
        ("12,0", 12), ("12 hay 13", NO), ("mười hai", NO), ("12?", NO), ("1.2.3", NO), ("12.", 12), ("²", NO), (",", NO),
    ],
)  # fmt: skip
def test_whole_numbers(text: str, value: Any) -> None:
    assert read(Number(**ASKED, least=0, most=1500), text) == value


@pytest.mark.parametrize(("text", "value"), [("12,5", 12.5), ("−0,5", -0.5), ("1.234,5", 1234.5), ("+7", 7.0)])
def test_numbers_with_a_fraction(text: str, value: float) -> None:
    assert read(Number(**ASKED, whole=False), text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5/9/1965", "1965-09-05"), ("05-09-1965", "1965-09-05"), ("5.9.1965", "1965-09-05"), ("05091965", "1965-09-05"),
        ("ngày 5 tháng 9 năm 1965", "1965-09-05"), ("mung 5 thang 9 nam 1965", "1965-09-05"), ("1965-09-05", "1965-09-05"),
        ("sinh ngày 5/9/1965.", "1965-09-05"), ("hôm nay", "2026-11-23"), ("31/2/1965", NO), ("5/9/65", NO), ("24/11/2026", NO),
        ("1/1/1899", NO), ("tháng 9", NO), ("5/9/1965?", NO), ("00000000", NO),
    ],
)  # fmt: skip
def test_days(text: str, value: Any) -> None:
    with clock.fixed(datetime(2026, 11, 23, 3, tzinfo=UTC)):
        assert read(Date(**ASKED, earliest=date(1900, 1, 1), not_after_today=True), text) == value


def test_refusals_say_what_would_do() -> None:
    refused: list[tuple[Step, str, str]] = [
        (Choice(**ASKED, choices=COLOURS), "x", "Xin bấm một nút, hoặc gõ một số từ 1 đến 3."),
        (Choices(**ASKED, choices=COLOURS, least=2), "1", "Xin chọn ít nhất 2 mục."),
        (Confirm(**ASKED), "ừ", "Xin bấm một nút, hoặc gõ đúng chữ: “Đúng rồi” hoặc “Chưa đúng”."),
        (Text(**ASKED, longest=3), "dài quá", "Xin viết gọn lại: 7 ký tự, nhiều nhất là 3."),
        (Number(**ASKED, least=1, most=1000), "0", "Xin gõ một số từ 1 đến 1.000."),
        (Number(**ASKED), "1,5", "Xin gõ một số nguyên, không có phần lẻ."),
        (Date(**ASKED), "5/9/65", "Xin gõ đủ ngày, tháng và năm bốn chữ số, ví dụ “5/9/1965”."),
        (Date(**ASKED, latest=date(2000, 1, 2)), "3/1/2000", "Xin gõ ngày không sau 02/01/2000."),
    ]
    for step, text, words in refused:
        with pytest.raises(AnswerError) as error:
            step.read(text)
        assert str(error.value) == words


def test_exact_words_tell_dung_from_dung() -> None:
    assert [is_said(text, "dừng") for text in ("dừng", "Dừng!", "dung", "đúng", "dùng", "dừng lại")] == [
        True, True, True, False, False, False
    ]  # fmt: skip
    assert is_said("huỷ", "hủy")


@pytest.mark.parametrize(
    "steps",
    [
        (),
        (Text(**ASKED), Text(**ASKED)),
        (Text(**{**ASKED, "name": "a b"}),),
        (Text(**ASKED, next="nowhere"),),
        (Choice(**ASKED, choices=(Option("a", "A"), Option("a", "B"))),),
    ],
)
def test_a_definition_that_cannot_work_is_refused(steps: tuple[Step, ...]) -> None:
    with pytest.raises(FormError):
        Definition(name="f", version=1, title="thử", steps=steps)


def test_a_name_belongs_to_one_form() -> None:
    from members.signup.form import FORM

    assert register(FORM) is FORM
    assert find("sign_up") is FORM
    with pytest.raises(FormError):
        register(Definition(name="sign_up", version=2, title="khác", steps=FORM.steps))
    assert find("unknown") is None
