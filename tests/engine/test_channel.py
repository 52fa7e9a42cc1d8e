"""The engine's door: what typed text can never do, and what the routes accept."""

from __future__ import annotations

from typing import Any

import pytest
from rasa.core.channels.channel import CollectingOutputChannel
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, BotUttered, UserUttered

from bot.engine_channel import MalformedError, SecretInput, check_intent, plain, read_message, replies_to, user_message
from bot.engine_speed import this_turn

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("/restart", "restart"),
        (" /stop", "stop"),
        ("// /\t/help{}", "help{}"),
        ("\u00a0/session_start", "session_start"),
        ('\u2003\u3000/greet@1.0{"a": 1}', 'greet@1.0{"a": 1}'),
        ("/", ""),
        ("", ""),
        ("hội phí / lệ phí", "hội phí / lệ phí"),
    ],
)
def test_typed_text_never_begins_with_a_slash(typed: str, text: str) -> None:
    assert plain(typed) == text


def body(**changes: Any) -> dict[str, Any]:
    return {"sender": "s", "text": "/greet", "intent": None, "metadata": {"message_id": "m1"}, **changes}


def test_a_text_is_parsed_and_a_button_is_understood_already() -> None:
    typed = user_message(read_message(body()), CollectingOutputChannel())
    assert (typed.text, typed.parse_data, typed.message_id, typed.sender_id) == ("greet", None, "m1", "s")
    tapped = user_message(read_message(body(intent="send_question")), CollectingOutputChannel())
    assert tapped.parse_data["intent"] == {"name": "send_question", "confidence": 1.0}


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ""},
        {"sender": 1},
        {"text": None},
        {"intent": "a b"},
        {"intent": 3},
        {"metadata": None},
        {"metadata": {}},
        {"metadata": {"message_id": 1}},
    ],
)
def test_malformed_messages_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedError):
        read_message(body(**changes))


def test_buttons_carry_intents_of_the_domain_only() -> None:
    domain = Domain.from_yaml("version: '3.1'\nintents: [send_question]\n")
    check_intent("send_question", domain)
    for other in ("restart", "session_start", "back", "unknown"):
        with pytest.raises(MalformedError):
            check_intent(other, domain)


@pytest.mark.parametrize("credentials", [None, {}, {"secret": "short"}, {"secret": "${SOTAY_ENGINE_SECRET}"}])
def test_no_channel_without_a_secret(credentials: Any) -> None:
    with pytest.raises(ValueError, match="secret"):
        SecretInput.from_credentials(credentials)


def test_replies_to_a_message_are_found_in_the_events() -> None:
    first, second, again = BotUttered("1"), BotUttered("2"), BotUttered("3")
    events = [
        UserUttered("a", message_id="a"),
        ActionExecuted("action_ask"),
        first,
        second,
        UserUttered("b", message_id="b"),
        UserUttered("a", message_id="a2"),
        again,
    ]
    assert replies_to("a", events) == [first, second]
    assert replies_to("b", events) == []
    assert replies_to("c", events) == []


def test_a_message_handed_over_twice_counts_the_last_time() -> None:
    first, second = BotUttered("1"), BotUttered("2")
    events = [UserUttered("a", message_id="a"), first, UserUttered("a", message_id="a"), second]
    assert replies_to("a", events) == [second]


def test_action_calls_carry_this_turn_only() -> None:
    events = [{"event": name} for name in ("session_started", "user", "bot", "user", "action")]
    assert this_turn(events) == events[3:]
    assert this_turn(events[:1]) == events[:1]
    assert this_turn([]) == []
