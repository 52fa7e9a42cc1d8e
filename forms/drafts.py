"""Drafts: how the state of a form is stored, sealed, ended and forgotten."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from core import clock, crypto, events
from core.crypto import DataKey
from core.database import unit_of_work
from forms.definition import Button, Context, Definition, Link
from forms.models import FormDraft

log = logging.getLogger(__name__)

EXPIRES_AFTER = timedelta(hours=24)
"""A draft without an answer for this long is closed, and its answers are destroyed by the hourly job."""

DONE, STOPPED, EXPIRED = "done", "stopped", "expired"

_CONTEXT = "form_draft"


@dataclass(frozen=True)
class Said:
    """What the form says to a message. ``is_open``: it waits for an answer. ``taken``: the message was for the form."""

    text: str
    buttons: tuple[Button, ...] = ()
    links: tuple[Link, ...] = ()
    is_open: bool = True
    taken: bool = True

    def as_json(self) -> dict[str, Any]:
        """Plain data, for the database."""
        return {
            "text": self.text,
            "buttons": [[button.title, dict(button.payload)] for button in self.buttons],
            "links": [[link.heading, link.url] for link in self.links],
            "is_open": self.is_open,
            "taken": self.taken,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Said:
        """From ``as_json``."""
        return cls(
            data["text"],
            tuple(Button(title, payload) for title, payload in data["buttons"]),
            tuple(Link(heading, url) for heading, url in data["links"]),
            data["is_open"],
            data["taken"],
        )


@dataclass
class Draft:
    """A draft in hand: its row, and what is sealed in it."""

    id: uuid.UUID
    conversation_id: uuid.UUID
    form: str
    version: int
    step: str | None
    last_message: str | None
    updated_at: datetime
    outcome: str | None = None
    readable: bool = True
    """False once the answers have been destroyed."""
    answers: dict[str, Any] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)
    picked: list[str] = field(default_factory=list)
    """What was tapped so far of a choice of several."""
    trail: list[str] = field(default_factory=list)
    """The steps answered, in their order: the way back."""
    said: Said | None = None

    @property
    def is_open(self) -> bool:
        """Whether it waits for an answer."""
        return self.outcome is None

    def context(self) -> Context:
        """As callbacks see it."""
        return Context(self.id, self.conversation_id, self.last_message or "", self.step, dict(self.answers), self.kept)


def create(definition: Definition, conversation_id: uuid.UUID, message_id: str) -> Draft:
    """A draft at its first step, not stored yet."""
    return Draft(
        uuid.uuid4(),
        conversation_id,
        definition.name,
        definition.version,
        definition.steps[0].name,
        message_id,
        clock.now(),
    )


def store(session: Session, draft: Draft) -> None:
    """Store a new draft and make its key."""
    session.add(
        FormDraft(
            id=draft.id,
            conversation_id=draft.conversation_id,
            form=draft.form,
            version=draft.version,
            step=draft.step,
            sealed=None,
            last_message=draft.last_message,
            last_said=None,
            started_at=draft.updated_at,
            updated_at=draft.updated_at,
        )
    )
    session.flush()
    crypto.create_keys(session, [draft.id])


def open_row(session: Session, conversation_id: uuid.UUID) -> FormDraft | None:
    """The draft that waits in a conversation, None when there is none."""
    return session.scalars(
        select(FormDraft).where(FormDraft.conversation_id == conversation_id, FormDraft.ended_at.is_(None))
    ).one_or_none()


def load(session: Session, conversation_id: uuid.UUID, message_id: str) -> Draft | None:
    """The open draft of a conversation, or the one that *message_id* ended; locked. Errors: crypto.TamperedError."""
    row = session.scalars(
        select(FormDraft)
        .where(
            FormDraft.conversation_id == conversation_id,
            or_(FormDraft.ended_at.is_(None), FormDraft.last_message == message_id),
        )
        .order_by(FormDraft.ended_at.is_not(None), FormDraft.ended_at.desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        return None
    draft = Draft(
        row.id, row.conversation_id, row.form, row.version, row.step, row.last_message, row.updated_at, row.outcome
    )
    if row.ended_at is not None:
        draft.said = Said.from_json(row.last_said) if row.last_said else None
        return draft
    draft.readable = row.sealed is not None
    if row.sealed is not None:
        state = json.loads(crypto.unseal(session, row.id, row.sealed, context=_CONTEXT))
        draft.answers, draft.kept = state["answers"], state["kept"]
        draft.picked, draft.trail = state["picked"], state["trail"]
        draft.said = Said.from_json(state["said"])
    return draft


def keep(session: Session, draft: Draft, said: Said) -> Said:
    """Store where the draft stands and what is said; both sealed, because a prompt may repeat an answer."""
    row = session.get_one(FormDraft, draft.id)
    draft.said, draft.updated_at = said, clock.now()
    state = {
        "answers": draft.answers,
        "kept": draft.kept,
        "picked": draft.picked,
        "trail": draft.trail,
        "said": said.as_json(),
    }
    content = json.dumps(state, ensure_ascii=False).encode()
    row.sealed = crypto.seal(session, draft.id, content, context=_CONTEXT)
    row.step, row.last_message, row.updated_at = draft.step, draft.last_message, draft.updated_at
    session.flush()
    return said


def end(session: Session, draft: Draft, outcome: str, message_id: str, said: Said) -> Said:
    """Close the draft: its answers are destroyed, what is said last is kept for the message that ended it."""
    row = session.get_one(FormDraft, draft.id)
    row.sealed, row.step, row.outcome = None, None, outcome
    row.ended_at = row.updated_at = clock.now()
    row.last_message, row.last_said = message_id, said.as_json()
    crypto.destroy_key(session, draft.id)
    session.flush()
    return said


def sweep(session: Session) -> tuple[int, int]:
    """Destroy the answers of drafts that nobody went on with, and delete what ended a day ago; returns both numbers.

    The open row stays, empty: it says at the person's next message that it was closed.
    """
    due = clock.now() - EXPIRES_AFTER
    stale = session.scalars(
        select(FormDraft)
        .where(FormDraft.ended_at.is_(None), FormDraft.updated_at < due, FormDraft.sealed.is_not(None))
        .with_for_update(skip_locked=True)
    ).all()
    for row in stale:
        row.sealed = None
    _destroy(session, [row.id for row in stale])
    ended = session.scalars(delete(FormDraft).where(FormDraft.ended_at < due).returning(FormDraft.id)).all()
    return len(stale), len(ended)


def expire(timestamp: int) -> None:
    """The hourly job; *timestamp* is the planned moment (Unix seconds)."""
    with unit_of_work() as session:
        stale, ended = sweep(session)
    log.info("forms: %d drafts emptied, %d ended ones deleted (planned for %d)", stale, ended, timestamp)


@events.on("conversation.forgotten")  # ``messaging.forgetting.FORGOTTEN``: rooms of one floor do not import each other
def forget(session: Session, *, conversation_id: uuid.UUID, message_ids: Sequence[str]) -> None:  # noqa: ARG001
    """Erase every draft of a conversation."""
    gone = session.scalars(
        delete(FormDraft).where(FormDraft.conversation_id == conversation_id).returning(FormDraft.id)
    ).all()
    _destroy(session, gone)


def _destroy(session: Session, owners: Sequence[uuid.UUID]) -> None:
    session.execute(delete(DataKey).where(DataKey.owner.in_(owners)))
