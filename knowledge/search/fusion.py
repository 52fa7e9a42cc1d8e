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
    """What one search tells about whether anything answers: raw and comparable between indexes of any size.

    Shares and coverages are in 0 to 1; "coverage" is the share of the question's idf mass (folded syllables or
    bigrams, each counted once; what the index does not know weighs most) found in a text. "top" is the best hit after
    fusion, "best" the maximum over the ten best hits.
    """

    dense_available: bool
    """Whether the dense side took part; without it the ``dense_*`` and ``agreement*`` fields are 0."""
    syllables: int
    """Number of syllables in the question."""
    unknown_share: float
    """Share of the question's distinct syllables that the index does not know."""
    unknown_bigram_share: float
    """Share of the question's distinct bigrams that the index does not know."""
    passages: int
    """Number of passages that could be found (in force on the asked day, in the asked documents)."""
    fused_top: float
    """Fused score of the best hit."""
    fused_margin: float
    """Fused score of the best hit less that of the best hit of another article."""
    dense_top: float
    """Largest cosine."""
    dense_of_top: float
    """Cosine of the best hit (0 where it is not among the dense candidates)."""
    dense_mean: float
    """Mean cosine of the dense candidates (at most 100)."""
    dense_margin: float
    """Largest cosine less the largest one of another article."""
    dense_tenth: float
    """Tenth largest cosine (the last one where there are fewer)."""
    lexical_clause_top: float
    """Largest clause BM25, divided by the question's total idf mass (both of the clause index)."""
    lexical_clause_of_top: float
    """Clause BM25 of the best hit, divided likewise."""
    lexical_article_top: float
    """Largest article BM25, divided by the question's total idf mass (both of the article index)."""
    lexical_article_of_top: float
    """Article BM25 of the best hit, divided likewise."""
    coverage_clause: float
    """Syllable coverage by the best hit's heading and own words."""
    coverage_clause_best: float
    """Largest of these over the ten best hits."""
    coverage_own: float
    """Syllable coverage by the best hit's own words without headings."""
    coverage_article: float
    """Syllable coverage by the whole article of the best hit with its heading."""
    coverage_article_best: float
    """Largest of these over the ten best hits."""
    coverage_heading: float
    """Syllable coverage by the best hit's heading."""
    bigram_coverage_clause: float
    """Bigram coverage by the best hit's heading and own words."""
    bigram_coverage_clause_best: float
    """Largest of these over the ten best hits."""
    bigram_coverage_article: float
    """Bigram coverage by the whole article of the best hit."""
    bigram_coverage_article_best: float
    """Largest of these over the ten best hits."""
    bigram_coverage_heading: float
    """Bigram coverage by the best hit's heading."""
    agreement: float
    """Jaccard overlap of the ten best articles by clause BM25 and the ten best by cosine."""
    agreement_top: bool
    """Whether the best article by clause BM25 is the best by cosine."""
    reciprocal_rank_lexical: float
    """1 / rank of the best hit's article in the order by clause BM25 (0: absent)."""
    reciprocal_rank_dense: float
    """1 / rank of the best hit's article in the order by cosine (0: absent)."""


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
    last = min(CANDIDATES, len(scores)) - 1
    lowest, highest = float(-np.partition(-scores, last)[last]), float(scores.max())
    if highest - lowest < 1e-9:  # one candidate, or all alike: all are best, unless nothing matched
        return np.where((scores >= lowest) & (scores > 0), 1.0, 0.0)
    result: Floats = np.clip((scores.astype(np.float64) - lowest) / (highest - lowest), 0, None)
    return result


def fused(article: Floats, clause: Floats, dense: Floats | None, weights: Weights = DEFAULT_WEIGHTS) -> Floats:
    """The weighted mean of scaled scores by passage; without the dense side the other two share its weight."""
    lexical = weights.article * article + weights.clause * clause
    if dense is None:
        return lexical / (weights.article + weights.clause)
    return (lexical + weights.dense * dense) / sum(weights)


def best_positions(scores: npt.NDArray[np.floating], limit: int) -> npt.NDArray[np.int64]:
    """Positions of the best positive *scores*, at most *limit*, best first; equal ones in their order."""
    size = min(limit, len(scores))
    if size < 1:
        return np.zeros(0, dtype=np.int64)
    best = np.argpartition(-scores, size - 1)[:size]
    best = best[scores[best] > 0]
    return best[np.lexsort((best, -scores[best]))]
