"""Search over 50,000 clauses, and the encoder's speed."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import update

import ingest
from core import chroma, clock
from core.database import unit_of_work
from core.settings import ROOT, settings
from knowledge import answers, documents, indexing, passages
from knowledge.models import Document
from knowledge.search.building import embedding_digest
from knowledge.search.embedding import E5Embeddings
from knowledge.search.passages import Passage, embedding_input
from tests.benchmarks import store
from tests.benchmarks.installation import cpu_seconds
from tests.benchmarks.report import Figure, save, spread
from tests.benchmarks.store import Vectors
from tests.material import AlqacArticle, official_layout

CLAUSES = 50_000
QUESTIONS = 300
_WARM = 20
_CHANGED_WORDS = 0.15
_NOISE = 0.012  # standard deviation in each of 384 dimensions: a cosine of about .97 to the original
_ENDED, _NOT_YET = 10, 7  # every tenth document has ended, every seventh came into force in 2021
BEGINNING = date(2021, 1, 1)
"""First day of every seventh copied document."""
EARLIER = date(2020, 1, 1)
"""The other date that is asked for."""
DEMO = ROOT / "sotay" / "demo"


@dataclass(frozen=True)
class Law:
    """One text in the official layout to be multiplied; ``articles`` as ALQAC has them."""

    title: str
    articles: list[dict[str, str]]


def search(out: Path, cache: Path, work: Path) -> None:
    """p95 of one search and of one whole answer, warm, one caller, as of today and as of another date."""
    source = store.material()
    originals = _alqac(source) if source else _demo()
    asked = [entry["text"] for entry in store.questions(source)] if source else demo_questions()
    base = _originals(source, cache)
    data_dir = store.fresh(work / "search")
    store.use(data_dir)
    begun = time.perf_counter()
    count = _fill(originals, base)
    built = time.perf_counter() - begun
    index = store.load_index()
    chosen = list(itertools.islice(itertools.cycle(asked), QUESTIONS))
    today = clock.today()
    details: dict[str, Any] = {"clauses": count, "in_force_today": len(index._current), "build_s": round(built, 1)}
    with unit_of_work() as session:
        for name, call in _calls(index, session, today).items():
            for question in chosen[:_WARM]:
                call(question)
            own, chromas = time.process_time(), _chroma_cpu()
            details[name] = spread([_timed(call, question) for question in chosen])
            details[name]["cpu"] = round(1000 * (time.process_time() - own) / len(chosen), 2)
            details[name]["cpu_chroma"] = round(1000 * (_chroma_cpu() - chromas) / len(chosen), 2)
    store.leave()
    save(
        "search",
        [
            Figure("clauses", count),
            Figure("search p95, as of today", details["search today"]["p95"], "ms", 25),
            Figure("search p50, as of today", details["search today"]["p50"], "ms"),
            Figure("search, as of today, mean CPU time (with Chroma's)", _cpu_of(details["search today"]), "ms"),
            Figure("search p95, as of another date", details["search earlier"]["p95"], "ms", 50),
            Figure("search p50, as of another date", details["search earlier"]["p50"], "ms"),
            Figure(
                "search, as of another date, mean CPU time (with Chroma's)", _cpu_of(details["search earlier"]), "ms"
            ),
            Figure("whole answer p95, as of today", details["answer today"]["p95"], "ms"),
            Figure("whole answer p50, as of today", details["answer today"]["p50"], "ms"),
        ],
        details,
        out,
        [
            (
                f"One caller, warm, {QUESTIONS} questions, real Chroma over HTTP, encoding of the question and restoration of its"
                " accents included."
            ),
            (
                f"Texts: {'the laws of ALQAC 2024' if source else 'the demo documents (SOTAY_MATERIAL is not set)'}, multiplied"
                f" with {_CHANGED_WORDS:.0%} of the words exchanged. Vectors of the copies are those of the originals with noise:"
                " encoding 50,000 clauses takes ten minutes and more."
            ),
        ],
    )


def embedding(out: Path, cache: Path, work: Path) -> None:
    """Tokens per CPU-second of the encoder on passages, and the time of one question."""
    store.use(store.fresh(work / "embedding"))
    encoder = E5Embeddings(settings().data_dir / "models" / "e5-small-int8", threads=1)
    source = store.material()
    texts = [
        embedding_input(Passage(0, 0, 0, f"{law.title}. Điều {article['id']}", article["text"]))
        for law in (_alqac(source) if source else _demo())
        for article in law.articles
    ]
    texts = random.Random(1).sample(texts, min(400, len(texts)))
    asked = [entry["text"] for entry in store.questions(source)] if source else demo_questions()
    encoder.encode_passages(texts[:20])
    begun, cpu = time.perf_counter(), time.process_time()
    encoder.encode_passages(texts)
    elapsed, used = time.perf_counter() - begun, time.process_time() - cpu
    tokens = encoder.count_tokens(texts)
    store.leave()
    queries = spread([_timed(encoder.encode_query, question) for question in asked[:200]])
    save(
        "embedding",
        [
            Figure("tokens per CPU-second", round(tokens / used), "", 3500, "least"),
            Figure("tokens per second, one thread", round(tokens / elapsed)),
            Figure("one question p50", queries["p50"], "ms"),
            Figure("one question p95", queries["p95"], "ms"),
        ],
        {"texts": len(texts), "tokens": tokens, "cpu_s": used, "elapsed_s": elapsed, "query": queries},
        out,
        [f"{len(texts)} articles (cut at 512 tokens), {tokens:,} tokens, tokenizing included."],
    )


def demo_questions() -> list[str]:
    """The questions about the demo documents."""
    path = ROOT / "tests" / "data" / "demo_questions.jsonl"
    return [json.loads(line)["question"] for line in path.read_text(encoding="utf-8").splitlines()]


def _chroma_cpu() -> float:
    """CPU seconds of the vector store so far."""
    server = chroma.Chroma(settings().data_dir).process()
    return cpu_seconds(server.pid) if server else 0.0


def _cpu_of(times: dict[str, float]) -> float:
    return round(times["cpu"] + times["cpu_chroma"], 2)


def _timed(call: Callable[[str], Any], question: str) -> float:
    begun = time.perf_counter()
    call(question)
    return time.perf_counter() - begun


def _calls(index: Any, session: Any, today: date) -> dict[str, Callable[[str], Any]]:
    return {
        "search today": lambda question: index.search(question, as_of=today),
        "search earlier": lambda question: index.search(question, as_of=EARLIER),
        "answer today": lambda question: answers.answer(session, question),
        "answer earlier": lambda question: answers.answer(session, question, as_of=EARLIER),
    }


def _alqac(source: Path) -> list[Law]:
    return [Law(str(law["id"]), law["articles"]) for law in store.laws(source)]


def _demo() -> list[Law]:
    laws = []
    for path in sorted(DEMO.iterdir()):
        parsed = ingest.parse(ingest.read(path).text, name=path.stem)
        nodes = [node for node in parsed.root.walk() if node.kind == "article"]
        texts = [parsed.text[node.start : node.end] for node in nodes]
        articles = [
            {"id": str(node.number), "text": re.sub(r"^\W*Điều \d+\.?\s*", "", text)}
            for node, text in zip(nodes, texts, strict=True)
        ]
        laws.append(Law("Luật " + (parsed.metadata.subject or parsed.metadata.title), articles))
    return laws


def _originals(source: Path | None, cache: Path) -> dict[tuple[str, int], Vectors]:
    """The vectors of the originals' passages by (article's number and heading, place of the passage in it)."""
    if source:
        store.alqac(source, cache)
    else:
        store.demo(cache)
    kept, model = store.stored_vectors(), indexing.embedder().model_id
    with unit_of_work() as session:
        found = passages.load(session)
    store.leave()
    return {key: kept[embedding_digest(model, passage)] for key, passage in _keyed(found)}


def _keyed(found: list[Passage]) -> Iterator[tuple[tuple[str, int], Passage]]:
    """Passages with a key that a copy shares with its original: the heading behind "Điều", and the place in the article."""
    for _, group in itertools.groupby(found, key=lambda passage: passage.article):
        for place, passage in enumerate(group):
            yield (passage.heading.rpartition("Điều ")[2], place), passage


def _fill(originals: list[Law], base: dict[tuple[str, int], Vectors]) -> int:
    """Store perturbed copies as published documents, give them vectors, index them; the number of clauses."""
    chance = random.Random(5)
    words = sorted({word for law in originals for article in law.articles for word in article["text"].split()})
    stored = 0
    for copy in itertools.count(1):
        for law in originals:
            if stored >= CLAUSES:
                return _finish(base)
            stored += _store(law, copy, words, chance)
    raise AssertionError("unreachable")


def _store(law: Law, copy: int, words: list[str], chance: random.Random) -> int:
    """Take in one copy of *law* as ``sotay ingest --publish`` does, without its file; the number of its passages."""
    articles: list[AlqacArticle] = [{"id": a["id"], "text": _changed(a["text"], words, chance)} for a in law.articles]
    text = official_layout({"id": f"{law.title} bản {copy}", "articles": articles})
    name = f"copy-{copy}-{law.title}.txt"
    digest = hashlib.sha256(text.encode()).hexdigest()
    source = ingest.Source(path=Path(name), format="text", text=text, sha256=digest)
    with unit_of_work() as session:
        added = documents.add(session, source, ingest.parse(text, name=name))
        documents.publish(session, added.revision)
        return max(added.clauses, added.articles)


def _changed(text: str, words: list[str], chance: random.Random) -> str:
    """*text* with other words from the second line on; headings and the numbers that open a clause stay."""
    heading, separator, body = text.partition("\n")
    parts = re.split(r"(\s+)", body)
    changed = [chance.choice(words) if part.isalpha() and chance.random() < _CHANGED_WORDS else part for part in parts]
    return heading + separator + "".join(changed)


def _finish(base: dict[tuple[str, int], Vectors]) -> int:
    _set_days()
    noise, model = np.random.default_rng(5), indexing.embedder().model_id
    with unit_of_work() as session:
        found = passages.load(session)
    spare = list(base.values())
    vectors: dict[str, Vectors] = {}
    for number, (key, passage) in enumerate(_keyed(found)):
        original = base.get(key, spare[number % len(spare)])
        moved = original + noise.normal(0, _NOISE, original.shape).astype(np.float32)
        vectors[embedding_digest(model, passage)] = moved / np.linalg.norm(moved)
    store.put_vectors(vectors)
    indexing.refresh()
    return len(found)


def _set_days() -> None:
    """Some documents have ended before today, some had not begun on EARLIER."""
    ended = clock.today() - timedelta(days=30)
    with unit_of_work() as session:
        session.execute(update(Document).where(Document.id % _ENDED == 0).values(ended_on=ended, ended_kind="replaced"))
        session.execute(update(Document).where(Document.id % _NOT_YET == 0).values(effective_on=BEGINNING))
