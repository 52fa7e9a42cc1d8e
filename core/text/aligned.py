"""A view of a text without accents that knows where each of its characters stands in the original.

Rules of layout are written once, against plain letters, and hold for NFC, NFD and mixed text; what they find is
reported as offsets into the untouched original.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right

from core.text import nfc

__all__ = ["Aligned"]

_DROPPED = "\x00"  # stands in the intermediate text for a character that the view leaves out
_INVISIBLE = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufeff\x00")


_WITHOUT_INVISIBLE = dict.fromkeys(map(ord, _INVISIBLE))


class _Table(dict[int, str]):
    """Translation table filled on demand: each code point to its base letter, a plain space or nothing."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char in "đĐ":
            plain = "d" if char == "đ" else "D"
        elif char in _INVISIBLE or unicodedata.combining(char):
            plain = _DROPPED
        elif unicodedata.category(char) == "Zs" or char == "\t":
            plain = " "
        else:
            base = [c for c in unicodedata.normalize("NFD", char) if not unicodedata.combining(c)]
            plain = base[0] if len(base) == 1 else char
        self[code] = plain
        return plain


_TABLE = _Table()


class Aligned:
    """The text without accents, soft hyphens and odd spaces (``plain``; case and line ends kept) and its offsets.

    ``plain`` has one character for each visible character of ``text``; đ becomes d. ``start(i)`` and ``end(i)`` turn
    a position in ``plain`` into one in ``text``: the start of the character there, and the end of the one before it
    with its combining marks.
    """

    __slots__ = ("_composed", "_dropped", "plain", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._composed: str | None = None
        same_length = text.translate(_TABLE)
        # For the n-th left-out character at offset o: plain positions above o - n are shifted by n + 1.
        self._dropped = [m.start() - n for n, m in enumerate(re.finditer(_DROPPED, same_length))]
        self.plain = same_length.replace(_DROPPED, "") if self._dropped else same_length

    def start(self, position: int) -> int:
        """Offset in ``text`` of the character at *position* of ``plain`` (its length gives the text's length)."""
        if position >= len(self.plain):
            return len(self.text)
        return position + bisect_right(self._dropped, position) if self._dropped else position

    def end(self, position: int) -> int:
        """Offset in ``text`` just after the character before *position*, its combining marks included."""
        if position <= 0:
            return 0
        if not self._dropped:
            return position
        return self.start(position)

    @property
    def composed(self) -> str:
        """Like ``plain``, position for position, with the accents: for words that only the accent tells apart."""
        if self._composed is None:
            if not self._dropped:
                self._composed = "".join(" " if p == " " else c for p, c in zip(self.plain, self.text, strict=True))
            else:
                clusters = (nfc(self.slice(n, n + 1)).translate(_WITHOUT_INVISIBLE) for n in range(len(self.plain)))
                letters = zip(clusters, self.plain, strict=True)
                self._composed = "".join(plain if plain == " " or len(c) != 1 else c for c, plain in letters)
        return self._composed

    def slice(self, start: int, end: int) -> str:
        """The original characters that *start*:*end* of ``plain`` stand for."""
        return self.text[self.start(start) : self.end(end)]
