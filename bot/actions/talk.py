"""Every action that answers a message by itself, by the intent that leads to it."""

from __future__ import annotations

from bot.actions.about import About, WhoAreYou
from bot.actions.ask import Ask, SendQuestion
from bot.actions.base import Said, TalkAction
from bot.actions.form_turns import FormAction, FormTurn
from bot.actions.help import Help
from bot.actions.out_of_scope import OutOfScope
from bot.actions.own import (
    Cancel,
    ConfirmEraseConversation,
    ConfirmErasure,
    ConfirmWithdrawal,
    EraseConversation,
    EraseMyData,
    MyData,
    MyProfile,
    SignIn,
    WithdrawConsent,
)
from bot.actions.sign_up import SignUp, SignUpLink
from bot.actions.small_talk import Goodbye, Greet, Thank
from bot.actions.stop import Stop

ACTIONS: tuple[type[TalkAction], ...] = (
    Greet,
    Goodbye,
    Thank,
    Help,
    About,
    WhoAreYou,
    Stop,
    Ask,
    OutOfScope,
    SendQuestion,
    MyProfile,
    MyData,
    EraseMyData,
    WithdrawConsent,
    SignIn,
    SignUp,
    SignUpLink,
    ConfirmErasure,
    ConfirmWithdrawal,
    EraseConversation,
    ConfirmEraseConversation,
    Cancel,
)

_OF_INTENT = {action.action.removeprefix("action_"): action for action in ACTIONS}


def action_of(intent: str | None) -> type[TalkAction]:
    """The action to which an intent leads; questions' for everything unknown."""
    return _OF_INTENT.get(intent or "", Ask)


def turn(said: Said, intent: str | None) -> FormTurn:
    """Answer a message as if no form were open."""
    action = action_of(intent)()
    return action.turn(said) if isinstance(action, FormAction) else FormTurn(question=action.reply(said))
