"""The photograph of a flat card, as a phone would take it, at three stated severities.

Pinhole camera over a tilted plane, texture of a table, uneven light, shadow, glare, defocus, shake, noise of the sensor, JPEG.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ekyc.results import Image

Range = tuple[float, float]
Picture = NDArray[np.float32]


@dataclass(frozen=True)
class Severity:
    """Ranges that are drawn from evenly.

    ``longest``: longer side of the photograph in pixels. ``share``: width of the card in parts of the picture's. ``tilt``:
    degrees about each axis of the plane. ``rotation``: degrees in the picture. ``blur``: sigma of the defocus, pixels.
    ``shake``: length of the motion blur, pixels. ``glare``: chance that light is reflected into the camera, ``glare_size``:
    its radius in parts of the card's width, ``glare_strength``: levels of 255 added in
    its middle. ``shadow``: chance, ``shadow_depth``: share of light it takes. ``slope``: how
    much darker one side is. ``exposure``: factor on all light. ``noise``: sigma in levels of 255. ``quality``: of the JPEG.
    ``clutter``: most other things on the table.
    """

    name: str
    longest: Range
    share: Range
    tilt: Range
    rotation: Range
    blur: Range
    shake: Range
    glare: float
    glare_size: Range
    glare_strength: Range
    shadow: float
    shadow_depth: Range
    slope: Range
    exposure: Range
    noise: Range
    quality: Range
    clutter: int

    def stated(self) -> dict[str, object]:
        """The ranges by name, for reports."""
        return asdict(self)


EASY = Severity(
    name="easy",
    longest=(1900, 2300),
    share=(0.74, 0.88),
    tilt=(0, 5),
    rotation=(-3, 3),
    blur=(0.3, 0.7),
    shake=(0, 1),
    glare=0.05,
    glare_size=(0.02, 0.04),
    glare_strength=(60, 160),
    shadow=0.2,
    shadow_depth=(0.08, 0.2),
    slope=(0, 0.12),
    exposure=(0.92, 1.08),
    noise=(1, 3),
    quality=(88, 95),
    clutter=0,
)
MEDIUM = Severity(
    name="medium",
    longest=(1500, 2000),
    share=(0.58, 0.8),
    tilt=(3, 15),
    rotation=(-9, 9),
    blur=(0.6, 1.2),
    shake=(0, 2.5),
    glare=0.25,
    glare_size=(0.02, 0.05),
    glare_strength=(90, 200),
    shadow=0.5,
    shadow_depth=(0.15, 0.4),
    slope=(0.1, 0.3),
    exposure=(0.8, 1.12),
    noise=(4, 9),
    quality=(70, 90),
    clutter=2,
)
HARD = Severity(
    name="hard",
    longest=(1200, 1700),
    share=(0.52, 0.78),
    tilt=(6, 24),
    rotation=(-14, 14),
    blur=(0.8, 2.1),
    shake=(0, 5),
    glare=0.6,
    glare_size=(0.05, 0.13),
    glare_strength=(180, 330),
    shadow=0.75,
    shadow_depth=(0.25, 0.6),
    slope=(0.15, 0.5),
    exposure=(0.55, 1.2),
    noise=(7, 14),
    quality=(40, 75),
    clutter=5,
)
SEVERITIES = {severity.name: severity for severity in (EASY, MEDIUM, HARD)}


def _floats(values: NDArray[Any]) -> Picture:
    """*values* as the arithmetic here wants them; nothing is copied that already is."""
    return np.asarray(values, dtype=np.float32)


_CORNER = 0.035
"""Radius of the card's corners in parts of its width (3 mm)."""


def photograph(card: Image, severity: Severity, rng: Generator) -> tuple[Image, int]:
    """The photograph and the quality its JPEG is to have."""
    longest = int(rng.uniform(*severity.longest))
    width, height = longest, int(longest * 0.75)
    table = _table(width, height, severity, rng)
    corners = place(card.shape[0] / card.shape[1], width, height, severity, rng)
    picture = _lay(card, table, corners, rng)
    picture = _light(picture, corners, severity, rng)
    picture = _optics(picture, severity, rng)
    noise = rng.uniform(*severity.noise)
    picture += rng.standard_normal(picture.shape[:2], dtype=np.float32)[..., None] * np.float32(noise * 0.8)
    picture += rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(noise * 0.6)
    return np.clip(picture, 0, 255).astype(np.uint8), int(rng.uniform(*severity.quality))


def place(ratio: float, width: int, height: int, severity: Severity, rng: Generator) -> Picture:
    """Where the card's corners come to lie (from top left, clockwise), all inside the picture.

    ``ratio``: height of the card in parts of its width.
    """
    plane = np.asarray([(-1, -ratio), (1, -ratio), (1, ratio), (-1, ratio)], dtype=np.float64) / 2
    angles = np.radians([rng.choice((-1, 1)) * rng.uniform(*severity.tilt) for _ in range(2)])
    turn = np.radians(rng.uniform(*severity.rotation))
    about_x = np.asarray(
        [[1, 0, 0], [0, np.cos(angles[0]), -np.sin(angles[0])], [0, np.sin(angles[0]), np.cos(angles[0])]]
    )
    about_y = np.asarray(
        [[np.cos(angles[1]), 0, np.sin(angles[1])], [0, 1, 0], [-np.sin(angles[1]), 0, np.cos(angles[1])]]
    )
    about_z = np.asarray([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    points = np.column_stack([plane, np.zeros(4)]) @ (about_z @ about_x @ about_y).T
    seen = points[:, :2] / (points[:, 2:] + rng.uniform(1.5, 2.2))
    span = np.ptp(seen, axis=0)
    scale = min(rng.uniform(*severity.share) * width / span[0], 0.94 * height / span[1])
    seen = seen * scale
    room = np.asarray([width, height]) - np.ptp(seen, axis=0)
    start = room * (0.5 + rng.uniform(-0.35, 0.35, 2)) - seen.min(axis=0)
    return _floats(seen + start)


def _lay(card: Image, table: Picture, corners: Picture, rng: Generator) -> Picture:
    """The card on the table with a thin dark rim where it lies."""
    height, width = table.shape[:2]
    long = float(np.linalg.norm(corners[1] - corners[0]))
    factor = min(1.0, 1.15 * long / card.shape[1])
    small = cv2.resize(card, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    mask = np.zeros((h, w), dtype=np.uint8)
    radius = int(_CORNER * w)
    cv2.rectangle(mask, (radius, 0), (w - radius - 1, h - 1), 255, -1)
    cv2.rectangle(mask, (0, radius), (w - 1, h - radius - 1), 255, -1)
    for cx, cy in (
        (radius, radius),
        (w - radius - 1, radius),
        (radius, h - radius - 1),
        (w - radius - 1, h - radius - 1),
    ):
        cv2.circle(mask, (cx, cy), radius, 255, -1, cv2.LINE_AA)
    source = np.asarray([(0, 0), (w, 0), (w, h), (0, h)], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners)
    seen = cv2.warpPerspective(small, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpPerspective(mask, matrix, (width, height), flags=cv2.INTER_LINEAR).astype(np.float32) / 255
    offset = rng.uniform(-6, 6, 2)
    moved = cv2.warpAffine(alpha, np.asarray([[1, 0, offset[0]], [0, 1, offset[1]]], dtype=np.float32), (width, height))
    rim = cv2.GaussianBlur(moved, (0, 0), long / 160).astype(np.float32, copy=False)
    table = table * (1 - np.float32(rng.uniform(0.25, 0.5)) * rim[..., None])
    return np.asarray(table + (seen - table) * alpha[..., None], dtype=np.float32)


def _table(width: int, height: int, severity: Severity, rng: Generator) -> Picture:
    """Wood, cloth, paper, stone or a chequered cloth, with other things on it."""
    kind = int(rng.integers(5))
    colour = np.asarray(
        [(60, 95, 140), (110, 80, 60), (150, 170, 175), (70, 70, 75), (90, 130, 90), (40, 60, 110), (190, 150, 120)][
            int(rng.integers(7))
        ],
        dtype=np.float32,
    ) * rng.uniform(0.7, 1.15)
    small = (height // 4, width // 4)
    grain = rng.normal(0, 1, small).astype(np.float32)
    if kind == 0:
        grain = _floats(cv2.GaussianBlur(grain, (0, 0), sigmaX=24, sigmaY=0.9) * 60)
    elif kind == 1:
        yy, xx = np.mgrid[: small[0], : small[1]].astype(np.float32)
        grain = grain * 5 + 9 * np.sin(xx * 1.1) * np.sin(yy * 1.1)
    elif kind == 2:
        grain = _floats(cv2.GaussianBlur(grain, (0, 0), 1.2) * 8)
    elif kind == 3:
        grain = _floats(cv2.GaussianBlur(grain, (0, 0), 9) * 160 + grain * 4)
    else:
        step = int(rng.uniform(18, 46))
        yy, xx = np.mgrid[: small[0], : small[1]]
        grain = 22.0 * ((xx // step + yy // step) % 2).astype(np.float32) + grain * 3
    texture = cv2.resize(grain.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    table = np.clip(colour + texture[..., None], 0, 255).astype(np.float32)
    for _ in range(int(rng.integers(0, severity.clutter + 1))):
        centre = rng.uniform(0, 1, 2) * (width, height)
        box = (
            (float(centre[0]), float(centre[1])),
            (rng.uniform(0.05, 0.5) * width, rng.uniform(0.05, 0.4) * height),
            rng.uniform(0, 180),
        )
        shade = rng.uniform(30, 245, 3)
        cv2.fillPoly(table, [cv2.boxPoints(box).astype(np.int32)], tuple(float(v) for v in shade), cv2.LINE_AA)
    return _floats(cv2.GaussianBlur(table, (0, 0), 1.2))


def _light(picture: Picture, corners: Picture, severity: Severity, rng: Generator) -> Picture:
    """Slope, colour of the lamp, shadow of a hand or phone, glare on the card."""
    height, width = picture.shape[:2]
    # Light varies slowly: a quarter of the resolution is enough.
    yy, xx = np.mgrid[: height // 4, : width // 4].astype(np.float32) * 4
    angle = rng.uniform(0, 2 * np.pi)
    along = (xx / width - 0.5) * np.cos(angle) + (yy / height - 0.5) * np.sin(angle)
    light = 1 - rng.uniform(*severity.slope) * (along + 0.5)
    if rng.random() < severity.shadow:
        light *= 1 - rng.uniform(*severity.shadow_depth) * _shadow(width, height, corners, rng)
    warmth = rng.uniform(-0.08, 0.08)
    lamp = np.asarray((1 - warmth, 1, 1 + warmth), dtype=np.float32) * rng.uniform(*severity.exposure)
    gain = cv2.resize((light[..., None] * lamp).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    picture = _floats(cv2.multiply(picture, gain))
    if rng.random() < severity.glare:
        long = float(np.linalg.norm(corners[1] - corners[0]))
        share = rng.uniform(0.1, 0.9, 2)
        top = corners[0] + (corners[1] - corners[0]) * share[0]
        bottom = corners[3] + (corners[2] - corners[3]) * share[0]
        x, y = top + (bottom - top) * share[1]
        turn, size, flat = rng.uniform(0, np.pi), rng.uniform(*severity.glare_size) * long, rng.uniform(0.4, 1)
        u = (xx - x) * np.cos(turn) + (yy - y) * np.sin(turn)
        v = -(xx - x) * np.sin(turn) + (yy - y) * np.cos(turn)
        away = (u / size) ** 2 + (v / (size * flat)) ** 2
        glare = (rng.uniform(*severity.glare_strength) * np.exp(-away) + 26 * np.exp(-away / 9)).astype(np.float32)
        large = cv2.resize(glare, (width, height), interpolation=cv2.INTER_LINEAR)
        picture = _floats(cv2.add(picture, cv2.merge([large, large, large])))
    return _floats(np.clip(picture, 0, 255))


def _shadow(width: int, height: int, corners: Picture, rng: Generator) -> Picture:
    """1 in the shadow: a soft-edged half plane or a band through the card."""
    mask = np.zeros((height // 4, width // 4), dtype=np.float32)
    centre = corners.mean(axis=0) / 4 + rng.uniform(-0.15, 0.15, 2) * mask.shape[1]
    angle = rng.uniform(0, np.pi)
    deep = mask.shape[1] * (3.0 if rng.random() < 0.5 else rng.uniform(0.1, 0.3))
    direction = np.asarray([np.cos(angle), np.sin(angle)])
    across = np.asarray([-direction[1], direction[0]])
    far = direction * mask.shape[1] * 3
    points = np.asarray([centre - far, centre + far, centre + far + across * deep, centre - far + across * deep])
    cv2.fillPoly(mask, [points.astype(np.int32)], 1.0)
    soft = cv2.GaussianBlur(mask, (0, 0), rng.uniform(2, 14))
    return _floats(soft)


def _optics(picture: Picture, severity: Severity, rng: Generator) -> Picture:
    """Defocus and shake."""
    picture = _floats(cv2.GaussianBlur(picture, (0, 0), rng.uniform(*severity.blur)))
    length, angle = rng.uniform(*severity.shake), rng.uniform(0, np.pi)
    if length < 1:
        return picture
    size = int(length) + 3 | 1
    kernel = np.zeros((size, size), dtype=np.float32)
    middle = (size - 1) / 2
    for step in np.linspace(-length / 2, length / 2, 8 * size):
        x, y = middle + step * np.cos(angle), middle + step * np.sin(angle)
        left, top = int(np.floor(x)), int(np.floor(y))
        for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
            if 0 <= left + dx < size and 0 <= top + dy < size:
                kernel[top + dy, left + dx] += (1 - abs(x - left - dx)) * (1 - abs(y - top - dy))
    return _floats(cv2.filter2D(picture, -1, kernel / kernel.sum()))
