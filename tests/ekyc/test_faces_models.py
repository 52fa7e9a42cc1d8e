"""Only models whose hashes are known are used; the default one is built once and whole; nothing is downloaded."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from core.settings import settings
from ekyc import faces
from ekyc.faces import FaceModelError, analysis, models, sface
from tests.ekyc.face_models import astronaut, member, rephotographed, write_recogniser, write_scrfd

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture(scope="module")
def folded(data_dir: Path) -> Path:
    """The folded SFace of this test run."""
    return sface.recogniser_file(data_dir / "models" / "ekyc")


@pytest.fixture
def pack(tmp_path: Path, folded: Path) -> Path:
    """A folder as a licensed pack is delivered, with the package's own models in it."""
    folder = tmp_path / "bộ mô hình"
    folder.mkdir()
    shutil.copy(sface.detector_file(), folder / "detector.onnx")
    shutil.copy(folded, folder / "recogniser.onnx")
    (folder / "LICENSE.txt").write_text("for this test", encoding="utf-8")
    sums(folder)
    return folder


def sums(folder: Path) -> None:
    """What ``sha256sum *`` prints."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.iterdir())
        if path.name != models.SUMS
    ]
    (folder / models.SUMS).write_text("".join(lines), encoding="utf-8")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Set a setting to a path."""

    def set_to(name: str, value: Path) -> None:
        monkeypatch.setenv(name, str(value))
        settings.cache_clear()

    yield set_to
    monkeypatch.undo()
    settings.cache_clear()


@pytest.fixture
def no_download(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test when insightface sets out to fetch anything."""

    def fetch(*_given: object, **_named: object) -> None:
        raise AssertionError("a download was tried")

    for name in ("insightface.utils.storage.download_file", "insightface.app.face_analysis.ensure_available"):
        monkeypatch.setattr(name, fetch)
    monkeypatch.setattr("insightface.model_zoo.model_zoo.download_onnx", fetch)


# The default model


def test_folded_model_is_plain(folded: Path) -> None:
    graph = onnx.load(folded).graph
    assert [entry.name for entry in graph.input] == ["data"]
    assert {"DequantizeLinear", "QuantizeLinear"} & {node.op_type for node in graph.node} == set()
    assert {tensor.data_type for tensor in graph.initializer if tensor.dims} <= {
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.INT64,
    }


def test_built_once(tmp_path: Path) -> None:
    (tmp_path / "sface_0123456789abcdef.onnx").write_bytes(b"of an older recipe")
    first = sface.recogniser_file(tmp_path)
    made = first.stat()
    again = sface.recogniser_file(tmp_path)
    assert (again, again.stat().st_ino) == (first, made.st_ino)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.lock", first.name, first.stem + ".sha256"]
    stamp = first.with_suffix(".sha256").read_text(encoding="ascii")
    assert stamp == hashlib.sha256(first.read_bytes()).hexdigest()


@pytest.mark.parametrize("damage", ["cut", "changed", "gone", "no_stamp"])
def test_damaged_file_is_built_anew(tmp_path: Path, folded: Path, damage: str) -> None:
    target, stamp = tmp_path / folded.name, tmp_path / (folded.stem + ".sha256")
    shutil.copy(folded, target)
    shutil.copy(folded.with_suffix(".sha256"), stamp)
    content = target.read_bytes()
    if damage == "no_stamp":
        stamp.unlink()
    elif damage == "gone":
        target.unlink()
    else:
        middle = len(content) // 2
        target.write_bytes(
            {"cut": content[:middle], "changed": content[:middle] + b"\0!\0" + content[middle + 3 :]}[damage]
        )
    assert sface.recogniser_file(tmp_path).read_bytes() == content


def test_several_at_once_build_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock is the file's, so what holds for threads holds for processes."""
    built: list[Path] = []
    right = sface._build
    monkeypatch.setattr(sface, "_build", lambda raw, target: (built.append(target), right(raw, target)))
    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(lambda _: sface.recogniser_file(tmp_path), range(3)))
    assert found == set(built)
    assert len(built) == 1


def test_wrong_arithmetic_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ekyc.faces import folding

    right = folding.fold

    def wrong(raw: bytes) -> bytes:
        model = onnx.load_from_string(right(raw))
        (weight,) = (each for each in model.graph.initializer if each.name.startswith("conv_5_conv2d_weight"))
        values = onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values[::-1].copy(), weight.name))
        return model.SerializeToString()

    monkeypatch.setattr(folding, "fold", wrong)
    with pytest.raises(FaceModelError, match="differs"):
        sface.recogniser_file(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["build.lock"]


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file", encoding="utf-8")
    with pytest.raises(FaceModelError, match="cannot be kept in"):
        sface.recogniser_file(tmp_path / "models")


def test_package_without_its_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sface, "_RECOGNISER", "another.onnx")
    with pytest.raises(FaceModelError, match=r"models/another\.onnx"):
        sface.recogniser_file(tmp_path)
    monkeypatch.setattr(sface, "_PACKAGE", "no_such_package")
    with pytest.raises(FaceModelError, match="make setup"):
        sface.recogniser_file(tmp_path)


def test_package_with_another_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    monkeypatch.setattr(sface, "_packaged", lambda _name: write_recogniser(tmp_path / "other.onnx"))
    with pytest.raises(FaceModelError, match="cannot be folded"):
        sface.recogniser_file(tmp_path / "models")


# A licensed pack


@pytest.mark.usefixtures("no_download")
def test_pack_does_the_same_work(pack: Path, use: Callable[..., None]) -> None:
    expected = faces.match(astronaut(), rephotographed(astronaut()))
    before = models.analysis()
    use("EKYC_MODEL_DIR", pack)
    assert models.analysis() is not before
    assert faces.match(astronaut(), rephotographed(astronaut())) == expected
    assert faces.match(astronaut(), member(0)).decision == "different"


@pytest.mark.usefixtures("no_download")
def test_pack_with_the_usual_detector(pack: Path, use: Callable[..., None]) -> None:
    """Insightface's own SCRFD as detector, as its packs have it."""
    (face,) = faces.detect(astronaut())
    (pack / "detector.onnx").unlink()
    write_scrfd(pack / "det.onnx", face.bbox * 1.25, face.landmarks * 1.25)  # 512 pixels shown as 640
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    (found,) = faces.detect(astronaut())
    assert type(models.analysis().det_model).__name__ == "SCRFD"
    assert found.box == pytest.approx(face.box, abs=0.01)
    assert found.landmarks.ravel().tolist() == pytest.approx(face.landmarks.ravel().tolist(), abs=0.01)
    assert faces.match(astronaut(), astronaut()).decision == "same"


@pytest.mark.usefixtures("no_download")
def test_pack_with_a_manifest(pack: Path, use: Callable[..., None]) -> None:
    """A manifest of insightface's second version says itself which file does what, and how its input is scaled."""
    (face,) = faces.detect(astronaut())
    expected = faces.embed(astronaut(), face)
    (pack / "detector.onnx").unlink()
    write_scrfd(pack / "det.onnx", face.bbox * 1.25, face.landmarks * 1.25)
    manifest = {
        "manifest_version": 2,
        "model_id": "a_pack",
        "license": "MODEL.LICENSE",
        "tasks": {
            "detection": {"file": "det.onnx"},
            "recognition": {"file": "recogniser.onnx", "preprocessing": "embedded", "embedding_dimension": 128},
        },
    }
    (pack / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    (found,) = faces.detect(astronaut())
    assert models.analysis().model_package is not None
    assert faces.similarity(faces.embed(astronaut(), found), expected) > 0.999


def test_pack_with_a_broken_manifest(pack: Path, use: Callable[..., None]) -> None:
    (pack / "manifest.json").write_text('{"manifest_version": 2}', encoding="utf-8")
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    with pytest.raises(FaceModelError, match="manifest of the face models"):
        faces.detect(astronaut())


def test_detector_without_landmarks(pack: Path, use: Callable[..., None]) -> None:
    (face,) = faces.detect(astronaut())
    (pack / "detector.onnx").unlink()
    write_scrfd(pack / "det.onnx", face.bbox, face.landmarks, kinds=("score", "bbox"))
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    with pytest.raises(FaceModelError, match="without landmarks"):
        faces.detect(astronaut())


def change(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def unlist(path: Path) -> None:
    lines = (path.parent / models.SUMS).read_text(encoding="utf-8").splitlines(keepends=True)
    (path.parent / models.SUMS).write_text("".join(line for line in lines if path.name not in line), encoding="utf-8")


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda folder: change(folder / "recogniser.onnx"), "recogniser.onnx is not the file"),
        (lambda folder: change(folder / "LICENSE.txt"), "LICENSE.txt is not the file"),
        (lambda folder: (folder / "detector.onnx").unlink(), "detector.onnx is listed"),
        (lambda folder: (folder / "manifest.json").write_text("{}"), "not listed in SHA256SUMS: manifest.json"),
        (lambda folder: unlist(folder / "detector.onnx"), "not listed in SHA256SUMS: detector.onnx"),
        (lambda folder: (folder / models.SUMS).unlink(), "sha256sum"),
        (lambda folder: (folder / models.SUMS).write_bytes(b"\xff\xfe"), "sha256sum"),
        (lambda folder: (folder / models.SUMS).write_text("abc  detector.onnx\n"), "line 1 of SHA256SUMS"),
        (lambda folder: (folder / models.SUMS).write_text("0" * 64 + "  ../other.onnx\n"), "line 1 of SHA256SUMS"),
        (lambda folder: (folder / models.SUMS).write_text("0" * 64 + "  /other.onnx\n"), "line 1 of SHA256SUMS"),
        (shutil.rmtree, "not a folder"),
    ],
)
def test_pack_that_is_not_what_was_listed(
    pack: Path, use: Callable[..., None], harm: Callable[[Path], object], message: str
) -> None:
    harm(pack)
    use("EKYC_MODEL_DIR", pack)
    with pytest.raises(FaceModelError, match=message):
        faces.detect(astronaut())


@pytest.mark.usefixtures("no_download")
@pytest.mark.parametrize(
    ("kept", "lacking"),
    [("detector.onnx", "recognition"), ("recogniser.onnx", "detection"), ("LICENSE.txt", "detection and")],
)
def test_incomplete_pack(pack: Path, use: Callable[..., None], kept: str, lacking: str) -> None:
    for path in pack.iterdir():
        if path.name != kept:
            path.unlink()
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    with pytest.raises(FaceModelError, match=f"lack {lacking}"):
        faces.detect(astronaut())


def test_pack_with_a_file_that_is_no_model(pack: Path, use: Callable[..., None]) -> None:
    (pack / "strange.onnx").write_bytes(b"not a model")
    sums(pack)
    use("EKYC_MODEL_DIR", pack)
    with pytest.raises(FaceModelError, match=r"strange\.onnx cannot be loaded"):
        faces.detect(astronaut())


def test_sums_may_list_themselves(pack: Path) -> None:
    with (pack / models.SUMS).open("a", encoding="utf-8") as file:
        file.write("0" * 64 + "  SHA256SUMS\n\n" + hashlib.sha256(b"x").hexdigest() + " *./extra.bin\n")
    (pack / "extra.bin").write_bytes(b"x")
    assert [path.name for path in models.verified(pack)] == ["detector.onnx", "recogniser.onnx"]


# The second recogniser


def test_second_recogniser_missing(use: Callable[..., None], tmp_path: Path) -> None:
    use("EKYC_SECOND_RECOGNISER", tmp_path / "none.onnx")
    with pytest.raises(FaceModelError, match=r"none\.onnx, which is not there"):
        faces.match(astronaut(), astronaut())


def test_second_recogniser_of_another_kind(use: Callable[..., None]) -> None:
    use("EKYC_SECOND_RECOGNISER", sface.detector_file())
    with pytest.raises(FaceModelError, match="not a face recogniser"):
        faces.match(astronaut(), astronaut())


def test_nothing_is_written_to_standard_error(capfd: pytest.CaptureFixture[str], data_dir: Path) -> None:
    """Neither OpenCV nor onnxruntime reports on its own business."""
    loaded = analysis.Analysis([sface.detector_file(), sface.recogniser_file(data_dir / "models" / "ekyc")])
    assert len(loaded.get(cv2.resize(astronaut(), (400, 400)).astype(np.uint8))) == 1
    assert capfd.readouterr() == ("", "")
