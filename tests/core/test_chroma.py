import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from core import chroma

API = "/api/v2/tenants/default_tenant/databases/default_database/collections"


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "dữ liệu của sổ tay"
    yield folder
    assert chroma.release(folder, wait=20) is True
    assert chroma.Chroma(folder).strays() == []


def test_killed_chroma_comes_back_with_its_data(data_dir: Path) -> None:
    assert chroma.running(data_dir) is False
    url = chroma.ensure(data_dir)
    assert urlsplit(url).hostname == "127.0.0.1"
    assert chroma.running(data_dir) is True
    with httpx.Client(base_url=url) as client:
        created = client.post(API, json={"name": "passages"}).raise_for_status().json()
        records = {"ids": ["7", "8"], "embeddings": [[1.0, 0.0], [0.0, 1.0]], "documents": ["khoản 7", "khoản 8"]}
        client.post(f"{API}/{created['id']}/add", json=records).raise_for_status()

    running = chroma.Chroma(data_dir).process()
    assert running is not None
    os.kill(running.pid, signal.SIGKILL)
    end = time.monotonic() + 20
    while (now := chroma.Chroma(data_dir).running()) is None or now.pid == running.pid:
        assert time.monotonic() < end
        time.sleep(0.02)

    assert chroma.ensure(data_dir) == url
    with httpx.Client(base_url=url) as client:
        query = {"query_embeddings": [[0.1, 0.9]], "n_results": 1, "include": ["documents"]}
        found = client.post(f"{API}/{created['id']}/query", json=query).raise_for_status().json()
    assert (found["ids"], found["documents"]) == ([["8"]], [["khoản 8"]])


def test_telemetry_is_off() -> None:
    assert chroma.Chroma(Path("unused")).environment()["ANONYMIZED_TELEMETRY"] == "False"


def test_a_deleted_data_folder_leaves_no_server_behind(tmp_path: Path) -> None:
    folder = tmp_path / "xóa"
    chroma.ensure(folder)
    running = chroma.Chroma(folder).process()
    assert running is not None
    server = psutil.Process(running.pid)
    shutil.rmtree(folder)
    chroma.release(folder)
    server.wait(timeout=20)  # raises when the server outlives its folder
