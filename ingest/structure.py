"""The tree of a document: parts, chapters, sections, articles and what stands around them.

Layout of state documents: decree 30/2020/NĐ-CP; of Party documents: 399-QĐ/TW and 05-HD/VPTW. Clauses and points
inside an article are found by ``ingest.clauses``. Every position here is one in the view without accents; the tree
that comes out has offsets into the original text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from core.text import nfc
from core.text.aligned import Aligned
from ingest.clauses import find_clauses
from ingest.headings import article_heading, division_heading
from ingest.lines import Line, ends_open, is_capitals, split_lines
from ingest.model import Kind, Provision
from ingest.numbering import letter_value, longest_increasing, number_value, roman_value
from ingest.types import TYPE_IN_CAPITALS

__all__ = ["build_tree"]

_LEVEL: dict[Kind, int] = {
    "document": 0,
    "attachment": 1,
    "appendix": 1,
    "preamble": 2,
    "closing": 2,
    "part": 2,
    "chapter": 3,
    "section": 4,
    "subsection": 5,
    "article": 6,
}

_ARTICLE = re.compile(
    r"(?:\d{1,3}\.[ ]*)?(?:Dieu|DIEU)[ ]+(?P<number>\d{1,4}[a-zA-Z]?\d?)"
    r"(?P<mark>[ ]*(?:\([^)]{1,60}\)[ ]*)?(?:\\?\.|:|[-–—](?=[ ]))|(?=[ ]*(?:\*\*|__)?$))?(?:\*\*|__)?[ ]*"
)
_ORDINAL = r"(?:(?:THU|[Tt]hu)[ ]+)?(?:NHAT|HAI|BA|BON|TU|NAM|SAU|BAY|TAM|CHIN|MUOI|MOT)(?:[ ]+(?:MOT|HAI|BA|BON|LAM|NAM|SAU|BAY|TAM|CHIN))?"
_DIVISION = re.compile(
    r"(?P<word>(?i:phan|chuong|tieu[ ]muc|muc))[ ]+"
    rf"(?P<number>[IVXLC]{{1,7}}[a-zA-Z]?|\d{{1,3}}[a-zA-Z]?|[A-Z]|(?i:{_ORDINAL}))(?![\w])"
    r"(?P<mark>[ ]*(?:\\?\.|:|[-–—]))?(?:\*\*|__)?[ ]*"
)
_DIVISION_KIND: dict[str, Kind] = {"phan": "part", "chuong": "chapter", "muc": "section", "tieu muc": "subsection"}
# "Mục 5 Chương XIV của Bộ luật …" at the start of a line is a reference.
_NOT_A_HEADING = re.compile(r"(?:chuong|phan|muc|dieu|luat|bo luat|nghi dinh|thong tu|nay|cua|va)\b", re.IGNORECASE)
_ROMAN = re.compile(r"(?P<number>[IVXLC]{1,6})[ ]*(?:\\?\.|[-–—/])(?:\*\*|__)?[ ]*(?=\S)")
_CAPITAL = re.compile(r"(?P<number>[A-Z])[ ]*(?:\\?\.|[-–—/])(?:\*\*|__)?[ ]*(?=\S)")
_APPENDIX = re.compile(
    r"(?P<word>PHU LUC|Phu luc)(?:[ ]+(?:so|SO))?[ ]*(?P<number>[IVXLC]{1,6}|\d{1,3}[A-Za-z]?|[A-Z])?(?![\w])"
    r"(?P<mark>[ ]*(?:\.|:|[-–—]))?(?:\*\*|__)?[ ]*"
)
_FORM = re.compile(
    r"(?:Mau|MAU)(?:[ ]+(?:so|SO))?[ ]+(?P<number>\d{1,3}\w{0,3}(?:[./-]\w{1,8})*)[ ]*(?:[.:]|[-–—]|$)[ ]*"
)
_ISSUED_WITH = re.compile(r"\(?(?:ban hanh )?kem theo", re.IGNORECASE)
_CLOSING = re.compile(
    r"(?:Bo luat|Luat|Hien phap|Phap lenh|Nghi quyet|Dieu le|Quy che|Quy dinh)(?: [\w,]+){0,8}? nay (?:da )?duoc "
    r".{0,250}thong qua"
    r"|(?i:noi nhan)[ ]*[:.]?$"
    r"|\(?(?i:da ky)\)?[ .:]"
    r"|\((?i:da ky|ky ten)[^)]{0,40}\)"
    r"|(?:T/M|TM\.|T\.M\.|KT\.|K/T|TL\.|T/L|TUQ\.|Q\.)[ ]*[A-Z]"
    r"|(?:QUYEN )?(?:PHO )?(?:TONG )?(?:CHU TICH|BI THU|THU TUONG|BO TRUONG|THU TRUONG|CHANH AN|VIEN TRUONG|GIAM DOC"
    r"|HIEU TRUONG|TRUONG BAN|CHU NHIEM|CHANH VAN PHONG|THU TRUONG|TRUONG DOAN|THUONG TRUC)(?:[ ,\-–A-Z])*$"
)
_RULE = re.compile(r"[ _\-–—*=.]{3,}")


@dataclass(slots=True)
class _Mark:
    """A heading found: it opens a provision at *start*; its own words after the heading begin at *body*."""

    line: int
    kind: Kind
    number: str | None
    start: int
    heading: tuple[int, int]
    body: int


def build_tree(aligned: Aligned) -> Provision:
    """Find the provisions of the text. The root covers it whole; nothing in it is lost."""
    lines = split_lines(aligned.plain)
    marks = _find_marks(aligned, lines)
    root = Provision("document", None, "", 0, len(aligned.text), 0, 0)
    stack = [root]
    line_starts = {line.start: index for index, line in enumerate(lines)}
    for position, mark in enumerate(marks):
        end = marks[position + 1].start if position + 1 < len(marks) else len(aligned.plain)
        while _LEVEL[stack[-1].kind] >= _LEVEL[mark.kind]:
            stack.pop().end = _boundary(aligned, mark.start)
        provision = _provision(aligned, mark, end)
        stack[-1].children.append(provision)
        if mark.kind not in ("preamble", "closing"):
            stack.append(provision)
            last = line_starts.get(end, len(lines))
            provision.children = find_clauses(aligned, lines[mark.line : last], mark.body, end, number=mark.number)
    while len(stack) > 1:
        stack.pop().end = len(aligned.text)
    if not marks:
        root.children = find_clauses(aligned, lines, 0, len(aligned.plain), number=None)
        _add_preamble(root)
    return root


def _add_preamble(root: Provision) -> None:
    if root.children and root.children[0].start > 0:
        root.children.insert(0, Provision("preamble", None, "", 0, root.children[0].start, 0, 0))


def _boundary(aligned: Aligned, position: int) -> int:
    return aligned.start(position) if position else 0


def _provision(aligned: Aligned, mark: _Mark, end: int) -> Provision:
    start, stop = _boundary(aligned, mark.start), _boundary(aligned, end)
    left, right = mark.heading
    right = left + len(aligned.plain[left : min(right, end)].rstrip())  # the next heading may have cut it short
    heading_start = aligned.start(left) if left < right else start
    heading_end = aligned.end(right) if left < right else start
    heading = " ".join(nfc(aligned.text[heading_start:heading_end]).replace("*", "").replace("\\", "").split())
    return Provision(mark.kind, mark.number, heading, start, stop, heading_start, heading_end)


def _find_marks(aligned: Aligned, lines: list[Line]) -> list[_Mark]:
    """All headings above clauses in order, the preamble first."""
    articles = _article_candidates(aligned, lines)
    scopes = _scopes(lines, articles)
    marks: list[_Mark] = []
    for number, (opening, first, last) in enumerate(scopes):
        if opening is not None:
            marks.append(opening)
        found = _scope_marks(aligned, lines, [a for a in articles if first <= a.line < last], first, last)
        before = found[0].line if found else last
        if number == 0 and before > 0 and (found or len(scopes) > 1):
            marks.append(_Mark(0, "preamble", None, 0, (0, 0), 0))
        marks.extend(found)
    return marks


def _article_candidates(aligned: Aligned, lines: list[Line]) -> list[_Mark]:
    found: list[_Mark] = []
    before: Line | None = None
    for index, line in enumerate(lines):
        match = _ARTICLE.match(line.words) if not line.quoted and line.words[:1] in ("D", *"0123456789") else None
        if match and _is_article(line, match, before):
            number = nfc(aligned.slice(line.first + match.start("number"), line.first + match.end("number")))
            body = line.first + match.end()
            found.append(_Mark(index, "article", number, line.start, (body, body), body))
        if line.words:
            before = line
    return found


def _is_article(line: Line, match: re.Match[str], before: Line | None) -> bool:
    if ends_open(before):
        return False
    if match["mark"] is not None:
        return True
    # "Điều 5 Tên điều": without a mark, only where the line before is complete and the words look like a heading.
    rest = line.words[match.end() :]
    complete = before is None or before.words.endswith((".", ";", ":", "”", '"')) or is_capitals(before.words)
    return complete and rest[:1].isupper() and not rest.endswith((".", ";", ",")) and not _NOT_A_HEADING.match(rest)


def _scopes(lines: list[Line], articles: list[_Mark]) -> list[tuple[_Mark | None, int, int]]:
    """The main document, then its attachments and appendices: (opening heading, first line, last line + 1)."""
    article_value = {a.line: number_value(a.number or "") for a in articles}
    openings: list[_Mark] = []
    signed = False
    seen_article = False
    for index, line in enumerate(lines):
        if line.quoted or not line.words:
            continue
        if index in article_value:
            seen_article = True
        elif seen_article and _CLOSING.match(line.words):
            signed = True
        elif opening := _opening(lines, index, article_value, signed=signed, seen_article=seen_article):
            openings.append(opening)
    bounds = [0, *(o.line for o in openings), len(lines)]
    heads: list[_Mark | None] = [None, *openings]
    return [(head, bounds[n], bounds[n + 1]) for n, head in enumerate(heads)]


def _opening(
    lines: list[Line],
    index: int,
    articles: dict[int, tuple[int, int, int] | None],
    *,
    signed: bool,
    seen_article: bool,
) -> _Mark | None:
    line = lines[index]
    if match := _APPENDIX.match(line.words):
        rest = line.words[match.end() :]
        plain_title = not rest or match["mark"] is not None or rest[:1].isupper() or rest.startswith("(")
        if (
            plain_title
            and (line.words.startswith("PHU LUC") or signed or not rest)
            and not ends_open(_before(lines, index))
        ):
            return _titled(lines, index, "appendix", match["number"], line.first + match.end())
    if signed and (match := _FORM.match(line.words)):
        return _titled(lines, index, "appendix", match["number"], line.first + match.end())
    if seen_article and TYPE_IN_CAPITALS.fullmatch(line.words):
        following = [n for n in range(index + 1, min(len(lines), index + 25)) if lines[n].words]
        issued_with = any(_ISSUED_WITH.match(lines[n].words) for n in following[:10])
        restarts = next((articles[n] for n in range(index + 1, len(lines)) if n in articles), None) == (1, 0, 0)
        if issued_with or restarts:
            return _titled(lines, index, "attachment", None, line.first)
    return None


def _titled(lines: list[Line], index: int, kind: Kind, number: str | None, rest: int) -> _Mark:
    line = lines[index]
    heading, body = division_heading(lines, index, rest)
    return _Mark(index, kind, number, line.start, heading, body)


def _before(lines: list[Line], index: int) -> Line | None:
    return next((lines[n] for n in range(index - 1, max(-1, index - 6), -1) if lines[n].words), None)


def _scope_marks(aligned: Aligned, lines: list[Line], candidates: list[_Mark], first: int, last: int) -> list[_Mark]:
    """Headings inside one scope (lines *first* to *last*), its closing included."""
    values = [number_value(a.number or "") or (0, 0, 0) for a in candidates]
    marks = [candidates[n] for n in longest_increasing(values)]
    by_line = {a.line for a in marks}
    marks += [m for n in range(first, last) if n not in by_line and (m := _division(aligned, lines, n))]
    if not by_line:
        marks += _lettered_divisions(aligned, lines, first, last)
    marks.sort(key=lambda m: m.start)
    if by_line or first == 0:
        closing = _closing(lines, max(by_line) if by_line else None, first, last, marks)
        if closing is not None:
            marks = [m for m in marks if m.start < closing.start]
            marks.append(closing)
    for n, mark in enumerate(marks):
        if mark.kind == "article":
            end = marks[n + 1].line if n + 1 < len(marks) else last
            mark.heading, mark.body = article_heading(lines, mark.line, mark.body, end)
    return marks


def _division(aligned: Aligned, lines: list[Line], index: int) -> _Mark | None:
    line = lines[index]
    if line.quoted or line.words[:1] not in ("P", "C", "M", "T", "p", "c", "m", "t"):
        return None
    match = _DIVISION.match(line.words)
    if match is None or not line.words[:1].isupper() or ends_open(_before(lines, index)):
        return None
    rest = line.words[match.end() :]
    if rest and (_NOT_A_HEADING.match(rest) or not (rest[:1].isupper() or match["mark"])):
        return None
    if rest and not is_capitals(rest) and rest.endswith((".", ";", ",")) and not match["mark"]:
        return None
    kind = _DIVISION_KIND[" ".join(match["word"].lower().split())]
    number = nfc(aligned.slice(line.first + match.start("number"), line.first + match.end("number")))
    return _titled(lines, index, kind, " ".join(number.split()), line.first + match.end())


def _lettered_divisions(aligned: Aligned, lines: list[Line], first: int, last: int) -> list[_Mark]:
    """Headings "A." and "I-" of documents without articles (resolutions, plans, appendices), in counting order."""
    found: list[_Mark] = []
    last_letter, last_roman = 0, 0
    for index in range(first, last):
        line = lines[index]
        if line.quoted or not line.words[:1].isupper():
            continue
        roman = _ROMAN.match(line.words)
        capital = _CAPITAL.match(line.words)
        if roman and roman_value(roman["number"]) == last_roman + 1:
            last_roman += 1
            found.append(_titled_here(lines, index, "section", roman["number"], line.first + roman.end()))
        elif capital:
            value = letter_value(nfc(aligned.slice(line.first, line.first + 1)).lower())
            if value and value[0] in (last_letter + 1, last_letter + 2) and (last_letter or value[0] == 1):
                last_letter, last_roman = value[0], 0
                letter = nfc(aligned.slice(line.first, line.first + 1))
                found.append(_titled_here(lines, index, "part", letter, line.first + capital.end()))
    return found


def _titled_here(lines: list[Line], index: int, kind: Kind, number: str, rest: int) -> _Mark:
    """Like a division, but the words on the line may be a paragraph instead of a heading."""
    heading, body = article_heading(lines, index, rest, len(lines))
    return _Mark(index, kind, number, lines[index].start, heading, body)


def _closing(lines: list[Line], last_article: int | None, first: int, last: int, marks: list[_Mark]) -> _Mark | None:
    """Adoption, signature and recipients after the last article (or at the end of a document without articles)."""
    start = last_article + 1 if last_article is not None else max(first, (marks[-1].line + 1) if marks else last - 40)
    for index in range(start, last):
        line = lines[index]
        if line.quoted or not _CLOSING.match(line.words):
            continue
        begin = index  # a rule above it is the closing's
        while begin - 1 > start and (not lines[begin - 1].words or _RULE.fullmatch(lines[begin - 1].words)):
            begin -= 1
        begin = next(n for n in range(begin, index + 1) if lines[n].words)
        return _Mark(begin, "closing", None, lines[begin].start, (0, 0), lines[begin].start)
    return None
