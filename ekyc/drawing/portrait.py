"""Portraits of people who do not exist: a relief under a lamp, painted part by part from the parameters of a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc.drawing.person import Person, person_of
from ekyc.results import Image

Field = NDArray[np.float32]
"""One number (or three) for each pixel of the portrait."""
Numbers = NDArray[np.floating[Any]]
_W, _H = 300, 400
_SIDES = (-1, 1)


def draw_portrait(
    seed: int,
    size: tuple[int, int] = (_W, _H),
    *,
    woman: bool | None = None,
    smile: float = 0.0,
    light: float = 0.0,
    brightness: float = 1.0,
) -> Image:
    """The person of *seed* from the front, BGR, *size* = (width, height).

    ``smile``: -1 to 1; ``light``: where the lamp stands, -1 (left) to 1 (right); ``brightness``: about 1. These change the
    picture, not the person.
    """
    picture = _Painter(person_of(seed, woman=woman)).paint(smile=smile, light=light)
    noise = np.random.default_rng([seed, 78]).standard_normal(picture.shape, dtype=np.float32) * 1.6
    seen = cv2.GaussianBlur(picture * brightness, (0, 0), 0.7) + noise
    shrinks = size[0] < _W
    return np.asarray(
        cv2.resize(
            np.clip(seen, 0, 255).astype(np.uint8), size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
        ),
        dtype=np.uint8,
    )


def _inside(distance: Numbers, soft: float = 0.012) -> Field:
    """1 where *distance* is negative, 0 where it is positive, smooth over *soft*."""
    return np.asarray(np.clip(0.5 - distance / (2 * soft), 0, 1), dtype=np.float32)


def _over(picture: Field, mask: Numbers, colour: Numbers | Sequence[float]) -> Field:
    """*colour* painted over *picture* where *mask* is, by its strength."""
    return np.asarray(picture + (np.asarray(colour, dtype=np.float32) - picture) * mask[..., None], dtype=np.float32)


class _Painter:
    """Paints one person; ``x`` from -1 to 1 across, ``y`` from -4/3 to 4/3 downwards, a little askew as faces are."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.rng = np.random.default_rng([person.warp, 1])
        across = (np.arange(_W, dtype=np.float32) - (_W - 1) / 2) / (_W / 2)
        down = (np.arange(_H, dtype=np.float32) - (_H - 1) / 2) / (_W / 2)
        plain_x, plain_y = np.meshgrid(across, down)
        shifts = [
            cv2.resize(self.rng.standard_normal((5, 4), dtype=np.float32), (_W, _H), interpolation=cv2.INTER_CUBIC)
            for _ in range(2)
        ]
        near = np.exp(-(plain_x**2 + plain_y**2) / 0.7)
        self.x: Field = np.asarray(plain_x + 0.016 * shifts[0] * near, dtype=np.float32)
        self.y: Field = np.asarray(plain_y + 0.016 * shifts[1] * near, dtype=np.float32)
        self.skin = np.asarray(person.skin, dtype=np.float32)

    def bump(self, cx: float, cy: float, sx: float, sy: float) -> Field:
        """A hill of height 1 at (cx, cy)."""
        return np.asarray(np.exp(-(((self.x - cx) / sx) ** 2) - ((self.y - cy) / sy) ** 2), dtype=np.float32)

    def paint(self, *, smile: float, light: float) -> Field:
        """The whole portrait."""
        p = self.person
        crown = (
            np.sqrt(
                (self.x / (p.half_width + p.hair_side)) ** 2
                + ((self.y - p.middle + 0.06) / (p.half_height + p.hair_top)) ** 2
            )
            - 1
        ) * p.half_width
        strands = cv2.GaussianBlur(self.rng.standard_normal((_H, _W), dtype=np.float32), (0, 0), sigmaX=0.9, sigmaY=8.0)
        gloss = 14 * self.bump(0.25 * light, p.middle - p.half_height, 0.3, 0.2)
        painted = np.asarray(p.hair, dtype=np.float32) + (36 * strands + gloss)[..., None]
        hair = np.asarray(np.clip(painted, 0, 255), dtype=np.float32)
        picture = self._behind(crown, hair)
        albedo = self._features(self._complexion(), smile)
        relief, head = self._relief()
        picture = _over(picture, head, self._lit(albedo, relief, light))
        picture = self._hair_before(picture, crown, hair)
        return self._glasses(picture) if p.glasses else picture

    def _relief(self) -> tuple[Field, Field]:
        """Height of every point of the head, and where the head is."""
        p, x, y = self.person, self.x, self.y
        t = (y - p.middle) / p.half_height
        width = p.half_width * (1 - p.jaw * np.clip(t, 0, 1) ** 1.6)
        r = np.sqrt((x / width) ** 2 + t**2)
        z = np.sqrt(np.clip(1 - (r * 0.97) ** 2, 0, None)) * 0.75
        z += p.nose_depth * self.bump(0, p.nose_y, p.nose_width * 0.9, 0.09)
        z += p.nose_depth * 0.62 * self.bump(0, (p.nose_y + p.eye_y) / 2, p.nose_width * 0.62, 0.18)
        for side in _SIDES:
            z += 0.05 * self.bump(side * p.nose_width, p.nose_y + 0.02, 0.05, 0.05)
            z -= p.socket * self.bump(side * p.eye_x, p.eye_y, 0.14, 0.09)
            z += p.cheek * self.bump(side * p.cheek_x, p.nose_y, 0.14, 0.14)
            z += 0.03 * self.bump(side * p.eye_x, p.brow_y, 0.15, 0.05)
        z += 0.045 * self.bump(0, p.mouth_y + 0.02, p.mouth_width, 0.07)
        z += p.chin * self.bump(0, p.middle + p.half_height * 0.86, 0.14, 0.1)
        z -= 0.03 * self.bump(0, p.mouth_y + 0.12, 0.13, 0.04)
        head = _inside(np.asarray((r - 1) * p.half_width, dtype=np.float32))
        return np.asarray(cv2.GaussianBlur(z.astype(np.float32), (0, 0), 1.7), dtype=np.float32), head

    def _lit(self, albedo: Field, relief: Field, light: float) -> Field:
        """*albedo* on *relief* under the lamp: diffuse light and a little shine."""
        dx = cv2.Sobel(relief, cv2.CV_32F, 1, 0, scale=_W / 16)
        dy = cv2.Sobel(relief, cv2.CV_32F, 0, 1, scale=_W / 16)
        lamp = np.asarray((0.55 * light, -0.42, 0.85), dtype=np.float32)
        lamp /= np.linalg.norm(lamp)
        steep = np.sqrt(dx**2 + dy**2 + 1)
        diffuse = np.clip((-dx * lamp[0] - dy * lamp[1] + lamp[2]) / steep, 0, 1)
        lit = albedo * (0.42 + 0.66 * diffuse)[..., None] + (26 * diffuse**24)[..., None]
        return np.asarray(np.clip(lit, 0, 255), dtype=np.float32)

    def _behind(self, crown: Numbers, hair: Field) -> Field:
        """Backdrop, hair behind the head, neck, clothes and ears."""
        p, x, y = self.person, self.x, self.y
        picture = np.empty((_H, _W, 3), dtype=np.float32)
        picture[:] = p.backdrop
        picture *= (1 - 0.10 * (y + 1.33) / 2.66)[..., None]
        if p.long_hair:
            fall = np.maximum(np.abs(x) - (p.half_width + p.hair_side + 0.02), p.middle - 0.2 - y)
            fall = np.maximum(fall, y - p.long_hair)
            picture = _over(picture, _inside(fall, 0.05), hair)
        if not p.bald:
            picture = _over(picture, _inside(crown, 0.02) * (y < p.middle + 0.05), hair)
        broad = p.half_width * 0.64
        neck = _inside(np.abs(x) - broad - 0.06 * np.clip(y - 0.8, 0, 1)) * _inside(p.middle + 0.3 - y)
        depth = 0.62 + 0.22 * np.clip((y - p.middle - p.half_height) / 0.5, 0, 1) - 0.2 * np.abs(x)
        picture = _over(picture, neck, self.skin * depth[..., None])
        shoulder = 0.97 + 0.32 * np.abs(x) ** 2.2 - y
        open_collar = _inside(np.abs(x) * 1.5 - (y - 0.92)) * _inside(np.abs(x) - 0.3)
        picture = _over(picture, _inside(shoulder) * (1 - open_collar), p.cloth)
        if not p.long_hair:
            for side in _SIDES:
                ear = np.sqrt(((x - side * p.half_width * 0.99) / 0.07) ** 2 + ((y - p.eye_y - 0.09) / 0.16) ** 2)
                picture = _over(picture, _inside((ear - 1) * 0.07), self.skin * 0.82)
        return picture

    def _complexion(self) -> Field:
        """Colour of the skin with cheeks, wrinkles of age, beard, moustache and mole."""
        p, x, y = self.person, self.x, self.y
        mottle = cv2.GaussianBlur(self.rng.standard_normal((_H, _W), dtype=np.float32), (0, 0), 5) * 12
        albedo = np.asarray(self.skin + mottle[..., None], dtype=np.float32)
        for side in _SIDES:
            albedo = _over(
                albedo, 0.2 * self.bump(side * 0.3, p.nose_y + 0.02, 0.16, 0.12), self.skin * (0.9, 0.9, 1.1)
            )
            fold = np.abs(x - side * (p.nose_width + 0.05 + 0.35 * (y - p.nose_y))) - 0.012
            near = self.bump(side * 0.17, (p.nose_y + p.mouth_y) / 2, 0.12, 0.12)
            albedo = _over(albedo, (0.05 + 0.4 * p.age) * _inside(fold, 0.02) * near, self.skin * 0.55)
            bag = np.abs(y - p.eye_y - 0.085 - 1.6 * (x - side * p.eye_x) ** 2) - 0.008
            near = self.bump(side * p.eye_x, p.eye_y + 0.09, 0.1, 0.06)
            albedo = _over(albedo, (0.05 + 0.45 * p.age) * _inside(bag, 0.02) * near, self.skin * 0.6)
        beard_colour = np.asarray(p.hair, dtype=np.float32) * 0.7 + 26
        around = np.clip(self.bump(0, p.mouth_y + 0.14, 0.4, 0.24) * 1.4, 0, 1)
        albedo = _over(albedo, p.beard * around, beard_colour)
        lip = np.abs(y - p.mouth_y + p.upper_lip + 0.035 - 0.12 * np.abs(x)) - 0.022
        albedo = _over(albedo, p.moustache * _inside(lip, 0.02) * (np.abs(x) < p.mouth_width * 1.1), beard_colour)
        if p.mole:
            spot = np.sqrt((x - p.mole[0]) ** 2 + (y - p.mole[1]) ** 2) - 0.014
            albedo = _over(albedo, 0.8 * _inside(spot, 0.006), (40, 44, 60))
        return albedo

    def _features(self, albedo: Field, smile: float) -> Field:
        p = self.person
        for side in _SIDES:
            albedo = self._eye(albedo, side)
            albedo = self._brow(albedo, side)
            nostril = self.bump(side * p.nose_width * 0.5, p.nose_y + 0.075, 0.026, 0.014)
            albedo = _over(albedo, 0.8 * nostril, (40, 46, 70))
            wing = self.bump(side * (p.nose_width + 0.02), p.nose_y + 0.05, 0.018, 0.04)
            albedo = _over(albedo, 0.35 * wing, self.skin * 0.5)
        albedo = _over(albedo, 0.3 * self.bump(0, p.nose_y + 0.1, p.nose_width, 0.025), self.skin * 0.5)
        return self._mouth(albedo, smile)

    def _eye(self, albedo: Field, side: int) -> Field:
        p = self.person
        across = self.x - side * p.eye_x
        down = (self.y - p.eye_y) - side * p.slant * across
        high = p.eye * p.opening
        albedo = _over(albedo, 0.28 * self.bump(side * p.eye_x, p.eye_y - 0.03, 0.14, 0.08), self.skin * 0.62)
        almond = (np.abs(across) / p.eye) ** 2 + np.abs(down / high) ** 1.6
        white = _inside((almond - 1) * p.eye * 0.5, 0.008)
        albedo = _over(albedo, white, (222, 226, 230))
        iris = np.sqrt(across**2 + down**2) - p.eye * 0.46
        albedo = _over(albedo, _inside(iris, 0.008) * white, p.iris)
        albedo = _over(albedo, _inside(iris + p.eye * 0.25, 0.006) * white, (10, 10, 12))
        glint = np.sqrt((across + 0.018) ** 2 + (down + 0.016) ** 2) - 0.012
        albedo = _over(albedo, _inside(glint, 0.005) * white, (245, 245, 245))
        lid = down + high * np.sqrt(np.clip(1 - (across / (p.eye * 1.08)) ** 2, 0, 1))
        lashes = _inside(np.abs(lid) - (0.014 if p.woman else 0.009), 0.008) * (np.abs(across) < p.eye * 1.12)
        albedo = _over(albedo, 0.92 * lashes, (20, 20, 26))
        fold = _inside(np.abs(lid + 0.035) - 0.004, 0.008) * (np.abs(across) < p.eye * 1.1)
        return _over(albedo, 0.4 * fold, self.skin * 0.5)

    def _brow(self, albedo: Field, side: int) -> Field:
        p = self.person
        along = (self.x - side * (p.eye_x + 0.01)) / 0.15
        off = self.y - p.brow_y + p.brow_arch * (1 - along**2) - 0.15 * side * along * p.brow_slant
        thick = p.brow * np.clip(1.1 - np.abs(along) ** 2 * 0.7, 0, 1)
        mask = _inside(np.abs(off) - thick, 0.012) * (np.abs(along) < 1)
        return _over(albedo, 0.82 * mask, np.asarray(p.hair, dtype=np.float32) * 0.9 + 8)

    def _mouth(self, albedo: Field, smile: float) -> Field:
        p = self.person
        line = p.mouth_y - smile * 0.05 * (self.x / p.mouth_width) ** 2
        across = np.clip(1 - (self.x / (p.mouth_width * (1 + 0.12 * smile))) ** 2, 0, 1)
        dip = 1 - 0.3 * np.exp(-((self.x / 0.03) ** 2))
        lips = np.maximum(line - self.y - p.upper_lip * across**0.6 * dip, self.y - line - p.lower_lip * across**0.8)
        albedo = _over(albedo, 0.85 * _inside(lips, 0.01) * (across > 0), p.lip)
        return _over(albedo, 0.85 * _inside(np.abs(self.y - line) - 0.006, 0.008) * (across > 0), (48, 44, 88))

    def _hair_before(self, picture: Field, crown: Numbers, hair: Field) -> Field:
        """Hair over the forehead and beside the face."""
        p, x, y = self.person, self.x, self.y
        lowest = p.middle + 0.9 if p.long_hair else p.eye_y + 0.02
        sides = _inside(p.half_width * 0.93 - np.abs(x) - 0.15 * np.clip(y - p.eye_y, 0, 1), 0.02) * (y < lowest)
        if p.bald:
            ring = sides * (y > p.eye_y - 0.35)
            return _over(picture, _inside(crown + 0.05, 0.02) * ring, hair)
        edge = p.middle - p.half_height * p.hair_line + p.fringe * np.abs(x - p.parting) ** 1.3
        edge = np.minimum(edge, p.brow_y - p.brow - 0.02)
        top = _inside(y - edge, 0.025)
        return _over(picture, _inside(crown, 0.02) * np.maximum(top, sides), hair)

    def _glasses(self, picture: Field) -> Field:
        p, x, y = self.person, self.x, self.y
        radius, flat = p.eye + 0.07, 0.8
        for side in _SIDES:
            across, down = np.abs(x - side * p.eye_x * 1.02) / radius, np.abs(y - p.eye_y - 0.02) / (radius * flat)
            rim = ((across**3 + down**3) ** (1 / 3) - 1) * radius
            picture = _over(picture, 0.9 * _inside(np.abs(rim) - p.glasses, 0.008), p.glasses_colour)
        bridge = np.maximum(np.abs(y - p.eye_y + 0.01) - p.glasses, np.abs(x) - max(p.eye_x * 1.02 - radius, 0.01))
        return _over(picture, 0.9 * _inside(bridge, 0.008), p.glasses_colour)
