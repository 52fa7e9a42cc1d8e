"""Which documents are in force on a day, and what published documents do to each other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.clock import VIETNAM
from core.text import fold, syllables
from knowledge.models import Document, Relation, Revision
from messaging.reply import Status


def number_key(number: str | None) -> str | None:
    """A document number for comparison: "Số 05 - NQ/ĐU" and "05-nq/du" give the same key."""
    if number is None:
        return None
    return "".join(fold(number).split()) or None


def title_key(title: str | None) -> str:
    """A title for comparison: without case, accents, tone placement, punctuation and spacing."""
    return " ".join(syllables(title or ""))


def first_day(document: Document) -> date | None:
    """The first day in force: the effective date, else the date of issue, else None (always in force)."""
    return document.effective_on or document.issued_on


def in_force(document: Document, day: date) -> bool:
    """Whether a published *document* is in force on *day*."""
    begins = first_day(document)
    return (begins is None or begins <= day) and (document.ended_on is None or day < document.ended_on)


def status(document: Document, day: date) -> Status:
    """The state of a published *document* on *day*."""
    if document.ended_on is not None and document.ended_on <= day:
        return "repealed" if document.ended_kind == "repealed" else "replaced"
    begins = first_day(document)
    if begins is not None and day < begins:
        return "not_yet"
    if document.amended_on is not None and document.amended_on <= day:
        return "amended"
    return "in_force"


LONGEST_TITLE = 400
"""Characters of the text that are looked at for a title."""


@dataclass(frozen=True)
class _Ending:
    day: date
    kind: str
    by: int


def refresh(session: Session) -> None:
    """Work out anew what the published documents end and amend, whatever the order in which they were published.

    A document that says that it replaces or repeals another one (by number and date, or by title) ends that one's force
    on its own first day, or on the day of its publication when it has none.
    """
    documents = {document.id: document for document in session.scalars(select(Document))}
    endings: dict[int, _Ending] = {}
    amendments: dict[int, date] = {}
    published = session.execute(
        select(Relation, Revision, func.substr(Revision.text, Relation.start + 1, LONGEST_TITLE))
        .join(Revision, Revision.id == Relation.revision_id)
        .order_by(Relation.id)
    )
    for relation, revision, words in published:
        source = documents[revision.document_id]
        target = _target(relation, source, words, documents.values())
        relation.target_id = target.id if target else None
        if target is None or revision.state != "published" or revision.published_at is None:
            continue
        day = first_day(source) or revision.published_at.astimezone(VIETNAM).date()
        if relation.kind == "amends":
            amendments[target.id] = min(day, amendments.get(target.id, day))
        else:
            ending = _Ending(day, "repealed" if relation.kind == "repeals" else "replaced", source.id)
            known = endings.get(target.id)
            if known is None or ending.day < known.day:
                endings[target.id] = ending
    for document in documents.values():
        found = endings.get(document.id)
        document.ended_on = found.day if found else None
        document.ended_kind = found.kind if found else None
        document.ended_by_id = found.by if found else None
        document.amended_on = amendments.get(document.id)


def _target(relation: Relation, source: Document, words: str, documents: Iterable[Document]) -> Document | None:
    """The stored document that *relation* of *source* means, the newest where several fit, or None.

    *words* is the source's text from where it names the other one on.
    """
    others = [document for document in documents if document.id != source.id]
    key = number_key(relation.number)
    if key is not None:
        found = [document for document in others if document.number_key == key]
    else:
        wanted, said = title_key(relation.title), title_key(words)
        found = [document for document in others if wanted and _is_named(document.title_key, wanted, said)]
    if relation.issued_on is not None:
        found = [document for document in found if document.issued_on in (relation.issued_on, None)]
    older = [d for d in found if not (d.issued_on and source.issued_on and d.issued_on > source.issued_on)]
    return max(older, key=lambda document: document.issued_on or date.min, default=None)


def _is_named(title: str, wanted: str, said: str) -> bool:
    """Whether a document is the one that is named as *wanted*, in a text that goes on as *said* (all folded).

    Either the whole title stands there, or all of it but whose it is ("… của Hội").
    """
    return f"{said} ".startswith(f"{title} ") or title == wanted or title.startswith(f"{wanted} cua ")
