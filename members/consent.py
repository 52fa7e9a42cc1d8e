"""The consent ledger: which text a person agreed to, when, by which channel; and that it was withdrawn.

The texts are files in ``members/texts`` (``<purpose>_v<version>.md``: the title in the first line, then the body). Consent
counts for the very text that was shown: a new version asks anew at the next sign-in. Rows of the ledger are only ever
added; they go with the person. Duty: Law 91/2025/QH15, decree 356/2025/NĐ-CP (consent that can be proven).
"""

from __future__ import annotations

import hashlib
import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib.resources import files

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import audit, clock, events
from core.text import nfc
from members import sessions
from members.access import NotVisibleError
from members.models import Account, ConsentEvent, ConsentText, Member

ACCOUNT = "account"
"""The purpose of being known by name: sign-in, own record, requests."""

GIVEN = "given"
WITHDRAWN = "withdrawn"

REVOKED = "revoked"
"""The channel of a withdrawal that the branch made: somebody else had agreed in the member's name."""

CONSENT_WITHDRAWN = "consent.withdrawn"
"""Event (``core.events``): a person took a consent back; details ``member_id``, ``purpose``."""

_FILE = re.compile(r"(?P<purpose>[a-z_]+)_v(?P<version>[1-9][0-9]*)\.md")


class ConsentError(ValueError):
    """A consent that cannot be recorded; the message says why, in Vietnamese."""


@dataclass(frozen=True)
class Text:
    """A text that people agree to. ``body`` is Markdown with headings, lists and paragraphs only."""

    id: int
    purpose: str
    version: int
    title: str
    body: str
    sha256: str


@dataclass(frozen=True)
class Event:
    """An entry of a person's ledger: ``action`` is ``given`` or ``withdrawn``."""

    purpose: str
    version: int
    sha256: str
    action: str
    channel: str
    at: datetime


@dataclass(frozen=True)
class _Shipped:
    version: int
    title: str
    body: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(f"{self.title}\n{self.body}".encode()).hexdigest()


@lru_cache(maxsize=8)
def _shipped(purpose: str) -> _Shipped:
    """The newest text of *purpose* that comes with the product."""
    found = []
    for file in (files("members") / "texts").iterdir():
        name = _FILE.fullmatch(file.name)
        if name and name["purpose"] == purpose:
            title, _, body = nfc(file.read_text(encoding="utf-8")).strip().partition("\n")
            found.append(_Shipped(int(name["version"]), title.strip(), body.strip()))
    if not found:
        raise ConsentError(f"Không có văn bản đồng ý cho mục đích “{purpose}”.")
    return max(found, key=lambda text: text.version)


def current(session: Session, purpose: str = ACCOUNT) -> Text:
    """The text that counts now; stored the first time it is asked for.

    Errors: ConsentError (no such purpose, or a text was changed without a new version: what people agreed to stands).
    """
    shipped = _shipped(purpose)
    row = session.scalars(
        select(ConsentText).where(ConsentText.purpose == purpose, ConsentText.version == shipped.version)
    ).one_or_none()
    if row is None:
        session.execute(
            insert(ConsentText)
            .values(
                purpose=purpose,
                version=shipped.version,
                title=shipped.title,
                body=shipped.body,
                sha256=shipped.sha256,
                created_at=clock.now(),
            )
            .on_conflict_do_nothing(index_elements=["purpose", "version"])
        )
        row = session.scalars(
            select(ConsentText).where(ConsentText.purpose == purpose, ConsentText.version == shipped.version)
        ).one()
    if row.sha256 != shipped.sha256:
        raise ConsentError(
            f"Văn bản đồng ý “{purpose}” phiên bản {row.version} đã bị sửa sau khi lưu. Xin phát hành phiên bản mới."
        )
    return Text(row.id, row.purpose, row.version, row.title, row.body, row.sha256)


def _locked(session: Session, member_id: uuid.UUID) -> Member:
    """The member, locked: two devices never append at the same moment. Errors: NotVisibleError."""
    member = session.get(Member, member_id, with_for_update=True)
    if member is None:
        raise NotVisibleError
    return member


def _last(session: Session, member_id: uuid.UUID, purpose: str) -> ConsentEvent | None:
    return session.scalars(
        select(ConsentEvent)
        .join(ConsentText, ConsentText.id == ConsentEvent.text_id)
        .where(ConsentEvent.member_id == member_id, ConsentText.purpose == purpose)
        .order_by(ConsentEvent.id.desc())
        .limit(1)
    ).one_or_none()


def _append(
    session: Session, member: Member, text: ConsentText, action: str, channel: str, at: datetime | None = None
) -> None:
    moment = at or clock.now()
    session.add(ConsentEvent(member_id=member.id, text_id=text.id, action=action, channel=channel, at=moment))
    session.flush()
    audit.record(
        session,
        f"consent.{action}",
        actor_id=session.scalar(select(Account.id).where(Account.member_id == member.id)),
        object_type="consent_text",
        object_id=text.id,
        unit_id=member.unit_id,
        subject=member.id,
        details={"purpose": text.purpose, "version": text.version, "sha256": text.sha256, "channel": channel},
    )


def give(session: Session, member_id: uuid.UUID, text_id: int, *, channel: str) -> None:
    """Record that the person agreed to the text *text_id*, which must be the one that counts now.

    Agreeing twice in a row to the same text is once. Errors: ConsentError (the text has been replaced meanwhile: show the new one),
    NotVisibleError (no such member).
    """
    member = _locked(session, member_id)
    text = session.get(ConsentText, text_id)
    if text is None or current(session, text.purpose).id != text.id:
        raise ConsentError("Văn bản đồng ý đã có bản mới. Xin đọc bản mới rồi chọn lại.")
    last = _last(session, member_id, text.purpose)
    if last is not None and last.action == GIVEN and last.text_id == text.id:
        return
    _append(session, member, text, GIVEN, channel)


def give_as_of(
    session: Session, member_id: uuid.UUID, *, purpose: str, channel: str, at: datetime, text_id: int | None = None
) -> None:
    """Record that the person agreed at the moment *at*, before it was known who it is.

    *text_id*: the text that was shown; None: the one of *purpose* that counted then. A text that was replaced meanwhile is
    recorded all the same, for that is what was agreed to; the new one is asked for at the next sign-in. Errors:
    NotVisibleError (no such member), ConsentError (no such text).
    """
    member = _locked(session, member_id)
    text = session.get(ConsentText, text_id) if text_id is not None else _text_as_of(session, purpose, at)
    if text is None or text.purpose != purpose:
        raise ConsentError("Không tìm thấy văn bản đã đồng ý. Xin bắt đầu lại việc đăng ký.")
    last = _last(session, member.id, purpose)
    if last is not None and last.action == GIVEN and last.text_id == text.id:
        return
    _append(session, member, text, GIVEN, channel, at)


def _text_as_of(session: Session, purpose: str, at: datetime) -> ConsentText | None:
    return session.scalars(
        select(ConsentText)
        .where(ConsentText.purpose == purpose, ConsentText.created_at <= at)
        .order_by(ConsentText.version.desc())
        .limit(1)
    ).one_or_none()


def withdraw(session: Session, member_id: uuid.UUID, *, purpose: str = ACCOUNT, channel: str) -> bool:
    """Record that the person no longer agrees; returns False when there was no consent to withdraw.

    Withdrawing ``account`` signs the person out everywhere, and the person no longer counts as registered. The register's
    own data stay: the organisation keeps them by its own duty. With the channel ``REVOKED`` nothing ends that they did themselves.
    Errors: NotVisibleError.
    """
    member = _locked(session, member_id)
    if purpose == ACCOUNT:
        for account_id in session.scalars(select(Account.id).where(Account.member_id == member.id)):
            sessions.end_all(session, account_id)
        member.registered_at = None
    last = _last(session, member_id, purpose)
    if last is None or last.action == WITHDRAWN:
        return False
    _append(session, member, session.get_one(ConsentText, last.text_id), WITHDRAWN, channel)
    if channel != REVOKED:
        events.publish(session, CONSENT_WITHDRAWN, member_id=member.id, purpose=purpose)
    return True


def has_given(session: Session, member_id: uuid.UUID, purpose: str = ACCOUNT) -> bool:
    """Whether the person agrees to the text that counts now (an earlier version does not suffice)."""
    last = _last(session, member_id, purpose)
    return last is not None and last.action == GIVEN and last.text_id == current(session, purpose).id


def history(session: Session, member_id: uuid.UUID) -> list[Event]:
    """The person's whole ledger, oldest first."""
    rows = session.execute(
        select(ConsentText.purpose, ConsentText.version, ConsentText.sha256, ConsentEvent.action, ConsentEvent.channel,
               ConsentEvent.at)
        .join(ConsentText, ConsentText.id == ConsentEvent.text_id)
        .where(ConsentEvent.member_id == member_id)
        .order_by(ConsentEvent.id)
    )  # fmt: skip
    return [Event(*row) for row in rows]
