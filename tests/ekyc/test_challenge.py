"""The challenge: what is asked, the geometry of a nose, and one rendered sequence for each outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise, product

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from ekyc import challenge
from ekyc.challenge import depth, judge, new_challenge
from ekyc.drawing import draw_portrait
from ekyc.parallax import Crop, Move, crop, follow, shape
from ekyc.results import Burst, Image, Pose
from tests import heads
from tests.presentation_attacks import (
    bent,
    flat,
    folded,
    photo_repeated,
    print_bent,
    print_folded,
    print_tilted,
    replay_other_order,
    surface,
    swapped_person,
    two_faces,
)

pytestmark = pytest.mark.usefixtures("data_dir")

ASKED = (Pose.FRONT, Pose.LEFT, Pose.UP)
FACE = np.array([[-0.5, 0], [0.5, 0], [0, 0.62], [-0.38, 1.05], [0.38, 1.05]], np.float32)
"""A face from the front, in eye distances."""


@lru_cache(maxsize=1)
def people() -> list[heads.Head]:
    """Heads of public faces, rendered once."""
    return [heads.head(picture) for picture in heads.public_faces()[:2]]


@lru_cache(maxsize=4)
def answer(poses: tuple[Pose, ...] = ASKED, frames: int = 4) -> tuple[Burst, ...]:
    """Somebody who does as asked."""
    return tuple(heads.bursts(people()[0], poses, frames, seed=3))


def test_a_challenge_begins_ahead_and_never_asks_the_same_twice_running() -> None:
    drawn = [new_challenge(4) for _ in range(400)]
    assert {poses[0] for poses in drawn} == {Pose.FRONT}
    assert {len(poses) for poses in drawn} == {5}
    assert sum(a == b for poses in drawn for a, b in pairwise(poses)) == 0
    assert set(Counter(pose for poses in drawn for pose in poses[1:])) == set(challenge.TURNS)
    assert len({poses[1:] for poses in drawn}) > 80  # of 4 · 3 · 3 · 3
    assert len(new_challenge()) == 3  # EKYC_POSES


@pytest.mark.parametrize(("turns", "orders"), [(2, 12), (3, 36), (4, 108)])
def test_a_prepared_recording_meets_the_order_once_in_so_many(
    turns: int, orders: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every draw among equals leads to another order: so each comes up as often as any other."""
    drawn = []
    for draws in product(range(4), *[range(3)] * (turns - 1)):
        left = iter(draws)
        monkeypatch.setattr(challenge.secrets, "choice", lambda poses, left=left: poses[next(left)])
        drawn.append(new_challenge(turns))
    assert (len(drawn), len(set(drawn))) == (orders, orders)


def moved(points: NDArray[np.float32], *, angle: float = 0, size: float = 1, narrow: float = 1) -> NDArray[np.float32]:
    """*points* narrowed, then turned in their plane, enlarged and shifted."""
    turn = np.radians(angle)
    matrix = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ np.diag([narrow, 1])
    return np.asarray(points @ matrix.T + [200, 300], np.float32)


def test_the_shape_of_a_face_is_the_same_wherever_a_flat_one_is_held() -> None:
    ahead = shape(moved(FACE, size=80))
    assert ahead is not None
    assert (ahead.across, ahead.down) == (pytest.approx(0, abs=1e-4), pytest.approx(0.62 / 1.05, abs=1e-4))
    assert ahead.eye_distance == pytest.approx(80, abs=1e-3)
    tilted = shape(moved(FACE, angle=17, size=60, narrow=0.7))
    assert tilted is not None
    assert (tilted.across, tilted.down) == (pytest.approx(ahead.across, abs=1e-4), pytest.approx(ahead.down, abs=1e-4))
    assert tilted.aspect / ahead.aspect == pytest.approx(0.7, abs=1e-4)


@pytest.mark.parametrize(("yaw", "across"), [(20, 0.146), (-20, -0.146)])
def test_the_nose_of_a_head_goes_to_the_side_it_turns_to(yaw: float, across: float) -> None:
    """The own left is the right of a picture that is not mirrored: 0.4 · tan(20°)."""
    turn = np.radians(yaw)
    points = FACE * [np.cos(turn), 1]
    points[2, 0] += 0.4 * np.sin(turn)
    found = shape(moved(points, size=80, angle=5))
    assert found is not None
    assert found.across == pytest.approx(across, abs=1e-3)


def test_points_on_a_line_are_no_face() -> None:
    assert shape(np.array([[0, 0], [1, 0], [2, 0], [3, 0], [4, 0]], np.float32)) is None


def test_depth_is_parallax_over_the_tangent_of_the_narrowing() -> None:
    narrowing = -np.log(np.cos(np.radians(30)))
    assert depth(Move(0.4 * np.tan(np.radians(30)), 0, narrowing, 0.06)) == pytest.approx(0.4)
    assert depth(Move(0.1, 0, 0, 0)) == float("inf")


def parallax(front: Crop, other: Crop) -> Move:
    """Between two pictures that are all there is."""
    return follow(front, [other])[0]


def seen(scene: Image) -> tuple[Image, NDArray[np.float32]]:
    found = challenge.faces.detect(scene)
    assert len(found) == 1
    return scene, found[0].landmarks


@pytest.mark.parametrize(
    ("yaw", "pitch", "axis", "sign"), [(14, 0, 0, 1), (-14, 0, 0, -1), (0, 15, 1, -1), (0, -15, 1, 1)]
)
def test_a_nose_stands_out_on_a_head_and_not_on_paper(yaw: float, pitch: float, axis: int, sign: int) -> None:
    person = people()[0]
    ahead = crop(*seen(heads.turned(person, 0, 0)))
    sheet = surface(person, person.picture, flat(person))
    solid = parallax(ahead, crop(*seen(heads.turned(person, yaw, pitch))))
    paper = parallax(crop(*seen(heads.turned(sheet, 0, 0))), crop(*seen(heads.turned(sheet, yaw * 2, pitch * 2))))
    assert (solid.across, solid.down)[axis] * sign > 0.08
    assert depth(solid) > 0.2
    assert paper.size < 0.03
    assert depth(paper) < 0.08
    assert paper.unevenness < challenge.FLAT_BELOW


def ridge(subject: heads.Head, yaw: float, pitch: float) -> float:
    ahead, aside = (crop(*seen(heads.turned(subject, *angles))) for angles in ((0, 0), (yaw, pitch)))
    move = parallax(ahead, aside)
    assert move.ridge is not None  # there is parallax
    return move.ridge


@pytest.mark.parametrize(("yaw", "pitch"), [(14, 0), (-14, 0), (0, 15), (0, -15)])
def test_a_nose_is_a_summit(yaw: float, pitch: float) -> None:
    assert ridge(people()[0], yaw, pitch) > challenge.MIN_RIDGE


@pytest.mark.parametrize(
    ("degrees", "yaw", "pitch"), [(35, 20, 0), (35, 0, 15), (35, 0, -15), (None, 20, 0), (None, -20, 0)]
)
def test_paper_has_no_summit_whether_folded_or_rolled(degrees: float | None, yaw: float, pitch: float) -> None:
    person = people()[0]
    depth = folded(person, degrees=degrees) if degrees else bent(person, radius=0.9)
    assert ridge(surface(person, person.picture, depth), yaw, pitch) < challenge.MIN_RIDGE - 0.1


def test_a_nose_that_hardly_moved_says_nothing_about_its_shape() -> None:
    ahead = crop(*seen(heads.turned(people()[0], 0, 0)))
    assert parallax(ahead, crop(*seen(heads.turned(people()[0], 1, 0)))).ridge is None


def test_a_head_that_is_turned_far_is_followed_through_the_pictures_on_its_way() -> None:
    person = heads.head(draw_portrait(3, (480, 640)))
    ahead, half, far = (crop(*seen(heads.turned(person, yaw, 0))) for yaw in (0, -13, -26))
    alone, followed = parallax(ahead, far), follow(ahead, [half, far])[1]
    assert depth(alone) < 0.2
    assert depth(followed) > 0.2


def test_who_does_as_asked_is_alive() -> None:
    result = judge(ASKED, answer())
    assert (result.decision, result.reasons) == ("live", ())
    assert result.selfie is not None
    assert any(np.array_equal(result.selfie, frame) for frame in answer()[0].frames)


def test_glasses_dim_light_and_a_missed_frame_do_not_matter() -> None:
    wearing = heads.head(heads.with_glasses(people()[0].picture))
    bursts = heads.bursts(wearing, (Pose.FRONT, Pose.DOWN, Pose.LEFT), 6, seed=8, conditions=heads.DIM)
    nobody = np.full_like(bursts[1].frames[0], 90)
    bursts[1] = Burst(Pose.DOWN, (*bursts[1].frames[:2], nobody, *bursts[1].frames[3:]))
    assert judge((Pose.FRONT, Pose.DOWN, Pose.LEFT), bursts).decision == "live"


@pytest.mark.parametrize("share", [0.6, 1.0])
def test_a_head_that_had_turned_before_the_first_picture_is_alive(share: float) -> None:
    """No frame of the way: the page gives people a second before it looks."""
    person = heads.head(draw_portrait(11, (480, 640)))
    random = np.random.default_rng(5)
    asked = (Pose.FRONT, Pose.RIGHT, Pose.LEFT)
    bursts = []
    for pose in asked:
        yaw = heads.DIRECTIONS[pose][0] * share
        scenes = [heads.turned(person, yaw + random.normal(0, 0.6), random.normal(0, 0.6)) for _ in range(4)]
        bursts.append(Burst(pose, tuple(heads.shot(scene, random, heads.Conditions()) for scene in scenes)))
    assert judge(asked, bursts).decision == "live"


def test_the_other_side_is_not_the_asked_one() -> None:
    mirrored = [Burst(b.pose, tuple(cv2.flip(frame, 1).astype(np.uint8) for frame in b.frames)) for b in answer()]
    result = judge(ASKED, mirrored)
    assert (result.decision, result.reasons) == ("retake", ("pose_not_seen",))


def test_looking_ahead_all_the_time_is_tried_again() -> None:
    ahead = heads.bursts(people()[0], (Pose.FRONT, Pose.FRONT), 3, seed=4)
    asked = (Pose.FRONT, Pose.RIGHT)
    result = judge(asked, [Burst(pose, b.frames) for pose, b in zip(asked, ahead, strict=True)])
    assert (result.decision, result.reasons) == ("retake", ("pose_not_seen",))


def test_a_burst_that_is_missing_or_in_another_place_was_not_seen() -> None:
    taken = answer()
    assert judge(ASKED, taken[:2]).reasons == ("pose_not_seen",)
    assert judge(ASKED, (taken[0], taken[2], taken[1])).reasons == ("pose_not_seen",)
    assert judge(ASKED, ()) == challenge.ChallengeResult("retake", ("pose_not_seen",))


def test_a_challenge_without_a_front_is_refused() -> None:
    with pytest.raises(ValueError, match="front"):
        judge((Pose.LEFT,), answer()[1:2])


def reasons_of(attack: Sequence[Burst], asked: Sequence[Pose] = ASKED) -> tuple[str, set[str]]:
    result = judge(asked, attack)
    return result.decision, set(result.reasons)


def test_a_tilted_print_goes_to_a_person() -> None:
    attack = print_tilted(people()[0], people()[1], (Pose.FRONT, Pose.LEFT), 4, 2)
    assert reasons_of(attack, (Pose.FRONT, Pose.LEFT)) == ("review", {"pose_not_seen", "flat"})


def test_a_bent_print_is_not_alive() -> None:
    decision, reasons = reasons_of(print_bent(people()[0], people()[1], ASKED, 4, 2))
    assert decision != "live"
    assert "pose_not_seen" in reasons


def test_a_print_folded_along_the_nose_goes_to_a_person() -> None:
    """It moves like a nose, all along the fold."""
    asked = (Pose.FRONT, Pose.UP, Pose.DOWN)
    assert reasons_of(print_folded(people()[0], people()[1], asked, 4, 0), asked) == ("review", {"flat"})


def test_a_recording_in_another_order_is_not_alive() -> None:
    decision, reasons = reasons_of(replay_other_order(people()[0], people()[1], ASKED, 4, 2))
    assert (decision, reasons) == ("retake", {"pose_not_seen"})


def test_somebody_else_who_turns_the_head_goes_to_a_person() -> None:
    decision, reasons = reasons_of(swapped_person(people()[0], people()[1], ASKED[:2], 3, 2), ASKED[:2])
    assert decision == "review"
    assert "changed_face" in reasons


def test_one_photograph_sent_again_and_again_is_still() -> None:
    decision, reasons = reasons_of(photo_repeated(people()[0], people()[1], ASKED, 4, 2))
    assert (decision, reasons) == ("retake", {"still", "pose_not_seen"})


def test_a_camera_that_hands_out_a_picture_twice_is_forgiven() -> None:
    twice = [Burst(b.pose, (b.frames[0], *b.frames)) for b in answer()]
    assert judge(ASKED, twice).decision == "live"


def test_two_faces_are_tried_again() -> None:
    decision, reasons = reasons_of(two_faces(people()[0], people()[1], ASKED[:2], 2, 2), ASKED[:2])
    assert decision == "retake"
    assert "several_faces" in reasons


def test_nobody_there() -> None:
    random = np.random.default_rng(1)
    empty = [random.integers(80, 120, (640, 480, 3)).astype(np.uint8) for _ in range(2)]
    result = judge(ASKED[:2], [Burst(Pose.FRONT, tuple(empty))])
    assert (result.decision, result.reasons, result.selfie) == ("retake", ("no_face", "pose_not_seen"), None)


def test_a_face_too_far_away_is_tried_again() -> None:
    far = []
    for burst in answer():
        frames = [cv2.copyMakeBorder(cv2.resize(f, None, fx=0.4, fy=0.4), 192, 192, 144, 144, 0) for f in burst.frames]
        far.append(Burst(burst.pose, tuple(frame.astype(np.uint8) for frame in frames)))
    result = judge(ASKED, far)
    assert result.decision == "retake"
    assert "too_small" in result.reasons
