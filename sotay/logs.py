"""Logging of every process: one line an event on standard error, never what people wrote or who they are.

A traceback is logged with its places and kinds of errors; the messages of those that quote the value they were given
(of Python, of the database, of pydantic) are left out.
"""

from __future__ import annotations

import logging
import threading
import traceback
from types import TracebackType

import psycopg
import sqlalchemy.exc

from core.settings import settings

log = logging.getLogger(__name__)

_QUIET = (
    "alembic",
    "chromadb",
    "fontTools",
    "fpdf",
    "httpcore",
    "httpcore2",
    "httpx",
    "httpx2",
    "procrastinate",
    "rasa_sdk",
    "sse_starlette",
    "urllib3",
    "uvicorn.access",
)


_OWN_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")

_QUOTING = (ArithmeticError, AssertionError, LookupError, TypeError, UnicodeError, ValueError)
"""Errors whose message shows what they were given: ``invalid literal for int() with base 10: '0912…'``."""


def describe(error: BaseException) -> str:
    """The kind of *error* and, where it cannot show what people wrote, its message."""
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    if isinstance(error, sqlalchemy.exc.StatementError):
        return f"{kind} (statement and values are not logged)"
    if isinstance(error, psycopg.Error) and error.sqlstate is not None:
        place = " ".join(filter(None, (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)))
        return f"{kind} SQLSTATE {error.sqlstate} {place}".strip()
    if isinstance(error, _QUOTING):
        return f"{kind} (its message is not logged)"
    return f"{kind}: {error}"


class Formatter(logging.Formatter):
    """Writes tracebacks by ``describe``, with the errors that led to them."""

    def formatException(  # noqa: N802 - the name that logging calls
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback of *ei*: places and kinds."""
        if ei[1] is None:
            return ""
        return "\n".join(_chain(ei[1], set()))


def _chain(error: BaseException, seen: set[int]) -> list[str]:
    seen.add(id(error))
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    lines = [*_chain(before, seen), "which led to:"] if before is not None and id(before) not in seen else []
    lines += [line.rstrip("\n") for line in traceback.format_tb(error.__traceback__)]
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            lines += [*_chain(part, seen), "which is part of:"]
        return [*lines, f"{type(error).__name__} of {len(error.exceptions)}"]
    return [*lines, describe(error)]


def _thread_failed(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None and not isinstance(arguments.exc_value, SystemExit):
        name = arguments.thread.name if arguments.thread else "?"
        log.critical("thread %s has failed", name, exc_info=arguments.exc_value)


def configure_logging() -> None:
    """Set up the root logger at the level of SOTAY_LOG_LEVEL; libraries speak from warnings on."""
    handler = logging.StreamHandler()
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=settings().log_level.upper(), handlers=[handler], force=True)
    for name in _OWN_HANDLERS:  # they would print tracebacks in full
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    threading.excepthook = _thread_failed
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
