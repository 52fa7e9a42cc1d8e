"""Requests about personal data as those who answer them see them: list, clock, completing, refusing."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from core import clock
from members import asking, erasure, particulars, register
from members.access import (
    Actor,
    NotVisibleError,
    Permission,
    access_request,
    handled_in,
    require_somewhere,
    scope_requests,
)
from members.asking import BY_A_PERSON, CORRECTABLE, Receipt, RequestError
from members.models import DataRequest, Member, Unit
from members.register import Profile

PAGE_SIZE = 50
LAST_PAGE = 200
LONGEST_ANSWER = 1000

CONFIRMATION = "XÓA"
"""The word that whoever erases a person types."""

GROUNDS = {
    "register": "Tổ chức phải giữ danh sách theo quy định về quản lý thành viên khi người đó còn sinh hoạt.",
    "authority": "Cơ quan có thẩm quyền yêu cầu bằng văn bản phải giữ dữ liệu này.",
    "dispute": "Dữ liệu cần cho việc giải quyết khiếu nại, tố cáo, kỷ luật hoặc tranh chấp đang tiến hành.",
    "other": "Lý do khác theo luật, nêu dưới đây.",
}
"""Why an erasure may be refused: key → words for the person."""


@dataclass(frozen=True)
class RequestLine:
    """A request in the list; without the name: that is shown to whoever opens it."""

    id: int
    receipt: str
    kind: str
    state: str
    channel: str
    unit_name: str | None
    created_at: datetime
    due_at: datetime
    closed_at: datetime | None

    @property
    def overdue(self) -> bool:
        """Whether it should have been answered by now."""
        return self.closed_at is None and clock.now() > self.due_at


@dataclass(frozen=True)
class RequestPage:
    """A page of the list; pages begin with 1."""

    lines: tuple[RequestLine, ...]
    total: int
    page: int
    pages: int


@dataclass(frozen=True)
class RequestCounts:
    """How many requests wait, and how many of those are overdue."""

    open: int
    overdue: int


@dataclass(frozen=True)
class Wish:
    """One field of a correction: what the register says, what the person says."""

    field: str
    label: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class RequestView:
    """A request with what is needed to answer it; ``person`` is None once the person is erased."""

    line: RequestLine
    person: Profile | None
    wishes: tuple[Wish, ...]
    reason: str | None
    seen: str
    """Stands for the wishes that were shown; ``complete`` applies these and no others."""
    answer: str | None


def list_requests(
    session: Session, actor: Actor, *, open_only: bool = False, kind: str | None = None, page: int = 1
) -> RequestPage:
    """The requests that *actor* handles: open ones first, by their clock; then the closed ones, latest first.

    Errors: NotVisibleError (handles none anywhere).
    """
    require_somewhere(actor, Permission.HANDLE_REQUESTS)
    statement = scope_requests(select(DataRequest), actor)
    if open_only:
        statement = statement.where(DataRequest.closed_at.is_(None))
    if kind in asking.KINDS:
        statement = statement.where(DataRequest.kind == kind)
    total = session.scalar(select(func.count()).select_from(statement.subquery())) or 0
    pages = max(1, min(LAST_PAGE, -(-total // PAGE_SIZE)))
    page = min(max(page, 1), pages)
    closed = DataRequest.closed_at
    order = (closed.is_not(None), case((closed.is_(None), DataRequest.due_at)), closed.desc(), DataRequest.id)
    rows = session.scalars(statement.order_by(*order).limit(PAGE_SIZE).offset((page - 1) * PAGE_SIZE)).all()
    names = _unit_names(session, [row.id for row in rows])
    return RequestPage(tuple(_line(row, names.get(row.id)) for row in rows), total, page, pages)


def _unit_names(session: Session, request_ids: Sequence[int]) -> dict[int, str]:
    """Request → the unit that handles it."""
    named = session.execute(
        select(DataRequest.id, Unit.name).join(Unit, Unit.id == handled_in()).where(DataRequest.id.in_(request_ids))
    )
    return {row.id: row.name for row in named}


def _line(row: DataRequest, unit_name: str | None) -> RequestLine:
    return RequestLine(
        row.id, row.receipt, row.kind, row.state, row.channel, unit_name, row.created_at, row.due_at, row.closed_at
    )


def counts(session: Session, actor: Actor) -> RequestCounts:
    """How many requests wait for *actor*; zeros for somebody who handles none."""
    if not actor.may(Permission.HANDLE_REQUESTS):
        return RequestCounts(0, 0)
    waiting = scope_requests(select(DataRequest.due_at).where(DataRequest.closed_at.is_(None)), actor).subquery()
    total, late = session.execute(
        select(func.count(), func.count().filter(waiting.c.due_at < clock.now())).select_from(waiting)
    ).one()
    return RequestCounts(total, late)


def find(session: Session, actor: Actor, receipt: str) -> int:
    """The id of the request with *receipt*. Errors: NotVisibleError."""
    found = session.scalar(scope_requests(select(DataRequest.id).where(DataRequest.receipt == receipt), actor))
    if found is None:
        raise NotVisibleError
    return found


def view_request(session: Session, actor: Actor, request_id: int) -> RequestView:
    """A request with the person it is about; the look is audited. Errors: NotVisibleError."""
    row = access_request(session, actor, request_id)
    unit_name = _unit_names(session, [row.id]).get(row.id)
    member = session.get(Member, row.member_id) if row.member_id is not None else None
    if member is None:
        return RequestView(_line(row, unit_name), None, (), None, "", row.answer)
    person = register.profile_of(session, member)
    wanted = asking.wishes(session, row)
    shown = tuple(
        Wish(field, CORRECTABLE[field], _shown(field, _value_of(person, field)), _shown(field, value))
        for field, value in wanted.items()
        if field != "reason"
    )
    asking.note(session, "request.viewed", row, member, actor)
    return RequestView(_line(row, unit_name), person, shown, wanted.get("reason"), _seen(wanted), row.answer)


def _value_of(person: Profile, field: str) -> Any:  # noqa: ANN401 - a text, a day or nothing
    return getattr(person if field in ("name", "position", "status") else person.private, field)


def _shown(field: str, value: Any) -> str | None:  # noqa: ANN401 - a text, a day or nothing
    """A value of the register as people read it."""
    if value is None:
        return None
    if field in particulars.DATES:
        year, month, day = str(value).split("-")
        return f"{day}/{month}/{year}"
    return particulars.STATUS_NAMES[value] if field == "status" else str(value)


def _seen(wanted: dict[str, str | None]) -> str:
    return hashlib.sha256(repr(sorted(wanted.items())).encode()).hexdigest()[:32] if wanted else ""


def _to_close(session: Session, actor: Actor, request_id: int) -> tuple[DataRequest, Member]:
    """The request, locked, with its person. Errors: NotVisibleError, RequestError."""
    row = access_request(session, actor, request_id)
    member = session.get(Member, row.member_id, with_for_update=True) if row.member_id is not None else None
    session.refresh(row, with_for_update=True)
    if row.closed_at is not None or member is None:
        raise RequestError("Yêu cầu này đã được giải quyết rồi.")
    if row.kind not in BY_A_PERSON:
        raise RequestError("Yêu cầu này không cần người giải quyết.")
    return row, member


def complete(
    session: Session,
    actor: Actor,
    request_id: int,
    *,
    seen: str = "",
    version: int = 0,
    word: str = "",
) -> Receipt:
    """Do what the person asked for, and tell them.

    Args:
        seen, version: of a correction: the wishes that were shown (``RequestView.seen``) and the version of the record
            beside them.
        word: of an erasure: ``CONFIRMATION``, typed.

    Errors: NotVisibleError, RequestError, RegisterError (a value cannot be in the register), ErasureError.
    """
    row, member = _to_close(session, actor, request_id)
    if row.kind == "erasure":
        if unicodedata.normalize("NFC", word).strip().upper() != CONFIRMATION:
            raise RequestError(f"Xin gõ chữ {CONFIRMATION} để xác nhận.")
        erasure.check_erasable(session, member.id)  # before anything changes
        _close(session, actor, row, member, "done", "request.completed")
        receipt = Receipt(row.receipt, row.kind, row.created_at, row.due_at, "done")
        erasure.erase(session, member.id, request_id=row.id, actor=actor)
        return receipt
    wanted = asking.wishes(session, row)
    if seen != _seen(wanted):
        raise RequestError("Người đó vừa bổ sung yêu cầu. Xin đọc lại rồi làm tiếp.")
    values: Any = {field: value for field, value in wanted.items() if field != "reason"}
    if values:
        for field in particulars.DATES:
            if values.get(field) is not None:
                values[field] = date.fromisoformat(values[field])
        register.change(session, actor, member.id, version=version, **values)
    _close(session, actor, row, member, "done", "request.completed", personal=wanted)
    asking.tell(session, row, f"Yêu cầu {row.receipt} (sửa dữ liệu) đã làm xong. Xin xem “hồ sơ của tôi” để kiểm tra.")
    return Receipt(row.receipt, row.kind, row.created_at, row.due_at, row.state)


def refuse(session: Session, actor: Actor, request_id: int, *, answer: str, ground: str | None = None) -> Receipt:
    """Refuse with words for the person, who is told; an erasure also needs a *ground* in law (key of ``GROUNDS``).

    Errors: NotVisibleError, RequestError.
    """
    row, member = _to_close(session, actor, request_id)
    answer = " ".join(answer.split())
    if not answer:
        raise RequestError("Xin viết lý do để người đó hiểu.")
    if len(answer) > LONGEST_ANSWER:
        raise RequestError(f"Lý do dài quá {LONGEST_ANSWER} ký tự. Xin viết ngắn hơn.")
    if row.kind == "erasure":
        if ground not in GROUNDS:
            raise RequestError("Xin chọn căn cứ theo luật để từ chối xóa dữ liệu.")
        answer = f"{GROUNDS[ground]} {answer}" if ground != "other" else answer
    else:
        ground = None
    row.answer = answer
    _close(session, actor, row, member, "refused", "request.refused", ground=ground)
    kind = asking.KINDS[row.kind].lower()
    asking.tell(
        session,
        row,
        f"Yêu cầu {row.receipt} ({kind}) không thực hiện được. Lý do: {answer}\n\n"
        "Nếu chưa đồng ý, xin gặp bí thư chi bộ hoặc khiếu nại với tổ chức.",
    )
    return Receipt(row.receipt, row.kind, row.created_at, row.due_at, row.state)


def _close(
    session: Session,
    actor: Actor,
    row: DataRequest,
    member: Member,
    state: str,
    action: str,
    *,
    personal: dict[str, str | None] | None = None,
    ground: str | None = None,
) -> None:
    row.state, row.closed_at = state, clock.now()
    session.flush()
    details = {"ground": ground} if ground is not None else {}
    asking.note(session, action, row, member, actor, personal=personal or None, **details)
