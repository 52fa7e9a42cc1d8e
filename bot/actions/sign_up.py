"""Signing up by photographs of the card and the face: the conversation's part (``members.signup.form``)."""

from __future__ import annotations

from bot.actions.base import Said
from bot.actions.form_turns import FormAction, FormTurn, turn_of, worded
from core.database import unit_of_work
from core.text import syllables
from forms import engine
from members.signup import form
from messaging.reply import Reply

LINK_PHRASES = frozenset(
    {"lien ket moi", "duong dan moi", "link moi", "nhan lien ket moi", "gui lai lien ket", "gui lai link"}
)

PHRASES = frozenset(
    {
        "dang ky",
        "toi muon dang ky",
        "dang ky tai khoan",
        "toi muon dang ky tai khoan",
        "dang ky thanh vien",
        "dang ky bang the",
        "dang ky bang anh the",
        "chup the de dang ky",
        "lam sao de dang ky",
        *LINK_PHRASES,
    }
)
"""Folded. What is understood without the engine."""


class SignUp(FormAction):
    """Sign-up ("tôi muốn đăng ký"): begins, or says where it stands."""

    action = "action_sign_up"

    def turn(self, said: Said) -> FormTurn:
        """The text to agree to with its buttons, or why there is nothing to begin."""
        if engine.says_stop(said.text):  # "dừng đăng ký": whatever the engine makes of its last two words
            ended = stopped(said)
            return FormTurn(question=ended or Reply(text="Không có đăng ký nào đang làm dở."))
        if " ".join(syllables(said.text)) in LINK_PHRASES:
            return SignUpLink().turn(said)
        with unit_of_work() as session:
            return turn_of(
                engine.start(session, form.NAME, conversation_id=said.conversation_id, message_id=said.message_id)
            )


class SignUpLink(FormAction):
    """The button that asks for another link to the page."""

    action = "action_sign_up_link"

    def turn(self, said: Said) -> FormTurn:
        """The link, or why there is none; where its page shows a number, the question for it."""
        with unit_of_work() as session:
            link = form.another_link(session, said.conversation_id)
            if link is not None:
                return FormTurn(question=worded(link))
            return turn_of(
                engine.start(session, form.LINK_FORM, conversation_id=said.conversation_id, message_id=said.message_id)
            )


def stopped(said: Said) -> Reply | None:
    """Stop what waits in this conversation: an open form, a sign-up under way; None when nothing does.

    Photographs are erased by it, so only the button or exactly the words stop a sign-up; anything else that sounds like it is
    told how.
    """
    meant = engine.says_stop(said.text) or said.payload.get("intent") == "stop"
    with unit_of_work() as session:
        ended = engine.answer(
            session,
            conversation_id=said.conversation_id,
            message_id=said.message_id,
            text="dừng lại" if meant else said.text,
            meaning=engine.Meaning.STOP,
        )
        if ended is not None:
            return worded(ended)
        under_way = form.stop_under_way if meant else form.not_stopped
        say = under_way(session, said.conversation_id)
        return worded(say) if say is not None else None
