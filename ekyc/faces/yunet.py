"""YuNet behind the interface of insightface's detectors.

Run by onnxruntime instead of OpenCV's FaceDetectorYN: one thread, safe from several threads, and no graph engine that writes
warnings. The decoding is that of OpenCV's face_detect.cpp (a test compares the two).
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ekyc.results import Image

_STRIDES = (8, 16, 32)
_NMS = 0.3


class YuNet:
    """``detect`` as insightface's SCRFD has it. The model takes 640 × 640 BGR, 0 to 255."""

    taskname = "detection"
    input_mean = 0.0
    input_std = 1.0

    def __init__(self, model_file: Path, session: onnxruntime.InferenceSession) -> None:
        self.model_file = str(model_file)
        self.session = session
        entry = session.get_inputs()[0]
        self.input_name, self.input_shape = entry.name, entry.shape
        self.input_size = int(entry.shape[2])
        self._outputs = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox", "kps")]
        self.det_thresh = 0.6

    @staticmethod
    def recognises(outputs: Collection[str]) -> bool:
        """Whether a model with these *outputs* is a YuNet."""
        return {"cls_8", "obj_16", "kps_32"} <= set(outputs)

    def prepare(self, ctx_id: int, *, det_thresh: float, **_others: object) -> None:  # noqa: ARG002  # insightface's own
        """The least score of a face. The size is the model's, the processor onnxruntime's."""
        self.det_thresh = det_thresh

    def detect(
        self,
        img: Image,
        input_size: object = None,  # noqa: ARG002
        max_num: int = 0,
        metric: str = "default",  # noqa: ARG002
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Boxes n × 5 (left, top, right, bottom, score) and landmarks n × 5 × 2 of *img*, biggest face first.

        A picture larger than the model's input is made smaller; one in which nothing was found that way is looked at
        again at half of that size, so that a face that fills the whole picture is found too.
        """
        boxes, landmarks = self._detect(img, 1.0)
        if not len(boxes):
            boxes, landmarks = self._detect(img, 0.5)
        order = np.argsort(-(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]), kind="stable")
        order = order[:max_num] if max_num > 0 else order
        return boxes[order], landmarks[order]

    def _detect(self, image: Image, share: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        size = self.input_size
        scale = min(1.0, size * share / max(image.shape[:2]))
        small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
        canvas = np.zeros((size, size, 3), np.float32)
        canvas[: small.shape[0], : small.shape[1]] = small[:size, :size]
        blob = np.ascontiguousarray(canvas.transpose(2, 0, 1)[None])
        outputs = dict(zip(self._outputs, self.session.run(self._outputs, {self.input_name: blob}), strict=True))
        found = [self._decode(outputs, stride) for stride in _STRIDES]
        boxes = np.concatenate([each[0] for each in found])
        landmarks = np.concatenate([each[1] for each in found])
        corners = [[float(x) for x in (b[0], b[1], b[2] - b[0], b[3] - b[1])] for b in boxes]
        kept = np.asarray(
            cv2.dnn.NMSBoxes(corners, boxes[:, 4].tolist(), self.det_thresh, _NMS) if corners else [], np.intp
        ).ravel()
        boxes, landmarks = boxes[kept], landmarks[kept]
        boxes[:, :4] /= scale
        return boxes, (landmarks / scale).astype(np.float32)

    def _decode(
        self, outputs: dict[str, NDArray[np.float32]], stride: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The cells of one level above the threshold. A score is the geometric mean of class and object."""
        columns = self.input_size // stride
        scores = np.sqrt(
            np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
        )
        cells = np.flatnonzero(scores >= self.det_thresh)
        origin = np.stack([cells % columns, cells // columns], axis=1).astype(np.float32)
        box = outputs[f"bbox_{stride}"][0, cells]
        centre = (origin + box[:, :2]) * stride
        half = np.exp(box[:, 2:4]) * stride / 2
        landmarks = (outputs[f"kps_{stride}"][0, cells].reshape(-1, 5, 2) + origin[:, None]) * stride
        boxes = np.concatenate([centre - half, centre + half, scores[cells, None]], axis=1).astype(np.float32)
        return boxes, landmarks.astype(np.float32)
