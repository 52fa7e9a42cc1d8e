"""What the commands share: speaking to the person at the terminal, and the installation that they work on."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from pydantic import ValidationError

Json = Annotated[bool, typer.Option("--json", help="In kết quả dạng JSON.")]


def say(message: str) -> None:
    """Tell the person at the terminal something that is not a result."""
    print(message, file=sys.stderr, flush=True)


def fail(message: str, *, code: int = 1) -> NoReturn:
    """End with an error message."""
    say(message)
    raise typer.Exit(code)


def emit(value: Any) -> None:  # noqa: ANN401 - anything JSON can say
    """Print a result as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


@contextmanager
def installation(*, index: bool = False, migrate: bool = True) -> Iterator[None]:
    """Start what a command needs, bring the schema up to date, and say plainly what is wrong if that fails."""
    from pydantic import ValidationError
    from sqlalchemy.exc import DBAPIError

    try:
        from core import crypto, database
        from core.keeper import ServiceError
        from knowledge import indexing
        from knowledge.abstention import ParametersError
        from knowledge.search.e5 import ModelBuildError
        from knowledge.search.embedding import EmbeddingModelError
        from knowledge.search.vectors import VectorStoreUnavailable
        from sotay.logs import configure_logging

        configure_logging()
    except ValidationError as error:
        fail(bad_settings(error))
    logging.getLogger().setLevel(logging.WARNING)
    try:
        if migrate:
            database.migrate()
            with database.unit_of_work() as session:
                crypto.check(session)
        if index:
            indexing.refresh(for_today=False, progress=progress)
        yield
    except (EmbeddingModelError, ModelBuildError, ParametersError, ServiceError, VectorStoreUnavailable) as error:
        fail(str(error))
    except crypto.MasterKeyError as error:
        fail(f"Không đọc được khóa chủ, xem docs/operations.md, mục “Mất khóa” (master keys): {error}")
    except DBAPIError as error:
        fail(f"Cơ sở dữ liệu báo lỗi (the database reports an error): {str(error.orig).strip()}")


def bad_settings(error: ValidationError) -> str:
    """What is wrong with the settings, one line each."""
    lines = [f"{'.'.join(map(str, entry['loc']))}: {entry['msg']} ({entry['input']!r})" for entry in error.errors()]
    return "Thiết lập không hợp lệ (bad settings):\n  " + "\n  ".join(lines)


def counting(word: str, things: str = "dòng") -> Callable[[int, int], None]:
    """Show how far it is, on one line when somebody is looking: "Đã xử lý: 5/10 dòng"."""

    def show(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{word}: {done}/{total} {things}", end="\n" if done >= total else "", file=sys.stderr, flush=True)

    return show


def progress(done: int, total: int) -> None:
    """Show how far the encoding of passages is."""
    if sys.stderr.isatty():
        print(
            f"\rĐang lập chỉ mục: {done}/{total} đoạn", end="\n" if done == total else "", file=sys.stderr, flush=True
        )
    elif done == total:
        say(f"Đã lập chỉ mục {total} đoạn.")
