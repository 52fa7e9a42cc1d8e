"""The engine's generic form: it asks the forms (``forms.engine``) what a message means and what comes next.

The engine only remembers that a form is open, so that messages come here at all. Where it stands is in the database: at
the beginning of every engine session the loop is put back (``SessionStart``), buttons work with and without it, and what
was ended meanwhile (by the page, without the engine, by time) ends the loop at the next message.

A message in a form takes three calls of the engine at most: ``validate_step_by_step`` handles it, and says what is not the
form's own (the answer of the knowledge base to a question in between); ``action_ask_step_by_step_answer`` says the form's
words, which the first call has stored. A form that has ended says its last words in the first call, and the loop ends.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import anyio.to_thread
from rasa_sdk import Tracker
from rasa_sdk.events import ActionExecuted, SessionStarted
from rasa_sdk.executor import CollectingDispatcher
from rasa_sdk.interfaces import Action

from bot.actions import talk
from bot.actions.base import Said
from bot.actions.form_turns import FormAction, FormTurn, loop_events, turn_of, utter, worded
from bot.actions.wording import you
from core.database import unit_of_work
from core.text import syllables
from forms import engine
from forms.engine import Meaning
from messaging.reply import Reply

SHORT_QUESTION = 3
"""Syllables from which a text can be a question of its own, in the middle of a form."""

_QUESTIONS = frozenset({"ask", "out_of_scope"})
_OPENING = frozenset({"sign_up"})
"""Intents that begin a form."""


def take(said: Said, intent: str | None) -> FormTurn:
    """Handle a message of a conversation in which a form may be open. *intent* is what the engine makes of the text.

    The form comes first; what it does not take is answered as ever, and the open question is put once more.
    """
    tapped = said.payload.get("intent")
    if tapped is not None and tapped != engine.ANSWER:
        return _in_between(said, str(tapped))
    with unit_of_work() as session:
        outcome = engine.answer(
            session,
            conversation_id=said.conversation_id,
            message_id=said.message_id,
            text=said.text,
            button=said.payload if tapped else None,
            meaning=meaning_of(said.text, intent),
        )
    if outcome is None:
        return _nothing_open() if tapped else talk.turn(said, intent)
    if outcome.taken:
        return turn_of(outcome)
    if (
        not outcome.is_open
    ):  # closed because it was left alone for long: said once, then the message counts as any other
        ordinary = talk.turn(said, intent)
        return FormTurn((worded(outcome), *ordinary.others), ordinary.question, ordinary.is_open)
    return _in_between(said, intent)


def meaning_of(text: str, intent: str | None) -> Meaning | None:
    """What a text may be besides an answer; None for short ones that the engine takes for a question."""
    if intent == "stop":
        return Meaning.STOP
    if intent == "help":
        return Meaning.HELP
    if intent in _OPENING:
        return Meaning.AGAIN
    if intent is None or (intent in _QUESTIONS and len(syllables(text)) < SHORT_QUESTION):
        return None
    return Meaning.OTHER


def _in_between(said: Said, intent: str | None) -> FormTurn:
    """Answer what is not for the form; then its question again, unless the answer has ended it."""
    ordinary = talk.turn(said, intent)
    if ordinary.is_open:  # it has begun or resumed a form, and says its question already
        return ordinary
    with unit_of_work() as session:
        reminder = engine.remind(session, conversation_id=said.conversation_id, message_id=said.message_id)
    return turn_of(reminder, *ordinary.replies) if reminder else ordinary


def _nothing_open() -> FormTurn:
    return FormTurn(
        question=Reply(text=f"Phần này đã kết thúc. {you(start=True)} cứ gõ việc cần làm hoặc câu hỏi mới.")
    )


class FormAnswer(FormAction):
    """A form's button, tapped while the engine does not know that the form is open."""

    action = "action_form_answer"

    def turn(self, said: Said) -> FormTurn:
        """As inside the loop."""
        return take(said, None)


class ValidateStepByStep(Action):  # type: ignore[misc]  # rasa_sdk is untyped
    """Called by the engine for every message while its form is active: handles it."""

    action: ClassVar[str] = "validate_step_by_step"

    def name(self) -> str:
        """The name under which the engine calls it."""
        return self.action

    async def run(
        self,
        dispatcher: CollectingDispatcher,
        tracker: Tracker,
        domain: dict[str, Any],  # noqa: ARG002 - the names are the engine's
    ) -> list[dict[str, Any]]:
        """Says what is not the form's own; an open form is asked for by the engine next."""
        intent = (tracker.latest_message.get("intent") or {}).get("name")
        turn = await anyio.to_thread.run_sync(take, Said.of(tracker.latest_message), intent)
        utter(dispatcher, turn.others if turn.is_open else turn.replies)
        return loop_events(is_open=turn.is_open)


class AskAnswer(Action):  # type: ignore[misc]  # rasa_sdk is untyped
    """Called by the engine to ask the open question."""

    action: ClassVar[str] = "action_ask_step_by_step_answer"

    def name(self) -> str:
        """The name under which the engine calls it."""
        return self.action

    async def run(
        self,
        dispatcher: CollectingDispatcher,
        tracker: Tracker,
        domain: dict[str, Any],  # noqa: ARG002 - the names are the engine's
    ) -> list[dict[str, Any]]:
        """Says what was stored as the form's words to this message."""
        utter(dispatcher, [await anyio.to_thread.run_sync(self._question, Said.of(tracker.latest_message))])
        return []

    @staticmethod
    def _question(said: Said) -> Reply:
        with unit_of_work() as session:
            talk_id, message_id = said.conversation_id, said.message_id
            question = engine.said_to(session, conversation_id=talk_id, message_id=message_id)
            question = question or engine.resume(session, conversation_id=talk_id, message_id=message_id)
        return worded(question) if question else _nothing_open().replies[0]


class SessionStart(Action):  # type: ignore[misc]  # rasa_sdk is untyped
    """Called by the engine at the beginning of a session, in the place of its own action: puts an open form back.

    The one look at the database that a message without a form may cost, once a session.
    """

    action: ClassVar[str] = "action_session_start"

    def name(self) -> str:
        """The name under which the engine calls it."""
        return self.action

    async def run(
        self,
        dispatcher: CollectingDispatcher,  # noqa: ARG002
        tracker: Tracker,
        domain: dict[str, Any],  # noqa: ARG002
    ) -> list[dict[str, Any]]:
        """The session's first events."""
        is_open = await anyio.to_thread.run_sync(self._is_open, str(tracker.sender_id))
        return [SessionStarted(), *(loop_events(is_open=True) if is_open else []), ActionExecuted("action_listen")]

    @staticmethod
    def _is_open(sender: str) -> bool:
        try:
            conversation_id = uuid.UUID(sender)
        except ValueError:  # no conversation of ours: a test of the engine by hand
            return False
        with unit_of_work() as session:
            return engine.open_form(session, conversation_id) is not None


ACTIONS: tuple[type[FormAnswer | ValidateStepByStep | AskAnswer | SessionStart], ...] = (
    FormAnswer,
    ValidateStepByStep,
    AskAnswer,
    SessionStart,
)
