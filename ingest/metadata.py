"""What a document says of itself in its head and its closing: type, number, date, issuer, title, signer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from core.text import nfc
from core.text.aligned import Aligned
from core.text.spans import find_spans
from ingest.effect import find_effective_date
from ingest.letter_case import natural_case
from ingest.lines import Line, split_lines
from ingest.model import Metadata, Provision
from ingest.types import TYPE_PATTERN, type_named

__all__ = ["read_metadata"]

_MAX_HEAD_LINES = 80
_MAX_TITLE = 300
_GROUNDS = re.compile(r"[-–+*• ]*(?:can cu|theo de nghi|xet (?:de nghi|to trinh)|thuc hien|kinh gui)\b", re.IGNORECASE)
_NATIONAL = re.compile(
    r"CONG HOA XA HOI CHU NGHIA VIET NAM|DOC LAP ?[-–—] ?TU DO.*|DANG CONG SAN VIET NAM|DOAN TNCS HO CHI MINH"
)
_RULE = re.compile(r"[\W_]*")
_NUMBER_LINE = re.compile(
    r"(?:(?:bo )?luat |nghi quyet |nghi dinh |quyet dinh |phap lenh )?so(?: hieu)?[ ]*:?[ ]*\d", re.IGNORECASE
)
_DATE_LINE = re.compile(
    r"(?P<place>[^\d;]{0,60}?)\b(?:ngay)[ ]+\d{1,2}(?:[ ]+thang[ ]+\d{1,2}[ ]+nam[ ]+\d{4}|([/.-])\d{1,2}\2\d{4})[.)]?$",
    re.IGNORECASE,
)
_TITLE_LINE = re.compile(rf"(?P<type>{TYPE_PATTERN})(?![\w])[ ]*(?P<rest>.*)", re.IGNORECASE)
_NOT_A_TITLE = re.compile(r"(?:so[ ]*:|nay\b|trich\b)", re.IGNORECASE)
_ISSUED_WITH = re.compile(
    r"\(?[ ]*(?:ban hanh )?kem theo|\(?[ ]*(?:da )?(?:duoc )?.{0,120}(?:thong qua|ban hanh)", re.IGNORECASE
)
_CONTINUES_NAME = re.compile(r"(?:VA|TINH|THANH PHO|TP|QUAN|HUYEN|THI XA|XA|PHUONG|THI TRAN|KHOA|NHIEM KY)\b")
_OF_ISSUER = re.compile(r"\bcua[ ]+(?P<issuer>[A-Z][^,.;()]{2,80})")
_ADOPTED = re.compile(r"(?:thong qua|ban hanh)(?:[ ]+tai[^.;]{0,80})?,?[ ]+(?=ngay)", re.IGNORECASE)
_SIGNED = re.compile(r"\(?(?:da ky)\)?[ .:]*", re.IGNORECASE)
_PERSON = re.compile(r"(?:[A-Z][a-z]*[ ]+){1,5}[A-Z][a-z]*")
_OFFICE = re.compile(r"T/M|TM\.|KT\.|TL\.|TUQ\.|Q\.|(?:PHO |TONG )*(?:CHU TICH|BI THU|BO TRUONG|THU TUONG|GIAM DOC)")
_STANDING = {"Luật": "Quốc hội", "Bộ luật": "Quốc hội", "Hiến pháp": "Quốc hội"}


@dataclass(slots=True)
class _Head:
    """The words before the grounds: lines, and where in them the type stands."""

    aligned: Aligned
    lines: list[Line]  # with words only
    blank_before: list[bool]

    def original(self, index: int, start: int = 0, end: int | None = None) -> str:
        """The original words of a line (NFC, one space between them), from *start* to *end* of its plain words."""
        line = self.lines[index]
        stop = line.last if end is None else line.first + end
        words = nfc(self.aligned.slice(line.first + start, stop)).replace("\\", "")
        return " ".join(words.replace("**", "").split())


def read_metadata(text: str, root: Provision, name: str | None) -> Metadata:
    """Read the metadata of *text* with the tree *root*; *name* (a file's stem) is the last resort for the title."""
    composed = nfc(text)
    head = _head(text, root)
    closing = _closing_text(text, root)
    title_at = _title_line(head)
    kind, subject = _type_and_subject(head, title_at, composed) if title_at is not None else (None, None)
    number = _number(head, title_at) or _number_in(closing)
    issued_on = _issued_on(head) or _adopted_on(closing)
    issuer = _issuer(head, title_at, composed)
    if issuer is None and kind in _STANDING and re.search(r"\bQuốc hội\b", composed):
        issuer = _STANDING[kind]
    return Metadata(
        type=kind,
        number=number,
        issued_on=issued_on,
        issuer=issuer,
        subject=subject,
        title=_title(kind, subject, head, name),
        signer=_signer(closing),
        effective_on=find_effective_date(text, issued_on),
    )


def _head(text: str, root: Provision) -> _Head:
    first = root.children[0] if root.children else None
    if first is None:
        end = len(text)
    elif first.kind == "preamble":
        end = first.end
    else:
        end = first.start
    aligned = Aligned(text[:end])
    kept: list[Line] = []
    blanks: list[bool] = []
    blank = False
    for line in split_lines(aligned.plain):
        if not line.words:
            blank = True
            continue
        if _GROUNDS.match(line.words) or len(kept) >= _MAX_HEAD_LINES:
            break
        kept.append(line)
        blanks.append(blank)
        blank = False
    return _Head(aligned, kept, blanks)


def _closing_text(text: str, root: Provision) -> str:
    for child in root.walk():
        if child.kind == "closing":
            return text[child.start : child.end]
    return ""


def _title_line(head: _Head) -> int | None:
    """The line with the type: alone in capitals, else in capitals with the subject, else in small letters."""
    ranked: list[tuple[int, int]] = []
    for index, line in enumerate(head.lines):
        match = _TITLE_LINE.match(line.words)
        if match is None or len(line.words) > _MAX_TITLE or _NOT_A_TITLE.match(match["rest"]):
            continue
        if _NUMBER_LINE.match(line.words) and not find_spans(match["rest"]).dates:
            continue
        capitals = line.words.isupper()
        if not match["rest"]:
            rank = 0 if capitals else 2
        elif capitals:
            rank = 1
        elif match["type"][0].isupper() and not line.words.endswith((".", ";", ":", ",")):
            rank = 3
        else:
            continue
        ranked.append((rank, index))
    return min(ranked)[1] if ranked else None


def _type_and_subject(head: _Head, at: int, composed: str) -> tuple[str, str | None]:
    line = head.lines[at]
    match = _TITLE_LINE.match(line.words)
    assert match is not None  # chosen by this pattern
    kind = type_named(match["type"]) or match["type"].capitalize()
    parts = [_without_number(head.original(at, match.start("rest")))] if match["rest"] else []
    for index in range(at + 1, len(head.lines)):
        words = head.lines[index].words
        if _ends_subject(words, head.lines[index]):
            break
        capitals = words.isupper()
        if parts and (capitals != parts[-1].isupper() or (head.blank_before[index] and not capitals)):
            break
        if parts and head.blank_before[index] and (match["rest"] or not _opens_further(parts[-1])):
            break
        if parts and not capitals and parts[-1].endswith("."):
            break
        parts.append(head.original(index))
        if len(" ".join(parts)) > _MAX_TITLE:
            break
    subject = " ".join(" ".join(parts).split()).strip(" .,:;-–—*") or None
    if subject is None:
        return kind, None
    cased = natural_case(subject, composed, before=kind)
    if cased != subject and cased.split()[0] in ("Nước", "Của"):
        cased = cased[0].lower() + cased[1:]
    return kind, cased


def _without_number(words: str) -> str:
    """A subject on the type's line without "số 12-QĐ/HTN, ngày 01/7/2026 của …" in front of or behind it."""
    spans = find_spans(words)
    if not spans.numbers:
        return words
    first, last = spans.numbers[0].start, max([spans.numbers[0].end, *(d.end for d in spans.dates)])
    before = re.sub(r"\s*(?:số|so|SỐ)\s*:?\s*$", "", words[:first])
    after = words[last:]
    behind = re.search(r"\b(?:về|quy định|ban hành|VỀ|hướng dẫn)\b.*", after)
    return " ".join([before, behind.group() if behind and not before else ""]).strip()


def _ends_subject(words: str, line: Line) -> bool:
    return (
        _RULE.fullmatch(words) is not None
        or line.quoted
        or words.startswith(("(", "- ", "* "))
        or _NATIONAL.fullmatch(words) is not None
        or _NUMBER_LINE.match(words) is not None
        or _DATE_LINE.match(words) is not None
        or words.endswith(";")
        or len(words) > _MAX_TITLE
    )


def _opens_further(words: str) -> bool:
    """Whether a line in capitals plainly goes on after a blank line ("SỬA ĐỔI, BỔ SUNG MỘT SỐ ĐIỀU CỦA")."""
    return words.endswith((",", " VÀ", " CỦA", " VỀ"))


_CONTINUES = ("Về", "Sửa", "Ban", "Hướng")


def _title(kind: str | None, subject: str | None, head: _Head, name: str | None) -> str:
    if kind is not None:
        if subject is None:
            return kind
        continues = subject.split()[0] in _CONTINUES  # on a line of its own it begins with a capital, here it goes on
        return f"{kind} {subject[:1].lower()}{subject[1:]}" if continues else f"{kind} {subject}"
    for index, line in enumerate(head.lines):
        words = line.words
        if len(words) <= _MAX_TITLE and not _NATIONAL.fullmatch(words) and any(c.isalnum() for c in words):
            return head.original(index)
    if name and name.strip():
        return " ".join(nfc(name).replace("_", " ").split())
    return head.original(0)[:_MAX_TITLE] if head.lines else ""


def _number(head: _Head, title_at: int | None) -> str | None:
    candidates = [i for i, line in enumerate(head.lines) if _NUMBER_LINE.match(line.words)]
    candidates += [i for i, line in enumerate(head.lines) if _ISSUED_WITH.match(line.words) and i not in candidates]
    candidates += [title_at] if title_at is not None else []
    candidates += [0] if head.lines and _TITLE_LINE.match(head.lines[0].words) else []
    for index in candidates:
        if found := _number_in(head.original(index)):
            return found
    return None


def _number_in(words: str) -> str | None:
    numbers = find_spans(words).numbers if words else ()
    return numbers[0].number if numbers else None


def _issued_on(head: _Head) -> date | None:
    for index, line in enumerate(head.lines):
        match = _DATE_LINE.search(line.words)
        dated = match is not None and (match.start() == 0 or line.words.startswith(("So", "SO", "Luat so")))
        if dated and not _ISSUED_WITH.match(line.words):
            dates = find_spans(head.original(index)).dates
            if dates:
                return dates[-1].day
    numbered = [
        i for i, line in enumerate(head.lines) if _NUMBER_LINE.match(line.words) or _ISSUED_WITH.match(line.words)
    ]
    titled = [i for i, line in enumerate(head.lines) if _TITLE_LINE.match(line.words)]
    for index in numbered + titled:
        spans = find_spans(head.original(index))
        after = [d for d in spans.dates if not spans.numbers or d.start > spans.numbers[0].start]
        if after:
            return after[0].day
    return None


def _adopted_on(closing: str) -> date | None:
    aligned = Aligned(closing)
    match = _ADOPTED.search(aligned.plain)
    if match is None:
        return None
    dates = find_spans(aligned.slice(match.end(), match.end() + 60)).dates
    return dates[0].day if dates else None


def _issuer(head: _Head, title_at: int | None, composed: str) -> str | None:
    """The issuing body: above "*" or the number on the left of the head, the last one of those in capitals."""
    end = title_at if title_at is not None else len(head.lines)
    group: list[int] = []
    best: list[int] = []
    for index in range(end):
        words = head.lines[index].words
        mark = _NUMBER_LINE.match(words) is not None or re.match(r"(?i)so[ ]*:", words) is not None
        if mark or (
            _RULE.fullmatch(words) and "*" in head.aligned.plain[head.lines[index].start : head.lines[index].next]
        ):
            if group:
                best = group
                break
        elif words.isupper() and not _NATIONAL.fullmatch(words) and len(words) <= 120:
            group.append(index)
    else:
        best = group
    if best:
        last = len(best) - 1
        while last > 0 and _CONTINUES_NAME.match(head.lines[best[last]].words):
            last -= 1
        return natural_case(" ".join(head.original(i) for i in best[last:]), composed)
    for index in range(min(2, len(head.lines))):
        match = _OF_ISSUER.search(head.lines[index].words) if find_spans(head.original(index)).numbers else None
        if match:
            return head.original(index, match.start("issuer"), match.end("issuer"))
    return None


def _signer(closing: str) -> str | None:
    aligned = Aligned(closing)
    head = _Head(aligned, [line for line in split_lines(aligned.plain) if line.words], [])
    office = False
    found: str | None = None
    for index, line in enumerate(head.lines):
        words = line.words
        if signed := _SIGNED.match(words):
            if _PERSON.fullmatch(words, signed.end()):
                return head.original(index, signed.end())
            office = True
        elif _OFFICE.match(words) and words.isupper():
            office = True
        elif office and _PERSON.fullmatch(words) and not type_named(words):
            found = head.original(index)
    return found
