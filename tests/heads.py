"""A solid head before a camera, simulated: one frontal picture of a face is laid over a generic head and turned.

The head is an ellipsoid with a ridge for the nose. Its measures are given in distances between the eyes (63 mm on a grown-up): the tip of the
nose stands about 0.43 of them (27 mm) before the plane of eyes and mouth corners. Angles are degrees; left and right are the
person's own, so a turn to the left moves the nose to the right of the picture. What is not simulated: hair and ears that come into
sight, the face's own movements, the shadow of the nose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ekyc import faces
from ekyc.results import Burst, Image, Pose

WIDTH, HEIGHT = 480, 640
"""A picture of a phone held upright, as the page sends it."""
EYES = 80.0
"""Pixels between the eyes on it: a face of about 190 pixels, an arm's length away."""
DISTANCE = 6.5
"""From the camera to the middle of the head, in eye distances: 41 cm."""
TURN, NOD = 25.0, 22.0
"""How far somebody turns or nods who was asked to."""

Floats = NDArray[np.float32]
Angles = tuple[float, float]
"""Yaw to the own left and pitch upwards, in degrees."""

DIRECTIONS: dict[Pose, Angles] = {
    Pose.FRONT: (0.0, 0.0),
    Pose.LEFT: (TURN, 0.0),
    Pose.RIGHT: (-TURN, 0.0),
    Pose.UP: (0.0, NOD),
    Pose.DOWN: (0.0, -NOD),
}


@dataclass(frozen=True, eq=False)
class Head:
    """A face upright in the middle of a picture. ``depth``: pixels towards the camera, from the plane through the ears."""

    picture: Image
    depth: Floats
    weight: Floats
    centre: tuple[float, float]
    landmarks: Floats
    normals: Floats
    rest: Angles = (0.0, 0.0)
    maps: dict[Angles, tuple[Floats, Floats]] = field(default_factory=dict)


@dataclass(frozen=True)
class Conditions:
    """Light and camera. ``noise``: standard deviation in grey levels; ``blur``: sigma in pixels; ``quality``: of the JPEG."""

    gain: float = 1.0
    noise: float = 2.5
    blur: float = 0.0
    quality: int = 85
    shake: float = 1.0


DIM = Conditions(gain=0.3, noise=5.0, blur=0.8, quality=75, shake=1.5)
"""One lamp in the evening, an old phone."""


def public_faces() -> list[Image]:
    """Faces of installed packages that look about straight ahead: one picture each, no other face on it."""
    import insightface
    import skimage.data

    folder = Path(insightface.__file__).parent / "data" / "images"
    pictures = [cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR)]
    for name in ("t1.jpg", "Tom_Hanks_54745.png"):
        read = cv2.imread(str(folder / name))
        assert read is not None, name
        pictures.append(read.astype(np.uint8, copy=False))
    alone = [
        _alone(picture, face.landmarks)
        for picture in pictures
        for face in sorted(faces.detect(picture), key=lambda found: found.box)
    ]
    seen = [(picture, faces.detect(picture)) for picture in alone]
    return [picture for picture, found in seen if len(found) == 1 and abs(_nose(found[0].landmarks) - 0.5) < 0.12]


def _nose(points: Floats) -> float:
    """How far from the eye on the left of the picture to the other one the nose stands, 0 to 1."""
    along = points[1] - points[0]
    return float((points[2] - points[0]) @ along / (along @ along))


def _alone(picture: Image, landmarks: NDArray[np.floating]) -> Image:
    """The surroundings of one face, 480 × 640, eyes level; what is further away (neighbours) is a blur of the border."""
    points = np.asarray(landmarks, np.float32)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across = points[1] - points[0]
    unit = max(float(np.linalg.norm(across)), float(np.linalg.norm(mouth - eyes)) / 1.05)
    angle = float(np.degrees(np.arctan2(across[1], across[0])))
    middle = (eyes + mouth) / 2
    turn = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), angle, EYES / unit)
    turn[:, 2] += np.array([WIDTH / 2, HEIGHT * 0.46]) - middle
    placed = cv2.warpAffine(picture, turn, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    # An oval around head and shoulders; the rest could be another face.
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    away = np.hypot((x - WIDTH / 2) / (EYES * 1.35), (y - HEIGHT * 0.44) / (EYES * 2.1))
    share = np.clip((away - 1) / 0.25, 0, 1)[..., None]
    behind = cv2.GaussianBlur(placed, (0, 0), EYES * 0.9)
    return np.asarray(placed * (1 - share) + behind * share, np.uint8)


def head(picture: Image, *, nose: float = 0.22) -> Head:
    """The biggest face of *picture* on a head. ``nose``: height of its ridge in eye distances (0.15 flat, 0.3 high).

    Raises ValueError without a face.
    """
    found = faces.detect(picture)
    if not found:
        raise ValueError("no face on the picture")
    canvas = _alone(picture, found[0].landmarks)
    points = np.asarray(faces.detect(canvas)[0].landmarks, np.float32)
    centre = (points[:2].mean(axis=0) + points[3:].mean(axis=0)) / 2
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    x, y = (x - centre[0]) / EYES, (y - centre[1]) / EYES
    radius = np.sqrt((x / 1.2) ** 2 + (y / 1.6) ** 2)
    depth = 1.25 * np.clip(1 - radius**2.5, 0, None)
    tip = (points[2] - centre) / EYES
    along = np.clip((y + 0.45) / (tip[1] + 0.45), 0, 1) * np.clip(1 - (y - tip[1]) / 0.2, 0, 1)
    depth += nose * np.exp(-(((x - tip[0] * np.clip(along, 0, 1)) / 0.17) ** 2)) * along
    weight = np.clip((1.9 - radius) / 0.9, 0, 1)
    steep = cv2.GaussianBlur(depth.astype(np.float32), (0, 0), EYES * 0.08) * EYES
    slope_y, slope_x = np.gradient(steep)
    normals = np.stack([-slope_x, -slope_y, np.ones_like(slope_x)], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    # A face that looks a little aside is taken as what it is: a head already turned by that much.
    rest = float(np.degrees(np.arctan((_nose(points) - 0.5) / (0.21 + nose))))
    return Head(
        picture=canvas,
        depth=(depth * EYES).astype(np.float32),
        weight=(weight**2 * (3 - 2 * weight)).astype(np.float32),
        centre=(float(centre[0]), float(centre[1])),
        landmarks=points,
        normals=normals.astype(np.float32),
        rest=(rest, 0.0),
    )


def turned(subject: Head, yaw: float, pitch: float, *, light: Sequence[float] = (0.5, -0.5, 0.7)) -> Image:
    """*subject* with the head turned; whole degrees, so that maps are computed once.

    ``light``: where the light comes from (right, down, to the camera). It stays where it is while the head turns, so the
    shading changes; what the picture itself was lit by is kept.
    """
    key = (round(yaw - subject.rest[0]), round(pitch - subject.rest[1]))
    if key not in subject.maps:
        subject.maps[key] = _maps(subject, *key)
    towards = np.asarray(light, np.float32) / np.float32(np.linalg.norm(light))
    a, b = np.radians(key[0]), np.radians(key[1])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    turned_light = (towards @ (about_x @ about_y)).astype(np.float32)  # the light as the head sees it
    shade = (0.6 + np.clip(subject.normals @ turned_light, 0, None)) / (
        0.6 + np.clip(subject.normals @ towards, 0, None)
    )
    shade = 1 + (shade - 1) * subject.weight
    lit = _as_image(subject.picture * shade[..., None])
    return _as_image(cv2.remap(lit, *subject.maps[key], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))


def _maps(subject: Head, yaw: float, pitch: float) -> tuple[Floats, Floats]:
    """For every pixel of the turned picture the place it comes from: the nearest surface wins (half size, then smooth)."""
    far = DISTANCE * EYES
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    z = subject.depth
    near = (far - z) / far
    x, y = (columns - subject.centre[0]) * near, (rows - subject.centre[1]) * near
    a, b = np.radians(yaw) * subject.weight, np.radians(pitch) * subject.weight
    x1, z1 = x * np.cos(a) + z * np.sin(a), z * np.cos(a) - x * np.sin(a)
    y2, z2 = y * np.cos(b) - z1 * np.sin(b), z1 * np.cos(b) + y * np.sin(b)
    scale = far / (far - z2)
    to_x, to_y = x1 * scale + subject.centre[0], y2 * scale + subject.centre[1]
    column, row = np.floor(to_x / 2).astype(int), np.floor(to_y / 2).astype(int)
    inside = (column >= 0) & (column < WIDTH // 2) & (row >= 0) & (row < HEIGHT // 2)
    order = np.argsort(z2[inside], kind="stable")
    index = (row[inside] * (WIDTH // 2) + column[inside])[order]
    known = np.zeros(WIDTH * HEIGHT // 4, np.float32)
    known[index] = 1
    maps = []
    for source, target, cell in ((columns, to_x, column), (rows, to_y, row)):
        flat = np.zeros(WIDTH * HEIGHT // 4, np.float32)
        flat[index] = (source - (target - (2 * cell + 0.5)))[inside][order]
        maps.append(flat)
    shape = (HEIGHT // 2, WIDTH // 2)
    mask = known.reshape(shape)
    filled = [_filled(part.reshape(shape), mask) for part in maps]
    return tuple(cv2.resize(part, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR) for part in filled)  # type: ignore[return-value]


def _filled(values: Floats, known: Floats) -> Floats:
    """*values* with its holes filled from their neighbours."""
    values, known = values.copy(), known.copy()
    while not known.all():
        around = cv2.boxFilter(known, -1, (5, 5), borderType=cv2.BORDER_CONSTANT)
        mean = cv2.boxFilter(values * known, -1, (5, 5), borderType=cv2.BORDER_CONSTANT) / np.maximum(around, 1e-6)
        new = (known == 0) & (around > 1e-3)
        values[new] = mean[new]
        known[new] = 1
    return values


def _as_image(values: NDArray[np.generic]) -> Image:
    return np.clip(values, 0, 255).astype(np.uint8) if values.dtype != np.uint8 else values  # type: ignore[return-value]


def shot(
    scene: Image,
    random: np.random.Generator,
    conditions: Conditions,
    wander: Sequence[float] | NDArray[np.float64] = (0, 0),
) -> Image:
    """One frame of *scene*: unsteady hand, light, noise, JPEG. ``wander``: where it has moved to, in pixels."""
    tilt, zoom = random.normal(0, 0.4 * conditions.shake), 1 + random.normal(0, 0.004 * conditions.shake)
    move = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), tilt, zoom)
    move[:, 2] = move[:, 2] + np.asarray(wander) + random.normal(0, 0.8 * conditions.shake, 2)
    seen = cv2.warpAffine(scene, move, (scene.shape[1], scene.shape[0]), borderMode=cv2.BORDER_REPLICATE)
    if conditions.blur:
        seen = cv2.GaussianBlur(seen, (0, 0), conditions.blur)
    noisy = seen * np.float32(conditions.gain * random.uniform(0.97, 1.03))
    noisy = noisy + random.standard_normal(seen.shape, np.float32) * conditions.noise
    _, data = cv2.imencode(".jpg", _as_image(noisy), [cv2.IMWRITE_JPEG_QUALITY, conditions.quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def angles(pose: Pose, count: int, random: np.random.Generator, *, start: Angles = (0.0, 0.0)) -> list[Angles]:
    """The way of a head from *start* to *pose* over *count* frames: there after two fifths of them, never quite still."""
    extent = random.uniform(0.9, 1.15)
    goal = [extent * part for part in DIRECTIONS[pose]]
    sway = random.normal(0, 2.0, 2)  # nobody turns without nodding a little
    way = []
    for number in range(count):
        done = min(1.0, number / max(1, round(count * 0.4)))
        now = [begin + (end - begin) * done for begin, end in zip(start, goal, strict=True)]
        way.append((now[0] + sway[0] + random.normal(0, 0.7), now[1] + sway[1] + random.normal(0, 0.7)))
    return way


@lru_cache(maxsize=64)
def _remembered(content: bytes, shape: tuple[int, int, int], nose: float) -> Head:
    return head(np.frombuffer(content, np.uint8).reshape(shape), nose=nose)


def as_head(picture: Image | Head, *, nose: float = 0.22) -> Head:
    """The head of *picture*, computed once per picture."""
    if isinstance(picture, Head):
        return picture
    height, width, depth = picture.shape
    return _remembered(picture.tobytes(), (height, width, depth), nose)


def frames(
    picture: Image | Head,
    pose: Pose,
    n: int,
    seed: int,
    *,
    start: Angles = (0.0, 0.0),
    conditions: Conditions | None = None,
) -> list[Image]:
    """*n* frames of somebody who was asked for *pose*, 480 × 640."""
    random = np.random.default_rng(seed)
    subject = as_head(picture)
    wander, light = random.normal(0, 6, 2), (*random.uniform(-0.8, 0.8, 2), 0.7)
    return [
        shot(turned(subject, *where, light=light), random, conditions or Conditions(), wander)
        for where in angles(pose, n, random, start=start)
    ]


def bursts(
    picture: Image | Head,
    poses: Sequence[Pose],
    n: int,
    seed: int,
    *,
    conditions: Conditions | None = None,
) -> list[Burst]:
    """The answer of one person to a whole challenge: each burst begins where the one before ended."""
    taken, start = [], DIRECTIONS[Pose.FRONT]
    for number, pose in enumerate(poses):
        seen = frames(picture, pose, n, seed * 101 + number, start=start, conditions=conditions)
        taken.append(Burst(pose, tuple(seen)))
        start = DIRECTIONS[pose]
    return taken


def with_glasses(picture: Image) -> Image:
    """The same face with dark-rimmed glasses that reflect a window."""
    worn = picture.copy()
    points = np.asarray(faces.detect(picture)[0].landmarks, np.float32)
    wide = float(np.linalg.norm(points[1] - points[0]))
    for eye in points[:2]:
        place = (int(eye[0]), int(eye[1] + wide * 0.04))
        cv2.ellipse(worn, place, (int(wide * 0.4), int(wide * 0.3)), 0, 0, 360, (30, 28, 25), max(2, int(wide * 0.06)))
        glint = worn.copy()
        corner = (place[0] - int(wide * 0.22), place[1] - int(wide * 0.16))
        cv2.rectangle(glint, corner, (corner[0] + int(wide * 0.14), corner[1] + int(wide * 0.12)), (245, 245, 240), -1)
        worn = cv2.addWeighted(worn, 0.45, glint, 0.55, 0).astype(np.uint8)
    inner = [(int(eye[0] + side * wide * 0.38), int(eye[1])) for eye, side in zip(points[:2], (1, -1), strict=True)]
    cv2.line(worn, inner[0], inner[1], (30, 28, 25), max(2, int(wide * 0.05)))
    return worn


def camera_recording(
    picture: Image | Head,
    poses: Sequence[Pose],
    path: Path,
    *,
    fps: int = 10,
    seconds_per_pose: float = 3.0,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    seed: int = 1,
) -> Path:
    """A person who takes *poses* one after the other, as a camera file for Chromium; the way between two takes 0.6 s.

    ``path``: ``.y4m`` or ``.mjpeg`` (Chromium plays the latter at 30 frames a second). Chromium begins when the page opens the
    camera and starts again at the end.
    """
    random = np.random.default_rng(seed)
    subject, start = as_head(picture), DIRECTIONS[poses[0]]
    count, going = max(2, round(fps * seconds_per_pose)), max(1, round(fps * 0.6))
    taken: list[Image] = []
    for pose in poses:
        goal = DIRECTIONS[pose]
        for number in range(count):
            done = min(1.0, (number + 1) / going)
            yaw, pitch = (begin + (end - begin) * done for begin, end in zip(start, goal, strict=True))
            where = (yaw + random.normal(0, 0.6), pitch + random.normal(0, 0.6))
            taken.append(shot(turned(subject, *where), random, replace(Conditions(), quality=92)))
        start = goal
    write_camera_file([_fitted(frame, size) for frame in taken], path, fps=fps)
    return path


def _fitted(frame: Image, size: tuple[int, int]) -> Image:
    """*frame* whole in the middle of a picture of *size* (width, height), grey beside it."""
    scale = min(size[0] / frame.shape[1], size[1] / frame.shape[0])
    small = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale != 1 else frame
    filled = np.full((size[1], size[0], 3), 110, np.uint8)
    top, left = (size[1] - small.shape[0]) // 2, (size[0] - small.shape[1]) // 2
    filled[top : top + small.shape[0], left : left + small.shape[1]] = small
    return filled


def write_camera_file(pictures: Sequence[Image] | Iterator[Image], path: Path, *, fps: int = 10) -> None:
    """A video for Chromium's ``--use-file-for-fake-video-capture``: ``.y4m`` (4:2:0, even sides) or ``.mjpeg``."""
    if path.suffix not in (".y4m", ".mjpeg"):
        raise ValueError(f"Chromium reads .y4m and .mjpeg, not {path.suffix}")
    with path.open("wb") as file:
        for number, frame in enumerate(pictures):
            height, width = frame.shape[:2]
            if path.suffix == ".mjpeg":
                file.write(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes() * max(1, 30 // fps))
                continue
            if number == 0:
                file.write(f"YUV4MPEG2 W{width} H{height} F{fps}:1 Ip A1:1 C420jpeg\n".encode())
            file.write(b"FRAME\n" + cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420).tobytes())
