"""Where ``knowledge/defaults.json`` comes from: ``python -m tests.benchmarks.fit_abstention --out knowledge/defaults.json``.

Needs SOTAY_MATERIAL. Both models, with and without the dense side, are fitted on three collections as the product reads
and searches them: the laws of ALQAC (with their questions; and the same with each question's own law left out), three
further texts, and the demo documents. Beside ALQAC's questions stand the everyday ones of ``natural_questions.jsonl``
and the far-off ones kept for fitting. ``demo_questions``, ``demo_far_off``, ``in_scope_extra`` and the other half of
``far_off`` are never fitted to: they tell how the numbers carry over. Deterministic: neighbours are found by comparing
with every vector.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core import clock
from core.database import unit_of_work
from core.settings import ROOT
from knowledge import abstention, indexing, passages
from knowledge.abstention import DENSE_FEATURES, LEXICAL_FEATURES, Coefficient, Model, Parameters
from knowledge.calibration import fit
from knowledge.search.index import SearchIndex
from knowledge.search.passages import Passage
from knowledge.search.vectors import Neighbours, StoredVector, VectorStore, VectorStoreUnavailable
from tests.benchmarks import store
from tests.benchmarks.evaluate_abstention import CANDIDATES, far_off, without
from tests.benchmarks.forms import typed

DATA = ROOT / "tests" / "data"
ANSWERED = {True: 0.96, False: 0.91}
"""Share of ALQAC's questions (with accents) that the thresholds let through: with the dense side a little over the 95 %
promised; by words alone (while Chroma is away) fewer, for the sake of the far-off questions."""
PRIOR = 5.0
FORMS = ("NFC", "stripped")

# What a group of questions counts for, whatever its size: its kind times its collection, less without accents.
KINDS = {"in": 1.0, "everyday": 2.0, "out": 2.2, "elsewhere": 0.3, "far": 0.35, "near": 0.5}
BY_WORDS = {**KINDS, "out": 1.0, "far": 1.5}
"""By words alone far-off questions are the harder ones."""
COLLECTIONS = {"laws": 1.5, "samples": 0.8, "demo": 1.0}
_WITHOUT_ACCENTS = 0.6
_ANSWERABLE = ("in", "everyday")
_DIGITS = 6
_FOLDS = 17  # for questions that are about no law


@dataclass(frozen=True, slots=True)
class Row:
    """One question measured in one collection; ``law`` is "" for questions about none."""

    collection: str
    kind: str
    law: str
    form: str
    question: str
    dense: abstention.Features | None
    lexical: abstention.Features | None


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and the law that it is about ("" for none)."""

    text: str
    law: str = ""


class _ExactStore(VectorStore):
    """Vectors in memory, compared one by one."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[npt.NDArray[np.int64], store.Vectors]] = {}
        self.away = False

    def create(self, collection: str) -> None:
        self._kept[collection] = (np.zeros(0, np.int64), np.zeros((0, 1), np.float32))

    def collections(self) -> list[str]:
        return sorted(self._kept)

    def stored(self, collection: str) -> dict[int, StoredVector]:
        return {}

    def remove(self, collection: str, passages: Collection[int]) -> None:
        assert not passages

    def put(self, collection: str, vectors: Mapping[int, StoredVector], vectors_of: object) -> None:
        assert callable(vectors_of)
        self._kept[collection] = (np.array(list(vectors)), vectors_of(list(vectors)))

    def nearest(
        self,
        collection: str,
        vector: store.Vectors,
        limit: int,
        *,
        day: int | None = None,
        documents: Collection[int] | None = None,
    ) -> Neighbours:
        assert day is None
        assert documents is None
        if self.away:
            raise VectorStoreUnavailable("left out on purpose")
        ids, vectors = self._kept[collection]
        cosines = (vectors @ vector).astype(np.float64)
        best = np.argsort(-cosines, kind="stable")[:limit]
        return Neighbours(ids[best], cosines[best])


class _Kept(dict[str, store.Vectors]):
    """The vectors of the data folder in use, for building."""

    def get(self, digests: Sequence[str]) -> Mapping[str, store.Vectors]:  # type: ignore[override]
        return {digest: self[digest] for digest in digests if digest in self}

    def put(self, vectors: Mapping[str, store.Vectors]) -> None:
        self.update(vectors)


class _Queries:
    """The product's embedding model; the same question is encoded once."""

    def __init__(self) -> None:
        self._inner = indexing.embedder()
        self.model_id, self.dimension = self._inner.model_id, self._inner.dimension
        self._known: dict[str, store.Vectors] = {}

    def encode_passages(self, texts: Sequence[str], progress: object = None) -> store.Vectors:
        return self._inner.encode_passages(texts)

    def encode_query(self, text: str) -> store.Vectors:
        if text not in self._known:
            self._known[text] = self._inner.encode_query(text)
        return self._known[text]


class Collected:
    """The passages of one data folder, and what was measured on them."""

    def __init__(self, name: str) -> None:
        self.name, self.rows = name, list[Row]()
        with unit_of_work() as session:
            self.passages = passages.load(session)
        self._vectors, self._queries = _Kept(store.stored_vectors()), _Queries()

    def measure(
        self, kind: str, asked: Iterable[Asked], forms: Sequence[str] = FORMS, *, law_left_out: str | None = None
    ) -> None:
        """Ask the whole collection, or all of it but one law."""
        content = without(self.passages, law_left_out) if law_left_out else self.passages
        self._ask(kind, list(asked), forms, content)

    def _ask(self, kind: str, asked: Sequence[Asked], forms: Sequence[str], content: Sequence[Passage]) -> None:
        kept = _ExactStore()
        with tempfile.TemporaryDirectory() as folder:
            index = SearchIndex.build(
                content,
                folder=Path(folder),
                version="1",
                embeddings=self._queries,
                store=kept,
                cache=self._vectors,
                built_for=clock.today(),
            )
            for form in forms:
                for entry in asked:
                    text = entry.text if form == "typed" else typed(entry.text, form)
                    found = []
                    for kept.away in (False, True):
                        index._degraded = True  # known: no warning
                        result = index.search(text, as_of=clock.today(), k=CANDIDATES)
                        found.append(abstention.features(text, result))
                    self.rows.append(Row(self.name, kind, entry.law, form, entry.text, found[0], found[1]))


def rows(source: Path, cache: Path) -> list[Row]:
    """Everything measured, what is fitted and what only tells how the numbers carry over (kinds that begin with "+")."""
    everyday = _lines("natural_questions.jsonl")
    near, fitted, reported = (
        [Asked(str(entry["question"])) for entry in everyday if entry["answered_by"] is None],
        [Asked(question) for question in far_off("fit")],
        [Asked(question) for question in far_off("report")],
    )
    extra, demo_near, demo_asked = (
        [Asked(str(entry["question"])) for entry in _lines(name)]
        for name in ("in_scope_extra.jsonl", "demo_far_off.jsonl", "demo_questions.jsonl")
    )
    about = {
        name: [Asked(str(entry["question"])) for entry in everyday if entry["answered_by"] == name]
        for name in ("samples", "demo")
    }
    store.alqac(source, cache)
    laws = Collected("laws")
    questions = [Asked(entry["text"], entry["relevant_articles"][0]["law_id"]) for entry in store.questions(source)]
    titles = {entry.law for entry in questions}
    natural = [Asked(entry["question"], entry["answered_by"]) for entry in everyday if entry["answered_by"] in titles]
    laws.measure("in", questions)
    laws.measure("everyday", natural)
    laws.measure("near", near)
    laws.measure("far", fitted, ["typed"])
    laws.measure("+far", reported, ["typed"])
    for title in sorted(titles):
        laws.measure("out", [entry for entry in questions if entry.law == title], law_left_out=title)
        laws.measure("elsewhere", [entry for entry in natural if entry.law == title], law_left_out=title)
    store.leave()
    files = sorted((source / "data" / "samples" / "laws").glob("*.txt"))
    store._fill(cache / f"samples-{store._digest(*files)}", cache, ["ingest", *map(str, files), "--publish", "--json"])
    samples = Collected("samples")
    samples.measure("everyday", about["samples"])
    samples.measure("near", near)
    samples.measure("elsewhere", about["demo"])
    samples.measure("far", fitted, ["typed"])
    samples.measure("+in", extra, ["typed"])
    samples.measure("+far", reported, ["typed"])
    store.leave()
    store.demo(cache)
    demo = Collected("demo")
    demo.measure("everyday", about["demo"])
    demo.measure("near", [Asked(str(e["question"])) for e in everyday if e["answered_by"] in (None, "laws")])
    demo.measure("elsewhere", about["samples"])
    demo.measure("far", fitted, ["typed"])
    demo.measure("+in", demo_asked, ["typed"])
    demo.measure("+near", demo_near, ["typed"])
    demo.measure("+far", reported, ["typed"])
    store.leave()
    return [*laws.rows, *samples.rows, *demo.rows]


def _lines(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def fitted_model(measured: Sequence[Row], *, dense: bool) -> Model:
    """The model fitted on those of *measured* that are for fitting, its threshold set on ALQAC's questions."""
    names = DENSE_FEATURES if dense else LEXICAL_FEATURES
    used = [row for row in measured if not row.kind.startswith("+") and _features(row, dense=dense) is not None]
    values = np.array([[_value(row, name, dense=dense) for name in names] for row in used])
    spread = values.std(axis=0)
    scales = np.where(spread > 0, spread, 1.0).tolist()
    start = Model(0.0, {name: Coefficient(0.0, scale) for name, scale in zip(names, scales, strict=True)}, 0.5)
    labels = np.array([row.kind in _ANSWERABLE for row in used])
    model = fit(start, values, labels, prior=PRIOR, importance=importance(used, labels, KINDS if dense else BY_WORDS))
    asked = sorted(confidence(row, model, dense=dense) for row in measured if (row.kind, row.form) == ("in", "NFC"))
    return replace(model, threshold=asked[int((1 - ANSWERED[dense]) * len(asked))])


def importance(
    used: Sequence[Row], labels: npt.NDArray[np.bool_], kinds: Mapping[str, float] = KINDS
) -> npt.NDArray[np.float64]:
    """What each row counts for: groups as *kinds* and COLLECTIONS say, answerable and not the same, 1 on average."""
    groups = [(row.collection, row.kind, row.form) for row in used]
    size = {group: groups.count(group) for group in set(groups)}
    weights = np.array(
        [
            COLLECTIONS[group[0]] * kinds[group[1]] * (_WITHOUT_ACCENTS if group[2] == "stripped" else 1) / size[group]
            for group in groups
        ]
    )
    for kind in (labels, ~labels):
        weights[kind] *= len(used) / 2 / weights[kind].sum()
    return weights


def confidence(row: Row, model: Model, *, dense: bool) -> float:
    """The model's probability that *row* is answered; 0 when nothing was found."""
    found = _features(row, dense=dense)
    return 0.0 if found is None else abstention.confidence(found, Parameters(dense=model, lexical=model))


def _features(row: Row, *, dense: bool) -> abstention.Features | None:
    return row.dense if dense else row.lexical


def _value(row: Row, name: str, *, dense: bool) -> float:
    found = _features(row, dense=dense)
    assert found is not None
    return found.values[name]


def answered_shares(measured: Sequence[Row], models: Mapping[str, Model], *, dense: bool) -> dict[str, float]:
    """Percent answered by collection, kind and form; *models* by the name of the law left out of their fit, "" for the rest."""
    answered: dict[str, list[bool]] = {}
    for row in measured:
        model = models.get(row.law, models[""])
        flags = answered.setdefault(f"{row.collection} {row.kind} {row.form}", [])
        flags.append(confidence(row, model, dense=dense) >= model.threshold)
    return {name: round(100 * float(np.mean(flags)), 1) for name, flags in answered.items()}


def out_of_fold(measured: Sequence[Row], whole: Model) -> dict[str, Model]:
    """For each law the model fitted without its questions and without a share of those about none; "" is *whole*."""
    models = {"": whole}
    for number, law in enumerate(sorted({row.law for row in measured if row.law})):
        rest = [row for row in measured if row.law != law and (row.law or _fold(row.question) != number)]
        models[law] = fitted_model(rest, dense=True)
    return models


def _fold(question: str) -> int:
    return zlib.crc32(question.encode()) % _FOLDS


def _rounded(model: Model) -> Model:
    def digits(value: float) -> float:
        return float(f"{value:.{_DIGITS}g}")

    return Model(
        bias=digits(model.bias),
        coefficients={
            name: Coefficient(digits(entry.weight), digits(entry.scale)) for name, entry in model.coefficients.items()
        },
        threshold=digits(model.threshold),
    )


def main() -> int:
    """The command line; returns the exit code (2: no material)."""
    parser = argparse.ArgumentParser(description="Fit the abstention parameters that the product ships.")
    parser.add_argument("--out", type=Path, help="file to write, such as knowledge/defaults.json")
    parser.add_argument("--cache", type=Path, default=store.CACHE, help="folder of data folders and vectors")
    given = parser.parse_args()
    source = store.material()
    if source is None:
        print("SOTAY_MATERIAL does not name the folder of evaluation data.", file=sys.stderr)
        return 2
    measured = rows(source, given.cache.resolve())
    whole, lexical = (_rounded(fitted_model(measured, dense=dense)) for dense in (True, False))
    shares = [
        answered_shares(measured, {"": whole}, dense=True),
        answered_shares(measured, out_of_fold(measured, whole), dense=True),
        answered_shares(measured, {"": lexical}, dense=False),
    ]
    print("answered, %: as fitted / out of fold by law (questions about a law) | by words alone; + was never fitted to")
    for name in shares[0]:
        print(f"{name:32} {shares[0][name]:5.1f} / {shares[1][name]:5.1f} | {shares[2][name]:5.1f}")
    if given.out is not None:
        abstention.save_parameters(Parameters(dense=whole, lexical=lexical), given.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
