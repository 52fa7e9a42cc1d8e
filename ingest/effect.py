"""From when a document is in force, as it says itself."""

from __future__ import annotations

import re
from datetime import date, timedelta
from itertools import islice, takewhile

from core.text.aligned import Aligned
from core.text.spans import find_spans
from ingest.lines import split_lines
from ingest.types import TYPE_PATTERN

__all__ = ["find_effective_date"]

_FORCE = r"(?:chinh[ ]thuc[ ])?(?:co[ ])?hieu[ ]luc(?:[ ]+(?:thi[ ]+hanh|ap[ ]+dung))?"
_WHEN = (
    r"(?:[ ]+(?:ke[ ]+)?(?P<from>tu|sau)[ ]+|[ ]*:[ ]*(?:ke[ ]+tu[ ]+|tu[ ]+)?)"
    r"(?:(?P<days>\d{1,3})[ ]+ngay,?[ ]+ke[ ]+tu[ ]+)?(?P<when>(?:ngay[ ]+)?(?:ky|ban[ ]hanh|duoc[ ]+\S+|thong[ ]qua|\d))"
)
_ITSELF = rf"(?:{TYPE_PATTERN}|van[ ]+ban|dieu[ ]+le)(?:[ ]+\w+){{0,6}}?[ ]+nay"
# Strict first: "Nghị định này có hiệu lực thi hành từ ngày …"; then with words between ("… này gồm 5 chương, có hiệu lực
# …"), inside one sentence; then a line of the head ("… của Quốc hội, hiệu lực thi hành từ ngày 01/7/2016").
_PATTERNS = (
    re.compile(rf"{_ITSELF}[ ]+{_FORCE}{_WHEN}", re.IGNORECASE),
    re.compile(rf"{_ITSELF}\b(?P<between>[^.;:\n]{{1,160}}?)[ ]{_FORCE}{_WHEN}", re.IGNORECASE),
)
_HEAD_LINE = re.compile(rf"(?:ngay[ ]+)?{_FORCE}{_WHEN}", re.IGNORECASE)
_ABOUT_OTHERS = re.compile(
    r"\bso[ ]+\d|\btruoc[ ]+ngay|\bkhong\b|\btru\b|\blien quan\b|\bdieu[ ]+\d|\bkhoan[ ]+\d", re.IGNORECASE
)
_HEAD_LINES = 12
_BODY = re.compile(r"\W*(?:(?:dieu|chuong|phan|muc)[ ]+[\dIVX]|phan[ ]+thu|can[ ]+cu|\d{1,3}\.|“)", re.IGNORECASE)


def find_effective_date(text: str, issued_on: date | None) -> date | None:
    """The day on which the document says it comes into force; *issued_on* for "kể từ ngày ký".

    Sentences inside quotations and sentences about other documents do not count. None if it does not say.
    """
    aligned = Aligned(text)
    lines = split_lines(aligned.plain)
    quoted = [(line.start, line.next) for line in lines if line.quoted]
    for pattern in _PATTERNS:
        for match in pattern.finditer(aligned.plain):
            if any(start <= match.start() < end for start, end in quoted):
                continue
            if "between" in pattern.groupindex and _ABOUT_OTHERS.search(match["between"]):
                continue
            if found := _day(aligned, match, issued_on):
                return found
    head = takewhile(lambda line: not _BODY.match(line.words), (line for line in lines if line.words))
    for line in islice(head, _HEAD_LINES):
        stated = _HEAD_LINE.search(aligned.plain, line.first, line.last) if len(line.words) <= 300 else None
        if stated and (found := _day(aligned, stated, issued_on)):
            return found
    return None


def _day(aligned: Aligned, match: re.Match[str], issued_on: date | None) -> date | None:
    if match["when"][-1].isdigit():
        dates = find_spans(aligned.slice(match.start("when"), match.end("when") + 40)).dates
        return dates[0].day if dates and dates[0].start <= len("ngày ") + 1 else None
    if issued_on is None:
        return None
    return issued_on + timedelta(days=int(match["days"])) if match["days"] else issued_on
