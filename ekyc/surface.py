"""A rectified card as the readers see it: its views, where its lines of print stand, single lines cut out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np

from ekyc import lines, unread, views
from ekyc.ocr import Box, Gray, Layout, Reader, Word
from ekyc.results import Image

HEIGHTS = (44, 36, 44, 40, 48)
"""Pixels of a single line with its margin, one for each view: their mistakes differ. Found by measurement, as the margins."""
PAGE_HEIGHT = 40
"""The same when all lines are read to find the labels."""
SOFT, DENOISED = 3, 4
"""Views for what is still doubtful; the second shows single lines only."""
AROUND = 16
"""Pixels around a line that are denoised with it."""
ABOVE, ABOVE_CAPITALS = 0.22, 0.45
"""Margin above a line in parts of its height; capitals carry their accents higher."""
BELOW, BESIDE = 0.22, 0.3
LETTER = 0.7
"""Height of a letter in parts of its line's box."""
OVERLOOKED = 12
"""More lines than these that were overlooked are no print."""


class Strip(NamedTuple):
    """A line cut out: its picture, where its upper left corner lies on the card, its size in parts of the card's."""

    image: Gray
    left: int
    top: int
    scale: float


@dataclass
class Surface:
    """The card in *flat* (BGR, upright). ``boxes``: its lines of print, set by ``find_lines``."""

    flat: Image
    boxes: list[Box] = field(default_factory=list)
    _shown: list[Gray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Lightness and bands of light print."""
        self.raw: Gray = cv2.cvtColor(self.flat, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False)
        self._light = views.light_print(self.raw)
        self.grainy = views.grainy(self.raw)

    @property
    def width(self) -> int:
        """Pixels."""
        return int(self.raw.shape[1])

    @cached_property
    def plain(self) -> Gray:
        """Evened, dark print on light, not sharpened unless the grain hides the strokes."""
        shown = views.calm(self.raw) if self.grainy else self.raw
        return views.even(views.turned_dark(shown, self._light))

    @cached_property
    def ground(self) -> Gray:
        """The level of the card under its print."""
        return views.ground(self.raw)

    def view(self, number: int) -> Gray:
        """One of ``len(views.SHARPENINGS)`` views, evened, dark print on light."""
        while len(self._shown) <= number:
            self._shown.append(views.clear(self.raw, self._light, views.SHARPENINGS[len(self._shown)]))
        return self._shown[number]

    def find_lines(self, portrait: Box | None) -> None:
        """Set ``boxes``; what lies in *portrait* is no print."""
        self.boxes = lines.find(views.clear(self.raw, self._light, views.SMOOTH), portrait)

    def overlooked(self) -> list[Box]:
        """Lines that stronger ones near them, or the portrait, hid from ``find_lines``; words only: three times as wide as high."""
        view = views.clear(self.raw, self._light, views.SMOOTH)
        pad = 3
        for left, top, right, bottom in self.boxes:
            view[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = round(views.WHITE)
        height = LETTER * float(np.median([bottom - top for _, top, _, bottom in self.boxes])) if self.boxes else None
        found = [box for box in lines.find(view, height=height) if box[2] - box[0] > 3 * (box[3] - box[1])]
        return found if len(found) <= OVERLOOKED else []

    def read(self, text: Reader) -> list[Word]:
        """The words of the first view: of a grainy card line by line, else as the reader finds them and the lines it left out."""
        if self.grainy:
            return self.read_lines(text, 0)
        page = self.read_page(text)
        more = self.read_lines(text, 0, unread.boxes(self.boxes, page))
        kept = [word for word in more if unread.boxes([word.box], page)]
        return [word for word in page if word.confidence > 0.5 or unread.boxes([word.box], kept)] + kept

    def read_page(self, text: Reader) -> list[Word]:
        """The words of the whole card as the reader finds them."""
        return text.read(self.plain, Layout.COLUMN)

    def read_lines(self, text: Reader, number: int, boxes: Sequence[Box] | None = None) -> list[Word]:
        """The words of the lines in *boxes* (all of them when None) in view *number*, where they stand on the card."""
        wanted = self.boxes if boxes is None else boxes
        cut = [(box, strip) for box in wanted if (strip := self.strip(number, box, PAGE_HEIGHT)) is not None]
        words = []
        for (box, strip), read in zip(cut, text.read_lines([strip.image for _, strip in cut]), strict=True):
            for word in read:
                left, right = (round(strip.left + edge / strip.scale) for edge in (word.box[0], word.box[2]))
                # The reader's own heights of words in a single line differ too much to compare lines by.
                words.append(Word(word.text, (left, box[1], right, box[3]), word.confidence))
        return words

    def strip(self, number: int, box: Box, height: int, above: float = ABOVE) -> Strip | None:
        """The line in *box* with a margin, black and white at the ends, *height* pixels high; None when it is too small."""
        left, top, right, bottom = box
        tall = bottom - top
        x, y = max(0, left - round(BESIDE * tall)), max(0, top - round(above * tall))
        last, lowest = right + round(BESIDE * tall), bottom + round(BELOW * tall)
        if min(self.raw[y:lowest, x:last].shape) < 8:
            return None
        part = self._denoised(x, y, last, lowest) if number == DENOISED else self.view(number)[y:lowest, x:last]
        counted = views.counts(part)
        dark, bright = views.level(counted, 0.01), views.level(counted, 0.85)
        steep = cv2.LUT(
            part, np.clip((np.arange(256) - dark) * (250 / max(bright - dark, 12)), 0, 255).astype(np.uint8)
        )
        scale = height / part.shape[0]
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        sized = cv2.resize(steep, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8, copy=False)
        return Strip(sized, x, y, scale)

    def _denoised(self, left: int, top: int, right: int, bottom: int) -> Gray:
        x, y = max(0, left - AROUND), max(0, top - AROUND)
        wide = np.s_[y : bottom + AROUND, x : right + AROUND]
        shown = views.turned_dark(views.denoised(self.raw[wide]), np.ascontiguousarray(self._light[wide]))
        return views.even(shown, self.ground[wide])[top - y : bottom - y, left - x : right - x]
