"""A second opinion on a single picture: skin, or paper and glass.

Optional (EKYC_PASSIVE_MODEL), because still pictures decide badly: the model for which this was written misses 8 to 9 % of prints and screens.
So it may send a selfie to a person, and never accepts one.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime

from core.settings import settings
from ekyc.faces import Face, FaceModelError
from ekyc.results import Image

WIDER = 2.7
"""The model looks at this many times the box of the face: the edge of a print or of a screen gives it away."""
LIVE_FROM = 0.5
"""More likely live than any attack taken together. The model's own argmax rule; only a doubt follows from it."""


def live_probability(image: Image, face: Face) -> float | None:
    """How likely *face* on *image* is alive, 0 to 1; None when no model is set. Errors: FaceModelError.

    The model: ONNX, one input 1 × 3 × n × n, BGR from 0 to 255; one output of two or more classes, the first is "live".
    """
    path = settings().ekyc_passive_model
    if path is None:
        return None
    session, size = _model(path)
    blob = np.ascontiguousarray(cv2.resize(wider(image, face), (size, size)).transpose(2, 0, 1)[None], dtype=np.float32)
    scores = np.asarray(session.run(None, {session.get_inputs()[0].name: blob})[0], np.float64).ravel()
    if not np.isfinite(scores).all():
        raise FaceModelError(f"EKYC_PASSIVE_MODEL: {path.name} answers with numbers that are none")
    odds = np.exp(scores - scores.max())
    return float(odds[0] / odds.sum())


def wider(image: Image, face: Face) -> Image:
    """*face* with its surroundings: ``WIDER`` times its box, moved inside the picture, and smaller where that is too much."""
    height, width = image.shape[:2]
    left, top, right, bottom = face.box
    wide, tall = max(1.0, right - left), max(1.0, bottom - top)
    scale = min(WIDER, (width - 1) / wide, (height - 1) / tall)
    half_x, half_y = wide * scale / 2, tall * scale / 2
    x = min(max((left + right) / 2, half_x), width - 1 - half_x)
    y = min(max((top + bottom) / 2, half_y), height - 1 - half_y)
    return image[int(y - half_y) : int(y + half_y) + 1, int(x - half_x) : int(x + half_x) + 1]


@lru_cache(maxsize=1)
def _model(path: Path) -> tuple[Any, int]:
    """The session of the model in *path*, and its input's side in pixels."""
    if not path.is_file():
        raise FaceModelError(f"EKYC_PASSIVE_MODEL names {path.name}, which is not there")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises many kinds for a file that is no model
        raise FaceModelError(f"EKYC_PASSIVE_MODEL: {path.name} cannot be loaded: {error}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    side = inputs[0].shape[-1]
    fits = len(inputs) == 1 and list(inputs[0].shape[1:]) == [3, side, side] and isinstance(side, int)
    classes = outputs[0].shape[-1]
    if not fits or not isinstance(classes, int) or classes < 2:
        raise FaceModelError(
            f"EKYC_PASSIVE_MODEL: {path.name} must take 1 × 3 × n × n and answer with two or more classes"
        )
    return session, side
