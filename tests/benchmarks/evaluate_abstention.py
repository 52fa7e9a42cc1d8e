"""Abstention: far-off questions, and questions whose own law is not there; threshold and model fitted out of fold by law."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from core import clock, settings
from core.database import unit_of_work
from core.settings import ROOT
from knowledge import abstention as abstaining
from knowledge import indexing, passages
from knowledge.abstention import Model
from knowledge.calibration import ANSWERED, fit, untrained
from knowledge.search.index import SearchIndex
from knowledge.search.passages import Passage
from knowledge.search.vectors import VectorStoreUnavailable
from knowledge.validity import title_key
from tests.benchmarks import store
from tests.benchmarks.forms import typed
from tests.benchmarks.report import Figure, save

Kind = Literal["in", "out", "far fit", "far report"]

FAR_OFF = ROOT / "tests" / "data" / "far_off.jsonl"
CANDIDATES = 12
"""Hits that are measured: as many as ``knowledge.answers`` asks for."""
PRIOR = 0.05
"""Nearly none: two thousand examples decide, not the starting point, which knows nothing."""
FORMS = ("NFC", "stripped")
AS_TYPED = "as typed"


@dataclass(frozen=True, slots=True)
class Measured:
    """One question as the search of one index measured it; ``law`` names its fold ("" for far-off questions).

    ``values`` has a number for each of ``DENSE_FEATURES``; None when nothing was found (then nothing is answered).
    ``lexical`` likewise for ``LEXICAL_FEATURES`` of the same search by words alone.
    """

    kind: Kind
    law: str
    form: str
    values: tuple[float, ...] | None
    lexical: tuple[float, ...] | None = None


def abstention(out: Path, cache: Path, source: Path) -> None:
    """Shares answered: in scope, own law left out, far-off; with the shipped numbers and fitted out of fold."""
    store.alqac(source, cache)
    measured = rows(source)
    shipped = shares(measured, lambda _: abstaining.load_parameters().dense)
    fitted = fit_by_law(measured)
    held_out = shares(measured, fitted)
    at_95 = shares(measured, at_common_threshold(measured, fitted))
    figures = []
    for name, rates in (("out of fold", held_out), ("out of fold, one threshold", at_95), ("as shipped", shipped)):
        figures += [
            Figure(f"{name}: in scope, answered", rates["in NFC"], "%"),
            Figure(f"{name}: in scope without accents, answered", rates["in stripped"], "%"),
            Figure(f"{name}: far-off (report half), answered", rates["far report as typed"], "%", 2),
            Figure(f"{name}: own law left out, answered", rates["out NFC"], "%", 15),
            Figure(f"{name}: own law left out, without accents, answered", rates["out stripped"], "%"),
        ]
    save(
        "abstention",
        figures,
        {"shipped": shipped, "out_of_fold": held_out, "one_threshold": at_95, "rows": len(measured)},
        out,
        [
            (
                "Out of fold: for each law, coefficients and threshold (95 % of the other laws' questions in scope answered) are fitted by"
                " `knowledge.calibration.fit` from nothing, on the other laws' questions (with and without their law) and on the far-off"
                " questions kept for fitting; the far-off questions reported were never fitted to and are judged by every fold's model."
            ),
            "One threshold: the same models, with the one threshold at which 95 % of all questions in scope (with accents) are answered.",
            "Own law left out: the index is built anew without the law, so all its statistics (idf, vocabulary, accents) lack it.",
            "As shipped: `knowledge/defaults.json`, which was fitted with these laws' questions among others.",
        ],
    )


def rows(source: Path) -> list[Measured]:
    """Every question measured on the full index, and ALQAC's on the index without their law."""
    today = clock.today()
    index = store.load_index()
    searches = Searches(index, store.index_folder(index))
    with unit_of_work() as session:
        everything = passages.load(session)
    by_law: dict[str, list[str]] = {}
    for entry in store.questions(source):
        by_law.setdefault(str(entry["relevant_articles"][0]["law_id"]), []).append(str(entry["text"]))
    found = list(_far_off(searches))
    for law, texts in by_law.items():
        found += [searches.measure("in", law, form, text) for form in FORMS for text in texts]
    folder = store.fresh(settings.settings().data_dir / "without")
    for number, (law, texts) in enumerate(by_law.items(), start=1):
        rest = without(everything, law)
        assert len(rest) < len(everything), law
        part = SearchIndex.build(
            rest,
            folder=folder,
            version=str(number),
            embeddings=indexing.embedder(),
            store=indexing._store(),
            cache=_Kept(),
            built_for=today,
            prefix="without",
        )
        searches = Searches(part, folder / str(number))
        found += [searches.measure("out", law, form, text) for form in FORMS for text in texts]
    return found


def without(everything: Sequence[Passage], law: str) -> list[Passage]:
    """The passages of all documents but *law*."""
    title = _key(law)
    return [passage for passage in everything if not _key(passage.heading).startswith(f"{title} dieu ")]


def _key(title: str) -> str:
    return title_key(title)


class _Kept:
    """The vectors that the database has already."""

    def __init__(self) -> None:
        self._vectors = store.stored_vectors()

    def get(self, digests: Sequence[str]) -> Mapping[str, store.Vectors]:
        return {digest: self._vectors[digest] for digest in digests if digest in self._vectors}

    def put(self, vectors: Mapping[str, store.Vectors]) -> None:
        self._vectors.update(vectors)


def far_off(part: str) -> list[str]:
    """The far-off questions of one half ("fit" or "report"), half of them typed without accents."""
    entries = [json.loads(line) for line in FAR_OFF.read_text(encoding="utf-8").splitlines()]
    return [entry["question"] for entry in entries if entry["part"] == part]


def _far_off(searches: Searches) -> Iterator[Measured]:
    for question in far_off("fit"):
        yield searches.measure("far fit", "", AS_TYPED, question)
    for question in far_off("report"):
        yield searches.measure("far report", "", AS_TYPED, question)


class Searches:
    """One index, searched with and without its dense side."""

    def __init__(self, index: SearchIndex, folder: Path) -> None:
        self._dense = index
        self._lexical = SearchIndex(index.manifest, folder, embeddings=_NoModel(), store=indexing._store())
        self._lexical._degraded = True  # known: no warning

    def measure(self, kind: Kind, law: str, form: str, question: str) -> Measured:
        """*question*, typed in *form*, as both searches measure it. Raises RuntimeError when Chroma is away."""
        asked = question if form == AS_TYPED else typed(question, form)
        today = clock.today()
        features = abstaining.features(asked, self._dense.search(asked, as_of=today, k=CANDIDATES))
        if features is not None and not features.dense:
            raise RuntimeError("the search ran without its dense side: these figures would be those of words alone")
        words = abstaining.features(asked, self._lexical.search(asked, as_of=today, k=CANDIDATES))
        return Measured(
            kind,
            law,
            form,
            _in_columns(features, abstaining.DENSE_FEATURES),
            _in_columns(words, abstaining.LEXICAL_FEATURES),
        )


def _in_columns(features: abstaining.Features | None, names: Sequence[str]) -> tuple[float, ...] | None:
    return None if features is None else tuple(features.values[name] for name in names)


class _NoModel:
    """Stands for a model whose vector store is away."""

    model_id, dimension = "none", 0

    def encode_passages(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> store.Vectors:
        raise VectorStoreUnavailable("left out on purpose")

    def encode_query(self, text: str) -> store.Vectors:
        raise VectorStoreUnavailable("left out on purpose")


def fit_by_law(measured: Sequence[Measured]) -> Callable[[str], Model]:
    """For each law a model fitted without its questions, asked for by the law's name.

    Its threshold, too: 95 % of the other laws' questions in scope reach it, each with the model fitted without its law.
    """
    start = _in_order(untrained(abstaining.load_parameters().dense))
    models: dict[str, Model] = {}
    for law in sorted({row.law for row in measured if row.law}):
        used = [row for row in measured if row.law != law and row.kind != "far report" and row.values is not None]
        values = np.array([row.values for row in used])
        labels = np.array([row.kind == "in" for row in used])
        models[law] = fit(start, values, labels, prior=PRIOR)
    confidences = [(row.law, _confidence(row, models[row.law])) for row in measured if row.kind == "in"]
    return {
        law: replace(model, threshold=_reached_by([value for other, value in confidences if other != law] or [0.5]))
        for law, model in models.items()
    }.__getitem__


def at_common_threshold(measured: Sequence[Measured], model_of: Callable[[str], Model]) -> Callable[[str], Model]:
    """The same models with the one threshold that ANSWERED of all accented questions in scope reach."""
    asked = [row for row in measured if (row.kind, row.form) == ("in", "NFC")]
    threshold = _reached_by([_confidence(row, model_of(row.law)) for row in asked])
    return lambda law: replace(model_of(law), threshold=threshold)


def _reached_by(confidences: Sequence[float]) -> float:
    """The confidence that ANSWERED of *confidences* reach."""
    best_first = sorted(confidences, reverse=True)
    return best_first[min(len(best_first), math.ceil(ANSWERED * len(best_first))) - 1]


def _in_order(model: Model) -> Model:
    """*model* with its coefficients in the order of ``DENSE_FEATURES``."""
    return replace(model, coefficients={name: model.coefficients[name] for name in abstaining.DENSE_FEATURES})


def shares(measured: Sequence[Measured], model_of: Callable[[str], Model]) -> dict[str, float]:
    """Percent answered by kind and form ("in NFC"); far-off questions are judged by every law's model."""
    laws = sorted({row.law for row in measured if row.law})
    answered: dict[str, list[bool]] = {}
    for row in measured:
        for law in [row.law] if row.law else laws:
            answered.setdefault(f"{row.kind} {row.form}", []).append(_is_answered(row, model_of(law)))
    return {name: round(100 * float(np.mean(flags)), 2) for name, flags in answered.items()}


def _is_answered(row: Measured, model: Model) -> bool:
    return row.values is not None and _confidence(row, model) >= model.threshold


def _confidence(row: Measured, model: Model) -> float:
    if row.values is None:
        return 0.0
    odds = model.log_odds(dict(zip(abstaining.DENSE_FEATURES, row.values, strict=True)))
    return float(1 / (1 + np.exp(-odds)))
