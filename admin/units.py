"""The organisation tree in the console: looking through it, and every change of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import PAGE_SIZE, CurrentSigned, Work, go, page
from admin.picking import unit_meant
from members import units
from members.access import NotVisibleError, Permission, require_somewhere
from members.sessions import Signed
from members.units import Change, UnitView

router = APIRouter()

LARGEST_ID = 2**63 - 1
UnitId = Annotated[int, Path(ge=1, le=LARGEST_ID)]
Offset = Annotated[int, Query(ge=0, le=100_000)]
Text = Annotated[str, Form(max_length=2000)]
BRANCH = 200
"""Units of one level that the tree shows; more of them are on the unit's own page, page by page."""

_FIELD_NAMES = {"name": "Tên", "code": "Mã", "kind": "Loại", "position": "Thứ tự"}


@dataclass(frozen=True)
class Told:
    """A change of the history in words."""

    at: datetime
    words: str
    reason: str | None
    by: str | None


@router.get("/units")
def show_tree(
    request: Request, signed: CurrentSigned, work: Work, q: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The tree from the tops of what one may see, or the units that were searched for."""
    require_somewhere(signed.actor, Permission.READ_UNITS)
    found = units.search(work, signed.actor, q, limit=PAGE_SIZE) if q.strip() else None
    tops = units.children(work, signed.actor, None, limit=BRANCH) if found is None else []
    context: dict[str, Any] = {"q": q, "found": found, "lines": tops, "most": PAGE_SIZE, "open_first": len(tops) == 1}
    if context["open_first"]:
        context["below"] = units.children(work, signed.actor, tops[0].id, limit=BRANCH)
    return page(request, signed, "units/tree.html", context)


@router.get("/units/new")
def show_new(
    request: Request, signed: CurrentSigned, work: Work, parent: Annotated[int, Query(ge=1, le=LARGEST_ID)]
) -> Response:
    """The form for a unit below *parent*."""
    return _form_new(request, signed, _editable(work, signed, parent), {"kind": "", "deployed": True})


@router.post("/units")
def create(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    parent: Annotated[int, Form(ge=1, le=LARGEST_ID)],
    name: Text = "",
    kind: Text = "",
    code: Text = "",
    deployed: Annotated[bool, Form()] = False,
) -> Response:
    """Add a unit."""
    above = _editable(work, signed, parent)
    try:
        made = units.create(work, signed.actor, parent_id=parent, name=name, code=code, kind=kind, deployed=deployed)
    except units.UnitError as error:
        filled = {"name": name, "kind": kind, "code": code, "deployed": deployed}
        return _form_new(request, signed, above, filled, error=str(error))
    return go(f"/units/{made.id}")


@router.get("/units/{unit_id}")
def show(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId, offset: Offset = 0) -> Response:
    """A unit: its place, facts, units below, history."""
    unit = units.view(work, signed.actor, unit_id)
    context = {
        "unit": unit,
        "above": [crumb for crumb in unit.ancestors if crumb.visible],
        "lines": units.children(work, signed.actor, unit_id, with_closed=True, offset=offset, limit=PAGE_SIZE),
        "count": units.count_children(work, signed.actor, unit_id, with_closed=True),
        "offset": offset,
        "size": PAGE_SIZE,
        "history": _told(unit.history),
    }
    return page(request, signed, "units/show.html", context)


@router.get("/units/{unit_id}/children")
def show_children(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId) -> Response:
    """The branch of the tree below a unit, for htmx; without it, the unit's page."""
    if request.headers.get("hx-request") != "true":
        return go(f"/units/{unit_id}")
    lines = units.children(work, signed.actor, unit_id, limit=BRANCH)
    return page(request, signed, "units/branch.html", {"lines": lines, "parent": unit_id, "full": len(lines) == BRANCH})


@router.get("/units/{unit_id}/edit")
def show_edit(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId) -> Response:
    """The form for name, code, kind and order."""
    unit = _editable(work, signed, unit_id)
    filled = {"name": unit.name, "code": unit.code, "kind": unit.kind, "position": str(unit.position)}
    return page(request, signed, "units/edit.html", {"unit": unit, "filled": filled, "error": None})


@router.post("/units/{unit_id}/edit")
def edit(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    unit_id: UnitId,
    name: Text = "",
    code: Text = "",
    kind: Text = "",
    position: Text = "0",
    reason: Text = "",
) -> Response:
    """Rename a unit; with it code, kind and order."""
    unit = _editable(work, signed, unit_id)
    place = position.strip() or "0"

    def change() -> None:
        if not (place.isascii() and place.isdigit() and len(place) < 10):
            raise units.UnitError("Thứ tự là một số từ 0 đến 99999.")
        units.rename(
            work, signed.actor, unit_id, name=name, code=code, kind=kind, position=int(place), reason=reason
        )  # fmt: skip

    filled = {"name": name, "code": code, "kind": kind, "position": position, "reason": reason}
    return _after(request, signed, unit, change, "units/edit.html", {"filled": filled})


@router.get("/units/{unit_id}/move")
def show_move(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId) -> Response:
    """The form for the unit's new place."""
    unit = _editable(work, signed, unit_id)
    if not unit.may_move:
        raise NotVisibleError
    return page(request, signed, "units/move.html", {"unit": unit, "filled": {}, "error": None})


@router.post("/units/{unit_id}/move")
def move(
    request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId, parent: Text = "", reason: Text = ""
) -> Response:
    """Put the unit with everything below it elsewhere."""
    unit = _editable(work, signed, unit_id)

    def change() -> None:
        meant = unit_meant(work, signed.actor, Permission.EDIT_UNITS, parent[:300])
        if meant is None:
            raise units.UnitError("Xin chọn đơn vị cấp trên mới.")
        units.move(work, signed.actor, unit_id, parent_id=meant, reason=reason)

    return _after(request, signed, unit, change, "units/move.html", {"filled": {"parent": parent, "reason": reason}})


@router.post("/units/{unit_id}/deployment")
def set_deployed(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    unit_id: UnitId,
    deployed: Annotated[bool, Form()] = False,
) -> Response:
    """Say whether the service has been introduced in the unit."""
    unit = _editable(work, signed, unit_id)

    def change() -> None:
        units.set_deployed(work, signed.actor, unit_id, deployed=deployed)

    return _after(request, signed, unit, change, "units/close.html", {"filled": {}})


@router.get("/units/{unit_id}/close")
def show_close(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId) -> Response:
    """The form that asks once more, and for the reason."""
    unit = _editable(work, signed, unit_id)
    return page(request, signed, "units/close.html", {"unit": unit, "filled": {}, "error": None})


@router.post("/units/{unit_id}/close")
def close(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId, reason: Text = "") -> Response:
    """Close the unit."""
    unit = _editable(work, signed, unit_id)

    def change() -> None:
        units.close(work, signed.actor, unit_id, reason=reason)

    return _after(request, signed, unit, change, "units/close.html", {"filled": {"reason": reason}})


@router.post("/units/{unit_id}/reopen")
def reopen(request: Request, signed: CurrentSigned, work: Work, unit_id: UnitId) -> Response:
    """Undo the closing."""
    unit = _editable(work, signed, unit_id)

    def change() -> None:
        units.reopen(work, signed.actor, unit_id)

    return _after(request, signed, unit, change, "units/close.html", {"filled": {}})


def _editable(session: Session, signed: Signed, unit_id: int) -> UnitView:
    """The unit, for somebody who may change it. Errors: NotVisibleError."""
    unit = units.view(session, signed.actor, unit_id)
    if not unit.may_edit:
        raise NotVisibleError
    return unit


def _form_new(
    request: Request, signed: Signed, above: UnitView, filled: dict[str, Any], *, error: str | None = None
) -> Response:
    context = {"above": above, "filled": filled, "error": error}
    return page(request, signed, "units/new.html", context, status=422 if error else 200)


def _after(
    request: Request,
    signed: Signed,
    unit: UnitView,
    change: Callable[[], None],
    template: str,
    context: dict[str, Any],
) -> Response:
    """Make the *change* and go to the unit; when it cannot be made, the form again with the reason."""
    try:
        change()
    except (units.UnitError, units.UnknownUnitError, units.AmbiguousUnitError) as error:
        return page(request, signed, template, {"unit": unit, "error": str(error), **context}, status=422)
    return go(f"/units/{unit.id}")


def _told(history: Sequence[Change]) -> list[Told]:
    return [Told(change.at, _words(change), change.reason, change.by) for change in history]


def _words(change: Change) -> str:
    before, after = change.before, change.after
    match change.kind:
        case "created":
            return f"Lập đơn vị, trực thuộc {after['parent']}" if after.get("parent") else "Lập đơn vị"
        case "moved":
            return f"Chuyển từ {before['parent'] or 'cấp cao nhất'} sang {after['parent'] or 'cấp cao nhất'}"
        case "renamed":
            changes = [
                f"{name}: {before[field]} → {after[field]}" for field, name in _FIELD_NAMES.items() if field in after
            ]
            return f"Sửa {'; '.join(changes)}"
        case "deployment":
            return "Đã triển khai" if after["deployed"] else "Chuyển thành chưa triển khai"
        case "closed":
            return "Kết thúc hoạt động"
        case _:
            return "Hoạt động trở lại"
