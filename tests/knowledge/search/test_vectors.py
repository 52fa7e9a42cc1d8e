from __future__ import annotations

import numpy as np
import pytest

from knowledge.search.embedding import E5Embeddings, Vectors
from knowledge.search.vectors import StoredVector, VectorStore, VectorStoreUnavailable

from .conftest import ChromaServer


def rows(ids: object) -> Vectors:
    """Vector i points to (cos i°, sin i°): the nearer the number, the nearer the vector."""
    angles = np.radians(np.array(ids, dtype=np.float64))
    vectors = np.zeros((len(angles), 384), dtype=np.float32)
    vectors[:, 0], vectors[:, 1] = np.cos(angles), np.sin(angles)
    return vectors


@pytest.fixture
def filled(store: VectorStore) -> VectorStore:
    store.create("numbers")
    store.put("numbers", {i: StoredVector(f"d{i}", i % 2, i, i + 10) for i in range(30)}, rows)
    return store


def test_nearest_by_cosine(filled: VectorStore, question_vector: Vectors) -> None:
    found = filled.nearest("numbers", question_vector, 3)
    assert found.ids.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.cosines, np.cos(np.radians([0, 1, 2])), atol=1e-6)


def test_filters_by_day_and_document(filled: VectorStore, question_vector: Vectors) -> None:
    assert filled.nearest("numbers", question_vector, 4, day=15).ids.tolist() == [6, 7, 8, 9]
    assert filled.nearest("numbers", question_vector, 2, day=15, documents=[1]).ids.tolist() == [7, 9]
    assert filled.nearest("numbers", question_vector, 2, documents=[0, 5]).ids.tolist() == [0, 2]
    assert filled.nearest("numbers", question_vector, 2, day=99).ids.tolist() == []


def test_what_is_stored_can_be_read_replaced_and_removed(filled: VectorStore, question_vector: Vectors) -> None:
    filled.put("numbers", {0: StoredVector("new", 7, 1, 2)}, lambda ids: rows([90] * len(ids)))
    filled.remove("numbers", [1, 2])
    stored = filled.stored("numbers")
    assert (filled.count("numbers"), len(stored), stored[0]) == (28, 28, StoredVector("new", 7, 1, 2))
    assert filled.nearest("numbers", question_vector, 1).ids.tolist() == [3]


def test_create_empties_and_drop_forgives(filled: VectorStore) -> None:
    filled.create("numbers")
    assert filled.count("numbers") == 0
    filled.drop("numbers")
    filled.drop("numbers")
    assert filled.collections() == []
    with pytest.raises(VectorStoreUnavailable, match="has no collection 'numbers'"):
        filled.count("numbers")


def test_no_server(e5: E5Embeddings, tmp_path_factory: pytest.TempPathFactory) -> None:
    absent = ChromaServer(tmp_path_factory.mktemp("absent"))
    with pytest.raises(VectorStoreUnavailable, match="does not answer"):
        VectorStore(absent.url, e5).collections()


def test_the_address_is_found_again_after_a_failure(
    e5: E5Embeddings, chroma_server: ChromaServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    absent = ChromaServer(tmp_path_factory.mktemp("absent"))
    addresses = iter([absent.url, chroma_server.url])
    store = VectorStore(lambda: next(addresses), e5)
    with pytest.raises(VectorStoreUnavailable):
        store.collections()
    assert store.collections() == []


def test_a_refusal_is_told(store: VectorStore) -> None:
    with pytest.raises(VectorStoreUnavailable, match="refuses"):
        store.create("?")
