"""What a question names: provisions ("khoản 2 Điều 30 Điều lệ") and whole documents ("Quy định số 12-QĐ/HTN").

Pure: what the names stand for in the store is looked up elsewhere. Questions may be written without accents.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date

from core.text import nfc, syllables
from core.text.aligned import Aligned
from core.text.spans import NumberMention, ProvisionMention, Spans, find_spans

__all__ = ["DocumentName", "Reference", "matching_words", "named_documents", "parse_references"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A provision named in a question. Numbers are as written; *start*:*end* is where, offsets into the question.

    Without accents a point "d" may mean d or đ. *document_hint* is the words from the document's type on, as written
    ("luật du lịch", "quy che tai chinh"); it may run past the title, so compare it by :func:`matching_words`. Both
    document fields are None where only the provision is named.
    """

    article: str
    clause: str | None
    point: str | None
    document_number: str | None
    document_hint: str | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class DocumentName:
    """A document named by its number as written (it may lack the code: "135/2020"), with the date if one follows."""

    number: str
    issued_on: date | None
    start: int
    end: int


_TYPES = (
    "hien phap|bo luat|luat|phap lenh|nghi dinh|nghi quyet|thong tu|quyet dinh|quy dinh|quy che|quy trinh|huong dan"
    "|chi thi|ket luan|dieu le|ke hoach|chuong trinh|thong bao|noi quy|the le|de an"
)
_TYPE = re.compile(rf"\b(?P<type>{_TYPES})\b", re.IGNORECASE)
# Between a provision and its document: "Điều 5 của Luật …", "Điều 5, Luật …", "Điều 5 trong Quy chế …".
_LINK_AFTER = re.compile(r"[\s,(]*(?:(?:cua|trong|tai|thuoc|theo|o)\b\s*)?(?:(?:ban|cuon|van ban)\s+)?", re.IGNORECASE)
_LINK_BEFORE = re.compile(r"[\s,(:;]*(?:(?:thi|co|o|tai|trong|phan)\b[\s,]*)?$", re.IGNORECASE)
# Verbs and common nouns too: they name a document only with a capital, a number or a name behind them.
_ALSO_A_WORD = frozenset(
    {"quy dinh", "huong dan", "ket luan", "ke hoach", "thong bao", "quyet dinh", "chuong trinh", "quy trinh"}
)
_END_OF_NAME = re.compile(
    r"[?!.;:()\"“”\n]"
    r"|\b(?:noi|quy dinh|ghi|neu|la|nhu the|the nao|nhu nao|ra sao|co (?:noi|quy|ghi|neu|hieu|may|bao|phai|duoc|nhung|gi)|gom|bao gom|gi|nao"
    r"|cho (?:phep|biet|hoi|toi|em|minh)|yeu cau|bat buoc|nghia|hieu|ap dung|con hieu|het hieu|duoc|thi|ve viec|ve van de|doi voi|khi|neu|so \d"
    r"|nam \d|ngay|dieu \d|khoan|diem|hay|hoac|voi|khac|xem|tra|trich|giup|nhe|a|nhi|khong|o dau|may|bao nhieu|ai|nay|do|kia|hien hanh|moi nhat)\b",
    re.IGNORECASE,
)
_MAX_HINT_WORDS = 14


def matching_words(hint: str, title: str) -> int:
    """How many syllables of *hint*, from its first on, begin *title* (type and subject); 0 if the type differs.

    Case, accents, tone placement, punctuation and a number after the type ("số 12-QĐ/HTN") do not count. The document
    meant is the one with the most matching words; equal to the hint's or the title's length is a certain match.
    """
    wanted = syllables(re.sub(r"(?:(?:số|so)\s+)?\d\S*(?:/\S+)?", " ", nfc(hint), flags=re.IGNORECASE))
    given = syllables(title)
    count = 0
    for one, other in zip(wanted, given, strict=False):
        if one != other:
            break
        count += 1
    kind = _TYPE.match(" ".join(wanted))
    return count if kind is None or count >= len(kind["type"].split()) else 0


def parse_references(question: str) -> list[Reference]:
    """The provisions that *question* names, in order; empty if it names none. "Điều lệ" and "điều kiện" are none."""
    aligned = Aligned(question)
    spans = find_spans(question)
    named = [mention for mention in spans.provisions if mention.article is not None]
    references = [
        Reference(
            article=mention.article,
            clause=mention.clause,
            point=mention.point,
            document_number=_document_number(question, mention, spans),
            document_hint=_document_hint(aligned, mention),
            start=mention.start,
            end=mention.end,
        )
        for mention in named
        if mention.article is not None
    ]
    return _shared(references)


def named_documents(question: str) -> list[DocumentName]:
    """The documents that *question* names by number, in order, those of its references included."""
    spans = find_spans(question)
    found: list[DocumentName] = []
    for number in spans.numbers:
        day = next((d for d in spans.dates if 0 <= d.start - number.end <= 8), None)
        end = day.end if day else number.end
        found.append(DocumentName(number.number, day.day if day else None, number.start, end))
    return found


def _document_number(question: str, mention: ProvisionMention, spans: Spans) -> str | None:
    """The number after the provision up to the next provision, else the nearest before it."""
    following = [m.start for m in spans.provisions if m.start >= mention.end]
    limit = min(following, default=len(question))
    after: list[NumberMention] = [n for n in spans.numbers if mention.end <= n.start < limit]
    if after:
        return after[0].number
    before = [n for n in spans.numbers if n.end <= mention.start]
    return before[-1].number if before else None


def _document_hint(aligned: Aligned, mention: ProvisionMention) -> str | None:
    positions = [p for p in range(len(aligned.plain) + 1) if aligned.start(p) in (mention.start, mention.end)]
    first, last = positions[0], positions[-1]
    link = _LINK_AFTER.match(aligned.plain, last)
    begin = link.end() if link else last
    match = _TYPE.match(aligned.plain, begin)
    if match and (hint := _hint(aligned, match, len(aligned.plain))):
        return hint
    for match in reversed(list(_TYPE.finditer(aligned.plain, 0, first))):
        gap = _LINK_BEFORE.search(aligned.plain, match.end(), first)
        hint = _hint(aligned, match, gap.start() if gap else first)
        if hint and _reaches(aligned, match.start() + len(Aligned(hint).plain), first):
            return hint
    return None


def _reaches(aligned: Aligned, end: int, first: int) -> bool:
    """Whether only a link stands between a name's end and the provision ("quy chế tài chính, điều 12")."""
    between = re.sub(r"\b(?:so\s*:?\s*)?\S*\d\S*|\bngay\b|\bnam\b", " ", aligned.plain[end:first])
    return _LINK_BEFORE.fullmatch(between) is not None


def _hint(aligned: Aligned, match: re.Match[str], limit: int) -> str | None:
    stop = _END_OF_NAME.search(aligned.plain, match.end(), limit)
    end = stop.start() if stop else limit
    words = aligned.plain[match.end() : end].split()
    kind = " ".join(match["type"].lower().split())
    numbered = re.match(r"\s*(?:so\b\s*)?:?\s*\d", aligned.plain[match.end() :], re.IGNORECASE) is not None
    if kind in _ALSO_A_WORD and not numbered and not (match["type"][0].isupper() and words):
        return None
    if re.match(r"\s*(?:nay|do)\b", aligned.plain[match.end() :], re.IGNORECASE):
        return None
    if len(words) > _MAX_HINT_WORDS:
        end = match.end()
    return " ".join(aligned.slice(match.start(), end).split()).rstrip(",") or None


def _shared(references: list[Reference]) -> list[Reference]:
    """Give a provision without a document that of the next one, if that has one: "Điều 5 và Điều 7 Luật X"."""
    shared: list[Reference] = []
    following: Reference | None = None
    for reference in reversed(references):
        bare = reference.document_number is None and reference.document_hint is None
        if bare and following is not None:
            number, hint = following.document_number, following.document_hint
            following = replace(reference, document_number=number, document_hint=hint)
        else:
            following = reference
        shared.append(following)
    return shared[::-1]
