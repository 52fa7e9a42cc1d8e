"""One set of passages with its two levels of BM25: whole articles and clauses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from knowledge.search.lexical import ARTICLE_LEVEL, CLAUSE_LEVEL, LexicalIndex, Question
from knowledge.search.table import PassageTable

__all__ = ["LexicalScores", "Scope"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Terms = npt.NDArray[np.int32]


class LexicalScores(NamedTuple):
    """Raw BM25 of one question: of each passage by position in the scope, of each article by its number there."""

    clause: npt.NDArray[np.float32]
    article: npt.NDArray[np.float32]


class Scope:
    """Passages of a table at positions 0, 1, …; ``rows`` are their rows in the table."""

    def __init__(self, table: PassageTable, rows: Ints, clause: LexicalIndex, article: LexicalIndex) -> None:
        self.rows, self.clause, self.article = rows, clause, article
        _, self.article_of = _articles(table, rows)
        self._position = np.full(len(table), -1, dtype=np.int64)
        self._position[rows] = np.arange(len(rows))

    def __len__(self) -> int:
        return len(self.rows)

    @classmethod
    def build(
        cls, table: PassageTable, rows: Ints, headings: Sequence[Terms], texts: Sequence[Terms], vocabulary_size: int
    ) -> Scope:
        """Index the *rows* of *table*; *headings* and *texts* hold the terms of every row of the table."""
        first, article_of = _articles(table, rows)
        # An article is its heading once and all its passages; no bigram reaches over the edge of a heading.
        articles: list[list[Terms]] = [[headings[rows[position]]] for position in first]
        for position, row in enumerate(rows):
            articles[article_of[position]].append(texts[row])
        clauses = [np.concatenate([headings[row], texts[row]]) for row in rows]
        return cls(
            table,
            rows,
            LexicalIndex.build(clauses, vocabulary_size, CLAUSE_LEVEL),
            LexicalIndex.build([np.concatenate(parts) for parts in articles], vocabulary_size, ARTICLE_LEVEL),
        )

    def save(self, folder: Path) -> None:
        """Write both levels into *folder*."""
        self.clause.save(folder / "clause")
        self.article.save(folder / "article")

    @classmethod
    def load(cls, folder: Path, table: PassageTable, rows: Ints) -> Scope:
        """Map what ``save`` wrote. Raises OSError, ValueError or KeyError."""
        return cls(table, rows, LexicalIndex.load(folder / "clause"), LexicalIndex.load(folder / "article"))

    def positions_of(self, rows: Ints) -> Ints:
        """Positions of rows of the table, -1 for those (or for -1) that the scope does not have."""
        return np.where(rows >= 0, self._position[rows], -1) if len(self._position) else rows

    def scores(self, question: Question, mask: Mask | None) -> LexicalScores:
        """Raw BM25 of the passages of *mask* (None: of all)."""
        allowed_articles: Mask | None = None
        if mask is not None:
            allowed_articles = np.zeros(self.article.size, dtype=np.bool_)
            allowed_articles[self.article_of[mask]] = True
        clause = self.clause.scores(question, mask)
        return LexicalScores(clause, self.article.scores(question, allowed_articles))


def _articles(table: PassageTable, rows: Ints) -> tuple[Ints, Ints]:
    """The first position of each article, and the number of the article of each position."""
    _, first, article_of = np.unique(table.articles[rows], return_index=True, return_inverse=True)
    return first, article_of
