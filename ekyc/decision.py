"""All rules of the decision in one place: what a machine may accept, what is taken again, what a person looks at.

Only the full set accepts: the card read without doubt and confirmed by the member, the register's number, name and date of
birth, the same face, a live challenge, a card without account, nothing that contradicts. One piece missing and a person decides.

A machine rejects nobody. What an impostor shows (another face, a flat head, a foreign card) is also what an old portrait,
an old phone or an outdated register shows of a genuine member, again and again; a wrong no shuts a member out,
a person's look costs a minute. So ``reject`` is a person's word (``members.signup.review``).

What is taken again depends on the photographs only, never on the register: otherwise the question for another photograph
would tell whether a card is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from ekyc.results import CardReading, ChallengeResult, MatchResult

Outcome = Literal["accept", "review", "retake", "reject"]

DECIDING = ("card_number", "full_name", "date_of_birth")
"""The fields by which the register knows a card."""


@dataclass(frozen=True)
class Evidence:
    """What is known when the face has been seen.

    ``reading``: ``ok`` or ``retake``. ``confidence``: of the reading, 0 to 1, None where nothing was read. ``confirmed``: the member
    says that the reading is right. ``register``: ``match`` is number and date of birth exact and the name alike. ``live``:
    the pictures were taken after requests. ``contradictions``: what the citizen card's QR or the register says otherwise.
    ``held_back``: codes of anything else that a person should see. ``selfie_takes_left``: of the face.
    """

    reading: str
    confidence: Mapping[str, float | None]
    confirmed: bool
    register: Literal["match", "unknown", "differs", "ambiguous"]
    face: MatchResult | None
    challenge: ChallengeResult | None
    live: bool
    contradictions: tuple[str, ...] = ()
    already_used: bool = False
    held_back: tuple[str, ...] = ()
    selfie_takes_left: int = 0


@dataclass(frozen=True)
class Decision:
    """The outcome and its reasons (codes; none when accepted)."""

    outcome: Outcome
    reasons: tuple[str, ...] = field(default=())


def after_card(reading: CardReading, *, takes_left: int) -> Decision:
    """What follows a photograph of the card: ``accept`` (go on to the face), ``retake``, or ``review`` when no take is left."""
    if reading.decision == "ok":
        return Decision("accept")
    return Decision("retake" if takes_left > 0 else "review", tuple(reading.reasons))


def decide(evidence: Evidence, *, min_confidence: float) -> Decision:
    """The decision about a sign-up. *min_confidence*: of each deciding field, 0 to 1 (``EKYC_MIN_CONFIDENCE``)."""
    again = tuple(dict.fromkeys(_to_take_again(evidence)))
    if again and evidence.selfie_takes_left > 0:
        return Decision("retake", again)
    doubts = tuple(dict.fromkeys((*again, *_doubts(evidence, min_confidence))))
    return Decision("review", doubts) if doubts else Decision("accept")


def _to_take_again(evidence: Evidence) -> Iterator[str]:
    """Faults of the pictures of the face. Where the person is in doubt, another try would only help an impostor."""
    if evidence.challenge is not None:
        if evidence.challenge.decision == "retake":
            yield from evidence.challenge.reasons or ("pose_not_seen",)
    elif evidence.face is not None and evidence.face.score is None:
        yield from (code.value for code in evidence.face.reasons)


def _doubts(evidence: Evidence, min_confidence: float) -> Iterator[str]:
    if evidence.reading != "ok" or not _sure(evidence.confidence, min_confidence):
        yield "reading_doubtful"
    if not evidence.confirmed:
        yield "not_confirmed"
    if evidence.register != "match":
        yield f"register_{evidence.register}"
    if evidence.face is None or evidence.face.decision != "same":
        yield (
            "face_different" if evidence.face is not None and evidence.face.decision == "different" else "face_doubtful"
        )
    if not evidence.live:
        yield "not_live"
    if evidence.challenge is None or evidence.challenge.decision != "live":
        yield from evidence.challenge.reasons if evidence.challenge is not None else ()
        yield "challenge_doubtful"
    if evidence.already_used:
        yield "already_used"
    yield from (f"contradicts_{name}" for name in evidence.contradictions)
    yield from evidence.held_back


def _sure(confidence: Mapping[str, float | None], least: float) -> bool:
    return all((value := confidence.get(name)) is not None and value >= least for name in DECIDING)
