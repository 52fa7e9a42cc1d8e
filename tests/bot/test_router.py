"""The route that the engine calls: the secret, the protocol's errors, limits."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from rasa_sdk.executor import ActionExecutor
from rasa_sdk.interfaces import ActionExecutionRejection, ActionMissingDomainException

from bot.actions import router as actions

SECRET = "a secret of the installation"
HEADERS = {"X-Sotay-Secret": SECRET}


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setattr(actions, "secret", {"engine": SECRET}.__getitem__)
    app = FastAPI()
    app.include_router(actions.router)
    with TestClient(app) as client:
        yield client


def call(action: str, text: str = "xin chào") -> dict[str, Any]:
    metadata = {"message_id": "m1", "conversation_id": "1b4e28ba-2fa1-11d2-883f-0016d3cca427", "payload": None}
    message = {"text": text, "intent": {"name": "greet"}, "entities": [], "metadata": metadata}
    tracker = {"sender_id": "s", "slots": {}, "latest_message": message, "events": [], "paused": False}
    return {"next_action": action, "sender_id": "s", "tracker": tracker, "version": "3.6.21"}


def test_an_action_answers_with_a_reply_as_custom_message(web: TestClient) -> None:
    answer = web.post("/internal/actions", json=call("action_who_are_you"), headers=HEADERS)
    assert answer.status_code == 200
    body = answer.json()
    assert body["events"] == []
    assert len(body["responses"]) == 1
    assert body["responses"][0]["custom"]["reply"]["text"].startswith("Tôi là máy")


@pytest.mark.parametrize("headers", [{}, {"X-Sotay-Secret": "wrong"}, {"X-Sotay-Secret": SECRET + "x"}])
def test_without_the_secret_nothing_runs(web: TestClient, headers: dict[str, str]) -> None:
    assert web.post("/internal/actions", json=call("action_greet"), headers=headers).status_code == 403


def test_every_action_of_the_domain_is_registered_and_no_other() -> None:
    import yaml

    from core.settings import ROOT

    domain = yaml.safe_load((ROOT / "domain.yml").read_text(encoding="utf-8"))
    assert sorted(action.action for action in actions.ACTIONS) == sorted(domain["actions"])


def test_an_unknown_action_is_404(web: TestClient) -> None:
    answer = web.post("/internal/actions", json=call("action_unknown"), headers=HEADERS)
    assert (answer.status_code, answer.json()["action_name"]) == (404, "action_unknown")


@pytest.mark.parametrize(
    ("error", "status"),
    [(ActionExecutionRejection("action_greet", "no"), 400), (ActionMissingDomainException("action_greet"), 449)],
)
def test_the_protocols_errors(web: TestClient, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int) -> None:
    async def run(_self: ActionExecutor, _call: dict[str, Any]) -> None:
        raise error

    monkeypatch.setattr(ActionExecutor, "run", run)
    answer = web.post("/internal/actions", json=call("action_greet"), headers=HEADERS)
    assert (answer.status_code, answer.json()["action_name"]) == (status, "action_greet")


def test_a_deflated_body_is_accepted_up_to_the_limit(web: TestClient) -> None:
    headers = {**HEADERS, "Content-Encoding": "deflate"}

    def send(body: bytes) -> tuple[int, Any]:
        answer = web.post("/internal/actions", content=body, headers=headers)
        return answer.status_code, answer.json().get("error")

    plain = json.dumps(call("action_thank")).encode()
    assert send(zlib.compress(plain)) == (200, None)
    assert send(plain) == (400, "body is not deflated")
    assert send(zlib.compress(plain)[:-9]) == (400, "body too large or cut off")
    assert send(zlib.compress(b" " * (actions.MAX_BODY + 1))) == (400, "body too large or cut off")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "body is not JSON"),
        (b"\xff\xfe", "body is not JSON"),
        (b"[]", "not a call of an action"),
        (b'{"next_action": "action_greet"}', "not a call of an action"),
        (b" " * (actions.MAX_BODY + 1), "body too large"),
    ],
)
def test_a_broken_body_is_400(web: TestClient, body: bytes, error: str) -> None:
    answer = web.post("/internal/actions", content=body, headers=HEADERS)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
