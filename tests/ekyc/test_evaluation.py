"""Figures of a folder of cards: what counts as exact, and what a bad folder says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from ekyc import calibration, evaluation, images
from ekyc.results import FIELDS, CardReading, Image, Quality, Reason

TRUTH: dict[str, str | None] = {
    "card_number": "12345678",
    "full_name": "LÊ THỊ THỬ",
    "date_of_birth": "1970-01-02",
    "home_town": "Xã An Lâm, huyện Mỹ Khê, tỉnh Hà Trường",
    "joined_on": "1995-03-04",
    "official_on": "1996-03-04",
    "issuer": "Tỉnh hội Hà Trường",
    "issued_on": "2001-05-06",
}
Read = Callable[[Image], CardReading]


def folder_of(folder: Path, *fields: Mapping[str, object]) -> Path:
    """Cards in the order given; the lightness of a picture is ten times its number."""
    lines = []
    for number, each in enumerate(fields, start=1):
        name = f"{number:04d}.jpg"
        (folder / name).write_bytes(images.encode(np.full((80, 120, 3), 10 * number, dtype=np.uint8)))
        lines.append(json.dumps({"image": name, "fields": each}, ensure_ascii=False))
    (folder / "truth.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def reading(decision: str = "ok", *reasons: Reason, **changed: str | None) -> CardReading:
    fields = TRUTH | changed
    picture = np.zeros((4, 4, 3), dtype=np.uint8)
    certain = {name: None if fields[name] is None else 0.99 for name in FIELDS}
    return CardReading(fields, certain, Quality(), decision, reasons, rectified=picture, portrait=picture)


def reader(*answers: CardReading) -> Read:
    """Answers by the number of the picture."""
    return lambda image: answers[round(float(image.mean()) / 10) - 1]


def test_figures_of_a_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TRUTH, TRUTH, TRUTH, TRUTH)
    read = reader(
        reading(),
        reading(full_name="LÊ THỊ THỨ"),
        reading("retake", Reason.BLURRED, Reason.FIELD_DOUBTFUL, issuer=None, card_number="12345679"),
        reading("retake", Reason.BLURRED),
    )
    shown: list[tuple[int, int]] = []
    found = evaluation.evaluate(folder, read, progress=lambda done, total: shown.append((done, total)))
    assert found.faces is None
    cards = found.cards
    assert cards is not None
    assert (cards.cards, cards.fields, cards.ok, cards.retake, cards.unreadable, cards.cards_exact) == (
        4,
        32,
        2,
        2,
        0,
        2,
    )
    assert cards.fields_exact == 29 / 32
    assert cards.by_field == dict.fromkeys(FIELDS, 1.0) | {"full_name": 0.75, "issuer": 0.75, "card_number": 0.75}
    printed = 4 * sum(len(text or "") for text in TRUTH.values())
    assert cards.cer == (1 + 1 + len("Tỉnh hội Hà Trường")) / printed
    assert cards.reasons == {"blurred": 2, "field_doubtful": 1}
    assert cards.ok_wrong == calibration.rate(1, 4)
    assert cards.ok_rate == calibration.rate(2, 4)
    assert cards.wrong == ({"image": "0002.jpg", "field": "full_name", "printed": "LÊ THỊ THỬ", "read": "LÊ THỊ THỨ"},)
    assert cards.seconds_p95 >= cards.seconds_median > 0
    assert shown == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert json.loads(json.dumps(found.to_dict()))["cards"]["ok_wrong"]["errors"] == 1


def test_two_wrong_fields_are_one_wrong_card(tmp_path: Path) -> None:
    found = evaluation.evaluate(folder_of(tmp_path, TRUTH), reader(reading(issuer="x", full_name="y"))).cards
    assert found is not None
    assert (found.ok_wrong.errors, len(found.wrong)) == (1, 2)


def test_nothing_printed_and_nothing_read_is_exact(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TRUTH | {"issuer": None})
    found = evaluation.evaluate(folder, reader(reading(issuer=None))).cards
    assert found is not None
    assert (found.fields_exact, found.cer) == (1.0, 0.0)
    found = evaluation.evaluate(folder, reader(reading())).cards
    assert found is not None
    assert found.by_field["issuer"] == 0.0


def test_the_truth_is_compared_in_composed_form(tmp_path: Path) -> None:
    decomposed = "Le\u0302 Thi\u0323  Thu\u031b\u0309"
    assert (
        evaluation.read_truth(folder_of(tmp_path, TRUTH | {"full_name": decomposed}))[0].fields["full_name"]
        == "Lê Thị Thử"
    )


def test_a_file_that_is_no_photograph_counts_as_not_read(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TRUTH, TRUTH)
    (folder / "0001.jpg").write_bytes(b"not a picture")
    found = evaluation.evaluate(folder, reader(reading(), reading())).cards
    assert found is not None
    assert (found.unreadable, found.ok, found.retake, found.fields_exact) == (1, 1, 1, 0.5)


def test_pictures_are_not_kept_with_the_outcomes(tmp_path: Path) -> None:
    outcomes = list(evaluation.read_all(evaluation.read_truth(folder_of(tmp_path, TRUTH)), reader(reading())))
    assert [one.reading.rectified if one.reading else "none" for one in outcomes] == [None]
    assert [one.reading.portrait if one.reading else "none" for one in outcomes] == [None]


def line(**changed: object) -> str:
    return json.dumps({"image": "0001.jpg", "fields": TRUTH} | changed, ensure_ascii=False)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("{", "không phải JSON"),
        ("[]", "cần dạng"),
        (line(fields=[]), "cần dạng"),
        (line(image=None), "cần dạng"),
        (line(image="../0001.jpg"), "trong cùng thư mục"),
        (line(image=""), "trong cùng thư mục"),
        (line(image="0009.jpg"), "không có tệp 0009.jpg"),
        (line(fields={**TRUTH, "sex": "Nam"}), "trường lạ sex"),
        (line(fields={key: TRUTH[key] for key in FIELDS[1:]}), "thiếu trường card_number"),
        (line(fields=TRUTH | {"card_number": "12.345678"}), "8 chữ số"),
        (line(fields=TRUTH | {"card_number": "1234567"}), "8 chữ số"),
        (line(fields=TRUTH | {"joined_on": "04/03/1995"}), "joined_on phải là ngày"),
        (line(fields=TRUTH | {"joined_on": "1995-02-30"}), "joined_on phải là ngày"),
        (line(fields=TRUTH | {"issuer": " "}), "issuer phải là chữ"),
        (line(fields=TRUTH | {"issuer": 5}), "issuer phải là chữ"),
        (line(), "đã có ở dòng trước"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, bad: str, message: str) -> None:
    folder = folder_of(tmp_path, TRUTH)
    with (folder / "truth.jsonl").open("a", encoding="utf-8") as truth:
        truth.write(f"\n{bad}\n")
    with pytest.raises(evaluation.TruthError) as caught:
        evaluation.read_truth(folder)
    assert "dòng 3" in str(caught.value)
    assert message in str(caught.value)


def test_a_folder_without_cards(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        evaluation.evaluate(tmp_path, reader())
    (tmp_path / "truth.jsonl").write_text("\n\n", encoding="utf-8")
    with pytest.raises(evaluation.TruthError, match="không có dòng nào"):
        evaluation.evaluate(tmp_path, reader())
    (tmp_path / "truth.jsonl").write_bytes(b"\xff\xfe{}")
    with pytest.raises(evaluation.TruthError, match="UTF-8"):
        evaluation.evaluate(tmp_path, reader())


def test_bad_pairs_are_found_before_an_hour_of_reading(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, TRUTH)
    (folder / "pairs.csv").write_text("a,b\n", encoding="utf-8")
    with pytest.raises(calibration.PairsError):
        evaluation.evaluate(folder, reader())


def test_pairs_alone_and_with_cards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, TRUTH, TRUTH)
    (folder / "pairs.csv").write_text("image_a,image_b,same\n0001.jpg,0002.jpg,1\n", encoding="utf-8")
    figures = calibration.evaluate(np.array([0.8, 0.9]), np.array([0.1, 0.2]))
    monkeypatch.setattr(calibration, "calibrate", lambda pairs: figures if len(pairs) == 1 else None)
    both = evaluation.evaluate(folder, reader(reading(), reading()))
    assert both.faces == figures
    assert both.cards is not None
    (folder / "truth.jsonl").unlink()
    alone = evaluation.evaluate(folder, reader())
    assert (alone.cards, alone.faces) == (None, figures)
    assert alone.to_dict()["faces"]["eer"] == 0.0
