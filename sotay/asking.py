"""``sotay ask``: one question or a file of them, as the JSON that the command prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from core.database import unit_of_work
from knowledge import answers, documents, indexing
from knowledge.answers import NothingPublishedError
from messaging.inbox import MessageRefused, clean

__all__ = ["BadQuestionError", "NothingPublishedError", "answer_lines", "answer_one"]


class BadQuestionError(ValueError):
    """A question that cannot be answered as it stands; the message is for the person who asked."""


def answer_one(question: str, *, as_of: date | None) -> dict[str, Any]:
    """Answer a question; models are loaded first, so that the latency is that of answering.

    Raises BadQuestionError, NothingPublishedError.
    """
    try:
        words = clean(question)
    except MessageRefused as refused:
        raise BadQuestionError(refused.message) from refused
    indexing.warm_up()
    with unit_of_work() as session:
        return as_json(answers.answer(session, words, as_of=as_of), question)


def as_json(answer: answers.Answer, question: str) -> dict[str, Any]:
    """An answer as the command prints it."""
    return {
        "question": question,
        "answer": answer.text,
        "abstained": answer.abstained,
        "citations": [citation.model_dump(mode="json") for citation in answer.citations],
        "suggestions": [suggestion.model_dump(mode="json") for suggestion in answer.suggestions],
        "latency_ms": answer.latency_ms,
    }


def answer_lines(path: Path, *, default_as_of: date | None) -> Iterator[dict[str, Any]]:
    """Answer each line ``{"question", "as_of"?}`` of a file, in order; a bad or empty line gives ``{"error"}``.

    Raises NothingPublishedError before the first line when nothing is published.
    """
    with unit_of_work() as session:
        if not documents.any_published(session):
            raise NothingPublishedError("nothing is published")
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                question, as_of = _read_line(raw)
                yield answer_one(question, as_of=as_of or default_as_of)
            except BadQuestionError as error:
                yield {"error": f"Dòng {number}: {error}"}


def _read_line(raw: bytes) -> tuple[str, date | None]:
    try:
        text = raw.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        raise BadQuestionError("không phải mã UTF-8.") from error
    if not text:
        raise BadQuestionError("dòng trống.")
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadQuestionError("không phải JSON hợp lệ.") from error
    if not isinstance(entry, dict) or not isinstance(entry.get("question"), str):
        raise BadQuestionError('cần dạng {"question": "…", "as_of": "YYYY-MM-DD"}.')
    as_of = entry.get("as_of")
    try:
        return entry["question"], date.fromisoformat(as_of) if as_of is not None else None
    except (TypeError, ValueError) as error:
        raise BadQuestionError(f"ngày không hợp lệ: {as_of!r} (cần YYYY-MM-DD).") from error
