"""Builds one version of a search index: lexical levels and tables on disk, vectors in the store by difference."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from knowledge.search.embedding import Embedder
from knowledge.search.lexical import VocabularyBuilder
from knowledge.search.manifest import Manifest, unfinished_version
from knowledge.search.passages import ALWAYS, OPEN_END, Passage, embedding_input, is_in_force
from knowledge.search.restoration import Restorer
from knowledge.search.scope import Scope
from knowledge.search.table import PassageTable
from knowledge.search.vectors import StoredVector, VectorStore

__all__ = ["EmbeddingCache", "Progress", "build_version", "embedding_digest", "remove_unused_collections"]

Item = TypeVar("Item")
Vectors = npt.NDArray[np.float32]
Terms = npt.NDArray[np.int32]
Progress = Callable[[int, int], None]
"""Called with the number of passages encoded and of all that must be."""

_ENCODED_AT_ONCE = 256  # kept in the cache before the next: what an interrupted build has done is not lost


class EmbeddingCache(Protocol):
    """Keeps vectors by digest, so that no text is encoded twice."""

    def get(self, digests: Sequence[str]) -> Mapping[str, Vectors]:
        """The vectors of those *digests* that are known."""
        ...

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        """Keep *vectors* by digest."""
        ...


def embedding_digest(model_id: str, passage: Passage) -> str:
    """SHA-256 (hex) of the model's id and of what it reads of *passage*."""
    return hashlib.sha256(f"{model_id}\n{embedding_input(passage)}".encode("utf-8", "surrogatepass")).hexdigest()


def build_version(
    passages: Sequence[Passage],
    *,
    folder: Path,
    version: str,
    embeddings: Embedder,
    store: VectorStore,
    cache: EmbeddingCache,
    built_for: date,
    prefix: str,
    fresh: bool,
    progress: Progress | None,
) -> Manifest:
    """Write ``folder/version`` and bring the store's two collections up to date; see ``SearchIndex.build``."""
    with unfinished_version(folder, version) as unfinished:
        _write_lexical(passages, unfinished, built_for)
        digests = {passage.id: embedding_digest(embeddings.model_id, passage) for passage in passages}
        _encode_missing(passages, digests, embeddings, cache, progress)
        current, everything = _collections(store, embeddings, prefix, fresh=fresh)
        in_force = [passage for passage in passages if is_in_force(passage, built_for)]
        _update(store, everything, {p.id: _stored(p, digests[p.id]) for p in passages}, digests, cache)
        _update(store, current, {p.id: _stored_current(p, digests[p.id]) for p in in_force}, digests, cache)
        manifest = Manifest(
            version=version,
            model_id=embeddings.model_id,
            dimension=embeddings.dimension,
            built_for=built_for,
            passages=len(passages),
            current=current,
            all=everything,
        )
        manifest.write(unfinished)
    return manifest


def remove_unused_collections(store: VectorStore, manifests: Sequence[Manifest], *, prefix: str) -> None:
    """Drop the collections with *prefix* that none of *manifests* names."""
    used = {name for manifest in manifests for name in (manifest.current, manifest.all)}
    for name in store.collections():
        if name not in used and re.fullmatch(_collection_pattern(prefix), name):
            store.drop(name)


def _write_lexical(passages: Sequence[Passage], folder: Path, built_for: date) -> None:
    table = PassageTable.of(passages)
    table.save(folder)
    builder = VocabularyBuilder()
    by_heading: dict[str, Terms] = {}
    for passage in passages:
        if passage.heading not in by_heading:
            by_heading[passage.heading] = builder.encode(passage.heading)
    headings = [by_heading[passage.heading] for passage in passages]
    texts = [builder.encode(passage.text) for passage in passages]
    vocabulary = builder.vocabulary()
    vocabulary.save(folder / "vocabulary.txt")
    everything = np.arange(len(passages), dtype=np.int64)
    Scope.build(table, everything, headings, texts, len(vocabulary)).save(folder / "all")
    current = np.flatnonzero(table.in_force(built_for.toordinal()))
    if len(current) < len(passages):
        Scope.build(table, current, headings, texts, len(vocabulary)).save(folder / "current")
    Restorer.train([*by_heading, *(passage.text for passage in passages)]).save(folder / "accents.npz")


def _encode_missing(
    passages: Sequence[Passage],
    digests: Mapping[int, str],
    embeddings: Embedder,
    cache: EmbeddingCache,
    progress: Progress | None,
) -> None:
    missing: dict[str, Passage] = {}
    for group in _batches(passages, 1_000):
        known = cache.get([digests[passage.id] for passage in group])
        missing |= {digests[passage.id]: passage for passage in group if digests[passage.id] not in known}
    # Texts of like length together: little padding is computed.
    ordered = sorted(missing.items(), key=lambda item: len(item[1].heading) + len(item[1].text))
    done = 0
    if progress is not None and ordered:
        progress(0, len(ordered))
    for part in _batches(ordered, _ENCODED_AT_ONCE):
        vectors = embeddings.encode_passages([embedding_input(passage) for _, passage in part])
        cache.put({digest: vector for (digest, _), vector in zip(part, vectors, strict=True)})
        done += len(part)
        if progress is not None:
            progress(done, len(ordered))


def _stored(passage: Passage, digest: str) -> StoredVector:
    return StoredVector(digest[:32], passage.document, passage.valid_from, passage.valid_to)


def _stored_current(passage: Passage, digest: str) -> StoredVector:
    # Days do not matter there: a document that ends in the future must not change the collection.
    return StoredVector(digest[:32], passage.document, ALWAYS, OPEN_END)


def _update(
    store: VectorStore,
    collection: str,
    wanted: Mapping[int, StoredVector],
    digests: Mapping[int, str],
    cache: EmbeddingCache,
) -> None:
    """Make *collection* hold exactly *wanted*, sending only what differs."""
    present = store.stored(collection)
    store.remove(collection, [passage for passage in present if passage not in wanted])

    def vectors_of(batch: Sequence[int]) -> Vectors:
        found = cache.get([digests[passage] for passage in batch])
        return np.stack([found[digests[passage]] for passage in batch])

    changed = {passage: stored for passage, stored in wanted.items() if present.get(passage) != stored}
    store.put(collection, changed, vectors_of)


def _collections(store: VectorStore, embeddings: Embedder, prefix: str, *, fresh: bool) -> tuple[str, str]:
    """The names of the collections to fill, made where they are missing: the newest ones of this model."""
    model = hashlib.sha256(embeddings.model_id.encode()).hexdigest()[:8]
    existing = store.collections()
    matches = [re.fullmatch(_collection_pattern(prefix), name) for name in existing]
    generation = max((int(found["generation"]) for found in matches if found and found["model"] == model), default=1)
    if fresh:
        generation = max((int(found["generation"]) for found in matches if found), default=0) + 1
    names = (f"{prefix}-current-{model}-{generation}", f"{prefix}-all-{model}-{generation}")
    for name in names:
        if name not in existing:
            store.create(name)
    return names


def _collection_pattern(prefix: str) -> str:
    return rf"{re.escape(prefix)}-(?:current|all)-(?P<model>[0-9a-f]{{8}})-(?P<generation>\d+)"


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
