"""Invented members: what stands on a drawn card. Names of persons are built from common parts; places do not exist.

The organisation is the demo's own: readers of an invented province. Nobody and nothing real is meant.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from numpy.random import Generator

from ekyc.results import FIELDS

_FAMILY = (
    *("Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ", "Hồ", "Ngô", "Dương"),
    *(
        "Lý",
        "Đinh",
        "Trịnh",
        "Mai",
        "Đoàn",
        "Lương",
        "Tạ",
        "Quách",
        "Lò",
        "Giàng",
        "Nông",
        "Y",
        "Thạch",
        "Châu",
        "Kiều",
    ),
)
_MIDDLE_M = ("Văn", "Hữu", "Đức", "Công", "Quang", "Minh", "Xuân", "Đình", "Thế", "Trọng", "Quốc", "Bá", "Viết", "")
_MIDDLE_F = ("Thị", "Thị Ngọc", "Thị Thu", "Ngọc", "Thanh", "Thị Kim", "Thùy", "Bích", "Thị Hồng", "Diệu", "")
_GIVEN_M = (
    *("An", "Bình", "Chiến", "Cường", "Dũng", "Đạt", "Giang", "Hải", "Hậu", "Hiếu", "Hùng", "Huy", "Khánh", "Khoa"),
    *("Kiên", "Lâm", "Long", "Lộc", "Mạnh", "Nam", "Nghĩa", "Phúc", "Phước", "Quân", "Quý", "Sơn", "Tâm", "Thắng"),
    *("Thịnh", "Tiến", "Toàn", "Trung", "Tuấn", "Tường", "Vinh", "Vượng", "Xuyến", "Ý", "Đỉnh", "Thưởng"),
)
_GIVEN_F = (
    *("Anh", "Ánh", "Bích", "Chi", "Cúc", "Diễm", "Dung", "Duyên", "Đào", "Hà", "Hạnh", "Hằng", "Hiền", "Hoa", "Huệ"),
    *("Hường", "Lan", "Liên", "Loan", "Ly", "Mỹ", "Nga", "Ngân", "Nguyệt", "Nhung", "Oanh", "Phượng", "Quyên", "Thảo"),
    *("Thủy", "Trang", "Tuyết", "Vân", "Yến", "Quỳnh", "Thơm", "Nữ", "Thỏa", "Vỹ"),
)
_FIRST = ("An", "Bình", "Đông", "Hòa", "Hưng", "Khánh", "Lạc", "Long", "Mỹ", "Ninh", "Phú", "Quảng", "Tân", "Thanh")
_SECOND = (
    "Lâm",
    "Sơn",
    "Thủy",
    "Phước",
    "Điền",
    "Giang",
    "Khê",
    "Lộc",
    "Trạch",
    "Xuyên",
    "Đường",
    "Hải",
    "Cát",
    "Vượng",
)
_LARGE = ("Hà Trường", "Sơn Bình", "Lạc Giang", "Đông Khê", "Quảng Điền", "Thượng Lâm", "Nam Thủy", "Trường Vân")

_LAST_JOINED = date(2021, 6, 30)
_LAST_ISSUED = date(2024, 12, 31)


@dataclass(frozen=True)
class Member:
    """An invented member. ``dates`` by field; text as it is printed."""

    full_name: str
    card_number: str
    home_town: str
    issuer: str
    dates: dict[str, date]
    woman: bool

    def truth(self) -> dict[str, str]:
        """The fields in the format of a reading."""
        values = {
            "card_number": self.card_number,
            "full_name": self.full_name,
            "home_town": self.home_town,
            "issuer": self.issuer,
            **{name: day.isoformat() for name, day in self.dates.items()},
        }
        return {name: values[name] for name in FIELDS}


def invent(rng: Generator) -> Member:
    """One member; born < joined with 18 or older < full member a year later <= issued."""
    woman = bool(rng.random() < 0.45)
    middle, given = (_MIDDLE_F, _GIVEN_F) if woman else (_MIDDLE_M, _GIVEN_M)
    name = " ".join(part for part in (_one(rng, _FAMILY), _one(rng, middle), _one(rng, given)) if part)
    if rng.random() < 0.6:
        name = name.upper()
    born = date(1938, 1, 1) + timedelta(days=int(rng.integers(0, 64 * 365)))
    adult = _years(born, 18)
    joined = adult + timedelta(days=int(rng.integers(0, min(22 * 365, (_LAST_JOINED - adult).days))))
    official = _years(joined, 1) + timedelta(days=int(rng.integers(0, 20)) if rng.random() < 0.3 else 0)
    issued = official + timedelta(days=int(rng.integers(0, min(15 * 365, (_LAST_ISSUED - official).days))))
    return Member(
        full_name=name,
        card_number=f"{rng.integers(0, 100_000_000):08d}",
        home_town=_home_town(rng),
        issuer=_issuer(rng),
        dates={"date_of_birth": born, "joined_on": joined, "official_on": official, "issued_on": issued},
        woman=woman,
    )


def _one(rng: Generator, among: Sequence[str]) -> str:
    return among[int(rng.integers(0, len(among)))]


def _place(rng: Generator) -> str:
    return f"{_one(rng, _FIRST)} {_one(rng, _SECOND)}"


def _home_town(rng: Generator) -> str:
    commune, district, province = _place(rng), _place(rng), _one(rng, _LARGE)
    if rng.random() < 0.15:
        commune = str(rng.integers(1, 16))
        return f"Phường {commune}, quận {rng.integers(1, 13)}, thành phố {province}"
    style = rng.random()
    if style < 0.5:
        kind = _one(rng, ("Xã", "Thị trấn", "Phường"))
        return f"{kind} {commune}, huyện {district}, tỉnh {province}"
    if style < 0.8:
        return f"{commune}, {district}, {province}"
    return f"{commune} - {district} - {province}"


def _issuer(rng: Generator) -> str:
    kind = _one(
        rng,
        (
            *("Ban Thường vụ Hội Bạn đọc tỉnh {large}", "Ban Chấp hành Hội Bạn đọc {large}", "Tỉnh hội {large}"),
            *("Huyện hội {place}", "Hội Bạn đọc huyện {place}", "Thành hội {large}", "Ban Thường vụ Tỉnh hội {large}"),
        ),
    )
    return kind.format(large=_one(rng, _LARGE), place=_place(rng))


def _years(day: date, years: int) -> date:
    """*day* so many years later; 29 February becomes 1 March."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)
