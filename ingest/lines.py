"""The lines of a text as the layout rules see them: without accents and Markdown marks, quotations known."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Line", "ends_open", "is_capitals", "split_lines"]

_LINE = re.compile(r"([^\r\n]*)(\r\n|\r|\n|$)")
# Markdown: quotation bar, heading marks, a list dash before a lettered point, emphasis.
_OPENING_MARKS = re.compile(
    r"[ ]*(?:>[ ]*)*(?:#{1,6}[ ]+)?(?:[-*+][ ]+(?=(?:\*\*|__)?\w{1,3}\\?[.)]))?(?:\*{1,3}|_{1,3}(?=\w))?[ ]*"
)
_CLOSING_MARKS = re.compile(r"(?:[ ]*(?:\*{1,3}|(?<=\w)_{1,3}|(?<= )#{1,6}))?[ ]*$")
_MAX_QUOTED_LINES = 600
"""A quotation left open longer than this is a missing closing mark, not a quotation."""
# A line that stops at one of these goes on in the next line: pages copied from print, links on lines of their own.
_OPEN_END = re.compile(
    r"(?:\b(?:tai|theo|cua|va|hoac|den|voi|cac|tu|thuoc|trong|ve|cung|nhu|theo quy dinh)"
    r"|\b(?:khoan|[Dd]iem|[Dd]ieu)(?:,? (?:va )?(?:\d{1,3}[a-z]?|[a-z]\d?)\b)+)$"
)


@dataclass(slots=True)
class Line:
    """One line; positions are in the view without accents.

    *start*:*next* is the line with its end mark, *first*:*last* its words without blanks and Markdown marks (*words*).
    """

    start: int
    next: int
    first: int
    last: int
    words: str
    quoted: bool = False


def split_lines(plain: str) -> list[Line]:
    """Cut *plain* (``Aligned.plain``) into lines; their stretches put together are *plain*."""
    lines: list[Line] = []
    position = 0
    while position < len(plain):
        match = _LINE.match(plain, position)
        assert match is not None  # the pattern matches everywhere
        content = match.group(1)
        opening = _OPENING_MARKS.match(content)
        first = opening.end() if opening else 0
        closing = _CLOSING_MARKS.search(content, first)
        last = closing.start() if closing else len(content)
        words = content[first:last].rstrip()
        lines.append(Line(position, match.end(), position + first, position + first + len(words), words))
        position = match.end()
    _mark_quotations(lines)
    return lines


def _mark_quotations(lines: list[Line]) -> None:
    """Mark the lines of quotations that run over several lines (amending laws quote whole articles)."""
    depths = [line.words.count("“") - line.words.count("”") for line in lines]
    odd = [line.words.count('"') % 2 == 1 for line in lines]
    index = 0
    while index < len(lines):
        words = lines[index].words
        opens = words.startswith(("“", '"'))
        straight = odd[index] and (words.startswith('"') or words.endswith((': "', ':"')))
        end = _end_of_quotation(depths, odd, index) if depths[index] > 0 or straight else None
        if end is None:
            lines[index].quoted = opens and depths[index] <= 0 and not straight
            index += 1
            continue
        for line in lines[index if opens else index + 1 : end + 1]:
            line.quoted = True
        index = end + 1


def _end_of_quotation(depths: list[int], odd: list[bool], start: int) -> int | None:
    """The line that closes what line *start* opens; None if none near enough does."""
    following = range(start + 1, min(len(depths), start + _MAX_QUOTED_LINES))
    depth = depths[start]
    if depth <= 0:
        return next((index for index in following if odd[index]), None)
    for index in following:
        depth += depths[index]
        if depth <= 0:
            return index
    return None


def ends_open(line: Line | None) -> bool:
    """Whether the sentence on *line* plainly goes on in the next line ("… theo quy định tại")."""
    return line is not None and _OPEN_END.search(line.words) is not None


def is_capitals(words: str) -> bool:
    """Whether *words* has letters, all of them capitals."""
    return words.isupper()
