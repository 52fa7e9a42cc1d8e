"""The passages of an index on disk: columns of numbers and one string file, mapped into memory and decoded on demand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from knowledge.search.passages import Passage

__all__ = ["PassageTable"]

Ints = npt.NDArray[np.int64]
Strings = bytes | npt.NDArray[np.uint8]

_COLUMNS = ("id", "article", "document", "valid_from", "valid_to", "heading")


class PassageTable:
    """Passages by row number, in the order they were given in."""

    def __init__(self, columns: Ints, ends: Ints, strings: Strings) -> None:
        """*columns* of shape (6, rows); string *i* is ``strings[ends[i]:ends[i + 1]]``: headings, then texts."""
        self.ids, self.articles, self.documents, self.valid_from, self.valid_to, self._headings = columns
        self._columns, self._ends, self._strings = columns, ends, strings
        self._first_text = len(ends) - 1 - len(self)
        self._order = np.argsort(self.ids)
        self._sorted_ids = self.ids[self._order]

    def __len__(self) -> int:
        return int(self._columns.shape[1])

    @classmethod
    def of(cls, passages: Sequence[Passage]) -> PassageTable:
        """A table of *passages*. Raises ValueError when two have the same id."""
        headings: dict[str, int] = {}
        rows = [
            (p.id, p.article, p.document, p.valid_from, p.valid_to, headings.setdefault(p.heading, len(headings)))
            for p in passages
        ]
        columns = np.array(rows, dtype=np.int64).reshape(len(rows), len(_COLUMNS)).T.copy()
        if len(np.unique(columns[0])) != len(rows):
            raise ValueError("two passages have the same id")
        # Lone surrogates cannot come from a decoded file, but must not lose a whole index.
        encoded = [text.encode("utf-8", "surrogatepass") for text in (*headings, *(p.text for p in passages))]
        ends = np.concatenate([[0], np.cumsum([len(text) for text in encoded], dtype=np.int64)])
        return cls(columns, ends, b"".join(encoded))

    def save(self, folder: Path) -> None:
        """Write the table into *folder*."""
        np.save(folder / "passages.npy", self._columns)
        np.save(folder / "strings.npy", self._ends)
        (folder / "strings.bin").write_bytes(bytes(self._strings))

    @classmethod
    def load(cls, folder: Path) -> PassageTable:
        """Map the table in *folder* into memory. Raises OSError or ValueError when it is not complete."""
        columns = np.asarray(np.load(folder / "passages.npy", mmap_mode="r"))
        ends = np.asarray(np.load(folder / "strings.npy", mmap_mode="r"))
        path = folder / "strings.bin"
        # An empty file cannot be mapped.
        strings: Strings = np.memmap(path, dtype=np.uint8, mode="r") if path.stat().st_size else b""
        return cls(columns, ends, strings)

    def passage(self, row: int) -> Passage:
        """The passage in *row*."""
        return Passage(
            id=int(self.ids[row]),
            article=int(self.articles[row]),
            document=int(self.documents[row]),
            heading=self._string(int(self._headings[row])),
            text=self._string(self._first_text + row),
            valid_from=int(self.valid_from[row]),
            valid_to=int(self.valid_to[row]),
        )

    def rows_of(self, ids: Ints) -> Ints:
        """The row of each passage id, -1 for an unknown one."""
        if len(self) == 0:
            return np.full(len(ids), -1, dtype=np.int64)
        at = np.minimum(np.searchsorted(self._sorted_ids, ids), len(self) - 1)
        return np.where(self._sorted_ids[at] == ids, self._order[at], -1)

    def in_force(self, day: int) -> npt.NDArray[np.bool_]:
        """Which rows are in force on *day* (an ordinal)."""
        mask: npt.NDArray[np.bool_] = (self.valid_from <= day) & (day < self.valid_to)
        return mask

    def _string(self, number: int) -> str:
        part = self._strings[self._ends[number] : self._ends[number + 1]]
        return bytes(part).decode("utf-8", "surrogatepass")
