"""The project's actions as a plain Rasa project would serve them: ``python -m rasa_sdk --actions tests.benchmarks.peer_actions``.

The same replies from the same data folder, without our channel: Rasa's own ``rest`` channel sends no metadata, so what
a message carries otherwise (its id, the conversation's) is made up here. They run as rasa-sdk's examples do, in the
action server's own thread.
"""

from __future__ import annotations

import uuid
from typing import Any

from rasa_sdk import Tracker
from rasa_sdk.executor import CollectingDispatcher

from bot.actions.base import Said, TalkAction
from bot.actions.router import ACTIONS
from knowledge import indexing


def run(
    self: TalkAction, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]
) -> list[dict[str, Any]]:
    """Answer without metadata, in text and as data."""
    said = Said(tracker.latest_message.get("text") or "", uuid.uuid4().hex, uuid.uuid4(), {})
    reply = self.reply(said)
    dispatcher.utter_message(text=reply.text, json_message={"reply": reply.model_dump(mode="json")})
    return []


# The action server registers every action that it finds imported: all of ACTIONS.
for action in ACTIONS:
    action.run = run  # type: ignore[method-assign]  # the engine takes either kind
indexing.warm_up()
