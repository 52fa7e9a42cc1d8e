"""The generator: the same seed means the same cards, what is printed is the truth, and a face is found on every card."""

from __future__ import annotations

import itertools
import json
import unicodedata
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from ekyc import drawing, faces, images
from ekyc.drawing.card import HEIGHT, WIDTH, choose, content, draw_card, fit
from ekyc.drawing.people import Member, invent
from ekyc.drawing.photograph import place
from ekyc.results import FIELDS

LEVELS = tuple(drawing.SEVERITIES)


def member(seed: int) -> Member:
    return invent(np.random.default_rng(seed))


def test_a_seed_means_the_same_cards(tmp_path: Path) -> None:
    for name, count, seed in (("a", 2, 4), ("b", 1, 4), ("c", 1, 5)):
        drawing.write(tmp_path / name, count, severity=drawing.EASY, seed=seed)
    files = {
        name: {path.name: path.read_bytes() for path in sorted((tmp_path / name).iterdir())} for name in ("a", "b", "c")
    }
    assert list(files["a"]) == ["0001.jpg", "0002.jpg", "truth.jsonl"]
    assert files["a"]["0001.jpg"] == files["b"]["0001.jpg"]
    assert files["a"]["truth.jsonl"].startswith(files["b"]["truth.jsonl"])
    assert all(files["a"][name] != files["c"][name] for name in files["c"])
    lines = [json.loads(line) for line in files["a"]["truth.jsonl"].decode("utf-8").splitlines()]
    assert [line["image"] for line in lines] == ["0001.jpg", "0002.jpg"]
    assert all(tuple(line["fields"]) == FIELDS for line in lines)


def test_the_same_people_stand_at_every_severity() -> None:
    drawn = [next(drawing.draw(1, severity=severity, seed=9)) for severity in (drawing.EASY, drawing.HARD)]
    assert drawn[0].truth == drawn[1].truth
    assert np.array_equal(drawn[0].flat, drawn[1].flat)
    assert drawn[0].photo != drawn[1].photo
    shapes = [images.load(card.photo).shape for card in drawn]
    assert all(min(shape[:2]) >= 900 for shape in shapes)


@pytest.mark.parametrize("start", [0, 100])
def test_invented_members_are_possible(start: int) -> None:
    for seed in range(start, start + 100):
        truth = member(seed).truth()
        assert tuple(truth) == FIELDS
        assert len(truth["card_number"]) == 8
        assert truth["card_number"].isdigit()
        for text in truth.values():
            assert text == " ".join(unicodedata.normalize("NFC", text).split())
        born, joined, official, issued = (
            date.fromisoformat(truth[name]) for name in ("date_of_birth", "joined_on", "official_on", "issued_on")
        )
        assert (joined.year, joined.month, joined.day) >= (born.year + 18, born.month, born.day)
        assert (official.year, official.month, official.day) >= (joined.year + 1, joined.month, joined.day)
        assert issued >= official
        assert issued <= date(2024, 12, 31)


def test_members_and_designs_vary() -> None:
    members = [member(seed) for seed in range(300)]
    assert len({one.full_name for one in members}) > 280
    assert len({one.card_number for one in members}) == 300
    designs = [choose(np.random.default_rng(seed)) for seed in range(300)]
    assert {design.font.family for design in designs} == {"roboto", "manrope", "source_sans_pro", "source_serif_pro"}
    assert {design.number_at for design in designs} == {"portrait", "header", "first", "last"}
    assert {design.date_format == "long" for design in designs} == {True, False}
    for name in FIELDS:
        assert len({design.labels[name] for design in designs}) >= 2


def test_what_is_printed_is_the_truth() -> None:
    for seed in range(40):
        one, design = member(seed), choose(np.random.default_rng(seed))
        printed = dict(itertools.chain.from_iterable(content(design, one)))
        truth = one.truth()
        assert set(FIELDS) - set(printed) == ({"card_number"} if design.number_at in ("portrait", "header") else set())
        for name in ("full_name", "home_town", "issuer"):
            assert printed[name] == truth[name]
        for name in ("date_of_birth", "joined_on", "official_on", "issued_on"):
            numbers = [int(part) for part in "".join(c if c.isdigit() else " " for c in printed[name]).split()]
            assert numbers == [int(part) for part in reversed(truth[name].split("-"))]


def test_text_stays_inside_its_area_and_apart() -> None:
    pen = ImageDraw.Draw(Pillow.new("RGB", (8, 8)))
    for seed in range(120):
        one, design = member(seed), choose(np.random.default_rng(seed))
        area = (314.0, 140.0, 988.0, 624.0)
        pieces, end = fit(pen, design, one, area)
        assert end <= area[3]
        lines: dict[int, list[tuple[float, float]]] = {}
        for x, y, text, size, weight, _ in pieces:
            right = x + pen.textlength(text, design.font.at(size * 2, weight)) / 2
            assert area[0] <= x
            assert right <= area[2] + 1
            lines.setdefault(round(y + size), []).append((x, right))
        for line in lines.values():
            for before, after in itertools.pairwise(sorted(line)):
                assert before[1] < after[0]


@pytest.mark.parametrize("level", LEVELS)
def test_the_whole_card_is_in_the_picture(level: str) -> None:
    for seed in range(200):
        severity = drawing.SEVERITIES[level]
        corners = place(HEIGHT / WIDTH, 1600, 1200, severity, np.random.default_rng(seed))
        assert corners.min() > 0
        assert corners[:, 0].max() < 1600
        assert corners[:, 1].max() < 1200
        assert cv2.isContourConvex(corners)
        assert np.ptp(corners[:, 0]) / 1600 >= severity.share[0] * 0.6


def test_a_harder_level_is_harder() -> None:
    for name in ("tilt", "blur", "shake", "glare_size", "glare_strength", "shadow_depth", "slope", "noise", "rotation"):
        upper = [getattr(drawing.SEVERITIES[level], name)[1] for level in LEVELS]
        assert upper == sorted(upper)
        assert upper[0] < upper[2]
    for name in ("share", "quality", "longest"):
        lower = [getattr(drawing.SEVERITIES[level], name)[0] for level in LEVELS]
        assert lower == sorted(lower, reverse=True)
    assert drawing.HARD.stated()["quality"] == drawing.HARD.quality


def test_exactly_one_face_is_found_on_a_card() -> None:
    for seed in range(6):
        look = np.random.default_rng(seed)
        portrait = drawing.draw_portrait(seed)
        flat = draw_card(member(seed), choose(look), portrait, look)
        assert flat.shape == (HEIGHT, WIDTH, 3)
        seen = cv2.resize(flat, (WIDTH // 2, HEIGHT // 2), interpolation=cv2.INTER_AREA)
        assert len(faces.detect(np.asarray(seen, dtype=np.uint8))) == 1


def test_a_drawn_person_stays_the_same_under_other_light() -> None:
    def vector(seed: int, *, light: float = 0, smile: float = 0, brightness: float = 1) -> faces.Vector:
        picture = drawing.draw_portrait(seed, light=light, smile=smile, brightness=brightness)
        return faces.embed(picture, faces.detect(picture)[0])

    people = [2, 5, 9]
    first = [vector(seed) for seed in people]
    again = [vector(seed, light=0.6, smile=0.5, brightness=0.9) for seed in people]
    same = [faces.similarity(a, b) for a, b in zip(first, again, strict=True)]
    other = [faces.similarity(first[i], again[j]) for i in range(3) for j in range(3) if i != j]
    assert min(same) > 0.85
    assert min(same) > max(other)


def test_a_portrait_has_the_size_asked_for() -> None:
    assert drawing.draw_portrait(1, (150, 200)).shape == (200, 150, 3)
    assert drawing.draw_portrait(1, (600, 800)).shape == (800, 600, 3)
    assert np.array_equal(drawing.draw_portrait(1, (150, 200)), drawing.draw_portrait(1, (150, 200)))
    assert not np.array_equal(drawing.draw_portrait(1, woman=True), drawing.draw_portrait(1, woman=False))


def test_cards_to_print_have_the_size_of_a_card(tmp_path: Path) -> None:
    shown: list[tuple[int, int]] = []
    drawing.write(tmp_path, 1, seed=3, flat=True, progress=lambda done, total: shown.append((done, total)))
    with Pillow.open(tmp_path / "0001.png") as card:
        assert card.size == (1011, 638)
        assert round(card.size[0] / card.info["dpi"][0] * 25.4, 1) == 85.6
    assert json.loads((tmp_path / "truth.jsonl").read_text(encoding="utf-8"))["image"] == "0001.png"
    assert shown == [(1, 1)]
