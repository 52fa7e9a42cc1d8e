"""What the parts of the room say to each other and to the rooms above: values without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Height × width × 3, BGR, upright as EXIF says."""

FIELDS = (
    "card_number",
    "full_name",
    "date_of_birth",
    "home_town",
    "joined_on",
    "official_on",
    "issuer",
    "issued_on",
)
"""The fields of a member card. ``card_number``: 8 digits; dates: YYYY-MM-DD; text: NFC, letter case as printed."""


class Reason(StrEnum):
    """Why a photograph must be taken again, or a decision is not a plain yes."""

    NO_CARD = "no_card"
    NO_FACE = "no_face"
    SEVERAL_FACES = "several_faces"
    BLURRED = "blurred"
    GLARE = "glare"
    DARK = "dark"
    BRIGHT = "bright"
    TOO_SMALL = "too_small"
    FIELD_DOUBTFUL = "field_doubtful"
    NOT_UPRIGHT = "not_upright"


@dataclass(frozen=True)
class Quality:
    """What the gate measured; None where it could not.

    ``corners``: corners of the card found inside the picture (0 to 4). ``text_height_px``: median height of the printed
    capitals in the photograph. ``blur``: sharpness of the card, 0 (no edge at all) to 1. ``exposure``: mean lightness, 0 to
    1. ``glare``: share of the card that is burnt out, 0 to 1. ``faces``: how many were found on the card.
    """

    corners: int | None = None
    text_height_px: float | None = None
    blur: float | None = None
    exposure: float | None = None
    glare: float | None = None
    faces: int | None = None


@dataclass(frozen=True)
class CardReading:
    """What was read from one photograph. Every key of ``FIELDS`` is present; None: not read.

    ``confidence``: 0 to 1 for every field, None where the field is None. ``decision``: ``ok`` or ``retake``, with ``reasons``
    (empty when ok). ``rectified``: the card seen from straight above, None when it was not found. ``portrait``: the
    part of it around the face.
    """

    fields: Mapping[str, str | None]
    confidence: Mapping[str, float | None]
    quality: Quality
    decision: str
    reasons: tuple[Reason, ...] = ()
    rectified: Image | None = field(default=None, compare=False, repr=False)
    portrait: Image | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class MatchResult:
    """Whether two pictures show the same person. ``score``: cosine, -1 to 1, None without exactly one face on each.

    ``decision``: ``same``, ``review`` or ``different``.
    """

    score: float | None
    decision: str
    reasons: tuple[Reason, ...] = ()


class Pose(StrEnum):
    """What the member is asked to do before the camera; left and right are the member's own."""

    FRONT = "front"
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Burst:
    """The frames taken in answer to one request, oldest first."""

    pose: Pose
    frames: tuple[Image, ...]


@dataclass(frozen=True)
class ChallengeResult:
    """``decision``: ``live`` (every request was followed by one and the same solid head), ``retake`` or ``review``.

    ``reasons``: of ``Reason`` or ``pose_not_seen``, ``changed_face``, ``flat``, ``still``, ``passive``. ``selfie``: the frame that
    shows the face best, None when there is none.
    """

    decision: str
    reasons: tuple[str, ...] = ()
    selfie: Image | None = field(default=None, compare=False, repr=False)
