"""Fitting abstention to an organisation's own documents, from questions known to be answerable or not.

The shipped model is the starting point: its coefficients move only as far as the examples carry (a Gaussian prior
around them, so a handful of examples changes little), then the threshold is set so that 95 % of the answerable
questions are answered. The figures reported are out of fold: no question is judged by a model that has seen it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from core.text import nfc
from knowledge.abstention import Features, Model, Parameters

__all__ = [
    "MINIMUM",
    "PRIOR",
    "Calibration",
    "CalibrationError",
    "Example",
    "Probe",
    "Rates",
    "calibrate",
    "fit",
    "read_examples",
    "untrained",
]

MINIMUM = 20
"""Fewest examples of each kind: with fewer, 95 % is less than one question."""
ANSWERED = 0.95
"""Share of the answerable questions that the threshold lets through."""

PRIOR = 8.0
"""Precision of the prior around the starting coefficients."""

_FOLDS = 5
_STEPS = 100
_TOLERANCE = 1e-8

Probe: TypeAlias = Callable[[str], Features | None]
"""Searches a question and measures the result (``abstention.features``); None when nothing was found."""

Floats: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


class CalibrationError(ValueError):
    """The examples cannot be used; the message says which line or what is missing."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question and whether the published documents answer it."""

    question: str
    answerable: bool


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares (0 to 1) of the answerable and of the unanswerable questions that were answered."""

    answerable_answered: float
    unanswerable_answered: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Fitted parameters, and how they and the ones before them do."""

    parameters: Parameters
    answerable: int
    unanswerable: int
    nothing_found: int
    """Answerable questions for which the search found nothing at all: no threshold can answer them."""
    before: Rates
    """With the parameters that calibration started from."""
    cross_validated: Rates
    """Out of fold, coefficients and threshold both."""


def read_examples(path: Path) -> list[Example]:
    """Read lines ``{"question": str, "answerable": bool}`` (other keys are allowed, blank lines are skipped).

    Raises CalibrationError naming the first bad line, OSError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise CalibrationError(f"{path} is not UTF-8 text: {error}") from error
    return [_example(line, number) for number, line in enumerate(lines, start=1) if line.strip()]


def _example(line: str, number: int) -> Example:
    try:
        data = json.loads(line)
    except ValueError as error:
        raise CalibrationError(f"line {number} is not JSON: {error}") from error
    question = data.get("question") if isinstance(data, dict) else None
    if not isinstance(question, str) or not question.strip():
        raise CalibrationError(f'line {number}: "question" must be a text that is not blank')
    if not isinstance(data.get("answerable"), bool):
        raise CalibrationError(f'line {number}: "answerable" must be true or false')
    return Example(question, answerable=data["answerable"])


def calibrate(examples: Iterable[Example], probe: Probe, base: Parameters) -> Calibration:
    """Fit *base* to *examples*, each measured by *probe*; the model for searches by words alone is kept.

    Deterministic. A question that stands twice counts once. Raises CalibrationError: too few examples, a question with
    both answers, or a search that ran without its dense side.
    """
    distinct = _distinct(examples)
    answerable = np.array([example.answerable for example in distinct], dtype=np.bool_)
    counts = {True: int(answerable.sum()), False: int((~answerable).sum())}
    if min(counts.values()) < MINIMUM:
        raise CalibrationError(
            f"at least {MINIMUM} answerable and {MINIMUM} unanswerable questions are needed;"
            f" there are {counts[True]} and {counts[False]}"
        )
    measured = [probe(example.question) for example in distinct]
    if any(entry is not None and not entry.dense for entry in measured):
        raise CalibrationError("the search runs by words alone: start the vector store, then calibrate again")
    found = np.array([entry is not None for entry in measured], dtype=np.bool_)
    names = list(base.dense.coefficients)
    values = np.array([[entry.values[name] for name in names] for entry in measured if entry is not None])
    if found[answerable].mean() < 0.5 or not found[~answerable].any():
        raise CalibrationError("the search finds nothing for most of these questions: publish the documents first")
    labels = answerable[found]
    return Calibration(
        parameters=replace(base, dense=fit(base.dense, values, labels)),
        answerable=counts[True],
        unanswerable=counts[False],
        nothing_found=int((answerable & ~found).sum()),
        before=_rates(_log_odds(base.dense, values) >= _logit(base.dense.threshold), labels, counts),
        cross_validated=_rates(_out_of_fold(base.dense, values, labels), labels, counts),
    )


def _distinct(examples: Iterable[Example]) -> list[Example]:
    first: dict[str, Example] = {}
    for example in examples:
        known = first.setdefault(" ".join(nfc(example.question).casefold().split()), example)
        if known.answerable != example.answerable:
            raise CalibrationError(f"{example.question!r} stands there as answerable and as unanswerable")
    return list(first.values())


def _out_of_fold(base: Model, values: Floats, labels: Flags) -> Flags:
    """Whether each example is answered by a model and a threshold fitted without its fold."""
    answered = np.zeros(len(labels), dtype=np.bool_)
    for fold in _folds(labels):
        model = fit(base, values[~fold], labels[~fold])
        answered[fold] = _log_odds(model, values[fold]) >= _logit(model.threshold)
    return answered


def _folds(labels: Flags) -> list[Flags]:
    """Masks of the folds; each has its share of both kinds."""
    number = np.zeros(len(labels), dtype=np.int64)
    for kind in (labels, ~labels):
        number[kind] = np.arange(int(kind.sum())) % _FOLDS
    return [number == fold for fold in range(_FOLDS)]


def untrained(model: Model) -> Model:
    """*model* that knows nothing but the scales of its features: where an evaluation starts that fits out of fold."""
    return replace(
        model,
        bias=0.0,
        threshold=0.5,
        coefficients={name: replace(entry, weight=0.0) for name, entry in model.coefficients.items()},
    )


def fit(base: Model, values: Floats, labels: Flags, *, prior: float = PRIOR, importance: Floats | None = None) -> Model:
    """*base* moved towards the examples (maximum a posteriori, Newton's method), with its threshold set anew.

    *values* has a row for each example and a column for each of the model's coefficients, in their order; *labels*
    holds True for answerable, both kinds present. *importance* is what each example counts for; by default both kinds
    weigh the same, however many there are. *prior* is the precision of the Gaussian prior around *base*, in standard
    deviations of each feature; on the log odds at the examples' mean it is a quarter of that.
    """
    if importance is None:
        importance = np.where(labels, 0.5 / labels.mean(), 0.5 / (~labels).mean())
    scales = np.array([entry.scale for entry in base.coefficients.values()])
    weights = np.array([entry.weight for entry in base.coefficients.values()])
    # Centred: the intercept of features that lie far from 0 (cosines near 0.85) would be held back by its prior.
    centre: Floats = importance @ values / importance.sum()
    start = np.array([base.bias + weights @ centre, *(weights * scales)])
    design = np.column_stack([np.ones(len(values)), (values - centre) / scales])
    precision = np.array([prior / 4, *np.full(len(scales), prior)])
    current = start.copy()

    def loss(point: Floats) -> float:
        margins = np.where(labels, -1, 1) * (design @ point)
        prior = precision @ (point - start) ** 2 / 2
        return float(importance @ np.logaddexp(0, margins) + prior)

    for _ in range(_STEPS):
        probability = _sigmoid(design @ current)
        gradient = design.T @ (importance * (probability - labels)) + precision * (current - start)
        curvature = (design * (importance * probability * (1 - probability))[:, None]).T @ design + np.diag(precision)
        step = np.linalg.solve(curvature, gradient)
        # Far from the optimum a full step may overshoot.
        while (shift := float(np.abs(step).max())) > _TOLERANCE and loss(current - step) > loss(current):
            step /= 2
        current = current - step
        if shift <= _TOLERANCE:
            break
    moved = replace(
        base,
        bias=float(current[0] - current[1:] / scales @ centre),
        coefficients={
            name: replace(entry, weight=float(weight / entry.scale))
            for (name, entry), weight in zip(base.coefficients.items(), current[1:], strict=True)
        },
    )
    return replace(moved, threshold=_threshold(_log_odds(moved, values)[labels]))


def _threshold(log_odds: Floats) -> float:
    """The probability that ANSWERED of the answerable questions reach."""
    best_first = np.sort(log_odds)[::-1]
    last = min(len(best_first), math.ceil(ANSWERED * len(best_first))) - 1
    # Rounded down, so that the question on the threshold is answered.
    return math.floor(float(_sigmoid(best_first[last : last + 1])[0]) * 1e9) / 1e9


def _log_odds(model: Model, values: Floats) -> Floats:
    weights = np.array([entry.weight for entry in model.coefficients.values()])
    result: Floats = values @ weights + model.bias
    return result


def _logit(probability: float) -> float:
    if probability <= 0:
        return -math.inf
    return math.inf if probability >= 1 else math.log(probability / (1 - probability))


def _sigmoid(log_odds: Floats) -> Floats:
    result: Floats = 1 / (1 + np.exp(-np.clip(log_odds, -500, 500)))
    return result


def _rates(answered: Flags, labels: Flags, counts: Mapping[bool, int]) -> Rates:
    return Rates(
        answerable_answered=int((answered & labels).sum()) / counts[True],
        unanswerable_answered=int((answered & ~labels).sum()) / counts[False],
    )
