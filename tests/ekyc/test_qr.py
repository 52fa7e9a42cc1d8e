"""The citizen card's QR code is read from photographs, checked, and never trusted or feared."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime

import cv2
import numpy as np
import pytest
import segno

from core import clock
from ekyc.qr import MAX_BYTES, PROVINCES, CitizenQr, contradictions, parse, read_citizen_qr
from ekyc.results import FIELDS, Image

CONTENT = "001164012345|012345678|Nguyễn Thị Ấu|05091964|Nữ|Số 7, ngõ 12, phố Đặng Dung, Ba Đình, Hà Nội|21042021"
READ = CitizenQr(
    number="001164012345",
    old_number="012345678",
    full_name="Nguyễn Thị Ấu",
    date_of_birth=date(1964, 9, 5),
    sex="Nữ",
    address="Số 7, ngõ 12, phố Đặng Dung, Ba Đình, Hà Nội",
    issued_on=date(2021, 4, 21),
)
OTHER = "079085012345||Trần Văn Bình|01021985|Nam|Quận 1, Thành phố Hồ Chí Minh|02032022"


def drawn(content: str | bytes, scale: int = 4) -> Image:
    """*content* as a QR code, black on white."""
    out = io.BytesIO()
    segno.make(content, micro=False, error="m").save(out, kind="png", scale=scale, border=4)
    return cv2.imdecode(np.frombuffer(out.getvalue(), np.uint8), cv2.IMREAD_COLOR).astype(np.uint8)


def on_card(code: Image, width: int = 1200) -> Image:
    """*code* in the right upper corner of a card, as on the citizen card."""
    card = np.full((int(width / 1.585), width, 3), (225, 235, 228), np.uint8)
    height, across = code.shape[:2]
    card[20 : 20 + height, width - across - 20 : width - 20] = code
    return card


def photographed(card: Image, *, tilt: float = 0.0, turn: float = 0.0, blur: float = 0.0, quality: int = 80) -> Image:
    """*card* on a table: seen from the side (*tilt*: how much shorter the far edge is), turned (degrees), blurred."""
    height, width = card.shape[:2]
    size = (int(width * 1.3), int(height * 1.5))
    inset = width * tilt / 2
    source = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    target = np.array([[inset, 0], [width - inset, 0], [width, height], [0, height]], np.float32)
    angle = np.deg2rad(turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]], np.float32)
    target = (target - target.mean(0)) @ rotation.T + np.array([size[0] / 2, size[1] / 2], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target.astype(np.float32))
    picture = cv2.warpPerspective(card, matrix, size, borderValue=(90, 110, 130))
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur)
    noise = np.random.default_rng(1).normal(0, 4, picture.shape)
    picture = np.clip(picture.astype(np.float32) + noise, 0, 255).astype(np.uint8)
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR).astype(np.uint8)


@pytest.mark.parametrize(
    ("tilt", "turn", "blur"),
    [(0, 0, 0), (0.1, 0, 0), (0.2, 8, 0.8), (0, 90, 0.8), (0.05, 180, 1.0), (0.1, -30, 1.2), (0.0, 3, 2.0)],
)
def test_read_from_a_photograph(tilt: float, turn: float, blur: float) -> None:
    assert read_citizen_qr(photographed(on_card(drawn(CONTENT)), tilt=tilt, turn=turn, blur=blur)) == READ


def test_read_from_a_small_photograph() -> None:
    """About two pixels a module."""
    assert read_citizen_qr(photographed(on_card(drawn(CONTENT, scale=2), 700), tilt=0.05, blur=0.5)) == READ


def test_a_damaged_corner_is_repaired() -> None:
    code = drawn(CONTENT)
    code[150:170, 150:170] = 255
    assert read_citizen_qr(on_card(code)) == READ


def test_without_the_old_number() -> None:
    read = read_citizen_qr(on_card(drawn(OTHER)))
    assert read is not None
    assert (read.old_number, read.doubts) == (None, ())


def test_decomposed_letters_are_composed() -> None:
    import unicodedata

    assert parse(unicodedata.normalize("NFD", CONTENT).encode()) == READ


def test_nothing_personal_is_printed() -> None:
    assert repr(READ) == "CitizenQr(doubts=())"


@pytest.mark.parametrize("picture", [np.full((64, 64, 3), 255, np.uint8), np.zeros((900, 1400, 3), np.uint8)])
def test_no_code(picture: Image) -> None:
    assert read_citizen_qr(picture) is None


def test_destroyed_code() -> None:
    code = drawn(CONTENT)
    code[:, 60:140] = 255
    assert read_citizen_qr(on_card(code)) is None


@pytest.mark.parametrize(
    "content",
    [
        "https://example.com/?id=001164012345|x|y|z|1|2|3",
        "WIFI:S:phong hop;T:WPA;P:matkhau;;",
        "|" * 6,
        "a" * 2300,
        CONTENT + "|" + "a" * 1500,
        CONTENT + "|thêm",
        CONTENT.rsplit("|", 1)[0],
        CONTENT.replace("Nữ", "nu"),
        CONTENT.replace("05091964", "31021964"),
        CONTENT.replace("05091964", "05/09/1964"),
        CONTENT.replace("21042021", "00000000"),
        CONTENT.replace("001164012345", "00116401234"),
        CONTENT.replace("001164012345", "001164O12345"),
        CONTENT.replace("012345678", "12345678"),
        CONTENT.replace("Nguyễn Thị Ấu", ""),
        CONTENT.replace("Nguyễn Thị Ấu", "<script>alert(1)</script>"),
        CONTENT.replace("Nguyễn Thị Ấu", "'; drop table members"),
        CONTENT.replace("Nguyễn Thị Ấu", "Nguyễn\x00Thị Ấu"),
        CONTENT.replace("Nguyễn Thị Ấu", "Nguyễn\u202eThị Ấu"),
        CONTENT.replace("001164012345", "٠٠١١٦٤٠١٢٣٤٥"),
        CONTENT.replace("001164012345", "００１１６４０１２３４５"),
        CONTENT.encode("utf-16"),
        bytes(range(256)),
        CONTENT.encode("utf-8")[:-1] + b"\xff",
    ],
)
def test_foreign_and_hostile_codes(content: str | bytes) -> None:
    assert read_citizen_qr(drawn(content, scale=3)) is None


@pytest.mark.parametrize("content", [b"", b"\n", b"a" * 10_000, CONTENT.encode() * 100, b"|" * (MAX_BYTES + 1)])
def test_contents_that_no_code_may_have(content: bytes) -> None:
    assert parse(content) is None


def test_other_codes_beside_are_passed_over() -> None:
    both = np.concatenate([on_card(drawn("https://example.com")), on_card(drawn(CONTENT))])
    assert read_citizen_qr(both) == READ


def test_the_same_code_twice_is_one() -> None:
    assert read_citizen_qr(np.concatenate([on_card(drawn(CONTENT)), on_card(drawn(CONTENT))])) == READ


def test_two_different_cards_are_a_contradiction() -> None:
    read = read_citizen_qr(np.concatenate([on_card(drawn(OTHER)), on_card(drawn(CONTENT))]))
    assert read is not None
    assert contradictions(read, {}) == ("qr_several",)


@pytest.mark.parametrize(
    ("old", "new", "codes"),
    [
        ("001164", "003164", ("qr_province",)),
        ("001164", "001064", ("qr_sex",)),
        ("001164", "001364", ("qr_century",)),
        ("001164", "001264", ("qr_sex", "qr_century")),
        ("001164", "001146", ("qr_year",)),
        ("05091964", "05092064", ("qr_century", "qr_dates")),
        ("21042021", "21041950", ("qr_dates",)),
        ("21042021", "21042031", ("qr_dates",)),
        ("Nữ", "Nam", ("qr_sex",)),
    ],
)
def test_the_number_against_the_other_fields(old: str, new: str, codes: tuple[str, ...]) -> None:
    with clock.fixed(datetime(2026, 5, 1, tzinfo=UTC)):
        read = parse(CONTENT.replace(old, new).encode())
    assert read is not None
    assert contradictions(read, {}) == codes


@pytest.mark.parametrize(
    ("number", "born", "sex"),
    [("001090000001", "01021990", "Nam"), ("001204000001", "01022004", "Nam"), ("001304000001", "01022004", "Nữ")],
)
def test_both_sexes_and_centuries(number: str, born: str, sex: str) -> None:
    read = parse(f"{number}||Lê An|{born}|{sex}|Hà Nội|02032022".encode())
    assert read is not None
    assert contradictions(read, {}) == ()


def card(**values: str | None) -> dict[str, str | None]:
    """The fields of a member card."""
    return dict.fromkeys(FIELDS) | values


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        (card(full_name="NGUYỄN THỊ ẤU", date_of_birth="1964-09-05"), ()),
        (card(full_name="Nguyen  Thi Au"), ()),
        (card(), ()),
        ({}, ()),
        (card(full_name="Nguyễn Thị Âm"), ("qr_name",)),
        (card(full_name="Thị Ấu Nguyễn"), ("qr_name",)),
        (card(date_of_birth="1964-05-09"), ("qr_date_of_birth",)),
        (card(full_name="Trần Văn Bình", date_of_birth="1985-02-01"), ("qr_name", "qr_date_of_birth")),
    ],
)
def test_against_the_member_card(fields: dict[str, str | None], codes: tuple[str, ...]) -> None:
    assert contradictions(READ, fields) == codes


def test_provinces() -> None:
    assert len(PROVINCES) == 63
    assert {"001", "079", "048", "096"} <= PROVINCES
    assert {"000", "003", "097", "1"} & PROVINCES == set()
