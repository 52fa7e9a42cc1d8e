"""Searching as a list: provisions with their scores, best first."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from knowledge import answers, documents, indexing, provisions, validity
from knowledge.provisions import Found

REFERENCE_SCORE = 1.0
"""Score of a provision that the question names: nothing found by its words can be better."""

_CLAUSES = 10
"""Clauses looked at for one article wanted."""


def find(session: Session, question: str, *, k: int = 10, as_of: date | None = None) -> list[dict[str, Any]]:
    """The *k* best provisions in force on *as_of* (default: today), those that *question* names by number first.

    Returns ``{"document", "article", "clause", "point", "text", "score", "url"}`` each; ``text`` is the provision's own
    words.
    """
    day = as_of or clock.today()
    places: list[tuple[Found, float]] = [
        (place, REFERENCE_SCORE) for place in answers.referenced(session, question, day)
    ]
    result = indexing.search(session, question, as_of=day, k=k)
    score = {hit.passage.id: hit.score for hit in result.hits}
    named = {place.provision.id for place, _ in places}
    places += [
        (place, score[place.provision.id])
        for place in provisions.load(session, [hit.passage.id for hit in result.hits])
        if validity.in_force(place.document, day) and place.provision.id not in named
    ]
    return [
        {
            "document": documents.cited(place.document).model_dump(mode="json"),
            "article": place.provision.article,
            "clause": place.provision.clause,
            "point": place.provision.point,
            "text": place.text,
            "score": round(points, 6),
            "url": answers.url(place),
        }
        for place, points in places[:k]
    ]


def find_articles(session: Session, question: str, *, k: int = 10) -> list[int]:
    """The ids of the *k* best articles in force today, best first; an article ranks as its best clause."""
    day = clock.today()
    ranked = [place.provision.article_id for place in answers.referenced(session, question, day)]
    ranked += [hit.passage.article for hit in indexing.search(session, question, as_of=day, k=_CLAUSES * k).hits]
    return list(dict.fromkeys(article for article in ranked if article is not None))[:k]
