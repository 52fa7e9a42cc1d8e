"""Retrieval on ALQAC 2024: the product's own path, with its weights and with weights chosen on other laws."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from core import clock
from core.database import unit_of_work
from knowledge import answers, finding, indexing
from knowledge.evaluation import DEPTH, Example, GoldArticles, evaluate
from knowledge.search.embedding import Vectors
from knowledge.search.fusion import DEFAULT_WEIGHTS, Weights
from knowledge.search.index import SearchIndex
from knowledge.search.vectors import Neighbours, VectorStore
from tests.benchmarks import store
from tests.benchmarks.forms import FORMS, typed
from tests.benchmarks.report import Figure, save

TARGETS = {"NFC": 0.905, "NFD": 0.905, "stripped": 0.895, "half": 0.895}
HIT_TARGET = 0.96
GRID = tuple(
    Weights(article, clause, round(1 - article - clause, 2))
    for article, clause in itertools.product((0.15, 0.25, 0.35), (0.15, 0.25, 0.35))
)
"""Weights tried: the default and its neighbours."""
_CLAUSES = 10 * DEPTH


@dataclass(frozen=True)
class Asked:
    """One question in one form: what it should find, and the law that its fold is named after."""

    law: str
    gold: frozenset[int]
    missing: int


def examples(source: Path, form: str) -> list[Example]:
    """ALQAC's questions, their text alone, typed in *form*.

    Gold that the set's list of articles lacks is a miss, even where reading finds its text inside another article.
    """
    present = {(law["id"], article["id"]) for law in store.laws(source) for article in law["articles"]}

    def gold(entry: dict[str, Any]) -> tuple[tuple[str, str], ...]:
        named = [(str(gold["law_id"]), str(gold["article_id"])) for gold in entry["relevant_articles"]]
        return tuple((law, article if (law, article) in present else f"{article} (lacking)") for law, article in named)

    return [Example(typed(str(entry["text"]), form), gold(entry)) for entry in store.questions(source)]


def retrieval(out: Path, cache: Path, source: Path) -> None:
    """MRR@10, hits and nDCG of articles in four forms, with the shipped weights and out of fold."""
    store.alqac(source, cache)
    shipped: dict[str, dict[str, Any]] = {}
    missing: set[str] = set()
    ranks: dict[str, list[dict[Weights, int | None]]] = {}
    with unit_of_work() as session:
        gold = GoldArticles(session)
        for form in FORMS:
            asked = examples(source, form)
            shipped[form] = evaluate(
                asked,
                gold=gold,
                search_articles=lambda question: finding.find_articles(session, question),
                warn=missing.add,
            )
            ranks[form] = ranks_by_weights(session, asked, gold)
    laws = [entry.relevant[0][0] for entry in examples(source, "NFC")]
    held_out, chosen = out_of_fold(laws, ranks)
    figures = []
    for form in FORMS:
        figures += [
            Figure(f"{form}: MRR@10 out of fold", held_out[form]["mrr@10"], "", TARGETS[form], "least"),
            Figure(f"{form}: hit@10 out of fold", held_out[form]["hit@10"], "", HIT_TARGET, "least"),
            Figure(f"{form}: MRR@10 as shipped", shipped[form]["mrr@10"], "", TARGETS[form], "least"),
            Figure(f"{form}: hit@10 as shipped", shipped[form]["hit@10"], "", HIT_TARGET, "least"),
            Figure(f"{form}: hit@1 as shipped", shipped[form]["hit@1"]),
            Figure(f"{form}: hit@5 as shipped", shipped[form]["hit@5"]),
            Figure(f"{form}: nDCG@10 as shipped", shipped[form]["ndcg@10"]),
        ]
    save(
        "retrieval",
        figures,
        {"shipped": shipped, "out_of_fold": held_out, "weights_chosen": chosen, "gold_missing": sorted(missing)},
        out,
        [
            f"{len(laws)} questions, the text alone; gold that the laws lack ({len(missing)}) counts as a miss.",
            (
                f"Out of fold: the weights of fusion are chosen from {len(GRID)} triples on the other laws' questions (all four"
                " forms together), law by law. All else (BM25's k1 and b, what a passage is) is the same for all laws and was"
                " settled before on a first comparison that had these laws among others."
            ),
        ],
    )


class _CachedEmbedder:
    """Encodes each question once for all weights."""

    def __init__(self) -> None:
        self._inner = indexing.embedder()
        self.model_id, self.dimension = self._inner.model_id, self._inner.dimension
        self._known: dict[str, Vectors] = {}

    def encode_passages(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> Vectors:
        return self._inner.encode_passages(texts, progress)

    def encode_query(self, text: str) -> Vectors:
        if text not in self._known:
            self._known[text] = self._inner.encode_query(text)
        return self._known[text]


class _CachedStore(VectorStore):
    """Asks Chroma once for all weights."""

    def __init__(self) -> None:
        self._inner = indexing._store()
        self._known: dict[tuple[str, bytes, int], Neighbours] = {}

    def nearest(
        self,
        collection: str,
        vector: Vectors,
        limit: int,
        *,
        day: int | None = None,
        documents: Collection[int] | None = None,
    ) -> Neighbours:
        assert day is None
        assert documents is None
        key = (collection, vector.tobytes(), limit)
        if key not in self._known:
            self._known[key] = self._inner.nearest(collection, vector, limit)
        return self._known[key]


def ranks_by_weights(session: Session, asked: Sequence[Example], gold: GoldArticles) -> list[dict[Weights, int | None]]:
    """For each question the rank of its first gold article with each of GRID, as ``finding.find_articles`` ranks."""
    loaded, today = store.load_index(), clock.today()
    embedder, cached = _CachedEmbedder(), _CachedStore()
    folder = store.index_folder(loaded)
    indexes = {
        weights: SearchIndex(loaded.manifest, folder, embeddings=embedder, store=cached, weights=weights)
        for weights in GRID
    }
    ranks = []
    for entry in asked:
        wanted = {article for law, number in entry.relevant for article in gold.find(law, number)}
        named = [place.provision.article_id for place in answers.referenced(session, entry.question, today)]
        by_weights: dict[Weights, int | None] = {}
        for weights, index in indexes.items():
            hits = index.search(entry.question, as_of=today, k=_CLAUSES).hits
            ranked = list(dict.fromkeys([*named, *(hit.passage.article for hit in hits)]))[:DEPTH]
            by_weights[weights] = next((place for place, id_ in enumerate(ranked, 1) if id_ in wanted), None)
        ranks.append(by_weights)
    return ranks


def out_of_fold(
    laws: Sequence[str], ranks: Mapping[str, Sequence[Mapping[Weights, int | None]]]
) -> tuple[dict[str, dict[str, float]], dict[str, list[float]]]:
    """Each form's figures when every law is asked with the weights best for the others, and those weights by law."""
    folds = sorted(set(laws))
    chosen = {law: _best(laws, ranks, without=law) for law in folds}
    figures: dict[str, dict[str, float]] = defaultdict(dict)
    for form, by_question in ranks.items():
        found = [by_weights[chosen[law]] for law, by_weights in zip(laws, by_question, strict=True)]
        for depth in (1, 5, 10):
            figures[form][f"hit@{depth}"] = round(_mean([rank is not None and rank <= depth for rank in found]), 4)
        figures[form]["mrr@10"] = round(_mean([1 / rank if rank else 0.0 for rank in found]), 4)
    return dict(figures), {law: list(weights) for law, weights in chosen.items()}


def _best(laws: Sequence[str], ranks: Mapping[str, Sequence[Mapping[Weights, int | None]]], *, without: str) -> Weights:
    """The weights with the best MRR on all laws but one; the default among equals."""

    def mrr(weights: Weights) -> tuple[float, bool]:
        gains = [
            1 / rank if (rank := by_weights[weights]) else 0.0
            for by_question in ranks.values()
            for law, by_weights in zip(laws, by_question, strict=True)
            if law != without
        ]
        return _mean(gains), weights == DEFAULT_WEIGHTS

    return max(next(iter(ranks.values()))[0], key=mrr)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
