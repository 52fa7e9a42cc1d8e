"""Clauses and points inside an article (or inside a section of a document without articles)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.text import nfc
from core.text.aligned import Aligned
from ingest.lines import Line, ends_open
from ingest.model import Kind, Provision
from ingest.numbering import Value, follows, letter_value, number_value

__all__ = ["find_clauses"]

_CLAUSE = re.compile(r"(?P<number>\d{1,3}[a-z]?\d?)(?:\\?\.(?!\d)|\)|[ ]?[-–](?=[ ])|/(?=[ ]))(?:\*\*|__)?[ ]*")
_CLAUSE_WITHOUT_MARK = re.compile(r"(?P<number>\d{1,3})[ ]+(?=[A-Z]\w)")
_NESTED = re.compile(r"(?P<number>\d{1,3}(?:\.\d{1,3}){1,3})\\?\.?\)?(?:\*\*|__)?[ ]+(?=\S)")
_POINT = re.compile(r"(?P<number>[a-z]\d?)(?:\\?\)|\\?\.(?=[ ]))(?:\*\*|__)?[ ]*")
_LIST_END = re.compile(r";(?:[ ]*(?:va|hoac))?$")


@dataclass(slots=True)
class _Item:
    kind: Kind
    number: str
    start: int
    end: int = 0
    children: list[_Item] = field(default_factory=list)
    last_child: Value | None = None


def find_clauses(aligned: Aligned, lines: list[Line], start: int, end: int, *, number: str | None) -> list[Provision]:
    """Clauses and points between the positions *start* and *end* of the view.

    *lines* are the lines there, the first one from *start* on; *number* is that of the provision they stand in, for
    clauses numbered under it ("8.1." in article 8).
    """
    stretches = _stretches(lines, start, end)
    later = _numbers_ahead(aligned, stretches)
    top = _Item("article", number or "", start, end)
    clause: _Item | None = None
    nested: _Item | None = None
    before: Line | None = None
    for index, (position, words, line) in enumerate(stretches):
        if not line.quoted and not ends_open(before):
            found = _clause_here(aligned, position, words, top, later[index])
            if found:
                clause, nested = found[0], None
            elif found := _nested_here(position, words, top, clause):
                nested = found[0]
            rest = found[1] if found else position
            _add_point(aligned, rest, words[rest - position :], nested or clause or top, inline=found is not None)
        before = line
    _close(top, end)
    _release_tails(top, stretches)
    return [_provision(aligned, item) for item in top.children]


def _stretches(lines: list[Line], start: int, end: int) -> list[tuple[int, str, Line]]:
    """(position, words, line) of each line with words in *start*:*end*, the first one cut at *start*."""
    found: list[tuple[int, str, Line]] = []
    for line in lines:
        if line.last <= start or line.first >= end or not line.words:
            continue
        position = max(line.first, start)
        found.append((position, line.words[position - line.first :], line))
    return found


def _number(aligned: Aligned, position: int, match: re.Match[str]) -> str:
    return nfc(aligned.slice(position + match.start("number"), position + match.end("number")))


def _numbers_ahead(aligned: Aligned, stretches: list[tuple[int, str, Line]]) -> list[set[Value]]:
    """For each stretch, the clause numbers that come after it."""
    ahead: list[set[Value]] = [set()] * len(stretches)
    coming: set[Value] = set()
    for index in range(len(stretches) - 1, -1, -1):
        ahead[index] = coming
        position, words, line = stretches[index]
        match = _CLAUSE.match(words) if words[:1].isdigit() and not line.quoted else None
        if match and (value := number_value(_number(aligned, position, match))) and value not in coming:
            coming = coming | {value}
    return ahead


def _clause_here(
    aligned: Aligned, position: int, words: str, top: _Item, later: set[Value]
) -> tuple[_Item, int] | None:
    if not words[:1].isdigit():
        return None
    match = _CLAUSE.match(words)
    value: Value | None
    if match:
        value = number_value(_number(aligned, position, match))
        if value is None or not follows(value, top.last_child, later):
            return None
    else:
        # "1 Trường hợp …": a forgotten full stop, taken only where exactly this number is due and the next one follows.
        match = _CLAUSE_WITHOUT_MARK.match(words)
        value = number_value(match["number"]) if match else None
        due = (top.last_child[0] if top.last_child else 0) + 1
        if match is None or value != (due, 0, 0) or value in later or (due + 1, 0, 0) not in later:
            return None
    item = _Item("clause", _number(aligned, position, match), position)
    top.children.append(item)
    top.last_child = value
    return item, position + match.end()


def _nested_here(position: int, words: str, top: _Item, clause: _Item | None) -> tuple[_Item, int] | None:
    """A clause under a number: "8.1." in clause 8 or article 8, "3.5.2" in "3.5"; the next one of its parent's."""
    match = _NESTED.match(words) if words[:1].isdigit() else None
    if match is None:
        return None
    prefix, _, last = match["number"].rpartition(".")
    parent = _open_item(clause if clause is not None else top, prefix) or (top if top.number == prefix else None)
    value = (int(last), 0, 0)
    later = set() if parent and parent.last_child else {(1, 0, 0)}  # the first one must be there
    if parent is None or not follows(value, parent.last_child, later):
        return None
    item = _Item("clause", match["number"], position)
    parent.children.append(item)
    parent.last_child = value
    return item, position + match.end()


def _open_item(item: _Item, number: str) -> _Item | None:
    """The item with *number* among *item* and the last children below it."""
    current: _Item | None = item
    while current is not None:
        if current.number == number:
            return current
        current = current.children[-1] if current.children else None
    return None


def _add_point(aligned: Aligned, position: int, words: str, parent: _Item, *, inline: bool) -> None:
    """Add the point that begins *words* to *parent*, if one does; on its clause's line (*inline*) only point a."""
    match = _POINT.match(words) if words[:1].islower() else None
    if match is None:
        return
    number = _number(aligned, position, match)
    value = letter_value(number)
    if value is None or (inline and value != (1, 0, 0)):
        return
    last = parent.last_child if parent.children and parent.children[-1].kind == "point" else None
    if parent.children and last is None:  # clauses already stand here: the letter belongs to none of them
        return
    if not follows(value, last, set()) or (last is None and value[0] != 1):
        return
    parent.children.append(_Item("point", number, position))
    parent.last_child = value


def _close(item: _Item, end: int) -> None:
    item.end = end
    for index, child in enumerate(item.children):
        _close(child, item.children[index + 1].start if index + 1 < len(item.children) else end)


def _release_tails(item: _Item, stretches: list[tuple[int, str, Line]]) -> None:
    """Give a paragraph after the last member of a list back to the list's owner.

    "1. …: a) …; b) …; c) …." and then a paragraph: members end in semicolons and the last one in a full stop, so
    what follows belongs to clause 1 and not to point c.
    """
    for child in item.children:
        _release_tails(child, stretches)
    if len(item.children) < 2 or item.children[-1].children:
        return
    *others, last = item.children
    ends = [_last_words(stretches, other.start, other.end) for other in others]
    if not all(_LIST_END.search(words) for words in ends):
        return
    inside = [s for s in stretches if s[0] < last.end and s[2].last > last.start]
    if len(inside) < 2 or not inside[0][1].endswith("."):
        return
    _, words, line = inside[1]
    if words[:1].isupper() and not line.quoted:
        last.end = line.start


def _last_words(stretches: list[tuple[int, str, Line]], start: int, end: int) -> str:
    return next((words for position, words, line in reversed(stretches) if position < end and line.last > start), "")


def _provision(aligned: Aligned, item: _Item) -> Provision:
    start = aligned.start(item.start)
    provision = Provision(item.kind, item.number, "", start, aligned.start(item.end), start, start)
    provision.children = [_provision(aligned, child) for child in item.children]
    return provision
