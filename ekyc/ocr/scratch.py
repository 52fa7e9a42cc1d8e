"""The private folder for pictures on their way to a program: never the system's, emptied of what dead runs left.

``<data folder>/tmp/ekyc/<process id>-<random>``, mode 0700. A killed run leaves its folder; the first use of another process
removes those whose process is gone.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.settings import settings

_swept: set[tuple[int, Path]] = set()
_guard = threading.Lock()


def home() -> Path:
    """Where the folders lie."""
    return settings().data_dir / "tmp" / "ekyc"


@contextmanager
def private() -> Iterator[Path]:
    """A fresh folder that only this user reads; gone with everything in it at the end of the block."""
    parent = home()
    parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _guard:
        if (os.getpid(), parent) not in _swept:
            sweep()
            _swept.add((os.getpid(), parent))
    folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def sweep() -> None:
    """Remove what processes left that no longer run."""
    for folder in home().iterdir():
        owner = folder.name.split("-")[0]
        if owner.isdecimal() and not _runs(int(owner)):
            with suppress(FileNotFoundError):  # another process may sweep at the same moment
                shutil.rmtree(folder)


def _runs(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
