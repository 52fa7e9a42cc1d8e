"""A specimen card seen from straight above: layout, labels, fonts, colours and portrait drawn by chance.

Canvas: ``WIDTH`` × ``HEIGHT`` pixels = 85.6 × 54 mm at 600 dpi. Lengths below are in the units of a canvas half as wide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from ekyc.drawing.fonts import FAMILIES, Font
from ekyc.drawing.people import Member
from ekyc.results import Image

WIDTH, HEIGHT = 2022, 1276
_SCALE = 2
LABELS: dict[str, tuple[str, ...]] = {
    "card_number": ("Số thẻ", "Số", "Thẻ số", "Số thẻ hội viên"),
    "full_name": ("Họ và tên", "Họ, tên", "Họ tên"),
    "date_of_birth": ("Sinh ngày", "Ngày sinh", "Ngày, tháng, năm sinh"),
    "home_town": ("Quê quán", "Nguyên quán"),
    "joined_on": ("Ngày vào Hội", "Ngày vào Đảng", "Vào Đảng ngày", "Ngày kết nạp"),
    "official_on": ("Ngày chính thức", "Chính thức ngày"),
    "issuer": ("Nơi cấp thẻ", "Nơi cấp", "Cơ quan cấp thẻ"),
    "issued_on": ("Ngày cấp thẻ", "Ngày cấp", "Cấp ngày"),
}
_DATES = ("{d:02d}/{m:02d}/{y}", "{d:02d}-{m:02d}-{y}", "{d:02d}.{m:02d}.{y}")
_BANDS = ((176, 28, 36), (196, 20, 30), (150, 24, 40), (22, 84, 140), (14, 104, 90), (120, 36, 92), (170, 92, 10))
_PAPERS = ((252, 248, 236), (250, 240, 232), (240, 246, 250), (255, 253, 248), (244, 248, 238), (252, 236, 226))
_INKS = ((20, 20, 24), (32, 28, 60), (48, 16, 16), (16, 38, 52))


@dataclass(frozen=True)
class Design:
    """What chance chose for one card."""

    font: Font
    portrait_left: bool
    above: bool
    number_at: str
    in_columns: bool
    labels: dict[str, str]
    date_format: str
    dotted_number: bool
    colon: bool
    bold_labels: bool
    band: tuple[int, int, int]
    paper: tuple[int, int, int]
    ink: tuple[int, int, int]
    label_ink: tuple[int, int, int]
    stamp: bool


def choose(rng: Generator) -> Design:
    """A design by chance."""
    above = rng.random() < 0.35
    in_columns = bool(above or rng.random() < 0.3)
    long_dates = not in_columns and rng.random() < 0.2
    ink = _INKS[rng.integers(len(_INKS))]
    band = _BANDS[rng.integers(len(_BANDS))]
    return Design(
        font=Font(list(FAMILIES)[rng.integers(len(FAMILIES))]),
        portrait_left=bool(rng.random() < 0.6),
        above=bool(above),
        number_at=("portrait", "header", "first", "last")[rng.integers(4)],
        in_columns=in_columns,
        labels={name: variants[min(int(rng.exponential(0.9)), len(variants) - 1)] for name, variants in LABELS.items()},
        date_format="long" if long_dates else _DATES[min(int(rng.exponential(0.7)), 2)],
        dotted_number=bool(rng.random() < 0.5),
        colon=bool(not above and rng.random() < 0.85),
        bold_labels=bool(rng.random() < 0.2),
        band=band,
        paper=_PAPERS[rng.integers(len(_PAPERS))],
        ink=ink,
        label_ink=band if rng.random() < 0.25 else ink,
        stamp=bool(rng.random() < 0.6),
    )


def draw_card(member: Member, design: Design, portrait: Image, rng: Generator) -> Image:
    """The flat card, BGR, with *portrait* (BGR, 3:4) on it."""
    paper = _background(design, rng)
    canvas = Pillow.fromarray(paper)
    pen = ImageDraw.Draw(canvas)
    top = _header(pen, design, member, rng)
    left, right = _place_portrait(canvas, pen, design, member, portrait, top)
    pieces, end = fit(pen, design, member, (left, top + 12, right, HEIGHT // _SCALE - 14))
    _write(pen, design, pieces)
    image = np.asarray(canvas, dtype=np.uint8)
    if design.stamp:
        image = _stamp(image, design, rng, (left + (right - left) * 0.72, end - 70))
    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR).astype(np.uint8, copy=False)


def _background(design: Design, rng: Generator) -> NDArray[np.uint8]:
    """Paper with a faint guilloche of waves, RGB."""
    lines = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    x = np.arange(0, WIDTH, 8)
    period, swing = rng.uniform(180, 520), rng.uniform(20, 90)
    for offset in range(-100, HEIGHT + 100, int(rng.integers(22, 40))):
        y = offset + swing * np.sin(2 * np.pi * x / period + offset / rng.uniform(60, 90))
        cv2.polylines(lines, [np.stack([x, y], axis=1).astype(np.int32)], False, 255, 2, cv2.LINE_AA)
    centre = (int(rng.uniform(0.3, 0.8) * WIDTH), int(rng.uniform(0.4, 0.8) * HEIGHT))
    for radius in range(60, 420, 24):
        cv2.ellipse(lines, centre, (radius, int(radius * 0.6)), 0, 0, 360, 255, 2, cv2.LINE_AA)
    strength = rng.uniform(0.04, 0.11)
    levels = np.linspace(0, strength, 256)[:, None]
    blended = np.asarray(design.paper) * (1 - levels) + np.asarray(design.band) * levels
    table = np.round(blended).astype(np.uint8)[None]
    return cv2.LUT(cv2.merge([lines, lines, lines]), table).astype(np.uint8, copy=False)


def _header(pen: ImageDraw.ImageDraw, design: Design, member: Member, rng: Generator) -> float:
    """The band with the organisation and the title; returns where it ends."""
    height = rng.uniform(112, 136)
    filled = rng.random() < 0.75
    if filled:
        pen.rectangle((0, 0, WIDTH, height * _SCALE), fill=design.band)
    colour = (255, 246, 214) if filled else design.band
    middle = 506.0
    number = design.number_at == "header"
    lines = [
        ("HỘI BẠN ĐỌC (HƯ CẤU)", 26, "medium"),
        ("THẺ HỘI VIÊN – THẺ MẪU", 36, "bold"),
    ]
    y = 14.0
    for text, size, weight in lines:
        font = design.font.at(size * _SCALE, weight)
        width = pen.textlength(text, font) / _SCALE
        if number:
            middle = 40 + width / 2
        pen.text(((middle - width / 2) * _SCALE, y * _SCALE), text, font=font, fill=colour)
        y += size * 1.35
    if number:
        _number(pen, design, member, (1012 - 30, height / 2 - 22), anchor_right=True, colour=colour)
    return height


def _number_text(design: Design, member: Member) -> str:
    digits = member.card_number
    shown = f"{digits[:2]}.{digits[2:]}" if design.dotted_number else digits
    return f"{design.labels['card_number']}: {shown}"


def _number(
    pen: ImageDraw.ImageDraw,
    design: Design,
    member: Member,
    at: tuple[float, float],
    *,
    anchor_right: bool = False,
    width: float | None = None,
    colour: tuple[int, int, int] | None = None,
) -> None:
    """The number of the card in one line, centred in *width* or ending at *at*."""
    text, size = _number_text(design, member), 32.0
    font = design.font.at(size * _SCALE, "bold")
    long = pen.textlength(text, font) / _SCALE
    if width is not None and long > width:
        size *= width / long
        font = design.font.at(size * _SCALE, "bold")
        long = pen.textlength(text, font) / _SCALE
    x = at[0] - long if anchor_right else at[0] + ((width or long) - long) / 2
    pen.text((x * _SCALE, at[1] * _SCALE), text, font=font, fill=colour or design.ink)


def _place_portrait(
    canvas: Pillow.Image,
    pen: ImageDraw.ImageDraw,
    design: Design,
    member: Member,
    portrait: Image,
    top: float,
) -> tuple[float, float]:
    """Paste the portrait; returns the left and right end of what remains for text."""
    under = design.number_at == "portrait"
    width = 252.0
    height = width * 4 / 3
    x = 34.0 if design.portrait_left else 1012 - 34 - width
    y = top + 22
    size = (int(width * _SCALE), int(height * _SCALE))
    small = cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)
    canvas.paste(
        Pillow.fromarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB)),
        (int(x * _SCALE), int(y * _SCALE)),
    )
    pen.rectangle(
        (x * _SCALE, y * _SCALE, x * _SCALE + size[0], y * _SCALE + size[1]),
        outline=design.band,
        width=3,
    )
    if under:
        _number(pen, design, member, (x - 12, y + height + 16), width=width + 24)
    else:
        note = design.font.at(20 * _SCALE, "medium")
        text = "SPECIMEN"
        long = pen.textlength(text, note) / _SCALE
        pen.text(((x + (width - long) / 2) * _SCALE, (y + height + 14) * _SCALE), text, font=note, fill=design.band)
    return (x + width + 28, 1012 - 24) if design.portrait_left else (30, x - 22)


def _date(design: Design, day: date) -> str:
    if design.date_format == "long":
        return f"ngày {day.day:02d} tháng {day.month} năm {day.year}"
    return design.date_format.format(d=day.day, m=day.month, y=day.year)


Row = Sequence[tuple[str, str]]
"""Fields beside each other: name and text as printed."""
Piece = tuple[float, float, str, float, str, tuple[int, int, int]]
"""Left, top, text, size, weight, colour."""
_LARGEST, _SMALLEST = 33.0, 18.0


def content(design: Design, member: Member) -> list[Row]:
    """Rows of one or two (field, text as printed)."""
    number = member.card_number
    value = {
        "card_number": f"{number[:2]}.{number[2:]}" if design.dotted_number else number,
        "full_name": member.full_name,
        "home_town": member.home_town,
        "issuer": member.issuer,
        **{name: _date(design, day) for name, day in member.dates.items()},
    }
    if design.in_columns:
        rows = [
            ["full_name"],
            ["date_of_birth"],
            ["home_town"],
            ["joined_on", "official_on"],
            ["issuer"],
            ["issued_on"],
        ]
    else:
        rows = [
            ["full_name"],
            ["date_of_birth"],
            ["home_town"],
            ["joined_on"],
            ["official_on"],
            ["issuer"],
            ["issued_on"],
        ]
    if design.number_at == "first":
        rows.insert(0, ["card_number"])
    elif design.number_at == "last":
        if design.in_columns:
            rows[-1].append("card_number")
        else:
            rows.append(["card_number"])
    return [[(name, value[name]) for name in row] for row in rows]


def fit(
    pen: ImageDraw.ImageDraw, design: Design, member: Member, area: tuple[float, float, float, float]
) -> tuple[list[Piece], float]:
    """The fields at the largest size that fits *area* (left, top, right, bottom), and where the last row ends."""
    rows = content(design, member)
    size = _LARGEST
    placed, end = _arrange(pen, design, rows, area, size)
    while end > area[3] and size > _SMALLEST:
        size *= 0.97
        placed, end = _arrange(pen, design, rows, area, size)
    return placed, end


def _write(pen: ImageDraw.ImageDraw, design: Design, pieces: Sequence[Piece]) -> None:
    for x, y, text, points, weight, colour in pieces:
        pen.text((x * _SCALE, y * _SCALE), text, font=design.font.at(points * _SCALE, weight), fill=colour)


def _arrange(
    pen: ImageDraw.ImageDraw,
    design: Design,
    rows: Sequence[Row],
    area: tuple[float, float, float, float],
    size: float,
) -> tuple[list[Piece], float]:
    """Every piece of text with its place, and where the last row ends."""
    left, y, right, _ = area
    pieces: list[Piece] = []
    label_size = size * (0.68 if design.above else 0.92)
    label_weight = "bold" if design.bold_labels else "regular"
    step = size * 1.36
    for row in _apart(pen, design, rows, right - left, size, label_size) if not design.above else rows:
        width = (right - left) / len(row)
        lowest = y
        for column, (name, printed) in enumerate(row):
            x, end = left + column * width, left + (column + 1) * width - (12 if len(row) > 1 else 0)
            label = design.labels[name]
            text = printed.removeprefix("ngày ") if "ngày" in label.lower() else printed
            label += ":" if design.colon else ""
            weight = "bold" if name in ("full_name", "card_number") else "medium"
            value_font = design.font.at(size * _SCALE, weight)
            here = y
            pieces.append(
                (
                    x,
                    here if design.above else here + (size - label_size),
                    label,
                    label_size,
                    label_weight,
                    design.label_ink,
                )
            )
            if design.above:
                here += label_size * 1.28
                start, first = x, x
            else:
                label_font = design.font.at(label_size * _SCALE, label_weight)
                first = x + pen.textlength(label, label_font) / _SCALE + (14 if design.colon else 26)
                start = first if first - x < 0.4 * (end - x) else x
            for number, line in enumerate(_wrap(pen, text, value_font, (end - first, end - start))):
                if number:
                    here += size * 1.2
                pieces.append((start if number else first, here, line, size, weight, design.ink))
            lowest = max(lowest, here)
        y = lowest + step
    return pieces, y


def _apart(
    pen: ImageDraw.ImageDraw, design: Design, rows: Sequence[Row], width: float, size: float, label_size: float
) -> list[Row]:
    """*rows*, with those of two fields that do not fit beside each other made two."""
    kept: list[Row] = []
    for row in rows:
        needed = [
            pen.textlength(design.labels[name] + ": ", design.font.at(label_size * _SCALE, "bold")) / _SCALE
            + pen.textlength(text, design.font.at(size * _SCALE, "bold")) / _SCALE
            + 50
            for name, text in row
        ]
        if len(row) == 1 or max(needed) <= width / len(row):
            kept.append(row)
        else:
            kept.extend([cell] for cell in row)
    return kept


def _wrap(pen: ImageDraw.ImageDraw, text: str, font: object, widths: tuple[float, float]) -> list[str]:
    """*text* in lines no wider than the first and the other of *widths*; a single long word stands alone."""
    lines: list[str] = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}".strip()
        limit = widths[0] if len(lines) == 1 else widths[1]
        if lines[-1] and pen.textlength(longer, font) / _SCALE > limit:  # type: ignore[arg-type]
            lines.append(word)
        else:
            lines[-1] = longer
    return lines


def _stamp(image: NDArray[np.uint8], design: Design, rng: Generator, at: tuple[float, float]) -> NDArray[np.uint8]:
    """A round red stamp of the demo organisation, laid over thinly."""
    radius = rng.uniform(52, 66) * _SCALE
    x, y = at[0] * _SCALE + rng.uniform(-60, 60), min(at[1] * _SCALE, HEIGHT - radius - 30) + rng.uniform(-20, 10)
    half = int(radius) + 8
    layer = Pillow.new("L", (2 * half, 2 * half), 0)
    pen = ImageDraw.Draw(layer)
    for part, line in ((1.0, 6), (0.72, 3)):
        pen.ellipse(
            (half - radius * part, half - radius * part, half + radius * part, half + radius * part),
            outline=255,
            width=line,
        )
    font = design.font.at(18 * _SCALE, "bold")
    for text, shift in (("THẺ MẪU", -22), ("HƯ CẤU", 4)):
        pen.text((half - pen.textlength(text, font) / 2, half + shift * _SCALE), text, font=font, fill=255)
    turned = layer.rotate(rng.uniform(-25, 25), resample=Pillow.Resampling.BILINEAR)
    share = np.asarray(turned, dtype=np.float32)[..., None] / 255 * rng.uniform(0.18, 0.4)
    left, top = int(x) - half, int(y) - half
    seen = image[max(top, 0) : top + 2 * half, max(left, 0) : left + 2 * half]
    share = share[max(-top, 0) :, max(-left, 0) :][: seen.shape[0], : seen.shape[1]]
    stamped = image.copy()
    stamped[max(top, 0) : top + 2 * half, max(left, 0) : left + 2 * half] = (
        seen * (1 - share) + np.asarray((208, 30, 44)) * share
    )
    return stamped
