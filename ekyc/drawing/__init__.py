"""Drawn member cards of an invented organisation, and photographs of them, for tests, tuning and figures.

The same ``seed`` gives the same cards and the same photographs as long as ``VERSION`` stands; the people on the cards are
the same at every severity.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

from ekyc.drawing.card import choose, draw_card
from ekyc.drawing.fonts import FontMissingError
from ekyc.drawing.people import invent
from ekyc.drawing.photograph import EASY, HARD, MEDIUM, SEVERITIES, Severity, photograph
from ekyc.drawing.portrait import draw_portrait
from ekyc.images import encode
from ekyc.results import Image

VERSION = 2
"""Raised whenever a seed comes to mean other pictures."""

__all__ = [
    "EASY",
    "HARD",
    "MEDIUM",
    "SEVERITIES",
    "VERSION",
    "DrawnCard",
    "FontMissingError",
    "Severity",
    "draw",
    "draw_portrait",
    "photograph",
    "write",
]


@dataclass(frozen=True)
class DrawnCard:
    """One card. ``flat``: the card itself; ``photo``: its photograph as JPEG; ``person``: seed of the portrait."""

    truth: dict[str, str]
    flat: Image
    photo: bytes
    person: int


def draw(count: int, *, severity: Severity = MEDIUM, seed: int = 0) -> Iterator[DrawnCard]:
    """*count* cards, one after the other."""
    for number in range(count):
        content = np.random.default_rng([seed, number, 1])
        member, person = invent(content), int(content.integers(2**31))
        look = np.random.default_rng([seed, number, 2])
        portrait = draw_portrait(
            person, woman=member.woman, light=float(look.uniform(-0.6, 0.6)), smile=float(look.uniform(-0.3, 0.6))
        )
        flat = draw_card(member, choose(look), portrait, look)
        picture, quality = photograph(flat, severity, np.random.default_rng([seed, number, 3]))
        yield DrawnCard(member.truth(), flat, encode(picture, quality=quality), person)


def write(
    folder: Path,
    count: int,
    *,
    severity: Severity = MEDIUM,
    seed: int = 0,
    flat: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """``0001.jpg`` … and ``truth.jsonl`` in *folder*, made when missing; *flat*: ``0001.png`` …, the cards themselves to print.

    Errors: OSError, FontMissingError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "truth.jsonl").open("w", encoding="utf-8") as truth:
        for number, card in enumerate(draw(count, severity=severity, seed=seed), start=1):
            name = f"{number:04d}.{'png' if flat else 'jpg'}"
            (folder / name).write_bytes(_printable(card.flat) if flat else card.photo)
            truth.write(json.dumps({"image": name, "fields": card.truth}, ensure_ascii=False) + "\n")
            if progress:
                progress(number, count)


def _printable(card: Image) -> bytes:
    """PNG of 85.6 × 54 mm at 300 dpi."""
    half = cv2.resize(card, (card.shape[1] // 2, card.shape[0] // 2), interpolation=cv2.INTER_AREA)
    buffer = io.BytesIO()
    Pillow.fromarray(cv2.cvtColor(half, cv2.COLOR_BGR2RGB)).save(buffer, "PNG", dpi=(300, 300))
    return buffer.getvalue()
