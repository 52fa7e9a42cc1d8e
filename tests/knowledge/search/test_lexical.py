from __future__ import annotations

import math
from pathlib import Path

import bm25s
import numpy as np
import pytest

from knowledge.search.lexical import (
    CLAUSE_LEVEL,
    RELATED_WEIGHT,
    LexicalIndex,
    Question,
    Vocabulary,
    VocabularyBuilder,
    terms,
)

TEXTS = ["Hội phí đóng hằng tháng", "Đại hội họp năm năm một lần", "Đóng hội phí, đóng hội phí", "Thẻ"]


@pytest.fixture
def built() -> tuple[LexicalIndex, Vocabulary]:
    builder = VocabularyBuilder()
    encoded = [builder.encode(text) for text in TEXTS]
    vocabulary = builder.vocabulary()
    return LexicalIndex.build(encoded, len(vocabulary), CLAUSE_LEVEL), vocabulary


def test_terms_are_folded_syllables_and_bigrams() -> None:
    assert terms("Khoản 2, Điều lệ") == (["khoan", "2", "dieu", "le"], ["khoan 2", "2 dieu", "dieu le"])
    assert terms("") == ([], [])


def test_scores_are_those_of_bm25s_itself(built: tuple[LexicalIndex, Vocabulary]) -> None:
    index, vocabulary = built
    reference = bm25s.BM25(k1=CLAUSE_LEVEL.k1, b=CLAUSE_LEVEL.b, method="lucene")
    tokens = [terms(text).syllables + terms(text).bigrams for text in TEXTS]
    reference.index(tokens, show_progress=False)
    question = terms("đóng hội phí")
    expected = reference.get_scores(question.syllables + question.bigrams)
    np.testing.assert_allclose(index.scores(Question.of("đóng hội phí", vocabulary)), expected, rtol=1e-6)


def test_a_mask_leaves_the_other_scores_alone(built: tuple[LexicalIndex, Vocabulary]) -> None:
    index, vocabulary = built
    question = Question.of("hoi phi", vocabulary)
    mask = np.array([True, True, False, True])
    assert index.scores(question, mask).tolist() == (index.scores(question) * mask).tolist()


def test_repetition_and_unknown_terms_in_a_question_change_nothing(built: tuple[LexicalIndex, Vocabulary]) -> None:
    index, vocabulary = built
    once = index.scores(Question.of("thẻ", vocabulary))
    assert index.scores(Question.of("thẻ thẻ bóng", vocabulary)).tolist() == once.tolist()
    assert index.scores(Question.of("bóng đá", vocabulary)).tolist() == [0, 0, 0, 0]


def test_idf_of_known_and_unknown_terms(built: tuple[LexicalIndex, Vocabulary]) -> None:
    index, vocabulary = built
    weights = index.idf(np.array([vocabulary["hoi"], vocabulary["the"], -1]))
    assert weights.tolist() == pytest.approx(
        [math.log(1 + 1.5 / 3.5), math.log(1 + 3.5 / 1.5), math.log(1 + 4.5 / 0.5)]
    )


def test_an_official_word_for_an_everyday_one_counts_half(built: tuple[LexicalIndex, Vocabulary]) -> None:
    _, vocabulary = built
    asked = Question.of("nop the", Vocabulary({"dong": 0, "nop": 1, "the": 2}), restored="nộp thẻ")
    assert asked.related.tolist() == [0]
    index = LexicalIndex.build([np.array([0], np.int32), np.array([1], np.int32)], 3, CLAUSE_LEVEL)
    official, everyday = index.scores(asked).tolist()
    assert official == pytest.approx(RELATED_WEIGHT * everyday)
    assert Question.of("hội phí", vocabulary).related.tolist() == []


def test_saved_and_loaded(built: tuple[LexicalIndex, Vocabulary], tmp_path: Path) -> None:
    index, vocabulary = built
    index.save(tmp_path / "level")
    vocabulary.save(tmp_path / "vocabulary.txt")
    loaded, words = LexicalIndex.load(tmp_path / "level"), Vocabulary.load(tmp_path / "vocabulary.txt")
    assert dict(words) == dict(vocabulary)
    question = Question.of("đại hội", words)
    assert loaded.scores(question).tolist() == index.scores(question).tolist()
