"""Several readings of the same value to one, with the probability that it is right.

The readings are aligned word by word into one network (ROVER: Fiscus 1997, "A post-processing system to yield reduced word
error rates"); in each place the words that were read, their like in the vocabulary, and nothing are weighed by Bayes' rule: how often a
reader that is as certain as this one takes the one word for the other, and how usual the word is in such a field. Numbers and dates
are weighed digit by digit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log

from rapidfuzz.distance import Indel, Levenshtein

from core.text import fold

DASH = "-"
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
CONVINCED, CONTRADICTED = 0.95, 0.8
"""From where on a reader alone is sure of a word; what remains of the confidence in another that is preferred to it."""
AT_MOST = 1.5
"""Trust in all readings by one reader together: it repeats its mistakes."""
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
Place = list[tuple[str, float, float, str]]
"""What the readings say in one place: text (nothing: ``""``), confidence, weight, reader."""


@dataclass(frozen=True)
class Reading:
    """One view's opinion. ``words``: (text, confidence), one for a number or a date. ``weight``: trust in the view, 0 to 1.

    ``reader``: who read it; readings by the same one are no independent witnesses.
    """

    words: tuple[tuple[str, float], ...]
    weight: float = 1.0
    reader: str = ""

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
    readings = _unglued(_tempered(readings))
    if not readings:
        return None
    places = _network(readings)
    words: list[str] = []
    confidence = 1.0
    right = expected([{text for text, *_ in place} for place in places]) if expected else {}
    for number, place in enumerate(places):
        text, sure = _weigh(place, len(words), usual, like, right.get(number, ()))
        confidence *= sure
        if usual and text and number not in right and _contradicted(place, text, len(words), usual, like):
            confidence *= CONTRADICTED
        if text:
            words.append(text)
    text = " ".join(words)
    if not text:
        return None
    votes = sum(" ".join(word for word, _ in reading.words) == text for reading in readings)
    return Verdict(text, confidence, votes)


def vote_digits(readings: Sequence[Reading]) -> Verdict | None:
    """The number or date of *readings*, weighed digit by digit among those of the usual length."""
    readings = _tempered(_agreed(readings))
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
        digit, sure = _weigh([(r.words[0][0][place], r.words[0][1], r.weight, r.reader) for r in same], 0, None, None)
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


def _tempered(readings: Sequence[Reading]) -> list[Reading]:
    """*readings* that say something, no reader trusted more than ``AT_MOST`` in all."""
    sums: dict[str, float] = {}
    for reading in readings:
        if reading.words:
            sums[reading.reader] = sums.get(reading.reader, 0.0) + reading.weight
    return [
        Reading(reading.words, reading.weight * min(1.0, AT_MOST / sums[reading.reader]), reading.reader)
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
            places = [[(text, sure, reading.weight, reading.reader)] for text, sure in reading.words]
        else:
            places = _aligned(places, reading, before)
        before.append(reading)
    return places


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
    weight, by = reading.weight, reading.reader
    while row or column:
        if (
            row
            and column
            and cost[row][column] == cost[row - 1][column - 1] + _differs(places[row - 1], reading.words[column - 1][0])
        ):
            row, column = row - 1, column - 1
            text, sure = reading.words[column]
            aligned.append([*places[row], (text, sure, weight, by)])
        elif row and cost[row][column] == cost[row - 1][column] + _left_out(places[row - 1]):
            row -= 1
            aligned.append([*places[row], (NOTHING, _mean(reading), weight, by)])
        else:
            column -= 1
            text, sure = reading.words[column]
            nothing = [(NOTHING, _mean(other), other.weight, other.reader) for other in before]
            aligned.append([*nothing, (text, sure, weight, by)])
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
        scores[candidate] = log(prior) + sum(
            weight * log(_likelihood(text, sure, candidate)) for text, sure, weight, _ in place
        )
    best = max(scores, key=lambda candidate: scores[candidate])
    # Something that nobody read: every reading is a mistake.
    other = sum(weight * log(_likelihood(text, sure, None)) for text, sure, weight, _ in place) + log(UNREAD)
    total = sum(exp(score - scores[best]) for score in scores.values()) + exp(min(50.0, other - scores[best]))
    sure_of = [
        (text, weight * max(0.0, sure - DOUBTED) / (1 - DOUBTED)) for text, sure, weight, _ in place if weight >= LIGHT
    ]
    against = sum(
        worth
        for text, worth in sure_of
        if text not in (best, NOTHING)
        and not (fold(text) in letters and text not in right)
        and (usual is None or usual(text, number) >= 1)
    ) / max(1e-9, sum(worth for _, worth in sure_of))
    return best, (1 - DISSENT * against) / total


def _contradicted(place: Place, best: str, number: int, usual: Usual, like: Like | None) -> bool:
    """Whether one of several readers alone would be sure of another usual word, one with the letters of *best*."""
    every = {by for *_, by in place}
    for reader in {by for text, *_, by in place if text != best} if len(every) > 1 else ():
        own = [(text, sure, 1.0, by) for text, sure, _, by in place if by == reader]
        other, sure = _weigh(own, number, usual, like)
        if other != best and fold(other) == fold(best) and sure > CONVINCED and usual(other, number) >= 1:
            return True
    return False


def _likelihood(read: str, sure: float, true: str | None) -> float:
    """How likely a reader that is so *sure* says *read* where *true* is printed (None: something else)."""
    sure = min(MOST_SURE, max(LEAST_SURE, sure))
    if true is None:
        return (1 - sure) * NEAR
    if read == true:
        return sure
    if not read:
        return MISSED_DASH if true == DASH else MISSED
    if not true:
        return ADDED * (1.2 - sure) if read != DASH else 0.005
    if fold(read) == fold(true):
        return max((1 - sure) * ACCENT, ALIKE_AT_LEAST)
    return (1 - sure) * (NEAR if Levenshtein.distance(read, true) <= 1 else FAR)
