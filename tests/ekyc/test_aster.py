"""The second reader of single lines."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from ekyc.drawing import fonts
from ekyc.ocr import aster, line_reader
from ekyc.ocr.base import Gray


def printed(text: str) -> Gray:
    """*text* in one line, black on white."""
    font = fonts.Font("manrope").at(40, "medium")
    picture = Pillow.new("L", (int(font.getlength(text)) + 40, 64), 255)
    ImageDraw.Draw(picture).text((20, 8), text, font=font, fill=0)
    return np.asarray(picture, dtype=np.uint8)


def test_a_line_is_read_word_by_word_with_what_else_a_word_may_be() -> None:
    reader = line_reader()
    assert reader is not None
    words = reader.read_line(printed("Ninh Cát Phú"))
    assert [word.text for word in words] == ["Ninh", "Cát", "Phú"]
    for word in words:
        assert 0.5 < word.confidence <= 1
        assert word.text not in word.others
        assert all(0 < share < word.confidence and len(other) == len(word.text) for other, share in word.others.items())
    assert reader.read_line(np.full((40, 200), 255, np.uint8)) == []


def test_the_share_of_another_word_is_that_of_its_letter() -> None:
    word = aster._spelt([{"P": 0.99, "B": 0.001}, {"ủ": 0.6, "ú": 0.3, " ": 0.05}])
    assert (word.text, word.confidence) == ("Pủ", 0.6)
    assert word.others == {"Pú": pytest.approx(0.3)}
