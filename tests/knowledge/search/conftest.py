"""A Chroma server, the default model and a small corpus of a fictitious association."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from knowledge.search.embedding import E5Embeddings, Vectors
from knowledge.search.passages import ALWAYS, OPEN_END, Passage
from knowledge.search.vectors import VectorStore

TODAY = date(2026, 3, 2)
CHANGE = date(2026, 1, 1).toordinal()
"""The day on which the second fee rule replaced the first."""


class ChromaServer:
    """`chroma run` on a free port; can be stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.folder = folder
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        program = "import sys, chromadb_rust_bindings as server; server.cli(sys.argv)"
        options = ["run", "--path", str(self.folder), "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "ANONYMIZED_TELEMETRY": "False"},
        )
        for _ in range(600):
            if self._answers():
                return
            time.sleep(0.05)
        raise AssertionError("Chroma did not start")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/api/v2/heartbeat")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            self.process = None


class DictCache:
    """Vectors by digest in memory."""

    def __init__(self) -> None:
        self.vectors: dict[str, Vectors] = {}

    def get(self, digests: Sequence[str]) -> Mapping[str, Vectors]:
        return {digest: self.vectors[digest] for digest in digests if digest in self.vectors}

    def put(self, vectors: Mapping[str, Vectors]) -> None:
        self.vectors.update(vectors)


class CountingEmbedder:
    """The default model, remembering what it encoded."""

    def __init__(self, model: E5Embeddings) -> None:
        self.model_id, self.dimension, self._model = model.model_id, model.dimension, model
        self.encoded: list[str] = []

    def encode_passages(self, texts: Sequence[str], progress: object = None) -> Vectors:
        self.encoded += texts
        return self._model.encode_passages(texts)

    def encode_query(self, text: str) -> Vectors:
        return self._model.encode_query(text)


@pytest.fixture(scope="session")
def e5(tmp_path_factory: pytest.TempPathFactory) -> E5Embeddings:
    return E5Embeddings(tmp_path_factory.mktemp("models") / "e5-small-int8")


@pytest.fixture(scope="session")
def chroma_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChromaServer]:
    server = ChromaServer(tmp_path_factory.mktemp("chroma"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(chroma_server: ChromaServer, e5: E5Embeddings) -> Iterator[VectorStore]:
    store = VectorStore(chroma_server.url, e5)
    yield store
    for name in store.collections():
        store.drop(name)


@pytest.fixture
def cache() -> DictCache:
    return DictCache()


_ARTICLES: Sequence[tuple[int, int, str, Sequence[str], int, int]] = [
    (10, 1, "Điều lệ Hội Sao Khuê. Điều 5. Điều kiện vào Hội", [
        "1. Người từ đủ 18 tuổi trở lên, tán thành Điều lệ này thì được xét kết nạp.",
        "2. Hồ sơ gồm đơn xin vào Hội và một ảnh chân dung.",
    ], ALWAYS, OPEN_END),
    (11, 1, "Điều lệ Hội Sao Khuê. Điều 6. Quyền của hội viên", [
        "1. Được ứng cử, đề cử và bầu cử vào Ban Chấp hành.",
        "2. Được xin ra khỏi Hội khi không muốn tiếp tục sinh hoạt.",
        "3. Được khen thưởng khi có thành tích xuất sắc.",
    ], ALWAYS, OPEN_END),
    (12, 1, "Điều lệ Hội Sao Khuê. Điều 9. Đại hội toàn thể", [
        "1. Đại hội toàn thể họp thường lệ năm năm một lần.",
        "2. Đại hội chỉ hợp lệ khi có ít nhất hai phần ba số hội viên có mặt.",
    ], ALWAYS, OPEN_END),
    (20, 2, "Quy chế tài chính năm 2020. Điều 3. Mức hội phí", [
        "Mỗi hội viên đóng hội phí mười nghìn đồng một tháng.",
    ], ALWAYS, CHANGE),
    (30, 3, "Quy chế tài chính năm 2026. Điều 3. Mức hội phí", [
        "Mỗi hội viên đóng hội phí hai mươi nghìn đồng một tháng.",
    ], CHANGE, OPEN_END),
    (31, 3, "Quy chế tài chính năm 2026. Điều 4. Quản lý quỹ", [
        "1. Thủ quỹ giữ tiền mặt và lập sổ thu chi hằng ngày.",
        "2. Ban Kiểm tra kiểm kê quỹ mỗi quý một lần.",
    ], CHANGE, OPEN_END),
]  # fmt: skip


@pytest.fixture
def passages() -> list[Passage]:
    return [
        Passage(article * 10 + number, article, document, heading, text, valid_from, valid_to)
        for article, document, heading, texts, valid_from, valid_to in _ARTICLES
        for number, text in enumerate(texts)
    ]


@pytest.fixture
def question_vector() -> Vectors:
    return np.eye(1, 384, dtype=np.float32)[0]
