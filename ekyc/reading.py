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
from ekyc import quality, rectify, unread, views
from ekyc.faces.types import Face
from ekyc.fields import Found, find, typical_height
from ekyc.ocr import Box, Gray, Layout, LineReader, Reader, Word, line_reader, reader
from ekyc.results import FIELDS, CardReading, Image, Quality, Reason
from ekyc.templates import Template, templates
from ekyc.values import DATES, read_value
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
SAME_MODEL = 0.6
"""Trust in text that the model of the whole card reads once more: it repeats its own mistakes ("đóc" for "đọc")."""
CLEAR_OUTLINE = 0.45
"""From this score on, four sides are a card even when nothing on it can be read."""
OUT_OF_FOCUS = 0.03
"""``quality.fine_detail`` of a card on which no letter can be made out."""
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
    faces: list[Face] = field(default_factory=list)
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
    _more_views(card, text)
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
    from ekyc import faces  # noqa: PLC0415 - the models load when the first card comes

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
    best.faces = faces.detect(best.flat)
    _overlooked(best, text)
    _collect(best, best.found, 1.0)
    return best


def _overlooked(card: _Card, text: Reader) -> None:
    """Read the lines of print once more that the reader of the whole card passed over."""
    height = typical_height(card.words)
    boxes = unread.lines(card.gray, card.words, height, _around_face(card))
    cut = [(box, line) for box in boxes if (line := _crop(card.raw, box)) is not None]
    read = text.read_lines([line for _, line in cut])
    more = [
        word for (box, _), words in zip(cut, read, strict=True) if _sure(words) for word in unread.placed(box, words)
    ]
    if more:
        card.words = [*card.words, *more]
        card.found = find(card.words, card.template, card.gray.shape[1])


def _sure(words: Sequence[Word]) -> bool:
    """Whether what was read from a line is print at all."""
    return bool(words) and float(np.mean([word.confidence for word in words])) > 0.5


def _around_face(card: _Card) -> Box | None:
    """The largest face with hair and shoulders."""
    if not card.faces:
        return None
    left, top, right, bottom = card.faces[0].box
    wide, tall = right - left, bottom - top
    return (round(left - 0.6 * wide), round(top - 0.6 * tall), round(right + 0.6 * wide), round(bottom + 0.7 * tall))


def _best(words: Sequence[Word], designs: Sequence[Template], width: int) -> tuple[Found, Template]:
    every = [(find(words, design, width), design) for design in designs]
    return max(every, key=lambda pair: (pair[0].labels, len(pair[0].values)))


def _likely(flat: Image, turns: Sequence[int]) -> list[int]:
    """*turns* (quarters against the clock), those first that put a face's eyes above its mouth."""
    from ekyc import faces  # noqa: PLC0415 - see above

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


def _more_views(card: _Card, text: Reader) -> None:
    """Other views of the whole card, for labels and values that the first did not show."""
    for first, scale in ((True, 1.0), (False, SECOND)):
        if len(card.found.values) == len(FIELDS):
            return
        view = card.gray if first else views.darkest(card.flat)
        gray = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        words = text.read(gray, Layout.SPARSE)
        found = find(words, card.template, gray.shape[1])
        _collect(card, found, 1.0)
        for name in FIELDS:
            if (
                name in found.places
                and name not in card.found.values
                and (name in found.values or name not in card.found.places)
            ):
                card.found.places[name] = tuple(_scaled(box, 1 / scale) for box in found.places[name])
                card.found.spans[name] = _scaled(found.spans[name], 1 / scale)
                if name in found.values:
                    card.found.values[name] = found.values[name]
        card.words += [replace(word, box=_scaled(word.box, 1 / scale)) for word in words]
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
            _add(card, name, lines, 1.0 if digits else SAME_MODEL)


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
    shown = outline.width() / card.flat.shape[1] if outline else max(image.shape[:2]) / max(card.flat.shape[:2])
    sharp = quality.sharpness(card.gray, card.words)
    return Quality(
        corners=outline.inside(image) if outline else 0,
        text_height_px=quality.text_height(card.words, shown),
        blur=None if sharp is None else round(sharp, 3),
        exposure=quality.exposure(card.flat),
        glare=quality.glare(card.flat),
        faces=len(card.faces),
    )


def _not_read(image: Image, outline: rectify.Outline | None, card: _Card) -> CardReading:
    """No card of ours, or one so badly taken that not even its labels can be read."""
    measured = _measured(image, outline, card)
    reasons: list[Reason] = []
    if outline is not None and outline.score > CLEAR_OUTLINE and measured.faces == 1:
        legible = sum(word.confidence > 0.85 and sum(c.isalpha() for c in word.text) >= 3 for word in card.words)
        # Print that can be read but is not ours: another card; a sharp picture without print: a portrait in a frame.
        # Print that cannot be read, or nothing sharp at all: a bad photograph.
        if legible < 6 and (len(card.words) >= 4 or quality.fine_detail(card.flat) < OUT_OF_FOCUS):
            reasons = quality.complaints(measured) or [Reason.BLURRED]
    nothing: Mapping[str, None] = dict.fromkeys(FIELDS)
    return CardReading(nothing, nothing, measured, "retake", tuple(reasons) or (Reason.NO_CARD,))


def _portrait(card: _Card) -> Image | None:
    """The largest face with half of its size around it; None without one."""
    if not card.faces:
        return None
    left, top, right, bottom = card.faces[0].box
    wide, tall = (right - left) * 0.5, (bottom - top) * 0.5
    part = card.flat[max(0, round(top - tall)) : round(bottom + tall), max(0, round(left - wide)) : round(right + wide)]
    return part.copy()


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
    height = typical_height(card.words)
    for name in unread.cut_off(card.gray, quality.burnt(card.flat), card.words, card.found, height):
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
    decision = "retake" if reasons else "ok"
    return CardReading(fields, rounded, measured, decision, tuple(reasons), card.flat, _portrait(card))
