"""The deciding sentence, the demo documents from question to answer, and the engine's intents."""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import unit_of_work
from core.settings import ROOT
from knowledge import answers, indexing, validity
from knowledge.models import Document, Provision, Revision
from knowledge.provisions import load
from knowledge.sentences import deciding_sentence
from tests.benchmarks import store
from tests.benchmarks.forms import typed
from tests.benchmarks.report import Figure, save

DATA = ROOT / "tests" / "data"
OVERLAP = 0.8
"""From this intersection over union on two stretches count as the same."""
_LABEL = re.compile(r"\s*(?:(?:\d{1,3}|[a-zđ]{1,2})\s*[.)]\s*)?")
_QUESTION_INTENTS = {"ask", "out_of_scope"}
OWN_MATTERS = ("my_profile", "my_data", "erase_my_data", "withdraw_consent", "sign_in")
"""The intents of a member's own matters; they came after the others, whose target stands for itself."""


@dataclass(frozen=True)
class Marked:
    """A question with the stretches of a stored revision's text of which any decides it."""

    question: str
    document: Document
    revision: Revision
    article: str
    accepted: list[tuple[int, int]]


def answers_marked_by_hand(out: Path, cache: Path, source: Path) -> None:
    """Share of right deciding sentences, given the clause and end to end, with and without accents."""
    store.alqac(source, cache)
    indexing.warm_up()
    figures, details = [], {}
    with unit_of_work() as session:
        examples = list(_marked(session, source))
        for form, label in (("NFC", ""), ("stripped", ", question without accents")):
            given = [_right_in_clause(session, example, form) for example in examples]
            whole = [_end_to_end(session, example, form) for example in examples]
            details[form] = {
                "given the clause": _percent(given),
                "end to end": _percent([right for right, _, _ in whole]),
                "right article": _percent([article for _, article, _ in whole]),
                "answered": _percent([answered for _, _, answered in whole]),
            }
            target = 85.0 if form == "NFC" else None
            figures += [
                Figure(
                    f"right sentence, given the clause{label}", details[form]["given the clause"], "%", target, "least"
                ),
                Figure(f"right sentence, end to end{label}", details[form]["end to end"], "%"),
                Figure(f"right article cited first{label}", details[form]["right article"], "%"),
            ]
    save(
        "answers",
        figures,
        {"n": len(examples), **details},
        out,
        [
            (
                f"{len(examples)} answers marked by hand. Right: equal to an accepted stretch without label and white space at the ends,"
                f" or intersection over union at least {OVERLAP}. End to end also fails where the search errs or the bot abstains."
            ),
        ],
    )


def demo(out: Path, cache: Path) -> None:
    """Questions about the demo documents, and far-off ones, through ``knowledge.answers``."""
    store.demo(cache)
    indexing.warm_up()
    asked = _lines("demo_questions.jsonl")
    far = [entry["question"] for entry in _lines("demo_far_off.jsonl")]
    everyday = [entry["question"] for entry in _lines("far_off.jsonl") if entry["part"] == "report"]
    with unit_of_work() as session:
        outcomes = [_demo_outcome(session, entry) for entry in asked]
        near = _percent([not answers.answer(session, question).abstained for question in far])
        elsewhere = _percent([not answers.answer(session, question).abstained for question in everyday])
    figures = [
        Figure("answered", _percent([outcome["answered"] for outcome in outcomes]), "%"),
        Figure("right article cited first", _percent([outcome["article"] for outcome in outcomes]), "%"),
        Figure("right clause cited first", _percent([outcome["clause"] for outcome in outcomes]), "%"),
        Figure(
            "right sentence marked",
            _percent([outcome["sentence"] for outcome in outcomes if outcome["sentence"] is not None]),
            "%",
        ),
        Figure("far-off questions about associations, answered", near, "%"),
        Figure("far-off everyday questions (report half), answered", elsewhere, "%", 2),
    ]
    save(
        "demo",
        figures,
        {"questions": len(asked), "far_off": len(far), "everyday": len(everyday)},
        out,
        [
            f"{len(asked)} questions on the demo documents, half of them without accents; {len(far)} and {len(everyday)} far-off ones."
        ],
    )


def intents(out: Path, cache: Path) -> None:
    """Held-out accuracy of the trained engine, and what becomes of junk."""
    data_dir = store.demo(cache)
    command = [".venv-engine/bin/python", "-m", "tests.benchmarks.engine_intents", "--data-dir", str(data_dir)]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    parsed: dict[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    held_out, junk = _lines("intents_heldout.jsonl"), _lines("junk.jsonl")
    right = [entry["intent"] == found for entry, found in zip(held_out, parsed["heldout"], strict=True)]
    per_intent: dict[str, list[bool]] = defaultdict(list)
    for entry, ok in zip(held_out, right, strict=True):
        per_intent[entry["intent"]].append(ok)
    first = [ok for name, given in per_intent.items() if name not in OWN_MATTERS for ok in given]
    bare = [ok for entry, ok in zip(held_out, right, strict=True) if not entry["accents"]]
    taken = [found not in _QUESTION_INTENTS for found in parsed["junk"]]
    with unit_of_work() as session:
        for number, entry in enumerate(junk):
            if not taken[number] and re.search(r"\w", entry["text"]):
                taken[number] = not answers.answer(session, entry["text"][:2000]).abstained
    save(
        "intents",
        [
            Figure("intent accuracy, held out", _percent(right), "%", 95, "least"),
            Figure("intent accuracy, held out, questions and small talk", _percent(first), "%", 97, "least"),
            *(Figure(f"intent accuracy, held out, {name}", _percent(per_intent[name]), "%") for name in OWN_MATTERS),
            Figure("intent accuracy, held out, without accents", _percent(bare), "%"),
            Figure(f"junk taken for something, of {len(junk)}", sum(taken), "", 2),
        ],
        {"n": len(held_out), "without_accents": len(bare)}
        | {name: _percent(given) for name, given in per_intent.items()},
        out,
        ["Junk counts when the engine takes it for small talk, or the knowledge base (the demo documents) answers it."],
    )


def same_stretch(text: str, first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Whether two stretches of *text* are the same sentence."""
    a, b = trimmed(text, *first), trimmed(text, *second)
    common = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    union = max(a[1], b[1]) - min(a[0], b[0])
    return a == b or (union > 0 and common / union >= OVERLAP)


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without its label ("2.", "b)") and white space at the ends."""
    label = _LABEL.match(text, start, end)
    begin = label.end() if label else start
    stop = begin + len(text[begin:end].rstrip())
    return begin, stop


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def _marked(session: Session, source: Path) -> Iterator[Marked]:
    texts = {entry["question_id"]: entry["text"] for entry in store.questions(source)}
    articles = {
        (law["id"], article["id"]): article["text"] for law in store.laws(source) for article in law["articles"]
    }
    stored = {
        validity.title_key(document.title): (document, revision)
        for document, revision in session.execute(
            select(Document, Revision).join(Revision, Revision.document_id == Document.id)
        )
    }
    for row in json.loads((DATA / "marked_answers.json").read_text(encoding="utf-8")):
        document, revision = stored[validity.title_key(row["law"])]
        article = articles[row["law"], row["article"]]
        shift = len(article) - len(article.lstrip())
        offset = revision.text.index(article.strip()) - shift
        accepted = [(start + offset, end + offset) for start, end in row["accepted"]]
        yield Marked(texts[row["question_id"]], document, revision, row["article"], accepted)


def _right_in_clause(session: Session, example: Marked, form: str) -> bool:
    place = _passage_with(session, example.revision.id, example.accepted)
    if place is None:
        return False
    (found,) = load(session, [place.id])
    span = deciding_sentence(typed(example.question, form), found.text, heading=place.heading or "")
    if span is None:
        return False
    marked = (found.start + span.start, found.start + span.end)
    return any(same_stretch(example.revision.text, marked, stretch) for stretch in example.accepted)


def _passage_with(session: Session, revision_id: int, accepted: Sequence[tuple[int, int]]) -> Provision | None:
    """The narrowest clause or article that holds the first accepted stretch, or most of it."""
    start, end = accepted[0]
    rows = session.scalars(
        select(Provision).where(
            Provision.revision_id == revision_id,
            Provision.kind.in_(["clause", "article"]),
            Provision.start < end,
            Provision.end > start,
        )
    ).all()
    shared = {row: min(end, row.end) - max(start, row.start) for row in rows}
    return max(rows, key=lambda row: (shared[row], row.start - row.end), default=None)


def _end_to_end(session: Session, example: Marked, form: str) -> tuple[bool, bool, bool]:
    """Whether the marked sentence is right, whether the article is, whether there was an answer."""
    answer = answers.answer(session, typed(example.question, form))
    if answer.abstained or not answer.citations:
        return False, False, False
    first = answer.citations[0]
    title = validity.title_key(first.document.title)
    article = title == validity.title_key(example.document.title) and first.article == example.article
    if not article or first.highlight is None:
        return False, article, True
    text, quote, marked = example.revision.text, first.quote, first.highlight
    places = [match.start() for match in re.finditer(re.escape(quote), text)]
    right = any(
        same_stretch(text, (place + marked.start, place + marked.end), stretch)
        for place in places
        for stretch in example.accepted
    )
    return right, True, True


def _demo_outcome(session: Session, entry: dict[str, Any]) -> dict[str, bool | None]:
    answer = answers.answer(session, entry["question"])
    (gold,) = entry["relevant"]
    wanted = entry["decides"]
    if answer.abstained or not answer.citations:
        return {"answered": False, "article": False, "clause": False, "sentence": None if wanted is None else False}
    first = answer.citations[0]
    article = (first.document.number, first.article) == (gold["document"], gold["article"])
    clause = article and first.clause == entry["clause"]
    sentence: bool | None = None
    if wanted is not None:
        start = first.quote.find(wanted)
        marked = first.highlight
        sentence = (
            marked is not None
            and start >= 0
            and same_stretch(first.quote, (marked.start, marked.end), (start, start + len(wanted)))
        )
    return {"answered": True, "article": article, "clause": clause, "sentence": sentence}


def _percent(flags: Sequence[bool | None]) -> float:
    return round(100 * float(np.mean([bool(flag) for flag in flags])), 2) if flags else 0.0
