"""What a reader of printed text is: a picture in, words with boxes and confidences out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[np.uint8]
"""Height × width, dark text on a light ground."""

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""


class OcrUnavailableError(RuntimeError):
    """No reader of printed text is installed. The message names what to install; the operator can act."""


class Layout(IntEnum):
    """How the text lies in the picture; the numbers are Tesseract's page segmentation modes."""

    COLUMN = 4
    BLOCK = 6
    LINE = 7
    SPARSE = 11


@dataclass(frozen=True)
class Word:
    """One printed word. ``confidence``: the reader's own, 0 to 1."""

    text: str
    box: Box
    confidence: float

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.box[3] - self.box[1]

    @property
    def middle(self) -> float:
        """The vertical middle."""
        return (self.box[1] + self.box[3]) / 2


class Reader(Protocol):
    """Reads printed Vietnamese. ``name`` for measurements and logs."""

    name: str

    def read(self, image: Gray, layout: Layout = Layout.SPARSE) -> list[Word]:
        """The words of *image* in the reader's order. Errors: OcrUnavailableError."""
        ...

    def read_lines(self, lines: Sequence[Gray], *, digits: bool = False) -> list[list[Word]]:
        """The words of single printed *lines*; *digits*: numbers and dates, by a model that knows their shapes better.

        Errors: OcrUnavailableError.
        """
        ...
