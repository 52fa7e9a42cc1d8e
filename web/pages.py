"""The members' pages: home with the chat, the list of documents, the reader, errors; and the files they load."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.staticfiles import StaticFiles
from sqlalchemy.exc import DataError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from core.database import unit_of_work
from core.settings import settings
from core.text import syllables
from knowledge import documents
from knowledge.documents import DocumentSummary, DocumentView
from web import profile, receipts, sign_in, sign_up
from web.base import SIGN_IN, STATIC, SignInRequired, current_version, day, go, public_page, static_url, templates
from web.rendering import layout, outline
from web.security import HEADERS

__all__ = ["Library", "install", "library", "router", "static_url"]

MAX_FILTER = 200
"""Characters of the list's filter that are looked at."""

ERROR_TEXT = {
    400: ("Yêu cầu chưa đúng", "Trình duyệt gửi đến một yêu cầu mà hệ thống không hiểu."),
    403: ("Biểu mẫu đã hết hạn", "Biểu mẫu này không còn dùng được. Xin quay lại, tải lại trang rồi làm lại."),
    404: ("Không tìm thấy trang", "Địa chỉ này không có, hoặc văn bản đã được rút khỏi danh mục."),
    422: ("Biểu mẫu chưa đúng", "Có ô bị thiếu hoặc sai dạng. Xin quay lại, xem lại các ô rồi gửi lại."),
    405: ("Yêu cầu chưa đúng", "Trang này không nhận loại yêu cầu vừa gửi."),
    429: ("Quá nhiều yêu cầu", "Vui lòng đợi một lát rồi thử lại."),
    503: ("Hệ thống đang bận", "Vui lòng đợi một lát rồi tải lại trang."),
}
ERROR_OTHERWISE = ("Có lỗi xảy ra", "Hệ thống gặp trục trặc và đã ghi lại lỗi này. Vui lòng thử lại sau.")

log = logging.getLogger(__name__)

router = APIRouter(include_in_schema=False)


class Library:
    """The published documents, a unit of work for each look."""

    def summaries(self) -> list[DocumentSummary]:
        """All published documents, newest first."""
        with unit_of_work() as session:
            return documents.list_published(session)

    def view(self, slug: str) -> DocumentView | None:
        """The published document with this name in its address."""
        with unit_of_work() as session:
            return documents.get_published(session, slug)


def library() -> Library:
    """The library of a request (a test gives its own)."""
    return Library()


InLibrary = Annotated[Library, Depends(library)]


@router.api_route("/", methods=["GET", "HEAD"])
def home(request: Request) -> Response:
    """The page with the chat."""
    context = {
        "address": settings().address,
        "suggestions": request.app.state.suggestions,
        "personas": request.app.state.personas(request),
    }
    return public_page(request, "home.html", context)


@router.api_route("/documents", methods=["GET", "HEAD"])
def show_documents(request: Request, shelf: InLibrary, q: str = "") -> Response:
    """The list of documents, all or those that hold every word of *q*; its last word may be unfinished."""
    q = q.strip()[:MAX_FILTER]
    found = shelf.summaries()
    wanted = syllables(q)
    shown = [summary for summary in found if _matches(_words(summary), wanted)]
    return public_page(request, "documents.html", {"documents": shown, "total": len(found), "q": q})


@router.api_route("/documents/{slug}", methods=["GET", "HEAD"])
def show_document(request: Request, shelf: InLibrary, slug: str) -> Response:
    """The reader; the fragment of the address opens it at a provision."""
    view = shelf.view(slug)
    if view is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    context = {
        "document": view.summary,
        "root": layout(view.text, view.root),
        "outline": outline(view.root),
    }
    return public_page(request, "document.html", context)


def _matches(words: list[str], wanted: list[str]) -> bool:
    *whole, last = wanted or [""]
    return set(whole) <= set(words) and any(word.startswith(last) for word in words)


def _words(summary: DocumentSummary) -> list[str]:
    """What the filter of the list looks at."""
    parts = (summary.title, summary.number, summary.issuer, summary.type, day(summary.issued_on))
    return syllables(" ".join(part for part in parts if part))


class _VersionedFiles(StaticFiles):
    """Static files; with the version in the address they never change and are not asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        current = scope["query_string"] == f"v={current_version(path)}".encode()
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        return response


def install(
    app: FastAPI,
    *,
    suggestions: Sequence[str] = (),
    personas: Callable[[Request], Sequence[object]] = lambda _: (),
) -> None:
    """Add the pages, their static files and the error pages to *app*; the chat offers *suggestions* as first questions.

    *personas* gives the parts that this request may take in the demo (``key``, ``title``, ``can``).

    Errors below ``/api/`` and ``/internal/`` stay JSON, ``{"error": {"code", "message"}}``.
    """
    app.state.suggestions = list(suggestions)
    app.state.personas = personas
    for part in (router, sign_in.router, sign_up.router, profile.router, receipts.router):
        app.include_router(part)
    app.mount("/static", _VersionedFiles(directory=STATIC), name="static")
    app.add_exception_handler(SignInRequired, _sign_in_required)
    app.add_exception_handler(sign_up.NotBoundError, sign_up.not_bound)
    app.add_exception_handler(RequestValidationError, _bad_values)
    app.add_exception_handler(DataError, _unstorable)
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _server_error)


def _sign_in_required(_request: Request, _error_raised: Exception) -> Response:
    return go(SIGN_IN)


def _bad_values(request: Request, error: Exception) -> Response:
    """A value in the address that cannot be names nothing (404); one in a form is to be put right (422)."""
    assert isinstance(error, RequestValidationError)
    in_address = any(found["loc"][0] == "path" for found in error.errors())
    return error_page(request, HTTPStatus.NOT_FOUND if in_address else HTTPStatus.UNPROCESSABLE_ENTITY, {})


def _unstorable(request: Request, error: Exception) -> Response:
    """A value that no form of ours sends and no column can hold: the character NUL, a number beyond 64 bits."""
    assert isinstance(error, DataError)
    route = getattr(request.scope.get("route"), "path", "?")
    log.warning("the database refuses a value of a request: %s on %s", type(error.orig).__name__, route)
    return error_page(request, HTTPStatus.UNPROCESSABLE_ENTITY, {})


def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise TypeError("this handler takes HTTP exceptions only") from error
    return error_page(request, error.status_code, dict(error.headers or {}))


def _server_error(request: Request, _error_raised: Exception) -> Response:
    # Starlette answers this one outside of every middleware, so it brings the security headers itself; it logs the error.
    return error_page(request, HTTPStatus.INTERNAL_SERVER_ERROR, dict(HEADERS))


def error_page(request: Request, status: int, headers: dict[str, str]) -> Response:
    """What a person or a program reads about an error."""
    title, message = ERROR_TEXT.get(status, ERROR_OTHERWISE)
    headers["Cache-Control"] = "no-store"
    if request.url.path.startswith(("/api/", "/internal/")):
        content = {"error": {"code": HTTPStatus(status).name.lower(), "message": f"{title}. {message}"}}
        return JSONResponse(content, status_code=status, headers=headers)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:  # this page comes whatever is broken
        request.state.signed_in = getattr(request.state, "signed_in", False)
    context = {"title": title, "message": message, "status": int(status)}
    return templates.TemplateResponse(request, "error.html", context, status_code=status, headers=headers)
