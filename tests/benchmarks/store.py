"""Data folders for measurements: filled through the product's own commands, kept between runs, vectors never twice."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from core import chroma, database, postgres, settings
from core.database import unit_of_work
from core.settings import ROOT
from knowledge import indexing
from knowledge.models import Embedding, IndexVersion
from knowledge.search.index import SearchIndex
from tests.material import write_alqac_laws

Vectors = npt.NDArray[np.float32]

CACHE = ROOT / "build" / "benchmarks" / "cache"
_VECTORS = "vectors.npz"
_ROWS = 1_000


def material() -> Path | None:
    """The folder that SOTAY_MATERIAL names, None when it names none."""
    folder = os.environ.get("SOTAY_MATERIAL")
    return Path(folder) if folder and (Path(folder) / "data" / "alqac2024").is_dir() else None


def use(data_dir: Path) -> None:
    """Let this process work on *data_dir*, with its own embedded database and vector store."""
    for variable in ("DATABASE_URL", "CHROMA_URL"):
        os.environ.pop(variable, None)
    os.environ["SOTAY_DATA_DIR"] = str(data_dir)
    settings.settings.cache_clear()
    database.reset()
    indexing.reset()
    database.migrate()


def leave() -> None:
    """Stop the database and the vector store of the data folder in use, unless others use them."""
    data_dir = settings.settings().data_dir
    database.reset()
    indexing.reset()
    chroma.release(data_dir, wait=30)
    postgres.release(data_dir, wait=30)


def sotay(data_dir: Path, *arguments: str) -> None:
    """Run one ``sotay`` command on *data_dir*. Raises subprocess.CalledProcessError."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CHROMA_URL")}
    subprocess.run(
        [sys.executable, "-m", "sotay", *arguments],
        cwd=ROOT,
        env={**environment, "SOTAY_DATA_DIR": str(data_dir)},
        stdout=subprocess.DEVNULL,
        check=True,
    )


def laws(source: Path) -> list[dict[str, Any]]:
    """ALQAC's laws."""
    found: list[dict[str, Any]] = json.loads((source / "data/alqac2024/law.json").read_text(encoding="utf-8"))
    return found


def questions(source: Path) -> list[dict[str, Any]]:
    """ALQAC's questions."""
    found: list[dict[str, Any]] = json.loads((source / "data/alqac2024/train.json").read_text(encoding="utf-8"))
    return found


def alqac(source: Path, cache: Path) -> Path:
    """The data folder with ALQAC's laws, taken in by ``sotay ingest --publish``; this process works on it afterwards.

    Its name holds the digest of laws and reading code, so a change of either makes a new one; vectors are taken over.
    """
    data_dir = cache / f"alqac-{_digest(source / 'data/alqac2024/law.json')}"
    files = write_alqac_laws(data_dir / "laws", laws(source))  # type: ignore[arg-type]
    _fill(data_dir, cache, ["ingest", *map(str, files), "--publish", "--json"])
    return data_dir


def demo(cache: Path) -> Path:
    """The data folder with the demo documents alone; this process works on it afterwards."""
    data_dir = cache / f"demo-{_digest(*sorted((ROOT / 'sotay' / 'demo').iterdir()))}"
    _fill(data_dir, cache, ["demo", "load"])
    return data_dir


def _digest(*content: Path) -> str:
    digest = hashlib.sha256()
    code = [*sorted((ROOT / "ingest").glob("*.py")), ROOT / "knowledge" / "passages.py", ROOT / "tests" / "material.py"]
    for path in (*content, *code):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _fill(data_dir: Path, cache: Path, command: Sequence[str]) -> None:
    use(data_dir)
    with unit_of_work() as session:
        known = session.get(IndexVersion, 1)
    if known is None:
        put_vectors(_load(cache / _VECTORS))
        sotay(data_dir, *command)
        _keep(cache / _VECTORS)
    indexing.refresh(only_if_behind=True)


def put_vectors(vectors: Mapping[str, Vectors]) -> None:
    """Store vectors by digest in the database in use."""
    items = list(vectors.items())
    for start in range(0, len(items), _ROWS):
        rows = [{"digest": key, "vector": row.astype("<f4").tobytes()} for key, row in items[start : start + _ROWS]]
        with unit_of_work() as session:
            session.execute(insert(Embedding).values(rows).on_conflict_do_nothing(index_elements=["digest"]))


def stored_vectors() -> dict[str, Vectors]:
    """All vectors of the database in use, by digest."""
    with unit_of_work() as session:
        rows = session.execute(select(Embedding.digest, Embedding.vector))
        return {digest: np.frombuffer(vector, dtype="<f4") for digest, vector in rows}


def _load(path: Path) -> dict[str, Vectors]:
    if not path.is_file():
        return {}
    with np.load(path) as kept:
        return dict(zip(kept["digests"].tolist(), kept["vectors"], strict=True))


def _keep(path: Path) -> None:
    vectors = {**_load(path), **stored_vectors()}
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("new-" + path.name)
    np.savez(temporary, digests=np.array(list(vectors)), vectors=np.stack(list(vectors.values())))
    temporary.replace(path)


def load_index() -> SearchIndex:
    """The version of the index in use, loaded for itself."""
    with unit_of_work() as session:
        version = session.get_one(IndexVersion, 1).version
    folder = settings.settings().data_dir / "index"
    return SearchIndex.load(folder, str(version), embeddings=indexing.embedder(), store=indexing._store())


def index_folder(index: SearchIndex) -> Path:
    """Where the files of a loaded *index* lie."""
    return settings.settings().data_dir / "index" / index.manifest.version


def fresh(folder: Path) -> Path:
    """*folder*, empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
