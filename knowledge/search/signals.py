"""The signals of one search: how well the best hits match, in measures that do not depend on the index's size."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from knowledge.search.fusion import CANDIDATES, Hit, Signals, best_positions
from knowledge.search.lexical import LexicalIndex, Question, terms
from knowledge.search.scope import LexicalScores, Scope
from knowledge.search.vectors import Neighbours

__all__ = ["BEST", "measured"]

BEST = 10
"""Number of hits that signals look at."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def measured(
    question: Question,
    scope: Scope,
    hits: Sequence[Hit],
    positions: Ints,
    scores: LexicalScores,
    neighbours: Neighbours | None,
    *,
    passages: int,
    runner_up: float,
) -> Signals:
    """The signals of a search with its ten best *hits* at *positions* of *scope*.

    *neighbours* holds positions as ids, best first; *runner_up* is the fused score of the best hit of another article.
    """
    top, articles = hits[0], scope.article_of[positions]
    words, pairs = question.syllable_numbers, question.bigram_numbers
    clause_words = _covered(scope.clause, words, positions)
    clause_pairs = _covered(scope.clause, pairs, positions)
    article_words = _covered(scope.article, words, articles)
    article_pairs = _covered(scope.article, pairs, articles)
    word_weights, pair_weights = scope.clause.idf(words), scope.clause.idf(pairs)
    heading, own = terms(top.passage.heading), terms(top.passage.text)
    by_clause = _distinct(scope.article_of[best_positions(scores.clause, CANDIDATES)])
    clause_mass = _mass(scope.clause, question)
    article_mass = _mass(scope.article, question)
    if neighbours is None or len(neighbours.ids) == 0:
        cosines, by_cosine = np.zeros(1), []
    else:
        cosines, by_cosine = neighbours.cosines, _distinct(scope.article_of[neighbours.ids])
    return Signals(
        dense_available=neighbours is not None,
        syllables=len(question.syllables),
        unknown_share=_share(words < 0),
        unknown_bigram_share=_share(pairs < 0),
        passages=passages,
        fused_top=top.score,
        fused_margin=top.score - runner_up,
        dense_top=float(cosines[0]),
        dense_of_top=top.dense or 0.0,
        dense_mean=float(cosines.mean()),
        dense_margin=_margin(neighbours, scope),
        dense_tenth=float(cosines[min(9, len(cosines) - 1)]),
        lexical_clause_top=_ratio(float(scores.clause.max()), clause_mass),
        lexical_clause_of_top=_ratio(top.lexical_clause, clause_mass),
        lexical_article_top=_ratio(float(scores.article_level.max()), article_mass),
        lexical_article_of_top=_ratio(top.lexical_article, article_mass),
        coverage_clause=clause_words[0],
        coverage_clause_best=max(clause_words),
        coverage_own=_covered_by(question.syllables, word_weights, own.syllables),
        coverage_article=article_words[0],
        coverage_article_best=max(article_words),
        coverage_heading=_covered_by(question.syllables, word_weights, heading.syllables),
        bigram_coverage_clause=clause_pairs[0],
        bigram_coverage_clause_best=max(clause_pairs),
        bigram_coverage_article=article_pairs[0],
        bigram_coverage_article_best=max(article_pairs),
        bigram_coverage_heading=_covered_by(question.bigrams, pair_weights, heading.bigrams),
        agreement=_overlap(by_clause[:BEST], by_cosine[:BEST]),
        agreement_top=by_clause[:1] == by_cosine[:1] != [],
        reciprocal_rank_lexical=_reciprocal_rank(int(articles[0]), by_clause),
        reciprocal_rank_dense=_reciprocal_rank(int(articles[0]), by_cosine),
    )


def _covered(index: LexicalIndex, numbers: Ints, rows: Ints) -> list[float]:
    """Share of the terms' idf mass in each of *rows*."""
    weights = index.idf(numbers)
    total = float(weights.sum())
    if total == 0:
        return [0.0] * len(rows)
    # A text that stands twice in rows (two clauses of one article) is looked up once.
    distinct, back = np.unique(rows, return_inverse=True)
    shares: list[float] = ((weights @ index.contains(numbers, distinct)) / total)[back].tolist()
    return shares


def _covered_by(wanted: Sequence[str], weights: Floats, found: Sequence[str]) -> float:
    present = set(found)
    return _ratio(float(weights[[word in present for word in wanted]].sum()), float(weights.sum()))


def _mass(index: LexicalIndex, question: Question) -> float:
    return float(index.idf(question.syllable_numbers).sum() + index.idf(question.bigram_numbers).sum())


def _margin(neighbours: Neighbours | None, scope: Scope) -> float:
    if neighbours is None or len(neighbours.ids) == 0:
        return 0.0
    articles = scope.article_of[neighbours.ids]
    others = neighbours.cosines[articles != articles[0]]
    return float(neighbours.cosines[0] - (others[0] if len(others) else 0.0))


def _distinct(values: Ints) -> list[int]:
    return list(dict.fromkeys(values.tolist()))


def _overlap(first: list[int], second: list[int]) -> float:
    either = set(first) | set(second)
    return len(set(first) & set(second)) / len(either) if first and second else 0.0


def _reciprocal_rank(wanted: int, ranking: list[int]) -> float:
    return 1 / (ranking.index(wanted) + 1) if wanted in ranking else 0.0


def _share(condition: npt.NDArray[np.bool_]) -> float:
    return float(condition.mean()) if len(condition) else 0.0


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0
