"""Embedding models behind LangChain's interface: the default one without torch, and any of sentence-transformers."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from langchain_core.embeddings import Embeddings
from tokenizers import Tokenizer

from core.text import nfc
from knowledge.search.e5 import ModelInfo, build_model

__all__ = [
    "DEFAULT_MODEL",
    "ArrayEmbeddings",
    "E5Embeddings",
    "Embedder",
    "EmbeddingModelError",
    "SentenceTransformerEmbeddings",
    "Vectors",
    "load_embeddings",
]

DEFAULT_MODEL = "e5-small-int8"
Vectors = npt.NDArray[np.float32]
"""Unit vectors, one a row."""
Progress = Callable[[int, int], None]
"""Called with the number of texts done and of all texts."""

_BATCH_TOKENS = 2_048  # padding included; larger batches leave the processor's cache and gain nothing


class EmbeddingModelError(RuntimeError):
    """The embedding model of the settings cannot be loaded."""


class Embedder(Protocol):
    """What search needs of a model: LangChain's interface plus arrays and an identity that its vectors are kept under."""

    model_id: str
    dimension: int

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Vectors of *texts*, in their order, of shape (len(texts), dimension)."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """The vector of a question, of shape (dimension,)."""
        ...


class ArrayEmbeddings(Embeddings):
    """LangChain's list-of-floats methods on top of the array methods."""

    model_id: str
    dimension: int

    @abstractmethod
    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Vectors of *texts*, in their order, of shape (len(texts), dimension)."""

    @abstractmethod
    def encode_query(self, text: str) -> Vectors:
        """The vector of a question, of shape (dimension,)."""

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of passages as lists."""
        rows: list[list[float]] = self.encode_passages(texts).tolist()
        return rows

    def embed_query(self, text: str) -> list[float]:
        """The vector of a question as a list."""
        row: list[float] = self.encode_query(text).tolist()
        return row


class E5Embeddings(ArrayEmbeddings):
    """multilingual-e5-small as int8 ONNX, built from an installed package when *folder* does not hold it yet.

    384 floats of unit length a text; texts are composed to NFC (the model's tokenizer does not) and cut at 512 tokens.
    *threads* is the number of batches of passages encoded at a time; a question takes one core. Safe for concurrent
    callers.
    """

    def __init__(self, folder: Path, *, threads: int = 2) -> None:
        info: ModelInfo = build_model(folder)
        self.dimension = info.dimension
        self.model_id = f"{DEFAULT_MODEL}/{info.recipe}/{info.source_sha256[:12]}"
        self._pad_id, self._threads = info.pad_id, threads
        self._tokenizer: Tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(max_length=info.max_tokens)
        options = onnxruntime.SessionOptions()
        # One core a call: batches side by side use two cores better than two threads inside one operator.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        model = str(folder / "model.onnx")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Vectors of *texts*, in their order; *progress* hears after every batch."""
        encodings = self._tokenizer.encode_batch(["passage: " + nfc(text) for text in texts])
        ids: list[list[int]] = [encoding.ids for encoding in encodings]
        vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        batches = list(_batches([len(row) for row in ids]))
        done = 0
        with ThreadPoolExecutor(self._threads, thread_name_prefix="encoder") as pool:
            encoded = pool.map(self._run, ([ids[index] for index in batch] for batch in batches))
            for batch, rows in zip(batches, encoded, strict=True):
                vectors[batch] = rows
                done += len(batch)
                if progress is not None:
                    progress(done, len(texts))
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """The vector of a question."""
        vector: Vectors = self._run([self._tokenizer.encode("query: " + nfc(text)).ids])[0]
        return vector

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Number of tokens of *texts* as passages after the cut: the unit of encoding speed."""
        return sum(len(e.ids) for e in self._tokenizer.encode_batch(["passage: " + nfc(text) for text in texts]))

    def _run(self, rows: Sequence[Sequence[int]]) -> Vectors:
        length = max(map(len, rows))
        ids = np.full((len(rows), length), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = row
            mask[number, : len(row)] = 1
        (vectors,) = self._session.run(["embedding"], {"input_ids": ids, "attention_mask": mask})
        result: Vectors = vectors
        return result


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indexes of texts of like length, so that little padding is computed, shortest first."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and (len(batch) + 1) * lengths[index] > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


class SentenceTransformerEmbeddings(ArrayEmbeddings):
    """Any model of the library sentence-transformers (the extra ``neural``), by its name or from a local folder.

    Prompts that the model itself defines under the names "query" and "passage" or "document" are used. Raises
    EmbeddingModelError when the extra is missing or the model cannot be loaded.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer  # noqa: PLC0415  # heavy (torch), an optional extra
        except ImportError as error:
            raise EmbeddingModelError(
                f"the embedding model {name!r} needs the extra `neural`: run `make neural`,"
                f" or set SOTAY_EMBEDDING_MODEL={DEFAULT_MODEL}"
            ) from error
        try:
            self._model: Any = SentenceTransformer(name)
        except (OSError, ValueError, RuntimeError) as error:
            raise EmbeddingModelError(f"the embedding model {name!r} cannot be loaded: {error}") from error
        self.dimension = len(self._model.encode("a", show_progress_bar=False))
        self.model_id = f"sentence-transformers/{name}"
        self._lock = threading.Lock()  # torch modules are not documented as safe for concurrent calls

    def encode_passages(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Vectors of *texts*, in their order; *progress* hears after every 256 texts."""
        parts = [np.empty((0, self.dimension), dtype=np.float32)]
        for start in range(0, len(texts), 256):
            parts.append(self._encode(texts[start : start + 256], "passage", "document"))
            if progress is not None:
                progress(min(start + 256, len(texts)), len(texts))
        return np.concatenate(parts)

    def encode_query(self, text: str) -> Vectors:
        """The vector of a question."""
        vector: Vectors = self._encode([text], "query")[0]
        return vector

    def _encode(self, texts: Sequence[str], *prompt_names: str) -> Vectors:
        prompts = getattr(self._model, "prompts", None) or {}
        prompt = next((name for name in prompt_names if prompts.get(name)), None)
        with self._lock:
            vectors = self._model.encode(
                [nfc(text) for text in texts],
                prompt_name=prompt,
                normalize_embeddings=True,
                show_progress_bar=False,
                convert_to_numpy=True,
            )
        return np.asarray(vectors, dtype=np.float32)


def load_embeddings(name: str, model_folder: Path, *, threads: int = 2) -> E5Embeddings | SentenceTransformerEmbeddings:
    """The model called *name* in the settings: "e5-small-int8" (kept in *model_folder*) or one of sentence-transformers.

    Raises ModelBuildError or EmbeddingModelError.
    """
    if name == DEFAULT_MODEL:
        return E5Embeddings(model_folder / DEFAULT_MODEL, threads=threads)
    return SentenceTransformerEmbeddings(name)
