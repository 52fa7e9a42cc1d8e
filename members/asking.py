"""Requests about one's own data as the person sees them: made, receipted, answered. See ``members.requests``."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.text import fold
from members import consent, particulars, receipts
from members.access import Actor, NotVisibleError, Permission, access_member
from members.models import Account, DataRequest, Erasure, Member, SignIn
from members.working_days import due
from messaging import outbox
from messaging.reply import Reply

KINDS = {
    "access": "Xem dữ liệu",
    "export": "Tải dữ liệu",
    "correction": "Sửa dữ liệu",
    "erasure": "Xóa dữ liệu",
    "withdrawal": "Rút lại đồng ý",
}
"""Kind → what people call it."""

STATES = {"received": "Đang chờ", "done": "Đã làm xong", "refused": "Đã từ chối", "cancelled": "Đã hủy"}
BY_A_PERSON = frozenset({"correction", "erasure"})
"""Kinds that wait for somebody of the console."""
ON_BEHALF = ("correction", "erasure", "withdrawal")
"""Kinds that somebody of the console may enter for a person."""

CORRECTABLE = {
    field: particulars.FIELD_NAMES[field] for field in ("name", "position", "status", *particulars.PRIVATE_FIELDS)
}
"""Field of the register → what people call it: what a correction may name. Units are changed by a transfer."""

LONGEST_VALUE = 300
LONGEST_REASON = 1000
SEAL_CONTEXT = "data_request"


class RequestError(ValueError):
    """A request that cannot be taken or handled; the message says what to do, in Vietnamese."""


@dataclass(frozen=True)
class Receipt:
    """What a person gets at once. ``state`` is one of ``STATES``."""

    receipt: str
    kind: str
    created_at: datetime
    due_at: datetime
    state: str = "received"


@dataclass(frozen=True)
class OwnRequest:
    """A request as the person sees it."""

    receipt: str
    kind: str
    state: str
    created_at: datetime
    due_at: datetime
    closed_at: datetime | None
    answer: str | None
    wanted: dict[str, str | None]
    """Of a correction: field → new value (None: to be removed), dates as ``YYYY-MM-DD``."""
    reason: str | None


@dataclass(frozen=True)
class ReceiptState:
    """What the receipt alone tells: nothing about whose it is. ``finishing``: erased here, not yet everywhere."""

    receipt: str
    kind: str
    state: str
    created_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    erased_at: datetime | None
    finishing: bool


def open_request(
    session: Session,
    actor: Actor,
    *,
    kind: str,
    channel: str,
    message_key: str | None = None,
    wanted: Mapping[str, Any] | None = None,
) -> Receipt:
    """Take a request of the actor about the own data and carry it out if no person is needed for it.

    Args:
        message_key: names the chat message it came by ("<conversation> <message id>"); the same message is one request.
        wanted: of a correction: new values by field of ``CORRECTABLE`` and ``reason``. While a correction is open,
            another one adds to it.

    A second request of a kind that is open returns the first one's receipt.

    Errors: NotVisibleError (the actor is no member), RequestError.
    """
    if actor.member_id is None:
        raise NotVisibleError
    return _open(session, actor, actor.member_id, kind=kind, channel=channel, message_key=message_key, wanted=wanted)


def open_on_behalf(
    session: Session, actor: Actor, member_id: uuid.UUID, *, kind: str, wanted: Mapping[str, Any] | None = None
) -> Receipt:
    """Enter a request that a person made on paper, by telephone or in the office; they may never have signed in.

    *actor* must handle requests in the person's unit. Errors: NotVisibleError, RequestError.
    """
    access_member(session, actor, member_id, Permission.HANDLE_REQUESTS)
    if kind not in ON_BEHALF:
        raise RequestError("Người đó tự xem hoặc tải dữ liệu sau khi đăng nhập; ở đây chỉ nhận sửa, xóa, rút lại.")
    return _open(session, actor, member_id, kind=kind, channel="console", message_key=None, wanted=wanted)


def _open(
    session: Session,
    actor: Actor,
    member_id: uuid.UUID,
    *,
    kind: str,
    channel: str,
    message_key: str | None,
    wanted: Mapping[str, Any] | None,
) -> Receipt:
    if kind not in KINDS:
        raise RequestError("Không có loại yêu cầu này.")
    if (kind == "correction") != bool(wanted):
        raise RequestError("Xin cho biết cần sửa mục nào, sửa thành gì.")
    values = _checked(wanted) if wanted else None
    # The member is locked: the same wish from two devices at a moment is one request.
    member = session.get(Member, member_id, with_for_update=True)
    if member is None:
        raise NotVisibleError
    hashed = _hashed(message_key)
    known = receipt_of_message(session, message_key) if message_key is not None else None
    if known is not None:
        return known
    waiting = session.scalars(
        select(DataRequest).where(
            DataRequest.member_id == member_id, DataRequest.kind == kind, DataRequest.closed_at.is_(None)
        )
    ).first()
    if waiting is not None:
        if values is not None:
            _add_wishes(session, actor, waiting, member, values)
        return _receipt(waiting)
    now = clock.now()
    row = DataRequest(
        receipt=receipts.new_receipt(),
        member_id=member_id,
        unit_id=member.unit_id,
        kind=kind,
        state="received",
        channel=channel,
        sealed=_seal(session, member_id, values) if values is not None else None,
        message_key=hashed,
        created_at=now,
        due_at=due(now),
    )
    session.add(row)
    session.flush()
    note(session, "request.received", row, member, actor, personal=values)
    if kind not in BY_A_PERSON:
        if kind == "withdrawal":
            consent.withdraw(session, member_id, purpose=consent.ACCOUNT, channel=channel)
        row.state, row.closed_at = "done", now
        session.flush()
    return _receipt(row)


def _add_wishes(
    session: Session, actor: Actor, row: DataRequest, member: Member, values: dict[str, str | None]
) -> None:
    """Add to a correction that waits; the later wish counts, reasons are kept. Its clock runs from the first one."""
    before = wishes(session, row)
    reasons = [words for words in (before.get("reason"), values.get("reason")) if words]
    merged = {**before, **values}
    if reasons:
        merged["reason"] = "\n".join(dict.fromkeys(reasons))
    row.sealed = _seal(session, member.id, merged)
    session.flush()
    note(session, "request.extended", row, member, actor, personal=values)


def _checked(wanted: Mapping[str, Any]) -> dict[str, str | None]:
    """The wishes as they are stored: stripped texts, dates as ``YYYY-MM-DD``, None for what is to be removed."""
    values: dict[str, str | None] = {}
    for field, value in wanted.items():
        if field == "reason":
            reason = " ".join(str(value or "").split())
            if len(reason) > LONGEST_REASON:
                raise RequestError(f"Lý do dài quá {LONGEST_REASON} ký tự. Xin viết ngắn hơn.")
            if reason:
                values["reason"] = reason
        elif field in CORRECTABLE:
            values[field] = _value(field, value)
        else:
            raise RequestError("Mục này không sửa bằng cách này. Xin gặp bí thư chi bộ.")
    if not values:
        raise RequestError("Xin cho biết cần sửa mục nào, sửa thành gì.")
    return values


def _value(field: str, value: Any) -> str | None:  # noqa: ANN401 - whatever a form or a chat gave
    label = CORRECTABLE[field]
    if isinstance(value, date):
        value = value.isoformat()
    text = " ".join(str(value or "").split())
    if len(text) > LONGEST_VALUE:
        raise RequestError(f"{label} dài quá {LONGEST_VALUE} ký tự. Xin viết ngắn hơn.")
    if not text:
        if field in ("name", "status"):
            raise RequestError(f"{label} không để trống được.")
        return None
    if field in particulars.DATES:
        for form in ("%Y-%m-%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y"):
            try:
                return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day, no moment
            except ValueError:
                continue
        raise RequestError(f"{label} cần có dạng ngày/tháng/năm, ví dụ 05/09/1965.")
    if field == "status":
        known = {fold(words): status for status, words in particulars.STATUS_NAMES.items()}
        text = known.get(fold(text), text)
        if text not in particulars.STATUS_NAMES:
            raise RequestError(f"{label}: xin ghi chính thức hoặc dự bị.")
    return text


def _seal(session: Session, member_id: uuid.UUID, values: Mapping[str, str | None]) -> bytes:
    content = json.dumps(dict(values), ensure_ascii=False, sort_keys=True).encode()
    return crypto.seal(session, member_id, content, context=SEAL_CONTEXT)


def wishes(session: Session, row: DataRequest) -> dict[str, str | None]:
    """What a correction asks for, ``reason`` included; empty when there is nothing (any more)."""
    if row.sealed is None or row.member_id is None:
        return {}
    found: dict[str, str | None] = json.loads(crypto.unseal(session, row.member_id, row.sealed, context=SEAL_CONTEXT))
    return found


def _hashed(message_key: str | None) -> str | None:
    return hashlib.sha256(message_key.encode()).hexdigest() if message_key is not None else None


def _receipt(row: DataRequest) -> Receipt:
    return Receipt(row.receipt, row.kind, row.created_at, row.due_at, row.state)


def note(
    session: Session,
    action: str,
    row: DataRequest,
    member: Member,
    actor: Actor,
    *,
    personal: Mapping[str, Any] | None = None,
    **details: str,
) -> None:
    """Enter what happened to the request *row* in the audit log."""
    audit.record(
        session,
        action,
        actor_id=actor.account_id,
        object_type="request",
        object_id=row.id,
        unit_id=member.unit_id,
        subject=member.id,
        details={"kind": row.kind, "receipt": row.receipt, "channel": row.channel, **details},
        personal=personal,
    )


def receipt_of_message(session: Session, message_key: str) -> Receipt | None:
    """The receipt that a chat message got before: a turn that is handled again says the same (also after a withdrawal)."""
    row = session.scalars(select(DataRequest).where(DataRequest.message_key == _hashed(message_key))).one_or_none()
    return _receipt(row) if row is not None else None


def own_requests(session: Session, actor: Actor) -> list[OwnRequest]:
    """The actor's own requests, the latest first. Errors: NotVisibleError (no member)."""
    if actor.member_id is None:
        raise NotVisibleError
    rows = session.scalars(
        select(DataRequest).where(DataRequest.member_id == actor.member_id).order_by(DataRequest.id.desc())
    )
    return [_own(row, wishes(session, row)) for row in rows]


def _own(row: DataRequest, wanted: Mapping[str, str | None]) -> OwnRequest:
    return OwnRequest(
        receipt=row.receipt,
        kind=row.kind,
        state=row.state,
        created_at=row.created_at,
        due_at=row.due_at,
        closed_at=row.closed_at,
        answer=row.answer,
        wanted={field: value for field, value in wanted.items() if field != "reason"},
        reason=wanted.get("reason"),
    )


def receipt_state(session: Session, receipt: str) -> ReceiptState | None:
    """What anybody who holds *receipt*, typed in any case, with or without hyphens, may know; None: no such receipt."""
    code = receipts.normalise(receipt)
    if code is None:
        return None
    row = session.scalars(select(DataRequest).where(DataRequest.receipt == code)).one_or_none()
    erasure = session.scalars(select(Erasure).where(Erasure.receipt == code)).one_or_none()
    if row is None and erasure is None:
        return None
    finishing = erasure is not None and erasure.erased_at is None
    erased_at = erasure.erased_at if erasure is not None else None
    if row is not None:
        return ReceiptState(code, row.kind, row.state, row.created_at, row.due_at, row.closed_at, erased_at, finishing)
    assert erasure is not None
    requested_at = erasure.requested_at
    return ReceiptState(code, "erasure", "done", requested_at, None, requested_at, erased_at, finishing)


def tell(session: Session, row: DataRequest, words: str) -> int:
    """Tell the person where they are signed in how the request ended; returns in how many conversations.

    *words* must not name anything personal: others may see the screen.
    """
    conversations: Sequence[uuid.UUID] = [
        conversation
        for conversation in session.scalars(
            select(SignIn.conversation_id)
            .join(Account, Account.id == SignIn.account_id)
            .where(
                Account.member_id == row.member_id,
                Account.disabled_at.is_(None),
                SignIn.kind == "member",
                SignIn.ended_at.is_(None),
                SignIn.expires_at > clock.now(),
            )
            .order_by(SignIn.created_at)
        )
        if conversation is not None
    ]
    for place, conversation in enumerate(conversations):
        origin = f"request:{row.id}" if place == 0 else f"request:{row.id}:{place}"
        outbox.send(session, conversation, [Reply(text=words)], origin=origin)
    return len(conversations)
