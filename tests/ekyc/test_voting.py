"""Several readings to one value."""

from __future__ import annotations

import pytest

from ekyc.voting import Reading, Usual, Verdict, vote, vote_digits


def says(text: str, sure: float = 0.9, weight: float = 1.0, reader: str = "page") -> Reading:
    return Reading(tuple((word, sure) for word in text.split()), weight, reader)


def verdict(*readings: Reading, usual: Usual | None = None) -> Verdict:
    found = vote(readings, usual)
    assert found is not None
    return found


def digits(*readings: Reading) -> Verdict:
    found = vote_digits(readings)
    assert found is not None
    return found


def test_nothing_to_vote_on() -> None:
    assert vote([]) is None
    assert vote([Reading(())]) is None
    assert vote_digits([]) is None


def test_one_reading_is_worth_less_than_two_that_agree() -> None:
    alone, both = verdict(says("Vân", 0.7)), verdict(says("Vân", 0.7), says("Vân", 0.7, reader="second"))
    assert (alone.text, alone.votes, both.votes) == ("Vân", 1, 2)
    assert alone.confidence < both.confidence < 1


def test_a_reader_that_repeats_itself_is_no_second_witness() -> None:
    again = verdict(says("Vân", 0.7), says("Vân", 0.7), says("Vân", 0.7))
    other = verdict(says("Vân", 0.7), says("Vân", 0.7), says("Vân", 0.7, reader="second"))
    assert again.confidence < other.confidence


def test_an_equal_dissent_leaves_a_doubt() -> None:
    found = verdict(says("Vân", 0.9), says("Vẫn", 0.9), says("Vân", 0.6))
    assert found.text == "Vân"
    assert found.confidence < 0.75


def test_words_are_voted_one_by_one() -> None:
    first = Reading((("LÊ", 0.9), ("THI", 0.3), ("THỬ", 0.9)))
    second = Reading((("LE", 0.3), ("THỊ", 0.9), ("THỬ", 0.9)))
    found = verdict(first, second)
    assert (found.text, found.votes) == ("LÊ THỊ THỬ", 0)


def test_a_word_that_one_view_did_not_see_stays() -> None:
    whole = says("Tỉnh hội Hà Trường")
    for cut in ("Tỉnh hội Hà", "hội Hà Trường", "Tỉnh Trường"):
        found = verdict(whole, whole, says(cut))
        assert found.text == "Tỉnh hội Hà Trường"
        assert found.confidence < verdict(whole, whole).confidence


def test_a_word_that_most_did_not_see_goes() -> None:
    found = verdict(says("Tỉnh hội"), says("Tỉnh hội"), says("Tỉnh hội x", 0.4), says("Tỉnh hội", reader="second"))
    assert found.text == "Tỉnh hội"


def test_dashes_that_one_reader_overlooked_are_filled_in() -> None:
    assert verdict(says("An Phước Hà Trường"), says("An Phước - Hà Trường")).text == "An Phước - Hà Trường"


def test_the_vocabulary_decides_between_equal_readings() -> None:
    known = {"Tỉnh", "hội"}
    readings = [says("Tình hội", 0.8), says("Tỉnh hội", 0.8)]
    found = vote(readings, lambda word, _place: 1.0 if word in known else 0.05)
    assert found is not None
    assert found.text == "Tỉnh hội"


def test_a_word_of_the_vocabulary_takes_the_place_of_a_doubtful_one_only() -> None:
    def usual(word: str, _place: int) -> float:
        return 1.0 if word == "huyện" else 0.05

    def like(word: str) -> list[str]:
        return ["huyện"] if word == "nuyện" else []

    doubtful, certain = vote([says("nuyện", 0.3)], usual, like), vote([says("nuyện", 0.99)] * 3, usual, like)
    assert doubtful is not None
    assert certain is not None
    assert (doubtful.text, certain.text) == ("huyện", "nuyện")
    assert certain.confidence < verdict(*[says("nuyện", 0.99)] * 3).confidence


def test_numbers_are_weighed_digit_by_digit() -> None:
    found = digits(says("12345678"), says("12345679", 0.5), says("02345678", 0.5, reader="digits"))
    assert (found.text, found.votes) == ("12345678", 1)
    assert found.confidence < digits(says("12345678"), says("12345678", reader="digits")).confidence


def test_another_count_of_digits_speaks_against_a_number() -> None:
    both = [says("12345678"), says("12345678", reader="digits")]
    found = digits(*both, says("1234567", reader="second"))
    assert found.text == "12345678"
    assert found.confidence == pytest.approx(digits(*both).confidence * (1 - 0.3 * 0.9))


def test_what_should_stand_in_a_place_outweighs_other_accents() -> None:
    readings = [says("Trường Văn", 0.9), says("Trường Văn", 0.9, reader="second")]
    found = vote(readings, expected=lambda places: {len(places) - 1: ["Vân"]})
    assert found is not None
    assert (found.text, verdict(*readings).text) == ("Trường Vân", "Trường Văn")
    other = vote([says("Trường Lâm")], expected=lambda _places: {1: ["Vân"]})
    assert other is not None
    assert other.text == "Trường Lâm"


def test_a_dash_that_should_stand_there_outweighs_those_who_overlooked_it() -> None:
    without = [says("An Phước Trường", 0.95, reader=reader) for reader in ("page", "page", "page", "second", "second")]
    readings = [*without, says("An Phước - Trường", 0.9)]
    found = vote(readings, expected=lambda _places: {2: ["-"]})
    assert found is not None
    assert (found.text, verdict(*readings).text) == ("An Phước - Trường", "An Phước Trường")


def test_dissent_counts_by_its_share() -> None:
    most = [says("Vân", 0.95), says("Vân", 0.95), says("Vân", 0.95, reader="second")]
    one, more = verdict(*most, says("Vẫn", 0.9)), verdict(*most, says("Vẫn", 0.9), says("Vẫn", 0.9))
    assert verdict(*most).confidence > one.confidence > more.confidence
    assert one.text == more.text == "Vân"


def test_a_reader_alone_sure_of_another_word_leaves_a_great_doubt() -> None:
    page, second = says("Ngô Đỉnh", 0.93), says("Ngô Đình", 0.99, reader="second")
    contradicted = verdict(page, page, second, second, usual=lambda _word, _place: 1.0)
    slip = verdict(page, says("Ngô Đình", 0.93), second, second, usual=lambda _word, _place: 1.0)
    no_word = verdict(page, page, second, second, usual=lambda word, _place: 0.02 if word == "Đỉnh" else 1.0)
    assert contradicted.text == slip.text == no_word.text == "Ngô Đình"
    assert contradicted.confidence < 0.75 < 0.8 < slip.confidence
    assert no_word.confidence > 0.9


def test_words_that_one_reader_glued_together_are_taken_apart() -> None:
    two = [says("ĐỖ THỊ THỬ", 0.6), says("ĐỖ THỊ THỬ", 0.6)]
    found = verdict(*two, says("ĐỖTHỊ THỬ", 0.99, reader="second"))
    assert found.text == "ĐỖ THỊ THỬ"
    assert found.confidence > verdict(*two).confidence


def test_a_word_that_one_reader_cut_in_two_stays_one() -> None:
    assert verdict(says("Lê Thanh"), says("Lê Th anh", 0.6), says("Lê Thanh", reader="second")).text == "Lê Thanh"


def test_a_number_that_two_readers_read_alike_is_not_as_doubtful_as_they_say() -> None:
    alike = digits(says("12345678", 0.1), says("12345678", 0.0, reader="digits"))
    assert alike.confidence > digits(says("12345678", 0.1), says("12345678", 0.0)).confidence


def test_what_a_reader_holds_possible_too_takes_from_the_confidence() -> None:
    def sure(share: float) -> float:
        spelt = Reading((("Phủ", 0.7), ("Lâm,", 0.99)), 1.0, "second", {"Phủ": {"Phú": share}})
        found = vote([says("Phủ Lâm,", 0.95), spelt], like=lambda word: ["Phú"] if word == "Phủ" else [])
        assert found is not None
        assert found.text == "Phủ Lâm,"
        return found.confidence

    assert sure(0.29) < sure(0.1) < sure(0.02)


def test_a_reader_in_two_minds_gives_way_to_one_that_is_sure() -> None:
    spelt = Reading((("Phủ,", 0.52),), 1.0, "second", {"Phủ": {"Phú": 0.45}})
    assert verdict(says("Phú,", 0.9), spelt).text == "Phú,"
