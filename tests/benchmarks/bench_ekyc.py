"""Reading drawn member cards at three severities: fields exact, decisions, seconds on one core, plain pytesseract as the peer.

The report's cards are drawn with ``SEED``, which no state of the reader had read when it was chosen. Seeds that have been looked at
(below 100, 1000, 3000, 4000, 5000) are for tuning: whoever changes the reader after reading a report takes a new one. Cards are drawn once
per version of the generator and seed, into a folder of their own. Each process works on one core of its own with one thread, so a time is that of one core.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import time
import unicodedata
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.benchmarks.report import Figure, save

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue

    from ekyc.evaluation import CardFigures, Outcome

SEED = 7000
COUNTS = {"easy": 60, "medium": 60, "hard": 600}
FEW = 30
"""Cards of a level for the slower reader and the peer."""
TARGET_FIELDS = {"easy": 99.5, "medium": 98.5}
TARGET_WRONG, TARGET_OK = 1.0, 30.0
TARGET_SECONDS = {"tesserocr": 1.0, "pytesseract": 2.0}
_WORKERS = min(2, os.cpu_count() or 1)


def ekyc(out: Path, cache: Path, work: Path) -> None:
    """Measure all levels and save the part."""
    from ekyc import drawing

    work.mkdir(parents=True, exist_ok=True)
    base = cache / f"cards-{drawing.VERSION}-{SEED}"
    with _pool("tesserocr") as pool:
        folders = list(pool.map(_drawn, [base] * len(COUNTS), COUNTS, COUNTS.values()))
        found = {level: _read(pool, folder, COUNTS[level]) for level, folder in zip(COUNTS, folders, strict=True)}
        peers = {level: _plain(pool, folder) for level, folder in zip(COUNTS, folders, strict=True)}
    with _pool("pytesseract") as pool:
        program = _read(pool, folders[1], FEW)
    save("ekyc", _figures(found, program, peers), _details(found, program, peers), out, _notes(found, _rare(folders)))


def _figures(
    found: Mapping[str, CardFigures], program: CardFigures, peers: Mapping[str, Mapping[str, float]]
) -> list[Figure]:
    hard = found["hard"]
    figures = [
        Figure(f"{level}: fields exact", _percent(found[level].fields_exact), "%", target, "least")
        for level, target in TARGET_FIELDS.items()
    ]
    figures += [
        Figure("hard: passed as ok with a wrong field", _percent(hard.ok_wrong.value), "%", TARGET_WRONG),
        Figure("hard: the same, upper 95 % bound", _percent(hard.ok_wrong.high), "%"),
        Figure("hard: read without a retake", _percent(hard.ok_rate.value), "%", TARGET_OK, "least"),
        Figure("hard: fields exact, whatever the decision", _percent(hard.fields_exact), "%"),
    ]
    figures += [
        Figure(f"{level}: read without a retake", _percent(found[level].ok_rate.value), "%") for level in TARGET_FIELDS
    ]
    figures += [Figure(f"{level}: characters wrong (CER)", round(100 * found[level].cer, 2), "%") for level in COUNTS]
    figures.append(_seconds("medium, tesserocr", found["medium"], TARGET_SECONDS["tesserocr"]))
    figures.append(Figure("seconds a card, medium, tesserocr, p95", round(found["medium"].seconds_p95, 2), "s"))
    figures += [_seconds(f"{level}, tesserocr", found[level], None) for level in ("easy", "hard")]
    figures.append(_seconds("medium, pytesseract", program, TARGET_SECONDS["pytesseract"]))
    for level, peer in peers.items():
        figures.append(Figure(f"plain pytesseract, {level}: fields found", _percent(peer["exact"]), "%", peer=True))
        figures.append(Figure(f"plain pytesseract, {level}: seconds", round(peer["seconds"], 2), "s", peer=True))
    return figures


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)


def _seconds(name: str, figures: CardFigures, target: float | None) -> Figure:
    return Figure(f"seconds a card, {name}, median", round(figures.seconds_median, 2), "s", target)


def _details(
    found: Mapping[str, CardFigures], program: CardFigures, peers: Mapping[str, Mapping[str, float]]
) -> dict[str, Any]:
    from ekyc import drawing

    return {
        "generator": drawing.VERSION,
        "seed": SEED,
        "severities": {level: drawing.SEVERITIES[level].stated() for level in COUNTS},
        "cards": {level: figures.to_dict() for level, figures in found.items()},
        "pytesseract": program.to_dict(),
        "peers": {level: dict(peer) for level, peer in peers.items()},
    }


def _rare(folders: Sequence[Path]) -> int:
    """Cards in *folders* that hold a word on the reader's list of rare ones."""
    from ekyc import evaluation
    from ekyc.fields import TEXTS
    from ekyc.words import RARE, usual

    return sum(
        any(
            usual(name, word, place) == RARE
            for name in TEXTS
            for place, word in enumerate((card.fields[name] or "").split())
        )
        for folder in folders
        for card in evaluation.read_truth(folder)
    )


def _notes(found: Mapping[str, CardFigures], rare: int) -> list[str]:
    from ekyc import drawing

    hard = found["hard"]
    lines = [
        (
            f"Cards drawn by generator version {drawing.VERSION}, seed {SEED}: {', '.join(f'{count} {level}' for level, count in COUNTS.items())};"
            f" {_WORKERS} processes of one core and one thread each. Drawn cards are not photographs of real ones."
        ),
        (
            f"Hard: {hard.ok_wrong.errors} of {hard.ok_wrong.trials} cards passed as ok with a wrong field; a retake because of"
            f" {', '.join(f'{name} {count}' for name, count in hard.reasons.items()) or 'nothing'}."
        ),
        (
            f"The peer is pytesseract (page mode 3, vie) on the photograph as it is, {FEW} cards a level; a field counts when its value"
            " stands anywhere in the text, which is kinder than having to say which value belongs to which label."
        ),
        (
            f"{rare} of these cards hold a word on the reader's list of rare ones (ekyc/vocabulary/words.toml), which it believes less readily:"
            " what that costs members with such names, these figures do not show."
        ),
        "Wrong fields of cards passed as ok, per level: "
        + "; ".join(
            f"{level}: {', '.join(sorted({str(entry['field']) for entry in figures.wrong})) or 'none'}"
            for level, figures in found.items()
        )
        + ".",
    ]
    return lines + [f"Severity {level}: {_stated(level)}." for level in COUNTS]


def _stated(level: str) -> str:
    from ekyc import drawing

    def text(value: object) -> str:
        return f"{value[0]:g} to {value[1]:g}" if isinstance(value, tuple) else f"{value:g}"

    stated = drawing.SEVERITIES[level].stated()
    units = {"tilt": "°", "rotation": "°", "blur": " px sigma", "shake": " px", "longest": " px"}
    return ", ".join(
        f"{name.replace('_', ' ')} {text(value)}{units.get(name, '')}"
        for name, value in stated.items()
        if name != "name"
    )


@contextmanager
def _pool(reader: str) -> Iterator[ProcessPoolExecutor]:
    """Processes that read with *reader*, one on each of the cores used."""
    context = multiprocessing.get_context("spawn")
    cores: Queue[int] = context.Queue()
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(_WORKERS))
    for core in usable[:_WORKERS]:
        cores.put(core)
    with ProcessPoolExecutor(min(_WORKERS, len(usable)), context, initializer=_begin, initargs=(cores, reader)) as pool:
        yield pool


def _begin(cores: Queue[int], reader: str) -> None:
    """In a process of the pool: one core, one thread, the reader asked for."""
    core = cores.get(timeout=60)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    os.environ |= {"OMP_THREAD_LIMIT": "1", "OMP_NUM_THREADS": "1", "EKYC_OCR": reader}
    import cv2

    from core.settings import settings
    from ekyc import ocr

    settings.cache_clear()  # modules of the benchmarks have asked for them before
    cv2.setNumThreads(1)
    if ocr.reader().name != reader:
        raise RuntimeError(f"{reader} is not installed: the time would be that of {ocr.reader().name}")


def _drawn(base: Path, level: str, count: int) -> Path:
    """The folder with the cards of *level*, drawn unless it is whole."""
    from ekyc import drawing

    folder, whole = base / level, base / level / f"whole-{count}"
    if not whole.is_file():
        drawing.write(folder, count, severity=drawing.SEVERITIES[level], seed=SEED)
        whole.touch()
    return folder


def _read(pool: ProcessPoolExecutor, folder: Path, count: int) -> CardFigures:
    """The first *count* cards of *folder*, shared between the processes."""
    from ekyc import evaluation

    parts = pool.map(_outcomes, [folder] * _WORKERS, [count] * _WORKERS, range(_WORKERS))
    return evaluation.figures([outcome for part in parts for outcome in part])


def _outcomes(folder: Path, count: int, part: int) -> list[Outcome]:
    from ekyc import evaluation
    from ekyc.reading import read_card

    return list(evaluation.read_all(evaluation.read_truth(folder)[:count][part::_WORKERS], read_card))


def _plain(pool: ProcessPoolExecutor, folder: Path) -> dict[str, float]:
    """The peer on the first cards of *folder*: share of fields found, median seconds."""
    parts = [one for part in pool.map(_plain_part, [folder] * _WORKERS, range(_WORKERS)) for one in part]
    seconds = sorted(taken for _, taken in parts)
    fields = [found for each, _ in parts for found in each]
    return {"exact": sum(fields) / len(fields), "seconds": seconds[len(seconds) // 2]}


def _plain_part(folder: Path, part: int) -> list[tuple[list[bool], float]]:
    import pytesseract
    from PIL import Image

    from ekyc import evaluation

    results = []
    for card in evaluation.read_truth(folder)[:FEW][part::_WORKERS]:
        begun = time.perf_counter()
        with Image.open(card.image) as picture:
            text = str(pytesseract.image_to_string(picture.convert("L"), lang="vie", config="--psm 3"))
        taken = time.perf_counter() - begun
        plain = " ".join(unicodedata.normalize("NFC", text).split())
        results.append(([any(form in plain for form in _forms(*field)) for field in card.fields.items()], taken))
    return results


def _forms(name: str, value: str | None) -> Sequence[str]:
    """How the value of a field may stand on the card."""
    if value is None:
        return ()
    if name == "card_number":
        return (value, f"{value[:2]}.{value[2:]}")
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return (value,)
    year, month, day = value.split("-")
    return (*(mark.join((day, month, year)) for mark in "/-."), f"{day} tháng {int(month)} năm {year}")
