"""The models of this process: read from files whose hashes are known, loaded once, never downloaded."""

from __future__ import annotations

import hashlib
import re
import threading
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from core.settings import settings
from ekyc.faces import sface
from ekyc.faces.types import FaceModelError

if TYPE_CHECKING:
    from insightface.model_zoo.arcface_onnx import ArcFaceONNX

    from ekyc.faces.analysis import Analysis

SUMS = "SHA256SUMS"
_SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")
_loading = threading.RLock()


def prepare() -> None:
    """Build and load what the settings name, so that the first picture does not wait. Errors: FaceModelError."""
    analysis()
    second_recogniser()


def analysis() -> Analysis:
    """Detector and recogniser of the settings, loaded once in a process. Errors: FaceModelError."""
    with _loading:
        return _analysis(settings().ekyc_model_dir, settings().data_dir / "models" / "ekyc")


def second_recogniser() -> ArcFaceONNX | None:
    """The recogniser of EKYC_SECOND_RECOGNISER, loaded once; None when not set. Errors: FaceModelError."""
    path = settings().ekyc_second_recogniser
    if path is None:
        return None
    with _loading:
        return _second(path)


@lru_cache(maxsize=2)
def _analysis(pack: Path | None, built: Path) -> Analysis:
    from ekyc.faces.analysis import Analysis  # noqa: PLC0415  # a second to import, for faces only

    if pack is not None:
        return Analysis(verified(pack), folder=pack)
    return Analysis([sface.detector_file(), sface.recogniser_file(built)])


@lru_cache(maxsize=2)
def _second(path: Path) -> ArcFaceONNX:
    from ekyc.faces.analysis import recogniser  # noqa: PLC0415

    if not path.is_file():
        raise FaceModelError(f"EKYC_SECOND_RECOGNISER names {path.name}, which is not there")
    return recogniser(path, mean=127.0, std=128.0)


def verified(folder: Path) -> list[Path]:
    """The models in *folder*, each as its line in ``SHA256SUMS`` says. Errors: FaceModelError.

    Every file must be listed and every listed file be there: a pack that lost or gained anything is refused.
    """
    if not folder.is_dir():
        raise FaceModelError(f"EKYC_MODEL_DIR names {folder.name}, which is not a folder; nothing is downloaded")
    sums = _sums(folder / SUMS)
    for name, expected in sums.items():
        path = folder / name
        if not path.is_file():
            raise FaceModelError(f"EKYC_MODEL_DIR: {name} is listed in {SUMS} but missing; nothing is downloaded")
        if _sha256(path) != expected:
            raise FaceModelError(f"EKYC_MODEL_DIR: {name} is not the file that {SUMS} lists: put back the original")
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()} - {SUMS}
    strange = sorted(there - sums.keys())
    if strange:
        raise FaceModelError(f"EKYC_MODEL_DIR: not listed in {SUMS}: {', '.join(strange)}")
    return sorted(path for path in folder.glob("*.onnx") if path.is_file())


def _sums(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise FaceModelError(
            f"EKYC_MODEL_DIR has no readable {SUMS}: write one with `sha256sum * > {SUMS}` from the licensor's files"
        ) from error
    sums = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        read = _SUM_LINE.fullmatch(line.strip())
        name = read[2].removeprefix("./") if read else ""
        if read is None or name.startswith("/") or ".." in Path(name).parts:
            raise FaceModelError(f"EKYC_MODEL_DIR: line {number} of {SUMS} is not `HASH  NAME`")
        if name != SUMS:  # the line that `sha256sum * > SHA256SUMS` writes about the file itself
            sums[name] = read[1]
    return sums


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
