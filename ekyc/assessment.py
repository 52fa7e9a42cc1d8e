"""What the readings of a card amount to: ``ok`` or ``retake``, and how the photograph should be taken again.

``ok`` only when every field is certain and whole, the dates agree with each other, the card shows exactly one face and the photograph
passes the quality gate.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from core import clock
from core.settings import settings
from ekyc import quality, rectify, unread
from ekyc.card import Card
from ekyc.fields import TEXTS, typical_height
from ekyc.results import FIELDS, CardReading, Image, Quality, Reason
from ekyc.values import DATES
from ekyc.words import whole

CLEAR_OUTLINE = 0.45
"""From this score on, four sides are a card even when nothing on it can be read."""
OUT_OF_FOCUS = 0.03
"""``quality.fine_detail`` of a card on which no letter can be made out."""
CUT_OFF = 0.6
"""What remains of the confidence in a value next to print that no reader saw as words, or to glare."""


def decided(image: Image, outline: rectify.Outline | None, card: Card) -> CardReading:
    """The values that the readings of *card* give, and whether they will do."""
    verdicts = {name: verdict for name in FIELDS if (verdict := card.verdict(name))}
    measured = _measured(image, outline, card)
    fields = {name: verdicts[name].text if name in verdicts else None for name in FIELDS}
    confidence = {name: verdicts[name].confidence if name in verdicts else None for name in FIELDS}
    height = typical_height(card.words)
    for name in unread.cut_off(
        card.surface.plain, card.surface.ground, card.words, card.found, height, fields, card.short
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


def not_read(image: Image, outline: rectify.Outline | None, card: Card) -> CardReading:
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


def _measured(image: Image, outline: rectify.Outline | None, card: Card) -> Quality:
    shown = outline.width() / card.flat.shape[1] if outline else max(image.shape[:2]) / max(card.flat.shape[:2])
    sharp = card.sharpness
    small = quality.reduced(card.flat)
    return Quality(
        corners=outline.inside(image) if outline else 0,
        text_height_px=quality.text_height(card.words, shown),
        blur=None if sharp is None else round(sharp, 3),
        exposure=quality.exposure(small),
        glare=quality.glare(small),
        faces=len(card.faces),
    )


def _portrait(card: Card) -> Image | None:
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


def _off_by_a_slip(card: Card, fields: Mapping[str, str | None]) -> set[str]:
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
