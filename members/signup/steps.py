"""The page's side of a sign-up: the link is bound to one browser, then one step after another.

What the page gets never holds a value of the register, and is the same whether the card is known or not.
"""

from __future__ import annotations

import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from limits import RateLimitItemPerDay, RateLimitItemPerMinute
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock, crypto, jobs
from ekyc import images
from ekyc.results import FIELDS, Pose, Reason
from members import particulars, sessions
from members.limiting import attempts, network
from members.models import SignIn
from members.sign_up_models import SignUp
from members.signup import forgetting, outcome, record
from members.signup.record import CARD, CHECKING, CONFIRM, ENDED, IDLE, NUMBER, READING, SELFIE, STOPPED
from members.signup.words import ChallengeLateError, LinkError, SignUpError, TooManyTriesError
from messaging import inbox
from messaging.models import Conversation

CARD_TAKES, SELFIE_TAKES = 5, 3
NUMBER_DIGITS = 6
"""As many as the codes that banks send: people know how to copy them."""
CHALLENGE_TIME = timedelta(seconds=120)
"""So long the page lets somebody follow the requests."""
UPLOAD_TIME = timedelta(seconds=60)
"""So much later the pictures may arrive: a slow network is no fraud."""
MOST_FRAMES = 30
MOST_FRAME_BYTES = 3_000_000
"""Of all pictures of a challenge together."""
MOST_FRAME_PIXELS = 4_000_000
"""Of each: the page takes them at 960 × 720. A small file can hold a huge picture, and all are decoded at once."""
CHALLENGES_PER_CARD = RateLimitItemPerDay(6)
"""Of all who photograph a card with the same number, in whatever conversation, whether the register knows it or not: beyond,
a person looks. Whoever waits for a sequence of which there is a recording has few tries."""
UPLOADS_PER_ADDRESS = RateLimitItemPerMinute(240, 15)
"""Photographs from one network address: a meeting hall shares one."""

READ_CARD, CHECK_SELFIE = "members.read_card", "members.check_selfie"
QUEUE_LOCK = "ekyc"
"""Photographs are looked at one after another."""

TOLD = frozenset(Reason) | {"pose_not_seen", "flat", "still", "changed_face", "passive", "not_as_printed"}
"""Reasons of the own photograph that the page may hear; everything else stays inside."""


@dataclass(frozen=True)
class Progress:
    """Where a sign-up stands, as its page may know it.

    ``reasons``: why the last photograph has to be taken again, codes of ``TOLD``; empty otherwise. ``fields``: what was read
    from the member's own photograph, only in the state ``confirm``. ``poses``: the requests of the challenge under way,
    which ends at ``poses_until``. ``outcome``: the state once it has ended. ``number``: what the conversation is to name, only
    in the state ``number``.
    """

    state: str
    reasons: tuple[str, ...]
    fields: Mapping[str, str | None] | None
    poses: tuple[Pose, ...]
    poses_until: datetime | None
    card_takes_left: int
    selfie_takes_left: int
    ends_at: datetime
    outcome: str | None
    number: str | None = None


def open_link(
    session: Session, token: str, *, browser: str, conversation_key: str | None = None, device: str = ""
) -> uuid.UUID:
    """Bind the link to *browser*, the secret value of a cookie of the page; the first browser that opens it keeps it.

    In the channel ``web`` the conversation is a browser's own, so *conversation_key* must be its key. Elsewhere whoever opens
    the link first may be somebody to whom it was passed on, who would sign the sender in: so the page shows a number, and
    nothing can be photographed before the conversation has named it (``starting.name_number``). *device* is the kind of
    browser, for the list of sign-ins. The caller then gives the conversation another key (``claim_conversation``).
    Errors: LinkError.
    """
    found = session.scalar(select(SignUp.id).where(SignUp.token_hash == sessions.token_hash(token)))
    if found is None:
        raise LinkError("unknown")
    row = record.locked(session, found)
    if row.token_hash != sessions.token_hash(token):  # replaced by another link meanwhile
        raise LinkError("unknown")
    own = _is_own(row, browser)
    if row.browser_hash is not None and not own:
        raise LinkError("other_device")
    if row.state in ENDED:
        raise LinkError("ended")
    if not own and row.link_expires_at <= clock.now():
        raise LinkError("expired")
    if row.channel == "web":
        conversation = (
            inbox.find_conversation(session, channel="web", external_id=conversation_key) if conversation_key else None
        )
        if conversation is None or conversation.id != row.conversation_id:
            raise LinkError("other_device")
    if not own:
        row.browser_hash = sessions.token_hash(browser)
        if device:
            record.change(session, row, device=device)
        if row.state == NUMBER:
            record.change(session, row, number=f"{secrets.randbelow(10**NUMBER_DIGITS):0{NUMBER_DIGITS}}")
    session.flush()
    return row.id


def claim_conversation(session: Session, sign_up_id: uuid.UUID, *, new_key: str) -> bool:
    """Give the web conversation in which a sign-up began the key *new_key*, which the caller puts into the browser's cookie.

    Against session fixation: whoever gave this browser its cookie does not know the new one, so cannot find himself signed
    in as the member later. Where somebody was signed in before, a new conversation takes over: what that person said
    stays theirs. Returns False in other channels, where nothing changes.
    """
    row = record.locked(session, sign_up_id)
    if row.channel != "web" or row.conversation_id is None:
        return False
    earlier = session.scalar(select(SignIn.id).where(SignIn.conversation_id == row.conversation_id).limit(1))
    if earlier is not None:
        row.conversation_id = inbox.open_conversation(session, channel="web", external_id=new_key).id
    else:
        inbox.rename_conversation(session, session.get_one(Conversation, row.conversation_id), external_id=new_key)
    session.flush()
    return True


def is_bound(session: Session, sign_up_id: uuid.UUID, *, browser: str) -> bool:
    """Whether *browser* is the one that opened the link. An ended sign-up is shown for as long as a link lives."""
    row = session.get(SignUp, sign_up_id)
    if row is None or not _is_own(row, browser):
        return False
    return row.state not in ENDED or row.decided_at is None or clock.now() - row.decided_at < IDLE


def progress(session: Session, sign_up_id: uuid.UUID) -> Progress:
    """Where it stands. Errors: StepError (there is no such sign-up)."""
    row = session.get(SignUp, sign_up_id, populate_existing=True)
    if row is None:
        raise record.StepError
    known = record.read(session, row) if row.state in (CONFIRM, NUMBER) else record.Known()
    fields = known.fields if row.state == CONFIRM else None
    under_way = _challenge_under_way(row)
    return Progress(
        state=row.state,
        reasons=tuple(code for code in row.reasons if code in TOLD) if row.state in (CARD, SELFIE) else (),
        fields={name: fields.get(name) for name in FIELDS} if fields is not None else None,
        poses=tuple(Pose(pose) for pose in row.poses or ()) if under_way else (),
        poses_until=row.poses_at + CHALLENGE_TIME if under_way and row.poses_at else None,
        card_takes_left=max(0, CARD_TAKES - row.card_takes),
        selfie_takes_left=max(0, SELFIE_TAKES - row.selfie_takes),
        ends_at=row.photos_due_at,
        outcome=row.state if row.state in ENDED else None,
        number=known.number,
    )


def put_card(session: Session, sign_up_id: uuid.UUID, content: bytes, *, address: str | None = None) -> None:
    """Take a photograph of the card; it replaces the one before. A job reads it.

    Errors: images.UnreadableImageError (not a photograph; nothing is counted), StepError, TooManyTriesError.
    """
    _count(address)
    image = images.load(content)
    row = _living(session, sign_up_id, CARD, READING, CONFIRM)
    if row.card_takes >= CARD_TAKES:
        raise TooManyTriesError("Đã chụp thẻ đủ số lần cho phép. Xin chờ kết quả, hoặc gặp bí thư chi bộ.")
    record.move(row, READING)
    row.card_takes += 1
    row.reasons = []
    record.remove_photos(session, row)
    record.put_photo(session, row, "card", image, position=row.card_takes)
    record.write(session, row, record.Known(device=record.read(session, row).device))
    jobs.defer(session, READ_CARD, queue="ekyc", lock=QUEUE_LOCK, sign_up_id=str(row.id))


def confirm_reading(session: Session, sign_up_id: uuid.UUID, correct: bool) -> None:
    """Take the member's word on what was read: go on to the face, or photograph the card once more. Errors: StepError."""
    row = _living(session, sign_up_id, CONFIRM)
    if correct:
        record.move(row, SELFIE)
        row.reasons = []
        record.change(session, row, confirmed=True)
    elif row.card_takes < CARD_TAKES:
        record.move(row, CARD)
        row.reasons = ["not_as_printed"]
    else:
        outcome.to_review(session, row, ("not_as_printed",))


def begin_challenge(session: Session, sign_up_id: uuid.UUID) -> tuple[Pose, ...]:
    """What to do before the camera, for ``CHALLENGE_TIME``. Asked again meanwhile it is the same: nobody picks easy ones.

    Each new challenge is a take. Empty when none is left, of this sign-up or of this card today: a person looks at it now.
    Errors: StepError.
    """
    from ekyc import challenge  # noqa: PLC0415 - what it judges with is loaded where somebody is judged

    row = _living(session, sign_up_id, SELFIE)
    if row.poses and _challenge_under_way(row):
        return tuple(Pose(pose) for pose in row.poses)
    if row.selfie_takes >= SELFIE_TAKES:
        outcome.to_review(session, row, ("takes_used",))
        return ()
    if not _may_try(session, row):
        outcome.to_review(session, row, ("many_tries",))
        return ()
    poses = challenge.new_challenge()
    row.poses, row.poses_at = [pose.value for pose in poses], clock.now()
    row.selfie_takes += 1
    row.link_expires_at = row.photos_due_at = clock.now() + IDLE
    session.flush()
    return poses


def put_frames(
    session: Session,
    sign_up_id: uuid.UUID,
    frames: Sequence[tuple[Pose, bytes]],
    *,
    live: bool,
    address: str | None = None,
) -> None:
    """Take the pictures of the face, oldest first. A job judges them.

    *live* False: uploaded files that answer no request; a person decides whatever they show. Errors:
    images.UnreadableImageError, StepError, ChallengeLateError, TooManyTriesError, SignUpError (too many, too large, or not
    every request is answered). Nothing is counted then.
    """
    _count(address)
    if not frames:
        raise SignUpError("Chưa có ảnh khuôn mặt nào. Xin chụp lại.")
    if len(frames) > MOST_FRAMES or sum(len(content) for _, content in frames) > (
        MOST_FRAME_BYTES if live else images.MAX_BYTES
    ):
        raise SignUpError("Ảnh khuôn mặt nặng quá. Xin chụp lại bằng nút chụp trên trang này.")
    most = MOST_FRAME_PIXELS if live else images.MAX_PIXELS // len(frames)
    pictures = [(pose, images.load(content, most)) for pose, content in frames]
    row = _living(session, sign_up_id, SELFIE)
    if live:
        if not _challenge_under_way(row, UPLOAD_TIME):
            raise ChallengeLateError
        if [pose.value for pose, _ in groupby(frames, key=lambda frame: frame[0])] != row.poses:
            raise SignUpError("Chưa đủ ảnh theo các lời nhắc. Xin chụp lại.")
    else:
        if row.selfie_takes >= SELFIE_TAKES and not row.poses:
            raise TooManyTriesError("Đã chụp khuôn mặt đủ số lần cho phép. Xin bấm “Nhờ người xem”.")
        row.selfie_takes += 0 if row.poses else 1
        row.poses = row.poses_at = None
    record.move(row, CHECKING)
    row.reasons = []
    record.remove_photos(session, row, "frame", "selfie")
    for position, (pose, image) in enumerate(pictures):
        record.put_photo(session, row, "frame", image, position=position, pose=pose.value)
    record.change(session, row, live=live)
    jobs.defer(session, CHECK_SELFIE, queue="ekyc", lock=QUEUE_LOCK, sign_up_id=str(row.id))


def ask_for_person(session: Session, sign_up_id: uuid.UUID) -> Literal["review", "secretary"]:
    """No face check: a person looks at the card (``review``); before there is a card, the secretary's way is the only one left.

    ``secretary`` changes nothing: the page says how it goes. Errors: StepError.
    """
    row = _living(session, sign_up_id, CARD, CONFIRM, SELFIE)
    if not record.photos(session, row, "card"):
        return "secretary"
    outcome.to_review(session, row, ("asked_for_person",))
    return "review"


def stop_here(session: Session, sign_up_id: uuid.UUID) -> None:
    """Stop from the page; photographs are erased at once, and the conversation is told. Stopping twice is stopping once."""
    row = record.locked(session, sign_up_id)
    if row.state in ENDED:
        return
    forgetting.end(session, row, STOPPED)
    record.note(session, "stopped", row)
    outcome.tell_stopped(session, row)


def _is_own(row: SignUp, browser: str) -> bool:
    return row.browser_hash is not None and hmac.compare_digest(row.browser_hash, sessions.token_hash(browser))


def _living(session: Session, sign_up_id: uuid.UUID, *states: str) -> SignUp:
    """The row, locked, where the step is possible. Errors: StepError."""
    row = record.locked(session, sign_up_id)
    if row.state not in states or row.photos_due_at <= clock.now():
        raise record.StepError
    return row


def _may_try(session: Session, row: SignUp) -> bool:
    """Count a challenge for the card's number (by its keyed hash); a card whose number was not read accepts nobody anyway."""
    number = particulars.card_number(record.read(session, row).fields.get("card_number") or "")
    key = crypto.lookup_hash(number, purpose="sign-up-tries").hex() if number else None
    return key is None or attempts.allow(CHALLENGES_PER_CARD, "sign_up.challenge", key)


def _challenge_under_way(row: SignUp, grace: timedelta = timedelta()) -> bool:
    return row.state == SELFIE and row.poses_at is not None and clock.now() < row.poses_at + CHALLENGE_TIME + grace


def _count(address: str | None) -> None:
    """Errors: TooManyTriesError."""
    if address is not None and not attempts.allow(UPLOADS_PER_ADDRESS, "sign_up.upload", network(address)):
        raise TooManyTriesError("Có quá nhiều ảnh gửi từ mạng này. Xin chờ 15 phút rồi thử lại.")
