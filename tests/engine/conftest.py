"""Tests of the engine's side. They run in its own environment: ``.venv-engine/bin/python -m pytest tests/engine``."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

# In the application's environment there is no engine to test.
collect_ignore_glob = [] if importlib.util.find_spec("rasa") else ["test_*.py"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the model trained from the files as they are."""
    from bot.train import train

    folder = tmp_path_factory.mktemp("engine data")
    train(folder)
    return folder
