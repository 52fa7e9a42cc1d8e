"""The register: the people of the organisation, one by one. Lists and files are in ``members.listing`` and ``members.importing``.

Name, unit, position and status are clear; everything else is sealed under the person's own key (``members.particulars``).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypedDict, Unpack

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from members import names, particulars
from members.access import Actor, Permission, access_member, access_own_record, access_unit
from members.listing import MemberLine, MemberPage, export_members, list_members
from members.models import Member, Unit
from members.particulars import (
    FIELD_NAMES,
    LONGEST,
    OFFICIAL,
    PRIVATE_FIELDS,
    PROBATIONARY,
    SEAL_CONTEXT,
    STATUS_NAMES,
    Private,
    RegisterError,
)
from members.units.reading import path_ids

__all__ = [
    "FIELD_NAMES",
    "OFFICIAL",
    "PROBATIONARY",
    "STATUS_NAMES",
    "Changes",
    "MemberLine",
    "MemberPage",
    "Private",
    "Profile",
    "RegisterError",
    "add",
    "change",
    "export_members",
    "list_members",
    "own_profile",
    "profile_of",
    "view",
]


@dataclass(frozen=True)
class Profile:
    """Everything the register says about a person."""

    id: uuid.UUID
    unit_id: int
    unit_name: str
    unit_names: tuple[str, ...]
    """From the root to the unit itself."""
    name: str
    position: str | None
    status: str
    exempt: bool
    private: Private
    registered: bool
    version: int


class Changes(TypedDict, total=False):
    """What ``change`` can change; what is not given stays."""

    unit_id: int
    name: str
    position: str | None
    status: str
    exempt: bool
    private: Private
    card_number: str | None
    citizen_number: str | None
    phone: str | None
    date_of_birth: date | None
    joined_on: date | None
    official_on: date | None
    home_town: str | None


def add(
    session: Session,
    actor: Actor,
    *,
    unit_id: int,
    name: str,
    position: str | None = None,
    status: str = OFFICIAL,
    exempt: bool = False,
    private: Private,
    same_person_is_another: bool = False,
) -> Member:
    """Enter a person. *same_person_is_another*: somebody checked that name and date of birth are those of two people.

    Errors: NotVisibleError (unit), RegisterError.
    """
    unit = _open_unit(session, actor, unit_id)
    member_id, now = uuid.uuid4(), clock.now()
    clear = _clear(name=name, position=position, status=status, exempt=exempt)
    private = _judged(private, status=status)
    _refuse_duplicates(session, None, clear["name"], private, another=same_person_is_another)
    key = crypto.create_keys(session, [member_id])[member_id]
    member = Member(
        id=member_id, unit_id=unit.id, **clear, **_sealed(key, clear["name"], private),
        created_at=now, updated_at=now, version=1,
    )  # fmt: skip
    session.add(member)
    session.flush()
    audit.record(
        session, "member.added", actor_id=actor.account_id, object_type="member", object_id=member_id,
        unit_id=unit.id, subject=member_id,
    )  # fmt: skip
    return member


def change(
    session: Session,
    actor: Actor,
    member_id: uuid.UUID,
    *,
    version: int,
    same_person_is_another: bool = False,
    **changes: Unpack[Changes],
) -> Member:
    """Change what is given. *version* is that of the record the person looked at. Errors: NotVisibleError, RegisterError."""
    access_member(session, actor, member_id, Permission.EDIT_MEMBERS)
    member = session.scalars(
        select(Member).where(Member.id == member_id).with_for_update().execution_options(populate_existing=True)
    ).one()
    if member.version != version:
        raise RegisterError(
            "Hồ sơ đã được người khác sửa trong lúc này. Xin mở lại hồ sơ rồi sửa tiếp.", field=None, code="stale"
        )
    given: dict[str, Any] = dict(changes)
    key = crypto.keys_of(session, [member_id]).get(member_id)
    if key is None:
        raise crypto.KeyDestroyedError("the person's data key has been destroyed")
    before = Private.from_bytes(crypto.unseal_with(key, member.sealed, context=SEAL_CONTEXT))
    private = given.pop("private", before)
    private = replace(private, **{name: given.pop(name) for name in PRIVATE_FIELDS if name in given})
    clear = _clear(**{
        name: given.get(name, getattr(member, name)) for name in ("name", "position", "status", "exempt")
    })  # fmt: skip
    private = _judged(private, status=clear["status"])
    unit_id = given.get("unit_id", member.unit_id)
    if unit_id != member.unit_id:
        _open_unit(session, actor, unit_id)
    old: dict[str, Any] = {name: getattr(member, name) for name in ("unit_id", "name", "position", "status", "exempt")}
    new: dict[str, Any] = {"unit_id": unit_id, **{name: clear[name] for name in old if name != "unit_id"}}
    old |= dict.fromkeys(PRIVATE_FIELDS) | before.to_values()
    new |= dict.fromkeys(PRIVATE_FIELDS) | private.to_values()
    changed = sorted(name for name in old if old[name] != new[name])
    if not changed:
        return member
    _refuse_duplicates(session, member, clear["name"], private, another=same_person_is_another)
    for name, value in {"unit_id": unit_id, **clear, **_sealed(key, clear["name"], private)}.items():
        setattr(member, name, value)
    member.updated_at, member.version = clock.now(), member.version + 1
    session.flush()
    audit.record(
        session, "member.changed", actor_id=actor.account_id, object_type="member", object_id=member_id,
        unit_id=unit_id, subject=member_id, details={"fields": changed},
        personal={"before": {name: old[name] for name in changed}},
    )  # fmt: skip
    return member


def view(session: Session, actor: Actor, member_id: uuid.UUID) -> Profile:
    """Somebody's record; that it was looked at is in the audit log. Errors: NotVisibleError."""
    member = access_member(session, actor, member_id)
    audit.record(
        session, "member.viewed", actor_id=actor.account_id, object_type="member", object_id=member_id,
        unit_id=member.unit_id, subject=member_id,
    )  # fmt: skip
    return profile_of(session, member)


def own_profile(session: Session, actor: Actor) -> Profile:
    """The actor's own record. Errors: NotVisibleError (not in the register)."""
    return profile_of(session, access_own_record(session, actor))


def profile_of(session: Session, member: Member) -> Profile:
    """The record of *member*; the caller has seen to the right to read it. Errors: crypto.CryptoError."""
    unit = session.get_one(Unit, member.unit_id)
    rows = session.execute(select(Unit.name).where(Unit.id.in_(path_ids(unit.path))).order_by(Unit.depth))
    sealed = crypto.unseal(session, member.id, member.sealed, context=SEAL_CONTEXT)
    return Profile(
        id=member.id,
        unit_id=member.unit_id,
        unit_name=unit.name,
        unit_names=tuple(row.name for row in rows),
        name=member.name,
        position=member.position,
        status=member.status,
        exempt=member.exempt,
        private=Private.from_bytes(sealed),
        registered=member.registered_at is not None,
        version=member.version,
    )


def _open_unit(session: Session, actor: Actor, unit_id: int) -> Unit:
    """The unit for adding somebody: kept from being closed until the unit of work ends. Errors: NotVisibleError, RegisterError."""
    unit = access_unit(session, actor, unit_id, Permission.EDIT_MEMBERS)
    session.refresh(unit, with_for_update={"key_share": True, "read": True})
    if unit.closed_on is not None:
        raise RegisterError("Đơn vị này đã giải thể. Xin chọn đơn vị khác.", field="unit_id", code="closed_unit")
    return unit


def _clear(*, name: str, position: str | None, status: str, exempt: bool) -> dict[str, Any]:
    """The columns that are not sealed. Errors: RegisterError."""
    name, position = names.clean(name), names.clean(position or "") or None
    if not name:
        raise RegisterError("Xin nhập họ và tên.", field="name", code="missing_name")
    for field, value in (("name", name), ("position", position or "")):
        if len(value) > LONGEST[field]:
            raise RegisterError(f"{FIELD_NAMES[field]} dài quá {LONGEST[field]} chữ.", field=field, code="too_long")
    if status not in STATUS_NAMES:
        raise RegisterError("Xin chọn chính thức hoặc dự bị.", field="status", code="bad_status")
    return {
        "name": name,
        "name_key": names.name_key(name),
        "sort_key": names.person_sort_key(name),
        "position": position,
        "status": status,
        "exempt": exempt,
    }


def _judged(private: Private, *, status: str) -> Private:
    """*private* normalised and without contradictions. Errors: RegisterError."""
    private = particulars.normalised(private)
    if len(private.home_town or "") > LONGEST["home_town"]:
        raise RegisterError(f"Quê quán dài quá {LONGEST['home_town']} chữ.", field="home_town", code="too_long")
    for fault in particulars.faults(private, status=status, today=clock.today()):
        raise RegisterError(fault.message, field=fault.field, code=fault.code)
    return private


def _sealed(key: bytes, name: str, private: Private) -> dict[str, Any]:
    return {
        "sealed": crypto.seal_with(key, private.to_bytes(), context=SEAL_CONTEXT),
        "card_hash": particulars.card_hash(private),
        "citizen_hash": particulars.citizen_hash(private),
        "person_hash": particulars.person_hash(name, private),
    }


def _refuse_duplicates(session: Session, own: Member | None, name: str, private: Private, *, another: bool) -> None:
    """Numbers belong to one person; name and date of birth nearly always do. The others are not named here."""
    wanted = [
        (Member.card_hash, "card_number", particulars.card_hash(private)),
        (Member.citizen_hash, "citizen_number", particulars.citizen_hash(private)),
        (Member.person_hash, "name", None if another else particulars.person_hash(name, private)),
    ]
    conditions = [column == value for column, _, value in wanted if value is not None]
    if not conditions:
        return
    statement = select(Member.card_hash, Member.citizen_hash, Member.person_hash).where(or_(*conditions))
    if own is not None:
        statement = statement.where(Member.id != own.id)
        if own.person_hash is not None and own.person_hash == wanted[2][2]:
            wanted[2] = (Member.person_hash, "name", None)  # known to be two people: it was so before this change
    found = session.execute(statement.limit(50)).all()
    for column, field, code, message in (
        (0, "card_number", "duplicate_card", "Số thẻ này đã có trong sổ, của một hồ sơ khác."),
        (1, "citizen_number", "duplicate_citizen", "Số CCCD này đã có trong sổ, của một hồ sơ khác."),
        (2, "name", "duplicate_person", "Trong sổ đã có người cùng họ tên và ngày sinh. Xin kiểm tra có phải một người."),
    ):  # fmt: skip
        value = wanted[column][2]
        if value is not None and any(row[column] == value for row in found):
            raise RegisterError(message, field=field, code=code)
