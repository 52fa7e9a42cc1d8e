"""Fusion of the lexical and the dense side by score, and the raw signals of one search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from knowledge.search.passages import Passage

__all__ = [
    "CANDIDATES",
    "DEFAULT_WEIGHTS",
    "Hit",
    "SearchResult",
    "Signals",
    "Weights",
    "best_positions",
    "fused",
    "scaled",
]

Floats = npt.NDArray[np.float64]

CANDIDATES = 100
"""Length of each side's list: scores are scaled to 0-1 from the last to the first of it."""


class Weights(NamedTuple):
    """Shares of the three scores in the fused one."""

    article: float
    clause: float
    dense: float


DEFAULT_WEIGHTS = Weights(article=0.25, clause=0.25, dense=0.5)
"""Found on ALQAC 2024 by cross-validation over laws; see ``docs/measurements.md``."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage found.

    ``score`` is the fused score (0 to 1, comparable within one search only), ``lexical_article`` and ``lexical_clause``
    the raw BM25 scores of its article and of itself (0: no common syllable), ``dense`` its cosine to the question, or
    None where it was not among the dense candidates (or the dense side was absent).
    """

    passage: Passage
    score: float
    lexical_article: float
    lexical_clause: float
    dense: float | None


@dataclass(frozen=True, slots=True)
class Signals:
    """What one search tells, beside its hits, about whether anything answers; comparable between indexes of any size."""

    dense_available: bool
    """Whether the dense side took part."""
    dense_top: float
    """Largest cosine; 0 without the dense side."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The hits of one search, best first, and its signals; ``restored`` is the question with its accents restored.

    ``signals`` is None when nothing could be found at all (no hit).
    """

    hits: list[Hit]
    signals: Signals | None
    restored: str
    degraded: str | None = None
    """Why the dense side was absent (English, for operators), or None."""
    term_weights: Mapping[str, float] = field(default_factory=dict)
    """For each folded syllable ("hoi") and bigram ("hoi vien") of the question its inverse document frequency among the
    clauses, divided by that of an unknown term: 1 is unknown, near 0 is everywhere."""


def scaled(scores: npt.NDArray[np.floating]) -> Floats:
    """Scale *scores* so that the best is 1 and the last of the best CANDIDATES is 0; what is below is 0."""
    if len(scores) == 0:
        return np.zeros(0)
    size = min(CANDIDATES, len(scores))
    lowest, highest = float(np.partition(scores, len(scores) - size)[len(scores) - size]), float(scores.max())
    if highest - lowest < 1e-9:  # one candidate, or all alike: all are best, unless nothing matched
        return np.where((scores >= lowest) & (scores > 0), 1.0, 0.0)
    result: Floats = np.subtract(scores, lowest, dtype=np.float64)
    result /= highest - lowest
    return np.maximum(result, 0, out=result)


def fused(article: Floats, clause: Floats, dense: Floats | None, weights: Weights = DEFAULT_WEIGHTS) -> Floats:
    """The weighted mean of scaled scores by passage; without the dense side the other two share its weight."""
    whole = sum(weights) if dense is not None else weights.article + weights.clause
    total = article * (weights.article / whole)
    total += clause * (weights.clause / whole)
    if dense is not None:
        total += dense * (weights.dense / whole)
    return total


def best_positions(scores: npt.NDArray[np.floating], limit: int) -> npt.NDArray[np.int64]:
    """Positions of the best positive *scores*, at most *limit*, best first; equal ones in their order."""
    size = min(limit, len(scores))
    if size < 1:
        return np.zeros(0, dtype=np.int64)
    best = np.argpartition(-scores, size - 1)[:size]
    best = best[scores[best] > 0]
    return best[np.lexsort((best, -scores[best]))]
