"""The description of one version of an index, and the rule that a version is complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

__all__ = ["IndexBroken", "Manifest", "remove_versions", "unfinished_version", "versions"]

FORMAT = 1
_NAME = "manifest.json"


class IndexBroken(RuntimeError):  # noqa: N818  # a state, mended by a rebuild
    """A version of the search index is missing, incomplete or not of this program: it must be rebuilt."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version was built from and where its vectors are."""

    version: str
    model_id: str
    dimension: int
    built_for: date
    passages: int
    current: str
    """Name of the collection with what is in force on ``built_for``."""
    all: str
    """Name of the collection with everything, with days of validity."""

    def write(self, folder: Path) -> None:
        """Write the manifest, last of all, with the sizes of all other files of *folder*."""
        files = {str(path.relative_to(folder)): path.stat().st_size for path in _files(folder)}
        content = {"format": FORMAT, **asdict(self), "built_for": self.built_for.isoformat(), "files": files}
        with (folder / _NAME).open("w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of the version in *folder* and compare its files. Raises IndexBroken."""
        try:
            content = json.loads((folder / _NAME).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise IndexBroken(f"{folder}: written by another release of this program")
            expected: dict[str, int] = content.pop("files")
            content["built_for"] = date.fromisoformat(content["built_for"])
            manifest = cls(**content)
        except FileNotFoundError as error:
            raise IndexBroken(f"{folder}: there is no complete index") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise IndexBroken(f"{folder / _NAME}: not a manifest: {error}") from error
        for name, size in expected.items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise IndexBroken(f"{path}: missing or not of {size} bytes")
        return manifest


def versions(folder: Path) -> list[str]:
    """The names of the complete versions in *folder*, oldest first."""
    if not folder.is_dir():
        return []
    found = [path.parent for path in folder.glob(f"*/{_NAME}") if not path.parent.name.startswith(".")]
    return [path.name for path in sorted(found, key=lambda path: (path / _NAME).stat().st_mtime_ns)]


def remove_versions(folder: Path, *, keep: set[str]) -> None:
    """Remove all versions but *keep*, and what unfinished builds have left.

    A process that has a removed version loaded goes on reading it: its files stay mapped (POSIX).
    """
    if folder.is_dir():
        for path in folder.iterdir():
            if path.is_dir() and path.name not in keep:
                shutil.rmtree(path)


@contextmanager
def unfinished_version(folder: Path, version: str) -> Iterator[Path]:
    """A folder to build *version* in; it gets its name when the block ends without an error, else it is removed.

    Raises FileExistsError when there is such a version already.
    """
    if not version or version.startswith(".") or Path(version).name != version:
        raise ValueError(f"not a name of a version: {version!r}")
    final = folder / version
    if final.exists():
        raise FileExistsError(f"{final}: there is such a version already")
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{version}-", dir=folder))
    try:
        yield unfinished
        unfinished.rename(final)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
