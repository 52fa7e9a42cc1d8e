"""One installation for all tests that talk to the whole; a browser for each module that looks at pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from core.settings import ROOT
from tests.e2e.chat_page import launch_chromium
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


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium. Modules that use it skip themselves where there is none (``chromium_path``)."""
    with sync_playwright() as playwright:
        chromium = launch_chromium(playwright)
        yield chromium
        chromium.close()
