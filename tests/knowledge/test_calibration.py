"""Fitting abstention to examples."""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import pytest

from knowledge.abstention import Coefficient, Features, Model, Parameters, confidence
from knowledge.calibration import (
    MINIMUM,
    Calibration,
    CalibrationError,
    Example,
    Probe,
    calibrate,
    fit,
    read_examples,
    untrained,
)

BASE = Parameters(
    dense=Model(0.0, {"match": Coefficient(1.0, 0.5), "noise": Coefficient(0.0, 1.0)}, threshold=0.5),
    lexical=Model(0.25, {"match": Coefficient(2.0, 1.0)}, threshold=0.75),
)


def examples(answerable: int, unanswerable: int) -> list[Example]:
    return [Example(f"trong {n}", answerable=True) for n in range(answerable)] + [
        Example(f"ngoài {n}", answerable=False) for n in range(unanswerable)
    ]


def probe(*, inside: float, outside: float, spread: float = 0.0) -> Probe:
    """Questions "trong …" match by about *inside*, all others by about *outside*; the same number each time."""

    def measure(question: str) -> Features:
        chance = random.Random(question)
        centre = inside if question.startswith("trong") else outside
        return Features({"match": centre + chance.gauss(0, spread), "noise": chance.gauss(0, 1)}, dense=True)

    return measure


def rates(calibration: Calibration) -> tuple[float, float]:
    found = calibration.cross_validated
    return found.answerable_answered, found.unanswerable_answered


def test_kinds_that_the_shipped_threshold_confuses_are_told_apart_afterwards() -> None:
    done = calibrate(examples(60, 60), probe(inside=9.0, outside=7.0, spread=0.1), BASE)
    assert (done.before.answerable_answered, done.before.unanswerable_answered) == (1.0, 1.0)
    assert done.cross_validated.unanswerable_answered == 0.0
    assert done.cross_validated.answerable_answered >= 0.9
    assert (done.answerable, done.unanswerable, done.nothing_found) == (60, 60, 0)


def test_95_of_100_answerable_questions_reach_the_threshold() -> None:
    measure = probe(inside=1.0, outside=0.0, spread=0.7)
    asked = examples(100, 50)
    parameters = calibrate(asked, measure, BASE).parameters
    values = [measure(example.question) for example in asked if example.answerable]
    reached = [confidence(value, parameters) >= parameters.dense.threshold for value in values if value is not None]
    assert reached.count(True) == 95


def test_kinds_that_cannot_be_told_apart_are_reported_as_such() -> None:
    answered, mistaken = rates(calibrate(examples(200, 200), probe(inside=0.5, outside=0.5, spread=0.5), BASE))
    assert 0.88 <= answered <= 1.0
    assert mistaken >= 0.85


def test_few_examples_move_the_coefficients_less_than_many() -> None:
    measure = probe(inside=0.0, outside=1.0, spread=0.3)  # the opposite of what BASE believes
    few, many = (calibrate(examples(n, n), measure, BASE).parameters.dense for n in (20, 400))
    assert many.coefficients["match"].weight < few.coefficients["match"].weight < 1.0
    assert few.coefficients["match"].scale == 0.5


def test_the_same_examples_give_the_same_numbers_and_leave_the_other_model_alone() -> None:
    first, second = (calibrate(examples(30, 30), probe(inside=1, outside=0, spread=0.5), BASE) for _ in range(2))
    assert first == second
    assert first.parameters.lexical == BASE.lexical


def test_a_question_repeated_counts_once() -> None:
    measure = probe(inside=1, outside=0, spread=0.5)
    repeated = [*examples(30, 30), *[Example("  TRONG 1 ", answerable=True)] * 5]
    assert calibrate(repeated, measure, BASE) == calibrate(examples(30, 30), measure, BASE)


def test_answerable_questions_without_any_hit_count_as_not_answered() -> None:
    sure = probe(inside=9.0, outside=-9.0)
    done = calibrate(examples(40, 40), lambda question: None if question == "trong 0" else sure(question), BASE)
    assert done.nothing_found == 1
    assert done.before.answerable_answered == 39 / 40


@pytest.mark.parametrize(("answerable", "unanswerable"), [(0, 0), (MINIMUM, 0), (0, 50), (MINIMUM - 1, 50)])
def test_too_few_of_a_kind(answerable: int, unanswerable: int) -> None:
    with pytest.raises(CalibrationError, match=f"there are {answerable} and {unanswerable}"):
        calibrate(examples(answerable, unanswerable), probe(inside=1, outside=0), BASE)


def test_a_question_with_both_answers() -> None:
    contradiction = [*examples(30, 30), Example("trong 3", answerable=False)]
    with pytest.raises(CalibrationError, match="trong 3"):
        calibrate(contradiction, probe(inside=1, outside=0), BASE)


def test_a_search_by_words_alone_is_not_calibrated() -> None:
    with pytest.raises(CalibrationError, match="by words alone"):
        calibrate(examples(30, 30), lambda _: Features({"match": 1.0}, dense=False), BASE)


def test_an_empty_knowledge_base_is_not_calibrated() -> None:
    with pytest.raises(CalibrationError, match="publish the documents first"):
        calibrate(examples(30, 30), lambda _: None, BASE)


class TestFile:
    def test_lines_are_read_in_order_with_other_keys_allowed(self, tmp_path: Path) -> None:
        path = tmp_path / "examples.jsonl"
        path.write_text(
            '\ufeff{"question": "Mấy giờ?", "answerable": false, "note": 1}\n\n{"question": "Ai?", "answerable": true}',
            encoding="utf-8",
        )
        assert read_examples(path) == [Example("Mấy giờ?", answerable=False), Example("Ai?", answerable=True)]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("{", "line 2 is not JSON"),
            ("3", 'line 2: "question"'),
            ('{"answerable": true}', 'line 2: "question"'),
            ('{"question": " ", "answerable": true}', 'line 2: "question"'),
            ('{"question": "Ai?"}', 'line 2: "answerable"'),
            ('{"question": "Ai?", "answerable": "yes"}', 'line 2: "answerable"'),
        ],
    )
    def test_a_bad_line_is_named(self, tmp_path: Path, line: str, message: str) -> None:
        path = tmp_path / "examples.jsonl"
        path.write_text(f'{{"question": "Ai?", "answerable": true}}\n{line}\n', encoding="utf-8")
        with pytest.raises(CalibrationError, match=message):
            read_examples(path)

    def test_another_encoding_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "examples.jsonl"
        path.write_bytes('{"question": "Mấy giờ?"}'.encode("utf-16"))
        with pytest.raises(CalibrationError, match="not UTF-8"):
            read_examples(path)


def test_an_evaluation_may_start_from_nothing() -> None:
    """What a fit learns from nothing comes from its examples alone; a strong prior keeps it there."""
    blank = untrained(BASE.dense)
    assert [entry.weight for entry in blank.coefficients.values()] == [0.0, 0.0]
    assert [entry.scale for entry in blank.coefficients.values()] == [0.5, 1.0]
    values = np.array([[1.0, 0.0], [0.9, 1.0], [0.1, 1.0], [0.0, 0.0]])
    labels = np.array([True, True, False, False])
    learnt, kept = (fit(blank, values, labels, prior=prior) for prior in (0.1, 1e6))
    assert learnt.coefficients["match"].weight > 1 > abs(learnt.coefficients["noise"].weight)
    assert kept.coefficients["match"].weight == pytest.approx(0.0, abs=1e-5)
    assert learnt.log_odds({"match": 0.9, "noise": 1.0}) >= math.log(learnt.threshold / (1 - learnt.threshold))


def test_what_lies_far_from_zero_is_learnt_as_well() -> None:
    """The same examples with a feature moved (a cosine near 0.85 instead of 0) give the same judgement."""
    blank = untrained(BASE.dense)
    values = np.array([[1.0, 0.0], [0.9, 1.0], [0.1, 1.0], [0.0, 0.0]])
    labels = np.array([True, True, False, False])
    near, far = (fit(blank, values + np.array([moved, 0.0]), labels, prior=1.0) for moved in (0.0, 50.0))
    assert far.coefficients["match"].weight == pytest.approx(near.coefficients["match"].weight)
    assert far.log_odds({"match": 50.4, "noise": 0.0}) == pytest.approx(near.log_odds({"match": 0.4, "noise": 0.0}))


def test_an_example_may_count_more_than_another() -> None:
    blank = untrained(BASE.dense)
    values = np.array([[1.0, 0.0], [1.0, 0.0]])
    labels = np.array([True, False])
    model = fit(blank, values, labels, prior=0.01, importance=np.array([3.0, 1.0]))
    assert model.log_odds({"match": 1.0, "noise": 0.0}) == pytest.approx(math.log(3), rel=0.01)
