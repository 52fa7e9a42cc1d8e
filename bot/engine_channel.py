"""The engine's only door: messages in, replies out, behind a secret header. Runs in the engine's environment.

It replaces the engine's HTTP API (which stays off), whose token travels in the address and opens far more than is needed.

What people type never becomes a command: the engine reads a text that begins with ``/`` as an intent, so leading
slashes are taken off ordinary texts, and an intent is accepted only in a field of its own, which the application sets for
buttons that it issued. Routes, below the channel's name:

- ``POST messages`` ``{"sender", "text", "intent": str|null, "metadata": {…}}`` → ``{"messages": […]}``
- ``POST replies`` ``{"sender", "message_id"}`` → ``{"messages": […]|null}``, null when it was not taken or has no reply
- ``POST session`` ``{"sender"}`` starts a new session; ``POST forget`` ``{"sender"}`` deletes the conversation
- ``POST parse`` ``{"text"}`` → ``{"intent", "confidence"}``

Errors: 400 malformed, 403 wrong secret, 502 when the engine produced no reply (its action failed), 503 while loading.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel, InputChannel, UserMessage
from rasa.core.tracker_store import FailSafeTrackerStore, InMemoryTrackerStore, SQLTrackerStore, TrackerStore
from rasa.shared.core.constants import ACTION_SESSION_START_NAME, DEFAULT_INTENTS
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import BotUttered, Event, UserUttered
from sanic import Blueprint
from sanic.exceptions import InvalidUsage
from sanic.request import Request
from sanic.response import HTTPResponse, json

SECRET_HEADER = "x-sotay-secret"  # noqa: S105 - the name of a header
CHANNEL = "sotay"
_MAX_TEXT = 4000  # code points; the application refuses longer messages before they come here

Handler = Callable[[Request], Awaitable[HTTPResponse]]
OnMessage = Callable[[UserMessage], Awaitable[Any]]


class MalformedError(Exception):
    """The request is not what a route expects; the message says why."""


class Incoming(NamedTuple):
    """A checked ``POST messages``; ``intent`` is set only for a button."""

    sender: str
    text: str
    intent: str | None
    metadata: dict[str, Any]


class SecretInput(InputChannel):  # type: ignore[misc]  # the engine is untyped
    """See the module. Credentials: ``secret``."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    @classmethod
    def name(cls) -> str:
        """The part of the address behind ``/webhooks/``."""
        return CHANNEL

    @classmethod
    def from_credentials(cls, credentials: dict[str, Any] | None) -> SecretInput:
        """From ``credentials.yml``; ValueError when the secret is missing or short."""
        secret = str((credentials or {}).get("secret") or "")
        if len(secret) < 16 or secret.startswith("${"):
            raise ValueError("the engine's channel needs a secret of at least 16 characters (SOTAY_ENGINE_SECRET)")
        return cls(secret)

    def blueprint(self, on_new_message: OnMessage) -> Blueprint:
        """The routes of the module's docstring."""

        async def messages(request: Request) -> HTTPResponse:
            incoming = read_message(_body(request))
            if incoming.intent is not None:
                check_intent(incoming.intent, _agent(request).domain)
            output = CollectingOutputChannel()
            await on_new_message(user_message(incoming, output))
            if not output.messages:
                return json({"error": "no reply"}, status=502)
            return json({"messages": output.messages})

        routes = Blueprint("sotay_channel")
        for handler in (messages, replies, session, forget, parse):
            routes.add_route(self._guarded(handler), f"/{handler.__name__}", methods=["POST"], name=handler.__name__)
        return routes

    def _guarded(self, handler: Handler) -> Handler:
        async def checked(request: Request) -> HTTPResponse:
            given = request.headers.get(SECRET_HEADER, "")
            if not hmac.compare_digest(given.encode(), self._secret):
                return json({"error": "forbidden"}, status=403)
            agent = _agent(request)
            if agent is None or not agent.is_ready():
                return json({"error": "loading"}, status=503)
            try:
                return await handler(request)
            except MalformedError as error:
                return json({"error": str(error)}, status=400)

        return checked


async def replies(request: Request) -> HTTPResponse:
    """Rebuild the bot's messages to one message; a turn that still runs ends first (the conversation's lock)."""
    body, agent = _body(request), _agent(request)
    sender, message_id = _string(body, "sender"), _string(body, "message_id")
    async with agent.lock_store.lock(sender):
        tracker = await agent.tracker_store.retrieve_full_tracker(sender)
    output = CollectingOutputChannel()
    for event in replies_to(message_id, list(tracker.events) if tracker else []):
        await output.send_response(sender, event.message())
    return json({"messages": output.messages or None})


async def session(request: Request) -> HTTPResponse:
    """Begin a new session."""
    sender, agent = _string(_body(request), "sender"), _agent(request)
    async with agent.lock_store.lock(sender):
        await agent.execute_action(sender, ACTION_SESSION_START_NAME, CollectingOutputChannel(), None, None)
    return json({})


async def forget(request: Request) -> HTTPResponse:
    """Delete a conversation."""
    sender, agent = _string(_body(request), "sender"), _agent(request)
    async with agent.lock_store.lock(sender):
        delete_conversation(agent.tracker_store, sender)
    return json({})


async def parse(request: Request) -> HTTPResponse:
    """The intent of a text, without a conversation."""
    parsed = await _agent(request).parse_message(plain(_string(_body(request), "text")))
    return json({"intent": parsed["intent"]["name"], "confidence": float(parsed["intent"]["confidence"])})


def plain(text: str) -> str:
    """*text* without what the engine could take for a command: leading slashes and white space, in any mixture."""
    before = None
    while before != text:
        before, text = text, text.strip().lstrip("/")
    return text


def read_message(body: dict[str, Any]) -> Incoming:
    """Check the body of ``POST messages``. Errors: MalformedError."""
    sender, text = _string(body, "sender"), _string(body, "text", empty=True)
    intent, metadata = body.get("intent"), body.get("metadata")
    if intent is not None and not (isinstance(intent, str) and intent.isidentifier()):
        raise MalformedError("intent: a name or null")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("message_id"), str):
        raise MalformedError("metadata: an object with message_id")
    return Incoming(sender, plain(text)[:_MAX_TEXT], intent, metadata)


def check_intent(intent: str, domain: Domain) -> None:
    """Buttons carry intents of the domain, never the engine's own ("restart", "session_start"). Errors: MalformedError."""
    if intent in DEFAULT_INTENTS or intent not in domain.intents:
        raise MalformedError(f"intent: {intent!r} is not an intent of the domain")


def user_message(incoming: Incoming, output: CollectingOutputChannel) -> UserMessage:
    """What the engine handles: a button is already understood, a text is still to be parsed."""
    parsed = None
    if incoming.intent is not None:
        intent = {"name": incoming.intent, "confidence": 1.0}
        parsed = {"text": incoming.text, "intent": intent, "intent_ranking": [intent], "entities": []}
    return UserMessage(
        incoming.text,
        output,
        incoming.sender,
        parse_data=parsed,
        input_channel=CHANNEL,
        message_id=incoming.metadata["message_id"],
        metadata=incoming.metadata,
    )


def replies_to(message_id: str, events: list[Event]) -> list[BotUttered]:
    """The bot's messages between the last user message *message_id* and the next user message.

    Empty when the message was not taken, and when its action failed: then it may be handed over again.
    """
    found: list[BotUttered] = []
    inside = False
    for event in events:
        if isinstance(event, UserUttered):
            inside = event.message_id == message_id
            if inside:
                found = []
        elif inside and isinstance(event, BotUttered):
            found.append(event)
    return found


def delete_conversation(store: TrackerStore, sender: str) -> None:
    """Delete every event of *sender*; the engine's stores offer no such call."""
    if isinstance(store, FailSafeTrackerStore):
        delete_conversation(store.fallback_tracker_store, sender)
        store = store._tracker_store  # noqa: SLF001 - the wrapper has no other way in
    if isinstance(store, SQLTrackerStore):
        with store.session_scope() as session:
            session.query(store.SQLEvent).filter(store.SQLEvent.sender_id == sender).delete(synchronize_session=False)
            session.commit()
    elif isinstance(store, InMemoryTrackerStore):
        store.store.pop(sender, None)
    else:
        raise TypeError(f"cannot delete conversations from {type(store).__name__}")


def _agent(request: Request) -> Agent:
    """The engine itself; None while it loads its model."""
    return getattr(request.app.ctx, "agent", None)


def _body(request: Request) -> dict[str, Any]:
    try:
        body = request.json
    except InvalidUsage as error:
        raise MalformedError("body: JSON expected") from error
    if not isinstance(body, dict):
        raise MalformedError("body: a JSON object expected")
    return body


def _string(body: dict[str, Any], key: str, *, empty: bool = False) -> str:
    value = body.get(key)
    if not isinstance(value, str) or (not value and not empty):
        raise MalformedError(f"{key}: a string expected")
    return value
