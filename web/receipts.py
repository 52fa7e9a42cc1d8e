"""What became of a request, by its receipt alone: for people who have no sign-in any more. No names."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, HTTPException, Request
from limits import RateLimitItemPerMinute
from starlette.responses import Response

from members import requests
from members.limiting import attempts, network
from web.base import Work, go, own_page
from web.browser import address_of

router = APIRouter(prefix="/receipts", include_in_schema=False)

PER_ADDRESS = RateLimitItemPerMinute(30, 10)
"""Look-ups from one address: a receipt has 39 random bits, so guessing one takes longer than anybody has."""
NEW = ("erasure", "withdrawal")


@router.api_route("", methods=["GET", "HEAD"])
def ask_receipt(request: Request, code: str = "") -> Response:
    """The form; filled in, it leads to the receipt's own page."""
    code = "".join(letter for letter in code[:40].upper() if letter.isalnum() or letter == "-")
    return go(f"/receipts/{code}") if code else _page(request)


@router.api_route("/{code}", methods=["GET", "HEAD"])
def show_receipt(request: Request, work: Work, code: str, new: str = "") -> Response:
    """Kind, state and dates of the request."""
    if not attempts.allow(PER_ADDRESS, "receipt", network(address_of(request))):
        raise HTTPException(HTTPStatus.TOO_MANY_REQUESTS)
    state = requests.receipt_state(work, code)
    if state is None:
        return _page(request, code=code[:40], unknown=True, status=HTTPStatus.NOT_FOUND)
    return _page(request, code=state.receipt, state=state, new=new if new in NEW else "")


def _page(
    request: Request,
    *,
    code: str = "",
    state: object | None = None,
    unknown: bool = False,
    new: str = "",
    status: int = HTTPStatus.OK,
) -> Response:
    context = {
        "code": code,
        "state": state,
        "unknown": unknown,
        "new": new,
        "request_names": requests.KINDS,
        "state_names": requests.STATES,
    }
    return own_page(request, "receipt.html", context, status=status)
