"""Photographs of drawn cards to fields and a decision, and what is no card."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import pytest

from core.settings import settings
from ekyc import drawing, images, reading
from ekyc.card import PAGE, SECOND, Card
from ekyc.fields import Found, find
from ekyc.ocr import OcrUnavailableError, Word, scratch, tesseract
from ekyc.ocr.aster import Spelt
from ekyc.results import FIELDS, Image, Reason
from ekyc.surface import Surface
from ekyc.templates import templates
from ekyc.voting import Reading
from tests.printed import WIDTH, line

pytestmark = pytest.mark.skipif(tesseract.tessdata() is None, reason="Tesseract's Vietnamese data are not installed")


@pytest.fixture(scope="module")
def card() -> drawing.DrawnCard:
    return next(drawing.draw(1, severity=drawing.EASY, seed=7))


@pytest.fixture(scope="module")
def photo(card: drawing.DrawnCard) -> Image:
    return images.load(card.photo)


def test_a_good_photograph_is_read_and_passes(card: drawing.DrawnCard, photo: Image) -> None:
    read = reading.read_card(photo)
    assert dict(read.fields) == card.truth
    assert (read.decision, read.reasons) == ("ok", ())
    assert read.quality.corners == 4
    assert read.quality.faces == 1
    assert min(sure for sure in read.confidence.values() if sure is not None) >= settings().ekyc_min_confidence
    assert read.rectified is not None
    assert read.rectified.shape[1] == reading.WIDTH
    assert read.portrait is not None
    assert 0.05 < read.portrait.size / read.rectified.size < 0.5


def test_a_card_photographed_upside_down_is_turned(card: drawing.DrawnCard, photo: Image) -> None:
    assert dict(reading.read_card(np.ascontiguousarray(photo[::-1, ::-1])).fields) == card.truth


def test_a_card_photographed_on_its_side_is_turned(card: drawing.DrawnCard, photo: Image) -> None:
    assert dict(reading.read_card(np.ascontiguousarray(np.rot90(photo))).fields) == card.truth


@pytest.mark.parametrize(("turns", "said"), [(0, False), (1, True), (2, True), (3, True)])
def test_a_retake_says_that_the_card_was_not_upright(
    photo: Image, turns: int, said: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "ekyc_min_confidence", 1.0)
    read = reading.read_card(np.ascontiguousarray(np.rot90(photo, turns)))
    assert read.decision == "retake"
    assert (Reason.NOT_UPRIGHT in read.reasons) == said
    assert Reason.FIELD_DOUBTFUL in read.reasons


def test_a_scan_cut_at_the_card_s_edges_is_read(card: drawing.DrawnCard) -> None:
    read = reading.read_card(card.flat)
    assert dict(read.fields) == card.truth


def test_the_program_reads_the_same_and_leaves_nothing(
    card: drawing.DrawnCard, photo: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings(), "ekyc_ocr", "pytesseract")
    monkeypatch.setattr(settings(), "data_dir", tmp_path)
    assert dict(reading.read_card(photo).fields) == card.truth
    assert list((tmp_path / "tmp" / "ekyc").iterdir()) == []


def test_a_grainy_photograph_is_read_line_by_line() -> None:
    """One of those that the reader of whole pages hardly sees anything on."""
    card = next(drawing.draw(1, severity=drawing.MEDIUM, seed=5))
    photo = images.load(card.photo)
    noise = np.random.default_rng(7).normal(0, 9, photo.shape)
    read = reading.read_card(np.clip(photo + noise, 0, 255).astype(np.uint8))
    assert read.rectified is not None
    assert Surface(read.rectified).grainy
    assert dict(read.fields) == card.truth


@pytest.mark.parametrize(
    ("numbers", "text", "sure"),
    [
        (["13", "3"], "Phường 13, quận 3", (0.9, 0.9, 0.9, 0.9)),
        (["13"], "Phường 15, quận 5", (0.9, 0.35, 0.9, 0.35)),
        (None, "Phường 15, quận 5", (0.9, 0.35, 0.9, 0.35)),
    ],
)
def test_numbers_in_a_text_are_those_of_the_model_for_digits(
    numbers: list[str] | None, text: str, sure: tuple[float, ...]
) -> None:
    read = Reading(tuple((word, 0.9) for word in ["Phường", "15,", "quận", "5"]), 1.0, PAGE)
    found = reading._with_numbers(read, numbers)
    assert " ".join(word for word, _ in found.words) == text
    assert tuple(trust for _, trust in found.words) == sure
    assert (found.weight, found.reader) == (1.0, PAGE)


class Second:
    """A second reader that always reads the same."""

    def __init__(self, written: str, others: Mapping[str, float] = MappingProxyType({})) -> None:
        self.written, self.others = written, others

    def read_line(self, _image: Image) -> list[Spelt]:
        return [Spelt(word, 0.99, self.others) for word in self.written.split()]


class Text:
    """A reader that reads the same on every line, and other digits."""

    def __init__(self, text: str, digits: str = "") -> None:
        self.text, self.digits = text, digits

    def read_lines(self, lines: list[Image], *, digits: bool = False) -> list[list[Word]]:
        return [line(0, (0, self.digits if digits else self.text)) for _ in lines]


def on_a_card(name: str, *read: tuple[str, float]) -> Card:
    """A card of which *name* was read so far, each time as sure."""
    card = Card(Surface(np.full((64, 256, 3), 200, np.uint8)), [], Found(), templates()[0], 0)
    card.found.places[name] = ((20, 20, 200, 44),)
    card.readings[name] = [Reading(tuple((word, sure) for word in text.split()), 1.0, PAGE) for text, sure in read]
    return card


@pytest.mark.parametrize(
    ("name", "read", "written", "blurred", "clear"),
    [
        ("full_name", "Đinh Văn Đỉnh", "Đinh Văn Đỉnh", 2, 1),
        ("full_name", "Đinh Văn Đỉnh", "Đinh Văn Đình", 3, 3),
        ("issuer", "Huyện hội Khánh Lâm", "Huyện hội Khánh Lâm", 1, 0),
        ("issuer", "Huyện hội Khánh Lâm", "Huyện hội Khánh Lam", 3, 0),
    ],
)
def test_the_second_reader_is_asked_until_a_text_is_settled(
    name: str, read: str, written: str, blurred: int, clear: int
) -> None:
    for sharpness, asked in ((0.3, blurred), (0.5, clear)):
        card = on_a_card(name, *[(read, 0.99)] * 3)
        card.__dict__["sharpness"] = sharpness
        reading._second_opinion(card, Second(written))
        assert [one.reader for one in card.readings[name]].count(SECOND) == asked


def test_a_clear_text_that_is_not_settled_is_read_by_both() -> None:
    card = on_a_card("issuer", ("Huyện hội Khánh Lâm", 0.6))
    card.__dict__["sharpness"] = 0.5
    reading._second_opinion(card, Second("Huyện hội Khánh Lâm"))
    assert SECOND in [one.reader for one in card.readings["issuer"]]


def test_what_the_second_reader_holds_possible_too_counts() -> None:
    def sure(others: dict[str, float]) -> float:
        card = on_a_card("full_name", *[("Lê Thị Hiền", 0.96)] * 3)
        reading._second_opinion(card, Second("Lê Thị Hiền", others))
        verdict = card.verdict("full_name")
        assert verdict is not None
        assert verdict.text == "Lê Thị Hiền"
        return verdict.confidence

    assert sure({"Hiển": 0.3}) < sure({"Hiển": 0.1}) < sure({"Hiển": 0.01})


@pytest.mark.parametrize(("sure", "more"), [(0.99, []), (0.6, [PAGE, PAGE])])
def test_a_text_that_is_doubtful_after_all_is_read_once_more(sure: float, more: list[str]) -> None:
    card = on_a_card("issuer", *[("Huyện hội Khánh Lâm", sure)] * 2)
    card.readings["issuer"].append(replace(card.readings["issuer"][0], reader=SECOND))
    reading._once_more(card, Text("Huyện hội Khánh Lâm"))
    assert [read.reader for read in card.readings["issuer"][3:]] == more


def test_numbers_of_a_text_read_once_more_are_those_of_the_model_for_digits() -> None:
    card = on_a_card("home_town", ("Phường 15, quận 5, Hà Trường", 0.5))
    reading._once_more(card, Text("Phường 15, quận 5, Hà Trường", "13 3"))
    said = [" ".join(word for word, _ in read.words) for read in card.readings["home_town"]]
    assert said == ["Phường 13, quận 3, Hà Trường"] * 3


def test_print_near_a_value_without_a_label_belongs_to_its_span() -> None:
    words = [*line(150, (460, "BÁ TÂM")), *line(190, (400, "Sinh ngày: 05/09/1960"))]
    card = Card(
        Surface(np.full((800, WIDTH, 3), 200, np.uint8)), words, find(words, templates()[0], WIDTH), templates()[0], 0
    )
    reading._eliminate(card, [words])
    (left, top, _, bottom), *_ = card.found.places["full_name"]
    assert card.found.spans["full_name"] == (left - 3 * (bottom - top), top, WIDTH, bottom)


@pytest.mark.parametrize(("above", "lit", "doubtful"), [(110, True, True), (110, False, False), (160, True, False)])
def test_a_home_town_without_a_label_may_begin_on_a_line_that_glare_hides(
    above: int, lit: bool, doubtful: bool
) -> None:
    words = [*line(above, (40, "Sinh ngày: 05/09/1960")), *line(200, (40, "Mỹ Khê, tỉnh Hà Trường"))]
    flat = np.full((800, WIDTH, 3), 120, np.uint8)
    if lit:
        flat[100:198, 40:600] = 255
    card = Card(Surface(flat), words, find(words, templates()[0], WIDTH), templates()[0], 0)
    reading._unlabelled(card, [words])
    assert ("home_town" in card.missing) == doubtful


def test_a_blurred_photograph_is_to_be_taken_again(photo: Image) -> None:
    read = reading.read_card(cv2.GaussianBlur(photo, (0, 0), 9).astype(np.uint8))
    assert read.decision == "retake"
    assert Reason.BLURRED in read.reasons


def test_a_picture_without_a_card_has_nothing_to_read() -> None:
    rng = np.random.default_rng(7)
    small = rng.integers(60, 200, (30, 40, 3), dtype=np.uint8)
    read = reading.read_card(cv2.resize(small, (1200, 900), interpolation=cv2.INTER_CUBIC).astype(np.uint8))
    assert (read.decision, read.reasons) == ("retake", (Reason.NO_CARD,))
    assert dict(read.fields) == dict.fromkeys(FIELDS)
    assert dict(read.confidence) == dict.fromkeys(FIELDS)


def test_a_card_without_a_face_does_not_pass(card: drawing.DrawnCard, monkeypatch: pytest.MonkeyPatch) -> None:
    from ekyc import faces

    monkeypatch.setattr(faces, "detect", lambda _image: [])
    read = reading.read_card(card.flat)
    assert read.decision == "retake"
    assert Reason.NO_FACE in read.reasons
    assert read.portrait is None


def test_without_a_reader_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tesseract, "tessdata", lambda: None)
    monkeypatch.setattr(tesseract.shutil, "which", lambda _name: None)
    tesseract._reader.cache_clear()
    with pytest.raises(OcrUnavailableError, match="tesseract-ocr-vie"):
        tesseract.reader()
    tesseract._reader.cache_clear()


def test_what_a_killed_run_left_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings(), "data_dir", tmp_path)
    home = tmp_path / "tmp" / "ekyc"
    dead, living = home / "999999999-left", home / f"{os.getpid()}-busy"
    for folder in (dead, living):
        folder.mkdir(parents=True)
        (folder / "view.png").write_bytes(b"a picture")
    with scratch.private() as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert sorted(home.iterdir()) == sorted([living, folder])
    assert sorted(home.iterdir()) == [living]
