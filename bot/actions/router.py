"""The engine's actions as a route of the web application: ``POST /internal/actions``, behind a secret header.

The protocol is the engine's: a rejected action answers 400, an unknown one 404, one that lacks the domain 449; the body may
be deflated. Errors of services are not caught here: the engine then has no reply, and the turn is answered without it.
"""

from __future__ import annotations

import hmac
import json
import zlib
from functools import lru_cache
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException, ActionNotFoundException

from bot.actions import forms, talk
from core.engine import SECRET_HEADER
from core.secrets import secret

router = APIRouter(include_in_schema=False)

ACTIONS = (*talk.ACTIONS, *forms.ACTIONS)
MAX_BODY = 1_000_000
"""Bytes, before and after inflating: a call carries one turn of a conversation."""


class BodyRefusedError(Exception):
    """The body is too large, broken or not a call of an action."""


@router.post("/internal/actions")
async def run_action(request: Request) -> JSONResponse:
    """Run the action that the engine calls and return its events and responses."""
    given = request.headers.get(SECRET_HEADER, "").encode()
    if not hmac.compare_digest(given, secret("engine").encode()):
        return JSONResponse({"error": "forbidden"}, status_code=403)
    try:
        call = _call(await _body(request), request.headers.get("content-encoding", ""))
    except BodyRefusedError as error:
        return JSONResponse({"error": str(error)}, status_code=400)
    try:
        result = await _executor().run(call)
    except ActionExecutionRejection as error:
        return _refused(error, 400)
    except ActionNotFoundException as error:
        return _refused(error, 404)
    except ActionMissingDomainException as error:
        return _refused(error, 449)
    return JSONResponse({"events": [], "responses": []} if result is None else result.model_dump())


@lru_cache(maxsize=1)
def _executor() -> ActionExecutor:
    executor = ActionExecutor()
    for action in ACTIONS:
        executor.register_action(action)
    return executor


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyRefusedError("body too large")
    return bytes(body)


def _call(body: bytes, encoding: str) -> dict[str, Any]:
    if encoding == "deflate":
        inflater = zlib.decompressobj()
        try:
            body = inflater.decompress(body, MAX_BODY)
        except zlib.error as error:
            raise BodyRefusedError("body is not deflated") from error
        if not inflater.eof:
            raise BodyRefusedError("body too large or cut off")
    try:
        call = json.loads(body)
    except ValueError as error:
        raise BodyRefusedError("body is not JSON") from error
    if not isinstance(call, dict) or not isinstance(call.get("tracker"), dict) or not call.get("next_action"):
        raise BodyRefusedError("not a call of an action")
    # The engine does not send the domain (endpoints.yml: enable_selective_domain), the executor insists on the key.
    call.setdefault("domain", {})
    return call


def _refused(error: Any, status: int) -> JSONResponse:
    return JSONResponse({"error": error.message, "action_name": error.action_name}, status_code=status)
