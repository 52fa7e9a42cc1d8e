"""The files that the console's pages load: our own, and htmx out of its wheel. Nothing comes from another host."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

STATIC = Path(__file__).parent / "static"
HTMX = "htmx.js"


def path(name: str) -> Path | None:
    """The file called *name*; None when there is none."""
    if name == HTMX:
        return Path(str(files("django_htmx") / "static" / "django_htmx" / "htmx-2.min.js"))
    return STATIC / name if name in {file.name for file in STATIC.iterdir()} else None


def url(name: str) -> str:
    """The address of a file, with its version, under which it may be kept for ever."""
    found = path(name)
    if found is None:
        raise FileNotFoundError(name)
    return f"/admin/static/{name}?v={_version(found, found.stat().st_mtime_ns)}"


@lru_cache(maxsize=64)
def _version(file: Path, modified_ns: int) -> str:  # a changed file gets a new version
    del modified_ns
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]
