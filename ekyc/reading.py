"""A photograph of a member card to its fields, with a confidence for each and a cautious decision.

Rectify, turn upright, even the light; two views are read whole and vote; fields that remain doubtful are read once more line
by line, last by the second reader. ``ok`` only when every field is certain, the dates agree with each other, the card shows exactly
one face and the photograph passes the quality gate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import cv2
import numpy as np

from core import clock
from core.settings import settings
from ekyc import quality, rectify, views
from ekyc.fields import DATES, Found, find, read_value, typical_height
from ekyc.ocr import Box, Gray, Layout, LineReader, Reader, Word, line_reader, reader
from ekyc.results import FIELDS, CardReading, Image, Quality, Reason
from ekyc.templates import Template, templates
from ekyc.voting import Reading, Verdict, vote

WIDTH = 1300
"""Pixels of the rectified card: capitals become 20 to 35 pixels high, what the reader was trained on."""
SECOND = 0.84
"""Size of the second view in parts of the first."""
FEWEST_LABELS = 3
"""Labels that make a picture a card of ours."""
LINE_HEIGHT = 48
"""Pixels of a line that is read alone, with its margin."""
NUMBERS = ("card_number", *DATES)
TEXTS = tuple(name for name in FIELDS if name not in NUMBERS)
DIGITS_IN_TEXT = 0.35
"""Trust in numbers and dates by the Vietnamese model: it takes a "3" with a flat top for a "5", and is sure of it."""
INK = 120
"""Level below which an evened pixel is print."""
CLEAR_OUTLINE = 0.45
"""From this score on, four sides are a card even when nothing on it can be read."""
CUT_OFF = 0.6
"""What remains of the confidence in a value next to print that no reader saw as words, or to glare."""
CERTAIN = 0.93
"""From here on a field is not read again."""


@dataclass
class _Card:
    """A card on its way: ``flat`` upright, ``raw`` its lightness, ``gray`` evened, ``readings`` of every field so far."""

    flat: Image
    raw: Gray
    gray: Gray
    words: list[Word]
    found: Found
    template: Template
    readings: dict[str, list[Reading]] = field(default_factory=dict)


def read_card(image: Image, *, template: Template | None = None) -> CardReading:
    """The fields of the card in *image* (BGR, at least 64 pixels wide), by *template* or the one that fits best.

    Errors: OcrUnavailableError, TemplateError, FaceModelError (the installation lacks what it needs); a photograph that
    cannot be used is no error but ``retake``.
    """
    designs = (template,) if template else templates()
    text = reader()
    outline = rectify.find(image)
    card: _Card | None = None
    if outline is not None and outline.score >= 0.25:
        flat = rectify.straighten(image, outline, WIDTH)
        card = _settle(flat, (0, 2), text, designs)
    if card is None or card.found.labels < FEWEST_LABELS:
        flat = _resized(image)
        other = _settle(flat, (0, 2, 1, 3), text, designs)
        if card is None or other.found.labels > card.found.labels:
            card, outline = other, None
    if card.found.labels < FEWEST_LABELS:
        return _not_read(image, outline, card)
    if len(card.found.values) < len(FIELDS):
        _second_view(card, text)
    _line_by_line(card, text)
    if (second := line_reader()) is not None:
        _second_opinion(card, second)
    verdicts = {name: verdict for name in FIELDS if (verdict := vote(card.readings.get(name, [])))}
    return _decided(image, outline, card, verdicts)


def _resized(image: Image) -> Image:
    """The whole picture as a card: its longer side a little more than the rectified card's."""
    scale = WIDTH * 1.1 / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8, copy=False)


def _turned(flat: Image, quarters: int) -> Image:
    return np.ascontiguousarray(np.rot90(flat, quarters)) if quarters else flat


def _settle(flat: Image, turns: Sequence[int], text: Reader, designs: Sequence[Template]) -> _Card:
    """The first view of the card, turned so that its labels can be read: the way its face stands is tried first."""
    best: _Card | None = None
    for quarters in _likely(flat, turns):
        turned = _turned(flat, quarters)
        raw = views.calm(cv2.cvtColor(turned, cv2.COLOR_BGR2GRAY).astype(np.uint8, copy=False))
        gray = views.even(views.dark_print(raw))
        words = text.read(gray, Layout.COLUMN)
        found, design = _best(words, designs, gray.shape[1])
        card = _Card(turned, raw, gray, words, found, design)
        if best is None or found.labels > best.found.labels:
            best = card
        if best.found.labels >= FEWEST_LABELS:
            break
    assert best is not None
    _overlooked(best, text)
    _collect(best, best.found, 1.0)
    return best


def _overlooked(card: _Card, text: Reader) -> None:
    """Look for the second line of a long value where there is print but no word was read."""
    rooms = {name: box for name, room in card.found.rooms.items() if (box := _inked(card.gray, room)) is not None}
    cut = {name: line for name, box in rooms.items() if (line := _crop(card.raw, box)) is not None}
    more: list[Word] = []
    for (left, top, right, bottom), words in zip(
        (rooms[name] for name in cut), text.read_lines(list(cut.values())), strict=True
    ):
        total = sum(len(word.text) + 1 for word in words)
        at = left
        for word in words:
            end = at + round((right - left) * (len(word.text) + 1) / total)
            more.append(Word(word.text, (at, top, max(at + 1, end - 4), bottom), word.confidence))
            at = end
    if more:
        card.words = [*card.words, *more]
        card.found = find(card.words, card.template, card.gray.shape[1])


def _inked(gray: Gray, room: Box) -> Box | None:
    """The part of *room* that holds print; None when it is empty or what is there is no line of text."""
    left, top, right, bottom = room
    dark = gray[max(0, top) : bottom, max(0, left) : right] < INK
    rows, columns = np.flatnonzero(dark.mean(axis=1) > 0.004), np.flatnonzero(dark.any(axis=0))
    if len(rows) < 0.3 * (bottom - top) or len(columns) < 10:
        return None
    return (left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1)


def _best(words: Sequence[Word], designs: Sequence[Template], width: int) -> tuple[Found, Template]:
    every = [(find(words, design, width), design) for design in designs]
    return max(every, key=lambda pair: (pair[0].labels, len(pair[0].values)))


def _likely(flat: Image, turns: Sequence[int]) -> list[int]:
    """*turns* (quarters against the clock), those first that put a face's eyes above its mouth."""
    from ekyc import faces  # noqa: PLC0415 - the models load when the first card comes

    scale = min(1.0, 640 / max(flat.shape[:2]))
    small = cv2.resize(flat, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    scores: dict[int, float] = {}
    for quarters in turns:
        found = faces.detect(_turned(small, quarters))
        upright = [face.score for face in found if _stands(face.landmarks)]
        scores[quarters] = max(upright, default=0.0)
        if scores[quarters] > 0.8:
            break
    return sorted(turns, key=lambda quarters: -scores.get(quarters, 0.0))


def _stands(landmarks: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across, down = mouth - eyes
    return bool(down > abs(across))


def _collect(card: _Card, found: Found, weight: float) -> None:
    for name, value in found.values.items():
        trust = weight * (DIGITS_IN_TEXT if name in NUMBERS else 1.0)
        card.readings.setdefault(name, []).append(Reading(value.words, trust))


def _second_view(card: _Card, text: Reader) -> None:
    """Another view of the whole card, for labels and values that the first did not show."""
    gray = views.darkest(card.flat)
    gray = cv2.resize(gray, None, fx=SECOND, fy=SECOND, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    found = find(text.read(gray, Layout.SPARSE), card.template, gray.shape[1])
    _collect(card, found, 0.8)
    for name, boxes in found.places.items():
        if name not in card.found.values and (name in found.values or name not in card.found.places):
            card.found.places[name] = tuple(_scaled(box, 1 / SECOND) for box in boxes)
    card.found = replace(card.found, labels=len(card.found.places))


def _scaled(box: Box, factor: float) -> Box:
    left, top, right, bottom = (round(edge * factor) for edge in box)
    return (left, top, right, bottom)


def _line_by_line(card: _Card, text: Reader) -> None:
    """Every value once more, cut out and alone: text by the same model, numbers and dates by the one for digits."""
    for names, digits in ((TEXTS, False), (NUMBERS, True)):
        cut = [(name, line) for name in names for line in _lines(card, name)]
        read = text.read_lines([line for _, line in cut], digits=digits)
        for name in names:
            lines = [words for (whose, _), words in zip(cut, read, strict=True) if whose == name]
            _add(card, name, lines, 1.0)


def _second_opinion(card: _Card, second: LineReader) -> None:
    """The other reader, for the fields that are still doubtful."""
    for name in FIELDS:
        verdict = vote(card.readings.get(name, []))
        if verdict is None or verdict.confidence < CERTAIN:
            lines = []
            for line in _lines(card, name):
                written, sure = second.read_line(line)
                lines.append([Word(word, (0, 0, 1, 1), sure) for word in written.split()])
            _add(card, name, lines, 1.0)


def _lines(card: _Card, name: str) -> list[Gray]:
    return [line for box in card.found.places.get(name, ()) if (line := _crop(card.raw, box)) is not None]


def _add(card: _Card, name: str, lines: Sequence[Sequence[Word]], weight: float) -> None:
    value = read_value(name, lines, card.template)
    if value is not None:
        card.readings.setdefault(name, []).append(Reading(value.words, weight))


def _crop(gray: Gray, box: Box) -> Gray | None:
    """The line in *box* with a margin, at the height that the readers know best."""
    left, top, right, bottom = box
    tall = bottom - top
    part = gray[
        max(0, top - round(0.22 * tall)) : bottom + round(0.22 * tall),
        max(0, left - round(0.3 * tall)) : right + round(0.3 * tall),
    ]
    if min(part.shape) < 8:
        return None
    scale = LINE_HEIGHT / part.shape[0]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return views.line(cv2.resize(part, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8, copy=False))


def _measured(image: Image, outline: rectify.Outline | None, card: _Card) -> Quality:
    from ekyc import faces  # noqa: PLC0415 - see above

    shown = outline.width() / card.flat.shape[1] if outline else max(image.shape[:2]) / max(card.flat.shape[:2])
    sharp = quality.sharpness(card.gray, card.words)
    return Quality(
        corners=outline.inside(image) if outline else 0,
        text_height_px=quality.text_height(card.words, shown),
        blur=None if sharp is None else round(sharp, 3),
        exposure=quality.exposure(card.flat),
        glare=quality.glare(card.flat),
        faces=len(faces.detect(card.flat)),
    )


def _not_read(image: Image, outline: rectify.Outline | None, card: _Card) -> CardReading:
    """No card of ours, or one so badly taken that not even its labels can be read."""
    measured = _measured(image, outline, card)
    reasons: list[Reason] = []
    if outline is not None and outline.score > CLEAR_OUTLINE and measured.faces == 1 and len(card.words) >= 4:
        legible = sum(word.confidence > 0.85 and sum(c.isalpha() for c in word.text) >= 3 for word in card.words)
        # Print that can be read but is not ours: another card. Print that cannot be read: a bad photograph.
        if legible < 6:
            reasons = quality.complaints(measured) or [Reason.BLURRED]
    nothing: Mapping[str, None] = dict.fromkeys(FIELDS)
    return CardReading(nothing, nothing, measured, "retake", tuple(reasons) or (Reason.NO_CARD,))


def _cut_off(card: _Card) -> set[str]:
    """Fields whose value may be longer than what was read: there is unread print on their line, or glare at its end."""
    height, width = card.gray.shape
    tall = typical_height(card.words)
    covered = np.zeros((height, width), bool)
    for word in card.words:
        if word.confidence >= 0.1 and word.height > 0.4 * tall:
            left, top, right, bottom = word.box
            pad = round(0.3 * tall)
            covered[max(0, top - pad) : bottom + pad, max(0, left - pad) : right + pad] = True
    glare = cv2.resize(quality.burnt(card.flat), (width, height), interpolation=cv2.INTER_NEAREST)
    doubtful = set()
    for name, (start, top, end, bottom) in card.found.spans.items():
        boxes = card.found.places[name]
        right = min(end, width, boxes[0][2] + round(2.5 * tall))
        inset = round(0.15 * (bottom - top))
        rows, columns = slice(max(0, top + inset), max(1, bottom - inset)), slice(max(0, start), max(1, right))
        unread = (card.gray[rows, columns] < INK) & ~covered[rows, columns]
        longest, run = 0, 0
        inked_columns = np.asarray(unread.any(axis=0), dtype=np.uint8)
        for inked in cv2.dilate(inked_columns, np.ones(round(0.3 * tall) | 1, np.uint8)).ravel():
            run = run + 1 if inked else 0
            longest = max(longest, run)
        lines = [(max(0, box[0]), max(0, box[1]), min(width, box[2] + round(3 * tall)), box[3]) for box in boxes]
        burnt = any(glare[y0:y1, x0:x1].mean() > 0.01 for x0, y0, x1, y1 in lines if y1 > y0 and x1 > x0)
        if longest > 1.1 * tall or burnt:
            doubtful.add(name)
    return doubtful


def contradictory(fields: Mapping[str, str | None]) -> set[str]:
    """The date fields that cannot be true together, or not today."""
    days = {name: date.fromisoformat(text) for name in DATES if (text := fields.get(name))}
    wrong = {name for name, day in days.items() if day > clock.today() or day.year < 1900}
    born = days.get("date_of_birth")
    if born is not None:
        grown = born.replace(year=born.year + 18, day=min(born.day, 28))
        early = {name for name, day in days.items() if name != "date_of_birth" and day < grown}
        if early:
            wrong |= early | {"date_of_birth"}
    for earlier, later in (("joined_on", "official_on"), ("joined_on", "issued_on")):
        if earlier in days and later in days and days[later] < days[earlier]:
            wrong |= {earlier, later}
    return wrong


def _decided(
    image: Image, outline: rectify.Outline | None, card: _Card, verdicts: Mapping[str, Verdict]
) -> CardReading:
    measured = _measured(image, outline, card)
    fields = {name: verdicts[name].text if name in verdicts else None for name in FIELDS}
    confidence = {name: verdicts[name].confidence if name in verdicts else None for name in FIELDS}
    for name in _cut_off(card):
        known = confidence[name]
        confidence[name] = known * CUT_OFF if known is not None else None
    for name in contradictory(fields):
        known = confidence[name]
        confidence[name] = known * 0.5 if known is not None else None
    reasons = quality.complaints(measured)
    if measured.faces == 0:
        reasons.append(Reason.NO_FACE)
    elif measured.faces and measured.faces > 1:
        reasons.append(Reason.SEVERAL_FACES)
    least = settings().ekyc_min_confidence
    if any(sure is None or sure < least for sure in confidence.values()):
        reasons.append(Reason.FIELD_DOUBTFUL)
    rounded = {name: None if sure is None else round(sure, 3) for name, sure in confidence.items()}
    return CardReading(fields, rounded, measured, "retake" if reasons else "ok", tuple(reasons), card.flat, None)
