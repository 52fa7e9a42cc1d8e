"""The active challenge: turn the head as asked, in an order that nobody knew before.

Is there one solid, living head? Four things are looked at, each of which stops another attack:

- every asked pose is seen in its own burst, and no pose that was not asked for (a recording in another order);
- the nose moves against the plane of eyes and mouth (``ekyc.parallax``: on prints and screens it does not), as much as
  the narrowing of the face says it should (on bent paper it moves too little), and further than what is beside, above and
  below it (on paper folded along the nose, the whole fold moves);
- the same face in all bursts (somebody else takes over);
- pictures that differ (one photograph sent many times).

A recording, or a face computed on the spot, that shows the asked poses in the asked order passes: what stops those is the random
order, the short time, few tries, and a person or a certified vendor (EKYC_VENDOR) where that is not enough.

Left and right are the person's own, and pictures come as the camera sees them, not mirrored (a page may mirror its preview only): who
turns to the left turns the nose to the right of the picture.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

import cv2
import numpy as np
from numpy.typing import NDArray

from core.settings import settings
from ekyc import faces, passive
from ekyc.faces import Face
from ekyc.parallax import Crop, Move, Shape, crop, follow, shape
from ekyc.results import Burst, ChallengeResult, Image, Pose, Reason

TURNS = (Pose.LEFT, Pose.RIGHT, Pose.UP, Pose.DOWN)
POSE_NOT_SEEN, CHANGED_FACE, FLAT, STILL, PASSIVE = "pose_not_seen", "changed_face", "flat", "still", "passive"
SUSPICIOUS = (CHANGED_FACE, FLAT, PASSIVE)
"""What a better picture would not explain: a person looks at it. Everything else is a matter of trying again."""

SEEN_FROM = {Pose.LEFT: 0.08, Pose.RIGHT: 0.08, Pose.UP: 0.07, Pose.DOWN: 0.07}
"""Parallax of the nose from which a pose counts, in eye distances: a turn of about 11 degrees, a nod of about 10. A print tilted
by 40 degrees stays below 0.03 (perspective)."""
STRAY_FROM = 1.6
"""Times ``SEEN_FROM`` from which a pose that was not asked for counts: people sway while they turn, but not that far."""
LANDMARKS_FROM = 0.1
"""How far the nose's landmark must have gone the same way when the head turns aside: a second witness (heads 0.16 to 0.55).
For nods there is none: the detector hardly moves its landmarks then."""
FRAMES_SEEN = 2
"""Frames of a burst that must show the pose: one may be an accident, the way there takes the others."""
FRONT_WITHIN = 0.22
"""How far from the middle between the eyes the nose may stand when looking ahead: crooked noses and phones held aside."""
MIN_EYE_DISTANCE = 40.0
"""Pixels between the eyes: below, the recogniser's crop (35) would be blown up. A phone at arm's length gives 60 to 100."""
FROZEN_BELOW = 0.35
"""Mean difference in grey levels under which two pictures are one: sensors alone differ by 1 to 3."""
MIN_DEPTH = {Pose.LEFT: 0.2, Pose.RIGHT: 0.2, Pose.UP: 0.16, Pose.DOWN: 0.16}
"""Height of the nose over the plane of eyes and mouth, in eye distances, that a pose must show: its parallax over the tangent of
the angle by which the face became narrower. Three of four frames of simulated heads have 0.23 to 0.4 or more; bent prints have 0.08 to
0.17 when turned, 0.07 to 0.11 when nodding."""
MIN_RIDGE = 0.33
"""What part of the nose's move must be its own, in the second best picture of all turns. Simulated heads: 0.37 and more (129 of 130);
of 44 folded or bent prints and masks that do all else right, 35 have less."""
STAYS_FROM = 0.16
"""How far the nose's landmark must stand aside on a head that was seen turning there and goes on."""
FAR_FROM, FAR_UNEVENNESS = 0.3, 0.06
"""The same on a head that was not seen on its way, with how uneven the face became: beyond 25 degrees the flow loses the nose. Nine of ten
frames of heads that far: 0.3 to 0.55, 0.06 and more; bent prints: half of them below 0.23, three of four below 0.054."""
FLAT_NARROWING, FLAT_BELOW = 0.1, 0.025
"""A face as narrow as a turn by 25 degrees makes it, and less uneven than this, is on paper or a screen: heads turned so far
have 0.036 and more, tilted prints 0.01 to 0.019."""
DARK_BELOW, BRIGHT_FROM = 40.0, 215.0
"""Mean grey of a face that explains a failure; a face that was followed in the dark is as good as any."""
BLURRED_BELOW = 6.0
"""Standard deviation of the Laplacian of a face on the template, likewise."""


def new_challenge(count: int | None = None) -> tuple[Pose, ...]:
    """FRONT, then *count* turns (EKYC_POSES by default) in an order that cannot be foreseen, never the same twice running."""
    asked = [Pose.FRONT]
    for _ in range(settings().ekyc_poses if count is None else count):
        asked.append(secrets.choice([pose for pose in TURNS if pose != asked[-1]]))
    return tuple(asked)


@dataclass
class _Frame:
    """What is known of one picture. ``move``: against the front; ``alien``: not the person of the front burst."""

    image: Image
    face: Face | None
    reasons: tuple[Reason, ...]
    shape: Shape | None
    crop: Crop | None = None
    move: Move = field(default_factory=lambda: Move(0.0, 0.0, 0.0, 0.0))
    vector: NDArray[np.float32] | None = field(default=None, repr=False)
    alien: bool = False


def judge(asked: Sequence[Pose], bursts: Sequence[Burst], *, portrait: Image | None = None) -> ChallengeResult:
    """Whether *bursts*, in the order taken, show one living head that does what *asked* says.

    ``live``; ``retake`` when trying again may help (pose not seen, face lost, too small, two faces, the same picture many times); ``review`` when a
    person must look (another face, something flat, the passive model's doubt). ``selfie``: of the front burst. *portrait*
    is for vendors who match on their own; here that is ``faces.match``'s business. A burst may be missing: it was not seen.

    Raises ValueError when *asked* does not begin with FRONT. Errors: FaceModelError.
    """
    del portrait
    if not asked or asked[0] != Pose.FRONT:
        raise ValueError("a challenge begins with the face seen from the front: the rest is measured against it")
    taken = [bursts[i].frames if i < len(bursts) and bursts[i].pose == pose else () for i, pose in enumerate(asked)]
    distinct, still = _distinct(taken)
    seen = [[_look(image) for image in images] for images in distinct]
    front = _front(seen[0])
    reasons = [STILL] if still else []
    reasons += _faults(seen, front)
    if front is None:
        return _result([*reasons, POSE_NOT_SEEN], None)
    _compare(front, [frame for frames in seen for frame in frames])
    if any(_is_another(frames) for frames in seen):
        reasons.append(CHANGED_FACE)
    if len(_good(seen[0])) < FRAMES_SEEN:
        reasons.append(POSE_NOT_SEEN)
    for number, pose in enumerate(asked[1:], start=1):
        frames = [frame for frame in _good(seen[number]) if not frame.alien]
        if not _followed(pose, asked[number - 1], _poses(frames, front)):
            reasons.append(POSE_NOT_SEEN)
            if sum(_is_flat(frame.move) for frame in frames) >= FRAMES_SEEN:
                reasons.append(FLAT)
    if POSE_NOT_SEEN not in reasons and not _is_summit([frame for frames in seen[1:] for frame in _good(frames)]):
        reasons.append(FLAT)
    if _passive_doubts(seen[0], front):
        reasons.append(PASSIVE)
    if POSE_NOT_SEEN in reasons:
        reasons += _light(front)
    return _result(reasons, front.image)


def _result(reasons: Iterable[str], selfie: Image | None) -> ChallengeResult:
    """The decision that follows from *reasons*."""
    once = tuple(dict.fromkeys(str(reason) for reason in reasons))
    decision = "review" if any(reason in SUSPICIOUS for reason in once) else "retake" if once else "live"
    return ChallengeResult(decision, once, selfie)


def _distinct(taken: Sequence[Sequence[Image]]) -> tuple[list[list[Image]], bool]:
    """*taken* without pictures that repeat an earlier one; and whether too little is left of what a burst sent.

    A slow camera hands out the same picture twice now and then; a burst of nothing else is a photograph.
    """
    kept: list[list[Image]] = []
    known: list[NDArray[np.uint8]] = []
    still = False
    for images in taken:
        new: list[Image] = []
        for image in images:
            small = np.ascontiguousarray(image[::2, ::2, 1])  # green: where a sensor sees most
            if not any(_same_picture(small, other) for other in known):
                known.append(small)
                new.append(image)
        still = still or (len(images) >= FRAMES_SEEN > len(new))
        kept.append(new)
    return kept, still


def _same_picture(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> bool:
    return a.shape == b.shape and float(cv2.absdiff(a, b).mean()) < FROZEN_BELOW


def _look(image: Image) -> _Frame:
    """Find the face of one picture."""
    face, reasons = faces.best_face(image)
    found = shape(face.landmarks) if face else None
    frame = _Frame(image, face, reasons, found)
    if face and found:
        frame.crop = crop(image, face.landmarks)
    return frame


def _good(frames: Iterable[_Frame]) -> list[_Frame]:
    return [frame for frame in frames if frame.crop is not None]


def _front(frames: Sequence[_Frame]) -> _Frame | None:
    """The frame that looks straight ahead best, None when none does."""
    ahead = [frame for frame in _good(frames) if frame.shape and abs(frame.shape.across) <= FRONT_WITHIN]
    if not ahead:
        return None
    # The middle one of those who look ahead: no blink of the detector, neither end of a movement.
    middle = median(frame.shape.across for frame in ahead if frame.shape)
    return min(ahead, key=lambda frame: abs(frame.shape.across - middle) if frame.shape else 1.0)


def _faults(seen: Sequence[Sequence[_Frame]], front: _Frame | None) -> list[str]:
    """What a new try would put right, whoever is there: no face, two faces, too far away."""
    every = [frame for frames in seen for frame in frames]
    reasons: list[str] = []
    if any(Reason.SEVERAL_FACES in frame.reasons for frame in every):
        reasons.append(Reason.SEVERAL_FACES)
    if any(frames and not any(frame.face or frame.reasons != (Reason.NO_FACE,) for frame in frames) for frames in seen):
        reasons.append(Reason.NO_FACE)
    if front and front.shape and front.shape.eye_distance < MIN_EYE_DISTANCE:
        reasons.append(Reason.TOO_SMALL)
    return reasons


def _compare(front: _Frame, frames: Iterable[_Frame]) -> None:
    """Measure every frame against *front*: parallax, and whether it is the same person.

    A head that is turned away is less alike than EKYC_SAME_FROM at times; so it may be like any frame that is known to be of
    this person, not only like the front.
    """
    assert front.crop is not None
    assert front.face is not None
    front.vector = faces.embed(front.image, front.face)
    known = [front.vector]
    good = _good(frames)
    for frame, move in zip(good, follow(front.crop, [frame.crop for frame in good if frame.crop]), strict=True):
        assert frame.face is not None
        frame.move = move
        vector = frame.vector if frame is front and frame.vector is not None else faces.embed(frame.image, frame.face)
        alike = max(faces.similarity(vector, other) for other in known)
        frame.alien = alike < settings().ekyc_same_from
        if not frame.alien:
            known.append(vector)


def _is_another(frames: Sequence[_Frame]) -> bool:
    """Whether a burst shows somebody else. One frame, blurred on the way, does not say so."""
    strange = sum(frame.alien for frame in frames)
    return strange >= FRAMES_SEEN or 0 < strange == len(_good(frames))


def _poses(frames: Sequence[_Frame], front: _Frame) -> list[tuple[Pose | None, bool]]:
    """The pose of each of *frames* of one burst, and whether it is a clear one; None: on the way, or nothing solid."""
    poses: list[tuple[Pose | None, bool]] = []
    for frame in frames:
        pose = _pose(frame, front)
        before = poses[-1][0] if poses else None
        if pose[0] is None and before in (Pose.LEFT, Pose.RIGHT):
            toward = 1 if before == Pose.LEFT else -1
            if _aside(frame, front) * toward >= STAYS_FROM:
                pose = before, False
        poses.append(pose)
    return poses


def _aside(frame: _Frame, front: _Frame) -> float:
    """How far the nose's landmark went between the eyes since *front*, to the right of the picture."""
    assert frame.shape is not None
    assert front.shape is not None
    return frame.shape.across - front.shape.across


def _pose(frame: _Frame, front: _Frame) -> tuple[Pose | None, bool]:
    """The pose of *frame* alone, and whether it is a clear one."""
    move, aside = frame.move, _aside(frame, front)
    if abs(aside) >= FAR_FROM and move.unevenness >= FAR_UNEVENNESS:
        return (Pose.LEFT if aside > 0 else Pose.RIGHT), True
    if abs(move.across) >= abs(move.down):
        pose, size = (Pose.LEFT if move.across > 0 else Pose.RIGHT), abs(move.across)
        seen = size >= SEEN_FROM[pose] and aside * float(np.sign(move.across)) >= LANDMARKS_FROM
    else:
        pose, size = (Pose.DOWN if move.down > 0 else Pose.UP), abs(move.down)
        seen = size >= SEEN_FROM[pose]
    if not seen or depth(move) < MIN_DEPTH[pose]:
        return None, False
    return pose, size >= SEEN_FROM[pose] * STRAY_FROM


def depth(move: Move) -> float:
    """How far the nose stands before the plane of the face, in eye distances, by what it did when the face turned.

    Narrowing is the cosine of the angle, parallax grows with its tangent. Infinite where the face did not turn away.
    """
    tangent = float(np.sqrt(np.expm1(2 * max(0.0, move.narrowing))))
    return move.size / tangent if tangent > 1e-6 else float("inf")


def _followed(asked: Pose, before: Pose, poses: Sequence[tuple[Pose | None, bool]]) -> bool:
    """Whether a burst shows the *asked* pose and no other; it may begin with the pose *before*, where the head comes from."""
    at = [number for number, (pose, _) in enumerate(poses) if pose == asked]
    if len(at) < FRAMES_SEEN:
        return False
    for number, (pose, clear) in enumerate(poses):
        stray = clear and pose != asked
        if stray and not (pose == before and number < at[0]):
            return False
    return True


def _is_flat(move: Move) -> bool:
    """Whether a face turned away like a sheet: narrower, and as even as before."""
    return move.narrowing >= FLAT_NARROWING and move.unevenness < FLAT_BELOW


def _is_summit(frames: Iterable[_Frame]) -> bool:
    """Whether the nose is one, by the best pictures: on the way there it is measured well, on a head turned far badly."""
    ridges = sorted((frame.move.ridge for frame in frames if frame.move.ridge is not None), reverse=True)
    return len(ridges) < FRAMES_SEEN or ridges[FRAMES_SEEN - 1] >= MIN_RIDGE


def _passive_doubts(frames: Sequence[_Frame], front: _Frame) -> bool:
    """Whether the passive model, where one is set, takes the front burst for an attack (the median of its frames)."""
    scores = [passive.live_probability(frame.image, frame.face) for frame in frames if frame.face]
    known = [score for score in scores if score is not None]
    return bool(known) and front.face is not None and median(known) < passive.LIVE_FROM


def _light(front: _Frame) -> list[str]:
    """What about the light may explain that a pose was not seen."""
    assert front.crop is not None
    assert front.face is not None
    left, top, right, bottom = (max(0, int(edge)) for edge in front.face.box)
    around = front.image[top:bottom, left:right]
    grey = float(around.mean()) if around.size else 0.0
    reasons = [str(Reason.DARK)] if grey < DARK_BELOW else [str(Reason.BRIGHT)] if grey >= BRIGHT_FROM else []
    if float(cv2.Laplacian(front.crop.grey, cv2.CV_32F).std()) < BLURRED_BELOW:
        reasons.append(Reason.BLURRED)
    return reasons
