"""The web application: chat channel, member pages, engine actions and health, in one process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.gzip import GZipMiddleware

from admin import console
from admin.limits import BodyLimit
from bot.actions import router as actions
from channels import widget
from channels.wake import Wake
from core.settings import settings
from knowledge import indexing
from sotay import health, personas
from sotay.logs import configure_logging
from web import pages
from web.security import SecurityHeaders

log = logging.getLogger(__name__)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(app.state.wake.run()), asyncio.create_task(asyncio.to_thread(_warm_up))]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def _warm_up() -> None:
    """Load the search index before the first member asks."""
    try:
        indexing.warm_up()
    except Exception:
        log.exception("the search index could not be loaded ahead of the first question")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, widget.Refusal)
    return error.response()


def create_app() -> FastAPI:
    """The application as uvicorn serves it."""
    configure_logging()
    app = FastAPI(
        title="Sổ tay",
        description="Hỏi đáp về điều lệ và quy định: nguyên văn điều khoản đang có hiệu lực, kèm trích dẫn.",
        version="1",
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.state.wake = Wake()
    app.add_exception_handler(widget.Refusal, _refused)
    app.include_router(widget.router)
    app.include_router(actions.router, include_in_schema=False)

    @app.get("/health", tags=["operation"], responses={503: {"description": "Members cannot be answered"}})
    def read_health() -> JSONResponse:
        """The state of the parts. The engine alone missing is ``degraded``: the chat answers without it."""
        report: dict[str, Any] = health.report()
        return JSONResponse(report, 503 if report["status"] == "down" else 200, headers={"Cache-Control": "no-store"})

    app.include_router(personas.router)
    console.install(app)
    pages.install(app, suggestions=settings().suggestions, personas=personas.offered)
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)  # leaves event streams as they are
    app.add_middleware(BodyLimit)  # before anything reads a body
    app.add_middleware(SecurityHeaders)  # the outermost: its headers are on every answer
    return app
