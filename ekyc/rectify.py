"""Where the card lies in a photograph, and the card seen from straight above.

Method: many masks (thresholds of several colour channels, distance from the colour of the picture's border, edges), the outlines
of each approximated by four lines, each quadrilateral scored by its shape, and the one preferred that several masks
agree on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.results import Image

Points = NDArray[np.float32]
"""n × 2, x and y in pixels."""

ASPECT = 85.6 / 54
"""Width by height of a card in the format of ISO/IEC 7810 ID-1."""
SEARCH_SIDE = 640
"""Longer side of the picture in which the outline is looked for."""
MIN_SHARE, MAX_SHARE = 0.1, 0.985
"""Share of the picture that a card may fill; more is the picture itself."""
SURE, CLEAR = 0.65, 0.5
"""Scores from which straight edges are not looked for, and the light is not evened."""
EVENED = 0.85
"""What a score in evened light is worth: edges are stronger there, those of grain too."""
WIDE = 60
"""Pixels over which the light is evened."""
AWAY = (1.5, 4.5, 4.5)
"""What differences of lightness and of the two colours (CIE Lab) from the border's count."""
FITTED = 100
"""Points that a side is fitted to at least, where there are as many."""
LINES = 16
"""Straight edges, longest first, that may be sides of the card."""
MOST = 200
"""Candidates, best shapes first, that are compared."""
LOOKED_AT = 24
"""Outlines, best shapes first, whose edges are looked for."""
EDGE = 9.0
"""Least difference of colour (CIE Lab, lightness counted 0.6) across the edge of a card."""
OUTSIDE = 0.04
"""How far a corner may lie outside the picture, in parts of its longer side."""


@dataclass(frozen=True)
class Outline:
    """The card in a photograph. ``corners``: 4×2, clockwise from the upper left as photographed. ``score``: 0 to 1."""

    corners: Points
    score: float

    def inside(self, image: Image) -> int:
        """How many corners lie inside *image*."""
        height, width = image.shape[:2]
        x, y = self.corners[:, 0], self.corners[:, 1]
        return int(((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)).sum())

    def width(self) -> float:
        """Mean length of the two longer sides in pixels."""
        sides = _sides(self.corners)
        return float(max(sides[0] + sides[2], sides[1] + sides[3]) / 2)

    def on_its_side(self) -> bool:
        """Whether the shorter sides lie horizontally."""
        sides = _sides(self.corners)
        return bool(sides[0] + sides[2] < sides[1] + sides[3])


def find(image: Image) -> Outline | None:
    """The outline of the card in *image*; None when nothing in it looks like one."""
    scale = SEARCH_SIDE / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8, copy=False)
    best = _better(_framed(small), _crossing_sides(small), SURE)
    if best is None or best.score < CLEAR:
        # A shadow's edge is a side to all of these: once more with the light evened, where the grain counts for more.
        lit = _evenly_lit(small)
        again = _better(_framed(lit), _crossing_sides(lit), CLEAR / EVENED)
        if again is not None and (best is None or EVENED * again.score > best.score):
            best = Outline(again.corners, EVENED * again.score)
    return Outline((best.corners / scale).astype(np.float32), best.score) if best else None


def _better(first: Outline | None, other: Iterator[Outline], sure: float) -> Outline | None:
    """*first*, or one of *other* with a higher score where *first* is not *sure*."""
    if first is not None and first.score >= sure:
        return first
    return max((first, *other) if first else other, key=lambda outline: outline.score, default=None)


def _framed(image: Image) -> Outline | None:
    """The best outline around something that differs from its surroundings."""
    size = (image.shape[1], image.shape[0])
    candidates: list[tuple[float, Points]] = []
    for mask in _masks(image):
        outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        for outline in sorted(outlines, key=cv2.contourArea, reverse=True)[:3]:
            hull = cv2.convexHull(outline)
            area = cv2.contourArea(hull)
            if area < MIN_SHARE * size[0] * size[1]:
                continue
            corners = _four_lines(outline.astype(np.int32, copy=False), hull.astype(np.int32, copy=False))
            score = _score(corners, size)
            if corners is None or score <= 0:
                continue
            filled = area / max(cv2.contourArea(corners), 1.0)
            candidates.append((score * float(np.clip(1 - 3 * abs(filled - 0.985), 0.1, 1)), corners))
    return _best(candidates, _colours(image))


def _crossing_sides(image: Image) -> Iterator[Outline]:
    """The best outline between straight edges: things that touch the card spoil what is around it, but not those of its sides."""
    size = (image.shape[1], image.shape[0])
    best = _best([(_score(corners, size), corners) for corners in _crossed(image, size)], _colours(image))
    if best is not None:
        yield best


def _colours(image: Image) -> NDArray[np.float32]:
    return cv2.cvtColor(cv2.GaussianBlur(image, (0, 0), 1.2), cv2.COLOR_BGR2LAB).astype(np.float32)


def _evenly_lit(image: Image) -> Image:
    """*image* without what the light does over wide areas (retinex: Jobson, Rahman and Woodell 1997)."""
    levels: NDArray[np.float32] = np.log1p(image.astype(np.float32))
    levels -= cv2.GaussianBlur(levels.mean(axis=2), (0, 0), WIDE)[..., None]
    low, high = np.percentile(levels, (1, 99))
    lit: Image = np.clip((levels - low) * (255 / max(high - low, 1e-3)), 0, 255).astype(np.uint8)
    return lit


def _best(candidates: list[tuple[float, Points]], lab: NDArray[np.float32]) -> Outline | None:
    """The quadrilateral of the best shape that others agree with and whose sides are edges in the picture."""
    near = 0.02 * max(lab.shape[:2])
    groups: list[tuple[float, float, Points]] = []
    for score, corners in sorted(candidates, key=lambda candidate: -candidate[0])[:MOST]:
        for place, (support, first, other) in enumerate(groups):
            if np.abs(corners - other).max() < near:
                groups[place] = (support + score, first, other)
                break
        else:
            groups.append((score, score, corners))
    if not groups:
        return None
    groups.sort(key=lambda group: -group[1] * (1 + 0.25 * min(group[0], 4)))
    ranked = []
    for support, score, corners in groups[:LOOKED_AT]:
        seen = _seen(lab, corners)
        ranked.append((score * (1 + 0.25 * min(support, 4)) * seen**2, score * seen, corners))
    _, score, corners = max(ranked, key=lambda one: one[0])
    return Outline(corners, float(score))


def _crossed(image: Image, size: tuple[int, int]) -> Iterator[Points]:
    """Quadrilaterals between the longest straight edges of the picture."""
    edges = np.zeros(image.shape[:2], np.uint8)
    for channel in cv2.split(cv2.bilateralFilter(image, 7, 40, 7)):
        edges |= cv2.Canny(channel, 25, 70).astype(np.uint8, copy=False)
    found = cv2.HoughLinesP(edges, 1, np.pi / 360, 50, minLineLength=max(size) // 10, maxLineGap=max(size) // 50)
    if found is None:
        return
    lines: list[tuple[float, float, float]] = []  # angle, and the line as x cos + y sin = distance
    for x1, y1, x2, y2 in sorted(found.reshape(-1, 4).tolist(), key=lambda s: -np.hypot(s[2] - s[0], s[3] - s[1])):
        angle = float(np.arctan2(y2 - y1, x2 - x1)) % np.pi
        normal = angle + np.pi / 2
        distance = float(x1 * np.cos(normal) + y1 * np.sin(normal))
        middle = (x1 + x2) / 2, (y1 + y2) / 2
        alike = any(
            min(abs(angle - a), np.pi - abs(angle - a)) < 0.06
            and abs(middle[0] * np.cos(a + np.pi / 2) + middle[1] * np.sin(a + np.pi / 2) - d) < 6
            for a, d, _ in lines
        )
        if not alike:
            lines.append((angle, distance, float(np.hypot(x2 - x1, y2 - y1))))
        if len(lines) == LINES:
            break
    pairs = [
        (first, second)
        for first, second in combinations(lines, 2)
        if min(abs(first[0] - second[0]), np.pi - abs(first[0] - second[0])) < 0.45
    ]
    for (a, c), (b, d) in combinations(pairs, 2):
        across = abs(a[0] - b[0])
        if min(across, np.pi - across) < 0.9 or {a, c} & {b, d}:
            continue
        corners = [_crossing(a, b), _crossing(b, c), _crossing(c, d), _crossing(d, a)]
        if all(corner is not None for corner in corners):
            yield _ordered(np.array(corners, np.float32))


def _crossing(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float] | None:
    a, b = first[0] + np.pi / 2, second[0] + np.pi / 2
    determinant = float(np.cos(a) * np.sin(b) - np.sin(a) * np.cos(b))
    if abs(determinant) < 0.2:
        return None
    x = (first[1] * np.sin(b) - second[1] * np.sin(a)) / determinant
    y = (second[1] * np.cos(a) - first[1] * np.cos(b)) / determinant
    return float(x), float(y)


def _seen(lab: NDArray[np.float32], corners: Points) -> float:
    """How much of the outline shows an edge in the picture, 0 to 1; the weakest side counts half.

    Compared are the colours a few pixels inside and outside, at places along each side. A side along the picture's
    border shows none.
    """
    height, width = lab.shape[:2]
    shares = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - start) / max(float(np.linalg.norm(end - start)), 1.0)
        across = np.array([-along[1], along[0]], np.float32)
        places = start + (end - start) * np.linspace(0.06, 0.94, 48, dtype=np.float32)[:, None]
        sides = []
        inside = np.ones(len(places), bool)
        for distance in (4.0, -4.0):
            at = np.rint(places + across * distance).astype(int)
            inside &= (at[:, 0] >= 0) & (at[:, 1] >= 0) & (at[:, 0] < width) & (at[:, 1] < height)
            sides.append(lab[np.clip(at[:, 1], 0, height - 1), np.clip(at[:, 0], 0, width - 1)])
        step = (np.abs(sides[0] - sides[1]) * (0.6, 1.0, 1.0)).sum(1)
        shares.append(float(((step > EDGE) & inside).mean()))
    return (float(np.mean(shares)) + min(shares)) / 2


def whole(image: Image) -> Outline:
    """The picture's own border as the outline: for scans cut at the card's edges."""
    height, width = image.shape[:2]
    corners = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float32)
    return Outline(corners, 0.0)


def straighten(image: Image, outline: Outline, width: int) -> Image:
    """The card in *outline*, its longer side *width* pixels and horizontal; it may still stand on its head."""
    corners = np.roll(outline.corners, 1, axis=0) if outline.on_its_side() else outline.corners
    height = round(width / _aspect(corners))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    shrink = outline.width() / width
    if shrink > 1.6:  # a coarser step first: the warp below takes four neighbours and would skip pixels
        factor = 1 / shrink * 1.25
        image = cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        corners = (corners * factor).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(np.ascontiguousarray(corners, np.float32), target)
    flat = cv2.warpPerspective(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return flat.astype(np.uint8, copy=False)


def _aspect(corners: Points) -> float:
    """Width by height: a card's own unless the sides clearly say otherwise (another format, a strong tilt)."""
    sides = _sides(corners)
    seen = float((sides[0] + sides[2]) / max(sides[1] + sides[3], 1.0))
    return ASPECT if 0.8 < seen / ASPECT < 1.25 else float(np.clip(seen, 1.0, 2.4))


def _sides(corners: Points) -> NDArray[np.float32]:
    lengths: NDArray[np.float32] = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1).astype(np.float32)
    return lengths


def _masks(image: Image) -> Iterator[NDArray[np.uint8]]:
    smooth = cv2.bilateralFilter(image, 7, 40, 7)
    lab = cv2.cvtColor(smooth, cv2.COLOR_BGR2LAB)
    saturation = cv2.cvtColor(smooth, cv2.COLOR_BGR2HSV)[:, :, 1]
    masks: list[NDArray[np.uint8]] = []
    for channel in (*cv2.split(lab), saturation, smooth[:, :, 2]):
        _, mask = cv2.threshold(cv2.GaussianBlur(channel, (5, 5), 0), 0, 255, cv2.THRESH_OTSU)
        masks += [mask.astype(np.uint8, copy=False), cv2.bitwise_not(mask).astype(np.uint8, copy=False)]
    rim = 10
    border = np.concatenate(
        [part.reshape(-1, 3) for part in (lab[:rim], lab[-rim:], lab[:, :rim], lab[:, -rim:])]
    ).astype(np.float32)
    away = cv2.transform(np.abs(lab.astype(np.float32) - np.median(border, axis=0)), np.array([AWAY], np.float32))
    _, mask = cv2.threshold(np.clip(away, 0, 255).astype(np.uint8), 0, 255, cv2.THRESH_OTSU)
    masks.append(mask.astype(np.uint8, copy=False))
    channels = (*cv2.split(smooth), *cv2.split(lab)[1:])
    for low, high in ((20, 60), (40, 120), (80, 200)):
        edges = np.zeros(image.shape[:2], np.uint8)
        for channel in channels:
            edges |= cv2.Canny(channel, low, high).astype(np.uint8, copy=False)
        masks.append(cv2.dilate(edges, np.ones((3, 3), np.uint8)).astype(np.uint8, copy=False))
    kernel = np.ones((7, 7), np.uint8)
    for mask in masks:
        yield mask
        closed = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, kernel, iterations=2)
        yield cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel).astype(np.uint8, copy=False)


def _ordered(corners: Points) -> Points:
    """Clockwise, the corner nearest the picture's upper left first."""
    middle = corners.mean(0)
    angles = np.arctan2(corners[:, 1] - middle[1], corners[:, 0] - middle[0])
    corners = corners[np.argsort(angles)]
    return np.roll(corners, -int(np.argmin(corners.sum(1))), axis=0)


def _four_lines(outline: NDArray[np.int32], hull: NDArray[np.int32]) -> Points | None:
    """Four corners of an outline: lines fitted to the middle part of each side (card corners are round), intersected."""
    around = cv2.arcLength(hull, closed=True)
    corners = None
    for tolerance in np.linspace(0.01, 0.12, 23):
        rough = cv2.approxPolyDP(hull, tolerance * around, closed=True)
        if len(rough) <= 4:
            corners = rough.reshape(-1, 2).astype(np.float32) if len(rough) == 4 else None
            break
    if corners is None:
        return None
    corners = _ordered(corners)
    points = outline.reshape(-1, 2).astype(np.float32)
    lines: list[tuple[Points, Points]] = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(end - start))
        if length < 16:
            return None
        along = (end - start) / length
        across = np.array([-along[1], along[0]], np.float32)
        place, distance = (points - start) @ along / length, np.abs((points - start) @ across)
        near = points[(place > 0.13) & (place < 0.87) & (distance < max(4.0, 0.035 * length))]
        if len(near) < 15:
            lines.append((start, along))
        else:
            vx, vy, x, y = cv2.fitLine(near[:: max(1, len(near) // FITTED)], cv2.DIST_HUBER, 0, 0.01, 0.01).ravel()
            lines.append((np.array([x, y], np.float32), np.array([vx, vy], np.float32)))
    exact = []
    for (p, u), (q, v) in zip((lines[-1], *lines[:-1]), lines, strict=True):
        system = np.array([u, -v]).T
        if abs(np.linalg.det(system)) < 1e-3:
            return None
        exact.append(p + u * np.linalg.solve(system, q - p)[0])
    return np.array(exact, np.float32)


def _score(corners: Points | None, size: tuple[int, int]) -> float:
    """How much four corners look like a photographed card, 0 to 1."""
    if corners is None or not np.isfinite(corners).all():
        return 0.0
    width, height = size
    slack = OUTSIDE * max(size)
    x, y = corners[:, 0], corners[:, 1]
    if (x < -slack).any() or (y < -slack).any() or (x > width + slack).any() or (y > height + slack).any():
        return 0.0
    if not cv2.isContourConvex(corners.astype(np.int32).reshape(-1, 1, 2)):
        return 0.0
    share = cv2.contourArea(corners) / (width * height)
    if not MIN_SHARE <= share <= MAX_SHARE:
        return 0.0
    sides = _sides(corners)
    aspect = float((sides[0] + sides[2]) / (sides[1] + sides[3] + 1e-6))
    aspect = max(aspect, 1 / aspect)
    alike = float(np.exp(-(((aspect - ASPECT) / 0.3) ** 2)))
    opposite = float(
        min(sides[0], sides[2]) / max(sides[0], sides[2]) * min(sides[1], sides[3]) / max(sides[1], sides[3])
    )
    return alike * opposite * (0.4 + 0.6 * min(1.0, share / 0.35))
