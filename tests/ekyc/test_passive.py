"""The optional model for single pictures: may doubt, never accept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from core.settings import settings
from ekyc import challenge, passive
from ekyc.faces import Face, FaceModelError
from ekyc.results import Burst, Image, Pose
from tests import heads

SIDE = 16
Setter = Callable[[Path], None]


def write_model(path: Path, bias: tuple[float, float, float], *, channels: int = 3, classes: int = 3) -> Path:
    """Blue of the picture's middle, from 0 to 255, speaks for "live": score = blue − 100 + bias."""
    weights = np.zeros((channels * SIDE * SIDE, classes), np.float32)
    weights[SIDE * SIDE // 2 + SIDE // 2, 0] = 1
    initial = [
        numpy_helper.from_array(weights, "weights"),
        numpy_helper.from_array(
            np.array(bias[:classes], np.float32) - np.eye(1, classes, dtype=np.float32)[0] * 100, "bias"
        ),
    ]
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "passive",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, channels, SIDE, SIDE])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, classes])],
        initial,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, path)
    return path


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setter]:
    """The setting for one test."""

    def set_to(path: Path) -> None:
        monkeypatch.setenv("EKYC_PASSIVE_MODEL", str(path))
        settings.cache_clear()

    yield set_to
    monkeypatch.undo()
    settings.cache_clear()


FACE = Face((40.0, 40.0, 80.0, 90.0), np.zeros((5, 2), np.float32), 0.9)


def picture(blue: int, size: tuple[int, int] = (200, 160)) -> Image:
    image = np.zeros((*size, 3), np.uint8)
    image[..., 0] = blue
    return image


def test_without_a_model_there_is_no_opinion(data_dir: Path) -> None:
    assert passive.live_probability(picture(120), FACE) is None


def test_the_first_class_is_live_and_pictures_are_blue_green_red(tmp_path: Path, configured: Setter) -> None:
    configured(write_model(tmp_path / "m.onnx", (0, 0, 0)))
    assert passive.live_probability(picture(100), FACE) == pytest.approx(1 / 3, abs=1e-6)
    assert passive.live_probability(picture(120), FACE) == pytest.approx(1, abs=1e-6)
    assert passive.live_probability(picture(80), FACE) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((60.0, 80.0, 80.0, 110.0), (82, 55)),  # 2.7 times 30 × 20
        ((0.0, 0.0, 20.0, 30.0), (82, 55)),  # moved inside
        ((10.0, 20.0, 150.0, 180.0), (182, 160)),  # 1.136 times: the picture's whole width
    ],
)
def test_the_crop_is_wider_and_stays_inside(box: tuple[float, float, float, float], expected: tuple[int, int]) -> None:
    wide = passive.wider(picture(0), Face(box, np.zeros((5, 2), np.float32), 0.9))
    assert (abs(wide.shape[0] - expected[0]) <= 1, abs(wide.shape[1] - expected[1]) <= 1) == (True, True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "not there"),
        (lambda path: (path.write_bytes(b"no model"), path)[1], "cannot be loaded"),
        (lambda path: write_model(path, (0, 0, 0), channels=1), "must take"),
        (lambda path: write_model(path, (0, 0, 0), classes=1), "two or more classes"),
    ],
)
def test_what_is_no_such_model_is_said(
    make: Callable[[Path], Path], message: str, tmp_path: Path, configured: Setter
) -> None:
    configured(make(tmp_path / "m.onnx"))
    with pytest.raises(FaceModelError, match=message):
        passive.live_probability(picture(100), FACE)


def test_a_doubt_sends_to_a_person_and_never_the_other_way(tmp_path: Path, configured: Setter, data_dir: Path) -> None:
    person = heads.public_faces()[0]
    asked = (Pose.FRONT, Pose.LEFT)
    alive = heads.bursts(person, asked, 4, seed=3)
    ahead = [
        Burst(pose, burst.frames)
        for pose, burst in zip(asked, heads.bursts(person, (Pose.FRONT,) * 2, 3, 4), strict=True)
    ]
    configured(write_model(tmp_path / "doubts.onnx", (-500, 0, 0)))
    doubted = challenge.judge(asked, alive)
    assert (doubted.decision, doubted.reasons) == ("review", ("passive",))
    configured(write_model(tmp_path / "believes.onnx", (500, 0, 0)))
    assert challenge.judge(asked, alive).decision == "live"
    assert challenge.judge(asked, ahead).decision == "retake"
