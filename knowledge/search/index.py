"""The search index: passages found by words and by meaning, as of a day."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt

from core.text import nfc
from knowledge.search.building import EmbeddingCache, Progress, build_version, remove_unused_collections
from knowledge.search.embedding import Embedder
from knowledge.search.fusion import (
    CANDIDATES,
    DEFAULT_WEIGHTS,
    Hit,
    SearchResult,
    Signals,
    Weights,
    best_positions,
    fused,
    scaled,
)
from knowledge.search.lexical import Question, Vocabulary
from knowledge.search.manifest import IndexBroken, Manifest, remove_versions
from knowledge.search.passages import Passage
from knowledge.search.restoration import Restorer
from knowledge.search.scope import LexicalScores, Scope
from knowledge.search.table import PassageTable
from knowledge.search.vectors import Neighbours, VectorStore, VectorStoreUnavailable

__all__ = ["EmbeddingCache", "IndexBroken", "SearchIndex"]

log = logging.getLogger(__name__)

Mask = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_FEW = 2_500
"""So many passages Chroma filters by itself in good time; its filter costs about 6 µs for each that passes."""
_MOST = 2_000
"""At most so many neighbours are asked for, to be filtered here."""
_ENOUGH = 50
"""With so many neighbours left after filtering here, Chroma is not asked again with its own filter."""


class SearchIndex:
    """One version of the index, loaded; immutable, safe for concurrent callers."""

    def __init__(
        self,
        manifest: Manifest,
        folder: Path,
        *,
        embeddings: Embedder,
        store: VectorStore,
        weights: Weights = DEFAULT_WEIGHTS,
    ) -> None:
        """Load the version in *folder*; use ``load`` or ``build``."""
        self.manifest = manifest
        self._embeddings, self._store, self._weights = embeddings, store, weights
        self._table = PassageTable.load(folder)
        self._vocabulary = Vocabulary.load(folder / "vocabulary.txt")
        self._restorer = Restorer.load(folder / "accents.npz")
        self._all = Scope.load(folder / "all", self._table, np.arange(len(self._table)))
        current = np.flatnonzero(self._table.in_force(manifest.built_for.toordinal()))
        everything_in_force = len(current) == len(self._table)
        self._current = self._all if everything_in_force else Scope.load(folder / "current", self._table, current)
        self._degraded = False

    @classmethod
    def build(
        cls,
        passages: Sequence[Passage],
        *,
        folder: Path,
        version: str,
        embeddings: Embedder,
        store: VectorStore,
        cache: EmbeddingCache,
        built_for: date,
        prefix: str = "sotay",
        fresh: bool = False,
        progress: Progress | None = None,
    ) -> SearchIndex:
        """Build ``folder/version`` of *passages* and load it.

        The folder is complete or absent. The store's collections (named with *prefix*, the model and a generation) get
        only what differs; *fresh* makes new ones. *progress* hears how many passages are encoded. Raises
        FileExistsError (there is such a version), VectorStoreUnavailable, ValueError (two passages with one id).
        """
        manifest = build_version(
            passages,
            folder=folder,
            version=version,
            embeddings=embeddings,
            store=store,
            cache=cache,
            built_for=built_for,
            prefix=prefix,
            fresh=fresh,
            progress=progress,
        )
        return cls(manifest, folder / version, embeddings=embeddings, store=store)

    @classmethod
    def load(cls, folder: Path, version: str, *, embeddings: Embedder, store: VectorStore) -> SearchIndex:
        """Load ``folder/version``. Raises IndexBroken when it is missing, incomplete or of another model."""
        manifest = Manifest.read(folder / version)
        if (manifest.model_id, manifest.dimension) != (embeddings.model_id, embeddings.dimension):
            raise IndexBroken(
                f"{folder / version} was built with the model {manifest.model_id} ({manifest.dimension} dimensions),"
                f" the settings name {embeddings.model_id} ({embeddings.dimension}): rebuild the index"
            )
        try:
            return cls(manifest, folder / version, embeddings=embeddings, store=store)
        except (OSError, ValueError, KeyError) as error:
            raise IndexBroken(f"{folder / version} cannot be read: {error}") from error

    @staticmethod
    def remove_others(folder: Path, keep: Sequence[str], store: VectorStore, *, prefix: str = "sotay") -> None:
        """Remove all versions in *folder* but *keep*, and the collections that only they used.

        A version that is not complete is not kept.
        """
        kept: list[Manifest] = []
        for version in keep:
            with suppress(IndexBroken):
                kept.append(Manifest.read(folder / version))
        remove_unused_collections(store, kept, prefix=prefix)
        remove_versions(folder, keep={manifest.version for manifest in kept})

    def __len__(self) -> int:
        return len(self._table)

    def restore(self, question: str) -> str:
        """*question* in NFC with its accents restored, as far as they are missing."""
        return self._restorer.restore(question)

    def search(
        self, question: str, *, as_of: date, k: int = 10, documents: Collection[int] | None = None
    ) -> SearchResult:
        """The *k* best passages in force on *as_of*, of *documents* only where given.

        Without the vector store the words alone decide (``SearchResult.degraded`` says so).
        """
        restored = self.restore(question)
        asked = Question.of(nfc(question), self._vocabulary, restored=restored)
        is_current = as_of == self.manifest.built_for
        scope = self._current if is_current else self._all
        mask = self._mask(scope, None if is_current else as_of.toordinal(), documents)
        allowed = len(scope) if mask is None else int(mask.sum())
        if not asked.syllables or allowed == 0 or k < 1:
            return SearchResult(hits=[], signals=None, restored=restored)
        neighbours, degraded = self._neighbours(restored, scope, mask, as_of, documents)
        scores = scope.scores(asked, mask)
        total = self._fused(scope, mask, scores, neighbours)
        best = best_positions(total, k)
        if len(best) == 0:
            return SearchResult(hits=[], signals=None, restored=restored, degraded=degraded)
        dense_top = float(neighbours.cosines[0]) if neighbours is not None and len(neighbours.cosines) else 0.0
        return SearchResult(
            hits=self._hits(scope, best, total, scores, neighbours),
            signals=Signals(dense_available=neighbours is not None, dense_top=dense_top),
            restored=restored,
            degraded=degraded,
            term_weights=scope.clause.term_weights(asked),
        )

    def _mask(self, scope: Scope, day: int | None, documents: Collection[int] | None) -> Mask | None:
        mask: Mask | None = None
        if day is not None:
            mask = self._table.in_force(day)[scope.rows]
        if documents is not None:
            of_documents = np.isin(self._table.documents[scope.rows], list(documents))
            mask = of_documents if mask is None else mask & of_documents
        return None if mask is not None and mask.all() else mask

    def _neighbours(
        self, restored: str, scope: Scope, mask: Mask | None, as_of: date, documents: Collection[int] | None
    ) -> tuple[Neighbours | None, str | None]:
        """The nearest passages with positions of *scope* as ids, or None and why not."""
        try:
            found = self._nearest(self._embeddings.encode_query(restored), scope, mask, as_of, documents)
        except VectorStoreUnavailable as error:
            if not self._degraded:
                log.warning("search goes on by words alone: %s", error)
            self._degraded = True
            return None, str(error)
        self._degraded = False
        return found, None

    def _nearest(
        self,
        vector: npt.NDArray[np.float32],
        scope: Scope,
        mask: Mask | None,
        as_of: date,
        documents: Collection[int] | None,
    ) -> Neighbours:
        is_current = as_of == self.manifest.built_for
        collection = self.manifest.current if is_current else self.manifest.all
        allowed = len(scope) if mask is None else int(mask.sum())
        limit = min(CANDIDATES, allowed)
        # Half as many again as needed if what is filtered out lay evenly.
        asked = limit if mask is None else min(len(scope), int(1.5 * limit * len(scope) / allowed) + 1)
        if mask is None or (allowed > _FEW and asked <= _MOST):
            found = self._positioned(self._store.nearest(collection, vector, asked), scope, mask, limit)
            if len(found.ids) >= min(limit, _ENOUGH):
                return found
        day = None if is_current else as_of.toordinal()
        filtered = self._store.nearest(collection, vector, limit, day=day, documents=documents)
        return self._positioned(filtered, scope, mask, limit)

    def _positioned(self, found: Neighbours, scope: Scope, mask: Mask | None, limit: int) -> Neighbours:
        """Passage ids to positions in *scope*; what another version of the index has put into the store is dropped."""
        positions = scope.positions_of(self._table.rows_of(found.ids))
        kept = positions >= 0
        if mask is not None:
            kept[kept] = mask[positions[kept]]
        return Neighbours(positions[kept][:limit], found.cosines[kept][:limit])

    def _fused(
        self, scope: Scope, mask: Mask | None, scores: LexicalScores, neighbours: Neighbours | None
    ) -> npt.NDArray[np.float64]:
        article = scaled(scores.article)[scope.article_of]
        dense: npt.NDArray[np.float64] | None = None
        if neighbours is not None:
            dense = np.zeros(len(scope))
            dense[neighbours.ids] = scaled(neighbours.cosines)
        total = fused(article, scaled(scores.clause), dense, self._weights)
        if mask is not None:
            total[~mask] = 0  # a passage of an article that has others in force
        return total

    def _hits(
        self,
        scope: Scope,
        positions: Ints,
        total: npt.NDArray[np.float64],
        scores: LexicalScores,
        neighbours: Neighbours | None,
    ) -> list[Hit]:
        cosines: dict[int, float] = {}
        if neighbours is not None:
            cosines = dict(zip(neighbours.ids.tolist(), neighbours.cosines.tolist(), strict=True))
        return [
            Hit(
                passage=self._table.passage(int(scope.rows[position])),
                score=float(total[position]),
                lexical_article=float(scores.article[scope.article_of[position]]),
                lexical_clause=float(scores.clause[position]),
                dense=cosines.get(position),
            )
            for position in positions.tolist()
        ]
