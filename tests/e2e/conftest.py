"""One installation for all tests that talk to the whole."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from core.settings import ROOT
from tests.e2e.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running installation with the demo documents and its engine."""
    if not (ROOT / ".venv-engine" / "bin" / "python").exists():
        pytest.fail("the engine's environment is missing: run `make setup`")
    made = Installation(tmp_path_factory.mktemp("installation"))
    assert made.start() == f"{made.address}/"
    try:
        made.wait_until_ok()
        yield made
    finally:
        assert made.stop() == 0
