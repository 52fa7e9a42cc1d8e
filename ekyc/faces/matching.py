"""Faces found and compared: ``detect``, ``embed``, ``match``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core.settings import settings
from ekyc.faces import models
from ekyc.faces.types import Face, Vector
from ekyc.results import Image, MatchResult, Reason

SEVERAL_FROM = 1 / 8
"""Share of the biggest face's area from which another face counts. Somebody three times as far from the camera has a ninth:
a passer-by or a picture on the wall does not spoil a selfie, a second person beside the first does."""
MIN_EYE_DISTANCE = 20.0
"""Pixels between the eyes below which a comparison is not trusted, either way."""


def detect(image: Image) -> list[Face]:
    """The faces on *image* (height × width × 3, BGR, upright), biggest first; empty when there is none.

    Errors: FaceModelError when the models of the installation cannot be used.
    """
    boxes, landmarks = models.analysis().det_model.detect(image)
    faces = [
        Face(
            box=(float(box[0]), float(box[1]), float(box[2]), float(box[3])),
            landmarks=np.asarray(points, np.float32),
            score=float(min(box[4], 1.0)),
        )
        for box, points in zip(boxes, landmarks, strict=True)
    ]
    # without two distinct eyes a face cannot be turned upright
    return sorted((face for face in faces if face.eye_distance >= 1), key=lambda face: -face.area)


def best_face(image: Image) -> tuple[Face | None, tuple[Reason, ...]]:
    """The face that *image* is about, or why there is none: ``no_face``, ``several_faces``.

    Several: another face has at least ``SEVERAL_FROM`` of the biggest one's area. Smaller ones are background and do not
    count: nobody who holds a phone at arm's length is a third as tall on the picture as somebody beside.
    """
    faces = detect(image)
    if not faces:
        return None, (Reason.NO_FACE,)
    if len(faces) > 1 and faces[1].area >= SEVERAL_FROM * faces[0].area:
        return None, (Reason.SEVERAL_FACES,)
    return faces[0], ()


def embed(image: Image, face: Face) -> Vector:
    """*face* of *image* as a vector of length 1, by the first recogniser. For comparing at once; never stored."""
    from ekyc.faces.analysis import vector  # noqa: PLC0415  # as in models: insightface takes a second to import

    return vector(models.analysis().models["recognition"], image, face.landmarks)


def similarity(a: Vector, b: Vector) -> float:
    """The cosine of two vectors of one recogniser, -1 to 1."""
    return float(np.clip(a @ b, -1.0, 1.0))


def vectors(image: Image, face: Face) -> tuple[Vector, ...]:
    """*face* by every recogniser of the settings, the first one first. For ``compare``; never stored."""
    from ekyc.faces.analysis import vector  # noqa: PLC0415

    second = models.second_recogniser()
    found = (embed(image, face),)
    return found if second is None else (*found, vector(second, image, face.landmarks))


def compare(a: Sequence[Vector], b: Sequence[Vector]) -> tuple[float, float | None]:
    """The cosines of two faces by the first and, where there is one, the second recogniser: of ``vectors``."""
    cosines = [similarity(one, other) for one, other in zip(a, b, strict=True)]
    return cosines[0], cosines[1] if len(cosines) > 1 else None


def match(image_a: Image, image_b: Image) -> MatchResult:
    """Whether *image_a* and *image_b* show the same person, by EKYC_SAME_FROM and EKYC_REVIEW_FROM.

    Without exactly one face on each (``best_face``): score None, review, and why. A face of fewer than ``MIN_EYE_DISTANCE``
    pixels between the eyes: review, ``too_small``. With EKYC_SECOND_RECOGNISER the score is the mean of both. Errors:
    FaceModelError.
    """
    face_a, reasons_a = best_face(image_a)
    face_b, reasons_b = best_face(image_b)
    reasons = tuple(dict.fromkeys(reasons_a + reasons_b))
    if face_a is None or face_b is None:
        return MatchResult(None, "review", reasons)
    first, second = compare(vectors(image_a, face_a), vectors(image_b, face_b))
    small = min(face_a.eye_distance, face_b.eye_distance) < MIN_EYE_DISTANCE
    score, decision = decide(first, second, small=small)
    return MatchResult(round(score, 4), decision, (Reason.TOO_SMALL,) if small else ())


def decide(first: float, second: float | None = None, *, small: bool = False) -> tuple[float, str]:
    """Score and decision from the cosines of the *first* and, where set, the *second* recogniser.

    The second one's training is not known: it may take a pair from sure to doubtful, but where the first sees a stranger
    (below EKYC_REVIEW_FROM) it lifts to ``review`` at most, never to ``same``.
    """
    same_from, review_from = settings().ekyc_same_from, settings().ekyc_review_from
    score = first if second is None else (first + second) / 2
    if small:
        return score, "review"
    if score >= same_from:
        return score, "same" if first >= review_from else "review"
    return score, "review" if score >= review_from else "different"
