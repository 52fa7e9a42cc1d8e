"""Which trained model belongs to the engine's files: its name is their fingerprint. Standard library only.

Both environments use it: the engine to train, the application to know whether a training is due.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_TRAINED_FROM = (
    "config.yml",
    "domain.yml",
    "requirements/engine.txt",
    "bot/data/**/*.yml",
    "bot/nlu/*.py",
    "bot/train.py",
    "core/text/__init__.py",
)


def fingerprint(root: Path = ROOT) -> str:
    """Sixteen hexadecimal digits over the paths and bytes of everything that a model is trained from."""
    digest = hashlib.sha256()
    for pattern in _TRAINED_FROM:
        for path in sorted(root.glob(pattern)):
            data = path.read_bytes()
            digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()[:16]


def models_folder(data_dir: Path) -> Path:
    """Where models lie in the data folder; nobody else may write there, because a model file is code."""
    return data_dir / "engine" / "models"


def model_path(data_dir: Path, root: Path = ROOT) -> Path:
    """The model for the files as they are now; it exists once ``python -m bot.train`` has finished."""
    return models_folder(data_dir) / f"{fingerprint(root)}.tar.gz"
