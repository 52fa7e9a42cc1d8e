"""Erasing a person: the record, the keys, the account, the conversations, and whatever came from them.

The rows go in one unit of work. What lies outside the database goes afterwards (``finish``): the dialogue engine's memory
of the conversations and files of imports that may contain the person. Until then the receipt says that the erasure is
being completed. What stays: the receipt, counts of what was reached, and entries of the audit log whose personal values
nobody can read any more, because their key is gone.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, delete, exists, func, select, update
from sqlalchemy.orm import Session

from core import audit, clock, crypto, erased, jobs
from core.database import Base, unit_of_work
from core.text import fold
from members import receipts
from members.access import ROLE_NAMES, SYSTEM, Actor, NotVisibleError, Role, living
from members.importing import service as importing
from members.models import (
    Account,
    ConsentEvent,
    DataRequest,
    Erasure,
    Grant,
    ImportChange,
    Member,
    OneTimeCode,
    RegisterImport,
    SignIn,
)
from members.signup import forgetting as sign_ups
from messaging import forgetting
from messaging.forgetting import ForgettingEngine
from messaging.models import Conversation

FINISH = "members.finish_erasure"
"""The job that completes an erasure; its argument is ``subject``."""

ENGINE = "waiting_for_engine"
"""Key in ``Erasure.reached`` while conversations are not forgotten by the engine yet: their ids."""

IMPORTS = importing.WAITED_FOR
"""The same for imports that were being written; they write nothing any more and destroy their files."""

CONVERSATION = "conversation"
"""Stands for the receipt where a visitor's conversation, not a person, is remembered as erased."""

_IMPORT_ENDED = ("done", "undone", "cancelled", "failed")
_ERASED_FILE_NAME = "(đã xóa)"


class ErasureError(ValueError):
    """An erasure that cannot be carried out; the message says why and what to do first, in Vietnamese."""


class UnfinishedError(Exception):
    """Something of an erasure is still to be done; the job tries again."""


def erase(session: Session, member_id: uuid.UUID, *, request_id: int | None = None, actor: Actor = SYSTEM) -> str:
    """Erase the person *member_id* and return the receipt: that of the request *request_id*, or a new one.

    A person who was erased before keeps the receipt. Errors: NotVisibleError (never was a member), ErasureError (still has
    a role in the console: an administrator must revoke it first).
    """
    member = session.get(Member, member_id, with_for_update=True)
    if member is None:
        known = session.get(Erasure, member_id)
        if known is None:
            raise NotVisibleError
        return known.receipt
    check_erasable(session, member_id)
    request = session.get(DataRequest, request_id) if request_id is not None else None
    receipt = request.receipt if request is not None else receipts.new_receipt()
    requested_at = request.created_at if request is not None else clock.now()
    _erase(session, member_id, receipt=receipt, requested_at=requested_at, unit_id=member.unit_id, actor=actor)
    return receipt


def erase_again(session: Session, subject: uuid.UUID, *, receipt: str | None = None) -> bool:
    """Erase what a restored backup brought back; roles do not keep it. Returns whether there was anything.

    *subject* (a member, or a conversation) and *receipt* are those of ``core.erased.remembered``.
    """
    if session.get(Conversation, subject) is not None:
        forget_conversation(session, subject)
        return True
    member = session.get(Member, subject, with_for_update=True)
    if member is None and session.get(crypto.DataKey, subject) is None:
        return False
    known = session.get(Erasure, subject)
    code = known.receipt if known is not None else receipt or receipts.new_receipt()
    requested_at = known.requested_at if known is not None else clock.now()
    unit_id = member.unit_id if member is not None else None
    _erase(session, subject, receipt=code, requested_at=requested_at, unit_id=unit_id, actor=SYSTEM)
    return True


def forget_conversation(session: Session, conversation_id: uuid.UUID) -> None:
    """Erase one conversation with all that came from it: the right of a visitor who is not signed in.

    The caller has made sure that it is the visitor's own (the channel's cookie). Whoever is signed in there is signed out.
    """
    reached = forgetting.forget(session, [conversation_id])
    audit.record(
        session,
        "conversation.forgotten",
        actor_id=None,
        object_type="conversation",
        details={"reached": reached},
    )


def forget_in_engine(conversation_id: uuid.UUID, subject: uuid.UUID | None, *, engine: ForgettingEngine) -> None:
    """Have the engine forget a conversation; *subject* is the member whose erasure waits for it, if one does.

    Doing it twice does no harm. Errors: EngineError (the job tries again until the engine answers).
    """
    engine.forget(str(conversation_id))
    with unit_of_work() as session:
        if subject is None:
            if (
                session.get(Conversation, conversation_id) is None
            ):  # gone, and not emptied only (``messaging.clearing``)
                erased.remember(conversation_id, CONVERSATION)  # no backup brings it back
            return
        row = session.get(Erasure, subject, with_for_update=True)
        if row is not None:
            waiting = [waits for waits in row.reached.get(ENGINE, ()) if waits != str(conversation_id)]
            row.reached = {**row.reached, ENGINE: waiting}


def finish(subject: uuid.UUID) -> None:
    """Complete the erasure of *subject* once nothing is left anywhere.

    Errors: UnfinishedError (the engine has not answered yet, or the file of an import that was under way still lives).
    """
    with unit_of_work() as session:
        row = session.get(Erasure, subject, with_for_update=True)
        if row is None or row.erased_at is not None:
            return
        erased.remember(subject, row.receipt)  # its rows are gone: from now on no backup brings them back
        if row.reached.get(ENGINE):
            raise UnfinishedError("the engine has not forgotten every conversation yet")
        imports = [uuid.UUID(waits) for waits in row.reached.get(IMPORTS, ())]
        if crypto.keys_of(session, imports):
            raise UnfinishedError("the file of an import that was under way is not destroyed yet")
        row.reached = {place: count for place, count in row.reached.items() if place not in (ENGINE, IMPORTS)}
        row.erased_at = clock.now()


def check_erasable(session: Session, member_id: uuid.UUID) -> None:
    """Refuse somebody who still has a role in the console. Errors: ErasureError."""
    rows = session.scalars(
        select(Grant.role)
        .join(Account, Account.id == Grant.account_id)
        .where(
            Account.member_id == member_id,
            Grant.role != Role.MEMBER.value,
            living(),
        )
        .distinct()
    ).all()
    if rows:
        names = ", ".join(ROLE_NAMES[Role(role)] for role in sorted(rows))
        raise ErasureError(f"Người này còn giữ vai trò {names}. Xin thu hồi vai trò rồi mới xóa.")


def _erase(
    session: Session,
    subject: uuid.UUID,
    *,
    receipt: str,
    requested_at: datetime,
    unit_id: int | None,
    actor: Actor,
) -> None:
    accounts = session.scalars(select(Account.id).where(Account.member_id == subject)).all()
    conversations = _conversations(session, accounts)
    begun = importing.end_waiting(session)
    photographed = sign_ups.erase_member(session, subject, why="member_erased")
    reached: dict[str, Any] = _erase_imports(session, subject) | _erase_rows(session, subject, accounts, unit_id)
    reached |= forgetting.forget(session, conversations, subject=subject)
    reached["data_key"] = sum(crypto.destroy_key(session, owner) for owner in (subject, *accounts))
    reached["engine"] = len(conversations)
    reached["sign_up"] = photographed
    waiting = {ENGINE: [str(conversation) for conversation in conversations], IMPORTS: [str(found) for found in begun]}
    row = session.get(Erasure, subject) or Erasure(subject=subject, receipt=receipt, requested_at=requested_at)
    row.reached, row.erased_at = reached | waiting, None
    session.add(row)
    audit.record(
        session,
        "member.erased",
        actor_id=actor.account_id,
        object_type="member",
        object_id=subject,
        unit_id=unit_id,
        subject=subject,
        details={"receipt": receipt, "reached": reached},
    )
    jobs.defer(session, FINISH, queue="deliver", once=f"{FINISH}:{subject}", subject=str(subject))


def _conversations(session: Session, accounts: Collection[uuid.UUID]) -> Sequence[uuid.UUID]:
    """The conversations in which the person ever was signed in."""
    return session.scalars(
        select(Conversation.id)
        .join(SignIn, SignIn.conversation_id == Conversation.id)
        .where(SignIn.account_id.in_(accounts))
        .distinct()
    ).all()


def _erase_imports(session: Session, subject: uuid.UUID) -> dict[str, int]:
    """The keys of imports that have ended, and with them their files; the person may be in any of them."""
    name = fold(session.scalar(select(Member.name).where(Member.id == subject)) or "").replace(" ", "")
    touched = session.scalars(
        select(RegisterImport)
        .join(ImportChange, ImportChange.import_id == RegisterImport.id)
        .where(ImportChange.member_id == subject)
    )
    for row in touched:
        if name and name in "".join(letter for letter in fold(row.file_name) if letter.isalnum()):
            row.file_name = _ERASED_FILE_NAME
    ended = session.scalars(_imports_with_key().where(RegisterImport.state.in_(_IMPORT_ENDED))).all()
    return {"import_key": sum(crypto.destroy_key(session, import_id) for import_id in ended)}


def _imports_with_key() -> Select[uuid.UUID]:
    return select(RegisterImport.id).where(exists().where(crypto.DataKey.owner == RegisterImport.id))


def _erase_rows(
    session: Session, subject: uuid.UUID, accounts: Sequence[uuid.UUID], unit_id: int | None
) -> dict[str, int]:
    """The rows of the person, place by place (foreign keys would take most of them along, uncounted)."""
    own = DataRequest.member_id == subject
    session.execute(update(DataRequest).where(own).values(sealed=None, message_key=None, answer=None, unit_id=unit_id))
    session.execute(
        update(DataRequest).where(own, DataRequest.closed_at.is_(None)).values(state="cancelled", closed_at=clock.now())
    )
    kept = session.scalar(select(func.count()).select_from(DataRequest).where(own))
    reached = {"data_request": kept or 0}
    places: tuple[tuple[type[Base], ColumnElement[bool]], ...] = (
        (ImportChange, ImportChange.member_id == subject),
        (OneTimeCode, OneTimeCode.member_id == subject),
        (ConsentEvent, ConsentEvent.member_id == subject),
        (SignIn, SignIn.account_id.in_(accounts)),
        (Grant, Grant.account_id.in_(accounts)),
        (Account, Account.id.in_(accounts)),
        (Member, Member.id == subject),
    )
    for table, condition in places:
        count = session.scalar(select(func.count()).select_from(table).where(condition))
        session.execute(delete(table).where(condition))
        reached[table.__tablename__] = count or 0
    return reached
