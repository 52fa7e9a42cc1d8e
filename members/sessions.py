"""Sign-ins: made after proof of who it is, rotated, listed, ended. A token travels in a cookie; only its hash is stored."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core import audit, clock
from members.access import Actor, NotVisibleError, actor_of
from members.models import Account, SignIn
from messaging.models import Conversation

IDLE = timedelta(minutes=30)
"""A console session without a request for this long has ended."""
LONGEST = timedelta(hours=12)
"""A console session ends after this long in any case."""
ROTATION = timedelta(minutes=15)
"""A console's token is replaced after this long."""
GRACE = timedelta(seconds=60)
"""How long the token before a rotation still counts."""
MEMBER_LONGEST = timedelta(days=180)
"""How long a member stays signed in on a device."""


@dataclass(frozen=True)
class Signed:
    """A console request of somebody who is signed in. ``token`` is set when the browser must get a new one."""

    actor: Actor
    sign_in_id: uuid.UUID
    csrf: str
    must_change_password: bool
    demo: bool
    token: str | None = None


@dataclass(frozen=True)
class SignInSummary:
    """A sign-in as its owner sees it."""

    id: uuid.UUID
    kind: str
    channel: str
    device: str
    created_at: datetime
    last_seen_at: datetime


def token_hash(token: str) -> bytes:
    """What is stored of a token (SHA-256; tokens have 256 random bits)."""
    return hashlib.sha256(token.encode()).digest()


def start_console(session: Session, account: Account, *, device: str) -> str:
    """Sign *account* in to the console and return the new token. The caller has checked who it is."""
    token, now = secrets.token_urlsafe(32), clock.now()
    session.add(
        SignIn(
            id=uuid.uuid4(),
            account_id=account.id,
            kind="console",
            token_hash=token_hash(token),
            rotated_at=now,
            csrf=secrets.token_urlsafe(24),
            channel="console",
            device=device,
            created_at=now,
            last_seen_at=now,
            expires_at=now + LONGEST,
        )
    )
    session.flush()
    return token


def resolve_console(session: Session, token: str) -> Signed | None:
    """Who holds the console's *token*; None when it is unknown, ended, idle for too long, or its account disabled.

    Rotates the token when it is due; the new one is in ``Signed.token``.
    """
    hashed, now = token_hash(token), clock.now()
    row = session.scalars(
        select(SignIn).where(
            or_(SignIn.token_hash == hashed, SignIn.previous_hash == hashed),
            SignIn.kind == "console",
            SignIn.ended_at.is_(None),
            SignIn.expires_at > now,
            SignIn.last_seen_at > now - IDLE,
        )
    ).one_or_none()
    if row is None:
        return None
    account = session.get_one(Account, row.account_id)
    if account.disabled_at is not None:
        return None
    fresh = None
    if row.token_hash != hashed:
        if now - row.rotated_at > GRACE:  # an old token this late is not a slow request: somebody copied it
            row.ended_at = now
            audit.record(
                session,
                "account.token_reused",
                actor_id=None,
                object_type="account",
                object_id=account.id,
                subject=account.member_id,
                details={"device": row.device},
            )
            return None
    elif now - row.rotated_at > ROTATION:
        session.refresh(row, with_for_update=True)  # of requests at the same moment one rotates
        if row.token_hash == hashed:
            fresh = secrets.token_urlsafe(32)
            row.previous_hash, row.token_hash, row.rotated_at = row.token_hash, token_hash(fresh), now
    if now - row.last_seen_at > timedelta(seconds=30):
        row.last_seen_at = now
    return Signed(actor_of(session, account), row.id, row.csrf, account.must_change_password, account.demo, fresh)


def start_member(session: Session, account: Account, *, conversation_id: uuid.UUID, channel: str, device: str) -> None:
    """Sign the member of *account* in on a conversation; other devices of theirs are signed out (a new phone)."""
    now = clock.now()
    session.execute(
        update(SignIn)
        .where(
            or_(SignIn.account_id == account.id, SignIn.conversation_id == conversation_id),
            SignIn.kind == "member",
            SignIn.ended_at.is_(None),
        )
        .values(ended_at=now)
    )
    session.add(
        SignIn(
            id=uuid.uuid4(),
            account_id=account.id,
            kind="member",
            conversation_id=conversation_id,
            rotated_at=now,
            csrf=secrets.token_urlsafe(24),
            channel=channel,
            device=device,
            created_at=now,
            last_seen_at=now,
            expires_at=now + MEMBER_LONGEST,
        )
    )
    session.flush()


def resolve_member(session: Session, conversation_id: uuid.UUID) -> Signed | None:
    """Which member talks in a conversation; None when nobody is signed in there."""
    now = clock.now()
    row = session.scalars(
        select(SignIn).where(
            SignIn.conversation_id == conversation_id,
            SignIn.kind == "member",
            SignIn.ended_at.is_(None),
            SignIn.expires_at > now,
        )
    ).one_or_none()
    if row is None:
        return None
    account = session.get_one(Account, row.account_id)
    if account.disabled_at is not None or account.member_id is None:
        return None
    if now - row.last_seen_at > timedelta(hours=1):
        row.last_seen_at = now
    return Signed(actor_of(session, account), row.id, row.csrf, account.must_change_password, account.demo)


def is_living(session: Session, token: str) -> bool:
    """Whether a console's *token* counts at the moment; changes nothing (``resolve_console`` rotates it)."""
    hashed, now = token_hash(token), clock.now()
    found = session.scalar(
        select(SignIn.id)
        .join(Account, Account.id == SignIn.account_id)
        .where(
            or_(SignIn.token_hash == hashed, SignIn.previous_hash == hashed),
            SignIn.kind == "console",
            SignIn.ended_at.is_(None),
            SignIn.expires_at > now,
            SignIn.last_seen_at > now - IDLE,
            Account.disabled_at.is_(None),
        )
    )
    return found is not None


def is_member_here(session: Session, *, channel: str, external_id: str) -> bool:
    """Whether a member is signed in on the conversation that a channel knows by *external_id*, in one query."""
    found = (
        select(SignIn.id)
        .join(Conversation, Conversation.id == SignIn.conversation_id)
        .join(Account, Account.id == SignIn.account_id)
        .where(
            Conversation.channel == channel,
            Conversation.external_id == external_id,
            SignIn.kind == "member",
            SignIn.ended_at.is_(None),
            SignIn.expires_at > clock.now(),
            Account.disabled_at.is_(None),
            Account.member_id.is_not(None),
        )
    )
    return session.scalar(found) is not None


def was_of_another(session: Session, conversation_id: uuid.UUID, account_id: uuid.UUID) -> bool:
    """Whether somebody else has been signed in on this conversation before (a shared device)."""
    others = (
        select(SignIn.id).where(SignIn.conversation_id == conversation_id, SignIn.account_id != account_id).limit(1)
    )
    return session.scalar(others) is not None


def list_own(session: Session, account_id: uuid.UUID) -> list[SignInSummary]:
    """The living sign-ins of an account, the latest first: for its owner only."""
    now = clock.now()
    rows = session.scalars(
        select(SignIn)
        .where(SignIn.account_id == account_id, SignIn.ended_at.is_(None), SignIn.expires_at > now)
        .order_by(SignIn.last_seen_at.desc())
    )
    return [
        SignInSummary(row.id, row.kind, row.channel, row.device, row.created_at, row.last_seen_at)
        for row in rows
        if row.kind == "member" or now - row.last_seen_at < IDLE
    ]


def end_own(session: Session, account_id: uuid.UUID, sign_in_id: uuid.UUID) -> None:
    """End a sign-in of one's own. Errors: NotVisibleError (not one's own, or unknown)."""
    row = session.get(SignIn, sign_in_id)
    if row is None or row.account_id != account_id:
        raise NotVisibleError
    row.ended_at = row.ended_at or clock.now()


def end_all(session: Session, account_id: uuid.UUID, *, keep: uuid.UUID | None = None, kind: str | None = None) -> int:
    """End every sign-in of an account, of one *kind* or of both, but for *keep*; returns how many."""
    statement = update(SignIn).where(SignIn.account_id == account_id, SignIn.ended_at.is_(None))
    if keep is not None:
        statement = statement.where(SignIn.id != keep)
    if kind is not None:
        statement = statement.where(SignIn.kind == kind)
    return len(session.scalars(statement.values(ended_at=clock.now()).returning(SignIn.id)).all())


def end_token(session: Session, token: str) -> None:
    """End the console's sign-in that holds *token*, if there is one (the browser signs in anew)."""
    session.execute(
        update(SignIn)
        .where(SignIn.token_hash == token_hash(token), SignIn.ended_at.is_(None))
        .values(ended_at=clock.now())
    )


def device_name(user_agent: str) -> str:
    """What kind of browser it is, in words that its owner recognises ("Chrome, Android"); nothing more is kept."""
    browsers = (("Edg", "Edge"), ("OPR", "Opera"), ("SamsungBrowser", "Samsung"), ("Firefox", "Firefox"),
                ("Chrome", "Chrome"), ("Safari", "Safari"))  # fmt: skip
    systems = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"),
               ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip
    browser = next((name for mark, name in browsers if mark in user_agent), "Trình duyệt")
    system = next((name for mark, name in systems if mark in user_agent), None)
    return f"{browser}, {system}" if system else browser
