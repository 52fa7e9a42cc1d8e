"""A photograph of a member card to its fields, with a confidence for each and a cautious decision.

Rectify, turn upright, even the light, find the lines of print; views are read until every field has its label, then every value alone
in several views, the doubtful ones by the second reader, and all readings vote. ``ok`` only when every field is certain, the dates
agree with each other, the card shows exactly one face and the photograph passes the quality gate.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial

import cv2
import numpy as np

from core import clock
from core.settings import settings
from ekyc import quality, rectify, unread, views
from ekyc.elimination import eliminate
from ekyc.faces.types import Face
from ekyc.fields import TEXTS, Found, find, typical_height, unlabelled
from ekyc.ocr import Box, Gray, LineReader, Reader, Word, line_reader, reader
from ekyc.results import FIELDS, CardReading, Image, Quality, Reason
from ekyc.surface import ABOVE, ABOVE_CAPITALS, HEIGHTS, Surface
from ekyc.templates import Template, templates
from ekyc.values import DASHES, DATES, read_value
from ekyc.voting import Reading, Verdict, vote, vote_digits
from ekyc.words import expected, fits, like, usual, whole

WIDTH = 1300
"""Pixels of the rectified card: capitals become 20 to 35 pixels high, what the reader was trained on."""
FEWEST_LABELS = 3
"""Labels that make a picture a card of ours."""
VAGUE = (0.62, 0.55)
"""How much of a label must be made out where a value stands by it, the surer ones first."""
NUMBERS = ("card_number", *DATES)
_NUMBER = re.compile(r"(?<![^\W\d])\d+")
PAGE, DIGITS, SECOND = "page", "digits", "second"
"""Readers: the Vietnamese model, the one for digits, the second one."""
DIGITS_IN_TEXT = 0.35
"""Trust in numbers and dates by the Vietnamese model: it takes a "3" with a flat top for a "5", and is sure of it."""
CLEAR_OUTLINE = 0.45
"""From this score on, four sides are a card even when nothing on it can be read."""
OUT_OF_FOCUS = 0.03
"""``quality.fine_detail`` of a card on which no letter can be made out."""
CUT_OFF = 0.6
"""What remains of the confidence in a value next to print that no reader saw as words, or to glare."""
AFTER = 0.7
"""Where a dash ends after a line, in parts of its height."""
CERTAIN = 0.93
"""From here on a field is not read again."""


@dataclass
class _Card:
    """A card on its way: its surface, the words of all views, what they say, ``readings`` of every field so far.

    ``quarters``: turns against the clock that brought it upright. ``verdicts``: what was voted last, and on which readings.
    """

    surface: Surface
    words: list[Word]
    found: Found
    template: Template
    quarters: int
    faces: list[Face] = field(default_factory=list)
    readings: dict[str, list[Reading]] = field(default_factory=dict)
    verdicts: dict[str, tuple[tuple[Reading, ...], Verdict | None]] = field(default_factory=dict)

    @property
    def flat(self) -> Image:
        return self.surface.flat

    @property
    def missing(self) -> list[str]:
        return [name for name in FIELDS if name not in self.found.values]


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
        _more_views(card, text)
    if card is None or card.found.labels < FEWEST_LABELS:
        flat = _resized(image)
        other = _settle(flat, (0, 2, 1, 3), text, designs)
        _more_views(other, text)
        if card is None or other.found.labels > card.found.labels:
            card, outline = other, None
    if card.found.labels < FEWEST_LABELS:
        return _not_read(image, outline, card)
    _line_by_line(card, text)
    _numbers_in_text(card, text)
    if (second := line_reader()) is not None:
        _second_opinion(card, second)
    verdicts = {name: verdict for name in FIELDS if (verdict := _verdict(card, name))}
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
        surface = Surface(_turned(flat, quarters))
        people = faces.detect(surface.flat)
        surface.find_lines(_around_face(people))
        words = surface.read(text)
        found, design = _best(words, designs, surface.width)
        if best is None or found.labels > best.found.labels:
            best = _Card(surface, words, found, design, quarters, people)
        if best.found.labels >= FEWEST_LABELS:
            break
    assert best is not None
    _collect(best, best.found)
    return best


def _around_face(faces: Sequence[Face]) -> Box | None:
    """The largest of *faces* with hair and shoulders."""
    if not faces:
        return None
    left, top, right, bottom = faces[0].box
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


def _collect(card: _Card, found: Found) -> None:
    for name, value in found.values.items():
        weight = DIGITS_IN_TEXT if name in NUMBERS else 1.0
        card.readings.setdefault(name, []).append(Reading(value.words, weight, PAGE))


def _more_views(card: _Card, text: Reader) -> None:
    """Other views, for labels and values that the first did not show; then labels half made out; then what is left over."""
    surface, seen = card.surface, [card.words]
    for number in range(3):
        if not card.missing:
            return
        if number == 0 and not surface.grainy:
            continue
        words = surface.read_lines(text, number) if number else surface.read_page(text)
        seen.append(words)
        _join(card, find(words, card.template, surface.width))
    for least in VAGUE:
        missing, taken = card.missing, [box for name in card.found.values for box in card.found.places[name]]
        guesses = [
            find(words, card.template, surface.width, missing=missing, taken_up=taken, least=least) for words in seen
        ]
        for found in sorted(guesses, key=lambda found: -sum(found.scores.values())):
            _join(card, found)
    _eliminate(card, seen)
    _unlabelled(card, seen)
    if card.missing and card.found.labels >= FEWEST_LABELS and (boxes := surface.overlooked()):
        words = [*seen[0], *surface.read_lines(text, 0, boxes)]
        seen.append(words)
        _join(card, find(words, card.template, surface.width))
        _eliminate(card, seen)
    card.words = [word for words in seen for word in words]


def _eliminate(card: _Card, seen: Sequence[Sequence[Word]]) -> None:
    more = eliminate(card.found.values, card.found.places, seen, card.template)
    places = {name: value.boxes for name, value in more.items()}
    _join(card, Found(more, places, {name: boxes[0] for name, boxes in places.items()}))


def _unlabelled(card: _Card, seen: Sequence[Sequence[Word]]) -> None:
    """Home town and issuer where none of the views *seen* shows their labels: what of the rest reads as they do.

    Both may begin alike ("Thị trấn", "Thị ủy"), but only a home town has parts.
    """
    for name in ("home_town", "issuer"):
        if name not in card.missing or (name == "issuer" and "home_town" in card.missing):
            continue
        taken = [box for found in card.found.values for box in card.found.places[found]]
        guesses = [
            unlabelled(name, words, card.template, card.surface.width, partial(fits, name), taken) for words in seen
        ]
        best = max(guesses, key=lambda found: max((value.confidence for value in found.values.values()), default=-1.0))
        if best.values:
            card.found.places.pop(name, None)
            _join(card, best)


def _join(card: _Card, found: Found) -> None:
    """Add what another view *found*: its readings, and places where there were none or nothing could be read."""
    _collect(card, found)
    for name in found.values:
        if name in card.found.values:
            card.found.places[name] = _wider(card.found.places[name], found.places[name])
    for name in card.missing:
        if name in found.places and (name in found.values or name not in card.found.places):
            card.found.places[name] = found.places[name]
            card.found.spans[name] = found.spans[name]
            if name in found.values:
                card.found.values[name] = found.values[name]
    card.found = replace(card.found, labels=len(card.found.places))


def _wider(boxes: Sequence[Box], others: Sequence[Box]) -> tuple[Box, ...]:
    """*boxes* of lines, each as wide as it and its like among *others* together: one view misses a word at an end."""
    if len(boxes) != len(others):
        return tuple(boxes)
    wider = []
    for (left, top, right, bottom), (first, above, last, below) in zip(boxes, others, strict=True):
        same = min(bottom, below) - max(top, above) > 0.6 * (bottom - top)
        wider.append((min(left, first), top, max(right, last), bottom) if same else (left, top, right, bottom))
    return tuple(wider)


def _line_by_line(card: _Card, text: Reader) -> None:
    """Every value once more, cut out and alone: text by the same model, numbers and dates by the one for digits.

    In two views, and in a third where these leave a doubt.
    """
    for names, digits in ((TEXTS, False), (NUMBERS, True)):
        for shown in ((0, 1), (2,)):
            wanted = names if shown == (0, 1) else [name for name in names if _doubtful(card, name)]
            cut = [(name, view, line) for name in wanted for view in shown for line in _lines(card, name, view)]
            read = text.read_lines([line for _, _, line in cut], digits=digits)
            for name in wanted:
                for view in shown:
                    every = [words for (*whose, _), words in zip(cut, read, strict=True) if whose == [name, view]]
                    _add(card, name, every, DIGITS if digits else PAGE)


def _numbers_in_text(card: _Card, text: Reader) -> None:
    """Numbers in texts ("Phường 13, quận 3") as the model for digits reads them; where it says nothing clear they are doubtful."""
    for name in TEXTS:
        readings = card.readings.get(name, [])
        verdict = _verdict(card, name)
        if verdict is None or not (count := len(_numbers(verdict.text))):
            continue
        views = [
            [
                number
                for words in text.read_lines(_lines(card, name, view), digits=True)
                for number in _numbers(" ".join(word.text for word in words))
            ]
            for view in (0, 1)
        ]
        clear = views[0] if views[0] == views[1] and len(views[0]) == count else None
        card.readings[name] = [_with_numbers(reading, clear) for reading in readings]


def _numbers(text: str) -> list[str]:
    return _NUMBER.findall(text)


def _with_numbers(reading: Reading, numbers: Sequence[str] | None) -> Reading:
    """*reading* with *numbers* in place of its own where they are as many, else with little trust in its own."""
    own = sum(len(_numbers(text)) for text, _ in reading.words)
    left = iter(numbers if numbers is not None and own == len(numbers) else ())
    words = []
    for text, sure in reading.words:
        if not _numbers(text):
            words.append((text, sure))
        elif (number := next(left, None)) is not None:
            words.append((_NUMBER.sub(number, text, count=1), sure))
        else:
            words.append((text, min(sure, DIGITS_IN_TEXT)))
    return replace(reading, words=tuple(words))


def _second_opinion(card: _Card, second: LineReader) -> None:
    """The other reader, for the fields that are still doubtful, and for a name that has its like."""
    for name in FIELDS:
        if _doubtful(card, name) or (name == "full_name" and _one_sided(card, name)):
            for view in (0, 1):
                every = []
                for line in _lines(card, name, view):
                    written, sure = second.read_line(line)
                    every.append([Word(word, (0, 0, 1, 1), sure) for word in written.split()])
                _add(card, name, every, SECOND)


def _verdict(card: _Card, name: str) -> Verdict | None:
    readings = tuple(card.readings.get(name, ()))
    if card.verdicts.get(name, ((), None))[0] != readings:
        card.verdicts[name] = (readings, _voted(name, readings))
    return card.verdicts[name][1] if readings else None


def _voted(name: str, readings: Sequence[Reading]) -> Verdict | None:
    if name in NUMBERS:
        return vote_digits(readings)
    return vote(
        readings,
        lambda word, place: usual(name, word, place),
        lambda word: like(name, word),
        lambda places: expected(name, places),
    )


def _doubtful(card: _Card, name: str) -> bool:
    """Whether the field *name* should be read once more: it is not certain, or a number was read differently."""
    verdict = _verdict(card, name)
    if verdict is None or verdict.confidence < CERTAIN:
        return True
    read = {reading.words[0][0] for reading in card.readings[name] if reading.words}
    return name in NUMBERS and read != {verdict.text}


def _one_sided(card: _Card, name: str) -> bool:
    """Whether only one reader has seen a word of *name* that other accents would make another: readers err in them together."""
    verdict = _verdict(card, name)
    readers = {reading.reader for reading in card.readings.get(name, ())}
    return verdict is not None and len(readers) == 1 and any(like(name, word) for word in verdict.text.split())


def _lines(card: _Card, name: str, view: int) -> list[Gray]:
    above = ABOVE_CAPITALS if name == "full_name" else ABOVE
    boxes = list(card.found.places.get(name, ()))
    if name == "home_town" and len(boxes) > 1:  # a dash at the end of the first line has no size of a letter
        left, top, right, bottom = boxes[0]
        boxes[0] = (left, top, right + round(AFTER * (bottom - top)), bottom)
    strips = [card.surface.strip(view, box, HEIGHTS[view], above) for box in boxes]
    return [strip.image for strip in strips if strip is not None]


def _add(card: _Card, name: str, lines: Sequence[Sequence[Word]], by: str) -> None:
    if name == "home_town" and len(lines) > 1 and any("," in word.text for word in lines[0]):
        # Where commas part the value, a dash at the end of the first line is a speck.
        while lines[0] and lines[0][-1].text in DASHES:
            lines = [lines[0][:-1], *lines[1:]]
    value = read_value(name, lines, card.template)
    if value is not None:
        card.readings.setdefault(name, []).append(Reading(value.words, 1.0, by))


def _measured(image: Image, outline: rectify.Outline | None, card: _Card) -> Quality:
    shown = outline.width() / card.flat.shape[1] if outline else max(image.shape[:2]) / max(card.flat.shape[:2])
    sharp = quality.sharpness(card.surface.plain, card.words)
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


def _off_by_a_slip(card: _Card, fields: Mapping[str, str | None]) -> set[str]:
    """The dates of joining and of full membership, where a reading that was outvoted puts them exactly a year apart.

    That is the rule (twelve months of probation: Charter of the Communist Party of Vietnam, article 5), and hardly a coincidence.
    """
    pair = ("joined_on", "official_on")
    voted = [fields.get(name) for name in pair]
    if None in voted or _year_later(voted[0]) == voted[1]:
        return set()
    read = [{reading.words[0][0] for reading in card.readings.get(name, []) if reading.words} for name in pair]
    slip = voted[1] in {_year_later(day) for day in read[0]} or _year_later(voted[0]) in read[1]
    return set(pair) if slip else set()


def _year_later(day: str | None) -> str | None:
    return f"{int(day[:4]) + 1}{day[4:]}" if day else None


def _decided(
    image: Image, outline: rectify.Outline | None, card: _Card, verdicts: Mapping[str, Verdict]
) -> CardReading:
    measured = _measured(image, outline, card)
    fields = {name: verdicts[name].text if name in verdicts else None for name in FIELDS}
    confidence = {name: verdicts[name].confidence if name in verdicts else None for name in FIELDS}
    height = typical_height(card.words)
    for name in unread.cut_off(
        card.surface.plain, views.ground(card.surface.raw), card.words, card.found, height, fields
    ):
        known = confidence[name]
        confidence[name] = known * CUT_OFF if known is not None else None
    for name in TEXTS:
        known, text = confidence[name], fields[name]
        if known is not None and text is not None and not whole(name, text):
            confidence[name] = known * CUT_OFF
    for name in contradictory(fields) | _off_by_a_slip(card, fields):
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
    if reasons and (card.quarters or (outline is not None and outline.on_its_side())):
        reasons.append(Reason.NOT_UPRIGHT)  # it was turned, but a card held upright is larger in the picture
    rounded = {name: None if sure is None else round(sure, 3) for name, sure in confidence.items()}
    decision = "retake" if reasons else "ok"
    return CardReading(fields, rounded, measured, decision, tuple(reasons), card.flat, _portrait(card))
