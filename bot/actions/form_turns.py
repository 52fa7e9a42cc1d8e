"""What the actions of forms share: a turn of a form as replies, and actions that open one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from rasa_sdk import Tracker
from rasa_sdk.events import ActiveLoop, EventType, SlotSet
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action

from bot.actions.base import Said, TalkAction
from forms import drafts
from forms.definition import Say
from messaging.reply import Choice, Reply, Suggestion

LOOP = "step_by_step"
"""The engine's one form; which of ours it carries is in the database."""
SLOT = "answer"


@dataclass(frozen=True)
class FormTurn:
    """The replies to one message; ``question`` is the form's own and comes last, ``is_open`` when it waits for an answer."""

    others: tuple[Reply, ...] = ()
    question: Reply | None = None
    is_open: bool = False

    @property
    def replies(self) -> tuple[Reply, ...]:
        """All of them in their order."""
        return (*self.others, *((self.question,) if self.question else ()))


def worded(said: drafts.Said | Say) -> Reply:
    """What a form says, as a message that every channel can render."""
    return Reply(
        text=said.text,
        choices=[Choice(title=button.title, payload=dict(button.payload)) for button in said.buttons],
        suggestions=[Suggestion(heading=link.heading, url=link.url) for link in said.links],
    )


def turn_of(said: drafts.Said, *others: Reply) -> FormTurn:
    """A turn in which the form says *said* after *others*."""
    return FormTurn(others, worded(said), said.is_open)


def loop_events(*, is_open: bool) -> list[EventType]:
    """What the engine must believe of the form."""
    if is_open:
        return [ActiveLoop(LOOP), SlotSet(SLOT, None), SlotSet("requested_slot", SLOT)]
    return [SlotSet(SLOT, None), SlotSet("requested_slot", None)]


def utter(dispatcher: CollectingDispatcher, replies: Iterable[Reply]) -> None:
    """Say *replies*, each as the custom part of a message."""
    for reply in replies:
        dispatcher.utter_message(json_message={"reply": reply.model_dump(mode="json")})


class FormAction(TalkAction):
    """An action outside a form that may leave one open: then the engine asks its question, not this action."""

    @abstractmethod
    def turn(self, said: Said) -> FormTurn:
        """The turn; runs in a thread."""

    def reply(self, said: Said) -> Reply:
        """The last of the turn's replies."""
        return self.turn(said).replies[-1]

    async def run(
        self,
        dispatcher: CollectingDispatcher,
        tracker: Tracker,
        domain: dict[str, Any],  # noqa: ARG002 - the names are the engine's
    ) -> list[dict[str, Any]]:
        """Called by the executor."""
        turn = await anyio.to_thread.run_sync(self.turn, Said.of(tracker.latest_message))
        utter(dispatcher, turn.others if turn.is_open else turn.replies)
        return loop_events(is_open=True) if turn.is_open else []


__all__ = ["LOOP", "SLOT", "Action", "FormAction", "FormTurn", "loop_events", "turn_of", "utter", "worded"]
