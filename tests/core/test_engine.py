"""The engine client against a scripted engine: what it sends, and which error each failure becomes."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest

from core.engine import EngineClient, EngineError, EngineUnavailable

SENDER = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
MESSAGES = [{"recipient_id": SENDER, "custom": {"reply": {"text": "Xin chào"}}}]


def client(handler: Callable[[httpx.Request], httpx.Response]) -> EngineClient:
    return EngineClient("http://127.0.0.1:5005", "a secret of the installation", transport=httpx.MockTransport(handler))


def answering(status: int, body: object) -> EngineClient:
    return client(lambda _: httpx.Response(status, json=body))


def test_send_hands_over_text_intent_and_metadata_behind_the_secret() -> None:
    seen: list[httpx.Request] = []

    def engine(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"messages": MESSAGES})

    assert client(engine).send(SENDER, "/chào", metadata={"message_id": "m1"}) == MESSAGES
    assert seen[0].url.path == "/webhooks/sotay/messages"
    assert seen[0].headers["x-sotay-secret"] == "a secret of the installation"
    assert json.loads(seen[0].content) == {
        "sender": SENDER,
        "text": "/chào",
        "intent": None,
        "metadata": {"message_id": "m1"},
    }


def test_replies_of_tells_taken_from_not_taken() -> None:
    assert answering(200, {"messages": MESSAGES}).replies_of(SENDER, "m1") == MESSAGES
    assert answering(200, {"messages": None}).replies_of(SENDER, "m1") is None


def test_parse_new_session_and_forget_use_their_routes() -> None:
    paths: list[str] = []

    def engine(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"intent": "ask", "confidence": 0.75})

    with client(engine) as speaking:
        assert speaking.parse("hội phí") == ("ask", 0.75)
        speaking.new_session(SENDER)
        speaking.forget(SENDER)
    assert paths == [f"/webhooks/sotay/{route}" for route in ("parse", "session", "forget")]


@pytest.mark.parametrize(("intent", "healthy"), [("greet", True), ("ask", False)])
def test_health_is_a_right_classification(intent: str, healthy: bool) -> None:
    assert answering(200, {"intent": intent, "confidence": 0.9}).health() is healthy


def test_an_engine_that_is_not_there_is_unavailable_and_not_healthy() -> None:
    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(EngineUnavailable, match="ConnectError"):
        client(refused).send(SENDER, "x", metadata={"message_id": "m"})
    assert client(refused).health() is False


def test_an_engine_that_is_too_slow_or_still_loading_is_unavailable() -> None:
    def slow(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("slow", request=request)

    with pytest.raises(EngineUnavailable, match="ReadTimeout"):
        client(slow).parse("x")
    with pytest.raises(EngineUnavailable, match="loading"):
        answering(503, {"error": "loading"}).parse("x")


def test_an_engine_without_a_reply_is_an_error_that_is_not_unavailability() -> None:
    with pytest.raises(EngineError, match="messages answered 502 no reply") as raised:
        answering(502, {"error": "no reply"}).send(SENDER, "x", metadata={"message_id": "m"})
    assert not isinstance(raised.value, EngineUnavailable)


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json=[]), httpx.Response(500, text="Traceback")]
)
def test_anything_else_is_an_engine_error(answer: httpx.Response) -> None:
    with pytest.raises(EngineError):
        client(lambda _: answer).parse("x")
