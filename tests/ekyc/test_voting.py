"""Several readings to one value."""

from __future__ import annotations

import pytest

from ekyc.voting import Reading, Verdict, vote


def says(text: str, sure: float = 0.9, weight: float = 1.0) -> Reading:
    return Reading(tuple((word, sure) for word in text.split()), weight)


def test_nothing_to_vote_on() -> None:
    assert vote([]) is None
    assert vote([Reading(())]) is None


def test_one_reading_alone_is_never_certain() -> None:
    assert vote([says("12345678", 1.0)]) == Verdict("12345678", 0.85, 1)


def test_readings_that_agree_multiply_their_doubt() -> None:
    verdict = vote([says("12345678", 1.0), says("12345678", 1.0)])
    assert verdict is not None
    assert (verdict.text, verdict.votes) == ("12345678", 2)
    assert verdict.confidence == pytest.approx(1 - 0.15**2)


def test_a_certain_reading_against_it_takes_confidence() -> None:
    verdict = vote([says("1993-12-15", 1.0), says("1995-12-15", 1.0, 0.35), says("1993-12-15", 1.0)])
    assert verdict is not None
    assert (verdict.text, verdict.votes) == ("1993-12-15", 2)
    assert 0.8 < verdict.confidence < 1 - 0.15**2


def test_two_against_one_equal_reader_is_doubtful() -> None:
    verdict = vote([says("Vân", 0.9), says("Vẫn", 0.9), says("Vân", 0.6)])
    assert verdict is not None
    assert verdict.text == "Vân"
    assert verdict.confidence < 0.75


def test_words_are_voted_one_by_one() -> None:
    first = Reading((("LÊ", 0.9), ("THI", 0.3), ("THỬ", 0.9)))
    second = Reading((("LE", 0.3), ("THỊ", 0.9), ("THỬ", 0.9)))
    verdict = vote([first, second])
    assert verdict is not None
    assert (verdict.text, verdict.votes) == ("LÊ THỊ THỬ", 0)


def test_another_count_of_words_speaks_against_the_value() -> None:
    whole = vote([says("Tỉnh hội Hà Trường"), says("Tỉnh hội Hà Trường")])
    cut = vote([says("Tỉnh hội Hà Trường"), says("Tỉnh hội Hà Trường"), says("Tỉnh hội Hà")])
    assert whole is not None
    assert cut is not None
    assert cut.text == "Tỉnh hội Hà Trường"
    assert cut.confidence < 0.75 < whole.confidence


def test_dashes_that_one_reader_overlooked_are_filled_in() -> None:
    verdict = vote([says("An Phước Hà Trường"), says("An Phước - Hà Trường")])
    assert verdict is not None
    assert (verdict.text, verdict.votes) == ("An Phước - Hà Trường", 2)
