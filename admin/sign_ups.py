"""Sign-ups by photograph that wait for a person, and the way without photographs: seen by the secretary, face to face."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin import picking
from admin.base import PAGE_SIZE, CurrentSigned, Id, IdAsked, Work, go, page
from admin.days import span_words
from admin.own import qr
from admin.sign_up_words import BANDS, COMPARED, DONE, POSES, STATES, VERDICTS, contradicted, reason_words
from core import clock
from core.settings import settings
from members import units
from members.access import Actor, Permission, access_unit, require_somewhere
from members.listing import MemberPage
from members.particulars import STATUS_NAMES
from members.sessions import Signed
from members.signup import in_person, review
from members.signup.in_person import InPersonError
from members.signup.review import DecidedError, ReviewError
from members.signup.words import SignUpError

router = APIRouter()


@router.get("/sign-ups")
def show_queue(request: Request, signed: CurrentSigned, work: Work, number: int = 1, done: str = "") -> Response:
    """The sign-ups that wait, longest first."""
    context = {
        **_words(),
        "found": review.queue(work, signed.actor, page=number),
        "done": DONE.get(done),
        "days": settings().ekyc_review_days,
    }
    return page(request, signed, "sign_ups/queue.html", context)


def _words() -> dict[str, Any]:
    now = clock.now()

    def left(due_at: datetime) -> str:
        return span_words(due_at - now) if due_at > now else "đã đến hạn xóa"

    return {
        "in_words": reason_words,
        "waited": lambda since: span_words(now - since),
        "left": left,
        "urgent": lambda due_at: due_at - now < review.SOON,
        "decimal": lambda value: f"{value:.2f}".replace(".", ","),
    }


# Face to face


@router.get("/sign-ups/in-person")
def show_waiting(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    q: str = "",
    unit: str = "",
    unit_id: IdAsked | None = None,
    after: str | None = None,
    before: str | None = None,
) -> Response:
    """The people of the branch who are not signed up yet."""
    actor, error, found = signed.actor, None, None
    require_somewhere(actor, Permission.ISSUE_CODES)
    try:
        chosen = _branch(work, actor, unit[:300], unit_id)
    except (units.UnknownUnitError, units.AmbiguousUnitError) as refused:
        error = str(refused)
    else:
        found = in_person.waiting(work, actor, unit_id=chosen, q=q[:200], after=after, before=before, size=PAGE_SIZE)
        if not unit and chosen is not None:
            named = access_unit(work, actor, chosen, Permission.ISSUE_CODES)
            unit = picking.label(named.name, named.code)
    filters = {"q": q, "unit": unit}
    context = {
        **filters,
        "found": found,
        "unit_error": error,
        "query": urlencode({name: value for name, value in filters.items() if value}),
        "statuses": STATUS_NAMES,
        "done_today": in_person.done_today(work, actor),
    }
    return page(request, signed, "sign_ups/in_person.html", context)


def _branch(session: Session, actor: Actor, typed: str, unit_id: int | None) -> int | None:
    """The unit asked for; without one the only one on top of what the actor answers for. Errors: of ``picking.unit_meant``."""
    if typed.strip():
        return picking.unit_meant(session, actor, Permission.ISSUE_CODES, typed, beginning=True)
    if unit_id is not None:
        return unit_id
    reach = actor.reach(Permission.ISSUE_CODES)
    return int(reach[0].rstrip("/").rpartition("/")[2]) if len(reach) == 1 else None


@router.get("/sign-ups/in-person/{member_id}")
def show_person(request: Request, signed: CurrentSigned, work: Work, member_id: uuid.UUID, back: str = "") -> Response:
    """What to compare with the card on the table."""
    return _person(request, signed, work, member_id, back=back)


def _person(
    request: Request, signed: Signed, session: Session, member_id: uuid.UUID, *, back: str, error: str | None = None
) -> Response:
    try:
        profile = in_person.person(session, signed.actor, member_id)
    except InPersonError as refused:
        profile, error = None, str(refused)
    context = {"profile": profile, "member_id": member_id, "back": back[:600], "error": error}
    return page(request, signed, "sign_ups/person.html", context, status=422 if error else 200)


@router.post("/sign-ups/in-person/{member_id}")
def confirm(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    member_id: uuid.UUID,
    card_seen: Annotated[bool, Form()] = False,
    person_seen: Annotated[bool, Form()] = False,
    back: Annotated[str, Form()] = "",
) -> Response:
    """Card and person were seen: the code, shown this once."""
    try:
        name, issued = in_person.confirm(work, signed.actor, member_id, card_seen=card_seen, person_seen=person_seen)
    except InPersonError as refused:
        return _person(request, signed, work, member_id, back=back, error=str(refused))
    address = f"{request.url.scheme}://{request.url.netloc}/sign-in"
    context = {
        "name": name,
        "code": issued.code,
        "expires_at": issued.expires_at,
        "address": address,
        "picture": qr(address),  # the page only: whoever photographs the screen from afar has no code
        "back": back[:600],
    }
    return page(request, signed, "sign_ups/code.html", context)


# Reviews


@router.get("/sign-ups/{sign_up_id}")
def show(request: Request, signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID, done: str = "") -> Response:
    """A sign-up with its photographs beside the register; that it was looked at is written down."""
    try:
        return _show(request, signed, work, sign_up_id, done=DONE.get(done))
    except DecidedError as refused:
        return _decided(request, signed, refused)


def _decided(request: Request, signed: Signed, refused: DecidedError) -> Response:
    return page(request, signed, "sign_ups/decided.html", {"message": str(refused)}, status=409)


def _show(
    request: Request,
    signed: Signed,
    session: Session,
    sign_up_id: uuid.UUID,
    *,
    done: str | None = None,
    error: str | None = None,
) -> Response:
    found = review.view(session, signed.actor, sign_up_id)
    context = {
        **_words(),
        "found": found,
        "reasons": review.REASONS,
        "accept_reasons": review.accept_reasons(live=found.open.face.live if found.open else None),
        "verdicts": VERDICTS,
        "states": STATES,
        "statuses": STATUS_NAMES,
        "bands": BANDS,
        "compared": COMPARED,
        "poses": POSES,
        "contradicted": contradicted,
        "least": settings().ekyc_min_confidence,
        "done": done,
        "error": error,
    }
    return page(request, signed, "sign_ups/show.html", context, status=422 if error else 200)


@router.get("/sign-ups/{sign_up_id}/photos/{photo_id}")
def show_photo(signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID, photo_id: Id) -> Response:
    """One photograph; nothing on the way keeps it."""
    content = review.photo(work, signed.actor, sign_up_id, photo_id)
    return Response(
        content, media_type="image/jpeg", headers={"Cache-Control": "no-store", "Content-Disposition": "inline"}
    )


@router.get("/sign-ups/{sign_up_id}/members")
def show_search(request: Request, signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID) -> Response:
    """The search for whose card it is, still empty."""
    try:
        review.waiting(work, signed.actor, sign_up_id)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    return _search(request, signed, sign_up_id)


@router.post("/sign-ups/{sign_up_id}/members")
def search(
    request: Request, signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID, q: Annotated[str, Form()] = ""
) -> Response:
    """People whom the card may belong to. By POST: a person's number is not for addresses, histories and logs."""
    try:
        people = review.find_members(work, signed.actor, sign_up_id, q=q)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    except ReviewError as refused:
        return _search(request, signed, sign_up_id, q=q, error=str(refused))
    return _search(request, signed, sign_up_id, q=q, people=people)


def _search(
    request: Request,
    signed: Signed,
    sign_up_id: uuid.UUID,
    *,
    q: str = "",
    people: MemberPage | None = None,
    error: str | None = None,
) -> Response:
    context = {"sign_up_id": sign_up_id, "q": q[:200], "people": people, "statuses": STATUS_NAMES, "error": error}
    return page(request, signed, "sign_ups/members.html", context, status=422 if error else 200)


@router.post("/sign-ups/{sign_up_id}/member")
def choose(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    sign_up_id: uuid.UUID,
    member_id: Annotated[uuid.UUID, Form()],
) -> Response:
    """Say whose card it is; the page then shows that record beside what was read."""
    try:
        review.choose_member(work, signed.actor, sign_up_id, member_id)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    except ReviewError as refused:
        return _show(request, signed, work, sign_up_id, error=str(refused))
    return go(f"/sign-ups/{sign_up_id}?done=chosen")


@router.post("/sign-ups/{sign_up_id}/accept")
def accept(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    sign_up_id: uuid.UUID,
    reason: Annotated[str, Form()] = "",
    seen: Annotated[str, Form()] = "",
) -> Response:
    """Accept; of a card that has an account only the second person's word signs up."""
    try:
        signed_up = review.accept(work, signed.actor, sign_up_id, reason=reason, seen=seen)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    except (ReviewError, SignUpError) as refused:
        return _show(request, signed, work, sign_up_id, error=str(refused))
    return go("/sign-ups?done=accepted" if signed_up else "/sign-ups?done=noted")


@router.post("/sign-ups/{sign_up_id}/reject")
def reject(
    request: Request, signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID, reason: Annotated[str, Form()] = ""
) -> Response:
    """Reject; the member hears that it could not be confirmed, and where to go."""
    try:
        review.reject(work, signed.actor, sign_up_id, reason=reason)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    except ReviewError as refused:
        return _show(request, signed, work, sign_up_id, error=str(refused))
    return go("/sign-ups?done=rejected")


@router.post("/sign-ups/{sign_up_id}/ask-again")
def ask_again(
    request: Request, signed: CurrentSigned, work: Work, sign_up_id: uuid.UUID, reason: Annotated[str, Form()] = ""
) -> Response:
    """Ask for better photographs."""
    try:
        review.ask_again(work, signed.actor, sign_up_id, reason=reason)
    except DecidedError as refused:
        return _decided(request, signed, refused)
    except ReviewError as refused:
        return _show(request, signed, work, sign_up_id, error=str(refused))
    return go("/sign-ups?done=again")
