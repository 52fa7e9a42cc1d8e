"""Faces are found, described and compared; every doubt goes to a person."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest
from insightface.utils import face_align

from core.settings import settings
from ekyc import faces
from ekyc.faces import models, sface
from ekyc.results import Image, MatchResult, Reason
from tests.ekyc.face_models import astronaut, group, member, rephotographed, write_recogniser

pytestmark = pytest.mark.usefixtures("data_dir")

Setter = Callable[..., None]


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Setter]:
    """Settings for one test."""

    def set_to(**values: object) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, str(value))
        settings.cache_clear()

    yield set_to
    monkeypatch.undo()
    settings.cache_clear()


def beside(image: Image, other: Image, height: float) -> Image:
    """*image* with *other* at its right, its face *height* of the first one's."""
    ours, theirs = faces.detect(image)[0], faces.detect(other)[0]
    scale = height * (ours.box[3] - ours.box[1]) / (theirs.box[3] - theirs.box[1])
    small = cv2.resize(other, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    canvas = np.full((max(image.shape[0], small.shape[0]), image.shape[1] + small.shape[1], 3), 127, np.uint8)
    canvas[: image.shape[0], : image.shape[1]] = image
    canvas[: small.shape[0], image.shape[1] :] = small
    return canvas


def test_one_face_with_its_parts() -> None:
    (face,) = faces.detect(astronaut())
    assert [round(value) for value in face.box] == [178, 63, 268, 176]
    assert face.landmarks.round().astype(int).tolist() == [[200, 102], [247, 103], [220, 125], [199, 143], [240, 144]]
    assert (round(face.score, 2), round(face.eye_distance), round(face.area)) == (0.93, 47, 10292)
    assert face.bbox.tolist() == pytest.approx(face.box)
    assert (face.kps is face.landmarks, face.det_score) == (True, face.score)


def test_six_faces_biggest_first() -> None:
    found = faces.detect(group())
    assert len(found) == 6
    assert [face.area for face in found] == sorted((face.area for face in found), reverse=True)


@pytest.mark.parametrize("shape", [(64, 64, 3), (640, 640, 3), (2600, 80, 3), (80, 2600, 3)])
def test_no_face(shape: tuple[int, ...]) -> None:
    assert faces.detect(np.full(shape, 127, np.uint8)) == []


def test_face_in_a_large_picture() -> None:
    large = cv2.resize(astronaut(), (2600, 2600), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    (face,) = faces.detect(large)
    assert face.eye_distance == pytest.approx(47.1 * 2600 / 512, rel=0.1)


def test_face_that_fills_the_picture() -> None:
    left, top, right, bottom = (int(value) for value in faces.detect(astronaut())[0].box)
    filling = cv2.resize(astronaut()[top:bottom, left:right], (1500, 1900)).astype(np.uint8)
    assert len(faces.detect(filling)) == 1


def test_the_same_boxes_as_opencv() -> None:
    """The decoding is OpenCV's: its own detector with the same file gives the same numbers."""
    detector = cv2.FaceDetectorYN.create(str(sface.detector_file()), "", (640, 640), 0.6, 0.3, 50)
    canvas = np.zeros((640, 640, 3), np.uint8)
    canvas[:512, :512] = astronaut()
    _, rows = detector.detect(canvas)
    (row,) = rows
    (face,) = faces.detect(astronaut())
    assert np.concatenate([face.box[:2], face.landmarks.ravel(), [face.score]]).tolist() == pytest.approx(
        np.concatenate([row[:2], row[4:]]).tolist(), abs=0.02
    )


def test_the_same_vector_as_opencv() -> None:
    """Alignment, order of colours and scale of the input are right: OpenCV's SFace gives the same vector."""
    recogniser = cv2.FaceRecognizerSF.create(str(sface.recogniser_file(settings().data_dir / "models" / "ekyc")), "")
    (face,) = faces.detect(astronaut())
    left, top, right, bottom = face.box
    row = np.array([left, top, right - left, bottom - top, *face.landmarks.ravel(), face.score], np.float32)
    theirs = recogniser.feature(recogniser.alignCrop(astronaut(), row)).ravel()
    ours = faces.embed(astronaut(), face)
    assert float(np.linalg.norm(ours)) == pytest.approx(1)
    assert float(ours @ theirs / np.linalg.norm(theirs)) > 0.999


@pytest.mark.filterwarnings("ignore::FutureWarning")  # insightface calls what scikit-image is about to rename
def test_insightface_gives_the_same() -> None:
    """``FaceAnalysis.get`` and insightface's own ``ArcFaceONNX.get`` with its ``norm_crop``."""
    analysis = models.analysis()
    (theirs,) = analysis.get(astronaut())
    (face,) = faces.detect(astronaut())
    ours = faces.embed(astronaut(), face)
    assert float(theirs.normed_embedding @ ours) == pytest.approx(1, abs=1e-5)
    crop = face_align.norm_crop(astronaut(), face.landmarks)
    vector = analysis.models["recognition"].get_feat(crop).ravel()
    assert float(vector @ ours / np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)
    recogniser = analysis.models["recognition"]
    assert (recogniser.input_mean, recogniser.input_std, recogniser.input_size) == (0.0, 1.0, (112, 112))


def test_same_person_and_others() -> None:
    same = faces.match(astronaut(), rephotographed(astronaut()))
    assert (same.decision, same.reasons) == ("same", ())
    assert same.score is not None
    assert same.score > 0.7
    other = faces.match(astronaut(), member(0))
    assert (other.decision, other.reasons) == ("different", ())
    assert other.score is not None
    assert other.score < 0.25


def test_match_is_symmetric() -> None:
    assert faces.match(astronaut(), member(1)) == faces.match(member(1), astronaut())


def test_no_face_goes_to_a_person() -> None:
    blank = np.zeros((300, 300, 3), np.uint8)
    assert faces.match(astronaut(), blank) == MatchResult(None, "review", (Reason.NO_FACE,))
    assert faces.match(blank, blank) == MatchResult(None, "review", (Reason.NO_FACE,))


def test_several_faces_go_to_a_person() -> None:
    assert faces.match(group(), astronaut()) == MatchResult(None, "review", (Reason.SEVERAL_FACES,))
    assert faces.match(np.zeros((300, 300, 3), np.uint8), group()).reasons == (Reason.NO_FACE, Reason.SEVERAL_FACES)


@pytest.mark.parametrize(("height", "reasons"), [(0.25, ()), (0.5, (Reason.SEVERAL_FACES,))])
def test_face_in_the_background(height: float, reasons: tuple[Reason, ...]) -> None:
    """Somebody four times as far away does not count; somebody half as tall does."""
    picture = beside(astronaut(), member(0), height)
    assert len(faces.detect(picture)) == 2
    face, found = faces.best_face(picture)
    assert found == reasons
    assert (face is None) == bool(reasons)


def test_too_few_pixels_go_to_a_person() -> None:
    tiny = cv2.resize(astronaut(), None, fx=0.35, fy=0.35, interpolation=cv2.INTER_AREA).astype(np.uint8)
    found = faces.match(astronaut(), tiny)
    assert found.score is not None
    assert (found.decision, found.reasons) == ("review", (Reason.TOO_SMALL,))


@pytest.mark.parametrize(
    ("first", "second", "score", "decision"),
    [
        (0.36, None, 0.36, "same"),
        (0.3599, None, 0.3599, "review"),
        (0.25, None, 0.25, "review"),
        (0.2499, None, 0.2499, "different"),
        (0.30, 0.50, 0.40, "same"),
        (0.24, 0.90, 0.57, "review"),  # the second alone never accepts
        (0.50, 0.10, 0.30, "review"),
        (0.40, -0.20, 0.10, "different"),
    ],
)
def test_bands(first: float, second: float | None, score: float, decision: str) -> None:
    found, decided = faces.decide(first, second)
    assert found == pytest.approx(score)
    assert decided == decision


@pytest.mark.parametrize("first", [0.9, 0.1])
def test_small_faces_are_never_decided(first: float) -> None:
    assert faces.decide(first, small=True) == (first, "review")


def test_thresholds_are_settings(configured: Setter) -> None:
    configured(EKYC_SAME_FROM=0.9, EKYC_REVIEW_FROM=0.05)
    assert faces.match(astronaut(), rephotographed(astronaut())).decision == "review"
    assert faces.match(astronaut(), member(0)).decision == "review"


def test_second_recogniser_is_the_mean(configured: Setter, tmp_path: Path) -> None:
    alone = faces.match(astronaut(), member(0)).score
    configured(EKYC_SECOND_RECOGNISER=write_recogniser(tmp_path / "second.onnx", agrees=True))
    assert alone is not None
    found = faces.match(astronaut(), member(0))
    assert found.score == pytest.approx((alone + 1) / 2, abs=1e-3)
    assert found.decision == "review"  # 0.57 would be the same person, were the first recogniser not against it
    assert faces.match(astronaut(), rephotographed(astronaut())).decision == "same"


def test_second_recogniser_sees_what_it_was_trained_on(configured: Setter, tmp_path: Path) -> None:
    """RGB, (x - 127) / 128, in the usual order of axes."""
    path = write_recogniser(tmp_path / "second.onnx", seed=3)
    configured(EKYC_SECOND_RECOGNISER=path)
    (face,) = faces.detect(astronaut())
    _, second = faces.vectors(astronaut(), face)
    model = models.second_recogniser()
    assert model is not None
    with np.errstate(all="raise"):
        crop = _crop(astronaut(), face)
        blob = ((crop[:, :, ::-1].astype(np.float32) - 127) / 128).transpose(2, 0, 1)[None]
        expected = model.session.run(None, {"input": np.ascontiguousarray(blob)})[0].ravel()
    assert float(expected @ second / np.linalg.norm(expected)) == pytest.approx(1, abs=1e-5)


def _crop(image: Image, face: faces.Face) -> Image:
    from skimage.transform import SimilarityTransform

    turned = SimilarityTransform.from_estimate(face.landmarks, face_align.arcface_dst)
    return cv2.warpAffine(image, turned.params[:2], (112, 112), borderValue=0.0).astype(np.uint8)


def test_several_threads_share_the_models() -> None:
    pictures = [astronaut(), member(0), member(1), astronaut(), member(0), member(1)]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda picture: faces.match(astronaut(), picture), pictures))
    assert found[:3] == found[3:]
    assert models.analysis() is models.analysis()
