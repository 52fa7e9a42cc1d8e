"""The QR code of the citizen card: read, checked against itself and against the member card beside it.

Seven fields in UTF-8: ``12 digits|old 9 digits or empty|name|ddmmyyyy|Nam or Nữ|address|ddmmyyyy``. The code is not signed:
anybody can print one. It can only cast doubt, never prove anything.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

import cv2
import zxingcpp
from cv2.typing import MatLike

from core import clock
from core.text import syllables
from ekyc.results import Image

MAX_BYTES = 700
"""A name and an address of the longest kind; a QR code can hold 2,953."""
_UPSCALED_TO = 1600
_FIELDS = 7
_NUMBER = re.compile(r"[0-9]{12}")
_OLD_NUMBER = re.compile(r"([0-9]{9})?")
_DATE = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{4})")
_SEXES = ("Nam", "Nữ")
_MAX_NAME, _MAX_ADDRESS = 80, 300
PROVINCES = frozenset(
    f"{number:03}"
    for number in (
        *(
            1,
            2,
            4,
            6,
            8,
            10,
            11,
            12,
            14,
            15,
            17,
            19,
            20,
            22,
            24,
            25,
            26,
            27,
            30,
            31,
            33,
            34,
            35,
            36,
            37,
            38,
            40,
            42,
            44,
            45,
        ),
        *(
            46,
            48,
            49,
            51,
            52,
            54,
            56,
            58,
            60,
            62,
            64,
            66,
            67,
            68,
            70,
            72,
            74,
            75,
            77,
            79,
            80,
            82,
            83,
            84,
            86,
            87,
            89,
            91,
        ),
        *(92, 93, 94, 95, 96),
    )
)
"""First three digits of a citizen's number: the place of birth's registration, by the codes in force since 2016 (Thông tư
07/2016/TT-BCA, kept by 59/2021/TT-BCA). Numbers given before the provinces were merged stay."""


@dataclass(frozen=True)
class CitizenQr:
    """What the code says. ``doubts``: where it contradicts itself (see ``contradictions``)."""

    number: str = field(repr=False)
    old_number: str | None = field(repr=False)
    full_name: str = field(repr=False)
    date_of_birth: date = field(repr=False)
    sex: str = field(repr=False)
    address: str = field(repr=False)
    issued_on: date = field(repr=False)
    doubts: tuple[str, ...] = ()


def read_citizen_qr(image: Image) -> CitizenQr | None:
    """The citizen card's code on *image* (height × width × 3, BGR), None when there is none that can be read.

    Other QR codes, whatever they hold, are passed over. Two different citizen codes on one picture: the first one, with
    the doubt ``qr_several``.
    """
    for view in _views(image):
        found: list[CitizenQr] = []
        for barcode in zxingcpp.read_barcodes(view, formats=zxingcpp.BarcodeFormat.QRCode):
            read = parse(bytes(barcode.bytes))
            if read is not None and read not in found:
                found.append(read)
        if found:
            first = found[0]
            return first if len(found) == 1 else _doubted(first, "qr_several")
    return None


def _views(image: Image) -> Iterator[MatLike]:
    """*image*, then what helps against a small or blurred code: twice the size, and the contrast spread locally."""
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    yield grey
    if max(grey.shape) <= _UPSCALED_TO:
        grey = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
        yield grey
    yield cv2.createCLAHE(3.0, (8, 8)).apply(grey)
    soft = cv2.GaussianBlur(grey, (0, 0), 3)
    yield cv2.addWeighted(grey, 2.5, soft, -1.5, 0)


def parse(content: bytes) -> CitizenQr | None:
    """*content* of a QR code as a citizen card's, None when it is anything else."""
    if len(content) > MAX_BYTES:
        return None
    try:
        text = unicodedata.normalize("NFC", content.decode("utf-8").strip())
    except UnicodeDecodeError:
        return None
    parts = [part.strip() for part in text.split("|")]
    if len(parts) != _FIELDS or any(unicodedata.category(character)[0] == "C" for character in text):
        return None
    number, old_number, name, born, sex, address, issued = parts
    date_of_birth, issued_on = _date(born), _date(issued)
    if (
        not _NUMBER.fullmatch(number)
        or not _OLD_NUMBER.fullmatch(old_number)
        or not _is_name(name)
        or date_of_birth is None
        or sex not in _SEXES
        or not 0 < len(address) <= _MAX_ADDRESS
        or issued_on is None
    ):
        return None
    read = CitizenQr(number, old_number or None, name, date_of_birth, sex, address, issued_on)
    return _doubted(read, *_own_contradictions(read))


def _doubted(read: CitizenQr, *doubts: str) -> CitizenQr:
    return replace(read, doubts=(*read.doubts, *doubts))


def _is_name(text: str) -> bool:
    letters = text.replace(" ", "").replace("'", "").replace("-", "").replace(".", "")
    return 0 < len(text) <= _MAX_NAME and letters.isalpha()


def _date(text: str) -> date | None:
    read = _DATE.fullmatch(text)
    try:
        return date(int(read[3]), int(read[2]), int(read[1])) if read else None
    except ValueError:
        return None


def _own_contradictions(read: CitizenQr) -> tuple[str, ...]:
    """The number against the other fields: 3 digits province, 1 sex and century, 2 year of birth (Decree 137/2015/NĐ-CP)."""
    century, female = divmod(int(read.number[3]), 2)
    checks = {
        "qr_province": read.number[:3] in PROVINCES,
        "qr_sex": read.sex == _SEXES[female],
        "qr_century": 19 + century == read.date_of_birth.year // 100,
        "qr_year": int(read.number[4:6]) == read.date_of_birth.year % 100,
        "qr_dates": read.date_of_birth < read.issued_on <= clock.today(),
    }
    return tuple(code for code, holds in checks.items() if not holds)


def contradictions(qr: CitizenQr, fields: Mapping[str, str | None]) -> tuple[str, ...]:
    """Where *qr* contradicts itself or the *fields* of the member card (``FIELDS``; None: not read, not compared).

    Codes: ``qr_province``, ``qr_sex``, ``qr_century``, ``qr_year`` (the number against the rest), ``qr_dates`` (issued before birth or in
    the future), ``qr_several``; ``qr_name`` (compared without accents and case), ``qr_date_of_birth``. Empty: none.
    """
    found = list(qr.doubts)
    name, born = fields.get("full_name"), fields.get("date_of_birth")
    if name is not None and syllables(name) != syllables(qr.full_name):
        found.append("qr_name")
    if born is not None and born != qr.date_of_birth.isoformat():
        found.append("qr_date_of_birth")
    return tuple(found)
