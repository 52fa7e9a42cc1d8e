"""The dialogue engine, reached over loopback: the only module that knows how. Its other end: ``bot/engine_channel.py``."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

SECRET_HEADER = "X-Sotay-Secret"  # noqa: S105 - the name of a header
"""Carries the secret in both directions: to the engine's channel and, with its actions' calls, back."""

HEALTH_TEXT = "xin chào"
HEALTH_INTENT = "greet"
"""A sentence whose intent every sound model knows. An engine whose classifier failed to load still answers, wrongly."""

_BASE = "/webhooks/sotay"


class EngineError(Exception):
    """The engine took a request and could not answer it (its action failed, or it refused the request)."""


class EngineUnavailable(EngineError):  # noqa: N818 - a state, as the caller reads it
    """The engine does not answer: not started, still loading its model, killed, or too slow."""


class EngineClient:
    """Speaks to the engine with kept connections; may be shared by threads.

    *base_url* such as ``http://127.0.0.1:5005``. A message may wait for an action for *timeout* seconds.
    """

    def __init__(
        self, base_url: str, secret: str, *, timeout: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._client = httpx.Client(
            base_url=base_url,
            headers={SECRET_HEADER: secret},
            timeout=httpx.Timeout(timeout, connect=2.0),
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=4.0),
            transport=transport,
            trust_env=False,  # a proxy of the environment never stands between us and loopback
        )

    def send(
        self, sender: str, text: str, intent: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Hand over what *sender* said and return the bot's messages, ``{"recipient_id", "custom" | "text", …}``.

        *intent* is for buttons only; with None the text is parsed, whatever it looks like. *metadata* must have the
        ``message_id`` under which ``replies_of`` finds it. Errors: EngineUnavailable, EngineError.
        """
        body = {"sender": sender, "text": text, "intent": intent, "metadata": dict(metadata or {})}
        messages: list[dict[str, Any]] = self._post("messages", body)["messages"]
        return messages

    def replies_of(self, sender: str, message_id: str) -> list[dict[str, Any]] | None:
        """The bot's messages to *message_id* rebuilt from the conversation's events, in the form of ``send``.

        None when the engine never took the message or took it without an answer: hand it over (again). A turn that is
        still running is waited for. Errors: EngineUnavailable, EngineError.
        """
        messages: list[dict[str, Any]] | None = self._post("replies", {"sender": sender, "message_id": message_id})[
            "messages"
        ]
        return messages

    def new_session(self, sender: str) -> None:
        """Begin a new session: a turn's time grows with its session. Errors: EngineUnavailable, EngineError."""
        self._post("session", {"sender": sender})

    def forget(self, sender: str) -> None:
        """Delete everything that the engine stored about *sender*. Errors: EngineUnavailable, EngineError."""
        self._post("forget", {"sender": sender})

    def parse(self, text: str) -> tuple[str, float]:
        """The intent of *text* and its confidence (0–1), without a conversation. Errors: EngineUnavailable, EngineError."""
        parsed = self._post("parse", {"text": text})
        return parsed["intent"], parsed["confidence"]

    def health(self) -> bool:
        """Whether the engine answers and its model is the trained one. Never raises EngineError."""
        try:
            intent, _ = self.parse(HEALTH_TEXT)
        except EngineError:
            return False
        return intent == HEALTH_INTENT

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _post(self, route: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            response = self._client.post(f"{_BASE}/{route}", json=body)
        except httpx.TransportError as error:
            raise EngineUnavailable(f"engine: {type(error).__name__}") from error
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise EngineUnavailable("engine: still loading")
        if response.status_code != httpx.codes.OK:
            raise EngineError(f"engine: {route} answered {response.status_code} {_reason(response)}")
        try:
            answer = response.json()
        except ValueError as error:
            raise EngineError(f"engine: {route} answered something that is not JSON") from error
        if not isinstance(answer, dict):
            raise EngineError(f"engine: {route} answered JSON that is not an object")
        return answer


def _reason(response: httpx.Response) -> str:
    """What the engine says about an error: its own short word, never the text of a member."""
    try:
        return str(response.json()["error"])[:200]
    except (ValueError, KeyError, TypeError):
        return ""
