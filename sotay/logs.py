"""Logging of every process: one line an event on standard error, never what people wrote."""

from __future__ import annotations

import logging

from core.settings import settings

_QUIET = (
    "alembic",
    "chromadb",
    "httpx",
    "httpcore",
    "procrastinate",
    "rasa_sdk",
    "sse_starlette",
    "urllib3",
    "uvicorn.access",
)


def configure_logging() -> None:
    """Set up the root logger at the level of SOTAY_LOG_LEVEL; libraries speak from warnings on."""
    logging.basicConfig(
        level=settings().log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", force=True
    )
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
