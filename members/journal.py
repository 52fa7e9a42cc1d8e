"""The audit log for those who read it: searched, put into words, one entry opened at a time.

It says who did what to whose data. What members ask in the chat is not in the log at all, so no search here shows it.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

from sqlalchemy import Select, exists, false, or_, select
from sqlalchemy.orm import Session

from core import audit, crypto
from core.audit import AuditEntry
from core.clock import VIETNAM
from core.text import fold
from members import listing
from members.access import (
    Actor,
    NotVisibleError,
    Permission,
    access_audit_entry,
    access_unit,
    require_somewhere,
    scope_audit,
    scope_members,
)
from members.models import Account, Grant, Member, Unit
from members.units.reading import below

SIZE = 50
LAST_ID = 2**63 - 1
NAMESAKES = 50
"""So many people may be meant by a name; more are not searched for."""

ACTIONS = {
    "access.refused": "mở một trang không thuộc phạm vi được giao và bị từ chối",
    "account.authenticator_renewed": "đổi ứng dụng xác thực của mình",
    "account.created": "tạo tài khoản",
    "account.credentials_reset": "cấp lại mật khẩu và mã xác thực",
    "account.disabled": "khóa tài khoản",
    "account.enabled": "mở khóa tài khoản",
    "account.oidc_linked": "nối tài khoản với hệ thống đăng nhập chung",
    "account.others_signed_out": "kết thúc các phiên khác của mình",
    "account.password_changed": "đổi mật khẩu của mình",
    "account.sign_in_refused": "đăng nhập không thành công",
    "account.signed_in": "đăng nhập trang quản trị",
    "account.signed_out": "đăng xuất",
    "account.token_reused": "dùng lại một phiên đăng nhập cũ và bị kết thúc phiên",
    "account.viewed": "xem tài khoản",
    "audit.viewed": "mở một dòng nhật ký",
    "backup.made": "sao lưu dữ liệu",
    "backup.restored": "phục hồi dữ liệu từ bản sao lưu",
    "code.issued": "cấp mã đăng nhập một lần",
    "code.redeemed": "đăng nhập bằng mã một lần",
    "code.refused": "nhập mã một lần không dùng được",
    "consent.given": "đồng ý cho xử lý dữ liệu",
    "consent.withdrawn": "rút lại đồng ý",
    "conversation.cleared": "xóa nội dung cuộc trò chuyện của mình",
    "conversation.forgotten": "xóa một cuộc trò chuyện không đăng nhập",
    "demo.persona_taken": "dùng thử bản mẫu với một vai",
    "document.published": "công bố văn bản",
    "document.uploaded": "tải văn bản lên",
    "document.withdrawn": "thu hồi văn bản",
    "grant.added": "giao vai trò",
    "grant.revoked": "thu hồi vai trò",
    "keys.retired": "xóa khóa chủ cũ",
    "keys.rotated": "đổi khóa chủ",
    "member.added": "thêm hồ sơ",
    "member.changed": "sửa hồ sơ",
    "member.erased": "xóa dữ liệu cá nhân",
    "member.exported": "xuất dữ liệu cá nhân của mình",
    "member.viewed": "xem hồ sơ",
    "members.exported": "xuất danh sách hội viên",
    "members.import_cancelled": "hủy một lần nhập danh sách",
    "members.import_confirmed": "quyết định nhập một danh sách",
    "members.import_started": "nộp một tệp danh sách",
    "members.import_undone": "hoàn tác một lần nhập danh sách",
    "members.imported": "nhập danh sách hội viên",
    "members.seeded": "tạo tổ chức giả để thử tải",
    "question.answered": "trả lời một câu hỏi mở",
    "request.completed": "giải quyết yêu cầu về dữ liệu",
    "request.extended": "bổ sung yêu cầu về dữ liệu",
    "request.forged": "gửi một biểu mẫu giả hoặc hết hạn và bị từ chối",
    "request.received": "gửi yêu cầu về dữ liệu",
    "request.refused": "từ chối yêu cầu về dữ liệu",
    "request.viewed": "xem yêu cầu về dữ liệu",
    "sign_up.accepted": "chấp nhận một đăng ký bằng ảnh",
    "sign_up.asked_again": "đề nghị chụp lại ảnh đăng ký",
    "sign_up.begun": "bắt đầu đăng ký bằng ảnh",
    "sign_up.confirmed_in_person": "xem thẻ, gặp trực tiếp và xác nhận",
    "sign_up.expired": "để một đăng ký bằng ảnh hết hạn",
    "sign_up.first_accepted": "đồng ý với một đăng ký bằng ảnh, chờ người thứ hai",
    "sign_up.holder_warned": "báo cho chủ tài khoản rằng thẻ được dùng lần nữa",
    "sign_up.member_chosen": "chọn người trong sổ cho một đăng ký bằng ảnh",
    "sign_up.number_named": "gõ đúng số của trang chụp ảnh vào cuộc trò chuyện",
    "sign_up.photos_erased": "xóa ảnh của một đăng ký",
    "sign_up.rejected": "từ chối một đăng ký bằng ảnh",
    "sign_up.revoked": "báo rằng người đã đăng ký không phải hội viên ấy và gỡ đăng ký",
    "sign_up.stopped": "dừng một đăng ký bằng ảnh",
    "sign_up.submitted": "chuyển một đăng ký bằng ảnh cho người xem",
    "sign_up.viewed": "xem một đăng ký bằng ảnh",
    "statistics.exported": "xuất số liệu đăng ký",
    "statistics.imported": "nhập báo cáo số liệu đăng ký",
    "statistics.removed": "bỏ báo cáo số liệu đăng ký",
    "unit.closed": "đóng đơn vị",
    "unit.created": "tạo đơn vị",
    "unit.deployment_changed": "đổi tình trạng triển khai của đơn vị",
    "unit.moved": "chuyển đơn vị trong cây tổ chức",
    "unit.reopened": "mở lại đơn vị",
    "unit.renamed": "đổi tên đơn vị",
}
"""Action → what somebody did, in words that follow "đã"."""

SYSTEM_NAME = "Hệ thống"
ABOUT_THEMSELVES = frozenset(
    {"member.exported", "code.redeemed", "consent.given", "consent.withdrawn", "conversation.cleared"}
)
"""Acts of the person concerned: naming them a second time says nothing."""


PersonalState = Literal["none", "readable", "withheld", "erased", "unreadable"]
"""Of an entry's personal values. ``withheld``: from somebody who may read the log, but not see the person."""


@dataclass(frozen=True)
class Search:
    """What is asked for; empty fields ask for nothing. Dates are days in Vietnam, both included."""

    action: str = ""
    actor_name: str = ""
    person: str = ""
    object_id: str = ""
    unit_id: int | None = None
    first_day: date | None = None
    last_day: date | None = None


@dataclass(frozen=True)
class Line:
    """An entry in words."""

    id: int
    at: datetime
    action: str
    sentence: str
    unit_name: str | None


@dataclass(frozen=True)
class JournalPage:
    """Newest first. Cursors are ids of entries."""

    lines: list[Line]
    first_cursor: int | None
    last_cursor: int | None
    has_previous: bool
    has_next: bool


@dataclass(frozen=True)
class EntryView(Line):
    """One entry with what it holds."""

    object_type: str = ""
    object_id: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    personal: dict[str, Any] | None = None
    personal_state: PersonalState = "none"
    hash: str = ""


def title(action: str) -> str:
    """The name of an action in a list: "Xem hồ sơ"."""
    words = ACTIONS.get(action, action)
    return words[:1].upper() + words[1:]


def search(
    session: Session, actor: Actor, wanted: Search, *, after: int | None = None, before: int | None = None
) -> JournalPage:
    """A page of what *actor* may read, newest first. *after*: older than this entry; *before*: newer.

    Errors: NotVisibleError (may read no log; the unit).
    """
    require_somewhere(actor, Permission.READ_AUDIT)
    statement = _matching(session, actor, wanted)
    if before is not None:
        statement = statement.where(AuditEntry.id > before).order_by(AuditEntry.id)
    else:
        statement = statement.order_by(AuditEntry.id.desc())
        if after is not None:
            statement = statement.where(AuditEntry.id < after)
    rows = list(session.scalars(statement.limit(SIZE + 1)))
    more, rows = len(rows) > SIZE, rows[:SIZE]
    if before is not None:
        rows.reverse()
    lines = _lines(session, actor, rows)
    return JournalPage(
        lines,
        first_cursor=lines[0].id if lines else None,
        last_cursor=lines[-1].id if lines else None,
        has_previous=more if before is not None else after is not None,
        has_next=more if before is None else True,
    )


def _matching(session: Session, actor: Actor, wanted: Search) -> Select[AuditEntry]:
    statement = scope_audit(select(AuditEntry), actor)
    if wanted.action:
        statement = statement.where(AuditEntry.action == wanted.action)
    if wanted.object_id:
        statement = statement.where(AuditEntry.object_id == wanted.object_id)
    if wanted.actor_name:
        meant = _staff_called(session, wanted.actor_name)
        system = fold(wanted.actor_name) in fold(SYSTEM_NAME)
        conditions = [AuditEntry.actor_id.in_(meant), AuditEntry.actor_id.is_(None) if system else false()]
        statement = statement.where(or_(*conditions))
    if wanted.person:
        statement = statement.where(AuditEntry.subject.in_(_people_called(session, actor, wanted.person)))
    if wanted.unit_id is not None:
        unit = access_unit(session, actor, wanted.unit_id, Permission.READ_AUDIT)
        inside = select(Unit.id).where(below(unit.path))
        statement = statement.where(AuditEntry.unit_id.in_(inside))
    if wanted.first_day is not None:
        statement = statement.where(AuditEntry.at >= _start_of(wanted.first_day))
    if wanted.last_day is not None and wanted.last_day < date.max:
        statement = statement.where(AuditEntry.at < _start_of(wanted.last_day + timedelta(days=1)))
    return statement


def _start_of(day: date) -> datetime:
    return datetime.combine(day, time.min, VIETNAM)


def _staff_called(session: Session, name: str) -> list[uuid.UUID]:
    """Accounts of the console by part of their name, with or without accents."""
    words = fold(name).split()
    staff = select(Account.id, Account.name).where(_is_staff())
    return [row.id for row in session.execute(staff) if all(word in fold(row.name) for word in words)]


def _is_staff() -> Any:  # noqa: ANN401 - a condition
    return or_(Account.email_key.is_not(None), exists().where(Grant.account_id == Account.id))


def _people_called(session: Session, actor: Actor, name: str) -> list[uuid.UUID]:
    """Members whom *actor* may see, by name, card number or citizen number."""
    if not actor.may(Permission.READ_MEMBERS):
        return []
    return [line.id for line in listing.list_members(session, actor, q=name, size=NAMESAKES).rows]


def _lines(session: Session, actor: Actor, entries: Collection[AuditEntry]) -> list[Line]:
    """In words, with three queries however many they are."""
    actors = _actor_names(session, actor, {entry.actor_id for entry in entries if entry.actor_id})
    people = _people_names(session, actor, {entry.subject for entry in entries if entry.subject})
    unit_ids = {entry.unit_id for entry in entries if entry.unit_id is not None}
    names = select(Unit.id, Unit.name).where(Unit.id.in_(unit_ids))
    units = {row.id: row.name for row in session.execute(names)} if unit_ids else {}
    return [
        Line(
            entry.id,
            entry.at,
            entry.action,
            _sentence(entry, actors, people),
            units.get(entry.unit_id) if entry.unit_id is not None else None,
        )
        for entry in entries
    ]


def _sentence(entry: AuditEntry, actors: dict[uuid.UUID, str], people: dict[uuid.UUID, str]) -> str:
    who = SYSTEM_NAME if entry.actor_id is None else actors.get(entry.actor_id, "Một tài khoản đã xóa")
    words = f"{who} đã {ACTIONS.get(entry.action, entry.action)}"
    person = people.get(entry.subject) if entry.subject else None
    return words if person is None or entry.action in ABOUT_THEMSELVES else f"{words} ({person})"


def _actor_names(session: Session, actor: Actor, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    """People of the console by name; a member by name only for those who may see the member."""
    wanted = list(ids)
    if not wanted:
        return {}
    rows = session.execute(
        select(Account.id, Account.name, Account.member_id, _is_staff().label("staff")).where(Account.id.in_(wanted))
    ).all()
    visible = _people_names(session, actor, {row.member_id for row in rows if row.member_id})
    return {row.id: row.name if row.staff else visible.get(row.member_id, "Một hội viên") for row in rows}


def _people_names(session: Session, actor: Actor, ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, str]:
    wanted = list(ids)
    if not wanted or not actor.may(Permission.READ_MEMBERS):
        return {}
    columns: tuple[Any, ...] = (Member.id, Member.name)
    statement: Select[Any] = scope_members(select(*columns).where(Member.id.in_(wanted)), actor)
    return {row.id: row.name for row in session.execute(statement)}


def view(session: Session, actor: Actor, entry_id: int) -> EntryView:
    """One entry with its personal values as far as their key exists; the look at it is an entry of its own.

    Errors: NotVisibleError.
    """
    if not 0 < entry_id <= LAST_ID:
        raise NotVisibleError
    entry = access_audit_entry(session, actor, entry_id)
    (line,) = _lines(session, actor, [entry])
    personal, state = _personal(session, actor, entry)
    audit.record(
        session,
        "audit.viewed",
        actor_id=actor.account_id,
        object_type="audit_entry",
        object_id=entry.id,
        unit_id=entry.unit_id,
        subject=entry.subject,
    )
    return EntryView(
        line.id, line.at, line.action, line.sentence, line.unit_name,
        object_type=entry.object_type, object_id=entry.object_id, details=entry.details,
        personal=personal, personal_state=state, hash=entry.hash.hex(),
    )  # fmt: skip


def _personal(session: Session, actor: Actor, entry: AuditEntry) -> tuple[dict[str, Any] | None, PersonalState]:
    """The values and what can be said of them; only for whoever may see the person where the person is now."""
    if entry.sealed is None:
        return None, "none"
    try:
        values = audit.personal_values(session, entry)
    except crypto.CryptoError:
        return None, "unreadable"
    if values is None:
        return None, "erased"
    known = {entry.subject} if entry.subject is not None else set()
    if not actor.may_everywhere(Permission.READ_MEMBERS) and not _people_names(session, actor, known):
        return None, "withheld"
    return values, "readable"
