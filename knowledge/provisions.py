"""Looking up stored provisions: what a reference means, and where a passage stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core.text import syllables
from ingest import content_span
from knowledge import validity
from knowledge.models import Document, Provision, Revision
from knowledge.references import matching_words


@dataclass(frozen=True)
class Found:
    """A published provision with its document; ``text`` is its own words as in the source."""

    provision: Provision
    document: Document
    text: str
    start: int
    """Offset of ``text`` in the revision's text."""


def load(session: Session, provision_ids: Sequence[int]) -> list[Found]:
    """The provisions of published revisions among *provision_ids*, in their order."""
    wanted = [provision for provision in provision_ids if provision]
    rows = session.execute(_published().where(Provision.id.in_(wanted)))
    found = {provision.id: _found(provision, document, words) for provision, document, words in rows}
    return [found[key] for key in wanted if key in found]


def _published() -> Select[Provision, Document, str]:
    """Provisions of published revisions; the words are cut out in the database, texts are long."""
    words = func.substr(Revision.text, Provision.start + 1, Provision.end - Provision.start)
    return (
        select(Provision, Document, words)
        .join(Revision, Revision.id == Provision.revision_id)
        .join(Document, Document.id == Revision.document_id)
        .where(Revision.state == "published")
    )


def _found(provision: Provision, document: Document, words: str) -> Found:
    start, end = content_span(words, 0, len(words))
    start = end - len(words[start:end].lstrip("# "))  # the mark of a heading in Markdown is no part of the quotation
    return Found(provision, document, words[start:end], provision.start + start)


def without_clauses(session: Session, place: Found) -> Found:
    """*place* cut before its first clause: what stands above the clauses of a long article."""
    first = session.scalar(
        select(func.min(Provision.start)).where(Provision.parent_id == place.provision.id, Provision.kind != "point")
    )
    if first is None or first <= place.start:
        return place
    return replace(place, text=place.text[: first - place.start].rstrip())


def point_at(session: Session, clause: Provision, start: int, end: int) -> Provision | None:
    """The point of *clause* in which the stretch *start*:*end* of the revision's text lies, if it lies in one."""
    return session.scalars(
        select(Provision).where(
            Provision.parent_id == clause.id,
            Provision.kind == "point",
            Provision.start <= start,
            Provision.end >= end,
        )
    ).one_or_none()


def documents_titled(session: Session, question: str) -> list[Document]:
    """The published documents whose whole title (three syllables or more) stands in *question*, longest title first."""
    said = f" {' '.join(syllables(question))} "
    found = session.scalars(
        select(Document)
        .join(Revision, Revision.document_id == Document.id)
        .where(Revision.state == "published", func.strpos(said, func.concat(" ", Document.title_key, " ")) > 0)
    )
    long_enough = [document for document in found if len(document.title_key.split()) >= 3]
    return sorted(long_enough, key=lambda document: len(document.title_key), reverse=True)


def documents_named(session: Session, *, number: str | None, hint: str | None) -> list[Document]:
    """The published documents that a question names, by number, or by the words of the title.

    *hint* is what the question says from the type on and may run past the title ("Điều lệ", "luật du lịch có nói…").
    The best match comes first, among equals the newest.
    """
    documents = session.scalars(
        select(Document).join(Revision, Revision.document_id == Document.id).where(Revision.state == "published")
    ).all()
    newest_first = sorted(documents, key=lambda document: document.issued_on or date.min, reverse=True)
    if number is not None:
        key = validity.number_key(number)
        exact = [document for document in newest_first if document.number_key == key]
        # "135/2020" for 135/2020/NĐ-CP: what is said may lack the code.
        return exact or [d for d in newest_first if d.number_key and d.number_key.startswith(f"{key}/")]
    if hint is None:
        return []
    matches = [(_match(hint, document.title), document) for document in newest_first]
    best = max((match for match, _ in matches), default=0.0)
    return [document for match, document in matches if match == best and match >= _NAMED]


_NAMED = 0.6
"""Least share of a title's or a hint's syllables in common for the document to be the one that is meant."""


def _match(hint: str, title: str) -> float:
    """How well the words *hint* name the document *title*: more than 1 when one begins with the whole other."""
    in_order = matching_words(hint, title)
    if not in_order:
        return 0.0
    said, given = syllables(hint), syllables(title)
    if in_order >= min(len(said), len(given)):
        return 1.0 + in_order
    return len(set(said) & set(given)) / len(set(said))


def at_reference(
    session: Session, *, article: str, clause: str | None, point: str | None, documents: Sequence[Document] | None
) -> list[Found]:
    """The published provisions with these numbers, in all documents or in *documents* (their order is kept).

    Typed without accents, a point "d" may mean "đ": that one is taken where there is no "d".
    """
    query = _published().where(func.lower(Provision.article) == article.lower())
    if point is not None:
        query = query.where(Provision.kind == "point", func.lower(Provision.point) == point.lower())
        if clause is not None:
            query = query.where(Provision.clause == clause)
    elif clause is not None:
        query = query.where(Provision.kind == "clause", func.lower(Provision.clause) == clause.lower())
    else:
        query = query.where(Provision.kind == "article")
    if documents is not None:
        query = query.where(Document.id.in_([document.id for document in documents]))
    found = [_found(*row) for row in session.execute(query.order_by(Document.id, Provision.position))]
    if documents is not None:
        place = {document.id: index for index, document in enumerate(documents)}
        found.sort(key=lambda entry: place[entry.document.id])
    if not found and point == "d":
        return at_reference(session, article=article, clause=clause, point="đ", documents=documents)
    return found
