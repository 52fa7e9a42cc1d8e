"""The register in the console: finding people, their records, entering and changing them, one-time codes, the export."""

from __future__ import annotations

import io
import re
import uuid
from dataclasses import asdict
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Request
from pydantic import AfterValidator, BaseModel
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin import picking
from admin.base import PAGE_SIZE, CurrentSigned, IdAsked, Work, go, page
from admin.days import day_meant
from core import clock
from members import codes, register, units
from members.access import Actor, NotVisibleError, Permission, access_member, access_unit, require_somewhere
from members.particulars import DATES
from members.register import Private, Profile, RegisterError
from members.sessions import Signed

router = APIRouter()

DONE = {
    "added": "Đã thêm hồ sơ vào sổ.",
    "changed": "Đã lưu thay đổi.",
    "moved": "Đã chuyển sang đơn vị khác.",
}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@router.get("/members")
def show_list(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    q: str = "",
    unit: str = "",
    unit_id: IdAsked | None = None,
    status: str = "",
    registered: str = "",
    after: str | None = None,
    before: str | None = None,
) -> Response:
    """A page of the register; every filter is in the address, except a search by a person's number."""
    actor, error = signed.actor, None
    require_somewhere(actor, Permission.READ_MEMBERS)
    chosen = unit_id
    if unit.strip():
        try:
            chosen = picking.unit_meant(work, actor, Permission.READ_MEMBERS, unit[:300], beginning=True)
        except (units.UnknownUnitError, units.AmbiguousUnitError) as refused:
            error = str(refused)
    elif chosen is not None:
        found_unit = access_unit(work, actor, chosen, Permission.READ_MEMBERS)
        unit = picking.label(found_unit.name, found_unit.code)
    found = None
    if error is None:
        found = register.list_members(
            work,
            actor,
            unit_id=chosen,
            q=q[:200],
            status=status if status in register.STATUS_NAMES else None,
            registered={"yes": True, "no": False}.get(registered),
            after=after,
            before=before,
            size=PAGE_SIZE,
        )
    filters = {"q": q, "unit": unit, "status": status, "registered": registered}
    context = {
        **filters,
        "found": found,
        "unit_error": error,
        "query": urlencode({name: value for name, value in filters.items() if value}),
        "statuses": register.STATUS_NAMES,
        "may_add": actor.may(Permission.EDIT_MEMBERS),
        "may_import": actor.may(Permission.IMPORT_MEMBERS),
        "export_unit": _export_unit(work, actor, chosen),
    }
    answer = page(request, signed, "members/list.html", context)
    if re.search(r"\d{8}", re.sub(r"\D", "", q)):  # a person's number is not for the browser's history
        answer.headers["HX-Push-Url"] = "false"
    return answer


def _export_unit(session: Session, actor: Actor, chosen: int | None) -> int | None:
    """Which unit the export takes: the chosen one, or the only one on top of what may be exported."""
    if not actor.may(Permission.EXPORT_MEMBERS):
        return None
    if chosen is None:
        reach = actor.reach(Permission.EXPORT_MEMBERS)
        return int(reach[0].rstrip("/").rpartition("/")[2]) if len(reach) == 1 else None
    return chosen if _may_on(session, actor, Permission.EXPORT_MEMBERS, chosen) else None


def _may_on(session: Session, actor: Actor, permission: Permission, unit_id: int) -> bool:
    try:
        access_unit(session, actor, unit_id, permission)
    except NotVisibleError:
        return False
    return True


@router.get("/members/export")
def export(signed: CurrentSigned, work: Work, unit_id: IdAsked) -> Response:
    """The people of a unit and below as a spreadsheet."""
    file = io.BytesIO()
    register.export_members(work, signed.actor, unit_id=unit_id, file=file)
    name = access_unit(work, signed.actor, unit_id, Permission.EXPORT_MEMBERS).name
    return Response(file.getvalue(), media_type=XLSX, headers=attachment(f"Danh sách {name} {clock.today()}.xlsx"))


def attachment(name: str) -> dict[str, str]:
    """The headers of a file to keep, called *name* (RFC 6266)."""
    safe = re.sub(r'[\\/:*?"<>|\r\n]', "-", name)
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(safe)}", "Cache-Control": "no-store"}


Text = Annotated[str, AfterValidator(lambda text: text[:400])]


class Filled(BaseModel):
    """The fields of the form of a person, as they were filled in."""

    unit: Text = ""
    name: Text = ""
    position: Text = ""
    status: Text = ""
    exempt: bool = False
    card_number: Text = ""
    citizen_number: Text = ""
    phone: Text = ""
    date_of_birth: Text = ""
    joined_on: Text = ""
    official_on: Text = ""
    home_town: Text = ""
    another: bool = False
    """Name and date of birth were checked: they are those of two people."""
    version: int = 0
    """Of the record when the form was opened."""


def read_day(text: str, field: str) -> date | None:
    """The day typed for *field*; None for nothing. Errors: RegisterError."""
    try:
        return day_meant(text)
    except ValueError as error:
        message = "Xin ghi ngày theo dạng ngày/tháng/năm, ví dụ 05/09/1990."
        raise RegisterError(message, field=field, code="bad_date") from error


def _private(filled: Filled) -> Private:
    days = {field: read_day(getattr(filled, field), field) for field in DATES}
    return Private(
        card_number=filled.card_number,
        citizen_number=filled.citizen_number,
        phone=filled.phone,
        home_town=filled.home_town,
        **days,
    )


def _unit_meant(session: Session, actor: Actor, text: str) -> int:
    """The unit of the form. Errors: RegisterError."""
    try:
        unit_id = picking.unit_meant(session, actor, Permission.EDIT_MEMBERS, text)
    except (units.UnknownUnitError, units.AmbiguousUnitError) as error:
        raise RegisterError(str(error), field="unit", code="unknown_unit") from error
    if unit_id is None:
        raise RegisterError("Xin chọn đơn vị.", field="unit", code="missing_unit")
    return unit_id


@router.get("/members/new")
def show_new(request: Request, signed: CurrentSigned, work: Work, unit_id: IdAsked | None = None) -> Response:
    """The form of a new person."""
    require_somewhere(signed.actor, Permission.EDIT_MEMBERS)
    unit = ""
    if unit_id is not None:
        found = access_unit(work, signed.actor, unit_id, Permission.EDIT_MEMBERS)
        unit = picking.label(found.name, found.code)
    return _form(request, signed, Filled(unit=unit, status=register.OFFICIAL))


def _form(
    request: Request,
    signed: Signed,
    filled: Filled,
    *,
    profile: Profile | None = None,
    error: RegisterError | None = None,
) -> Response:
    context: dict[str, Any] = {
        "filled": filled,
        "profile": profile,
        "statuses": register.STATUS_NAMES,
        "errors": {error.field: str(error)} if error and error.field else {},
        "error": error,
    }
    return page(request, signed, "members/form.html", context, status=422 if error else 200)


@router.post("/members/new")
def add(request: Request, signed: CurrentSigned, work: Work, filled: Annotated[Filled, Form()]) -> Response:
    """Enter a person."""
    require_somewhere(signed.actor, Permission.EDIT_MEMBERS)
    try:
        member = register.add(
            work,
            signed.actor,
            unit_id=_unit_meant(work, signed.actor, filled.unit),
            name=filled.name,
            position=filled.position or None,
            status=filled.status,
            exempt=filled.exempt,
            private=_private(filled),
            same_person_is_another=filled.another,
        )
    except RegisterError as error:
        return _form(request, signed, filled, error=error)
    return go(f"/members/{member.id}?done=added")


@router.get("/members/{member_id}")
def show(request: Request, signed: CurrentSigned, work: Work, member_id: uuid.UUID, done: str = "") -> Response:
    """Somebody's record; that it was looked at is written down."""
    return _show(request, signed, work, register.view(work, signed.actor, member_id), done=DONE.get(done))


def _show(
    request: Request,
    signed: Signed,
    session: Session,
    profile: Profile,
    *,
    done: str | None = None,
    unit: str = "",
    error: RegisterError | None = None,
) -> Response:
    actor = signed.actor
    context = {
        "profile": profile,
        "statuses": register.STATUS_NAMES,
        "fields": register.FIELD_NAMES,
        "may_edit": _may_on(session, actor, Permission.EDIT_MEMBERS, profile.unit_id),
        "may_handle": _may_on(session, actor, Permission.HANDLE_REQUESTS, profile.unit_id),
        "may_issue": _may_on(session, actor, Permission.ISSUE_CODES, profile.unit_id),
        "done": done,
        "unit": unit,
        "error": error,
    }
    return page(request, signed, "members/show.html", context, status=422 if error else 200)


@router.get("/members/{member_id}/edit")
def show_edit(request: Request, signed: CurrentSigned, work: Work, member_id: uuid.UUID) -> Response:
    """The form with what is in the register."""
    access_member(work, signed.actor, member_id, Permission.EDIT_MEMBERS)
    profile = register.view(work, signed.actor, member_id)
    unit = access_unit(work, signed.actor, profile.unit_id, Permission.EDIT_MEMBERS)
    private: dict[str, Any] = {
        name: f"{value:%d/%m/%Y}" if isinstance(value, date) else value or ""
        for name, value in asdict(profile.private).items()
    }
    filled = Filled(
        unit=picking.label(unit.name, unit.code),
        name=profile.name,
        position=profile.position or "",
        status=profile.status,
        exempt=profile.exempt,
        version=profile.version,
        **private,
    )
    return _form(request, signed, filled, profile=profile)


@router.post("/members/{member_id}/edit")
def change(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    member_id: uuid.UUID,
    filled: Annotated[Filled, Form()],
) -> Response:
    """Change a record, unless somebody else changed it meanwhile."""
    access_member(work, signed.actor, member_id, Permission.EDIT_MEMBERS)
    try:
        register.change(
            work,
            signed.actor,
            member_id,
            version=filled.version,
            same_person_is_another=filled.another,
            unit_id=_unit_meant(work, signed.actor, filled.unit),
            name=filled.name,
            position=filled.position or None,
            status=filled.status,
            exempt=filled.exempt,
            private=_private(filled),
        )
    except RegisterError as error:
        profile = register.view(work, signed.actor, member_id)
        return _form(request, signed, filled, profile=profile, error=error)
    return go(f"/members/{member_id}?done=changed")


@router.post("/members/{member_id}/unit")
def move(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    member_id: uuid.UUID,
    version: Annotated[int, Form()],
    unit: Annotated[str, Form()] = "",
) -> Response:
    """Move a person to another unit."""
    access_member(work, signed.actor, member_id, Permission.EDIT_MEMBERS)
    try:
        unit_id = _unit_meant(work, signed.actor, unit[:300])
        register.change(work, signed.actor, member_id, version=version, unit_id=unit_id)
    except RegisterError as error:
        profile = register.view(work, signed.actor, member_id)
        return _show(request, signed, work, profile, unit=unit[:300], error=error)
    return go(f"/members/{member_id}?done=moved")


@router.post("/members/{member_id}/code")
def issue_code(request: Request, signed: CurrentSigned, work: Work, member_id: uuid.UUID) -> Response:
    """Make a one-time code for the person; it is shown this once."""
    issued = codes.issue(work, signed.actor, member_id)
    member = access_member(work, signed.actor, member_id, Permission.ISSUE_CODES)
    context = {
        "member_id": member_id,
        "name": member.name,
        "code": issued.code,
        "expires_at": issued.expires_at,
        "address": f"{request.url.scheme}://{request.url.netloc}/sign-in",
    }
    return page(request, signed, "members/code.html", context)
