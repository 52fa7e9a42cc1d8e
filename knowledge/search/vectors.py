"""The dense side's store: vectors in Chroma, reached over HTTP through LangChain."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

import chromadb
import httpx
import numpy as np
import numpy.typing as npt
from chromadb.api import ClientAPI
from chromadb.errors import ChromaError, NotFoundError
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings

from core.keeper import ServiceError

__all__ = ["Neighbours", "StoredVector", "VectorStore", "VectorStoreUnavailable"]

Vectors = npt.NDArray[np.float32]

_BATCH = 1_000  # vectors in one request: about 3 MB
_READ_BATCH = 5_000
# The default (ef_search 100) would be as small as the number of neighbours asked for: recall at the end of the list suffers.
_HNSW = {"space": "cosine", "ef_construction": 200, "max_neighbors": 24, "ef_search": 200}


class VectorStoreUnavailable(RuntimeError):  # noqa: N818  # a state that search lives with
    """Chroma cannot be reached, or does not have the collection: search goes on without the dense side."""


@dataclass(frozen=True, slots=True)
class StoredVector:
    """What is stored with one passage's vector: its digest tells whether the vector is still that of the passage."""

    digest: str
    document: int
    valid_from: int
    valid_to: int


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest passages by descending cosine."""

    ids: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float64]


class PassageChroma(Chroma):
    """LangChain's vector store with a search that brings ids and distances only.

    Its own searches also bring each passage's text and metadata: 9 ms instead of 3 for 100 passages.
    """

    def nearest(self, vector: Vectors, limit: int, where: dict[str, Any] | None = None) -> Neighbours:
        """The *limit* nearest passages to *vector* among those that fulfil *where* (Chroma's filter)."""
        found = self._collection.query(query_embeddings=[vector], n_results=limit, where=where, include=["distances"])
        distances = found["distances"]
        return Neighbours(
            ids=np.array([int(passage) for passage in found["ids"][0]], dtype=np.int64),
            cosines=1.0 - np.array(distances[0] if distances else [], dtype=np.float64),
        )

    def upsert(self, ids: Sequence[int], vectors: Vectors, metadatas: list[dict[str, Any]]) -> None:
        """Add or replace vectors that are at hand already (LangChain's ``add_texts`` would compute them again)."""
        self._collection.upsert(
            ids=[str(passage) for passage in ids],
            embeddings=vectors,
            metadatas=metadatas,
            documents=[""] * len(ids),  # LangChain's searches skip entries without one
        )

    def count(self) -> int:
        """Number of vectors."""
        return int(self._collection.count())


class VectorStore:
    """Collections of one Chroma server. Connects at the first use, and again after the server was away.

    All methods raise VectorStoreUnavailable. Safe for concurrent callers.
    """

    def __init__(self, url: str | Callable[[], str], embeddings: Embeddings, *, timeout: float = 30.0) -> None:
        """*url* like "http://127.0.0.1:8001", or what finds (or starts) the server; *timeout* in seconds a request."""
        self.url = url if isinstance(url, str) else "(not found yet)"
        self._find: Callable[[], str] = (lambda: url) if isinstance(url, str) else url
        self._embeddings = embeddings
        self._timeout = timeout
        self._client: ClientAPI | None = None
        self._stores: dict[str, PassageChroma] = {}

    def create(self, collection: str) -> None:
        """Make an empty *collection*; one of that name is dropped first."""
        with self._errors(collection):
            self._drop(collection)
            self._stores[collection] = self._open(collection, create=True)

    def drop(self, collection: str) -> None:
        """Remove *collection*, if it is there."""
        with self._errors(collection):
            self._drop(collection)

    def collections(self) -> list[str]:
        """The names of all collections."""
        with self._errors("all"):
            return sorted(collection.name for collection in self._connected().list_collections())

    def count(self, collection: str) -> int:
        """Number of vectors in *collection*."""
        with self._errors(collection):
            return self._store(collection).count()

    def stored(self, collection: str) -> dict[int, StoredVector]:
        """What *collection* holds, by passage id."""
        found: dict[int, StoredVector] = {}
        with self._errors(collection):
            store = self._store(collection)
            for offset in range(0, store.count(), _READ_BATCH):
                page = store.get(limit=_READ_BATCH, offset=offset, include=["metadatas"])
                for passage, metadata in zip(page["ids"], page["metadatas"], strict=True):
                    found[int(passage)] = StoredVector(**metadata)
        return found

    def put(
        self,
        collection: str,
        vectors: Mapping[int, StoredVector],
        vectors_of: Callable[[Sequence[int]], Vectors],
    ) -> None:
        """Add or replace vectors by passage id; *vectors_of* gives the rows for a batch of ids, in order."""
        ids = iter(vectors)
        while batch := list(islice(ids, _BATCH)):
            rows = vectors_of(batch)
            with self._errors(collection):
                self._store(collection).upsert(batch, rows, [asdict(vectors[passage]) for passage in batch])

    def remove(self, collection: str, passages: Collection[int]) -> None:
        """Remove vectors by passage id."""
        ids = iter(passages)
        while batch := [str(passage) for passage in islice(ids, _BATCH)]:
            with self._errors(collection):
                self._store(collection).delete(ids=batch)

    def nearest(
        self,
        collection: str,
        vector: Vectors,
        limit: int,
        *,
        day: int | None = None,
        documents: Collection[int] | None = None,
    ) -> Neighbours:
        """The *limit* nearest passages, of those in force on *day* (an ordinal) and of *documents* where given."""
        with self._errors(collection):
            return self._store(collection).nearest(vector, limit, _filter(day, documents))

    def _connected(self) -> ClientAPI:
        if self._client is None:
            self.url = self._find()
            parts = urlsplit(self.url)
            ssl = parts.scheme == "https"
            client = chromadb.HttpClient(
                host=parts.hostname or "127.0.0.1",
                port=parts.port or (443 if ssl else 80),
                ssl=ssl,
                settings=chromadb.Settings(anonymized_telemetry=False),
            )
            # The client has no setting for it, and waits for ever: a server that hangs would hang every search.
            client._server._session.timeout = self._timeout  # noqa: SLF001
            self._client = client
        return self._client

    def _open(self, collection: str, *, create: bool) -> PassageChroma:
        return PassageChroma(
            collection_name=collection,
            embedding_function=self._embeddings,
            client=self._connected(),
            collection_configuration={"hnsw": _HNSW} if create else None,
            create_collection_if_not_exists=create,
        )

    def _store(self, collection: str) -> PassageChroma:
        store = self._stores.get(collection)
        if store is None:
            store = self._stores[collection] = self._open(collection, create=False)
        return store

    def _drop(self, collection: str) -> None:
        self._stores.pop(collection, None)
        if any(known.name == collection for known in self._connected().list_collections()):
            self._connected().delete_collection(collection)

    @contextmanager
    def _errors(self, collection: str) -> Iterator[None]:
        try:
            yield
        except NotFoundError as error:
            self._stores.pop(collection, None)
            raise VectorStoreUnavailable(
                f"Chroma at {self.url} has no collection {collection!r}: rebuild the index"
            ) from error
        except ChromaError as error:
            raise VectorStoreUnavailable(f"Chroma at {self.url} refuses ({collection}): {error}") from error
        except (ServiceError, httpx.HTTPError, OSError) as error:
            self._client = None
            self._stores.clear()
            raise VectorStoreUnavailable(f"Chroma at {self.url} does not answer: {error}") from error
        except ValueError as error:
            # The client's constructor reports a refused connection as a ValueError.
            if self._client is not None:
                raise
            raise VectorStoreUnavailable(f"Chroma at {self.url} does not answer: {error}") from error


def _filter(day: int | None, documents: Collection[int] | None) -> dict[str, Any] | None:
    conditions: list[dict[str, Any]] = []
    if day is not None:
        conditions += [{"valid_from": {"$lte": day}}, {"valid_to": {"$gt": day}}]
    if documents is not None:
        conditions.append({"document": {"$in": sorted(documents)}})
    if len(conditions) > 1:
        return {"$and": conditions}
    return conditions[0] if conditions else None
