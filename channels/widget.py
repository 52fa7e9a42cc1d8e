"""The chat widget's channel: messages come by POST, replies go by Server-Sent Events."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool

from channels.wake import Wake
from core.database import unit_of_work
from messaging import cookies, inbox, outbox

log = logging.getLogger(__name__)

router = APIRouter(prefix="/api/chat", tags=["chat"])

MAX_BODY_BYTES = 64 * 1024
PING_SECONDS = 15
RETRY_MILLISECONDS = 1500

Result = TypeVar("Result")


class MessageIn(BaseModel):
    """A member's message. The same ``id`` twice is one message; ``choice`` is the token of a tapped button."""

    id: uuid.UUID
    text: str = ""
    choice: str | None = Field(default=None, max_length=100)


class Accepted(BaseModel):
    """The message is stored; its answer comes as an event with ``in_reply_to`` = ``id``."""

    id: uuid.UUID


class Refusal(Exception):  # noqa: N818 - an answer, not a fault
    """A request that cannot be taken: status, code for programs, message in Vietnamese for the sender."""

    def __init__(self, status: int, code: str, message: str, *, retry_after: int | None = None) -> None:
        super().__init__(code)
        self.status, self.code, self.message, self.retry_after = status, code, message, retry_after

    def response(self) -> JSONResponse:
        """The refusal as JSON."""
        headers = {"Retry-After": str(self.retry_after)} if self.retry_after else None
        content = {"error": {"code": self.code, "message": self.message}}
        return JSONResponse(content, self.status, headers=headers)


_STATUS_OF = {"busy": 429, "too_long": 413}


async def _body(request: Request) -> MessageIn:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Refusal(415, "not_json", "Yêu cầu phải là JSON (Content-Type: application/json).")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY_BYTES:
            raise Refusal(413, "too_long", "Tin nhắn quá dài. Xin rút gọn câu hỏi rồi gửi lại.")
    try:
        content = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise Refusal(400, "bad_encoding", "Tin nhắn không phải mã UTF-8 nên không đọc được.") from error
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "bad_json", "Yêu cầu không phải JSON hợp lệ.") from error
    try:
        return MessageIn.model_validate(content)
    except ValidationError as error:
        raise Refusal(422, "bad_message", "Tin nhắn phải có «id» (UUID) và «text» (chữ).") from error


async def _with_database(work: Callable[[], Result]) -> Result:
    """Run *work* in a thread; while the database is away, people are told to try again instead of seeing an error."""
    try:
        return await run_in_threadpool(work)
    except (OperationalError, DBAPIError, PoolTimeoutError) as error:
        log.warning("the database cannot be reached: %s", type(error).__name__)
        message = "Hệ thống đang khởi động lại. Xin gửi lại sau ít giây."
        raise Refusal(503, "unavailable", message, retry_after=2) from error


@router.post(
    "/messages",
    status_code=202,
    response_model=Accepted,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": MessageIn.model_json_schema()}},
        }
    },
    responses={
        code: {"description": f"{text}: {{'error': {{'code', 'message'}}}}, the message in Vietnamese"}
        for code, text in {400: "Not JSON in UTF-8", 413: "Too long", 415: "Not declared as JSON",
                           422: "Empty or malformed", 429: "Too many waiting", 503: "Try again"}.items()
    },
)  # fmt: skip
async def post_message(request: Request, response: Response) -> Accepted:
    """Take a message in. Sets the session cookie on the first call."""
    message = await _body(request)
    key = cookies.read(request) or cookies.begin(request, response)

    def work() -> None:
        with unit_of_work() as session:
            conversation = inbox.open_conversation(session, channel=cookies.CHANNEL, external_id=key)
            inbox.receive(session, conversation, message_id=str(message.id), text=message.text, choice=message.choice)

    try:
        await _with_database(work)
    except inbox.MessageRefused as refused:
        retry_after = 3 if refused.code == "busy" else None
        raise Refusal(
            _STATUS_OF.get(refused.code, 422), refused.code, refused.message, retry_after=retry_after
        ) from None
    return Accepted(id=message.id)


@router.get("/history")
async def history(request: Request, response: Response) -> dict[str, Any]:
    """The conversation so far: ``{"messages": [...], "last_event_id": n}``. Sets the session cookie on the first call."""
    response.headers["Cache-Control"] = "no-store"
    key = cookies.read(request)
    if key is None:
        cookies.begin(request, response)
        return {"messages": [], "last_event_id": 0}

    def work() -> dict[str, Any]:
        with unit_of_work() as session:
            conversation = inbox.find_conversation(session, channel=cookies.CHANNEL, external_id=key)
            if conversation is None:
                return {"messages": [], "last_event_id": 0}
            return {
                "messages": outbox.history(session, conversation.id),
                "last_event_id": outbox.last_event_id(session, conversation.id),
            }

    return await _with_database(work)


@router.get("/events", response_class=EventSourceResponse)
async def events(request: Request, response: Response, last_event_id: str | None = None) -> EventSourceResponse:
    """Replies as Server-Sent Events (``event: message``), resumed after ``Last-Event-ID`` or ``?last_event_id=``."""
    seen = _resume_point(request.headers.get("last-event-id") or last_event_id)
    key = cookies.read(request) or cookies.begin(request, response)

    def work() -> uuid.UUID:
        with unit_of_work() as session:
            return inbox.open_conversation(session, channel=cookies.CHANNEL, external_id=key).id

    conversation_id = await _with_database(work)
    stream = EventSourceResponse(
        _stream(request.app.state.wake, conversation_id, key, seen),
        ping=PING_SECONDS,
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
    if "set-cookie" in response.headers:
        stream.headers["set-cookie"] = response.headers["set-cookie"]
    return stream


def _resume_point(seen: str | None) -> int:
    """The event to resume after; what is not the id of an event means from the beginning."""
    return int(seen) if seen and seen.isascii() and seen.isdigit() and len(seen) <= 18 else 0


async def _stream(wake: Wake, conversation_id: uuid.UUID, key: str, seen: int) -> AsyncIterator[ServerSentEvent]:
    """The events after *seen*, until the page goes, or *key* no longer names the conversation (a sign-in, a sign-out)."""
    with wake.reader(str(conversation_id)) as news:
        yield ServerSentEvent(comment="ok", retry=RETRY_MILLISECONDS)
        while True:
            news.clear()

            def work(after: int = seen) -> list[tuple[int, dict[str, Any]]] | None:
                with unit_of_work() as session:
                    current = inbox.find_conversation(session, channel=cookies.CHANNEL, external_id=key)
                    if current is None or current.id != conversation_id:
                        return None
                    found = outbox.after(session, conversation_id, after)
                    if found:
                        outbox.delivered(session, [event for event, _ in found])
                    return found

            try:
                found = await run_in_threadpool(work)
            except (OperationalError, DBAPIError, PoolTimeoutError) as error:
                log.warning("a page waits for the database: %s", type(error).__name__)
                found = []
                await asyncio.sleep(1)
                news.set()
            if found is None:
                return
            for event, reply in found:
                seen = event
                yield ServerSentEvent(id=str(event), event="message", data=json.dumps(reply, ensure_ascii=False))
            try:
                await asyncio.wait_for(news.wait(), timeout=PING_SECONDS)
            except TimeoutError:
                continue
