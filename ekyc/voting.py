"""Several readings of the same value to one, with the probability that it is right.

The readings are aligned word by word into one network (ROVER: Fiscus 1997, "A post-processing system to yield reduced word
error rates"); in each place the words that were read, their like in the vocabulary, and nothing are weighed by Bayes' rule: how often a
reader that is as certain as this one takes the one word for the other, and how usual the word is in such a field. Numbers and dates
are weighed digit by digit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import exp, log
from typing import NamedTuple

from rapidfuzz.distance import Indel, Levenshtein

from core.text import fold

DASH = "-"
MARKS = ".,;:()'’-/&"
"""What may stand beside a word."""
NOTHING = ""
MOST_SURE = 0.995
"""A reader is never trusted more: readers are sometimes certain and wrong."""
LEAST_SURE = 0.05
NEAR, ACCENT, FAR = 0.15, 0.5, 0.004
"""Share of a reader's mistakes that turn a word into one given word an edit apart, one with other accents, any other."""
MISSED, MISSED_DASH, ADDED = 0.03, 0.3, 0.02
"""How often a reader drops a word, drops a lone dash, adds one that is not there."""


DISSENT = 0.15
"""What readers of another word that would do as well take from the probability, by their share of all."""
DOUBTED = 0.5
"""Up to here a reader is too unsure to dissent."""
LIGHT = 0.1
"""Trust below which a reading does not count as dissent."""
ALIKE_AT_LEAST = 0.02
"""However sure, a reader takes one accent for another this often: both are made of the same strokes."""
AT_MOST, AT_MOST_OF_DIGITS = 1.0, 1.5
"""Trust in all readings by one reader together, of words and of numbers: it repeats its mistakes, those of accents most."""
UNREAD = 0.3
"""Weight of the chance that nobody read the word that is printed."""
AGREED = 0.6
"""Confidence that a number has at least when two readers read it alike: their own is at times nought for a whole line."""
OTHER_LENGTH = 0.3
"""What a reading of a number takes away that has another count of digits."""

Usual = Callable[[str, int], float]
"""How usual a word is at its place in the value, 1 for any that is expected there."""
Like = Callable[[str], Sequence[str]]
"""The words of the vocabulary that a word as read may be."""
Expected = Callable[[Sequence[Collection[str]]], Mapping[int, Collection[str]]]
"""What should stand in some places of a value, given the words read in each."""
AMISS = 0.0005
"""Prior of a word that has the letters of what should stand in its place, and other accents."""
NO_DASH = 0.05
"""Prior of nothing where a dash should stand."""


class Said(NamedTuple):
    """What one reading says in one place. ``text``: ``""`` for nothing; ``others``: words it holds possible, with their probability."""

    text: str
    confidence: float
    weight: float
    reader: str
    others: Mapping[str, float] = {}


Place = list[Said]


@dataclass(frozen=True)
class Reading:
    """One view's opinion. ``words``: (text, confidence), one for a number or a date. ``weight``: trust in the view, 0 to 1.

    ``reader``: who read it; readings by the same one are no independent witnesses. ``others``: for words as read, without the marks
    beside them, other words that the reader holds possible in their place, with their probability.
    """

    words: tuple[tuple[str, float], ...]
    weight: float = 1.0
    reader: str = ""
    others: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

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


def vote(
    readings: Sequence[Reading],
    usual: Usual | None = None,
    like: Like | None = None,
    expected: Expected | None = None,
) -> Verdict | None:
    """The value of *readings*; None without any.

    *usual*: the prior of a word, *like*: others that it may be, *expected*: what should stand in a place; without them every word is
    as likely as any.
    """
    readings = _unglued(_tempered(readings, AT_MOST))
    if not readings:
        return None
    places = _network(readings)
    words: list[str] = []
    confidence = 1.0
    right = expected([{text for text, *_ in place} for place in places]) if expected else {}
    for number, place in enumerate(places):
        text, sure = _weigh(place, len(words), usual, like, right.get(number, ()))
        confidence *= sure
        if text:
            words.append(text)
    text = " ".join(words)
    if not text:
        return None
    votes = sum(" ".join(word for word, _ in reading.words) == text for reading in readings)
    return Verdict(text, confidence, votes)


def vote_digits(readings: Sequence[Reading]) -> Verdict | None:
    """The number or date of *readings*, weighed digit by digit among those of the usual length."""
    readings = _tempered(_agreed(readings), AT_MOST_OF_DIGITS)
    if not readings:
        return None
    lengths: dict[int, float] = {}
    for reading in readings:
        size = len(reading.words[0][0])
        lengths[size] = lengths.get(size, 0.0) + reading.weight * reading.confidence + 0.01
    length = max(lengths, key=lambda size: lengths[size])
    same = [reading for reading in readings if len(reading.words[0][0]) == length]
    text, confidence = "", 1.0
    for place in range(length):
        digit, sure = _weigh(
            [Said(r.words[0][0][place], r.words[0][1], r.weight, r.reader) for r in same], 0, None, None
        )
        text += digit
        confidence *= sure
    for other in readings:
        if other not in same:
            confidence *= 1 - OTHER_LENGTH * other.weight * other.confidence
    return Verdict(text, confidence, sum(reading.words[0][0] == text for reading in same))


def _agreed(readings: Sequence[Reading]) -> list[Reading]:
    """*readings*, those that two readers share digit by digit no less sure than ``AGREED``."""
    readers: dict[str, set[str]] = defaultdict(set)
    for reading in readings:
        if reading.words:
            readers[reading.words[0][0]].add(reading.reader)
    return [
        replace(reading, words=tuple((text, max(sure, AGREED)) for text, sure in reading.words))
        if reading.words and len(readers[reading.words[0][0]]) > 1
        else reading
        for reading in readings
    ]


def _tempered(readings: Sequence[Reading], most: float) -> list[Reading]:
    """*readings* that say something, no reader trusted more than *most* in all."""
    sums: dict[str, float] = {}
    for reading in readings:
        if reading.words:
            sums[reading.reader] = sums.get(reading.reader, 0.0) + reading.weight
    return [
        replace(reading, weight=reading.weight * min(1.0, most / sums[reading.reader]))
        for reading in readings
        if reading.words
    ]


def _unglued(readings: Sequence[Reading]) -> list[Reading]:
    """*readings*, words taken apart where more of the others have two for one ("ĐỖTHỊ", "ĐỖ THỊ")."""
    single = Counter(fold(text) for reading in readings for text, _ in reading.words)
    pairs = [
        (one, other)
        for reading in readings
        for (one, _), (other, _) in pairwise(reading.words)
        if DASH not in (one, other)
    ]
    times = Counter(fold(one + other) for one, other in pairs)
    cut = {fold(one + other): len(one) for one, other in pairs}
    apart = []
    for reading in readings:
        words: list[tuple[str, float]] = []
        for text, sure in reading.words:
            letters = fold(text)
            at = cut[letters] if times[letters] > single[letters] else len(text)
            words += [(part, sure) for part in (text[:at], text[at:]) if part]
        apart.append(replace(reading, words=tuple(words)))
    return apart


def _network(readings: Sequence[Reading]) -> list[Place]:
    """The readings aligned onto the most trusted one, one after the other."""
    order = sorted(readings, key=lambda reading: -len(reading.words) * 0.1 - reading.weight * _mean(reading))
    places: list[Place] = []
    before: list[Reading] = []
    for reading in order:
        if not places:
            places = [[_said(reading, text, sure)] for text, sure in reading.words]
        else:
            places = _aligned(places, reading, before)
        before.append(reading)
    return places


def _said(reading: Reading, text: str, sure: float) -> Said:
    return Said(text, sure, reading.weight, reading.reader, reading.others.get(bare(text), {}))


def _mean(reading: Reading) -> float:
    return sum(sure for _, sure in reading.words) / max(1, len(reading.words))


def _aligned(places: list[Place], reading: Reading, before: Sequence[Reading]) -> list[Place]:
    """*places* of the readings *before* with one more: the cheapest way to lay its words along them."""
    rows, columns = len(places), len(reading.words)
    cost = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for row in range(1, rows + 1):
        cost[row][0] = cost[row - 1][0] + _left_out(places[row - 1])
    for column in range(1, columns + 1):
        cost[0][column] = cost[0][column - 1] + 0.6
    for row in range(1, rows + 1):
        for column in range(1, columns + 1):
            cost[row][column] = min(
                cost[row - 1][column - 1] + _differs(places[row - 1], reading.words[column - 1][0]),
                cost[row - 1][column] + _left_out(places[row - 1]),
                cost[row][column - 1] + 0.6,
            )
    aligned: list[Place] = []
    row, column = rows, columns
    while row or column:
        if (
            row
            and column
            and cost[row][column] == cost[row - 1][column - 1] + _differs(places[row - 1], reading.words[column - 1][0])
        ):
            row, column = row - 1, column - 1
            text, sure = reading.words[column]
            aligned.append([*places[row], _said(reading, text, sure)])
        elif row and cost[row][column] == cost[row - 1][column] + _left_out(places[row - 1]):
            row -= 1
            aligned.append([*places[row], _said(reading, NOTHING, _mean(reading))])
        else:
            column -= 1
            text, sure = reading.words[column]
            nothing = [_said(other, NOTHING, _mean(other)) for other in before]
            aligned.append([*nothing, _said(reading, text, sure)])
    return aligned[::-1]


def _left_out(place: Place) -> float:
    return 0.3 if any(text == DASH for text, *_ in place) else 0.6


def _differs(place: Place, word: str) -> float:
    """0 for the same word, up to 1.1 for another altogether."""
    return min(1.1 * (1 - _alike(text, word)) for text, *_ in place if text) if any(text for text, *_ in place) else 0.5


def _alike(one: str, other: str) -> float:
    if (one == DASH) != (other == DASH):
        return 0.0
    return 0.5 * Indel.normalized_similarity(one, other) + 0.5 * Indel.normalized_similarity(fold(one), fold(other))


def _weigh(
    place: Place, number: int, usual: Usual | None, like: Like | None, right: Collection[str] = ()
) -> tuple[str, float]:
    """The likeliest word of one place and its probability; *right*: what should stand there."""
    candidates = {text for text, *_ in place} | set(right)
    letters = {fold(text) for text in right}
    if like:
        for text in list(candidates):
            if text and text != DASH:
                candidates.update(like(text))
    scores = {}
    for candidate in candidates:
        prior = usual(candidate, number) if usual and candidate and candidate != DASH else 1.0
        if candidate not in right and fold(candidate) in letters:
            prior = AMISS
        elif not candidate and DASH in right:
            prior = NO_DASH
        scores[candidate] = log(prior) + sum(said.weight * log(_likelihood(said, candidate)) for said in place)
    best = max(scores, key=lambda candidate: scores[candidate])
    # Something that nobody read: every reading is a mistake.
    other = sum(said.weight * log(_likelihood(said, None)) for said in place) + log(UNREAD)
    total = sum(exp(score - scores[best]) for score in scores.values()) + exp(min(50.0, other - scores[best]))
    sure_of = [
        (said.text, said.weight * max(0.0, said.confidence - DOUBTED) / (1 - DOUBTED))
        for said in place
        if said.weight >= LIGHT
    ]
    against = sum(
        worth
        for text, worth in sure_of
        if text not in (best, NOTHING)
        and not (fold(text) in letters and text not in right)
        and (usual is None or usual(text, number) >= 1)
    ) / max(1e-9, sum(worth for _, worth in sure_of))
    return best, (1 - DISSENT * against) / total


def _likelihood(said: Said, true: str | None) -> float:
    """How likely a reader *said* this where *true* is printed (None: something else)."""
    read, sure = said.text, min(MOST_SURE, max(LEAST_SURE, said.confidence))
    if true is None:
        return (1 - sure) * NEAR
    if read == true:
        return sure
    if not read:
        return MISSED_DASH if true == DASH else MISSED
    if not true:
        return ADDED * (1.2 - sure) if read != DASH else 0.005
    own = said.others.get(bare(true), 0.0)
    if fold(read) == fold(true):
        if said.others:
            return max(own, ALIKE_AT_LEAST / 2) if own else ALIKE_AT_LEAST
        return max((1 - sure) * ACCENT, ALIKE_AT_LEAST)
    return max(own, (1 - sure) * (NEAR if Levenshtein.distance(read, true) <= 1 else FAR))


def bare(word: str) -> str:
    """*word* without the marks beside it."""
    return word.strip(MARKS)
