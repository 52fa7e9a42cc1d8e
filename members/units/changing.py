"""Changing the tree: every change has its history and its entry in the audit log.

Changes are made one after another (an advisory lock held to the end of the unit of work), so two moves at once cannot
make a cycle or leave a path that leads nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from core import audit, clock
from core.locks import Lock, hold
from members.access import Actor, NotVisibleError, Permission, scope_units
from members.models import Member, Unit, UnitChange
from members.names import clean, name_key, sort_key
from members.units.reading import UnitLine, below

_CODE = re.compile(r"[^\W_][\w.\-]*")
_NUMBER = re.compile(r"\d+")

NAME_LENGTH, CODE_LENGTH, KIND_LENGTH, REASON_LENGTH = 200, 40, 60, 500


class UnitError(ValueError):
    """A change of the tree that cannot be made; the message tells the person why and what to do."""


class ClosedUnitError(UnitError):
    """The unit has been closed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"“{name}” đã kết thúc hoạt động. Xin chọn đơn vị khác, hoặc mở lại đơn vị này trước.")


def unit_sort_key(name: str) -> str:
    """The key of a unit's name in lists: Vietnamese order, numbers by their value ("Chi bộ 2" before "Chi bộ 10")."""
    return sort_key(_NUMBER.sub(lambda found: found.group().zfill(6), name))


def create(
    session: Session,
    actor: Actor,
    *,
    parent_id: int | None,
    name: str,
    code: str | None = None,
    kind: str,
    deployed: bool = True,
    position: int = 0,
) -> UnitLine:
    """Add a unit below *parent_id*; a root (None) only from the command line of the installation.

    Without a *code* one is made from the name. Errors: UnitError, ClosedUnitError, NotVisibleError.
    """
    hold(session, Lock.TREE)
    name, kind = _line(name, "Tên đơn vị", NAME_LENGTH), _line(kind, "Loại đơn vị", KIND_LENGTH)
    parent = _parent(session, actor, parent_id)
    _check_sibling(session, parent_id, name, except_id=None)
    code = _given_code(session, code, except_id=None) if code and code.strip() else _code_from(session, name)
    new_id = session.scalars(select(func.nextval(func.pg_get_serial_sequence("unit", "id")))).one()
    unit = Unit(
        id=new_id,
        parent_id=parent_id,
        path=f"{parent.path if parent else '/'}{new_id}/",
        depth=parent.depth + 1 if parent else 0,
        code=code,
        name=name,
        name_key=name_key(name),
        sort_key=unit_sort_key(name),
        kind=kind,
        position=_position(position),
        deployed=deployed,
        closed_on=None,
        created_at=clock.now(),
    )
    session.add(unit)
    session.flush()
    after = {"name": name, "code": code, "kind": kind, "deployed": deployed, "parent": parent.name if parent else None}
    _note(session, actor, unit, "created", "unit.created", {}, after, None)
    return UnitLine(
        id=unit.id,
        parent_id=parent_id,
        name=name,
        code=code,
        kind=kind,
        path=unit.path,
        depth=unit.depth,
        deployed=deployed,
        members=0,
    )


def move(session: Session, actor: Actor, unit_id: int, *, parent_id: int | None, reason: str | None = None) -> None:
    """Put a unit with its whole subtree below another one. The actor edits the old and the new parent.

    Only the installation itself makes a unit a root (None). Errors: UnitError, ClosedUnitError, NotVisibleError.
    """
    reason = _reason(reason)
    hold(session, Lock.TREE)
    unit = _editable(session, actor, unit_id)
    before = _parent(session, actor, unit.parent_id, open_only=False)
    parent = _parent(session, actor, parent_id)
    if unit.closed_on is not None:
        raise ClosedUnitError(unit.name)
    if parent is not None and parent.path.startswith(unit.path):
        raise UnitError("Không thể chuyển một đơn vị vào chính nó hoặc vào đơn vị trực thuộc nó. Xin chọn nơi khác.")
    if parent_id == unit.parent_id:
        raise UnitError("Đơn vị đang ở đúng nơi này rồi. Xin chọn nơi khác.")
    _check_sibling(session, parent_id, unit.name, except_id=unit_id)
    old_path, new_path = unit.path, f"{parent.path if parent else '/'}{unit_id}/"
    shift = (parent.depth + 1 if parent else 0) - unit.depth
    session.flush()
    session.execute(
        update(Unit)
        .where(below(old_path))
        .values(path=new_path + func.substr(Unit.path, len(old_path) + 1), depth=Unit.depth + shift)
        .execution_options(synchronize_session=False)
    )
    for known in list(session.identity_map.values()):
        if isinstance(known, Unit):
            session.expire(known)  # its path may be the old one
    unit.parent_id = parent_id
    session.flush()
    _note(
        session,
        actor,
        unit,
        "moved",
        "unit.moved",
        {"parent_id": before.id if before else None, "parent": before.name if before else None},
        {"parent_id": parent_id, "parent": parent.name if parent else None},
        reason,
    )


def rename(
    session: Session,
    actor: Actor,
    unit_id: int,
    *,
    name: str,
    code: str | None = None,
    kind: str | None = None,
    position: int | None = None,
    reason: str | None = None,
) -> None:
    """Give a unit another name; with *code*, *kind*, *position* (order among its siblings) those too.

    What is None or empty stays. Errors: UnitError, ClosedUnitError, NotVisibleError.
    """
    reason = _reason(reason)
    hold(session, Lock.TREE)
    unit = _editable(session, actor, unit_id)
    if unit.closed_on is not None:
        raise ClosedUnitError(unit.name)
    values: dict[str, Any] = {"name": _line(name, "Tên đơn vị", NAME_LENGTH)}
    if kind and kind.strip():
        values["kind"] = _line(kind, "Loại đơn vị", KIND_LENGTH)
    if code and code.strip():
        values["code"] = _given_code(session, code, except_id=unit_id)
    if position is not None:
        values["position"] = _position(position)
    changed = {field: value for field, value in values.items() if getattr(unit, field) != value}
    if not changed:
        return
    before = {field: getattr(unit, field) for field in changed}
    if "name" in changed:
        _check_sibling(session, unit.parent_id, changed["name"], except_id=unit_id)
        unit.name_key, unit.sort_key = name_key(changed["name"]), unit_sort_key(changed["name"])
    for field, value in changed.items():
        setattr(unit, field, value)
    session.flush()
    _note(session, actor, unit, "renamed", "unit.renamed", before, changed, reason)


def set_deployed(session: Session, actor: Actor, unit_id: int, *, deployed: bool, reason: str | None = None) -> None:
    """Say whether the service has been introduced in the unit. Errors: ClosedUnitError, NotVisibleError."""
    reason = _reason(reason)
    hold(session, Lock.TREE)
    unit = _editable(session, actor, unit_id)
    if unit.closed_on is not None:
        raise ClosedUnitError(unit.name)
    if unit.deployed == deployed:
        return
    unit.deployed = deployed
    session.flush()
    _note(
        session,
        actor,
        unit,
        "deployment",
        "unit.deployment_changed",
        {"deployed": not deployed},
        {"deployed": deployed},
        reason,
    )


def close(session: Session, actor: Actor, unit_id: int, *, reason: str | None = None) -> None:
    """Close a unit that was dissolved or merged; it must have no members and no open units below it.

    Errors: UnitError, ClosedUnitError, NotVisibleError.
    """
    reason = _reason(reason)
    hold(session, Lock.TREE)
    unit = _editable(session, actor, unit_id, for_update=True)
    if unit.closed_on is not None:
        raise ClosedUnitError(unit.name)
    below_it = _count(session, select(Unit.id).where(Unit.parent_id == unit_id, Unit.closed_on.is_(None)))
    if below_it:
        raise UnitError(f"Còn {below_it} đơn vị trực thuộc. Xin chuyển hoặc đóng các đơn vị đó trước.")
    members = _count(session, select(Member.id).where(Member.unit_id == unit_id))
    if members:
        raise UnitError(f"Còn {members} người trong đơn vị. Xin chuyển họ sang đơn vị khác trước.")
    _set_closed(session, actor, unit, clock.today(), reason)


def reopen(session: Session, actor: Actor, unit_id: int, *, reason: str | None = None) -> None:
    """Undo a closing. Errors: UnitError (not closed, the name is taken), ClosedUnitError (parent), NotVisibleError."""
    reason = _reason(reason)
    hold(session, Lock.TREE)
    unit = _editable(session, actor, unit_id)
    if unit.closed_on is None:
        raise UnitError("Đơn vị này đang hoạt động.")
    if unit.parent_id is not None:
        parent = session.get_one(Unit, unit.parent_id, populate_existing=True)
        if parent.closed_on is not None:
            raise ClosedUnitError(parent.name)
    _check_sibling(session, unit.parent_id, unit.name, except_id=unit_id)
    _set_closed(session, actor, unit, None, reason)


def _set_closed(session: Session, actor: Actor, unit: Unit, closed_on: date | None, reason: str | None) -> None:
    before = {"closed_on": unit.closed_on.isoformat() if unit.closed_on else None}
    unit.closed_on = closed_on
    session.flush()
    kind = "closed" if closed_on else "reopened"
    after = {"closed_on": closed_on.isoformat() if closed_on else None}
    _note(session, actor, unit, kind, f"unit.{kind}", before, after, reason)


def _editable(session: Session, actor: Actor, unit_id: int, *, for_update: bool = False) -> Unit:
    """The unit as it is now that the lock is held."""
    statement = scope_units(select(Unit).where(Unit.id == unit_id), actor, Permission.EDIT_UNITS)
    if for_update:
        statement = statement.with_for_update()
    unit = session.scalars(statement.execution_options(populate_existing=True)).one_or_none()
    if unit is None:
        raise NotVisibleError
    return unit


def _parent(session: Session, actor: Actor, parent_id: int | None, *, open_only: bool = True) -> Unit | None:
    """The unit below which something is put or taken away. Roots are the installation's own business."""
    if parent_id is None:
        if not actor.is_system:
            raise NotVisibleError
        return None
    parent = _editable(session, actor, parent_id)
    if open_only and parent.closed_on is not None:
        raise ClosedUnitError(parent.name)
    return parent


def _count(session: Session, statement: Select[Any]) -> int:
    return session.scalar(select(func.count()).select_from(statement.subquery())) or 0


def _check_sibling(session: Session, parent_id: int | None, name: str, *, except_id: int | None) -> None:
    beside = Unit.parent_id.is_(None) if parent_id is None else Unit.parent_id == parent_id
    taken = select(Unit.id).where(beside, Unit.name_key == name_key(name), Unit.closed_on.is_(None))
    if any(id_ != except_id for id_ in session.scalars(taken)):
        raise UnitError(f"Ở đây đã có đơn vị tên “{name}”. Xin đặt tên khác.")


def _given_code(session: Session, code: str, *, except_id: int | None) -> str:
    cleaned = clean(code).upper()
    if len(cleaned) > CODE_LENGTH or not _CODE.fullmatch(cleaned):
        raise UnitError(f"Mã đơn vị chỉ gồm chữ, số, dấu chấm, gạch nối, gạch dưới, tối đa {CODE_LENGTH} ký tự.")
    if any(id_ != except_id for id_ in session.scalars(select(Unit.id).where(Unit.code == cleaned))):
        raise UnitError("Mã này đã dùng cho đơn vị khác. Xin chọn mã khác.")
    return cleaned


def _code_from(session: Session, name: str) -> str:
    """The initials and numbers of *name* ("Chi bộ 2" gives CB2), made unique by a number at its end ("CB2-3")."""
    words = re.findall(r"[^\W_]+", name_key(name))
    base = "".join(word if word[0].isdigit() else word[0] for word in words).upper()[: CODE_LENGTH - 8] or "DV"
    taken = set(session.scalars(select(Unit.code).where(Unit.code.startswith(base, autoescape=True))))
    if base not in taken:
        return base
    number = 2
    while f"{base}-{number}" in taken:
        number += 1
    return f"{base}-{number}"


def _line(value: str, what: str, longest: int) -> str:
    cleaned = clean(value)
    if not cleaned:
        raise UnitError(f"{what} không được để trống.")
    if len(cleaned) > longest or not cleaned.isprintable():
        raise UnitError(f"{what} tối đa {longest} ký tự, không có ký tự lạ.")
    return cleaned


def _reason(value: str | None) -> str | None:
    """Checked before anything is changed: a caller may catch the error and still commit."""
    return _line(value, "Lý do", REASON_LENGTH) if value and value.strip() else None


def _position(value: int) -> int:
    if not 0 <= value <= 99_999:
        raise UnitError("Thứ tự là một số từ 0 đến 99999.")
    return value


def _note(
    session: Session,
    actor: Actor,
    unit: Unit,
    kind: str,
    action: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    reason: str | None,
) -> None:
    """Write the change into the unit's history and into the audit log."""
    session.add(
        UnitChange(
            unit_id=unit.id,
            kind=kind,
            before=dict(before),
            after=dict(after),
            reason=reason,
            changed_at=clock.now(),
            changed_by=actor.account_id,
        )
    )
    session.flush()
    audit.record(
        session,
        action,
        actor_id=actor.account_id,
        object_type="unit",
        object_id=unit.id,
        unit_id=unit.id,
        details={"before": dict(before), "after": dict(after)},
    )
