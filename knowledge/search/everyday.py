"""Everyday words and the words that charters and regulations use instead: "đóng" and "nộp", "vào hội" and "kết nạp"."""

from __future__ import annotations

from functools import cache
from importlib import resources
from itertools import pairwise

from core.text import SYLLABLE, fold, unify_tones

__all__ = ["related_terms"]

_LONGEST = 4
_Words = tuple[str, ...]


def related_terms(question: str) -> list[str]:
    """The folded syllables and bigrams of the official words for everyday words in *question* (accents restored).

    The longest everyday word at a place counts; compared with accents, because "đóng" and "đông" fold alike.
    """
    known = _known()
    written = SYLLABLE.findall(unify_tones(question).lower())
    found: dict[str, None] = {}
    for start in range(len(written)):
        for length in range(min(_LONGEST, len(written) - start), 0, -1):
            terms = known.get(tuple(written[start : start + length]))
            if terms is not None:
                found |= dict.fromkeys(terms)
                break
    return list(found)


@cache
def _known() -> dict[_Words, list[str]]:
    lines = resources.files(__package__).joinpath("everyday_words.txt").read_text(encoding="utf-8").splitlines()
    known = {}
    for line in lines:
        everyday, _, official = line.partition("=")
        known[_written(everyday)] = [
            term for word in official.split(",") for term in _terms([fold(syllable) for syllable in _written(word)])
        ]
    return known


def _written(word: str) -> _Words:
    return tuple(SYLLABLE.findall(unify_tones(word).lower()))


def _terms(syllables: list[str]) -> list[str]:
    return [*syllables, *(f"{first} {second}" for first, second in pairwise(syllables))]
