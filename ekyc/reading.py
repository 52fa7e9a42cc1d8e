"""A photograph of a member card to its fields, with a confidence for each and a cautious decision.

Rectify, turn upright, even the light, find the lines of print; views are read until every field has its label, then every value alone
in several views, the doubtful ones by the second reader, and all readings vote (``card``). Whether that will do is for ``assessment`` to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from ekyc import rectify
from ekyc.assessment import decided, not_read
from ekyc.card import DIGITS, DIGITS_IN_TEXT, NUMBERS, PAGE, SECOND, Card
from ekyc.elimination import eliminate
from ekyc.faces.types import Face
from ekyc.fields import TEXTS, Found, find, typical_height, unlabelled
from ekyc.ocr import Box, LineReader, Reader, Word, line_reader, reader
from ekyc.results import CardReading, Image
from ekyc.surface import DENOISED, SOFT, Surface
from ekyc.templates import Template, templates
from ekyc.unread import glare_above
from ekyc.voting import Reading, bare
from ekyc.words import fits

WIDTH = 1300
"""Pixels of the rectified card: capitals become 20 to 35 pixels high, what the reader was trained on."""
FEWEST_LABELS = 3
"""Labels that make a picture a card of ours."""
VAGUE = (0.62, 0.55)
"""How much of a label must be made out where a value stands by it, the surer ones first."""
_NUMBER = re.compile(r"(?<![^\W\d])\d+")
CLEAR = 0.4
"""From this sharpness on accents are as certain as the first reader says."""
MARGIN = 3.0
"""In heights of a word: how far before a value without a label print may be part of it."""
FACE_SIDE = 640
"""Pixels of the card's longer side in which faces are looked for: what the detector takes."""


def read_card(image: Image, *, template: Template | None = None) -> CardReading:
    """The fields of the card in *image* (BGR, at least 64 pixels wide), by *template* or the one that fits best.

    Errors: OcrUnavailableError, TemplateError, FaceModelError (the installation lacks what it needs); a photograph that
    cannot be used is no error but ``retake``.
    """
    designs = (template,) if template else templates()
    text = reader()
    outline = rectify.find(image)
    card: Card | None = None
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
        return not_read(image, outline, card)
    _line_by_line(card, text)
    _numbers_in_text(card, text)
    second = line_reader()
    if second is not None:
        _second_opinion(card, second)
    _once_more(card, text)
    return decided(image, outline, card)


def _resized(image: Image) -> Image:
    """The whole picture as a card: its longer side a little more than the rectified card's."""
    scale = WIDTH * 1.1 / max(image.shape[:2])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=how).astype(np.uint8, copy=False)


def _turned(flat: Image, quarters: int) -> Image:
    return np.ascontiguousarray(np.rot90(flat, quarters)) if quarters else flat


def _settle(flat: Image, turns: Sequence[int], text: Reader, designs: Sequence[Template]) -> Card:
    """The first view of the card, turned so that its labels can be read: the way its face stands is tried first."""
    best: Card | None = None
    for quarters, people in _likely(flat, turns):
        surface = Surface(_turned(flat, quarters))
        surface.find_lines(_around_face(people))
        words = surface.read(text)
        found, design = _best(words, designs, surface.width)
        if best is None or found.labels > best.found.labels:
            best = Card(surface, words, found, design, quarters, people)
        if best.found.labels >= FEWEST_LABELS:
            break
    assert best is not None
    best.collect(best.found)
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


def _likely(flat: Image, turns: Sequence[int]) -> Iterator[tuple[int, list[Face]]]:
    """*turns* (quarters against the clock) with the faces on *flat* turned so, those first that put a face's eyes above its mouth."""
    from ekyc import faces  # noqa: PLC0415 - the models load when the first card comes

    scale = min(1.0, FACE_SIDE / max(flat.shape[:2]))
    small = cv2.resize(flat, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    found: dict[int, list[Face]] = {}
    upright: dict[int, float] = {}
    for quarters in turns:
        found[quarters] = faces.detect(_turned(small, quarters))
        upright[quarters] = max((face.score for face in found[quarters] if _stands(face.landmarks)), default=0.0)
        if upright[quarters] > 0.8:
            break
    for quarters in sorted(turns, key=lambda quarters: -upright.get(quarters, 0.0)):
        people = found[quarters] if quarters in found else faces.detect(_turned(small, quarters))
        yield quarters, [face.enlarged(1 / scale) for face in people]


def _stands(landmarks: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    eyes, mouth = landmarks[:2].mean(0), landmarks[3:].mean(0)
    across, down = mouth - eyes
    return bool(down > abs(across))


def _more_views(card: Card, text: Reader) -> None:
    """Other views, for labels and values that the first did not show; then labels half made out; then what is left over."""
    surface, seen = card.surface, [card.words]
    for number in range(3):
        if not card.missing:
            return
        if number == 0 and not surface.grainy:
            continue
        words = surface.read_lines(text, number) if number else surface.read_page(text)
        seen.append(words)
        card.join(find(words, card.template, surface.width))
    card.drop_misplaced()
    if card.missing:
        _eliminate(card, seen)
    for least in VAGUE:
        missing, taken = card.missing, [box for name in card.found.values for box in card.found.places[name]]
        guesses = [
            find(words, card.template, surface.width, missing=missing, taken_up=taken, least=least) for words in seen
        ]
        for found in sorted(guesses, key=lambda found: -sum(found.scores.values())):
            card.join(found)
    card.drop_misplaced()
    _eliminate(card, seen)
    _unlabelled(card, seen)
    _eliminate(card, seen)
    if card.missing and card.found.labels >= FEWEST_LABELS and (boxes := surface.overlooked()):
        words = [*seen[0], *surface.read_lines(text, 0, boxes)]
        seen.append(words)
        card.join(find(words, card.template, surface.width))
        _eliminate(card, seen)
    card.words = [word for words in seen for word in words]


def _eliminate(card: Card, seen: Sequence[Sequence[Word]]) -> None:
    more = eliminate(card.found.values, card.found.places, seen, card.template)
    places = {name: value.boxes for name, value in more.items()}
    # No label says where these begin: print right before or after them may be theirs.
    margin = round(MARGIN * typical_height(card.words))
    spans = {
        name: (max(0, left - margin), top, card.surface.width, bottom)
        for name, ((left, top, _, bottom), *_) in places.items()
    }
    card.join(Found({name: value for name, value in more.items() if value.text}, places, spans))


def _unlabelled(card: Card, seen: Sequence[Sequence[Word]]) -> None:
    """Home town and issuer where none of the views *seen* shows their labels: what of the rest reads as they do.

    Both may begin alike ("Thị trấn", "Thị ủy"), but only a home town has parts.
    """
    for name in ("home_town", "issuer"):
        if name not in card.missing:
            continue
        taken = [box for found in card.found.values for box in card.found.places[found]]
        guesses = [
            unlabelled(name, words, card.template, card.surface.width, partial(fits, name), taken) for words in seen
        ]
        best = max(guesses, key=lambda found: max((value.confidence for value in found.values.values()), default=-1.0))
        if best.values and card.stands(name, best.places[name][0]) and not _may_begin_above(card, best.places[name][0]):
            card.found.places.pop(name, None)
            card.join(best)


def _may_begin_above(card: Card, box: Box) -> bool:
    """Whether a value without a label that is read from *box* on may begin on a line before, which glare hides."""
    height = typical_height(card.words)
    above = [bottom for name in card.found.values for _, _, _, bottom in card.found.places[name]]
    beside = any(0 <= box[1] - bottom < height for bottom in above)
    return not beside and glare_above(card.surface.ground, box, height)


def _line_by_line(card: Card, text: Reader) -> None:
    """Every value once more, cut out and alone: text by the same model, numbers and dates by the one for digits.

    In two views, and in a third where these leave a doubt.
    """
    for names, digits in ((TEXTS, False), (NUMBERS, True)):
        for shown in ((0, 1), (2,)):
            wanted = names if shown == (0, 1) else [name for name in names if card.doubtful(name)]
            cut = [(name, view, line) for name in wanted for view in shown for line in card.lines(name, view)]
            read = text.read_lines([line for _, _, line in cut], digits=digits)
            for name in wanted:
                for view in shown:
                    every = [words for (*whose, _), words in zip(cut, read, strict=True) if whose == [name, view]]
                    card.add(name, every, DIGITS if digits else PAGE)


def _numbers_in_text(card: Card, text: Reader, names: Sequence[str] = TEXTS) -> None:
    """Numbers in the texts *names* ("Phường 13, quận 3") as the model for digits reads them; where it says nothing clear they are doubtful."""
    for name in names:
        readings = card.readings.get(name, [])
        verdict = card.verdict(name)
        if verdict is None or not (count := len(_numbers(verdict.text))):
            continue
        views = [
            [
                number
                for words in text.read_lines(card.lines(name, view), digits=True)
                for number in _numbers(" ".join(word.text for word in words))
            ]
            for view in (0, 1)
        ]
        clear = views[0] if views[0] == views[1] and len(views[0]) == count else None
        card.readings[name] = [
            _with_numbers(reading, clear) if reading.reader == PAGE else reading for reading in readings
        ]


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


def _second_opinion(card: Card, second: LineReader) -> None:
    """The other reader: for numbers and dates that are still doubtful, and for texts, whose accents it is in two minds about where they are blurred.

    A name, where no list is as good as complete, is read in any case, in two views unless its print is ``CLEAR``.
    """
    for name in NUMBERS:
        for view in (0, 1):
            if card.doubtful(name):
                _read_by(second, card, name, view)
    clear = (card.sharpness or 0.0) >= CLEAR
    for name in TEXTS:
        fewest = 0 if clear else 1
        fewest += name == "full_name"
        for number, view in enumerate((0, 1, DENOISED)):
            if number < fewest or not card.settled(name):
                _read_by(second, card, name, view)


def _read_by(second: LineReader, card: Card, name: str, view: int) -> None:
    spelt = [second.read_line(line) for line in card.lines(name, view)]
    every = [[Word(word.text, (0, 0, 1, 1), word.confidence) for word in line] for line in spelt]
    others = {
        bare(word.text): {bare(text): share for text, share in word.others.items()} for line in spelt for word in line
    }
    card.add(name, every, SECOND, others)


def _once_more(card: Card, text: Reader) -> None:
    """Texts that are doubtful after all, in two views more: their accents are lost first."""
    doubtful = [name for name in TEXTS if card.doubtful(name)]
    for name in doubtful:
        for view in (SOFT, DENOISED):
            card.add(name, text.read_lines(card.lines(name, view)), PAGE)
    _numbers_in_text(card, text, doubtful)
