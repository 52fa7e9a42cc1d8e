"""Where a heading ends and the provision's own words begin."""

from __future__ import annotations

import re

from ingest.lines import Line, is_capitals

__all__ = ["article_heading", "division_heading"]

_MAX_BLANK_LINES = 3
_MAX_HEADING = 400
_STRUCTURAL = re.compile(
    r"(?:Dieu|DIEU|Phan|PHAN|Chuong|CHUONG|Muc|MUC|Tieu muc|TIEU MUC|Phu luc|PHU LUC)[ ]+(?:[\dIVXLC]|thu|THU)"
    r"|\d{1,3}\\?[.)]|[a-z]\d?\\?\)|[IVX]{1,5}[.\-–]"
)
_INLINE_CLAUSE = re.compile(r"\d{1,3}[a-z]?\\?\.[ ]")
_RULE_OR_BRACKET = re.compile(r"[(_\-–—*=]")


def _next_words(lines: list[Line], index: int, limit: int) -> int | None:
    """The next line with words after *index*, at most three blank lines below and above line *limit*."""
    for n in range(index + 1, min(limit, index + 2 + _MAX_BLANK_LINES)):
        if lines[n].words:
            return n
    return None


def division_heading(lines: list[Line], index: int, rest: int) -> tuple[tuple[int, int], int]:
    """Heading (start, end) and beginning of the body of a part, chapter, section, appendix or attachment.

    The heading is on the line itself from *rest*, or on the next line with words; one in capitals goes on over
    the following lines in capitals, another over lines that begin with a small letter.
    """
    line = lines[index]
    start, end, last = rest, line.last, index
    if rest >= line.last:
        following = _next_words(lines, index, len(lines))
        if following is None or not _may_be_heading(lines[following]):
            return (rest, rest), line.last
        start, end, last = lines[following].first, lines[following].last, following
    capitals = is_capitals(line.words[start - line.first :] if last == index else lines[last].words)
    while (following := _next_words(lines, last, len(lines))) is not None:
        candidate = lines[following]
        if candidate.quoted or _STRUCTURAL.match(candidate.words) or _RULE_OR_BRACKET.match(candidate.words):
            break
        goes_on = is_capitals(candidate.words) if capitals else candidate.words[:1].islower() and following == last + 1
        if not goes_on or candidate.last - start > _MAX_HEADING:
            break
        end, last = candidate.last, following
    return (start, end), end


def _may_be_heading(line: Line) -> bool:
    if line.quoted or _STRUCTURAL.match(line.words) or _RULE_OR_BRACKET.match(line.words):
        return False
    return is_capitals(line.words) or (len(line.words) <= 200 and not line.words.endswith((".", ";", ":", ",")))


def article_heading(lines: list[Line], index: int, rest: int, limit: int) -> tuple[tuple[int, int], int]:
    """Heading (start, end) and beginning of the body of an article whose line goes on at *rest*.

    An article without heading (the Constitution, decisions) has its first paragraph or clause there instead; a
    heading stands over something. *limit* is the first line of the next provision.
    """
    line = lines[index]
    following = next((n for n in range(index + 1, limit) if lines[n].words), None)
    words = line.words[rest - line.first :]
    if not words:
        if following is not None and following <= index + 2 and _heading_alone(lines, following, limit):
            candidate = lines[following]
            return (candidate.first, candidate.last), candidate.last
        return (rest, rest), rest
    if _INLINE_CLAUSE.match(words) or words.endswith((";", ":", "./.")):
        return (rest, rest), rest
    if following is None:  # a short line without a full stop is a heading whose text is missing
        short = len(words) <= 80 and not words.endswith((".", ",", ")"))
        return ((rest, line.last), line.last) if short else ((rest, rest), rest)
    if words.endswith(".") and (len(words) > 80 or ". " in words):
        return (rest, rest), rest
    end, last = line.last, index
    while (
        following is not None
        and lines[following].last - rest <= _MAX_HEADING
        and _wrapped(lines, last, following, limit)
    ):
        end, last = lines[following].last, following
        following = next((n for n in range(last + 1, limit) if lines[n].words), None)
    return (rest, end), end


def _wrapped(lines: list[Line], last: int, following: int, limit: int) -> bool:
    """Whether the heading on line *last* goes on in line *following*: a small letter, or a short rest of a name."""
    words = lines[following].words
    if lines[last].words.endswith((".", ";", ":")) or _STRUCTURAL.match(words) or lines[following].quoted:
        return False
    if not any(lines[n].words for n in range(following + 1, limit)):
        return False
    ended = words.endswith((".", ";", ":", ","))
    return (words[:1].islower() and (following == last + 1 or not ended)) or (len(words) <= 25 and not ended)


def _heading_alone(lines: list[Line], index: int, limit: int) -> bool:
    """Whether line *index*, under a bare "Điều 5", is its heading: short, no full stop, with words below it."""
    words = lines[index].words
    return (
        not lines[index].quoted
        and len(words) <= 200
        and not words.endswith((".", ";", ":", ","))
        and not _STRUCTURAL.match(words)
        and any(lines[n].words for n in range(index + 1, limit))
    )
