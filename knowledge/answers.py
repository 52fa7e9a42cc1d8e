"""Answers: the exact words of the provision that answers, with its citation; or the plain word that nothing does."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from sqlalchemy.orm import Session

from core import clock
from core.text import syllables
from knowledge import abstention, documents, indexing, passages, provisions, sentences, validity
from knowledge.models import Document
from knowledge.provisions import Found
from knowledge.question_words import content_mask, question_syllables
from knowledge.references import Reference, named_documents, parse_references
from knowledge.search.fusion import Hit, SearchResult
from messaging.reply import Citation, Highlight, Suggestion

MAX_CITATIONS = 3
"""The provision that answers and up to two further ones."""

FURTHER_SHARE = 0.8
"""A further provision is shown when its score is at least this share of the best one's."""

LONGEST_QUOTE = 4000
"""Characters; of a longer article only what stands above its clauses is quoted."""

HEADING_MATCH = 0.75
"""From this likeness (F1 of content syllables) of question and heading on, the whole article is the answer."""

LONGEST_HEADING_QUESTION = 5
"""Content syllables; who asks in more words wants something particular, not all that stands below a heading."""

HEADING_CERTAIN = 0.99
"""From this likeness on there is an answer, whatever the search's own confidence."""

_ONE_THING = re.compile(
    r"\b(?:bao (?:nhiêu|lâu|giờ|xa)|mấy|(?:khi|lúc|ngày|tháng) nào|ai|đâu|không|đúng|sai|nào sau đây)\b"
)
"""A question for one thing (how long, how many, who, whether) is answered by a clause, never by a whole article."""

_A_LIST = re.compile(r"\b(?:những|gồm|các|nêu|liệt kê)\b")
"""A question for a list: no item of the article decides it alone, so its introduction is marked, if it has one."""

SUGGESTIONS = 3
CANDIDATES = 12

NOTHING_FOUND = "Tôi chưa tìm thấy quy định nào trả lời câu hỏi này."


class NothingPublishedError(RuntimeError):
    """There is no published document to answer from."""


@dataclass(frozen=True)
class Answer:
    """What is said to a question. Abstained: ``text`` says so, no citations, the nearest headings as suggestions."""

    question: str
    text: str
    abstained: bool
    citations: list[Citation] = field(default_factory=list)
    suggestions: list[Suggestion] = field(default_factory=list)
    latency_ms: float = 0.0


def answer(session: Session, question: str, *, as_of: date | None = None) -> Answer:
    """Answer *question* from the published documents in force on *as_of* (default: today).

    A reference ("khoản 2 Điều 30 Điều lệ") goes straight to the provision. A document that the question names is
    answered from even when it is not in force on that day; the answer then says what its status is.

    Raises NothingPublishedError when nothing is published.
    """
    begun = time.perf_counter()
    day = as_of or clock.today()
    if not documents.any_published(session):
        raise NothingPublishedError("nothing is published")
    reply = _by_reference(session, question, day) or _by_search(session, question, day)
    return Answer(
        question=question,
        text=reply.text,
        abstained=reply.abstained,
        citations=reply.citations,
        suggestions=reply.suggestions,
        latency_ms=round((time.perf_counter() - begun) * 1000, 2),
    )


def referenced(session: Session, question: str, day: date) -> list[Found]:
    """The provisions that *question* names by number, in force on *day* or in a document that it names as well."""
    return [place for _, places in _references(session, question, day) for place in places]


def _references(session: Session, question: str, day: date) -> list[tuple[Reference, list[Found]]]:
    resolved = []
    for reference in parse_references(question):
        named = _named(session, reference)
        if named is not None and not named:
            continue  # a document that we do not have: the search says what is near
        places = provisions.at_reference(
            session, article=reference.article, clause=reference.clause, point=reference.point, documents=named
        )
        in_force = [place for place in places if validity.in_force(place.document, day)]
        if named:
            resolved.append((reference, (in_force or places)[:1]))
        elif in_force:
            resolved.append((reference, in_force[:MAX_CITATIONS]))
    return resolved


def _by_reference(session: Session, question: str, day: date) -> Answer | None:
    """The provisions that the question refers to by number; None when it refers to none that can be told."""
    resolved = _references(session, question, day)
    references = [reference for reference, _ in resolved]
    found = [place for _, places in resolved for place in places]
    if not found:
        return _missing(session, question, references)
    if not _asks_more(question, references, found):
        return _compose(session, question, found[:MAX_CITATIONS], day, asked=None)
    if len(references) == 1:
        found = _nearest_first(session, question, found, day)
    return _compose(session, question, found[:MAX_CITATIONS], day, asked=question)


def _nearest_first(session: Session, question: str, found: Sequence[Found], day: date) -> list[Found]:
    """*found* with what is nearest to the question first; for an article its nearest clause."""
    if len(found) == 1 and found[0].provision.kind != "article":
        return list(found)
    in_force_on = _day_in_force(found[0].document, day)
    of_documents = sorted({place.document.id for place in found})
    hits = indexing.search(session, question, as_of=in_force_on, k=50, documents=of_documents).hits
    articles = [place.provision.article_id for place in found]
    nearest = [hit.passage for hit in hits if hit.passage.article in articles]
    order = list(dict.fromkeys([*(passage.article for passage in nearest), *articles]))
    ranked = sorted(found, key=lambda place: order.index(place.provision.article_id))
    if nearest and ranked[0].provision.kind == "article":
        ranked = [*provisions.load(session, [nearest[0].id]), *ranked[1:]]
    return ranked


def _missing(session: Session, question: str, references: Sequence[Reference]) -> Answer | None:
    """Documents that we have, without the provisions that the question names in them; None when there are none."""
    missing = [(reference, document) for reference in references for document in (_named(session, reference) or [])[:1]]
    if not missing:
        return None
    names = "; ".join(f"{reference_name(reference)} trong {documents.full_name(doc)}" for reference, doc in missing)
    suggestions = [Suggestion(heading=doc.title, url=f"/documents/{doc.slug}") for _, doc in missing[:SUGGESTIONS]]
    return Answer(question, f"Không có {names}.", abstained=True, suggestions=suggestions)


def _named(session: Session, reference: Reference) -> list[Document] | None:
    """The documents that the reference names; None when it names none."""
    if reference.document_number is None and reference.document_hint is None:
        return None
    return provisions.documents_named(session, number=reference.document_number, hint=reference.document_hint)


def reference_name(reference: Reference) -> str:
    """How a reference is said: "điểm b khoản 2 Điều 30"."""
    parts = [
        f"điểm {reference.point}" if reference.point else "",
        f"khoản {reference.clause}" if reference.clause else "",
        f"Điều {reference.article}",
    ]
    return " ".join(part for part in parts if part)


def _asks_more(question: str, references: Sequence[Reference], found: Sequence[Found]) -> bool:
    """Whether the question has content of its own beside the reference and the names of the documents."""
    rest = question
    for reference in sorted(references, key=lambda entry: entry.start, reverse=True):
        rest = rest[: reference.start] + " " + rest[reference.end :]
    names = {
        syllable for place in found for syllable in syllables(f"{place.document.title} {place.document.number or ''}")
    }
    return len(_content(indexing.restore(rest)) - names) >= 3


def _by_search(session: Session, question: str, day: date) -> Answer:
    named, rest = _named_in_question(session, question, day)
    if not any(len(syllable) > 1 and syllable.isalpha() for syllable in _content(indexing.restore(rest))):
        return _abstain(session, question, [])  # single letters, digits and function words ask nothing
    if named is not None:
        result = indexing.search(session, rest, as_of=_day_in_force(named, day), k=CANDIDATES, documents=[named.id])
    else:
        result = indexing.search(session, question, as_of=day, k=CANDIDATES)
    decided = abstention.decide(rest, result, indexing.parameters())
    found = _still_valid(session, result.hits, day, named)
    articles, likeness = _articles_asked_for(session, rest, found)
    if not found or not (decided.answered or likeness >= HEADING_CERTAIN):
        return _abstain(session, question, found)
    best = result.hits[0]
    further = [
        place
        for place, hit in zip(found[1:], _hits_of(found[1:], result), strict=True)
        if hit.score >= FURTHER_SHARE * best.score and place.provision.article_id != found[0].provision.article_id
    ]
    chosen = _one_for_each_article([*articles, found[0], *further])
    whole = bool(articles) and (
        likeness >= HEADING_CERTAIN or _A_LIST.search(indexing.restore(rest).lower()) is not None
    )
    return _compose(session, question, chosen[:MAX_CITATIONS], day, asked=question, whole=whole)


def _articles_asked_for(session: Session, question: str, found: Sequence[Found]) -> tuple[list[Found], float]:
    """The articles of *found* whose headings say what the question asks for, best first; and how well the best does.

    "Nghĩa vụ của hội viên là gì?" is answered by the whole article of that heading, not by one clause of it. Compared are
    the content syllables of question and heading, without accents (F1, 0 to 1); among equals the document's order counts.
    """
    restored = indexing.restore(question)
    if _ONE_THING.search(restored.lower()):
        return [], 0.0
    asked = _content(restored)
    if len(asked) > LONGEST_HEADING_QUESTION:
        return [], 0.0
    articles = provisions.load(session, list(dict.fromkeys(place.provision.article_id or 0 for place in found)))
    likeness = {article.provision.id: _f1(asked, _content(article.provision.heading or "")) for article in articles}
    alike = [article for article in articles if likeness[article.provision.id] >= HEADING_MATCH]
    alike.sort(key=lambda article: (-likeness[article.provision.id], article.provision.id))
    return alike, max(likeness.values(), default=0.0)


def _content(text: str) -> frozenset[str]:
    """The content syllables of *text*, folded."""
    written, folded = question_syllables(text)
    return frozenset(syllable for syllable, content in zip(folded, content_mask(written), strict=True) if content)


def _f1(one: frozenset[str], other: frozenset[str]) -> float:
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _hits_of(places: Sequence[Found], result: SearchResult) -> list[Hit]:
    by_id = {hit.passage.id: hit for hit in result.hits}
    return [by_id[place.provision.id] for place in places]


def _one_for_each_article(places: Sequence[Found]) -> list[Found]:
    first: dict[int, Found] = {}
    for place in places:
        first.setdefault(place.provision.article_id or place.provision.id, place)
    return list(first.values())


def _named_in_question(session: Session, question: str, day: date) -> tuple[Document | None, str]:
    """The document that the question names by its number, and the question without its name.

    One that is named by its whole title counts when it is not in force on *day* and no other of that title is: the
    search would not find it.
    """
    for name in named_documents(question):
        found = provisions.documents_named(session, number=name.number, hint=None)
        if name.issued_on is not None:
            found = [document for document in found if document.issued_on in (name.issued_on, None)]
        if found:
            rest = f"{question[: name.start]} {question[name.end :]}"
            return found[0], rest if syllables(rest) else found[0].title
    titled = provisions.documents_titled(session, question)
    if titled and not any(validity.in_force(document, day) for document in titled):
        return titled[0], question
    return None, question


def _day_in_force(document: Document, day: date) -> date:
    """*day*, or the nearest day on which *document* is in force."""
    begins = validity.first_day(document)
    if begins is not None and day < begins:
        return begins
    if document.ended_on is not None and day >= document.ended_on:
        return document.ended_on - timedelta(days=1)
    return day


def _still_valid(session: Session, hits: Sequence[Hit], day: date, named: Document | None) -> list[Found]:
    """The hits as provisions, without what was withdrawn or ended since the index was built."""
    places = provisions.load(session, [hit.passage.id for hit in hits])
    return [
        place
        for place in places
        if validity.in_force(place.document, day) or (named is not None and place.document.id == named.id)
    ]


def _abstain(session: Session, question: str, near: Sequence[Found]) -> Answer:
    places = _one_for_each_article(near)[:SUGGESTIONS]
    articles = {
        place.provision.id: place for place in provisions.load(session, [p.provision.article_id or 0 for p in places])
    }
    suggestions = []
    for place in places:
        headed = articles.get(place.provision.article_id or 0, place)
        suggestions.append(
            Suggestion(heading=f"{passages.label(headed.provision)} — {place.document.title}", url=url(place))
        )
    return Answer(question, NOTHING_FOUND, abstained=True, suggestions=suggestions)


def _compose(
    session: Session, question: str, found: Sequence[Found], day: date, *, asked: str | None, whole: bool = False
) -> Answer:
    """The answer in words: where it stands, the quotation, what else to know.

    *asked* is what a sentence is marked for; None when a provision was asked for by its number. *whole*: the first
    provision answers as a whole.
    """
    found = [
        provisions.without_clauses(session, place) if len(place.text) > LONGEST_QUOTE else place for place in found
    ]
    citations = [_cite(session, asked, place) for place in found]
    if whole:
        citations[0] = citations[0].model_copy(update={"highlight": _introduction(session, found[0])})
    first = found[0]
    lines = [f"{place_name(citations[0])}, {documents.full_name(first.document)}:", "", citations[0].quote]
    notice = _status_notice(session, first.document, day)
    if notice:
        lines += ["", notice]
    if len(citations) > 1:
        lines += ["", "Xem thêm:"]
        lines += [
            f"- {place_name(citation)}, {documents.full_name(place.document)}"
            for citation, place in zip(citations[1:], found[1:], strict=True)
        ]
    return Answer(question, "\n".join(lines), abstained=False, citations=citations)


def _introduction(session: Session, article: Found) -> Highlight | None:
    """Where the words between the heading of *article* and its first clause stand in it."""
    above = provisions.without_clauses(session, article).text
    start = max((article.provision.heading_end or 0) - article.start, 0)
    start += len(above[start:]) - len(above[start:].lstrip(" .:\n"))
    return Highlight(start=start, end=len(above)) if start < len(above) < len(article.text) else None


def _cite(session: Session, asked: str | None, place: Found) -> Citation:
    row = place.provision
    below = max((row.heading_end or 0) - place.start, 0) if row.heading else 0  # a heading decides nothing
    span = sentences.deciding_sentence(asked, place.text[below:], heading=row.heading or "") if asked else None
    highlight = Highlight(start=below + span.start, end=below + span.end) if span else None
    if highlight is not None and row.kind == "clause":
        row = provisions.point_at(session, row, place.start + highlight.start, place.start + highlight.end) or row
    return Citation(
        document=documents.cited(place.document),
        article=row.article,
        clause=row.clause,
        point=row.point,
        quote=place.text,
        url=f"/documents/{place.document.slug}#{row.anchor}",
        highlight=highlight,
    )


def url(place: Found) -> str:
    """Where the reader shows a provision."""
    return f"/documents/{place.document.slug}#{place.provision.anchor}"


def place_name(citation: Citation) -> str:
    """How a citation names the place: "Điểm b khoản 2 Điều 30"."""
    parts = [
        f"điểm {citation.point}" if citation.point else "",
        f"khoản {citation.clause}" if citation.clause else "",
        f"Điều {citation.article}" if citation.article else "",
    ]
    name = " ".join(part for part in parts if part) or "Văn bản"
    return name[:1].upper() + name[1:]


def _status_notice(session: Session, document: Document, day: date) -> str | None:
    """What a member must know when the cited document is not simply in force."""
    today = clock.today()
    state = validity.status(document, today)
    if state in ("replaced", "repealed"):
        ended = f"từ ngày {document.ended_on:%d/%m/%Y}" if document.ended_on else ""
        successor = session.get(Document, document.ended_by_id) if document.ended_by_id else None
        by = f" bởi {documents.full_name(successor)}" if successor else ""
        verb = "được thay thế" if state == "replaced" else "bị bãi bỏ"
        return f"Lưu ý: văn bản này đã {verb}{by} {ended}, hiện không còn hiệu lực.".replace("  ", " ")
    begins = validity.first_day(document)
    if state == "not_yet" and begins:
        return f"Lưu ý: văn bản này chưa có hiệu lực; có hiệu lực từ ngày {begins:%d/%m/%Y}."
    if not validity.in_force(document, day):
        return f"Lưu ý: văn bản này không có hiệu lực vào ngày {day:%d/%m/%Y}."
    if state == "amended":
        return "Lưu ý: văn bản này đã được sửa đổi, bổ sung; hãy xem thêm văn bản sửa đổi."
    return None
