"""The first page of the console: what waits, and the figures of what one answers for."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from admin.base import CurrentSigned, page

router = APIRouter()


@router.get("")
def show(request: Request, signed: CurrentSigned) -> Response:
    """The overview."""
    return page(request, signed, "dashboard.html")
