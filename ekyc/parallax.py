"""How far the nose of a face has moved against the rest of it: what turns on a solid head and stays in place on paper.

Every face is first laid on one template by the affine map of eyes and corners of the mouth. That takes out distance, roll and the
foreshortening of anything flat: of a print that is tilted towards the asked side nothing is left but perspective. On a head
the nose stands before the plane of those four points, so turning by an angle moves it by about 0.4 · tan(angle) eye distances
("plane plus parallax", Irani and Anandan 1996). The move is measured on the pixels, by dense optical flow, because
a detector's landmarks lean towards the faces it was trained on and hardly show a nod.

Paper that is creased along the nose or bent around a bottle has parallax as well. But it bends in one direction only (a developable
surface): somewhere beside, above or below the tip it stands as high as there. A nose is a summit; how much of one is its ``ridge``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.results import Image

Floats = NDArray[np.float32]

SIZE = 128
"""Pixels of the template's side."""
EYES = 40.0
"""Pixels between the eyes on it."""
_TEMPLATE = np.array([[44, 44], [84, 44], [64, 68], [48, 86], [80, 86]], np.float32)
_PLANE = [0, 1, 3, 4]  # eyes and corners of the mouth
_REACH = 7.0
"""Standard deviation of the weight around the tip of the nose, in pixels of the template."""
_MARGIN = 14.0
"""Around the nose this much does not belong to the plane."""
_AROUND = 5.0
"""Like ``_REACH``, around the places that the tip of the nose is compared with."""
_ROOT, _LIP, _CHEEK = 44.0, 92.0, 20.0
"""Height of the root of the nose and of the lower lip on the template; how far beside the tip the cheeks are looked at."""
_ROOT_SHARE = 0.25
"""Weight of the root against that of the lip: on a head that is turned far, the bridge of the nose hides the root."""
_MOVED_FROM = 0.05
"""A shorter move of the nose, in eye distances, says nothing about the shape of what moved."""
_BOWED = 0.045
"""Eye distances by which root and lip stay behind on anything flat that is nodded by 90 degrees, from perspective alone: (half their
distance)² over the distance of the camera, an arm's length."""


@dataclass(frozen=True)
class Shape:
    """A face's landmarks without place, size and tilt.

    ``across``: where the nose stands between the eyes, 0 in the middle, 0.5 at the eye on the right of the picture; ``down``:
    between the line of the eyes (0) and that of the mouth (1); both stay as they are when a flat face is moved or tilted.
    ``aspect``: eye distance over the height from eyes to mouth. ``eye_distance``: pixels.
    """

    across: float
    down: float
    aspect: float
    eye_distance: float


def shape(landmarks: Floats) -> Shape | None:
    """The ``Shape`` of 5 × 2 *landmarks* (eyes, nose, corners of the mouth; left of the picture first).

    None when they lie on one line, as on a profile or after a mistake.
    """
    points = np.asarray(landmarks, np.float64)
    middle = points[:2].mean(axis=0)
    eyes, height = points[1] - points[0], points[3:].mean(axis=0) - middle
    eye_distance, tall = float(np.hypot(*eyes)), float(np.hypot(*height))
    area = eyes[0] * height[1] - eyes[1] * height[0]
    if abs(area) < 0.1 * max(eye_distance, tall) ** 2:
        return None
    across, down = np.linalg.solve(np.stack([eyes, height], axis=1), points[2] - middle)
    return Shape(float(across), float(down), eye_distance / tall, eye_distance)


@dataclass(frozen=True)
class Crop:
    """A face on the template: grey, contrast evened out.

    ``nose``: its tip, pixels of the template. ``placed``: 2 × 2, how the picture was stretched to lie on the template.
    """

    grey: NDArray[np.uint8] = field(repr=False)
    nose: tuple[float, float]
    placed: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class Move:
    """What happened to a face between two pictures.

    ``across`` (to the right of the picture), ``down``: how far the nose went beyond what the plane of the face did, in
    eye distances; about 0 for anything flat. ``narrowing``: logarithm of longest over shortest stretch of that plane: 0
    when it was only moved, 0.14 when it was turned away by 30 degrees (the cosine). ``unevenness``: how far the rest
    of the face went from where a plane would be, on average, in eye distances: cheeks and chin are no plane either.
    ``ridge``: what part of the nose's move its root and the lower lip, or the cheeks, did not share (the smaller part of both): about
    0 for paper however it is bent; None when the nose hardly moved.
    """

    across: float
    down: float
    narrowing: float
    unevenness: float
    ridge: float | None = None

    @property
    def size(self) -> float:
        """Length of the nose's move."""
        return float(np.hypot(self.across, self.down))


def crop(image: Image, landmarks: Floats) -> Crop:
    """The face at *landmarks* laid on the template. The caller has seen that its ``shape`` is one."""
    points = np.asarray(landmarks, np.float64)
    known = np.hstack([points[_PLANE], np.ones((4, 1))])
    affine = np.linalg.lstsq(known, _TEMPLATE[_PLANE], rcond=None)[0].T
    grey = cv2.cvtColor(
        cv2.warpAffine(image, affine, (SIZE, SIZE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE),
        cv2.COLOR_BGR2GRAY,
    )
    nose = affine @ np.append(points[2], 1)
    # Evened out in tiles: the light on a face changes when it turns.
    even = cv2.createCLAHE(2.0, (4, 4)).apply(grey).astype(np.uint8, copy=False)
    return Crop(even, (float(nose[0]), float(nose[1])), affine[:, :2].astype(np.float64))


def follow(front: Crop, others: Iterable[Crop]) -> list[Move]:
    """How the face of *front* moved to become that of each of *others*, which are in the order taken.

    Each is looked for from where the detector saw its nose, and from where the picture before was found; what makes the pictures
    more alike counts. On a head that is turned far the first way alone is often too long.
    """
    moves: list[Move] = []
    last: tuple[Crop, Floats] | None = None
    for other in others:
        flow = _flow(front, other, _guess(front, other))
        if last is not None:
            step = _flow(last[0], other, _guess(last[0], other), again=1)
            tracked = _flow(front, other, last[1] + _carried(step, last[1]))
            flow = max(flow, tracked, key=lambda found: _alike(front, other, found))
        moves.append(_move(front, other, flow))
        last = other, flow
    return moves


def _move(front: Crop, other: Crop, flow: Floats) -> Move:
    """What *flow* from *front* to *other* says."""
    x, y = _grid()
    off_x, off_y = x - front.nose[0], y - front.nose[1]
    plane = _middle() & (np.hypot(off_x, (off_y + 6) / 1.6) > _MARGIN)
    if plane.sum() < SIZE:
        return Move(0.0, 0.0, 0.0, 0.0)  # a nose that covers the whole face: landmarks gone astray
    known = np.stack([x[plane], y[plane], np.ones(int(plane.sum()), np.float32)], axis=1)
    affine = np.linalg.lstsq(known, flow[plane], rcond=None)[0]
    rest = flow - np.stack([x, y, np.ones_like(x)], axis=2) @ affine
    moved = _around(rest, front.nose, _REACH)
    # From picture to picture: onto the template, along the flow, off the other's template.
    stretch = np.linalg.svd(np.linalg.solve(other.placed, (np.eye(2) + affine[:2].T) @ front.placed), compute_uv=False)
    narrowing = float(np.log(stretch[0] / max(stretch[1], 1e-6)))
    return Move(
        across=float(moved[0]),
        down=float(moved[1]),
        narrowing=narrowing,
        unevenness=float(np.abs(rest[plane]).mean() / EYES),
        ridge=_ridge(rest, front.nose, moved, narrowing),
    )


def _ridge(rest: Floats, nose: tuple[float, float], moved: NDArray[np.float64], narrowing: float) -> float | None:
    """``Move.ridge`` of *rest*, what the flow has beyond a plane; *moved*: that of the nose."""
    size = float(np.hypot(*moved))
    if size < _MOVED_FROM:
        return None
    toward = moved / size
    x, y = nose
    tip = float(_around(rest, nose, _AROUND) @ toward)
    left, right, root, lip = (
        float(_around(rest, place, _AROUND) @ toward)
        for place in ((x - _CHEEK, y), (x + _CHEEK, y), (x, _ROOT), (x, _LIP))
    )
    # What is near is magnified: a nod bows even a flat sheet's flow along the way, a turn that across.
    bowed = _BOWED * float(np.sqrt(-np.expm1(-2 * max(0.0, narrowing))))
    nods = abs(moved[1]) > abs(moved[0])
    along = tip - _ROOT_SHARE * root - (1 - _ROOT_SHARE) * lip - bowed * nods
    across = tip - (left + right) / 2 - 0.6 * bowed * (not nods)
    return float(min(along, across) / size)


def _around(rest: Floats, place: tuple[float, float], reach: float) -> NDArray[np.float64]:
    """Mean of *rest* around a *place* of the template, in eye distances."""
    x, y = _grid()
    weight = np.exp(-(((x - place[0]) / reach) ** 2 + ((y - place[1]) / reach) ** 2))
    return np.asarray((rest * weight[..., None]).sum(axis=(0, 1)) / (weight.sum() * EYES), np.float64)


def _guess(front: Crop, other: Crop) -> Floats:
    """A first flow: the nose goes where the detector saw it, what is far from it stays."""
    x, y = _grid()
    near = np.exp(-(((x - front.nose[0]) / 14) ** 2 + ((y - front.nose[1]) / 18) ** 2))
    guess = np.stack([near * (other.nose[0] - front.nose[0]), near * (other.nose[1] - front.nose[1])], axis=2)
    return np.asarray(guess, np.float32)


def _flow(front: Crop, other: Crop, guess: Floats, *, again: int = 2) -> Floats:
    """Where every pixel of *front* went on *other*, by DIS (Kroeger and others 2016), SIZE × SIZE × 2.

    The search begins with *guess* and goes on *again* times from what was found.
    """
    x, y = _grid()
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.asarray(search.calc(front.grey, other.grey, np.ascontiguousarray(guess)), np.float32)
    for _ in range(again):
        moved = _at(other.grey, x + flow[..., 0], y + flow[..., 1]).astype(np.uint8)
        more = np.asarray(search.calc(front.grey, moved, np.zeros_like(flow)), np.float32)
        flow = np.asarray(cv2.GaussianBlur(_carried(flow, more) + more, (0, 0), 1), np.float32)
    return flow


def _carried(flow: Floats, by: Floats) -> Floats:
    """*flow* as it is where *by* leads to."""
    x, y = _grid()
    parts = [_at(np.ascontiguousarray(flow[..., i]), x + by[..., 0], y + by[..., 1]) for i in range(2)]
    return np.stack(parts, axis=2)


def _alike(front: Crop, other: Crop, flow: Floats) -> float:
    """How much *other* led back along *flow* looks like *front*: mean of the correlations of small windows, -1 to 1."""
    x, y = _grid()
    a = front.grey.astype(np.float32)
    b = _at(other.grey, x + flow[..., 0], y + flow[..., 1]).astype(np.float32)
    mean_a, mean_b = _window(a), _window(b)
    spread_a = np.maximum(_window(a * a) - mean_a**2, 20)
    spread_b = np.maximum(_window(b * b) - mean_b**2, 20)
    same = (_window(a * b) - mean_a * mean_b) / np.sqrt(spread_a * spread_b)
    return float(same[_middle()].mean())


def _window(values: Floats) -> Floats:
    return np.asarray(cv2.blur(values, (9, 9)), np.float32)


def _middle() -> NDArray[np.bool_]:
    """Where on the template a face certainly is: brows to mouth, cheek to cheek."""
    x, y = _grid()
    return np.asarray((np.abs(x - SIZE / 2) < 32) & (y > 34) & (y < 94), np.bool_)


def _at(values: NDArray[Any], x: Floats, y: Floats) -> NDArray[Any]:
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    return x, y
