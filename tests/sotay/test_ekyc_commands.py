"""``sotay ekyc``: every command's JSON, its words, and files that cannot be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from skimage import data
from typer.testing import CliRunner

from ekyc import drawing, images
from ekyc.results import FIELDS
from sotay.cli import app
from sotay.demo_organisation import not_signed_up


def run(*arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output, standard error."""
    result = CliRunner().invoke(app, ["ekyc", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def run_json(*arguments: object) -> tuple[int, list[Any], str]:
    """The same with ``--json``: one value for each line."""
    code, out, error = run(*arguments, "--json")
    return code, [json.loads(line) for line in out.splitlines()], error


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One easy card with its truth, and a picture without a card."""
    made = tmp_path_factory.mktemp("cards")
    drawing.write(made, 1, severity=drawing.EASY, seed=21)
    (made / "table.png").write_bytes(cv2.imencode(".png", np.full((600, 800, 3), 90, dtype=np.uint8))[1].tobytes())
    (made / "face.jpg").write_bytes(images.encode(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)))
    (made / "broken.jpg").write_bytes((made / "0001.jpg").read_bytes()[:5000])
    return made


def test_a_card_is_read(folder: Path) -> None:
    code, found, error = run_json("read-card", folder / "0001.jpg")
    assert (code, len(found), error) == (0, 1, "")
    one = found[0]
    assert list(one) == ["fields", "confidence", "quality", "decision", "reasons"]
    assert one["fields"] == json.loads((folder / "truth.jsonl").read_text(encoding="utf-8"))["fields"]
    assert list(one["fields"]) == list(one["confidence"]) == list(FIELDS)
    assert all(0 < value <= 1 and round(value, 3) == value for value in one["confidence"].values())
    assert list(one["quality"]) == ["corners", "text_height_px", "blur", "exposure", "glare", "faces"]
    assert (one["quality"]["corners"], one["quality"]["faces"]) == (4, 1)
    assert (one["decision"], one["reasons"]) == ("ok", [])


def test_several_pictures_good_and_bad(folder: Path, tmp_path: Path) -> None:
    names = ["table.png", "broken.jpg", "none.jpg", "table.png"]
    code, found, error = run_json("read-card", *(folder / name for name in names), tmp_path)
    assert code == 1
    assert [Path(one["image"]).name for one in found] == ["table.png", "table.png"]
    table = found[0]
    assert (table["decision"], table["fields"], table["confidence"]) == (
        "retake",
        dict.fromkeys(FIELDS),
        dict.fromkeys(FIELDS),
    )
    assert "no_card" in table["reasons"]
    messages = error.splitlines()
    assert [message.partition(":")[0].rpartition("/")[2] for message in messages] == [
        "broken.jpg",
        "none.jpg",
        tmp_path.name,
    ]
    assert "(broken)" in messages[0]
    assert "no such file" in messages[1]
    assert "is a directory" in messages[2]


def test_a_retake_is_no_error(folder: Path) -> None:
    code, found, _ = run_json("read-card", folder / "table.png")
    assert (code, found[0]["decision"], "image" in found[0]) == (0, "retake", False)
    code, out, _ = run("read-card", folder / "table.png")
    assert code == 0
    assert "cần chụp lại (" in out
    assert "không thấy thẻ" in out
    assert out.count("(không đọc được)") == 8


def test_one_unreadable_file(folder: Path) -> None:
    assert run_json("read-card", folder / "broken.jpg")[:2] == (1, [])


def test_faces_are_compared(folder: Path) -> None:
    code, found, _ = run_json("match", folder / "face.jpg", folder / "face.jpg")
    assert (code, found) == (0, [{"score": 1.0, "decision": "same", "reasons": []}])
    code, found, _ = run_json("match", folder / "face.jpg", folder / "table.png")
    assert (code, found) == (0, [{"score": None, "decision": "review", "reasons": ["no_face"]}])
    code, out, _ = run("match", folder / "table.png", folder / "face.jpg")
    assert (code, out) == (0, "cần người xem (không thấy khuôn mặt); độ giống: không so được\n")
    code, found, error = run_json("match", folder / "face.jpg", folder / "none.jpg")
    assert (code, found, "no such file" in error) == (1, [], True)


def pairs(folder: Path, *rows: str) -> Path:
    path = folder / "some.csv"
    path.write_text("\n".join(["image_a,image_b,same", *rows]) + "\n", encoding="utf-8")
    return path


def test_thresholds_are_calibrated(folder: Path, tmp_path: Path) -> None:
    other = cv2.imread(str(folder / "face.jpg"))
    assert other is not None
    (tmp_path / "dark.jpg").write_bytes(images.encode(np.asarray(other * 0.7, dtype=np.uint8)))
    (tmp_path / "face.jpg").write_bytes((folder / "face.jpg").read_bytes())
    (tmp_path / "drawn.jpg").write_bytes(images.encode(drawing.draw_portrait(3)))
    file = pairs(tmp_path, "face.jpg,dark.jpg,1", "face.jpg,drawn.jpg,0")
    code, found, _ = run_json("calibrate", file)
    assert (code, found[0]["genuine"], found[0]["impostor"], found[0]["eer"]) == (0, 1, 1, 0.0)
    code, out, _ = run("calibrate", file)
    assert code == 0
    assert "Đề xuất EKYC_SAME_FROM" in out
    assert "1 cùng người, 1 khác người" in out


def test_bad_pairs(tmp_path: Path) -> None:
    code, found, error = run_json("calibrate", pairs(tmp_path, "a.jpg,b.jpg,1"))
    assert (code, found) == (1, [])
    assert "Dòng 2: không có tệp a.jpg, b.jpg." in error
    assert run_json("calibrate", tmp_path / "none.csv")[0] == 1


def test_a_folder_is_evaluated(folder: Path, tmp_path: Path) -> None:
    for name in ("0001.jpg", "truth.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    code, found, error = run_json("evaluate", tmp_path)
    assert (code, error, found[0]["faces"]) == (0, "", None)
    cards = found[0]["cards"]
    assert (cards["cards"], cards["fields_exact"], cards["cer"], cards["ok_wrong"]["errors"]) == (1, 1.0, 0.0, 0)
    code, out, _ = run("evaluate", tmp_path)
    assert code == 0
    assert "100.00% của 8" in out
    assert "Đọc được nhưng có mục sai" in out


def test_a_folder_that_cannot_be_evaluated(tmp_path: Path) -> None:
    code, found, error = run_json("evaluate", tmp_path)
    assert (code, found, "cannot evaluate" in error) == (1, [], True)
    (tmp_path / "truth.jsonl").write_text("{}\n", encoding="utf-8")
    code, _, error = run("evaluate", tmp_path)
    assert (code, "dòng 1: cần dạng" in error) == (1, True)


def test_cards_are_drawn(tmp_path: Path) -> None:
    code, out, error = run("draw-cards", 1, tmp_path / "new" / "cards", "--severity", "hard", "--seed", 2)
    assert (code, out, error) == (0, "", f"Đã vẽ 1 thẻ mẫu vào {tmp_path / 'new' / 'cards'}.\n")
    drawn = next(drawing.draw(1, severity=drawing.HARD, seed=2))
    assert (tmp_path / "new" / "cards" / "0001.jpg").read_bytes() == drawn.photo


def test_cards_of_the_demo_are_drawn_to_print(folder: Path, tmp_path: Path) -> None:
    code, _, error = run("draw-cards", 1, tmp_path, "--print", "--demo", "--portrait", folder / "face.jpg")
    assert (code, "đúng cỡ 100 %" in error) == (0, True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001.png", "specimen.pdf", "truth.jsonl"]
    district, person = next(not_signed_up())
    fields = json.loads((tmp_path / "truth.jsonl").read_text(encoding="utf-8"))["fields"]
    assert (fields["card_number"], fields["full_name"], fields["issuer"]) == (person.card_number, person.name, district)
    assert fields["date_of_birth"] == person.born.isoformat()


def test_cards_that_cannot_be_drawn(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    code, _, error = run("draw-cards", 1, tmp_path / "file")
    assert (code, "cannot write" in error) == (1, True)
    code, _, error = run("draw-cards", 1, tmp_path / "out", "--severity", "brutal")
    assert (code, error) == (2, "Không có mức brutal; chọn: easy, medium, hard.\n")
    code, _, error = run("draw-cards", 999, tmp_path / "out", "--demo")
    assert (code, "hội viên chưa đăng ký" in error) == (2, True)
    code, _, error = run("draw-cards", 1, tmp_path / "out", "--portrait", folder / "table.png")
    assert (code, "đúng một khuôn mặt" in error) == (1, True)
    assert run("draw-cards", 1, tmp_path / "out", "--portrait", tmp_path / "none.jpg")[0] == 1
    assert run("draw-cards", 0, tmp_path / "out")[0] == 2
    assert run("draw-cards", 1, tmp_path / "out", "--seed", -1)[0] == 2
