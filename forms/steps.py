"""The kinds of steps: one choice, several choices, text, number, date, yes or no.

Each reads what people type on an old phone: without accents, with or without punctuation, by number where that is harmless.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from core import clock
from core.text import nfc, syllables
from forms.definition import AnswerError, Option, Step, is_said, key

_AGREEING = frozenset(
    {
        "u",
        "uh",
        "um",
        "uhm",
        "ok",
        "oke",
        "okay",
        "okie",
        "vang",
        "da",
        "dung",
        "duoc",
        "dc",
        "co",
        "khong",
        "ko",
        "k",
        "y",
    }
    | {"yes", "no"}
)
_AGREEING_WORDS = 4
"""Syllables: "vâng tôi đồng ý nhé" begins in the same way and is longer, but the title's words are in it."""


def _agrees(typed: str) -> bool:
    """Whether folded words only agree or decline: that is explained, never taken for an answer that was offered."""
    words = typed.split()
    short = 0 < len(words) <= _AGREEING_WORDS and words[0] in _AGREEING
    return short or "dong y" in typed or typed == "nhat tri"


_NUMBER = re.compile(r"[-+−]?\d[\d.,]*")
_GROUPED = re.compile(r"\d{1,3}(\.\d{3})+")
_DAY_FIRST = re.compile(r"(\d{1,2})\s*[/.\-\s]\s*(\d{1,2})\s*[/.\-\s]\s*(\d{4})")
_IN_WORDS = re.compile(r"(?:ngay |mung )?(\d{1,2}) thang (\d{1,2}) nam (\d{4})")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})")
_EIGHT = re.compile(r"(\d{2})(\d{2})(\d{4})")


def _asks(text: str) -> bool:
    return text.rstrip().endswith(("?", "？"))


def _quoted(titles: Sequence[str], last: str = "hoặc") -> str:
    quoted = [f"“{title}”" for title in titles]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} {last} {quoted[-1]}"


def _numbered(options: Sequence[Option]) -> str:
    return "\n".join(f"{number}. {option.title}" for number, option in enumerate(options, start=1))


@dataclass(frozen=True, kw_only=True)
class Choice(Step):
    """One of a few answers, by its button or by exactly its words; by its number too, unless ``numbered`` is off."""

    choices: tuple[Option, ...]
    numbered: bool = True
    """Off for consent: a stray "1" must not agree to anything."""

    def read(self, text: str) -> str:
        """The option's value. A question mark is no answer. Errors: AnswerError."""
        typed = key(text)
        if not _asks(text):
            if self.numbered and typed.isdigit() and 0 < int(typed) <= len(self.choices):
                return self.choices[int(typed) - 1].value
            for option in self.choices:
                if any(is_said(text, words) for words in (option.title, *option.words)):
                    return option.value
        raise AnswerError(self._wanted())

    def attempted(self, text: str) -> bool:
        """Texts that agree, and those that begin with an option's words or with a number."""
        typed = key(text)
        if _asks(text):
            return False
        begins = any(typed.startswith(key(option.title)) for option in self.choices)
        return begins or typed[:1].isdigit() or _agrees(typed)

    def options(self) -> tuple[Option, ...]:
        """The choices."""
        return self.choices

    def how(self) -> str:
        """Numbers and titles, or the exact words."""
        if self.numbered:
            return f"{_numbered(self.choices)}\nBấm một nút, hoặc gõ số."
        return f"Bấm một nút, hoặc gõ đúng chữ: {_quoted([option.title for option in self.choices])}."

    def _wanted(self) -> str:
        if self.numbered:
            return f"Xin bấm một nút, hoặc gõ một số từ 1 đến {len(self.choices)}."
        return f"Xin bấm một nút, hoặc gõ đúng chữ: {_quoted([option.title for option in self.choices])}."


@dataclass(frozen=True, kw_only=True)
class Confirm(Step):
    """Yes or no; value bool. Only the buttons or exactly their words count: "ừ" confirms nothing."""

    yes: str = "Đúng rồi"
    no: str = "Chưa đúng"

    def read(self, text: str) -> bool:
        """True or False. Errors: AnswerError."""
        if _asks(text) or not (is_said(text, self.yes) or is_said(text, self.no)):
            raise AnswerError(f"Xin bấm một nút, hoặc gõ đúng chữ: {_quoted([self.yes, self.no])}.")
        return is_said(text, self.yes)

    def attempted(self, text: str) -> bool:
        """Texts that agree."""
        return not _asks(text) and _agrees(key(text))

    def options(self) -> tuple[Option, ...]:
        """Yes and no; their values are what a button carries."""
        return (Option("yes", self.yes), Option("no", self.no))

    def how(self) -> str:
        """The exact words."""
        return f"Bấm một nút, hoặc gõ đúng chữ: {_quoted([self.yes, self.no])}."


@dataclass(frozen=True, kw_only=True)
class Choices(Step):
    """Several answers: buttons taken one after another until "Xong", or numbers typed at once ("1, 3"); value list of str."""

    choices: tuple[Option, ...]
    least: int = 1
    most: int | None = None

    def read(self, text: str) -> list[str]:
        """The values in the order of the options. Errors: AnswerError."""
        if (whole := self._named(text)) is not None:  # first: a title may have a comma or an "và" of its own
            return self.settle([whole])
        values: set[str] = set()
        for part in re.split(r"[,;+&\n]|\s+(?:và|va)\s+|(?<=\d)\s+(?=\d)", nfc(text)):
            typed = key(part)
            if typed.isdigit() and 0 < int(typed) <= len(self.choices):
                values.add(self.choices[int(typed) - 1].value)
            elif (named := self._named(part)) is not None:
                values.add(named)
            elif typed:
                raise AnswerError(self._wanted())
        return self.settle(values)

    def _named(self, text: str) -> str | None:
        return next(
            (
                option.value
                for option in self.choices
                if any(is_said(text, words) for words in (option.title, *option.words))
            ),
            None,
        )

    def settle(self, values: Sequence[str] | set[str]) -> list[str]:
        """*values* in the order of the options, their number checked. Errors: AnswerError."""
        chosen = [option.value for option in self.choices if option.value in values]
        if len(chosen) < self.least:
            raise AnswerError(f"Xin chọn ít nhất {self.least} mục.")
        if self.most is not None and len(chosen) > self.most:
            raise AnswerError(f"Xin chọn nhiều nhất {self.most} mục.")
        return chosen

    def attempted(self, text: str) -> bool:
        """Texts with a number first."""
        return not _asks(text) and text.strip()[:1].isdigit()

    def options(self) -> tuple[Option, ...]:
        """The choices."""
        return self.choices

    def how(self) -> str:
        """Numbers and titles."""
        return (
            f"{_numbered(self.choices)}\nBấm từng mục rồi bấm “Xong”, hoặc gõ các số, ví dụ “1, {len(self.choices)}”."
        )

    def _wanted(self) -> str:
        return f"Xin gõ các số từ 1 đến {len(self.choices)}, cách nhau bằng dấu phẩy, hoặc bấm từng mục rồi bấm “Xong”."


@dataclass(frozen=True, kw_only=True)
class Text(Step):
    """Free words; value str in NFC. What ends with a question mark and is understood as a question is answered as one."""

    shortest: int = 1
    longest: int = 1000

    def read(self, text: str) -> str:
        """The text without blanks at its ends. Errors: AnswerError (length in characters)."""
        written = nfc(text).strip()
        if len(written) < self.shortest:
            raise AnswerError(f"Xin viết ít nhất {self.shortest} ký tự.")
        if len(written) > self.longest:
            raise AnswerError(f"Xin viết gọn lại: {len(written)} ký tự, nhiều nhất là {self.longest}.")
        return written

    def attempted(self, text: str) -> bool:
        """Everything but a question."""
        return not _asks(text)

    def aside(self, text: str) -> bool:
        """A question."""
        return _asks(text)


@dataclass(frozen=True, kw_only=True)
class Digits(Step):
    """A number to be copied ("482913", "482 913"); value str with its zeros."""

    count: int

    def read(self, text: str) -> str:
        """The digits. Errors: AnswerError (more or fewer, or words beside them)."""
        typed = re.sub(r"[\s.\-]", "", text)
        if not (typed.isascii() and typed.isdigit() and len(typed) == self.count):
            raise AnswerError(f"Xin gõ đúng {self.count} chữ số, không kèm chữ nào khác.")
        return typed

    def attempted(self, text: str) -> bool:
        """Whatever has a digit and is no question."""
        return not _asks(text) and any(character.isdigit() for character in text)


@dataclass(frozen=True, kw_only=True)
class Number(Step):
    """A number as Vietnamese write it ("1.200", "12,5"), a word of its unit beside it allowed; value int or float."""

    least: float | None = None
    most: float | None = None
    whole: bool = True

    def read(self, text: str) -> int | float:
        """The number. Errors: AnswerError."""
        found = _NUMBER.findall(text)
        beside = syllables(_NUMBER.sub(" ", text))
        if len(found) != 1 or len(beside) > 3 or _asks(text):
            raise AnswerError(self._wanted())
        digits = found[0].replace("−", "-").rstrip(".,")
        sign, digits = ("-", digits[1:]) if digits[0] == "-" else ("", digits.lstrip("+"))
        whole, _, fraction = digits.partition(",")
        if _GROUPED.fullmatch(whole):
            whole = whole.replace(".", "")
        try:
            value = float(f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}")
        except ValueError as error:
            raise AnswerError(self._wanted()) from error
        if self.whole and not value.is_integer():
            raise AnswerError("Xin gõ một số nguyên, không có phần lẻ.")
        low, high = self.least is not None and value < self.least, self.most is not None and value > self.most
        if low or high:
            raise AnswerError(self._wanted())
        return int(value) if self.whole else value

    def attempted(self, text: str) -> bool:
        """Whatever has a digit and is no question."""
        return not _asks(text) and any(character.isdigit() for character in text)

    def how(self) -> str:
        """The range."""
        return self._wanted()

    def _wanted(self) -> str:
        least, most = (_written(bound) if bound is not None else None for bound in (self.least, self.most))
        if least is not None and most is not None:
            return f"Xin gõ một số từ {least} đến {most}."
        if least is not None:
            return f"Xin gõ một số, từ {least} trở lên."
        return f"Xin gõ một số, nhiều nhất là {most}." if most is not None else "Xin gõ một số."


def _written(number: float) -> str:
    """A number as Vietnamese write it."""
    if float(number).is_integer():
        return f"{int(number):,}".replace(",", ".")
    return f"{number:g}".replace(".", ",")


@dataclass(frozen=True, kw_only=True)
class Date(Step):
    """A day: "5/9/1965", "5-9-1965", "05091965", "ngày 5 tháng 9 năm 1965", "1965-09-05", "hôm nay"; value "1965-09-05"."""

    earliest: date | None = None
    latest: date | None = None
    not_after_today: bool = False

    def read(self, text: str) -> str:
        """The day. A year of two digits is asked for anew: it may be either century. Errors: AnswerError."""
        day = _day(text)
        if day is None:
            raise AnswerError("Xin gõ đủ ngày, tháng và năm bốn chữ số, ví dụ “5/9/1965”.")
        if self.not_after_today and day > clock.today():
            raise AnswerError("Ngày này chưa đến. Xin xem lại năm rồi gõ lại.")
        if self.earliest is not None and day < self.earliest:
            raise AnswerError(f"Xin gõ ngày từ {self.earliest:%d/%m/%Y} trở đi.")
        if self.latest is not None and day > self.latest:
            raise AnswerError(f"Xin gõ ngày không sau {self.latest:%d/%m/%Y}.")
        return day.isoformat()

    def attempted(self, text: str) -> bool:
        """Whatever has a digit and is no question."""
        return not _asks(text) and any(character.isdigit() for character in text)

    def how(self) -> str:
        """An example."""
        return "Gõ ngày, tháng, năm, ví dụ “5/9/1965”."


def _day(text: str) -> date | None:
    words = key(text)
    if words == "hom nay":
        return clock.today()
    plain = text.strip().rstrip(".")
    for pattern, source, order in (
        (_YEAR_FIRST, plain, (0, 1, 2)),
        (_DAY_FIRST, re.sub(r"^\D+(?=\d)", "", plain), (2, 1, 0)),
        (_IN_WORDS, words, (2, 1, 0)),
        (_EIGHT, plain, (2, 1, 0)),
    ):
        match = pattern.fullmatch(source)
        if match:
            year, month, day = (int(match.groups()[position]) for position in order)
            try:
                return date(year, month, day)
            except ValueError:
                return None
    return None
