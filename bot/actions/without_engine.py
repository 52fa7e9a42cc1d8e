"""What the worker answers while the engine trains, is down or fails."""

from __future__ import annotations

from bot.actions import forms, own, sign_up, stop
from bot.actions.base import Said
from core.text import syllables
from messaging.reply import Reply
from messaging.turns import Turn

_GREETINGS = frozenset({"chao", "xin chao", "chao ban", "xin chao ban", "hello", "hi", "alo"})
"""Folded. At least these are no questions: it is what people try first."""


def answer_without_engine(turn: Turn) -> list[Reply]:
    """The replies to a message, without understanding more than exact words.

    Forms go on, buttons work; greetings and the exact phrases for signing up, stopping and one's own matters are
    understood; all else is a question.
    """
    said = Said(turn.text, turn.message_id, turn.conversation_id, turn.payload or {})
    return list(forms.take(said, _intent(said)).replies)


def _intent(said: Said) -> str:
    phrase = " ".join(syllables(said.text))
    if phrase in own.PHRASES:
        return own.PHRASES[phrase].action.removeprefix("action_")
    for intent, phrases in (("sign_up", sign_up.PHRASES), ("stop", stop.PHRASES), ("greet", _GREETINGS)):
        if phrase in phrases:
            return intent
    return "ask"
