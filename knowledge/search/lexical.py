"""The lexical side: BM25 over accent-folded syllables and bigrams, with memory-mapped indexes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import bm25s
import numpy as np
import numpy.typing as npt

from core.text import syllables
from knowledge.search.everyday import related_terms

__all__ = [
    "ARTICLE_LEVEL",
    "CLAUSE_LEVEL",
    "Bm25Parameters",
    "LexicalIndex",
    "Question",
    "Terms",
    "Vocabulary",
    "terms",
]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Bm25Parameters(NamedTuple):
    """k1 (saturation of repeated terms) and b (weight of the text's length)."""

    k1: float
    b: float


ARTICLE_LEVEL = Bm25Parameters(k1=0.9, b=0.4)
CLAUSE_LEVEL = Bm25Parameters(k1=1.2, b=0.75)

RELATED_WEIGHT = 0.5
"""What an official word counts for that the question says in an everyday word; 0.3 to 1 did about as well."""


class Terms(NamedTuple):
    """The folded syllables and the bigrams of a text, in order, with repetitions."""

    syllables: list[str]
    bigrams: list[str]


def terms(text: str) -> Terms:
    """Split *text* into folded syllables and bigrams ("dieu le")."""
    words = syllables(text)
    return Terms(words, [f"{first} {second}" for first, second in pairwise(words)])


class Vocabulary(Mapping[str, int]):
    """Numbers of all terms of an index, shared by its levels."""

    def __init__(self, numbers: dict[str, int]) -> None:
        self._numbers = numbers

    def __getitem__(self, term: str) -> int:
        return self._numbers[term]

    def __iter__(self) -> Iterator[str]:
        return iter(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def save(self, path: Path) -> None:
        """Write one term a line, in the order of their numbers."""
        path.write_text("\n".join(self._numbers), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what ``save`` wrote."""
        lines = path.read_text(encoding="utf-8").split("\n")
        return cls(dict(zip(lines, range(len(lines)), strict=True)) if lines != [""] else {})


class VocabularyBuilder:
    """Numbers terms while texts are read."""

    def __init__(self) -> None:
        self._numbers: defaultdict[str, int] = defaultdict(count().__next__)

    def encode(self, text: str) -> npt.NDArray[np.int32]:
        """The numbers of the terms of *text*, new ones for new terms."""
        found = terms(text)
        numbers = map(self._numbers.__getitem__, found.syllables + found.bigrams)
        return np.fromiter(numbers, dtype=np.int32)

    def vocabulary(self) -> Vocabulary:
        """All terms met so far."""
        return Vocabulary(dict(self._numbers))


class Question(NamedTuple):
    """The distinct terms of a question and their numbers in a vocabulary (-1: not in it).

    ``related`` holds the numbers of further terms, of official words for everyday ones (``everyday``).
    """

    syllables: list[str]
    bigrams: list[str]
    syllable_numbers: Ints
    bigram_numbers: Ints
    related: Ints

    @classmethod
    def of(cls, text: str, vocabulary: Vocabulary, *, restored: str | None = None) -> Question:
        """Read *text*; each term counts once, however often it is repeated. *restored* is it with its accents."""
        found = terms(text)
        single, double = list(dict.fromkeys(found.syllables)), list(dict.fromkeys(found.bigrams))
        asked = {*single, *double}
        related = [term for term in related_terms(restored or text) if term not in asked and term in vocabulary]
        return cls(
            single,
            double,
            _numbers_of(single, vocabulary),
            _numbers_of(double, vocabulary),
            _numbers_of(related, vocabulary),
        )

    @property
    def known(self) -> Ints:
        """Numbers of the terms that the vocabulary has."""
        numbers = np.concatenate([self.syllable_numbers, self.bigram_numbers])
        return numbers[numbers >= 0]


class LexicalIndex:
    """BM25 scores of every text for any term (Lucene's variant, precomputed by bm25s), texts by row number."""

    def __init__(self, retriever: _Retriever) -> None:
        self._retriever = retriever
        scores = retriever.scores
        # Plain views: a slice of np.memmap costs several times as much.
        scores.update({name: np.asarray(scores[name]) for name in ("data", "indices", "indptr")})
        self._rows_by_term: npt.NDArray[np.int32] = scores["indices"]
        self._score_by_term: Floats = scores["data"]
        self._starts: Ints = scores["indptr"]
        self.size = int(scores["num_docs"])

    @classmethod
    def build(cls, texts: Sequence[npt.NDArray[np.int32]], vocabulary_size: int, level: Bm25Parameters) -> LexicalIndex:
        """Index *texts*, each as the numbers of its terms (with repetitions)."""
        retriever = _Retriever(k1=level.k1, b=level.b, method="lucene")
        retriever.scores = retriever.build_index_from_ids(range(vocabulary_size), texts)
        retriever.vocab_dict = {}
        return cls(retriever)

    def save(self, folder: Path) -> None:
        """Write the index into *folder*."""
        self._retriever.save(folder)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Map the index in *folder* into memory. Raises OSError, ValueError or KeyError when it is not complete."""
        return cls(_Retriever.load(folder, mmap=True, load_vocab=False))

    def scores(self, question: Question, mask: npt.NDArray[np.bool_] | None = None) -> Floats:
        """BM25 of every text, 0 where *mask* is false; a related term counts RELATED_WEIGHT."""
        scores = np.zeros(self.size, dtype=np.float32)
        for numbers, weight in ((question.known, 1), (question.related, RELATED_WEIGHT)):
            for start, end in zip(self._starts[numbers].tolist(), self._starts[numbers + 1].tolist(), strict=True):
                gained = self._score_by_term[start:end]
                np.add.at(scores, self._rows_by_term[start:end], gained if weight == 1 else weight * gained)
        if mask is not None:
            scores *= mask
        return scores

    def idf(self, numbers: Ints) -> npt.NDArray[np.float64]:
        """Lucene's idf of terms; a term without text (or number -1) has the largest one."""
        frequency = np.where(numbers >= 0, self._starts[numbers + 1] - self._starts[numbers], 0)
        weights: npt.NDArray[np.float64] = np.log1p((self.size - frequency + 0.5) / (frequency + 0.5))
        return weights

    def term_weights(self, question: Question) -> dict[str, float]:
        """The idf of each of the question's terms divided by that of a term without text: 0 to 1."""
        numbers = np.concatenate([question.syllable_numbers, question.bigram_numbers])
        largest = math.log1p((self.size + 0.5) / 0.5)
        return dict(zip([*question.syllables, *question.bigrams], (self.idf(numbers) / largest).tolist(), strict=True))


class _Retriever(bm25s.BM25):  # type: ignore[misc]  # the library is untyped
    """bm25s with its index built by array operations instead of a loop over texts: the same numbers, five times faster."""

    def build_index_from_ids(
        self,
        unique_token_ids: Sequence[int],
        corpus_token_ids: Sequence[npt.NDArray[np.int32]],
        *_: object,
        **__: object,
    ) -> dict[str, Any]:
        size, terms_count = len(corpus_token_ids), len(unique_token_ids)
        lengths = np.array([len(text) for text in corpus_token_ids], dtype=np.float64)
        columns = np.concatenate([np.empty(0, np.int32), *corpus_token_ids]).astype(np.int64)
        rows = np.repeat(np.arange(size, dtype=np.int64), lengths.astype(np.int64))
        pairs, frequency = np.unique(columns * max(size, 1) + rows, return_counts=True)
        columns, rows = np.divmod(pairs, max(size, 1))
        having = np.bincount(columns, minlength=terms_count)
        idf = np.log1p((size - having + 0.5) / (having + 0.5))
        average = lengths.mean() if size and lengths.any() else 1.0
        saturation = frequency + self.k1 * (1 - self.b + self.b * lengths[rows] / average)
        self.nonoccurrence_array = None
        return {
            "data": (idf[columns] * frequency / saturation).astype(self.dtype),
            "indices": rows.astype(self.int_dtype),
            "indptr": np.concatenate([[0], np.cumsum(having)]).astype(np.int64),
            "num_docs": size,
        }


def _numbers_of(words: Iterable[str], vocabulary: Vocabulary) -> Ints:
    return np.array([vocabulary.get(word, -1) for word in words], dtype=np.int64)
