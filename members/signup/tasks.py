"""The jobs of sign-ups: read a card, check a face, end what is late.

Each may start twice or be killed midway: what it works on is taken under the row's lock, judged outside of any unit of work
(seconds of computing hold no lock), and written only if the row still stands where it was taken. A photograph that was
replaced meanwhile is not judged.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import groupby

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.database import unit_of_work
from core.settings import settings
from ekyc import decision
from ekyc.decision import Decision, Evidence
from ekyc.results import Burst, CardReading, ChallengeResult, Image, MatchResult, Pose, Reason
from ekyc.verifier import verifier
from members import sessions
from members.sign_up_models import SignUp
from members.signup import forgetting, matching, outcome, record
from members.signup.outcome import OutcomeError
from members.signup.record import CARD, CHECKING, CONFIRM, LIVING, READING, SELFIE
from members.signup.steps import CARD_TAKES, SELFIE_TAKES

log = logging.getLogger(__name__)

KEPT = timedelta(days=30)
"""How long it is kept that a sign-up was, after it has ended."""
UNAVAILABLE = "unavailable"
"""Reason of a review: the photographs could not be judged at all (a model is missing, a job failed every time)."""


@dataclass(frozen=True)
class _Selfie:
    """What the check of a face works on."""

    take: tuple[int, ...]
    """The photographs that it is about, by id: with others in their place the result counts no more."""
    live: bool
    poses: tuple[Pose, ...]
    frames: tuple[tuple[Pose, Image], ...]
    portraits: tuple[Image, ...]
    """The face on the card: cut out, the rectified card, the photograph; the first in which one face is found counts."""


def read_card(sign_up_id: str) -> None:
    """Read the photograph of the card that waits, and go on to the member's look at it, another take, or a person."""
    identity = uuid.UUID(sign_up_id)
    with unit_of_work() as session:
        row = record.find_locked(session, identity)
        if row is None or row.state != READING:
            return
        take = _ids(session, row, "card")
        image = record.load_photo(session, row, record.photos(session, row, "card")[0])
    reading = verifier().read_card(image)
    contradictions = _contradictions(image, reading.fields)
    with unit_of_work() as session:
        row = record.find_locked(session, identity)
        if row is None or row.state != READING or _ids(session, row, "card") != take:
            return
        _keep_reading(session, row, reading, contradictions)
        decided = decision.after_card(reading, takes_left=CARD_TAKES - row.card_takes)
        if decided.outcome == "accept":
            record.move(row, CONFIRM)
        elif decided.outcome == "retake":
            record.move(row, CARD)
            row.reasons = list(decided.reasons)
        else:
            outcome.to_review(session, row, decided.reasons)


def check_selfie(sign_up_id: str) -> None:
    """Judge the pictures of the face that wait, ask the register, decide."""
    identity = uuid.UUID(sign_up_id)
    with unit_of_work() as session:
        row = record.find_locked(session, identity)
        if row is None or row.state != CHECKING:
            return
        work = _selfie(session, row)
    challenge, face, selfie = _judge(work)
    with unit_of_work() as session:
        row = record.find_locked(session, identity)
        if row is None or row.state != CHECKING or _ids(session, row, "card", "frame") != work.take:
            return
        known = record.change(
            session,
            row,
            face_score=face.score,
            face=face.decision,
            challenge=challenge.decision if challenge else None,
            challenge_reasons=challenge.reasons if challenge else (),
        )
        if selfie is not None:
            record.put_photo(session, row, "selfie", selfie)
        found = matching.look_up(session, known.fields)
        evidence = Evidence(
            reading=known.reading or "retake",
            confidence=known.confidence,
            confirmed=known.confirmed,
            register=found.state,
            face=face,
            challenge=challenge,
            live=work.live,
            contradictions=(*known.contradictions, *found.contradictions),
            already_used=found.already_used,
            held_back=_held_back(session, row),
            selfie_takes_left=SELFIE_TAKES - row.selfie_takes,
        )
        _apply(session, row, found, decision.decide(evidence, min_confidence=settings().ekyc_min_confidence))


def give_up(sign_up_id: str) -> None:
    """Let a person look at what could not be judged: the member waits for somebody, not for a machine that is broken."""
    with unit_of_work() as session:
        row = record.find_locked(session, uuid.UUID(sign_up_id))
        if row is not None and row.state in (READING, CHECKING):
            outcome.to_review(session, row, (UNAVAILABLE,))


def expire(timestamp: int) -> None:
    """End sign-ups whose time has passed, photographs first of all; *timestamp* is the planned moment (Unix seconds)."""
    now = clock.now()
    with unit_of_work() as session:
        due = session.scalars(
            select(SignUp.id).where(SignUp.photos_erased_at.is_(None), SignUp.photos_due_at <= now)
        ).all()
    ended = 0
    for sign_up_id in due:
        with unit_of_work() as session:
            row = record.find_locked(session, sign_up_id)
            if row is None or row.photos_erased_at is not None or row.photos_due_at > now:
                continue
            if row.state in LIVING:
                outcome.expire(session, row)
                ended += 1
            else:
                forgetting.erase_photos(session, row, why=row.state)
    with unit_of_work() as session:
        deleted = forgetting.delete_ended(session, before=now - KEPT)
    log.info("sign-ups: %d ended, %d forgotten (planned for %d)", ended, deleted, timestamp)


def end_restored(session: Session) -> int:
    """In a database that was restored: end what was under way when the backup was made, and say so; returns how many.

    Its photographs are in no backup, and what was decided about it since then is not to come back.
    """
    found = session.scalars(select(SignUp.id)).all()
    ended = 0
    for sign_up_id in found:
        row = record.locked(session, sign_up_id)
        if row.state in LIVING:
            outcome.expire(session, row)
            ended += 1
        else:
            forgetting.erase_photos(session, row, why="restored")
    return ended


def _keep_reading(session: Session, row: SignUp, reading: CardReading, contradictions: Sequence[str]) -> None:
    quality: Mapping[str, float | None] = asdict(reading.quality)
    record.change(
        session,
        row,
        fields=dict(reading.fields),
        confidence=dict(reading.confidence),
        quality=quality,
        reading=reading.decision,
        contradictions=tuple(contradictions),
    )
    record.remove_photos(session, row, "rectified", "portrait")
    for kind, image in (("rectified", reading.rectified), ("portrait", reading.portrait)):
        if image is not None and image.size:
            record.put_photo(session, row, kind, image)


def _contradictions(image: Image, fields: Mapping[str, str | None]) -> tuple[str, ...]:
    """What a citizen card's QR code beside the member card says otherwise; nothing when there is none."""
    from ekyc import qr  # noqa: PLC0415 - the decoder is loaded by the worker only

    found = qr.read_citizen_qr(image)
    return qr.contradictions(found, fields) if found is not None else ()


def _selfie(session: Session, row: SignUp) -> _Selfie:
    known = record.read(session, row)
    frames = tuple(
        (Pose(photo.pose or Pose.FRONT), record.load_photo(session, row, photo))
        for photo in record.photos(session, row, "frame")
    )
    return _Selfie(
        take=_ids(session, row, "card", "frame"),
        live=bool(known.live),
        poses=tuple(Pose(pose) for pose in row.poses or ()),
        frames=frames,
        portraits=tuple(_portraits(session, row)),
    )


def _ids(session: Session, row: SignUp, *kinds: str) -> tuple[int, ...]:
    return tuple(photo.id for kind in kinds for photo in record.photos(session, row, kind))


def _portraits(session: Session, row: SignUp) -> Iterator[Image]:
    for kind in ("portrait", "rectified", "card"):
        for photo in record.photos(session, row, kind):
            yield record.load_photo(session, row, photo)


def _judge(work: _Selfie) -> tuple[ChallengeResult | None, MatchResult, Image | None]:
    """The challenge (None for uploaded stills), the comparison, and the picture that was compared."""
    looks = verifier()
    challenge = None
    selfie: Image | None = work.frames[0][1] if work.frames else None
    if work.live:
        bursts = [
            Burst(pose, tuple(image for _, image in taken))
            for pose, taken in groupby(work.frames, key=lambda frame: frame[0])
        ]
        challenge = looks.judge(work.poses, bursts, portrait=next(iter(work.portraits), None))
        selfie = challenge.selfie
    face = MatchResult(None, "review", (Reason.NO_FACE,))
    if selfie is not None:
        for portrait in work.portraits:
            face = looks.match(portrait, selfie)
            if face.score is not None:
                break
    return challenge, face, selfie


def _held_back(session: Session, row: SignUp) -> tuple[str, ...]:
    """Why a person decides, whatever the photographs show: so it is set, or the conversation was left or is somebody's now."""
    codes = ["by_setting"] if settings().sign_up_accepted_by == "person" else []
    if row.conversation_id is None:
        codes.append("conversation_gone")
    elif sessions.resolve_member(session, row.conversation_id) is not None:
        codes.append("signed_in_meanwhile")
    return tuple(codes)


def _apply(session: Session, row: SignUp, found: matching.Found, decided: Decision) -> None:
    if decided.outcome == "retake":
        record.move(row, SELFIE)
        row.reasons = list(decided.reasons)
        row.poses = row.poses_at = None
        record.remove_photos(session, row, "frame", "selfie")
        return
    if decided.outcome == "review":
        outcome.to_review(session, row, decided.reasons, found=found)
        return
    matching.connect(session, row, found)
    try:
        with session.begin_nested():
            outcome.accept(session, row, by=None)
    except OutcomeError:  # at this very moment an account was made, or the conversation became somebody else's
        session.refresh(row)
        again = matching.look_up(session, record.read(session, row).fields)
        reason = "already_used" if again.already_used else "changed_meanwhile"
        outcome.to_review(session, row, (reason,), found=again)
