"""How far the nose of a face has moved against the rest of it: what turns on a solid head and stays in place on paper.

Every face is first laid on one template by the affine map of eyes and corners of the mouth. That takes out distance, roll and the
foreshortening of anything flat: of a print that is tilted towards the asked side nothing is left but perspective. On a head
the nose stands before the plane of those four points, so turning by an angle moves it by about 0.4 · tan(angle) eye distances
("plane plus parallax", Irani and Anandan 1996). The move is measured on the pixels, by dense optical flow, because
a detector's landmarks lean towards the faces it was trained on and hardly show a nod.
"""

from __future__ import annotations

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
    """

    across: float
    down: float
    narrowing: float
    unevenness: float

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


def parallax(front: Crop, other: Crop) -> Move:
    """How the face of *front* moved to become that of *other*."""
    x, y = _grid()
    off_x, off_y = x - front.nose[0], y - front.nose[1]
    flow = _flow(front, other)
    plane = (np.abs(x - SIZE / 2) < 32) & (y > 34) & (y < 94) & (np.hypot(off_x, (off_y + 6) / 1.6) > _MARGIN)
    if plane.sum() < SIZE:
        return Move(0.0, 0.0, 0.0, 0.0)  # a nose that covers the whole face: landmarks gone astray
    known = np.stack([x[plane], y[plane], np.ones(int(plane.sum()), np.float32)], axis=1)
    affine = np.linalg.lstsq(known, flow[plane], rcond=None)[0]
    rest = flow - np.stack([x, y, np.ones_like(x)], axis=2) @ affine
    weight = np.exp(-((off_x / _REACH) ** 2 + (off_y / _REACH) ** 2))
    moved = (rest * weight[..., None]).sum(axis=(0, 1)) / (weight.sum() * EYES)
    # From picture to picture: onto the template, along the flow, off the other's template.
    stretch = np.linalg.svd(np.linalg.solve(other.placed, (np.eye(2) + affine[:2].T) @ front.placed), compute_uv=False)
    return Move(
        across=float(moved[0]),
        down=float(moved[1]),
        narrowing=float(np.log(stretch[0] / max(stretch[1], 1e-6))),
        unevenness=float(np.abs(rest[plane]).mean() / EYES),
    )


def _flow(front: Crop, other: Crop) -> Floats:
    """Where every pixel of *front* went on *other*, by DIS (Kroeger and others 2016), SIZE × SIZE × 2.

    The search begins with the nose where the detector saw it, and goes on twice from what was found: on a head that is
    turned far the way is too long for one search.
    """
    x, y = _grid()
    near = np.exp(-(((x - front.nose[0]) / 14) ** 2 + ((y - front.nose[1]) / 18) ** 2))
    guess = np.stack([near * (other.nose[0] - front.nose[0]), near * (other.nose[1] - front.nose[1])], axis=2)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = np.asarray(search.calc(front.grey, other.grey, guess.astype(np.float32)), np.float32)
    for _ in range(2):
        moved = _at(other.grey, x + flow[..., 0], y + flow[..., 1]).astype(np.uint8)
        more = np.asarray(search.calc(front.grey, moved, np.zeros_like(flow)), np.float32)
        carried = [_at(np.ascontiguousarray(flow[..., i]), x + more[..., 0], y + more[..., 1]) for i in range(2)]
        flow = np.asarray(cv2.GaussianBlur(np.stack(carried, axis=2) + more, (0, 0), 1), np.float32)
    return flow


def _at(values: NDArray[Any], x: Floats, y: Floats) -> NDArray[Any]:
    return np.asarray(cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


@lru_cache(maxsize=1)
def _grid() -> tuple[Floats, Floats]:
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float32)
    return x, y
