"""Everything that is stored about a person, handed to that person: as data, as JSON, as PDF.

``TABLES`` says of every table of the installation whether it holds something about a member, and if it is left out, why;
a test compares it with the database, so that a new table cannot be forgotten. Rooms above this one add their part by the
event ``members.own_data``.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from core import audit, clock, crypto, events
from core.audit import AuditEntry
from core.settings import settings
from members import asking, register, requests
from members.access import ROLE_NAMES, Actor, Role, access_own_record
from members.models import (
    Account,
    ConsentEvent,
    ConsentText,
    DataRequest,
    Grant,
    ImportChange,
    Member,
    OneTimeCode,
    RegisterImport,
    SignIn,
    Unit,
)
from members.particulars import PRIVATE_FIELDS
from members.sign_up_models import SignUp
from messaging import outbox
from messaging.models import Conversation

__all__ = ["FORMAT", "TABLES", "as_json", "as_pdf", "hand_over", "own_data"]

FORMAT = "sotay.own-data/1"
"""What the file says it is: name and version of its form."""
EVERY_MESSAGE = 1_000_000_000

_INCLUDED = "included"
TABLES = {
    # what is about a member
    "member": _INCLUDED,
    "import_change": _INCLUDED,
    "account": _INCLUDED,
    "role_grant": _INCLUDED,
    "sign_in": _INCLUDED,
    "one_time_code": _INCLUDED,
    "consent_event": _INCLUDED,
    "consent_text": _INCLUDED,
    "data_request": _INCLUDED,
    "audit_entry": _INCLUDED,
    "conversation": _INCLUDED,
    "inbox": _INCLUDED,
    "outbox": _INCLUDED,
    "open_question": _INCLUDED,
    "sign_up": _INCLUDED,
    "unit": _INCLUDED,
    # what is not
    "choice": "the buttons of messages: their titles are in the messages, the rest is ours to recognise a tap",
    "data_key": "the keys that seal the values handed out here",
    "form_draft": "answers on their way, sealed, gone when the form ends: what was written is in the messages",
    "sign_up_photo": "photographs that wait for a decision, at most days: whose they are is what is being decided",
    "sign_up_review": "who decided about a sign-up, and why: the result is told with the sign-up",
    "erasure": "receipts of erasures that are done: they lead to nobody",
    "import_problem": "rows and codes of a file that waits, without values",
    "register_import": "files, not people; their names stand with the earlier values",
    "column_mapping": "headings of files",
    "oidc_attempt": "sign-ins under way for ten minutes, of nobody yet",
    "unit_change": "history of units",
    "registration_report": "figures of units",
    "registration_row": "figures of units",
    "document": "published documents",
    "revision": "published documents",
    "provision": "published documents",
    "relation": "published documents",
    "embedding": "published documents",
    "index_version": "published documents",
    "alembic_version": "the version of the schema",
    "procrastinate_jobs": "ids of work to be done",
    "procrastinate_events": "when work was done",
    "procrastinate_periodic_defers": "when work is due",
    "procrastinate_workers": "processes",
}
"""Table → ``included``, or why it is not."""


@dataclass(frozen=True)
class _Stay:
    """A conversation that the person was signed in to; when others were too, only the person's own time in it counts."""

    conversation_id: uuid.UUID
    times: tuple[tuple[datetime, datetime], ...]
    shared: bool

    def holds(self, at: datetime) -> bool:
        return not self.shared or any(begin <= at < end for begin, end in self.times)


def hand_over(
    session: Session, actor: Actor, *, channel: str, conversation_id: uuid.UUID | None = None
) -> dict[str, Any]:
    """``own_data`` for the person to take away, entered in the ledger of requests (kind ``export``, done at once).

    Errors: NotVisibleError (not in the register).
    """
    requests.open_request(session, actor, kind="export", channel=channel)
    return own_data(session, actor, conversation_id=conversation_id)


def own_data(session: Session, actor: Actor, *, conversation_id: uuid.UUID | None = None) -> dict[str, Any]:
    """Everything stored about the actor, in values that JSON can say; times in ISO 8601 with their zone.

    Of conversations on other devices than that of *conversation_id* only the number of messages is told: the code that
    opened this device came through another person's hands, who must not read in it what was asked before.
    It is audited as ``member.exported``. Errors: NotVisibleError (not in the register).
    """
    member = access_own_record(session, actor)
    account = session.scalars(select(Account).where(Account.member_id == member.id)).one_or_none()
    stays = _stays(session, account.id) if account else []
    messages: list[tuple[uuid.UUID, str]] = []
    data: dict[str, Any] = {
        "format": FORMAT,
        "generated_at": _iso(clock.now()),
        "organisation": settings().organisation,
        "register": _register(session, member),
        "earlier_values": _earlier_values(session, member),
        "account": _account(account) if account else None,
        "roles": _roles(session, account.id) if account else [],
        "sign_ins": _sign_ins(session, account.id) if account else [],
        "one_time_codes": _codes(session, member.id),
        "sign_ups": _sign_ups(session, member.id),
        "consents": _consents(session, member.id),
        "requests": _requests(session, member.id),
        "conversations": [
            _conversation(session, stay, messages, shown=stay.conversation_id == conversation_id) for stay in stays
        ],
        "log": _log(session, member.id, actor),
        "own_actions": _own_actions(session, account.id) if account else [],
    }
    events.publish(session, "members.own_data", data=data, messages=messages)
    audit.record(
        session,
        "member.exported",
        actor_id=actor.account_id,
        object_type="member",
        object_id=member.id,
        unit_id=member.unit_id,
        subject=member.id,
    )
    return data


def as_json(data: dict[str, Any]) -> bytes:
    """The data as a file that people and programs read: UTF-8, indented, Vietnamese letters as they are."""
    return json.dumps(data, ensure_ascii=False, indent=2).encode() + b"\n"


def as_pdf(data: dict[str, Any]) -> bytes:
    """The data as a document to read and print (A4)."""
    from members import export_pdf  # noqa: PLC0415 - the typesetter and its fonts are loaded when somebody needs them

    return export_pdf.typeset(data)


def _iso(moment: datetime | None) -> str | None:
    return moment.astimezone(clock.VIETNAM).isoformat(timespec="seconds") if moment else None


def _register(session: Session, member: Member) -> dict[str, Any]:
    profile = register.profile_of(session, member)
    unit = session.get_one(Unit, member.unit_id)
    return {
        "name": profile.name,
        "unit": list(profile.unit_names),
        "unit_code": unit.code,
        "position": profile.position,
        "status": profile.status,
        "exempt": profile.exempt,
        **dict.fromkeys(PRIVATE_FIELDS),
        **profile.private.to_values(),
        "registered_at": _iso(member.registered_at),
        "created_at": _iso(member.created_at),
        "updated_at": _iso(member.updated_at),
    }


def _earlier_values(session: Session, member: Member) -> list[dict[str, Any]]:
    """What an import replaced, kept so that it can be undone."""
    rows = session.execute(
        select(ImportChange.before, RegisterImport.file_name, RegisterImport.finished_at)
        .join(RegisterImport, RegisterImport.id == ImportChange.import_id)
        .where(ImportChange.member_id == member.id)
        .order_by(RegisterImport.created_at)
    )
    return [
        {
            "file": row.file_name,
            "imported_at": _iso(row.finished_at),
            "before": _before(session, member, row.before) if row.before else None,
        }
        for row in rows
    ]


def _before(session: Session, member: Member, sealed: bytes) -> dict[str, Any]:
    values = json.loads(crypto.unseal(session, member.id, sealed, context="import_change"))
    unit = session.get(Unit, values.pop("unit_id"))
    return {**values.pop("private"), **values, "unit": unit.name if unit else None}


def _account(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "email": account.email,
        "password": account.password_hash is not None,
        "password_changed_at": _iso(account.password_changed_at),
        "second_factor": account.totp_sealed is not None,
        "openid_connect": account.oidc_subject,
        "failed_sign_ins": account.failures,
        "locked_until": _iso(account.locked_until),
        "created_at": _iso(account.created_at),
        "disabled_at": _iso(account.disabled_at),
    }


def _roles(session: Session, account_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = session.execute(
        select(Grant, Unit.name).join(Unit, Unit.id == Grant.unit_id).where(Grant.account_id == account_id)
        .order_by(Grant.id)
    )  # fmt: skip
    return [
        {
            "role": grant.role,
            "role_name": ROLE_NAMES[Role(grant.role)],
            "unit": unit,
            "granted_at": _iso(grant.granted_at),
            "ends_on": grant.ends_on.isoformat() if grant.ends_on else None,
            "revoked_at": _iso(grant.revoked_at),
        }
        for grant, unit in rows
    ]


def _sign_ins(session: Session, account_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = session.scalars(select(SignIn).where(SignIn.account_id == account_id).order_by(SignIn.created_at))
    return [
        {
            "kind": row.kind,
            "channel": row.channel,
            "device": row.device,
            "created_at": _iso(row.created_at),
            "last_seen_at": _iso(row.last_seen_at),
            "expires_at": _iso(row.expires_at),
            "ended_at": _iso(row.ended_at),
        }
        for row in rows
    ]


def _codes(session: Session, member_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = session.scalars(select(OneTimeCode).where(OneTimeCode.member_id == member_id).order_by(OneTimeCode.id))
    return [
        {
            "created_at": _iso(row.created_at),
            "expires_at": _iso(row.expires_at),
            "used_at": _iso(row.used_at),
        }
        for row in rows
    ]


def _sign_ups(session: Session, member_id: uuid.UUID) -> list[dict[str, Any]]:
    """Sign-ups by photographs with the person's card, whoever began them; photographs are not kept beyond the decision."""
    rows = session.scalars(select(SignUp).where(SignUp.member_id == member_id).order_by(SignUp.created_at))
    return [
        {
            "channel": row.channel,
            "state": row.state,
            "begun_at": _iso(row.created_at),
            "submitted_at": _iso(row.submitted_at),
            "decided_at": _iso(row.decided_at),
            "photos_erased_at": _iso(row.photos_erased_at),
        }
        for row in rows
    ]


def _consents(session: Session, member_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = session.execute(
        select(ConsentEvent, ConsentText)
        .join(ConsentText, ConsentText.id == ConsentEvent.text_id)
        .where(ConsentEvent.member_id == member_id)
        .order_by(ConsentEvent.id)
    )
    return [
        {
            "action": event.action,
            "at": _iso(event.at),
            "channel": event.channel,
            "purpose": text.purpose,
            "version": text.version,
            "title": text.title,
            "body": text.body,
            "sha256": text.sha256,
        }
        for event, text in rows
    ]


def _requests(session: Session, member_id: uuid.UUID) -> list[dict[str, Any]]:
    rows = session.scalars(select(DataRequest).where(DataRequest.member_id == member_id).order_by(DataRequest.id))
    return [
        {
            "receipt": row.receipt,
            "kind": row.kind,
            "state": row.state,
            "channel": row.channel,
            "created_at": _iso(row.created_at),
            "due_at": _iso(row.due_at),
            "closed_at": _iso(row.closed_at),
            "answer": row.answer,
            "wanted": asking.wishes(session, row),
        }
        for row in rows
    ]


def _stays(session: Session, account_id: uuid.UUID) -> list[_Stay]:
    mine = select(SignIn.conversation_id).where(SignIn.account_id == account_id, SignIn.conversation_id.is_not(None))
    rows = session.scalars(select(SignIn).where(SignIn.conversation_id.in_(mine)).order_by(SignIn.created_at))
    found: dict[uuid.UUID, list[SignIn]] = {}
    for row in rows:
        if row.conversation_id is not None:
            found.setdefault(row.conversation_id, []).append(row)
    return [
        _Stay(
            conversation_id,
            tuple((row.created_at, row.ended_at or row.expires_at) for row in stays if row.account_id == account_id),
            shared=any(row.account_id != account_id for row in stays),
        )
        for conversation_id, stays in found.items()
    ]


def _conversation(session: Session, stay: _Stay, sent: list[tuple[uuid.UUID, str]], *, shown: bool) -> dict[str, Any]:
    """Both sides of a conversation, or their number; the ids of the person's own messages shown are added to *sent*."""
    conversation = session.get_one(Conversation, stay.conversation_id)
    messages: list[dict[str, Any]] = []
    withheld = 0
    for line in outbox.history(session, stay.conversation_id, limit=EVERY_MESSAGE):
        at = datetime.fromisoformat(line["at"])
        if not stay.holds(at):
            continue
        if not shown:
            withheld += 1
            continue
        if line["role"] == "member":
            sent.append((stay.conversation_id, line["id"]))
        messages.append(
            {
                "at": _iso(at),
                "from": line["role"],
                "text": line["text"],
                "citations": line["citations"],
                "choices": [choice["title"] for choice in line["choices"]],
                "suggestions": line["suggestions"],
            }
        )
    return {"channel": conversation.channel, "created_at": _iso(conversation.created_at), "messages": messages,
            "messages_on_another_device": withheld}  # fmt: skip


def _log(session: Session, member_id: uuid.UUID, actor: Actor) -> list[dict[str, Any]]:
    """What was done with the person's data, and when. Who else it was is those people's own business: the role is enough."""
    rows = session.scalars(select(AuditEntry).where(AuditEntry.subject == member_id).order_by(AuditEntry.id))
    return [
        {
            "at": _iso(entry.at),
            "action": entry.action,
            "by": "self" if entry.actor_id == actor.account_id else "system" if entry.actor_id is None else "staff",
            "details": entry.details,
            "values": audit.personal_values(session, entry),
        }
        for entry in rows
    ]


def _own_actions(session: Session, account_id: uuid.UUID) -> list[dict[str, Any]]:
    """What the person did in the console: how often, not with whose data."""
    member_id = session.get_one(Account, account_id).member_id
    rows = session.execute(
        select(AuditEntry.action, func.count(), func.min(AuditEntry.at), func.max(AuditEntry.at))
        .where(AuditEntry.actor_id == account_id, or_(AuditEntry.subject.is_(None), AuditEntry.subject != member_id))
        .group_by(AuditEntry.action)
        .order_by(AuditEntry.action)
    )
    return [
        {"action": action, "times": times, "first_at": _iso(first), "last_at": _iso(last)}
        for action, times, first, last in rows
    ]
