"""How well cards are read: a folder of photographs with their truth, and pairs of faces when there are some, to figures."""

from __future__ import annotations

import json
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from ekyc import calibration
from ekyc.calibration import Rate, rate
from ekyc.images import UnreadableImageError, load_file
from ekyc.results import FIELDS, CardReading, Image

TRUTH, PAIRS = "truth.jsonl", "pairs.csv"
_DATES = ("date_of_birth", "joined_on", "official_on", "issued_on")


class TruthError(ValueError):
    """``truth.jsonl`` cannot be used. The message names file and line, in Vietnamese."""


@dataclass(frozen=True)
class Card:
    """One photograph and what stands on the card; None: nothing is printed for the field."""

    image: Path
    fields: Mapping[str, str | None]


@dataclass(frozen=True)
class CardFigures:
    """What reading the cards gave.

    ``fields_exact``: share of all fields read exactly, whatever the decision, ``by_field`` the same for each; ``cer``:
    edits needed in parts of the characters printed. ``cards_exact``: cards with every field exact. ``ok``, ``retake``: decisions;
    ``reasons`` of the latter. ``ok_wrong``: of all cards, those passed as ok with a wrong field (null counts as wrong when
    something is printed), with exact bounds; ``ok_rate`` likewise. ``unreadable``: files that are no photograph; they count as
    retake with nothing read. ``seconds_median``, ``seconds_p95``: per card from file to decision, models loaded.
    ``wrong``: image, field, printed and read value of whatever passed as ok and should not have.
    """

    cards: int
    fields: int
    fields_exact: float
    by_field: dict[str, float]
    cer: float
    cards_exact: int
    ok: int
    retake: int
    unreadable: int
    reasons: dict[str, int]
    ok_rate: Rate
    ok_wrong: Rate
    seconds_median: float
    seconds_p95: float
    wrong: tuple[dict[str, str | None], ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return asdict(self) | {"wrong": list(self.wrong)}


def read_truth(folder: Path) -> list[Card]:
    """The cards of *folder* by its ``truth.jsonl``: ``{"image": name, "fields": {the eight keys}}`` a line.

    Errors: OSError; TruthError.
    """
    path = folder / TRUTH
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TruthError(f"{path}: tệp không phải UTF-8.") from error
    cards: list[Card] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            card = _card(line, folder)
        except ValueError as error:
            raise TruthError(f"{path}, dòng {number}: {error}") from error
        if card.image.name in seen:
            raise TruthError(f"{path}, dòng {number}: ảnh {card.image.name} đã có ở dòng trước.")
        seen.add(card.image.name)
        cards.append(card)
    if not cards:
        raise TruthError(f"{path}: không có dòng nào.")
    return cards


def _card(line: str, folder: Path) -> Card:
    """One line. Raises ValueError with what is wrong."""
    try:
        value = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"không phải JSON ({error.msg}, cột {error.colno}).") from error
    if (
        not isinstance(value, dict)
        or not isinstance(value.get("image"), str)
        or not isinstance(value.get("fields"), dict)
    ):
        raise ValueError(  # noqa: TRY004 - a line of a file, not an argument
            'cần dạng {"image": "tên tệp", "fields": {…}}.'
        )
    name, fields = value["image"], value["fields"]
    if not name or Path(name).name != name:
        raise ValueError("image phải là tên một tệp trong cùng thư mục.")
    missing, unknown = [key for key in FIELDS if key not in fields], [key for key in fields if key not in FIELDS]
    if missing or unknown:
        parts = [
            f"thiếu trường {', '.join(missing)}" if missing else "",
            f"trường lạ {', '.join(unknown)}" if unknown else "",
        ]
        raise ValueError("; ".join(part for part in parts if part) + ".")
    for key, text in fields.items():
        if text is not None and (not isinstance(text, str) or not text.strip()):
            raise ValueError(f"trường {key} phải là chữ hoặc null.")
        if key == "card_number" and text is not None and not (len(text) == 8 and text.isascii() and text.isdigit()):
            raise ValueError("card_number phải có đúng 8 chữ số.")
        if key in _DATES and text is not None and not _is_date(text):
            raise ValueError(f"trường {key} phải là ngày dạng YYYY-MM-DD.")
    if not (folder / name).is_file():
        raise ValueError(f"không có tệp {name}.")
    plain = {
        key: None if fields[key] is None else " ".join(unicodedata.normalize("NFC", fields[key]).split())
        for key in FIELDS
    }
    return Card(folder / name, plain)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


@dataclass(frozen=True)
class Outcome:
    """One card after reading, pictures left out; ``reading`` None: the file is no photograph. ``seconds`` from file to decision."""

    card: Card
    reading: CardReading | None
    seconds: float

    @property
    def exact(self) -> dict[str, bool]:
        """For each field, whether exactly what is printed was read."""
        read: Mapping[str, str | None] = self.reading.fields if self.reading else dict.fromkeys(FIELDS)
        return {name: read[name] == self.card.fields[name] for name in FIELDS}


def read_all(
    cards: Sequence[Card],
    read: Callable[[Image], CardReading],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Outcome]:
    """Every card read once by *read*; the first one beforehand too, so that loading the models is in nobody's time."""
    warm = False
    for number, card in enumerate(cards, start=1):
        try:
            if not warm:
                read(load_file(card.image))
                warm = True
            begun = time.perf_counter()
            reading = read(load_file(card.image))
            seconds = time.perf_counter() - begun
            yield Outcome(card, replace(reading, rectified=None, portrait=None), seconds)
        except UnreadableImageError:
            yield Outcome(card, None, 0.0)
        if progress:
            progress(number, len(cards))


def figures(outcomes: Sequence[Outcome]) -> CardFigures:
    """The figures of *outcomes*, of which there is at least one."""
    exact = [outcome.exact for outcome in outcomes]
    passed = [outcome.reading is not None and outcome.reading.decision == "ok" for outcome in outcomes]
    wrong = [
        {
            "image": outcome.card.image.name,
            "field": name,
            "printed": outcome.card.fields[name],
            "read": _read(outcome, name),
        }
        for outcome, right, ok in zip(outcomes, exact, passed, strict=True)
        if ok
        for name in FIELDS
        if not right[name]
    ]
    edits = sum(
        Levenshtein.distance(outcome.card.fields[name] or "", _read(outcome, name) or "")
        for outcome in outcomes
        for name in FIELDS
    )
    printed = sum(len(text or "") for outcome in outcomes for text in outcome.card.fields.values())
    seconds = [outcome.seconds for outcome in outcomes if outcome.reading is not None] or [0.0]
    reasons = Counter(
        str(reason) for outcome in outcomes if outcome.reading is not None for reason in outcome.reading.reasons
    )
    count = len(outcomes)
    return CardFigures(
        cards=count,
        fields=count * len(FIELDS),
        fields_exact=sum(sum(right.values()) for right in exact) / (count * len(FIELDS)),
        by_field={name: sum(right[name] for right in exact) / count for name in FIELDS},
        cer=edits / printed if printed else 0.0,
        cards_exact=sum(all(right.values()) for right in exact),
        ok=sum(passed),
        retake=count - sum(passed),
        unreadable=sum(outcome.reading is None for outcome in outcomes),
        reasons=dict(reasons.most_common()),
        ok_rate=rate(sum(passed), count),
        ok_wrong=rate(len({entry["image"] for entry in wrong}), count),
        seconds_median=float(np.median(seconds)),
        seconds_p95=float(np.percentile(seconds, 95)),
        wrong=tuple(wrong),
    )


def _read(outcome: Outcome, name: str) -> str | None:
    return outcome.reading.fields[name] if outcome.reading else None


@dataclass(frozen=True)
class Evaluation:
    """Figures of a folder; each part None when the folder has nothing for it."""

    cards: CardFigures | None
    faces: calibration.Calibration | None

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values for JSON."""
        return {
            "cards": self.cards.to_dict() if self.cards else None,
            "faces": self.faces.to_dict() if self.faces else None,
        }


def evaluate(
    folder: Path,
    read: Callable[[Image], CardReading],
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """The cards of ``truth.jsonl`` and the faces of ``pairs.csv``, whichever *folder* has.

    Errors: OSError (neither is there, among others), TruthError, calibration.PairsError, and those of *read*.
    """
    pairs = calibration.read_pairs(folder / PAIRS) if (folder / PAIRS).is_file() else None
    if pairs is not None and not (folder / TRUTH).exists():
        return Evaluation(None, calibration.calibrate(pairs))
    cards = figures(list(read_all(read_truth(folder), read, progress=progress)))
    return Evaluation(cards, calibration.calibrate(pairs) if pairs is not None else None)
