"""The state of the parts, for people who operate and for load balancers."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

import httpx
import psutil
import psycopg
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from core import chroma
from core.database import unit_of_work
from core.engine import EngineError
from core.keeper import ServiceError
from core.settings import settings
from sotay import engine
from sotay.worker import STALLED_SECONDS

log = logging.getLogger(__name__)

State = Literal["ok", "starting", "down"]


def report() -> dict[str, Any]:
    """``{"status": "ok|degraded|down", "parts": {"database", "chroma", "worker", "engine"}}``, each ``ok|starting|down``.

    The engine alone missing is ``degraded``: members are answered without it. Anything else missing is ``down``.
    """
    checks: dict[str, Callable[[], bool]] = {
        "database": _database,
        "chroma": _chroma,
        "worker": _worker,
        "engine": _engine,
    }
    with ThreadPoolExecutor(len(checks), "health") as pool:
        running = dict(zip(checks, pool.map(_safely, checks.values()), strict=True))
    parts = {name: _state(name, ok=ok) for name, ok in running.items()}
    if all(state == "ok" for state in parts.values()):
        status = "ok"
    elif all(state == "ok" for name, state in parts.items() if name != "engine"):
        status = "degraded"
    else:
        status = "down"
    return {"status": status, "parts": parts}


def _safely(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except (SQLAlchemyError, psycopg.Error, httpx.HTTPError, ServiceError, EngineError, OSError) as error:
        log.info("health: %s: %s", check.__name__, error)
        return False


def _database() -> bool:
    with unit_of_work() as session:
        return bool(session.scalar(text("select 1")) == 1)


def _chroma() -> bool:
    url = settings().chroma_url or chroma.ensure(settings().data_dir)
    response = httpx.get(f"{url}/api/v2/heartbeat", timeout=2, trust_env=False)
    return bool(response.status_code == 200)


def _worker() -> bool:
    with unit_of_work() as session:
        alive = text(
            "select count(*) from procrastinate_workers where last_heartbeat > now() - make_interval(secs => :s)"
        )
        return bool(session.scalar(alive, {"s": STALLED_SECONDS}))


def _engine() -> bool:
    return engine.client().health()


def _state(name: str, *, ok: bool) -> State:
    """A part that does not answer is starting when its process is there, or is being prepared by ``sotay up``."""
    if ok:
        return "ok"
    try:
        parts = json.loads((settings().data_dir / "run" / "parts.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return "down"
    part = parts.get({"database": "postgres"}.get(name, name))
    if part is None:
        return "down"
    return "starting" if psutil.pid_exists(part["pid"] or parts["supervisor"]["pid"]) else "down"
