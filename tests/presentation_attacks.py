"""Attacks on the challenge, simulated (ISO/IEC 30107-3: presentation attack instruments by species).

Each takes the head that is attacked, somebody else's, the poses asked, frames a burst and a seed. Surfaces are heads with another depth, so
light, camera and hand are those of the genuine takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import cv2
import numpy as np

from ekyc.challenge import TURNS
from ekyc.results import Burst, Image, Pose
from tests.heads import (
    DIRECTIONS,
    EYES,
    HEIGHT,
    WIDTH,
    Conditions,
    Floats,
    Head,
    angles,
    bursts,
    frames,
    shot,
    turned,
)

Attack = Callable[[Head, Head, Sequence[Pose], int, int], list[Burst]]


def paper(subject: Head, *, random: np.random.Generator) -> Image:
    """A print of the face: less contrast, paler, the dots of a printer, white at the edge."""
    picture = cv2.GaussianBlur(subject.picture, (0, 0), 0.7).astype(np.float32)
    dots = random.standard_normal((HEIGHT, WIDTH, 1), np.float32)
    printed = 28 + picture * 0.8 + cv2.GaussianBlur(dots, (0, 0), 0.8)[..., None] * 9
    cv2.rectangle(printed, (0, 0), (WIDTH - 1, HEIGHT - 1), (235, 235, 235), 24)
    return np.asarray(np.clip(printed, 0, 255), np.uint8)


def surface(subject: Head, picture: Image, depth: Floats) -> Head:
    """*picture* on something that is no head. ``depth``: pixels towards the camera."""
    y, x = np.gradient(depth)
    normals = np.stack([-x, -y, np.ones_like(x)], axis=2)
    normals /= np.linalg.norm(normals, axis=2, keepdims=True)
    return replace(
        subject,
        picture=picture,
        depth=depth.astype(np.float32),
        weight=np.ones_like(subject.weight),
        normals=normals.astype(np.float32),
        rest=(0.0, 0.0),
        maps={},
    )


def flat(subject: Head) -> Floats:
    """Depth of a sheet."""
    return np.zeros_like(subject.depth)


def bent(subject: Head, *, radius: float, upright: bool = True) -> Floats:
    """Depth of a sheet around a cylinder of *radius* eye distances (1.2: a head, 0.6: a bottle)."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    off = (x - subject.centre[0]) if upright else (y - subject.centre[1])
    size = radius * EYES
    return np.asarray(np.sqrt(np.maximum(size**2 - off**2, (size * 0.2) ** 2)) - size, np.float32)


def folded(subject: Head, *, degrees: float) -> Floats:
    """Depth of a sheet creased along the nose."""
    _, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    return np.asarray(-np.abs(x - subject.centre[0]) * np.tan(np.radians(degrees)), np.float32)


def moved(subject: Head, poses: Sequence[Pose], n: int, seed: int, *, reach: float) -> list[Burst]:
    """A surface that is turned towards each asked side, *reach* times as far as a head would."""
    random = np.random.default_rng(seed)
    taken, start = [], DIRECTIONS[Pose.FRONT]
    for pose in poses:
        wander = random.normal(0, 10, 2)
        light = (*random.uniform(-0.8, 0.8, 2), 0.7)
        way = [(yaw * reach, pitch * reach) for yaw, pitch in angles(pose, n, random, start=start)]
        taken.append(
            Burst(pose, tuple(shot(turned(subject, *w, light=light), random, Conditions(shake=2), wander) for w in way))
        )
        start = DIRECTIONS[pose]
    return taken


def print_held_still(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    random = np.random.default_rng(seed)
    return moved(surface(subject, paper(subject, random=random), flat(subject)), poses, n, seed, reach=0.0)


def print_tilted(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    random = np.random.default_rng(seed)
    sheet = surface(subject, paper(subject, random=random), flat(subject))
    return moved(sheet, poses, n, seed, reach=random.uniform(0.8, 1.7))


def print_shifted(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """Pushed, turned in its plane and brought nearer by an unsteady hand."""
    random = np.random.default_rng(seed)
    sheet = turned(surface(subject, paper(subject, random=random), flat(subject)), 0, 0)
    taken = []
    for pose in poses:
        yaw, pitch = DIRECTIONS[pose]
        seen = []
        for number in range(n):
            part = min(1.0, number / max(1, n // 2))
            roll, zoom = part * random.uniform(-15, 15), 1 + part * random.uniform(-0.15, 0.15)
            hand = cv2.getRotationMatrix2D((WIDTH / 2, HEIGHT / 2), roll, zoom)
            hand[:, 2] = hand[:, 2] + np.array([yaw, -pitch]) * part * 2
            scene = cv2.warpAffine(sheet, hand, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE)
            seen.append(shot(scene.astype(np.uint8, copy=False), random, Conditions(shake=2)))
        taken.append(Burst(pose, tuple(seen)))
    return taken


def print_bent(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """Around the attacker's hand or a bottle, on the axis that helps most."""
    random = np.random.default_rng(seed)
    upright = any(pose in (Pose.LEFT, Pose.RIGHT) for pose in poses)
    depth = bent(subject, radius=random.uniform(0.9, 2.0), upright=upright)
    return moved(surface(subject, paper(subject, random=random), depth), poses, n, seed, reach=random.uniform(1, 1.7))


def print_folded(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """Creased along the nose: half way to a mask."""
    random = np.random.default_rng(seed)
    depth = folded(subject, degrees=random.uniform(15, 40))
    return moved(surface(subject, paper(subject, random=random), depth), poses, n, seed, reach=random.uniform(0.8, 1.4))


def paper_mask(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """Printed, worn, with holes through which somebody else's eyes look: round like the head below, the nose pressed flat."""
    random = np.random.default_rng(seed)
    picture = paper(subject, random=random)
    for mine, theirs in zip(subject.landmarks[:2], other.landmarks[:2], strict=True):
        move = np.array([[1, 0, mine[0] - theirs[0]], [0, 1, mine[1] - theirs[1]]], np.float64)
        eyes = cv2.warpAffine(other.picture, move, (WIDTH, HEIGHT))
        hole = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.ellipse(hole, (int(mine[0]), int(mine[1])), (int(EYES * 0.3), int(EYES * 0.14)), 0, 0, 360, 255, -1)
        picture[hole > 0] = eyes[hole > 0]
    depth = bent(subject, radius=1.25) + (subject.depth - cv2.GaussianBlur(subject.depth, (0, 0), EYES * 0.35)) * 0.3
    return moved(surface(subject, picture, depth), poses, n, seed, reach=1.0)


def screen(scene: Image, random: np.random.Generator, *, phase: float) -> Image:
    """*scene* shown on a screen and filmed: its grid beating with the camera's (moiré), glare, greyer black, a dark frame."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    beat = np.sin((x * 0.9 + y * 0.17) * 0.55 + phase) * 5 + np.sin((y * 0.8 - x * 0.1) * 0.4 + phase) * 4
    glare = np.exp(-(((x - WIDTH * 0.75) / 90) ** 2 + ((y - HEIGHT * 0.2) / 70) ** 2)) * 60
    seen = 22 + scene * 0.82 + (beat + glare)[..., None]
    seen[:20], seen[-20:], seen[:, :16], seen[:, -16:] = 12, 12, 12, 12
    return np.asarray(np.clip(seen, 0, 255), np.uint8)


def replayed(taken: Sequence[Burst], asked: Sequence[Pose], seed: int) -> list[Burst]:
    """*taken* played on a screen in answer to *asked*."""
    random = np.random.default_rng(seed)
    shown = []
    for pose, burst in zip(asked, taken, strict=True):
        filmed = [shot(screen(f, random, phase=random.uniform(0, 6)), random, Conditions()) for f in burst.frames]
        shown.append(Burst(pose, tuple(filmed)))
    return shown


def replay_other_order(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """A genuine recording of another challenge, drawn like this one."""
    random = np.random.default_rng(seed)
    played = list(poses)
    while played == list(poses):
        played = [Pose.FRONT]
        for _ in poses[1:]:
            played.append(TURNS[random.choice([i for i, pose in enumerate(TURNS) if pose != played[-1]])])
    return replayed(bursts(subject, played, n, seed), poses, seed)


def replay_shaking(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """A recording of a head that goes through all directions all the time, so that every burst holds the right one."""
    random = np.random.default_rng(seed)
    taken = [Burst(Pose.FRONT, tuple(frames(subject, Pose.FRONT, n, seed)))]
    for pose in poses[1:]:
        first = int(random.integers(4))
        way = [DIRECTIONS[TURNS[(first + number // 2) % 4]] for number in range(n)]
        taken.append(Burst(pose, tuple(shot(turned(subject, *where), random, Conditions()) for where in way)))
    return replayed(taken, poses, seed)


def replay_right_order(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """A lucky recording, or one made on the spot by somebody who was fooled: nothing is left for the challenge to see."""
    return replayed(bursts(subject, poses, n, seed), poses, seed)


def swapped_person(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """The face of the card looks ahead (a print, a screen), then somebody else turns the head."""
    mine, theirs = bursts(subject, poses, n, seed), bursts(other, poses, n, seed + 1)
    return [mine[0], *theirs[1:]]


def photo_repeated(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """One file sent for every frame."""
    picture = frames(subject, Pose.FRONT, 1, seed)[0]
    return [Burst(pose, (picture,) * n) for pose in poses]


def photos_of_poses(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """One photograph of the right pose for each burst, sent for every frame of it."""
    return [Burst(burst.pose, (burst.frames[-1],) * n) for burst in bursts(subject, poses, n, seed)]


def two_faces(subject: Head, other: Head, poses: Sequence[Pose], n: int, seed: int) -> list[Burst]:
    """A print of the attacked face held beside the attacker's own, who turns the head."""
    aside = cv2.resize(subject.picture, None, fx=0.45, fy=0.45, interpolation=cv2.INTER_AREA)[40:230, 20:196]
    taken = []
    for burst in bursts(other, poses, n, seed):
        seen = []
        for frame in burst.frames:
            both = frame.copy()
            both[-aside.shape[0] :, : aside.shape[1]] = aside
            seen.append(both)
        taken.append(Burst(burst.pose, tuple(seen)))
    return taken


ATTACKS: dict[str, Attack] = {
    "print, held still": print_held_still,
    "print, tilted towards the asked side": print_tilted,
    "print, moved by hand": print_shifted,
    "print, bent": print_bent,
    "print, folded along the nose": print_folded,
    "paper mask with eye holes": paper_mask,
    "screen, recording in another order": replay_other_order,
    "screen, recording of a shaking head": replay_shaking,
    "screen, recording in the right order": replay_right_order,
    "another person takes over": swapped_person,
    "one photo sent again and again": photo_repeated,
    "one photo per pose, sent again and again": photos_of_poses,
    "print beside the own face": two_faces,
}
