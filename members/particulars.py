"""What the register knows of a person beside name and unit: how it is written, sealed, found and judged.

Numbers, phone, dates and home town are one JSON under the person's own data key (owner = the member's id, context
``member``). Numbers are found by keyed hashes of their digits, a person by the hash of folded name and date of birth.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import date
from typing import Any

from core import crypto
from members.names import name_key

OFFICIAL, PROBATIONARY = "official", "probationary"
STATUS_NAMES = {OFFICIAL: "Chính thức", PROBATIONARY: "Dự bị"}
SEAL_CONTEXT = "member"
ADULT = 18
"""Years of age from which people are admitted (Điều lệ Đảng, Điều 1)."""
OLDEST = date(1900, 1, 1)
LONGEST = {"name": 200, "position": 200, "home_town": 300}
"""Characters that fit a field."""

FIELD_NAMES = {
    "name": "Họ và tên",
    "unit_id": "Đơn vị",
    "position": "Chức vụ",
    "status": "Chính thức/dự bị",
    "exempt": "Miễn sinh hoạt",
    "card_number": "Số thẻ",
    "citizen_number": "Số CCCD",
    "phone": "Điện thoại",
    "date_of_birth": "Ngày sinh",
    "joined_on": "Ngày kết nạp",
    "official_on": "Ngày chính thức",
    "home_town": "Quê quán",
}
"""Field → what people call it, in forms, files and messages."""

DATES = ("date_of_birth", "joined_on", "official_on")


class RegisterError(ValueError):
    """A value cannot be in the register. ``field`` is where to put it right (None: the whole), ``code`` says what it is."""

    def __init__(self, message: str, *, field: str | None, code: str) -> None:
        super().__init__(message)
        self.field = field
        self.code = code


@dataclass(frozen=True, slots=True)
class Private:
    """The sealed values of a person; numbers are digits only."""

    card_number: str | None = None
    citizen_number: str | None = None
    phone: str | None = None
    date_of_birth: date | None = None
    joined_on: date | None = None
    official_on: date | None = None
    home_town: str | None = None

    def to_values(self) -> dict[str, str]:
        """The values that are known, as JSON has them (dates ``YYYY-MM-DD``)."""
        return {
            name: value.isoformat() if isinstance(value, date) else value
            for name, value in asdict(self).items()
            if value is not None
        }

    @classmethod
    def from_values(cls, values: dict[str, str]) -> Private:
        """The values of ``to_values``."""
        return cls(**{name: date.fromisoformat(value) if name in DATES else value for name, value in values.items()})  # type: ignore[arg-type]

    def to_bytes(self) -> bytes:
        """What is sealed."""
        return json.dumps(self.to_values(), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Private:
        """What was sealed."""
        return cls.from_values(json.loads(content))


PRIVATE_FIELDS = tuple(field.name for field in fields(Private))


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a value: the field, a code, and words without the value itself."""

    field: str
    code: str
    message: str


_SEPARATORS = re.compile(r"[\s.\-\u00a0]+")
_PHONE = re.compile(r"0(?:[35789]\d{8}|2\d{8,9})")


def digits(text: str) -> str | None:
    """The digits of a number written with spaces, dots or hyphens; None when there is anything else in it."""
    plain = _SEPARATORS.sub("", text)
    return plain if plain.isascii() and plain.isdigit() else None


def card_number(text: str) -> str | None:
    """A card number as eight digits; None when it is none."""
    plain = digits(text)
    return plain if plain and len(plain) == 8 else None


def citizen_number(text: str) -> str | None:
    """A citizen number (12 digits, or 9 of the old identity card); None when it is none."""
    plain = digits(text)
    return plain if plain and len(plain) in (9, 12) else None


def phone_number(text: str) -> str | None:
    """A Vietnamese phone number as it is dialled at home ("0912345678"); None when it is none."""
    plain = digits(text.replace("(", " ").replace(")", " ").strip().removeprefix("+"))
    if plain and plain.startswith("84") and len(plain) in (11, 12):
        plain = "0" + plain[2:]
    return plain if plain and _PHONE.fullmatch(plain) else None


Hash = Callable[..., bytes]
"""``crypto.lookup_hash``, or for many people what ``crypto.hasher()`` returns."""


def card_hash(private: Private, hashed: Hash = crypto.lookup_hash) -> bytes | None:
    """The keyed hash of the card number."""
    return hashed(private.card_number, purpose="card") if private.card_number else None


def citizen_hash(private: Private, hashed: Hash = crypto.lookup_hash) -> bytes | None:
    """The keyed hash of the citizen number."""
    return hashed(private.citizen_number, purpose="citizen") if private.citizen_number else None


def person_hash(name: str, private: Private, hashed: Hash = crypto.lookup_hash) -> bytes | None:
    """The keyed hash of folded name and date of birth."""
    if private.date_of_birth is None:
        return None
    return hashed(f"{name_key(name)} {private.date_of_birth.isoformat()}", purpose="person")


def faults(private: Private, *, status: str, today: date) -> Iterator[Fault]:
    """What contradicts itself, or cannot be, in values whose form is right."""
    for name in DATES:
        value = getattr(private, name)
        if value is None:
            continue
        if value > today:
            yield Fault(name, "impossible_date", f"{FIELD_NAMES[name]} nằm trong tương lai.")
        elif value < OLDEST:
            yield Fault(name, "impossible_date", f"{FIELD_NAMES[name]} trước năm 1900.")
    born, joined, official = private.date_of_birth, private.joined_on, private.official_on
    if born and joined and joined <= born:
        yield Fault("joined_on", "contradictory_dates", "Ngày kết nạp không sau ngày sinh.")
    elif born and joined and _years(born, joined) < ADULT:
        yield Fault("joined_on", "contradictory_dates", f"Khi kết nạp chưa đủ {ADULT} tuổi.")
    if official and joined and official < joined:
        yield Fault("official_on", "contradictory_dates", "Ngày chính thức trước ngày kết nạp.")
    elif official and born and official <= born:
        yield Fault("official_on", "contradictory_dates", "Ngày chính thức không sau ngày sinh.")
    if official and status == PROBATIONARY:
        yield Fault("official_on", "contradictory_dates", "Đang dự bị mà đã có ngày chính thức.")


def _years(born: date, on: date) -> int:
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def normalised(private: Private) -> Private:
    """*private* with numbers as digits and empty values as None. Errors: RegisterError, for the first that is wrong."""
    values: dict[str, Any] = asdict(private)
    for name, read, code, hint in (
        ("card_number", card_number, "bad_card_number", "Số thẻ gồm 8 chữ số."),
        ("citizen_number", citizen_number, "bad_citizen_number", "Số CCCD gồm 12 chữ số (CMND cũ: 9 chữ số)."),
        ("phone", phone_number, "bad_phone", "Số điện thoại gồm 10 chữ số, bắt đầu bằng 0."),
    ):
        given = (values[name] or "").strip()
        values[name] = read(given) if given else None
        if given and values[name] is None:
            raise RegisterError(f"{hint} Xin xem lại.", field=name, code=code)
    values["home_town"] = " ".join((values["home_town"] or "").split()) or None
    return Private(**values)
