"""insightface's ``FaceAnalysis`` over files whose hashes are known: the models are the folder's or the given ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from insightface.app import FaceAnalysis
from insightface.app.common import Face as InsightFace
from insightface.model_zoo import model_zoo
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.model_zoo.package_manifest import has_model_package_manifest
from insightface.utils import face_align
from numpy.typing import NDArray
from skimage.transform import SimilarityTransform

from ekyc.faces.folding import fold, session, session_options
from ekyc.faces.types import FaceModelError, Vector
from ekyc.faces.yunet import YuNet
from ekyc.results import Image

DETECTION_THRESHOLD = 0.6
TASKS = ("detection", "recognition")
"""What is used of a pack. Some hold more, such as age and sex: never loaded."""
_PROVIDERS = ["CPUExecutionProvider"]


class Analysis(FaceAnalysis):  # type: ignore[misc]  # insightface has no types
    """``get(image)`` and ``det_model.detect(image)`` as insightface has them, with YuNet among the possible detectors."""

    def __init__(self, files: Sequence[Path], *, folder: Path | None = None) -> None:
        """The models in *files*; of a *folder* with a manifest of insightface, what the manifest names."""
        if folder is not None and has_model_package_manifest(folder):
            try:
                super().__init__(
                    name=str(folder), allowed_modules=list(TASKS), providers=_PROVIDERS, sess_options=session_options()
                )
            except Exception as error:  # insightface raises many kinds for what is wrong in a manifest
                raise FaceModelError(f"the manifest of the face models cannot be used: {error}") from error
        else:
            self.models: dict[str, Any] = {}
            self.addons: dict[str, Any] = {}
            self.model_package = None
            for file in files:
                model = _load(file)
                if getattr(model, "taskname", None) in TASKS:
                    self.models.setdefault(model.taskname, model)
        missing = [task for task in TASKS if task not in self.models]
        if missing:
            raise FaceModelError(f"the face models lack {' and '.join(missing)}")
        self.det_model = self.models["detection"]
        if not getattr(self.det_model, "use_kps", True):
            raise FaceModelError("the face detector gives boxes without landmarks: a face cannot be turned upright")
        self.prepare(ctx_id=-1, det_thresh=DETECTION_THRESHOLD)

    def get(self, img: Image, max_num: int = 0, det_metric: str = "default") -> list[InsightFace]:
        """The faces on *img* with their embeddings, as insightface gives them."""
        boxes, landmarks = self.det_model.detect(img, max_num=max_num, metric=det_metric)
        faces = []
        for box, points in zip(boxes, landmarks, strict=True):
            face = InsightFace(bbox=box[:4], kps=points, det_score=box[4])
            face.embedding = vector(self.models["recognition"], img, points)
            faces.append(face)
        return faces


def recogniser(file: Path, *, mean: float | None = None, std: float | None = None) -> ArcFaceONNX:
    """The face recogniser in *file*; *mean* and *std* where insightface cannot know them. Errors: FaceModelError."""
    model = _load(file)
    if not isinstance(model, ArcFaceONNX):
        raise FaceModelError(f"{file.name} is not a face recogniser: one square picture in, one vector out")
    if mean is not None and std is not None:
        model.input_mean, model.input_std = mean, std
    return model


def vector(model: ArcFaceONNX, image: Image, landmarks: NDArray[np.float32]) -> Vector:
    """The face at *landmarks* as *model* sees it, length 1.

    The crop is insightface's ``norm_crop`` (its template, least squares), by the call that scikit-image has had in place of
    the one in there since 0.26.
    """
    size = int(model.input_size[0])
    wide = size % 112 != 0  # insightface centres its 112 pixels in those of a model of 128
    template = face_align.arcface_dst * (size / (128 if wide else 112))
    if wide:
        template[:, 0] += 8 * size / 128
    turned = SimilarityTransform.from_estimate(landmarks, template)
    crop = cv2.warpAffine(image, turned.params[:2], (size, size), borderValue=0.0)
    found = np.asarray(model.get_feat(crop), np.float32).ravel()
    return found / np.float32(np.linalg.norm(found) or 1)


def _load(file: Path) -> Any:  # noqa: ANN401  # one of insightface's many kinds, or YuNet
    """The model in *file*, None when it is none that insightface or this module knows. Errors: FaceModelError."""
    try:
        if YuNet.recognises([output.name for output in onnx.load(file, load_external_data=False).graph.output]):
            return YuNet(file, session(fold(file.read_bytes())))
        model = model_zoo.get_model(str(file), providers=_PROVIDERS, sess_options=session_options(), download=False)
    except Exception as error:  # onnxruntime, onnx and insightface raise many kinds for a file that is no such model
        raise FaceModelError(f"the model {file.name} cannot be loaded: {error}") from error
    return model
