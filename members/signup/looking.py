"""Sign-ups that wait for a person: the queue, and one of them with its photographs beside the register."""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from core import clock, crypto
from core.audit import AuditEntry
from core.settings import settings
from members import accounts, register
from members.access import (
    Actor,
    NotVisibleError,
    Permission,
    access_sign_up,
    require_somewhere,
    scope_sign_ups,
)
from members.models import Account, Member, SignIn, Unit
from members.register import Profile
from members.sign_up_models import SignUp, SignUpPhoto, SignUpReview
from members.signup import beside, outcome, record
from members.signup.beside import FieldLine
from members.signup.record import Known

ACCEPT, REJECT, AGAIN = "accept", "reject", "again"
"""The verdicts."""

PAGE_SIZE = 50
LAST_PAGE = 200
SOON = timedelta(days=1)
"""Photographs that go within this time are urgent."""
LOOK = timedelta(minutes=30)
"""So long the photographs of a sign-up are served after its page was opened; a later look is written down anew."""
VIEWED = "sign_up.viewed"


class ReviewError(ValueError):
    """The verdict does not count; the message says why and what to do."""


class DecidedError(ReviewError):
    """Somebody else was quicker, the member stopped, or the time was over."""

    def __init__(self) -> None:
        super().__init__("Hồ sơ này đã được xử lý. Không cần làm gì thêm.")


@dataclass(frozen=True)
class QueueLine:
    """A sign-up that waits; without a name: that is shown to whoever opens it."""

    id: uuid.UUID
    submitted_at: datetime
    photos_due_at: datetime
    unit_name: str | None
    """None: nobody of the register was found."""
    reasons: tuple[str, ...]
    already_used: bool
    accepted: int
    """Acceptances so far."""


@dataclass(frozen=True)
class QueuePage:
    """A page of the queue, longest waiting first; pages begin with 1."""

    lines: tuple[QueueLine, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class Counts:
    """How many wait, and of how many the photographs go within a day."""

    waiting: int
    urgent: int


@dataclass(frozen=True)
class PhotoLine:
    """A photograph: ``kind`` and ``pose`` as in ``SignUpPhoto``."""

    id: int
    kind: str
    pose: str | None


@dataclass(frozen=True)
class Verdict:
    """What somebody said; ``reason`` is a code of ``REASONS``."""

    name: str
    verdict: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class Face:
    """How alike the selfie and the card's portrait are: ``band`` is same, review, different or none (not compared).

    ``live``: taken by the page's camera after requests; False: uploaded pictures; None: no face was sent. ``challenge`` and
    ``challenge_reasons``: what came of the requests.
    """

    score: float | None
    band: str
    same_from: float
    review_from: float
    live: bool | None
    challenge: str | None
    challenge_reasons: tuple[str, ...]


@dataclass(frozen=True)
class Open:
    """What there is to see while nothing is decided."""

    photos: tuple[PhotoLine, ...]
    fields: tuple[FieldLine, ...]
    face: Face
    contradictions: tuple[str, ...]
    """Fields that a citizen card's QR code beside it says otherwise."""
    confirmed: bool
    """The member said that what was read is what stands on the card."""
    person: Profile | None
    seen: str
    """Stands for what was shown; ``accept`` applies to this and nothing else."""
    mine: bool
    """The actor has accepted already: another person is awaited."""


@dataclass(frozen=True)
class SignUpView:
    """A sign-up that came to a person. ``open`` is None once it is decided: nothing of it is left to see."""

    id: uuid.UUID
    state: str
    submitted_at: datetime
    photos_due_at: datetime
    decided_at: datetime | None
    reasons: tuple[str, ...]
    already_used: bool
    verdicts: tuple[Verdict, ...]
    open: Open | None


def queue(session: Session, actor: Actor, *, page: int = 1) -> QueuePage:
    """The sign-ups that wait for *actor*. Errors: NotVisibleError (reviews none anywhere)."""
    require_somewhere(actor, Permission.REVIEW_SIGN_UPS)
    statement = scope_sign_ups(select(SignUp), actor).where(_awaited(), ~_own(actor))
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(1, min(LAST_PAGE, -(-total // PAGE_SIZE)))
    page = min(max(page, 1), pages)
    ordered = statement.order_by(SignUp.submitted_at, SignUp.id)
    rows = session.scalars(ordered.limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)).all()
    units = {row.unit_id for row in rows if row.unit_id is not None}
    named = session.execute(select(Unit.id, Unit.name).where(Unit.id.in_(units)))
    names = {unit.id: unit.name for unit in named}
    counted = session.execute(
        select(SignUpReview.sign_up_id, func.count().label("accepted"))
        .where(SignUpReview.sign_up_id.in_([row.id for row in rows]), SignUpReview.verdict == ACCEPT)
        .group_by(SignUpReview.sign_up_id)
    )
    accepted = {found.sign_up_id: found.accepted for found in counted}
    lines = tuple(
        QueueLine(
            row.id,
            row.submitted_at or row.created_at,
            row.photos_due_at,
            names.get(row.unit_id) if row.unit_id is not None else None,
            tuple(row.reasons),
            row.already_used,
            accepted.get(row.id, 0),
        )
        for row in rows
    )
    return QueuePage(lines, total, page, pages)


def counts(session: Session, actor: Actor) -> Counts:
    """How many sign-ups wait for *actor*; zeros for somebody who reviews none."""
    if not actor.may(Permission.REVIEW_SIGN_UPS):
        return Counts(0, 0)
    found = scope_sign_ups(select(SignUp), actor).where(_awaited(), ~_own(actor)).subquery()
    soon = clock.now() + SOON
    total, urgent = session.execute(
        select(func.count(), func.count().filter(found.c.photos_due_at < soon)).select_from(found)
    ).one()
    return Counts(total, urgent)


def _awaited() -> ColumnElement[bool]:
    """The condition on ``SignUp``: a person is to look at it, and its time is not over."""
    return and_(SignUp.state == record.REVIEW, SignUp.photos_due_at > clock.now())


def _is_awaited(row: SignUp) -> bool:
    return row.state == record.REVIEW and row.photos_due_at > clock.now()


def _own(actor: Actor) -> ColumnElement[bool]:
    """The condition on ``SignUp``: it is the actor's own, by the register or by the conversation it began in."""
    begun = exists().where(SignIn.conversation_id == SignUp.conversation_id, SignIn.account_id == actor.account_id)
    own = SignUp.member_id == actor.member_id if actor.member_id is not None else None
    return or_(begun, func.coalesce(own, False)) if own is not None else begun


def reviewable(session: Session, actor: Actor, sign_up_id: uuid.UUID) -> SignUp:
    """The sign-up, for somebody who may review it and whose own it is not; it waits for a person, or did.

    Errors: NotVisibleError; DecidedError (it is out of reach since the actor looked at it: asked for again, or found to be
    another unit's).
    """
    try:
        row = access_sign_up(session, actor, sign_up_id)
    except NotVisibleError:
        row = None
    if row is not None and session.scalar(select(SignUp.id).where(SignUp.id == row.id, _own(actor))) is not None:
        raise NotVisibleError
    if row is None or row.submitted_at is None:
        if actor.may(Permission.REVIEW_SIGN_UPS) and _looked(session, actor, sign_up_id):
            raise DecidedError
        raise NotVisibleError
    return row


def _looked(session: Session, actor: Actor, sign_up_id: uuid.UUID, since: datetime | None = None) -> bool:
    """Whether *actor* has opened the page of a sign-up while it waited."""
    entries = select(AuditEntry.id).where(
        AuditEntry.actor_id == actor.account_id,
        AuditEntry.action == VIEWED,
        AuditEntry.object_id == str(sign_up_id),
    )
    if since is not None:
        entries = entries.where(AuditEntry.at > since)
    return session.scalar(entries.limit(1)) is not None


def waiting(session: Session, actor: Actor, sign_up_id: uuid.UUID) -> SignUp:
    """The sign-up, locked, while it waits: of two people one decides. Errors: NotVisibleError, DecidedError."""
    found = reviewable(session, actor, sign_up_id)
    if found.member_id is not None:  # before the row: so do those who erase a person or withdraw a consent
        session.execute(select(Member.id).where(Member.id == found.member_id).with_for_update())
    row = record.locked(session, found.id)
    if not _is_awaited(row):
        raise DecidedError
    reviewable(session, actor, sign_up_id)  # somebody may have chosen another person meanwhile
    look_for_account(session, row)
    return row


def look_for_account(session: Session, row: SignUp) -> Account | None:
    """The account of the member who was found; one that was made meanwhile counts, too."""
    found = accounts.account_of_member(session, row.member_id) if row.member_id is not None else None
    if found is not None and not row.already_used:
        row.already_used = True
        session.flush()
        outcome.tell_holder(session, row)
    return found


def view(session: Session, actor: Actor, sign_up_id: uuid.UUID) -> SignUpView:
    """A sign-up with everything that helps to decide; the look is in the audit log. Errors: NotVisibleError."""
    row = reviewable(session, actor, sign_up_id)
    said = session.execute(
        select(SignUpReview, Account.name)
        .outerjoin(Account, Account.id == SignUpReview.account_id)
        .where(SignUpReview.sign_up_id == row.id)
        .order_by(SignUpReview.id)
    ).all()
    verdicts = tuple(Verdict(name or "—", given.verdict, given.reason, given.at) for given, name in said)
    shown = None
    if _is_awaited(row):
        look_for_account(session, row)
        mine = any(given.account_id == actor.account_id and given.verdict == ACCEPT for given, _ in said)
        shown = _open(session, row, mine=mine)
        record.note(session, "viewed", row, by=actor.account_id)
    assert row.submitted_at is not None
    return SignUpView(
        row.id, row.state, row.submitted_at, row.photos_due_at, row.decided_at, tuple(row.reasons), row.already_used,
        verdicts, shown,
    )  # fmt: skip


def _open(session: Session, row: SignUp, *, mine: bool) -> Open:
    member = session.get(Member, row.member_id) if row.member_id is not None else None
    person = register.profile_of(session, member) if member is not None else None
    known = record.read(session, row)
    photos = session.execute(
        select(SignUpPhoto.id, SignUpPhoto.kind, SignUpPhoto.pose)
        .where(SignUpPhoto.sign_up_id == row.id)
        .order_by(SignUpPhoto.position, SignUpPhoto.id)
    )
    return Open(
        photos=tuple(PhotoLine(found.id, found.kind, found.pose) for found in photos),
        fields=beside.lines(known.fields, known.confidence, person),
        face=_face(known),
        contradictions=known.contradictions,
        confirmed=known.confirmed,
        person=person,
        seen=seen_of(session, row, member),
        mine=mine,
    )


def _face(known: Known) -> Face:
    return Face(
        score=known.face_score,
        band=known.face if known.face is not None and known.face_score is not None else "none",
        same_from=settings().ekyc_same_from,
        review_from=settings().ekyc_review_from,
        live=known.live,
        challenge=known.challenge,
        challenge_reasons=known.challenge_reasons,
    )


def seen_of(session: Session, row: SignUp, member: Member | None) -> str:
    """What stands for the photographs and the record of the register that are shown."""
    photos = session.scalars(select(SignUpPhoto.id).where(SignUpPhoto.sign_up_id == row.id).order_by(SignUpPhoto.id))
    shown = (list(photos), member and (str(member.id), member.version), row.already_used)
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:32]


def photo(session: Session, actor: Actor, sign_up_id: uuid.UUID, photo_id: int) -> bytes:
    """A photograph as JPEG. It belongs to a look at the page; without one within ``LOOK`` this is a look of its own.

    Errors: NotVisibleError (decided, too: there is nothing any more).
    """
    row = reviewable(session, actor, sign_up_id)
    found = session.scalars(
        select(SignUpPhoto).where(SignUpPhoto.id == photo_id, SignUpPhoto.sign_up_id == row.id)
    ).one_or_none()
    if found is None or not _is_awaited(row):
        raise NotVisibleError
    if not _looked(session, actor, row.id, since=clock.now() - LOOK):
        record.note(session, "viewed", row, by=actor.account_id)
    return crypto.unseal(session, row.id, found.sealed, context=record.PHOTO_CONTEXT)
