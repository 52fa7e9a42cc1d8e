"""Several readings of the same value to one, with a confidence that says how likely it is right.

Readings that agree multiply their doubt; one that disagrees takes from it in proportion to its own certainty. Text is voted word by
word among the readings with the same number of words, so that two readings with one wrong word each can still give a right value.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

DASH = "-"
TRUST = 0.85
"""A single reading is never worth more: readers are sometimes certain and wrong."""
AGAINST = 0.5
"""How much a certain reading that says something else takes away from a single one; from several the less."""


@dataclass(frozen=True)
class Reading:
    """One view's opinion. ``words``: (text, confidence), one for a number or a date. ``weight``: trust in the view, 0 to 1."""

    words: tuple[tuple[str, float], ...]
    weight: float = 1.0

    @property
    def confidence(self) -> float:
        """That of the least certain word."""
        return min((sure for _, sure in self.words), default=0.0)


@dataclass(frozen=True)
class Verdict:
    """The value that the readings give together. ``confidence``: 0 to 1; ``votes``: readings that say exactly this."""

    text: str
    confidence: float
    votes: int


def vote(readings: Sequence[Reading]) -> Verdict | None:
    """The value of *readings*; None without any."""
    readings = [reading for reading in readings if reading.words]
    if not readings:
        return None
    readings = _with_dashes(readings)
    by_length: dict[int, float] = defaultdict(float)
    for reading in readings:
        by_length[len(reading.words)] += _worth(reading.confidence, reading.weight) + 0.01
    length = max(by_length, key=lambda count: by_length[count])
    same = [reading for reading in readings if len(reading.words) == length]
    others = [reading for reading in readings if len(reading.words) != length]
    words: list[str] = []
    confidence = 1.0
    for place in range(length):
        text, sure = _word([(reading.words[place], reading.weight) for reading in same])
        words.append(text)
        confidence = min(confidence, sure)
    for other in others:
        confidence *= 1 - AGAINST * _worth(other.confidence, other.weight)
    text = " ".join(words)
    votes = sum(" ".join(word for word, _ in reading.words) == text for reading in same)
    return Verdict(text, confidence, votes)


def _with_dashes(readings: Sequence[Reading]) -> list[Reading]:
    """*readings*, those that differ from another only by dashes between words written with them.

    Readers of whole pages take a lone dash for a speck; none sees one that is not there.
    """
    dashed = [reading for reading in readings if any(text == DASH for text, _ in reading.words)]
    completed = []
    for reading in readings:
        words = [text for text, _ in reading.words]
        for other in dashed:
            theirs = [text for text, _ in other.words]
            if DASH not in words and [text for text in theirs if text != DASH] == words:
                own = iter(reading.words)
                filled = tuple((DASH, sure) if text == DASH else next(own) for text, sure in other.words)
                completed.append(Reading(filled, reading.weight))
                break
        else:
            completed.append(reading)
    return completed


def _worth(confidence: float, weight: float) -> float:
    return TRUST * weight * max(0.0, min(1.0, confidence))


def _word(votes: Sequence[tuple[tuple[str, float], float]]) -> tuple[str, float]:
    """The word that most certainty stands for, and how likely it is right."""
    doubts: dict[str, float] = defaultdict(lambda: 1.0)
    total: dict[str, float] = defaultdict(float)
    for (text, confidence), weight in votes:
        doubts[text] *= 1 - _worth(confidence, weight)
        total[text] += _worth(confidence, weight)
    best = max(total, key=lambda text: total[text])
    against = max((1 - doubt for text, doubt in doubts.items() if text != best), default=0.0)
    return best, (1 - doubts[best]) * (1 - AGAINST * against / max(1.0, total[best]))
