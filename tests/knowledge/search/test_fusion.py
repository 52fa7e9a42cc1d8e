from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.search.fusion import CANDIDATES, Weights, best_positions, fused, scaled


def test_scaled_between_the_best_and_the_last_candidate() -> None:
    scores = np.arange(CANDIDATES + 50, dtype=np.float64)
    result = scaled(scores)
    assert (result[-1], result[50], result[0]) == (1.0, 0.0, 0.0)
    assert np.count_nonzero(result) == CANDIDATES - 1


@pytest.mark.parametrize(("scores", "expected"), [([], []), ([0.7], [1.0]), ([0.0, 0.0], [0.0, 0.0]), ([2, 2], [1, 1])])
def test_scaled_when_all_are_alike(scores: list[float], expected: list[float]) -> None:
    assert scaled(np.array(scores, dtype=np.float64)).tolist() == expected


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=300))
def test_scaling_keeps_the_order(scores: list[float]) -> None:
    values = np.array(scores, dtype=np.float32)
    result = scaled(values)
    assert ((result >= 0) & (result <= 1)).all()
    assert (np.diff(result[np.argsort(values, kind="stable")]) >= 0).all()


def test_fused_with_and_without_the_dense_side() -> None:
    article, clause, dense = np.array([1.0, 0.0]), np.array([0.5, 1.0]), np.array([0.0, 1.0])
    weights = Weights(article=0.25, clause=0.25, dense=0.5)
    assert fused(article, clause, dense, weights).tolist() == [0.375, 0.75]
    assert fused(article, clause, None, weights).tolist() == [0.75, 0.5]


def test_best_positions_in_order_and_positive_only() -> None:
    assert best_positions(np.array([0.0, 2.0, 1.0, 2.0]), 10).tolist() == [1, 3, 2]
    assert best_positions(np.array([0.0, 2.0, 1.0, 2.0]), 1).tolist() in ([1], [3])
    assert best_positions(np.array([]), 3).tolist() == []
