"""The figures of labelled pairs: known scores give known rates; bad rows are named; real pictures are compared."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from ekyc import calibration
from ekyc.calibration import Pair, PairsError, calibrate, evaluate, rate, read_pairs
from tests.ekyc.face_models import astronaut, group, member, rephotographed

GENUINE = np.array([0.20, 0.40, 0.50, 0.60, 0.70, 0.80, 0.90, 0.95, 0.97, 0.99])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures of three persons, two each."""
    for name, image in {
        "a1": astronaut(),
        "a2": rephotographed(astronaut()),
        "b1": member(0),
        "b2": rephotographed(member(0), 0.9),
        "c1": member(1),
        "c2": rephotographed(member(1), 0.9),
        "nobody": np.zeros((200, 200, 3), np.uint8),
        "six": group(),
    }.items():
        cv2.imwrite(str(tmp_path / f"{name}.jpg"), image)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


# Rates


@pytest.mark.parametrize(
    ("errors", "trials", "low", "high"),
    [
        (0, 10, 0.0, 0.3085),
        (1, 10, 0.0025, 0.4450),
        (5, 10, 0.1871, 0.8129),
        (10, 10, 0.6915, 1.0),
        (0, 3000, 0.0, 0.00123),
    ],
)
def test_exact_bounds(errors: int, trials: int, low: float, high: float) -> None:
    """Values of the published tables of Clopper and Pearson."""
    found = rate(errors, trials)
    assert found.value == errors / trials
    assert (found.low, found.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_rate_of_nothing() -> None:
    assert rate(0, 0) == calibration.Rate(0, 0, None, None, None)


def test_apart() -> None:
    found = evaluate(GENUINE, np.arange(-3000, 2000) / 10_000)
    assert (found.eer, found.target_supported) == (0.0, True)
    assert found.at_target.frr.errors == 0
    assert found.at_target.far.errors == 5  # 5,000 times a thousandth
    assert found.same_from == found.at_target.threshold == 0.1995


def test_overlapping() -> None:
    impostor = np.array([0.1] * 8 + [0.45, 0.55])
    found = evaluate(GENUINE, impostor)
    assert found.eer == pytest.approx(0.2)
    assert found.eer_threshold == 0.45
    assert (found.at_target.threshold, found.at_target.far.errors, found.at_target.frr.errors) == (0.5501, 0, 3)
    assert (found.at_same_from.threshold, found.at_same_from.far.errors, found.at_same_from.frr.errors) == (0.36, 2, 1)
    assert (found.at_review_from.threshold, found.at_review_from.frr.errors) == (0.25, 1)


def test_too_few_impostors_to_speak_of_a_thousandth() -> None:
    found = evaluate(GENUINE, np.full(100, 0.1))
    assert found.target_supported is False
    assert found.at_target.threshold == 0.1001
    assert found.same_from == 0.36  # not below the setting in force
    assert found.review_from == 0.2
    assert "100 cặp khác người: chưa thể nói FAR 0.001 (cần ít nhất 3000 cặp)" in found.notes[1]


def test_enough_impostors_support_a_lower_threshold() -> None:
    found = evaluate(GENUINE, np.full(3000, 0.1))
    assert (found.target_supported, found.same_from, found.review_from) == (True, 0.1001, 0.1001)
    assert len(found.notes) == 1


@pytest.mark.parametrize(("genuine", "review_from"), [(299, 0.25), (300, 0.3001)])
def test_few_members_do_not_raise_the_threshold_of_review(genuine: int, review_from: float) -> None:
    assert evaluate(np.full(genuine, 0.8), np.full(3000, 0.3)).review_from == review_from


def test_all_impostors_alike_to_the_person() -> None:
    found = evaluate(GENUINE, np.full(10, 1.0))
    assert (found.at_target.threshold, found.at_target.far.errors, found.at_target.frr.errors) == (1.0001, 0, 10)


def test_plain_values_for_json() -> None:
    found = json.loads(json.dumps(evaluate(GENUINE, np.full(100, 0.1)).to_dict()))
    assert (found["genuine"], found["impostor"], found["at_target"]["far"]["trials"]) == (10, 100, 100)


# The file


def test_rows_read(pictures: Path) -> None:
    path = write(pictures, "\ufeffimage_a,image_b,same\na1.jpg, a2.jpg,1\n\nb1.jpg,a1.jpg,0\n")
    assert read_pairs(path) == [
        Pair(pictures / "a1.jpg", pictures / "a2.jpg", True, 2),
        Pair(pictures / "b1.jpg", pictures / "a1.jpg", False, 4),
    ]


def test_every_bad_row_is_named(pictures: Path) -> None:
    path = write(
        pictures,
        "image_a,image_b,same\na1.jpg,a2.jpg,1\na1.jpg,,1\na1.jpg,gone.jpg,0\na1.jpg,b1.jpg,yes\na1.jpg,a1.jpg,1\na1.jpg\n",
    )
    with pytest.raises(PairsError) as caught:
        read_pairs(path)
    assert caught.value.lines == (3, 4, 5, 6, 7)
    assert str(caught.value).splitlines() == [
        "Dòng 3: thiếu tên ảnh.",
        "Dòng 4: không có tệp gone.jpg.",
        "Dòng 5: cột same phải là 1 hoặc 0, không phải “yes”.",
        "Dòng 6: hai cột chỉ cùng một tệp.",
        "Dòng 7: thiếu tên ảnh.",
    ]


def test_many_bad_rows_are_cut(pictures: Path) -> None:
    path = write(pictures, "image_a,image_b,same\n" + "x.jpg,y.jpg,1\n" * 30)
    with pytest.raises(PairsError) as caught:
        read_pairs(path)
    assert len(caught.value.lines) == 30
    assert str(caught.value).splitlines()[-1] == "… và 10 dòng khác"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "Dòng 1: thiếu cột image_a, image_b, same."),
        (b"image_a,image_b\n", "Dòng 1: thiếu cột same."),
        ("ảnh".encode("utf-16"), "Dòng 1: tệp không phải UTF-8. Xin lưu lại dưới dạng CSV UTF-8."),
    ],
)
def test_file_of_another_kind(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "pairs.csv"
    path.write_bytes(content)
    with pytest.raises(PairsError) as caught:
        read_pairs(path)
    assert str(caught.value) == message


def test_file_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_pairs(tmp_path / "pairs.csv")


# Pictures


@pytest.mark.usefixtures("data_dir")
def test_real_pictures(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ["a1,a2,1", "b1,b2,1", "c1,c2,1", *(f"a{i},b{j},0" for i in (1, 2) for j in (1, 2)), "a1,c1,0", "b1,c1,0"]
    rows += ["a1,nobody,1", "a1,six,0"]
    text = "image_a,image_b,same\n" + "".join(
        f"{a}.jpg,{b}.jpg,{same}\n" for a, b, same in (row.split(",") for row in rows)
    )
    read: list[Path] = []
    monkeypatch.setattr(
        calibration, "load", lambda content, load=calibration.load: (read.append(Path()), load(content))[1]
    )
    found = calibrate(read_pairs(write(pictures, text)))
    assert (found.pairs, found.genuine, found.impostor, found.pictures) == (11, 3, 6, 6)
    assert found.unusable == {"no_face": 1, "several_faces": 1}
    assert (found.eer, found.at_same_from.far.errors, found.at_same_from.frr.errors) == (0.0, 0, 0)
    assert len(read) == 8  # every picture once


@pytest.mark.usefixtures("data_dir")
def test_unreadable_picture_is_named(pictures: Path) -> None:
    (pictures / "broken.jpg").write_bytes(b"not a picture")
    path = write(pictures, "image_a,image_b,same\na1.jpg,b1.jpg,0\nbroken.jpg,a1.jpg,1\n")
    with pytest.raises(PairsError) as caught:
        calibrate(read_pairs(path))
    assert caught.value.lines == (3,)


@pytest.mark.usefixtures("data_dir")
@pytest.mark.parametrize(("same", "lacking"), [("1", "hai người khác nhau"), ("0", "cùng một người")])
def test_one_kind_of_pairs_only(pictures: Path, same: str, lacking: str) -> None:
    path = write(pictures, f"image_a,image_b,same\na1.jpg,b1.jpg,{same}\n")
    with pytest.raises(PairsError, match=lacking):
        calibrate(read_pairs(path))
