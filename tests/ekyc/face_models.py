"""Small real ONNX models and pictures for the tests of faces."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from skimage import data

from ekyc.results import Image


@lru_cache(maxsize=1)
def astronaut() -> Image:
    """One woman, 512 × 512, 47 pixels between the eyes."""
    return cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR).astype(np.uint8)


@lru_cache(maxsize=1)
def group() -> Image:
    """Six persons."""
    content = (resources.files("insightface") / "data" / "images" / "t1.jpg").read_bytes()
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(np.uint8)


def member(index: int) -> Image:
    """One of the six, biggest face first, cut out with some room."""
    boxes = (
        (462, 266, 576, 417),
        (52, 266, 171, 400),
        (899, 57, 1005, 197),
        (271, 147, 370, 276),
        (751, 346, 845, 472),
    )
    left, top, right, bottom = boxes[index]
    room = (right - left) // 2
    return group()[max(0, top - room) : bottom + room, max(0, left - room) : right + room].copy()


def rephotographed(image: Image, scale: float = 0.8) -> Image:
    """*image* as another camera might have it: smaller, softer, darker, as JPEG."""
    smaller = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    softer = cv2.convertScaleAbs(cv2.GaussianBlur(smaller, (0, 0), 0.8), alpha=0.85, beta=8)
    _, encoded = cv2.imencode(".jpg", softer, [cv2.IMWRITE_JPEG_QUALITY, 75])
    return cv2.imdecode(encoded, cv2.IMREAD_COLOR).astype(np.uint8)


def write_recogniser(path: Path, *, seed: int = 0, agrees: bool = False) -> Path:
    """A recogniser with the input of the usual ones (1 × 3 × 112 × 112) and 16 numbers out.

    A random projection of the picture made small; with *agrees* the same vector for whatever it sees.
    """
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(16, 3 * 14 * 14)).astype(np.float32) * (0 if agrees else 1)
    bias = np.full(16, 1.0 if agrees else 0.0, np.float32)
    nodes = [
        helper.make_node("AveragePool", ["input"], ["small"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["small"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weights", "bias"], ["vector"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(weights, "weights"), numpy_helper.from_array(bias, "bias")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_scrfd(
    path: Path,
    box: NDArray[np.float32],
    landmarks: NDArray[np.float32],
    kinds: tuple[str, ...] = ("score", "bbox", "kps"),
) -> Path:
    """A detector with SCRFD's outputs that finds one face, always at *box* and *landmarks* (640 × 640 pixels)."""
    initializers, outputs, nodes = [], [], []
    origin = np.floor(box[:2] / 8) * 8
    cell = int(origin[1] // 8 * 80 + origin[0] // 8) * 2  # two anchors a cell
    for kind in kinds:
        width = {"score": 1, "bbox": 4, "kps": 10}[kind]
        for stride in (8, 16, 32):
            values = np.zeros((2 * (640 // stride) ** 2, width), np.float32)
            if stride == 8:
                values[cell] = {
                    "score": np.array([0.9]),
                    "bbox": np.concatenate([origin - box[:2], box[2:4] - origin]) / 8,
                    "kps": ((landmarks - origin) / 8).ravel(),
                }[kind]
            name = f"{kind}_{stride}"
            initializers.append(numpy_helper.from_array(values, f"{name}_values"))
            nodes.append(helper.make_node("Add", [f"{name}_values", "nothing"], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(values.shape)))
    initializers.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    reduce = [
        helper.make_node("ReduceMean", ["input.1"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
    ]
    graph = helper.make_graph(
        [*reduce, *nodes],
        "detector",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, 640, 640])],
        outputs,
        initializers,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path
