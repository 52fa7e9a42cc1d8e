"""What else one would take for the same questions: plain BM25, the dense side alone, the naive pipeline."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bm25s
import chromadb
import numpy as np
import numpy.typing as npt
from langchain_chroma import Chroma
from langchain_core.embeddings import Embeddings
from langchain_text_splitters import RecursiveCharacterTextSplitter
from sqlalchemy import select

from core import chroma
from core.database import unit_of_work
from core.settings import settings
from knowledge import indexing, passages
from knowledge.evaluation import DEPTH, GoldArticles, evaluate
from knowledge.models import Provision, Revision
from knowledge.search.building import embedding_digest
from knowledge.search.passages import Passage
from tests.benchmarks import store
from tests.benchmarks.evaluate_retrieval import examples
from tests.benchmarks.forms import FORMS
from tests.benchmarks.report import Figure, save

SIZE, OVERLAP = 1000, 200
_CHUNKS = 60
"""Chunks or passages looked at for ten articles."""
_WORD = re.compile(r"\w+")

SearchArticles = Callable[[str], Sequence[int]]


def peers(out: Path, cache: Path, source: Path) -> None:
    """MRR@10 and hit@10 of each peer in the four forms, over the same documents and questions."""
    store.alqac(source, cache)
    with unit_of_work() as session:
        found = passages.load(session)
        gold = GoldArticles(session)
        systems: dict[str, SearchArticles] = {
            "plain BM25": plain_bm25(found),
            "dense alone": _dense(found),
            "naive pipeline": _naive(cache),
        }
        details: dict[str, dict[str, Any]] = {}
        figures = []
        for name, search_articles in systems.items():
            details[name] = {}
            for form in FORMS:
                result = evaluate(
                    examples(source, form), gold=gold, search_articles=search_articles, warn=lambda _: None
                )
                details[name][form] = result
                figures += [
                    Figure(f"{name}, {form}: MRR@10", result["mrr@10"], peer=True),
                    Figure(f"{name}, {form}: hit@10", result["hit@10"], peer=True),
                ]
    save(
        "peers",
        figures,
        details,
        out,
        [
            "Plain BM25: bm25s as it comes (k1 1.5, b 0.75), accented syllables as typed, over the product's own passages.",
            "Dense alone: the same model and passages, the question as typed (composed to NFC, accents not restored).",
            (
                f"Naive pipeline: LangChain's RecursiveCharacterTextSplitter ({SIZE}/{OVERLAP}) over each law, Chroma, the same model;"
                " a chunk stands for the article that it overlaps most. It gets the model with NFC, too."
            ),
        ],
    )


def plain_bm25(found: Sequence[Passage]) -> SearchArticles:
    """BM25 over accented syllables as typed."""
    index = bm25s.BM25()
    index.index([_syllables(f"{p.heading} {p.text}") for p in found], show_progress=False)
    vocabulary = set(index.vocab_dict)
    articles = [passage.article for passage in found]

    def search(question: str) -> list[int]:
        known = [word for word in _syllables(question) if word in vocabulary]
        if not known:
            return []
        scores = index.get_scores(known)
        return _articles([articles[row] for row in np.argsort(-scores, kind="stable")[:_CHUNKS] if scores[row] > 0])

    return search


def _syllables(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _dense(found: Sequence[Passage]) -> SearchArticles:
    kept, embedder = store.stored_vectors(), indexing.embedder()
    matrix = np.stack([kept[embedding_digest(embedder.model_id, passage)] for passage in found])
    articles = [passage.article for passage in found]

    def search(question: str) -> list[int]:
        cosines = matrix @ embedder.encode_query(question)
        return _articles([articles[row] for row in np.argsort(-cosines)[:_CHUNKS]])

    return search


class _KeptEmbeddings(Embeddings):
    """The product's model behind LangChain's interface, with the chunks' vectors kept in a file."""

    def __init__(self, path: Path) -> None:
        self._inner, self._path = indexing.embedder(), path

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        known: npt.NDArray[np.float32] | None = np.load(self._path) if self._path.is_file() else None
        if known is None or len(known) != len(texts):
            known = self._inner.encode_passages(texts)
            np.save(self._path, known)
        rows: list[list[float]] = known.tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        row: list[float] = self._inner.encode_query(text).tolist()
        return row


def _naive(cache: Path) -> SearchArticles:
    splitter = RecursiveCharacterTextSplitter(chunk_size=SIZE, chunk_overlap=OVERLAP, add_start_index=True)
    texts: list[str] = []
    articles: list[int] = []
    with unit_of_work() as session:
        for revision_id, text in session.execute(select(Revision.id, Revision.text).order_by(Revision.id)).all():
            places = session.execute(
                select(Provision.id, Provision.start, Provision.end)
                .where(Provision.revision_id == revision_id, Provision.kind == "article")
                .order_by(Provision.start)
            ).all()
            for chunk in splitter.create_documents([text]):
                start = int(chunk.metadata["start_index"])
                texts.append(chunk.page_content)
                articles.append(
                    most_overlapped(start, start + len(chunk.page_content), [(p.id, p.start, p.end) for p in places])
                )
    port = int(chroma.ensure(settings().data_dir).rpartition(":")[2])
    client = chromadb.HttpClient(host="127.0.0.1", port=port, settings=chromadb.Settings(anonymized_telemetry=False))
    if any(collection.name == "naive-peer" for collection in client.list_collections()):
        client.delete_collection("naive-peer")
    embeddings = _KeptEmbeddings(cache / "naive.npy")
    pipeline = Chroma("naive-peer", embeddings, client=client, collection_configuration={"hnsw": {"space": "cosine"}})
    embeddings.embed_documents(texts)
    kept = np.load(cache / "naive.npy")
    for begin in range(0, len(texts), 1000):
        rows = slice(begin, begin + 1000)
        pipeline._collection.add(
            ids=[str(number) for number in range(len(texts))[rows]],
            embeddings=kept[rows],
            documents=texts[rows],
            metadatas=[{"article": article} for article in articles[rows]],
        )

    def search(question: str) -> list[int]:
        return _articles([int(hit.metadata["article"]) for hit in pipeline.similarity_search(question, k=_CHUNKS)])

    return search


def most_overlapped(start: int, end: int, places: Sequence[tuple[int, int, int]]) -> int:
    """The id of the article (id, start, end) that has most of the stretch; -1 when none has any."""
    shares = [(min(end, stop) - max(start, begin), id_) for id_, begin, stop in places]
    best = max(shares, default=(0, -1))
    return best[1] if best[0] > 0 else -1


def _articles(ranked: Sequence[int]) -> list[int]:
    return list(dict.fromkeys(ranked))[:DEPTH]
