"""Documents: take one in, see how it was understood, publish it, withdraw it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Request, UploadFile
from starlette.responses import Response

from admin.base import PAGE_SIZE, CurrentSigned, Id, Work, go, page
from core.settings import settings
from ingest import FORMATS
from knowledge import curation
from members.access import NotVisibleError, Permission
from web.base import STATUS_TEXT

router = APIRouter()

STATES = {"draft": "Bản nháp", "published": "Đã công bố", "withdrawn": "Đã rút", "superseded": "Có bản mới hơn"}
WORDS = {"states": STATES, "status_text": STATUS_TEXT, "formats": sorted(FORMATS)}


@router.get("/documents")
def show_list(
    request: Request, signed: CurrentSigned, work: Work, q: str = "", state: str = "", number: int = 1
) -> Response:
    """All documents, drafts first."""
    wanted = state if state in STATES else None
    found = curation.list_revisions(work, signed.actor, q=q[:200], state=wanted, page=number, size=PAGE_SIZE)
    return _list(request, signed, found, q=q, state=wanted, number=number)


def _list(
    request: Request,
    signed: CurrentSigned,
    found: curation.RevisionPage,
    *,
    q: str = "",
    state: str | None = None,
    number: int = 1,
    error: str | None = None,
) -> Response:
    context = {
        **WORDS,
        "found": found,
        "q": q,
        "state": state,
        "number": max(number, 1),
        "pages": max(1, -(-found.total // PAGE_SIZE)),
        "may_upload": signed.actor.may_everywhere(Permission.EDIT_DOCUMENTS),
        "error": error,
    }
    return page(request, signed, "documents/list.html", context, status=422 if error else 200)


@router.post("/documents")
def upload(
    request: Request, signed: CurrentSigned, work: Work, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Take a file in as a draft and show how it was understood."""
    if not signed.actor.may_everywhere(Permission.EDIT_DOCUMENTS):
        raise NotVisibleError
    content = file.file.read() if file else b""
    try:
        revision_id = curation.upload(work, signed.actor, file_name=(file and file.filename) or "", content=content)
    except curation.CurationError as error:
        found = curation.list_revisions(work, signed.actor, size=PAGE_SIZE)
        return _list(request, signed, found, error=str(error))
    return go(f"/documents/{revision_id}")


@router.get("/documents/{revision_id}")
def show(request: Request, signed: CurrentSigned, work: Work, revision_id: Id) -> Response:
    """One revision, before or after it is published."""
    return _show(request, signed, curation.view(work, signed.actor, revision_id))


def _show(
    request: Request, signed: CurrentSigned, view: curation.RevisionView, *, error: str | None = None
) -> Response:
    context = {
        **WORDS,
        "view": view,
        "line": view.line,
        "may_publish": signed.actor.may_everywhere(Permission.PUBLISH_DOCUMENTS),
        "address": settings().address,
        "error": error,
    }
    return page(request, signed, "documents/show.html", context, status=422 if error else 200)


@router.post("/documents/{revision_id}/publish")
def publish(request: Request, signed: CurrentSigned, work: Work, revision_id: Id) -> Response:
    """Let members see it."""
    try:
        curation.publish(work, signed.actor, revision_id)
    except curation.CurationError as error:
        return _show(request, signed, curation.view(work, signed.actor, revision_id), error=str(error))
    return go(f"/documents/{revision_id}")


@router.post("/documents/{revision_id}/withdraw")
def withdraw(request: Request, signed: CurrentSigned, work: Work, revision_id: Id) -> Response:
    """Take it out of what members see."""
    try:
        curation.withdraw(work, signed.actor, revision_id)
    except curation.CurationError as error:
        return _show(request, signed, curation.view(work, signed.actor, revision_id), error=str(error))
    return go(f"/documents/{revision_id}")
