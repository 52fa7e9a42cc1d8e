"""Which documents this one amends, replaces or repeals, by number and date or by title.

Only an act of the document itself counts: an order at the beginning of a sentence ("Bãi bỏ Quyết định số …"), a
sentence about itself ("Quy định này … thay thế …") or a statement that another document is no longer in force. Grounds,
quotations and history ("đã được sửa đổi, bổ sung theo Luật số …") do not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from core.text import fold, nfc
from core.text.aligned import Aligned
from core.text.spans import find_spans
from ingest.letter_case import natural_case
from ingest.lines import split_lines
from ingest.model import Provision, Relation, RelationKind
from ingest.types import TYPE_PATTERN, type_named

__all__ = ["find_relations"]

_ACT = re.compile(
    r"(?P<replaces>\bthay the(?: cho)?\b)|(?P<repeals>\b(?:bai bo|huy bo|cham dut hieu luc(?: thi hanh)? (?:cua|doi voi))\b)"
    r"|(?P<amends>\b(?:sua doi, bo sung|sua doi va bo sung|sua doi|bo sung)\b)"
    r"|(?P<ended>\b(?:het hieu luc|khong con hieu luc|cham dut hieu luc|(?:bi|duoc) bai bo|(?:bi|duoc) thay the (?:bang|boi)))\b",
    re.IGNORECASE,
)
_GROUNDS = re.compile(r"^[-–+* ]*(?:can cu|theo de nghi)\b", re.IGNORECASE | re.MULTILINE)
_SENTENCE_END = re.compile(r"[.;](?=\s|$)(?<!\b\d\.)(?<!\b\d\d\.)(?<!\b\d\d\d\.)")
_MARKER = re.compile(r"\s*(?:Dieu \d+[a-z]?\s*[.:]|\d{1,3}[a-z]?[.)]|[a-z]\d?\)|[-–+*])?\s*", re.IGNORECASE)
_ORDER = re.compile(r"(?:dong thoi|va|,|nay|ban hanh|ve viec|viec|toan bo|hieu luc|\s)*", re.IGNORECASE)
_PASSIVE = re.compile(r"\b(?:duoc|bi|da|da duoc|nguoi|viec|quyen|de nghi|xem xet,?)\s*$", re.IGNORECASE)
_HISTORY = re.compile(
    r"\b(?:sua doi|bo sung|thay the|bai bo|ban hanh)\b[^;]{0,60}?\b(?:theo|boi|bang)\s*$", re.IGNORECASE
)
_CONDITION = re.compile(r"\s*(?:khi|neu|truong hop|trong truong hop|trong thoi han)\b", re.IGNORECASE)
_PART = re.compile(
    r"\b(?:diem|khoan|dieu|muc|chuong|phan|cum tu|(?<!ke )tu|doan|noi dung|phu luc|mot so|quy dinh (?:tai|cua|ve))\b",
    re.IGNORECASE,
)
_TYPE = re.compile(rf"\b{TYPE_PATTERN}\b(?!\s+(?:nay|khac|ve viec nay)\b)", re.IGNORECASE)
_TYPE_AHEAD = rf"(?=(?-i:[A-Z]))(?={TYPE_PATTERN}\b)"
_STOP = re.compile(
    rf";|:|\s(?:het|khong con|cham dut) hieu luc|(?:,|,?\s(?:va|hoac))\s+(?:cac\s+)?{_TYPE_AHEAD}", re.IGNORECASE
)
# Words that end a name; with accents, which tell "trừ" from "Cư trú" and "được" from "Luật Dược".
_STOP_WORD = re.compile(r"\s(?:thay thế|bãi bỏ|có hiệu lực|như sau|trừ)\b", re.IGNORECASE)
_TITLE_END = re.compile(
    r",?\s+(?:số\s*:?\s*\d|ngày\s+\d|năm\s+\d{4}|(?:đã\s+)?được\s|ban hành kèm|kể từ|và các|có\s|ban hành\s*$"
    r"|của\s+(?:Bộ|Chính phủ|Quốc hội|Thủ tướng|Ban|Hội)\b)|,\s|\s*[(.]|\s*$"
)
_BEFORE_NUMBER = re.compile(r"(?P<title>\s(?:[^;:.(]{0,160}?\s)??)(?:số|SỐ)\s*:?\s*\d")
# Types of which an organisation has one of a title; there are many decisions and resolutions.
_STANDING = frozenset(
    {"Hiến pháp", "Bộ luật", "Luật", "Pháp lệnh", "Điều lệ", "Quy chế", "Quy định", "Nội quy", "Quy trình", "Thể lệ"}
)
# "Luật khác", "Quyết định của Ban Chấp hành" name no document.
_NO_TITLE = frozenset(
    ["của", "có", "khác", "liên", "trước", "được", "đã", "do", "và", "trái", "hiện", "phải", "nào", "sau", "trên"]
)
# "2. Bãi bỏ Quy chế …": an order that names its object with a capital.
_REPEAL_ORDER = re.compile(
    rf"{_MARKER.pattern}(?:bai bo|huy bo|thay the)\s+(?:toan bo\s+)?{_TYPE_AHEAD}", re.IGNORECASE
)
_FURTHER_NUMBER = re.compile(r"(?:,|\bva|\bhoac)\s+(?:so\s*:?\s*)?$", re.IGNORECASE)
_DOCUMENTS = re.compile(
    rf"\b(?:cac|nhung|mot so|toan bo)\b.{{0,40}}\b(?:van ban|quy dinh|dieu|{TYPE_PATTERN})\b", re.IGNORECASE
)
_ABOUT = re.compile(r"\b(?:ve|quy dinh|huong dan|ban hanh)\s", re.IGNORECASE)


@dataclass(slots=True)
class _Named:
    relation_type: str
    number: str | None
    issued_on: date | None
    title: str | None
    first: int  # in the sentence
    last: int


def find_relations(text: str, root: Provision, kind: str | None = None) -> tuple[Relation, ...]:
    """The relations that *text* with the tree *root* states, in order, each named document once a kind.

    *kind* is the document's own type, so that "Luật này" is told from "quyết định này" inside a law.
    """
    attached = [p.heading.split(" ") for p in root.children if p.kind == "attachment"]
    types = [kind, *(type_named(" ".join(words[:2])) or type_named(words[0]) for words in attached)]
    names = [re.escape(fold(name)).replace(r"\ ", r"\s+") for name in types if name] or [TYPE_PATTERN]
    itself = re.compile(rf"\b(?:van\s+ban|{'|'.join(names)})(?:\s+\w+){{0,6}}?\s+nay\b", re.IGNORECASE)
    aligned = Aligned(text)
    plain = _without_quotations(aligned)
    found: list[Relation] = []
    composed = nfc(text)
    for sentence in _sentences(aligned, plain, root, itself):
        found += _in_sentence(aligned, plain, sentence, composed)
    return tuple(_merged(found))


@dataclass(slots=True)
class _Sentence:
    start: int  # in the view without accents
    end: int
    itself: re.Pattern[str]
    is_title: bool = False
    inherited: RelationKind | None = None  # from "Bãi bỏ các văn bản sau đây:" above


def _without_quotations(aligned: Aligned) -> str:
    """The view with quotations blanked out (same length)."""
    characters = list(re.sub(r"“[^”\n]{0,2000}”", lambda m: " " * len(m.group()), aligned.plain))
    for line in split_lines(aligned.plain):
        if line.quoted:
            characters[line.first : line.last] = " " * (line.last - line.first)
    return "".join(characters)


def _sentences(aligned: Aligned, plain: str, root: Provision, itself: re.Pattern[str]) -> Iterator[_Sentence]:
    to_plain = _Positions(aligned)

    def inside(provision: Provision, inherited: RelationKind | None) -> Iterator[_Sentence]:
        start, end = to_plain(provision.start), to_plain(provision.end)
        if provision.kind == "closing":
            return
        if provision.kind == "preamble":
            grounds = _GROUNDS.search(plain, start, end)
            yield _Sentence(start, grounds.start() if grounds else end, itself, is_title=True)
            return
        if not _ACT.search(plain, start, end) and inherited is None:
            return
        position = start
        act = inherited
        if provision.heading:  # a heading is a sentence of its own, without a full stop
            position = to_plain(provision.heading_end)
            yield _Sentence(start, position, itself)
        for child in [*provision.children, None]:
            stop = to_plain(child.start) if child else end
            for sentence in _split(plain, position, stop, itself):
                sentence.inherited = inherited
                yield sentence
            if child:
                own = plain[position:stop].rstrip()
                if position < stop:
                    act = _announced(own, itself) if own.endswith(":") else (inherited if not own.strip() else None)
                yield from inside(child, act)
                position = to_plain(child.end)

    yield from inside(root, None)


class _Positions:
    """Offsets in the text back to positions in the view."""

    def __init__(self, aligned: Aligned) -> None:
        self._aligned = aligned

    def __call__(self, offset: int) -> int:
        if len(self._aligned.plain) == len(self._aligned.text):
            return offset
        low, high = 0, len(self._aligned.plain)
        while low < high:
            middle = (low + high) // 2
            if self._aligned.start(middle) < offset:
                low = middle + 1
            else:
                high = middle
        return low


def _split(plain: str, start: int, end: int, itself: re.Pattern[str]) -> Iterator[_Sentence]:
    position = start
    for match in _SENTENCE_END.finditer(plain, start, end):
        yield _Sentence(position, match.end(), itself)
        position = match.end()
    if plain[position:end].strip():
        yield _Sentence(position, end, itself)


def _announced(words: str, itself: re.Pattern[str]) -> RelationKind | None:
    """What a list under *words* ("… các văn bản sau đây hết hiệu lực:") does to the documents it names."""
    sentence = re.split(r"[.;]\s", words)[-1]
    for act in reversed(list(_ACT.finditer(sentence))):
        if act.lastgroup == "ended":
            if _DOCUMENTS.search(sentence, 0, act.start()):
                return "repeals"
        elif _is_own_act(sentence, 0, act, itself, is_title=False) and _DOCUMENTS.search(sentence, act.end()):
            return act.lastgroup  # type: ignore[return-value]  # the group's names are the kinds
    return None


def _in_sentence(aligned: Aligned, plain: str, sentence: _Sentence, composed: str) -> Iterator[Relation]:
    words = plain[sentence.start : sentence.end]
    acts = list(_ACT.finditer(words))
    marker = _MARKER.match(words)
    body = marker.end() if marker else 0
    if not acts and sentence.inherited is None:
        return
    named = list(_named(aligned, sentence, words, composed))
    if not named:
        return
    if not acts and sentence.inherited is not None:
        first = named[0]
        between = words[body : first.first]
        if not between.strip(" ,:") or (len(between) <= 120 and _PART.search(between)):
            kind: RelationKind = "amends" if _PART.search(between) else sentence.inherited
            yield _relation(aligned, sentence, first, kind)
        return
    if _CONDITION.match(words, body):
        return
    for position, act in enumerate(acts):
        limit = acts[position + 1].start() if position + 1 < len(acts) else len(words)
        if act.lastgroup == "ended":
            floor = acts[position - 1].end() if position and acts[position - 1].lastgroup == "ended" else body
            yield from _ended(aligned, sentence, words, named, act, floor)
        elif _is_own_act(words, body, act, sentence.itself, is_title=sentence.is_title):
            yield from _acted_on(aligned, sentence, words, named, act, limit)


def _is_own_act(words: str, body: int, act: re.Match[str], itself: re.Pattern[str], *, is_title: bool) -> bool:
    before = words[body : act.start()]
    if _PASSIVE.search(before) and not before.rstrip().lower().endswith("viec"):
        return False
    if is_title:
        return True
    own = list(itself.finditer(before))
    if own:
        return act.lastgroup != "amends" or len(before) - own[-1].end() <= 40
    # Another act may stand before it: "Sửa đổi, bổ sung, bãi bỏ một số điều của …".
    marker = _MARKER.match(before)
    return _ORDER.fullmatch(_ACT.sub("", before[marker.end() if marker else 0 :])) is not None


def _acted_on(
    aligned: Aligned, sentence: _Sentence, words: str, named: list[_Named], act: re.Match[str], limit: int
) -> Iterator[Relation]:
    kind: RelationKind = act.lastgroup  # type: ignore[assignment]  # the group's names are the kinds
    position = act.end()
    history = False
    for one in named:
        if one.first < act.end():
            continue
        if one.first >= limit:
            break
        between = words[position : one.first]
        history = _is_history(words[act.end() : one.first], between, history)
        if history:
            position = one.last
            continue
        yield _relation(aligned, sentence, one, "amends" if _PART.search(between) else kind)
        position = one.last


def _ended(
    aligned: Aligned, sentence: _Sentence, words: str, named: list[_Named], act: re.Match[str], floor: int
) -> Iterator[Relation]:
    position = floor
    history = False
    replaced = "thay the" in act.group().lower()
    for one in named:
        if one.first < floor or one.last > act.start():
            continue
        between = words[position : one.first]
        history = _is_history(words[floor : one.first], between, history)
        if not history:
            whole: RelationKind = "replaces" if replaced else "repeals"
            yield _relation(aligned, sentence, one, "amends" if _PART.search(between) else whole)
        position = one.last


def _is_history(before: str, between: str, last: bool) -> bool:
    """Whether a document is named only as one that amended another: "đã được sửa đổi theo Luật A, Luật B và Luật C"."""
    listed = re.fullmatch(r"\s*(?:,|va|hoac|\s)*(?:cac\s+)?", between, re.IGNORECASE) is not None
    return _HISTORY.search(before) is not None or (last and listed)


def _relation(aligned: Aligned, sentence: _Sentence, named: _Named, kind: RelationKind) -> Relation:
    return Relation(
        kind=kind,
        type=named.relation_type,
        number=named.number,
        issued_on=named.issued_on,
        title=named.title,
        start=aligned.start(sentence.start + named.first),
        end=aligned.end(sentence.start + named.last),
    )


def _named(aligned: Aligned, sentence: _Sentence, words: str, composed: str) -> Iterator[_Named]:
    """The documents that a sentence names by number, by date or by title."""
    position = 0
    composed_words = Aligned(aligned.slice(sentence.start, sentence.end)).composed
    while match := _TYPE.search(words, position):
        position = match.end()
        if not match.group()[0].isupper() or match.group().lower() == "danh muc":
            continue
        stop = _STOP.search(words, match.end())
        last = stop.start() if stop else len(words)
        stop = _STOP_WORD.search(composed_words, match.end(), last)
        last = stop.start() if stop else last
        for named in _describe(aligned, sentence, match, words[match.start() : last], composed):
            yield named
            position = max(position, named.last)


def _describe(
    aligned: Aligned, sentence: _Sentence, match: re.Match[str], segment: str, composed: str
) -> Iterator[_Named]:
    """The document named in *segment*, which begins with its type, and those whose numbers are listed after it."""
    base = sentence.start + match.start()
    original = aligned.slice(base, base + len(segment))
    spans = find_spans(original)
    view = Aligned(original)
    to_plain = _Positions(view)
    kind = type_named(match.group()) or match.group()
    type_length = match.end() - match.start()
    accented = view.composed
    before_number = _BEFORE_NUMBER.match(accented, type_length)
    end_of_title = _TITLE_END.search(accented, type_length)
    title_stop = end_of_title.start() if end_of_title else len(segment)
    if before_number and not re.search(r"\b(?:ngày|được|ban hành|năm)\b", before_number["title"]):
        title_stop = before_number.end("title")
    number = spans.numbers[0] if spans.numbers else None
    if (
        number
        and not re.search(r"\bso\s*:?\s*$", segment[: to_plain(number.start)], re.IGNORECASE)
        and number.start > type_length + 2
    ):
        number = None
    day = next((d for d in spans.dates if number is None or number.end <= d.start <= number.end + 12), None)
    if number is None and day is not None and to_plain(day.start) > title_stop + 3:
        day = None
    last = max([title_stop, *(to_plain(m.end) for m in (number, day) if m)])
    title = " ".join(nfc(view.slice(type_length, title_stop)).split()).strip(" .,:;/“”\"'")
    if not title and number is not None:
        about = _ABOUT.search(segment, last)
        if about and about.start() - last <= 80:
            title = " ".join(nfc(view.slice(about.start(), len(segment))).split()).strip(" .,:;/“”\"'")
            last = len(segment.rstrip(" .,;:\n"))
    if not title and number is None and day is None:
        return
    if number is None and day is None and not _named_by_title(aligned, sentence, kind, title):
        return
    full = f"{kind} {natural_case(title, composed, before=kind)}" if title else None
    yield _Named(
        kind, number.number if number else None, day.day if day else None, full, match.start(), match.start() + last
    )
    for further in spans.numbers[1:] if number else ():
        start, stop = to_plain(further.start), to_plain(further.end)
        if _FURTHER_NUMBER.search(segment[:start]):
            after = next((d for d in spans.dates if further.end <= d.start <= further.end + 12), None)
            end = to_plain(after.end) if after else stop
            issued_on = after.day if after else None
            yield _Named(kind, further.number, issued_on, None, match.start() + start, match.start() + end)


def _named_by_title(aligned: Aligned, sentence: _Sentence, kind: str, title: str) -> bool:
    """Whether a title without number and date names a document, in a sentence about this document's own act."""
    if kind not in _STANDING or title.split(maxsplit=1)[0].lower() in _NO_TITLE:
        return False
    words = aligned.plain[sentence.start : sentence.end]
    own = sentence.is_title or sentence.inherited is not None or sentence.itself.search(words) is not None
    own = own or _REPEAL_ORDER.match(words) is not None
    return own or re.search(r"\bmot so dieu\b", words, re.IGNORECASE) is not None


def _merged(relations: list[Relation]) -> Iterator[Relation]:
    """Without repetitions: the same document by title alone beside its number, or twice with the same number."""
    seen: set[tuple[object, ...]] = set()
    for relation in relations:
        key = (
            relation.kind,
            relation.number,
            relation.issued_on if relation.number else (relation.issued_on, fold(relation.title or "")),
        )
        twin = relation.number is None and any(
            other.kind == relation.kind
            and other.number is not None
            and other.title is not None
            and relation.title is not None
            and fold(other.title).startswith(fold(relation.title))
            for other in relations
        )
        if key not in seen and not twin:
            seen.add(key)
            yield relation
