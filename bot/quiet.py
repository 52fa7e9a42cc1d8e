"""What must be set before the engine's libraries are imported: no telemetry, no files outside the data folder, few threads."""

from __future__ import annotations

import os
from pathlib import Path


def prepare(data_dir: Path) -> None:
    """Set the environment of this process; an explicit log level of the operator is kept."""
    home = data_dir / "engine"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.environ.update(
        HOME=str(home),  # the engine and Keras write settings of theirs into the home folder
        RASA_TELEMETRY_ENABLED="false",
        RASA_CACHE_DIRECTORY=str(home / "cache"),
        RASA_MAX_CACHE_SIZE="0",  # a training takes seconds; the cache only grows
        MPLCONFIGDIR=str(home / "matplotlib"),
        TF_CPP_MIN_LOG_LEVEL="3",
        OMP_NUM_THREADS="1",  # one message is far too small to share between threads
        SQLALCHEMY_SILENCE_UBER_WARNING="1",
    )
    os.environ.setdefault("LOG_LEVEL", "WARNING")

    import structlog

    # Until its server configures it, the engine logs every rule and every message.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
