"""Accent restoration learnt from the published documents: "ai co quyen" becomes "ai có quyền".

A trigram model over syllables with Witten-Bell interpolation (Witten and Bell 1991), decoded exactly by Viterbi search.
Only the dense side needs it: the lexical side compares folded syllables.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from itertools import count, pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from core.text import SYLLABLE, fold, nfc

__all__ = ["Restorer"]

_CLAUSE_END = re.compile(r"[.;:?!\n]")
_TOKEN = re.compile(rf"{SYLLABLE.pattern}|{_CLAUSE_END.pattern}")
_BOUNDARY = 0  # id of the mark before the first and after the last syllable of a clause
_UNSEEN = 1  # id of every syllable that the documents do not have
_BITS = 20  # a trigram is three ids in one int64
_CANDIDATES = 12  # accented forms tried for one bare syllable, most frequent first
_SMOOTHING = 0.1  # added to every syllable's count
_KEEP_BARE = 2.0  # log-odds that a bare syllable in a partly accented question was meant bare
_MARKED_SHARE = 0.9  # from here on a question counts as accented

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


_MARK = np.array([_BOUNDARY])


class _Syllable(NamedTuple):
    start: int
    typed: str
    candidates: Ints


class Restorer:
    """Restores accents of a question; immutable, safe for concurrent callers. About 1 ms a question."""

    def __init__(self, vocabulary: Sequence[str], unigrams: Ints, bigrams: _Table, trigrams: _Table) -> None:
        """*vocabulary* holds accented lower-case syllables by id (the first two are marks); see ``train``."""
        self._vocabulary = list(vocabulary)
        self._unigrams, self._bigrams, self._trigrams = unigrams, bigrams, trigrams
        self._ids = {syllable: number for number, syllable in enumerate(self._vocabulary) if number > _UNSEEN}
        by_folded: dict[str, list[int]] = {}
        for number in np.argsort(-unigrams, kind="stable").tolist():
            if number > _UNSEEN:
                by_folded.setdefault(fold(self._vocabulary[number]), []).append(number)
        self._candidates = {folded: np.array(numbers[:_CANDIDATES]) for folded, numbers in by_folded.items()}
        self._total_after_one, self._types_after_one = bigrams.by_history()
        self._total_after_two, self._types_after_two = trigrams.by_history()
        smoothed = unigrams + _SMOOTHING
        self._probability: Floats = smoothed / smoothed.sum()

    @classmethod
    def train(cls, texts: Iterable[str]) -> Restorer:
        """Learn from *texts* (accented Vietnamese, any normal form) and from the phrases people ask with."""
        phrases = resources.files(__package__).joinpath("question_phrases.txt").read_text(encoding="utf-8")
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        stream = [numbers["\n"]]
        for text in (*texts, phrases):
            stream += map(numbers.__getitem__, _TOKEN.findall(nfc(text).lower()))
            stream.append(numbers["\n"])
        is_syllable = np.array([token[0].isalnum() for token in numbers])
        tokens = np.where(is_syllable, np.cumsum(is_syllable) + _UNSEEN, _BOUNDARY)[stream]
        vocabulary = ["", "", *(token for token in numbers if token[0].isalnum())]
        if len(vocabulary) > 1 << _BITS:
            raise ValueError(f"{len(vocabulary)} distinct syllables: the texts are not Vietnamese words")
        is_boundary = tokens == _BOUNDARY
        tokens = tokens[~(is_boundary & np.roll(is_boundary, 1)) | (np.arange(len(tokens)) == 0)]
        tokens = np.repeat(tokens, np.where(tokens == _BOUNDARY, 2, 1))
        # Two marks in a row close one clause and open the next; the opening one is not predicted.
        first, second, third = tokens[:-2], tokens[1:-1], tokens[2:]
        predicted = (second != _BOUNDARY) | (third != _BOUNDARY)
        first, second, third = first[predicted], second[predicted], third[predicted]
        bigrams = _Table.counted(second << _BITS | third)
        trigrams = _Table.counted((first << _BITS | second) << _BITS | third)
        return cls(vocabulary, np.bincount(third, minlength=len(vocabulary)), bigrams, trigrams)

    def save(self, path: Path) -> None:
        """Write the model to *path* (NumPy's .npz: syllables as UTF-8 bytes, counts as integers)."""
        with path.open("wb") as file:
            np.savez(
                file,
                vocabulary=np.frombuffer("\n".join(self._vocabulary[2:]).encode(), dtype=np.uint8),
                unigrams=self._unigrams,
                bigram_keys=self._bigrams.keys,
                bigram_counts=self._bigrams.values,
                trigram_keys=self._trigrams.keys,
                trigram_counts=self._trigrams.values,
            )
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> Restorer:
        """Read a model written by ``save``. Raises OSError, ValueError or KeyError when the file is not one."""
        with np.load(path, allow_pickle=False) as arrays:
            syllables = arrays["vocabulary"].tobytes().decode().split("\n")
            return cls(
                ["", "", *filter(None, syllables)],
                arrays["unigrams"],
                _Table(arrays["bigram_keys"], arrays["bigram_counts"]),
                _Table(arrays["trigram_keys"], arrays["trigram_counts"]),
            )

    def restore(self, text: str) -> str:
        """Return *text* in NFC with accents; a syllable that carries a mark is never changed.

        In a partly accented text a bare syllable changes only when the model is sure; an accented one comes back as it is.
        """
        text = nfc(text)
        words = [word for word in SYLLABLE.findall(text) if word.isalpha() and len(word) > 1]
        share = sum(map(_is_marked, words)) / max(1, len(words))
        if not words or share >= _MARKED_SHARE:
            return text
        pieces, last = [], 0
        for clause in self._clauses(text, keep_bare=share > 0):
            chosen = self._decode(clause, _KEEP_BARE if share > 0 else 0.0)
            for syllable, number in zip(clause, chosen, strict=True):
                restored = (
                    syllable.typed if number == _UNSEEN else _cased_like(self._vocabulary[number], syllable.typed)
                )
                pieces += [text[last : syllable.start], restored]
                last = syllable.start + len(syllable.typed)
        return "".join(pieces) + text[last:]

    def _clauses(self, text: str, *, keep_bare: bool) -> list[list[_Syllable]]:
        clauses: list[list[_Syllable]] = [[]]
        last = 0
        for match in SYLLABLE.finditer(text):
            if _CLAUSE_END.search(text, last, match.start()) and clauses[-1]:
                clauses.append([])
            clauses[-1].append(_Syllable(match.start(), match.group(), self._possible(match.group(), keep_bare)))
            last = match.end()
        return clauses

    def _possible(self, typed: str, keep_bare: bool) -> Ints:
        lower = typed.lower()
        as_typed = np.array([self._ids.get(lower, _UNSEEN)])
        if _is_marked(lower):
            return as_typed
        candidates = self._candidates.get(lower)
        if candidates is None:
            return as_typed
        if keep_bare and lower not in self._ids:
            return np.concatenate([as_typed, candidates])
        return candidates

    def _decode(self, clause: Sequence[_Syllable], bonus: float) -> list[int]:
        """The ids of the most probable syllables of *clause*; a syllable as typed gains *bonus* (log-odds)."""
        if not clause:
            return []
        columns = [_MARK, _MARK, *(syllable.candidates for syllable in clause), _MARK]
        score = np.zeros((1, 1))  # of the best way to the last two syllables
        origins: list[Ints] = []
        for number, transition in enumerate(self._transitions(columns)):
            reached = score[:, :, None] + transition
            if bonus and number < len(clause):
                as_typed = self._ids.get(clause[number].typed.lower(), _UNSEEN)
                reached += bonus * (columns[number + 2] == as_typed)
            origins.append(reached.argmax(axis=0))
            score = reached.max(axis=0)
        # origins[i][second, third] is the first of three neighbours; the last column is the closing mark alone.
        current, following = int(score[:, 0].argmax()), 0
        path = [current]
        for origin in reversed(origins[2:]):
            current, following = int(origin[current, following]), current
            path.append(current)
        return [int(column[index]) for column, index in zip(columns[2:-1], reversed(path), strict=True)]

    def _transitions(self, columns: Sequence[Ints]) -> Iterator[Floats]:
        """For each three neighbouring columns log P(third | first, second), interpolated down to single syllables."""
        pairs = [second[:, None] << _BITS | third for second, third in pairwise(columns)]
        triples = [pair[:, :, None] << _BITS | third for pair, third in zip(pairs, columns[2:], strict=False)]
        for third, total_one, types_one, pair_count, total_two, types_two, triple_count in zip(
            columns[2:],
            self._total_after_one.look_up(columns[1:-1]),
            self._types_after_one.look_up(columns[1:-1]),
            self._bigrams.look_up(pairs[1:]),
            self._total_after_two.look_up(pairs[:-1]),
            self._types_after_two.look_up(pairs[:-1]),
            self._trigrams.look_up(triples),
            strict=True,
        ):
            probability = self._probability[third]
            probability = (pair_count + types_one[:, None] * probability) / (total_one + types_one)[:, None]
            probability = (triple_count + types_two[:, :, None] * probability) / (total_two + types_two)[:, :, None]
            yield np.log(probability)


class _Table(NamedTuple):
    """Values by sorted keys; ``missing`` is the value of every other key."""

    keys: Ints
    values: Ints
    missing: int = 0

    @classmethod
    def counted(cls, keys: Ints) -> _Table:
        """How often each of *keys* occurs."""
        return cls(*np.unique(keys, return_counts=True))

    def by_history(self) -> tuple[_Table, _Table]:
        """Of n-gram counts: how many syllables followed each history, and how many distinct ones.

        After an unseen history these are 0 and 1, which leaves the lower order alone.
        """
        histories, starts, types = np.unique(self.keys >> _BITS, return_index=True, return_counts=True)
        totals = np.add.reduceat(self.values, starts)
        return _Table(histories, totals), _Table(histories, types, missing=1)

    def look_up(self, wanted: Sequence[Ints]) -> list[Ints]:
        """The values of several arrays of keys, searched at once: one search costs about as much as many."""
        flat = np.concatenate([array.ravel() for array in wanted])
        at = np.searchsorted(self.keys, flat)
        at[at == len(self.keys)] = 0
        found = np.where(self.keys[at] == flat, self.values[at], self.missing)
        ends = np.cumsum([array.size for array in wanted])[:-1]
        return [part.reshape(array.shape) for part, array in zip(np.split(found, ends), wanted, strict=True)]


def _is_marked(word: str) -> bool:
    return fold(word) != word.lower()


def _cased_like(word: str, typed: str) -> str:
    if len(typed) > 1 and typed.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if typed[:1].isupper() else word
