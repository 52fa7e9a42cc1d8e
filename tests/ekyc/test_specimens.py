"""Cards to print, of people who were given: their size on paper, whose they are, whose face is on them."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from skimage import data

from ekyc import drawing, faces
from ekyc.drawing import Member, PortraitError

DAYS = {
    "date_of_birth": date(1960, 2, 3),
    "joined_on": date(1985, 5, 6),
    "official_on": date(1986, 5, 6),
    "issued_on": date(1986, 6, 1),
}
MEMBERS = [
    Member(name, f"9900000{number}", "xã Ao Sen", "Hội huyện Đồng Mai", DAYS, woman=True)
    for number, name in enumerate(("Lê Thị Mơ", "Trần Thu Cúc"))
]


def test_cards_of_the_members_given_are_printed_as_large_as_cards_are(tmp_path: Path) -> None:
    drawing.write(tmp_path, 2, flat=True, members=MEMBERS)
    sheet = (tmp_path / drawing.SHEET).read_bytes()
    [(width, height)] = re.findall(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", sheet)
    assert [round(float(points) / 72 * 25.4) for points in (width, height)] == [210, 297]
    assert sheet.count(b"/Subtype /Image") == 1
    with Pillow.open(tmp_path / "0001.png") as card:
        assert [round(side / drawing.SHEET_DPI * 25.4, 1) for side in card.size] == [85.6, 54.0]
        assert [round(dpi) for dpi in card.info["dpi"]] == [drawing.SHEET_DPI] * 2
    lines = (tmp_path / "truth.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["fields"] for line in lines] == [member.truth() for member in MEMBERS]


def test_ten_cards_fill_a_sheet_and_none_lies_on_another() -> None:
    card = Pillow.new("RGB", (1011, 638), "black")
    sheets = list(drawing.sheets([card] * 11))
    black = [int((np.asarray(sheet) == 0).all(axis=2).sum()) for sheet in sheets]
    assert black == [10 * 1011 * 638, 1011 * 638]


def test_the_own_face_stands_on_the_card() -> None:
    picture = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    portrait = drawing.cut_portrait(picture)
    assert portrait.shape == (640, 480, 3)
    [card] = [made.flat for made in drawing.draw(1, members=MEMBERS, portrait=portrait)]
    assert faces.match(card, picture).decision == "same"


@pytest.mark.parametrize("count", [0, 2])
def test_a_portrait_has_one_face(count: int) -> None:
    face = cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR)
    picture = np.concatenate([face] * count, axis=1) if count else np.full((300, 300, 3), 90, np.uint8)
    with pytest.raises(PortraitError, match="đúng một khuôn mặt"):
        drawing.cut_portrait(picture)
