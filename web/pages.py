"""The members' pages: home with the chat, the list of documents, the reader, errors; and the files they load."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from core.database import unit_of_work
from core.settings import settings
from core.text import syllables
from knowledge import documents
from knowledge.documents import DocumentSummary, DocumentView
from web.rendering import layout, outline
from web.security import HEADERS

__all__ = ["Library", "install", "library", "router"]

HERE = Path(__file__).parent
STATIC = HERE / "static"
MAX_FILTER = 200
"""Characters of the list's filter that are looked at."""

STATUS_TEXT = {
    "in_force": "Còn hiệu lực",
    "amended": "Còn hiệu lực, đã được sửa đổi",
    "replaced": "Đã được thay thế",
    "repealed": "Đã bị bãi bỏ",
    "not_yet": "Chưa có hiệu lực",
}
ERROR_TEXT = {
    400: ("Yêu cầu chưa đúng", "Trình duyệt gửi đến một yêu cầu mà hệ thống không hiểu."),
    404: ("Không tìm thấy trang", "Địa chỉ này không có, hoặc văn bản đã được rút khỏi danh mục."),
    405: ("Yêu cầu chưa đúng", "Trang này không nhận loại yêu cầu vừa gửi."),
    429: ("Quá nhiều yêu cầu", "Vui lòng đợi một lát rồi thử lại."),
    503: ("Hệ thống đang bận", "Vui lòng đợi một lát rồi tải lại trang."),
}
ERROR_OTHERWISE = ("Có lỗi xảy ra", "Hệ thống gặp trục trặc và đã ghi lại lỗi này. Vui lòng thử lại sau.")


def _day(value: date | None) -> str:
    """A date as people write it: 05/09/2024; empty when there is none."""
    return f"{value:%d/%m/%Y}" if value else ""


@lru_cache(maxsize=64)
def _version(name: str, modified_ns: int) -> str:  # the time is part of the key: a changed file gets a new version
    del modified_ns
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]


def static_url(name: str) -> str:
    """The address of a file of ``static/`` with its version, under which it may be kept for ever."""
    return f"/static/{name}?v={_current_version(name)}"


def _current_version(name: str) -> str:
    return _version(name, (STATIC / name).stat().st_mtime_ns)


def _templates() -> Jinja2Templates:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["day"] = _day
    environment.globals.update(static_url=static_url, status_text=STATUS_TEXT)
    return Jinja2Templates(env=environment)


templates = _templates()
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
    return _page(request, "home.html", {"address": settings().address, "suggestions": request.app.state.suggestions})


@router.api_route("/documents", methods=["GET", "HEAD"])
def show_documents(request: Request, shelf: InLibrary, q: str = "") -> Response:
    """The list of documents, all or those that hold every word of *q*; its last word may be unfinished."""
    q = q.strip()[:MAX_FILTER]
    found = shelf.summaries()
    wanted = syllables(q)
    shown = [summary for summary in found if _matches(_words(summary), wanted)]
    return _page(request, "documents.html", {"documents": shown, "total": len(found), "q": q})


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
    return _page(request, "document.html", context)


def _matches(words: list[str], wanted: list[str]) -> bool:
    *whole, last = wanted or [""]
    return set(whole) <= set(words) and any(word.startswith(last) for word in words)


def _words(summary: DocumentSummary) -> list[str]:
    """What the filter of the list looks at."""
    parts = (summary.title, summary.number, summary.issuer, summary.type, _day(summary.issued_on))
    return syllables(" ".join(part for part in parts if part))


def _page(request: Request, name: str, context: dict[str, Any]) -> Response:
    """A page that browsers keep and ask about again: unchanged, it is answered with 304 and no body."""
    response = templates.TemplateResponse(request, name, context)
    etag = f'"{hashlib.sha256(response.body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    if etag in known:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    response.headers.update(headers)
    return response


class _VersionedFiles(StaticFiles):
    """Static files; with the version in the address they never change and are not asked for again."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        current = scope["query_string"] == f"v={_current_version(path)}".encode()
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if current else "no-cache"
        return response


def install(app: FastAPI, *, suggestions: Sequence[str] = ()) -> None:
    """Add the pages, their static files and the error pages to *app*; the chat offers *suggestions* as first questions.

    Errors below ``/api/`` and ``/internal/`` stay JSON, ``{"error": {"code", "message"}}``.
    """
    app.state.suggestions = list(suggestions)
    app.include_router(router)
    app.mount("/static", _VersionedFiles(directory=STATIC), name="static")
    app.add_exception_handler(StarletteHTTPException, _http_error)
    app.add_exception_handler(Exception, _server_error)


def _http_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, StarletteHTTPException):
        raise TypeError("this handler takes HTTP exceptions only") from error
    return _error(request, error.status_code, dict(error.headers or {}))


def _server_error(request: Request, _error_raised: Exception) -> Response:
    # Starlette answers this one outside of every middleware, so it brings the security headers itself; it logs the error.
    return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR, dict(HEADERS))


def _error(request: Request, status: int, headers: dict[str, str]) -> Response:
    title, message = ERROR_TEXT.get(status, ERROR_OTHERWISE)
    headers["Cache-Control"] = "no-store"
    if request.url.path.startswith(("/api/", "/internal/")):
        content = {"error": {"code": HTTPStatus(status).name.lower(), "message": f"{title}. {message}"}}
        return JSONResponse(content, status_code=status, headers=headers)
    context = {"title": title, "message": message, "status": int(status)}
    return templates.TemplateResponse(request, "error.html", context, status_code=status, headers=headers)
