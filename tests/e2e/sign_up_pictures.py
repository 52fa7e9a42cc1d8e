"""What stands before the camera in a sign-up: an invented member, the drawn card on a table, the head that turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ekyc.drawing import draw_portrait
from ekyc.drawing.card import choose, draw_card
from ekyc.drawing.people import Member, invent
from ekyc.images import encode
from ekyc.results import Image, Pose
from tests import heads

SIZE = (1440, 1080)
"""Width and height of the camera that looks at the card."""
SHARE = 0.86
"""Width of the card in parts of the picture's: as large as the frame on the page asks for."""
LEAD, BETWEEN = 1.0, 0.4
"""Seconds, as in ``sign_up.js``: from the words to the first picture, and between pictures."""
FPS = 5
"""Different pictures a second: more than the page takes."""


@dataclass(frozen=True, eq=False)
class Person:
    """A member who is nobody: what the card says, the card, the face on it."""

    member: Member
    card: Image
    portrait: Image


def person(seed: int) -> Person:
    """The same seed is the same person and the same card."""
    random = np.random.default_rng([seed, 1])
    member, face = invent(random), int(random.integers(2**31))
    look = np.random.default_rng([seed, 2])
    portrait = draw_portrait(face, woman=member.woman)
    return Person(member, draw_card(member, choose(look), portrait, look), portrait)


def on_the_table(card: Image, *, share: float = SHARE, blur: float = 0.0, seed: int = 1) -> Image:
    """The card from straight above on a dark table."""
    random = np.random.default_rng(seed)
    wide, high = SIZE
    picture = np.full((high, wide, 3), (58, 66, 74), np.float32)
    width = round(wide * share)
    height = round(width * card.shape[0] / card.shape[1])
    small = cv2.resize(card, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (high - height) // 2, (wide - width) // 2
    picture[top : top + height, left : left + width] = small * np.float32(0.93)
    if blur:
        picture = cv2.GaussianBlur(picture, (0, 0), blur).astype(np.float32)
    picture += random.standard_normal(picture.shape, np.float32) * 2
    return np.clip(picture, 0, 255).astype(np.uint8)


def photograph(card: Image, *, blur: float = 0.0) -> bytes:
    """The card as a file, for those who have no camera in the page."""
    return encode(on_the_table(card, blur=blur))


def record_card(card: Image, path: Path, *, blur: float = 0.0) -> None:
    """A camera file in which the card lies still."""
    heads.write_camera_file([on_the_table(card, blur=blur, seed=seed) for seed in range(4)], path, fps=10)


def record_face(portrait: Image, poses: Sequence[Pose], path: Path, *, frames: int = 6) -> None:
    """A camera file of somebody who turns as far as ``heads.DIRECTIONS`` in the page's own time; on the way from one to the next for 0.6 s."""
    random = np.random.default_rng(1)
    subject, before = heads.as_head(portrait), heads.DIRECTIONS[poses[0]]
    count, going = round(FPS * (LEAD + BETWEEN * frames)), round(FPS * 0.6)
    taken: list[Image] = []
    for pose in poses:
        goal = heads.DIRECTIONS[pose]
        for number in range(count):
            done = min(1.0, (number + 1) / going)
            yaw, pitch = (begin + (end - begin) * done for begin, end in zip(before, goal, strict=True))
            turned = heads.turned(subject, yaw + random.normal(0, 0.6), pitch + random.normal(0, 0.6))
            taken.append(heads.shot(turned, random, heads.Conditions(quality=92)))
        before = goal
    heads.write_camera_file(taken, path, fps=FPS)
