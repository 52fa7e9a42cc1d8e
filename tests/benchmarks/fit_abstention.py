"""Where ``knowledge/defaults.json`` comes from: ``python -m tests.benchmarks.fit_abstention [--write]``, with SOTAY_MATERIAL.

Both models, with and without the dense side, are fitted to ALQAC's questions with and without their law, to the
far-off questions kept for fitting, and to half of the questions on the demo documents (so that small collections count, too).
The other half, and the far-off questions kept for reporting, tell how the numbers do on what they have not seen.
Deterministic for the same data and versions.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.settings import ROOT
from knowledge.abstention import (
    DENSE_FEATURES,
    LEXICAL_FEATURES,
    Coefficient,
    Model,
    Parameters,
    load_parameters,
    save_parameters,
)
from knowledge.calibration import fit
from tests.benchmarks import store
from tests.benchmarks.evaluate_abstention import AS_TYPED, PRIOR, Measured, Searches, far_off, rows

DATA = ROOT / "tests" / "data"
ANSWERED = {True: 0.96, False: 0.91}
"""Share of ALQAC's questions in scope that the shipped thresholds let through with the dense side (a little over the 95 %
promised), and by words alone (while Chroma is away: rather fewer answers than wrong ones)."""
_TIMES = {"in": 4, "near": 10, "elsewhere": 4}
"""How often a question on the small collection counts: about 120 of them stand beside 2,300."""
_DIGITS = 6


@dataclass(frozen=True)
class Sets:
    """What is fitted and what is only looked at, by name."""

    fitted: list[Measured]
    held_out: Mapping[str, list[Measured]]


def sets(source: Path, cache: Path) -> Sets:
    """Measure all questions on the laws and on the demo documents."""
    store.alqac(source, cache)
    laws = rows(source)
    store.leave()
    store.demo(cache)
    index = store.load_index()
    searches = Searches(index, store.index_folder(index))
    inside = [searches.measure("in", "", AS_TYPED, question) for question in _questions("demo_questions.jsonl")]
    near = [searches.measure("out", "", AS_TYPED, question) for question in _questions("demo_far_off.jsonl")]
    elsewhere = [searches.measure("out", "", AS_TYPED, question) for question in _questions("in_scope_extra.jsonl")]
    everyday = [searches.measure("far report", "", AS_TYPED, question) for question in far_off("report")]
    store.leave()
    kept = {name: _halves(found) for name, found in (("in", inside), ("near", near), ("elsewhere", elsewhere))}
    small = [row for name, (first, _) in kept.items() for row in _TIMES[name] * first]
    return Sets(
        fitted=[row for row in laws if row.kind != "far report"] + small,
        held_out={
            "laws: in scope": [row for row in laws if row.kind == "in"],
            "laws: own law left out": [row for row in laws if row.kind == "out"],
            "laws: far-off, report half": [row for row in laws if row.kind == "far report"],
            "demo: other half of the questions": kept["in"][1],
            "demo: other half of the far-off ones about associations": kept["near"][1],
            "demo: other half of the questions on other laws": kept["elsewhere"][1],
            "demo: far-off, report half": everyday,
        },
    )


def _questions(name: str) -> list[str]:
    return [json.loads(line)["question"] for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def _halves(found: Sequence[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Two halves by chance, the same ones in every run."""
    side = [zlib.crc32(str(number).encode()) % 2 for number in range(len(found))]
    first, second = ([row for row, at in zip(found, side, strict=True) if at == half] for half in (0, 1))
    return first, second


def values_of(row: Measured, *, dense: bool) -> tuple[float, ...] | None:
    """The measures that the model with or without the dense side looks at."""
    return row.values if dense else row.lexical


def fitted_model(fitted: Sequence[Measured], *, dense: bool) -> Model:
    """The model for searches with or without the dense side, its threshold set on the laws' questions in scope."""
    names = DENSE_FEATURES if dense else LEXICAL_FEATURES
    used = [row for row in fitted if values_of(row, dense=dense) is not None]
    values = np.array([values_of(row, dense=dense) for row in used], dtype=np.float64)
    spread = values.std(axis=0)
    scales = np.where(spread > 0, spread, 1.0).tolist()
    start = Model(0.0, {name: Coefficient(0.0, scale) for name, scale in zip(names, scales, strict=True)}, 0.5)
    model = fit(start, values, np.array([row.kind == "in" for row in used]), prior=PRIOR)
    asked = sorted(
        (confidence(row, model, dense=dense) for row in fitted if row.kind == "in" and row.law), reverse=True
    )
    model = replace(model, threshold=asked[int(np.ceil(ANSWERED[dense] * len(asked))) - 1])
    return replace(
        model,
        bias=_rounded(model.bias),
        threshold=_rounded(model.threshold),
        coefficients={
            name: Coefficient(_rounded(entry.weight), _rounded(entry.scale))
            for name, entry in model.coefficients.items()
        },
    )


def confidence(row: Measured, model: Model, *, dense: bool) -> float:
    """The model's probability that *row* is answered; 0 when nothing was found."""
    values = values_of(row, dense=dense)
    if values is None:
        return 0.0
    odds = model.log_odds(dict(zip(DENSE_FEATURES if dense else LEXICAL_FEATURES, values, strict=True)))
    return float(1 / (1 + np.exp(-odds)))


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def main() -> int:
    """The command line; returns the exit code (2: no material)."""
    parser = argparse.ArgumentParser(description="Fit the abstention parameters that the product ships.")
    parser.add_argument("--cache", type=Path, default=store.CACHE)
    parser.add_argument("--write", action="store_true", help="write knowledge/defaults.json")
    given = parser.parse_args()
    source = store.material()
    if source is None:
        print("SOTAY_MATERIAL does not name the folder of evaluation data.", file=sys.stderr)
        return 2
    measured = sets(source, given.cache.resolve())
    fresh = Parameters(
        dense=fitted_model(measured.fitted, dense=True), lexical=fitted_model(measured.fitted, dense=False)
    )
    print("answered, %: dense as shipped / fitted now | by words alone as shipped / fitted now")
    shipped = load_parameters()
    for name, found in measured.held_out.items():
        shares = [
            100 * float(np.mean([confidence(row, model, dense=dense) >= model.threshold for row in found]))
            for model, dense in (
                *((shipped.dense, True), (fresh.dense, True)),
                *((shipped.lexical, False), (fresh.lexical, False)),
            )
        ]
        print(f"{name:56} {shares[0]:5.1f} / {shares[1]:5.1f} | {shares[2]:5.1f} / {shares[3]:5.1f}")
    if given.write:
        save_parameters(fresh, ROOT / "knowledge" / "defaults.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
