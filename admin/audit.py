"""The audit log: searched, and one entry opened at a time."""

from __future__ import annotations

from datetime import date
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import Response

from admin.base import CurrentSigned, Work, page
from admin.days import day_meant
from admin.picking import unit_meant
from core import anchors
from core.ledger import LedgerError
from members import journal
from members.access import Permission
from members.units import AmbiguousUnitError, UnknownUnitError

router = APIRouter()


def _day(value: str, errors: dict[str, str], name: str) -> date | None:
    """A day of the search; what is none is said in *errors* under *name*."""
    try:
        return day_meant(value)
    except ValueError:
        errors[name] = "Ngày cần có dạng 05/09/2024."
        return None


def _cursor(value: str) -> int | None:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None


@router.get("/audit")
def show_list(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    action: str = "",
    who: str = "",
    person: str = "",
    object_id: str = "",
    unit: str = "",
    first: str = "",
    last: str = "",
    after: str = "",
    before: str = "",
) -> Response:
    """What was done, newest first."""
    given = {
        "action": action, "who": who, "person": person, "object_id": object_id, "unit": unit, "first": first, "last": last,
    }  # fmt: skip
    given = {name: value.replace("\0", "").strip()[:200] for name, value in given.items()}
    errors: dict[str, str] = {}
    unit_id = None
    try:
        unit_id = unit_meant(work, signed.actor, Permission.READ_AUDIT, given["unit"], beginning=True)
    except (UnknownUnitError, AmbiguousUnitError):
        errors["unit"] = "Không rõ là đơn vị nào. Xin chọn trong danh sách gợi ý."
    wanted = journal.Search(
        action=given["action"],
        actor_name=given["who"],
        person=given["person"],
        object_id=given["object_id"],
        unit_id=unit_id,
        first_day=_day(given["first"], errors, "first"),
        last_day=_day(given["last"], errors, "last"),
    )
    found = journal.search(work, signed.actor, wanted, after=_cursor(after), before=_cursor(before))
    context = {
        "found": found,
        "given": given,
        "errors": {"unit": None, "first": None, "last": None, **errors},
        "actions": sorted(((name, journal.title(name)) for name in journal.ACTIONS), key=lambda entry: entry[1]),
        "query": urlencode({name: value for name, value in given.items() if value}),
        "may_name_people": signed.actor.may(Permission.READ_MEMBERS),
        **_chain(),
    }
    return page(request, signed, "audit/list.html", context, status=422 if errors else 200)


def _chain() -> dict[str, object]:
    """When the chain was verified last, and whether it was whole."""
    try:
        return {"check": anchors.last_check(), "check_failed": False}
    except LedgerError:
        return {"check": None, "check_failed": True}


@router.get("/audit/{entry_id}")
def show_entry(request: Request, signed: CurrentSigned, work: Work, entry_id: int) -> Response:
    """One entry, with personal values where they still can be read."""
    entry = journal.view(work, signed.actor, entry_id)
    return page(request, signed, "audit/entry.html", {"entry": entry, "title": journal.title(entry.action)})
