"""Choosing a unit on a form: a text field that proposes units, and what was meant by its text.

A proposal reads "Chi hội Ao Sen (A2)"; without a script people may as well write the code, the name, or the path.
"""

from __future__ import annotations

import re

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import CurrentSigned, Work, templates
from members import units
from members.access import Actor, Permission

router = APIRouter()

_PROPOSED = re.compile(r".*\(([^()]+)\)\s*")


def label(name: str, code: str) -> str:
    """What a proposal reads."""
    return f"{name} ({code})"


def unit_meant(
    session: Session, actor: Actor, permission: Permission, text: str, *, beginning: bool = False
) -> int | None:
    """The unit that *text* means among those where *actor* has *permission*; None for an empty text.

    *beginning*: some words of the name are enough when they are those of one unit only (for searches). Errors: UnknownUnitError, AmbiguousUnitError.
    """
    if not text.strip():
        return None
    proposed = _PROPOSED.fullmatch(text)
    if proposed is not None:
        code = proposed.group(1)
        try:
            return units.UnitIndex(session, actor, permission, only=code).resolve(code)
        except (units.UnknownUnitError, units.AmbiguousUnitError):
            pass  # a name may end in brackets of its own
    try:
        return units.UnitIndex(session, actor, permission, only=text).resolve(text)
    except units.UnknownUnitError:
        found = units.choices(session, actor, permission, q=text, limit=2) if beginning else []
        if len(found) != 1:
            raise
        return found[0].id


@router.get("/choices/units")
def choices(request: Request, signed: CurrentSigned, work: Work, permission: Permission) -> Response:
    """The options that the field's list shows for what has been typed so far."""
    typed = next((value for key, value in request.query_params.items() if key != "permission"), "")
    proposed = _PROPOSED.fullmatch(typed)
    found = units.choices(work, signed.actor, permission, q=(proposed.group(1) if proposed else typed)[:200])
    return templates.TemplateResponse(
        request, "_unit_options.html", {"choices": found}, headers={"Cache-Control": "no-store"}
    )
