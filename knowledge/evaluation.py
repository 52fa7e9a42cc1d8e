"""Search quality over questions with gold articles: hit rates, MRR and nDCG of articles, and latency."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from knowledge import validity
from knowledge.models import Document, Provision, Revision

DEPTH = 10
"""Ranks beyond this count as misses."""


class EvaluationFileError(ValueError):
    """A line of the file is not what it should be; the message names the line."""


@dataclass(frozen=True)
class Example:
    """A question and its gold articles as (title or number of the document, article)."""

    question: str
    relevant: tuple[tuple[str, str], ...]


def read_examples(path: Path) -> list[Example]:
    """Read lines ``{"question", "relevant": [{"document", "article"}]}``. Raises EvaluationFileError."""
    examples = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            relevant = tuple((str(gold["document"]), str(gold["article"])) for gold in entry["relevant"])
            examples.append(Example(str(entry["question"]), relevant))
        except (ValueError, KeyError, TypeError) as error:
            message = f'{path.name}, line {number}: expected {{"question", "relevant": [{{"document", "article"}}]}}'
            raise EvaluationFileError(message) from error
    if not examples:
        raise EvaluationFileError(f"{path.name} has no questions")
    return examples


class GoldArticles:
    """Finds the stored articles that gold means: titles and numbers compare without case, accents and spacing."""

    def __init__(self, session: Session) -> None:
        self._documents: dict[str, list[int]] = {}
        self._articles: dict[tuple[int, str], list[int]] = {}
        published = session.execute(
            select(Document, Revision.id)
            .join(Revision, Revision.document_id == Document.id)
            .where(Revision.state == "published")
        )
        revisions: dict[int, int] = {}
        for document, revision_id in published:
            revisions[revision_id] = document.id
            for key in {validity.number_key(document.number), f"title {validity.title_key(document.title)}"} - {None}:
                self._documents.setdefault(str(key), []).append(document.id)
        rows = session.execute(
            select(Provision.id, Provision.revision_id, Provision.article).where(
                Provision.kind == "article", Provision.revision_id.in_(revisions)
            )
        )
        for article_id, revision_id, number in rows:
            self._articles.setdefault((revisions[revision_id], (number or "").casefold()), []).append(article_id)

    def find(self, document: str, article: str) -> set[int]:
        """The ids of the stored articles (none: the gold is not in the store)."""
        keys = (str(validity.number_key(document)), f"title {validity.title_key(document)}")
        documents = {found for key in keys for found in self._documents.get(key, [])}
        return {found for key in documents for found in self._articles.get((key, article.strip().casefold()), [])}


def evaluate(
    examples: Sequence[Example],
    *,
    gold: GoldArticles,
    search_articles: Callable[[str], Sequence[int]],
    warn: Callable[[str], None],
) -> dict[str, Any]:
    """Ask every question and rank articles.

    Args:
        search_articles: gives the ids of the best articles for a question, best first.
        warn: told of every gold article that is not in the store; it counts as a miss.

    Returns:
        ``{"n", "hit@1", "hit@5", "hit@10", "mrr@10", "ndcg@10", "latency_ms": {"p50", "p95"}}``; fractions 0 to 1.
    """
    ranks: list[int | None] = []
    gains: list[float] = []
    times: list[float] = []
    for example in examples:
        wanted: set[int] = set()
        missing = 0
        for document, article in example.relevant:
            found = gold.find(document, article)
            if not found:
                warn(f"not in the store: Điều {article}, {document}")
                missing += 1
            wanted |= found
        begun = time.perf_counter()
        ranked = list(search_articles(example.question))[:DEPTH]
        times.append((time.perf_counter() - begun) * 1000)
        places = [place for place, article_id in enumerate(ranked, start=1) if article_id in wanted]
        ranks.append(places[0] if places else None)
        best = sum(1 / math.log2(place + 1) for place in range(1, min(len(wanted) + missing, DEPTH) + 1))
        gains.append(sum(1 / math.log2(place + 1) for place in places) / best if best else 0.0)
    count = len(examples)
    return {
        "n": count,
        **{f"hit@{k}": _round(sum(rank is not None and rank <= k for rank in ranks) / count) for k in (1, 5, 10)},
        "mrr@10": _round(sum(1 / rank for rank in ranks if rank) / count),
        "ndcg@10": _round(sum(gains) / count),
        "latency_ms": {"p50": _percentile(times, 50), "p95": _percentile(times, 95)},
    }


def _round(value: float) -> float:
    return round(value, 4)


def _percentile(values: Iterable[float], percent: int) -> float:
    ordered = sorted(values)
    if len(ordered) < 2:
        return round(ordered[0], 2)
    return round(statistics.quantiles(ordered, n=100, method="inclusive")[percent - 1], 2)
