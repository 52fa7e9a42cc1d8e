"""The search index of the published documents: asked for in a unit of work, built once, shared by every process.

The database is the truth. A change raises ``wanted``; whoever refreshes builds one version for all changes so far and
makes it the one in use; every process loads it with its next question.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import chroma, clock, database, jobs
from core.database import unit_of_work
from core.locks import Lock
from core.settings import settings
from knowledge import abstention, passages, sentences
from knowledge.models import Embedding, IndexVersion
from knowledge.search.embedding import ArrayEmbeddings, load_embeddings
from knowledge.search.fusion import SearchResult
from knowledge.search.index import IndexBroken, SearchIndex
from knowledge.search.passages import Passage
from knowledge.search.vectors import VectorStore, VectorStoreUnavailable

log = logging.getLogger(__name__)

LOCK = "index"
"""Lock of the jobs that build the index, one at a time."""

Progress = Callable[[int, int], None]
Vectors = npt.NDArray[np.float32]


def request(session: Session) -> None:
    """Ask for a refreshed index, in the unit of work that changes what is published."""
    session.execute(
        insert(IndexVersion)
        .values(id=1, version=0, built_for=clock.today(), wanted=1, built=0, recipe=passages.RECIPE)
        .on_conflict_do_update(index_elements=["id"], set_={"wanted": IndexVersion.wanted + 1})
    )
    _defer_refresh(session)


def request_for_today(session: Session) -> None:
    """Ask for an index of what is in force today, if the one in use is of another day or behind."""
    row = session.get(IndexVersion, 1)
    if row is not None and _is_behind(row, clock.today()):
        _defer_refresh(session)


def _is_behind(row: IndexVersion, day: date) -> bool:
    return (row.built, row.built_for, row.recipe) != (row.wanted, day, passages.RECIPE) or not row.version


def _defer_refresh(session: Session) -> None:
    jobs.defer(session, "knowledge.refresh_index", queue="index", lock=LOCK, once="knowledge.refresh_index")


def refresh(
    *, only_if_behind: bool = True, for_today: bool = True, fresh: bool = False, progress: Progress | None = None
) -> None:
    """Build the next version of the index and put it to use.

    Args:
        only_if_behind: do nothing when the version in use was built for all changes.
        for_today: a version that was built on an earlier day is behind as well (it answers rightly, but slower).
        fresh: make the vector store's collections anew as well.
        progress: hears how many passages are encoded.

    Raises ``core.keeper.ServiceError`` or VectorStoreUnavailable when the vector store cannot be reached.
    """
    with database.connect() as lock:  # released with the connection, however this ends
        lock.execute("select pg_advisory_lock(%s)", [int(Lock.INDEX)])
        with unit_of_work() as session:
            row = session.get(IndexVersion, 1)
            if row is None:
                return
            today = clock.today()
            if only_if_behind and not fresh and not _is_behind(row, today if for_today else row.built_for):
                return
            wanted, version = row.wanted, row.version + 1
            content = passages.load(session)
        SearchIndex.remove_others(_folder(), [str(row.version)] if _is_complete(row.version) else [], _store())
        built = _build(content, version, today, fresh=fresh, progress=progress)
        with unit_of_work() as session:
            row = session.get_one(IndexVersion, 1, with_for_update=True)
            row.version, row.built, row.built_for, row.recipe = version, wanted, today, passages.RECIPE
        _Loaded.use(version, built)
        log.info("index version %d: %d passages", version, len(content))


def _build(
    content: Sequence[Passage], version: int, day: date, *, fresh: bool = False, progress: Progress | None = None
) -> SearchIndex:
    return SearchIndex.build(
        content,
        folder=_folder(),
        version=str(version),
        embeddings=embedder(),
        store=_store(),
        cache=_DatabaseCache(),
        built_for=day,
        fresh=fresh,
        progress=progress,
    )


def repair() -> None:
    """Build the version in use again where this data folder lacks it (restored, or a second machine) or cannot read it.

    The version keeps its number, so that machines on one database do not outdate each other's index.
    """
    with database.connect() as lock:
        lock.execute("select pg_advisory_lock(%s)", [int(Lock.INDEX)])
        with unit_of_work() as session:
            row = session.get(IndexVersion, 1)
            if row is None or not row.version:
                return
            content = passages.load(session)
        try:
            _Loaded.get(row.version)  # another process was faster
        except IndexBroken as error:
            log.warning("the index is built again: %s", error)
            shutil.rmtree(_folder() / str(row.version), ignore_errors=True)
            _Loaded.use(row.version, _build(content, row.version, row.built_for))


def _is_complete(version: int) -> bool:
    return (_folder() / str(version) / "manifest.json").is_file()


class _DatabaseCache:
    """Vectors of passages, kept in the database by the hash of model and text."""

    def get(self, digests: Sequence[str]) -> Mapping[str, Vectors]:
        """The vectors of those *digests* that are known."""
        with unit_of_work() as session:
            rows = session.execute(select(Embedding.digest, Embedding.vector).where(Embedding.digest.in_(set(digests))))
            return {digest: np.frombuffer(vector, dtype="<f4") for digest, vector in rows}

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        """Keep *vectors* by digest."""
        rows = [{"digest": digest, "vector": vector.astype("<f4").tobytes()} for digest, vector in vectors.items()]
        with unit_of_work() as session:
            session.execute(insert(Embedding).values(rows).on_conflict_do_nothing(index_elements=["digest"]))


class _Loaded:
    """The version that this process has loaded."""

    lock = threading.Lock()
    version = 0
    index: SearchIndex | None = None

    @classmethod
    def use(cls, version: int, index: SearchIndex) -> None:
        with cls.lock:
            cls.version, cls.index = version, index

    @classmethod
    def get(cls, version: int) -> SearchIndex:
        """The index of *version*, loaded once in a process however many ask."""
        with cls.lock:
            if cls.index is None or cls.version != version:
                cls.index = SearchIndex.load(_folder(), str(version), embeddings=embedder(), store=_store())
                cls.version = version
            return cls.index


def _folder() -> Path:
    return settings().data_dir / "index"


@lru_cache(maxsize=1)
def embedder() -> ArrayEmbeddings:
    """The embedding model of the settings, loaded once in a process."""
    return load_embeddings(settings().embedding_model, settings().data_dir / "models")


@lru_cache(maxsize=1)
def _store() -> VectorStore:
    return VectorStore(lambda: settings().chroma_url or chroma.ensure(settings().data_dir), embedder())


def _current(session: Session) -> SearchIndex | None:
    """The version in use; None when nothing was ever published."""
    row = session.get(IndexVersion, 1, populate_existing=True)
    if row is None or not row.version:
        return None
    return _Loaded.get(row.version)


def search(
    session: Session, question: str, *, as_of: date, k: int = 10, documents: Collection[int] | None = None
) -> SearchResult:
    """The *k* best passages for *question* in force on *as_of*, of *documents* only where given."""
    try:
        index = _current(session)
    except IndexBroken:
        repair()
        index = _current(session)
    if index is None:
        return SearchResult(hits=[], signals=None, restored=question)
    return index.search(question, as_of=as_of, k=k, documents=documents)


def restore(question: str) -> str:
    """*question* with its accents restored by the model learnt from the published documents."""
    index = _Loaded.index
    return index.restore(question) if index else question


def calibration_file() -> Path:
    """Where ``sotay calibrate`` keeps its numbers."""
    return settings().data_dir / "calibration.json"


def parameters() -> abstention.Parameters:
    """The numbers of abstention: those of ``sotay calibrate`` where there are any, else those of the product."""
    path = calibration_file()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _parameters(path if changed else None, changed)


@lru_cache(maxsize=2)
def _parameters(path: Path | None, _changed: int) -> abstention.Parameters:
    return abstention.load_parameters(path)


def warm_up() -> None:
    """Load everything that the first question would wait for, and mend an index that the vector store has lost."""
    with suppress(VectorStoreUnavailable):
        if _has_lost_vectors():
            refresh(only_if_behind=False)
    sentences.split_sentences("Điều lệ.")
    with unit_of_work() as session:
        search(session, "điều lệ", as_of=clock.today(), k=1)


def _has_lost_vectors() -> bool:
    """Whether the vector store does not hold what the index in use needs (its data were deleted)."""
    with unit_of_work() as session:
        try:
            index = _current(session)
        except IndexBroken:
            repair()
            return False
    if index is None:
        return False
    manifest = index.manifest
    return manifest.all not in _store().collections() or _store().count(manifest.all) != manifest.passages


def reset() -> None:
    """Forget what this process has loaded (another data folder)."""
    with _Loaded.lock:
        _Loaded.version, _Loaded.index = 0, None
    for cached in (embedder, _store, _parameters):
        cached.cache_clear()
