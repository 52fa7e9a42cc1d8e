"""The project's actions as a plain Rasa project would serve them: ``python -m rasa_sdk --actions tests.benchmarks.peer_actions``.

The same replies from the same data folder, without our channel: Rasa's own ``rest`` channel sends no metadata, so what
a message carries otherwise (its id, the conversation's) is made up here. They run as rasa-sdk's examples do, in the
action server's own thread. The server registers the last class that it finds for a name: those of this module.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from typing import Any

from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from bot.actions.about import About, WhoAreYou
from bot.actions.ask import Ask
from bot.actions.base import Said, TalkAction
from bot.actions.help import Help
from bot.actions.out_of_scope import OutOfScope
from bot.actions.small_talk import Goodbye, Greet, Thank
from bot.actions.stop import Stop
from knowledge import indexing


class _Plain(Action, ABC):  # type: ignore[misc]  # rasa_sdk is untyped
    """One of the project's actions without the project's channel."""

    @property
    @abstractmethod
    def wrapped(self) -> TalkAction:
        """The project's action."""

    def name(self) -> str:
        return self.wrapped.action

    def run(self, dispatcher: CollectingDispatcher, tracker: Tracker, domain: dict[str, Any]) -> list[dict[str, Any]]:
        said = Said(tracker.latest_message.get("text") or "", uuid.uuid4().hex, uuid.uuid4(), {})
        reply = self.wrapped.reply(said)
        dispatcher.utter_message(text=reply.text, json_message={"reply": reply.model_dump(mode="json")})
        return []


class PlainGreet(_Plain):
    wrapped = Greet()


class PlainGoodbye(_Plain):
    wrapped = Goodbye()


class PlainThank(_Plain):
    wrapped = Thank()


class PlainHelp(_Plain):
    wrapped = Help()


class PlainAbout(_Plain):
    wrapped = About()


class PlainWhoAreYou(_Plain):
    wrapped = WhoAreYou()


class PlainStop(_Plain):
    wrapped = Stop()


class PlainAsk(_Plain):
    wrapped = Ask()


class PlainOutOfScope(_Plain):
    wrapped = OutOfScope()


indexing.warm_up()
