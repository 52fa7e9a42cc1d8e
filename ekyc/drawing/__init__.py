"""Drawn member cards of an invented organisation, and photographs of them, for tests, tuning and figures.

The same ``seed`` gives the same cards and the same photographs as long as ``VERSION`` stands; the people on the cards are
the same at every severity.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from ekyc import faces
from ekyc.drawing.card import choose, draw_card
from ekyc.drawing.fonts import FontMissingError
from ekyc.drawing.people import Member, invent
from ekyc.drawing.photograph import EASY, HARD, MEDIUM, SEVERITIES, Severity, photograph
from ekyc.drawing.portrait import draw_portrait
from ekyc.images import encode
from ekyc.results import Image

VERSION = 2
"""Raised whenever a seed comes to mean other pictures."""
SHEET, SHEET_DPI = "specimen.pdf", 300
"""The cards of ``write(flat=True)`` once more, on A4 sheets at their true size."""

__all__ = [
    "EASY",
    "HARD",
    "MEDIUM",
    "SEVERITIES",
    "SHEET",
    "SHEET_DPI",
    "VERSION",
    "DrawnCard",
    "FontMissingError",
    "Member",
    "PortraitError",
    "Severity",
    "cut_portrait",
    "draw",
    "draw_portrait",
    "photograph",
    "sheets",
    "write",
]


@dataclass(frozen=True)
class DrawnCard:
    """One card. ``flat``: the card itself; ``photo``: its photograph as JPEG; ``person``: seed of the portrait."""

    truth: dict[str, str]
    flat: Image
    photo: bytes
    person: int


class PortraitError(ValueError):
    """A picture that cannot stand on a card; the message says why, in Vietnamese."""


def cut_portrait(picture: Image) -> Image:
    """Head and shoulders of the one face on *picture*, 3:4, as they stand on a card. Errors: PortraitError."""
    found = faces.detect(picture)
    if len(found) != 1:
        raise PortraitError("ảnh chân dung phải có đúng một khuôn mặt")
    left, top, right, bottom = found[0].box
    size = (480, 640)
    scale = size[0] / (2.0 * (right - left))
    turn = np.array(
        [
            [scale, 0, size[0] / 2 - scale * (left + right) / 2],
            [0, scale, size[1] * 0.45 - scale * (top + bottom) / 2],
        ]
    )
    cut = cv2.warpAffine(picture, turn, size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    return cut.astype(np.uint8, copy=False)


def draw(
    count: int,
    *,
    severity: Severity = MEDIUM,
    seed: int = 0,
    members: Sequence[Member] = (),
    portrait: Image | None = None,
) -> Iterator[DrawnCard]:
    """*count* cards, one after the other; of *members* (at least as many) where given, with *portrait* on each where given."""
    for number in range(count):
        content = np.random.default_rng([seed, number, 1])
        member, person = members[number] if members else invent(content), int(content.integers(2**31))
        look = np.random.default_rng([seed, number, 2])
        drawn = draw_portrait(
            person, woman=member.woman, light=float(look.uniform(-0.6, 0.6)), smile=float(look.uniform(-0.3, 0.6))
        )
        flat = draw_card(member, choose(look), drawn if portrait is None else portrait, look)
        picture, quality = photograph(flat, severity, np.random.default_rng([seed, number, 3]))
        yield DrawnCard(member.truth(), flat, encode(picture, quality=quality), person)


def write(
    folder: Path,
    count: int,
    *,
    severity: Severity = MEDIUM,
    seed: int = 0,
    flat: bool = False,
    members: Sequence[Member] = (),
    portrait: Image | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """``0001.jpg`` … and ``truth.jsonl`` in *folder*, made when missing; *members* and *portrait* as in ``draw``.

    *flat*: ``0001.png`` …, the cards themselves to print, and ``specimen.pdf`` with all of them. Errors: OSError, FontMissingError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    printable: list[Pillow.Image] = []
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for number, card in enumerate(
            draw(count, severity=severity, seed=seed, members=members, portrait=portrait), start=1
        ):
            name = f"{number:04d}.{'png' if flat else 'jpg'}"
            if flat:
                printable.append(_printable(card.flat))
                printable[-1].save(folder / name, "PNG", dpi=(SHEET_DPI, SHEET_DPI))
            else:
                (folder / name).write_bytes(card.photo)
            truth.write(json.dumps({"image": name, "fields": card.truth}, ensure_ascii=False) + "\n")
            if progress:
                progress(number, count)
    if flat:
        first, *others = list(sheets(printable))
        first.save(folder / SHEET, "PDF", resolution=SHEET_DPI, save_all=True, append_images=others, quality=92)


def _printable(card: Image) -> Pillow.Image:
    """The card at ``SHEET_DPI``: 1011 × 638 pixels are 85.6 × 54 mm."""
    half = cv2.resize(card, (card.shape[1] // 2, card.shape[0] // 2), interpolation=cv2.INTER_AREA)
    return Pillow.fromarray(cv2.cvtColor(half, cv2.COLOR_BGR2RGB))


def sheets(cards: Sequence[Pillow.Image]) -> Iterator[Pillow.Image]:
    """A4 sheets of ten cards, each in a thin line to cut along."""
    wide, high = round(210 / 25.4 * SHEET_DPI), round(297 / 25.4 * SHEET_DPI)
    for begin in range(0, len(cards), 10):
        sheet = Pillow.new("RGB", (wide, high), "white")
        pen = ImageDraw.Draw(sheet)
        for place, card in enumerate(cards[begin : begin + 10]):
            left = (wide - 2 * card.width - 60) // 2 + place % 2 * (card.width + 60)
            top = (high - 5 * card.height - 4 * 40) // 2 + place // 2 * (card.height + 40)
            sheet.paste(card, (left, top))
            pen.rectangle((left - 1, top - 1, left + card.width, top + card.height), outline=(150, 150, 150))
        yield sheet
