"""Leading somebody through a form, message by message; the state is in the database and nowhere else.

Each call takes the channel's id of the message: handled again, it gets the same words and changes nothing. Answers are
sealed under the draft's own key (``forms.drafts``), which is destroyed when the form ends. A draft without an answer for
``EXPIRES_AFTER`` is closed with a note at the next message.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from sqlalchemy.orm import Session

from core import clock
from core.address import you
from core.text import syllables
from forms import drafts
from forms.definition import (
    AnswerError,
    Button,
    Callback,
    Definition,
    FormError,
    Say,
    Step,
    Words,
    find,
    is_said,
    key,
)
from forms.drafts import EXPIRES_AFTER, Draft, Said
from forms.steps import Choices, Confirm

ANSWER = "form_answer"
"""The intent that a form's buttons carry."""

FINISHED = "xong"
"""The value of the button that ends a choice of several."""

STOP_WORDS = (
    "dừng",
    "dừng lại",
    "dừng đăng ký",
    "xin dừng",
    "tôi muốn dừng",
    "hủy",
    "hủy bỏ",
    "hủy đăng ký",
    "thoát",
    "stop",
)
HELP_WORDS = ("giúp", "giúp tôi", "giúp với", "trợ giúp", "hướng dẫn", "help")
BACK_WORDS = ("quay lại", "trở lại", "lùi lại", "bước trước", "câu trước", "back")
"""What works at every step, whatever it asks; typed exactly, with accents or without."""


class Meaning(Enum):
    """What the caller takes a text for, should it be no answer to the step."""

    STOP = "stop"
    HELP = "help"
    AGAIN = "again"
    """Asks to begin what is already under way."""
    OTHER = "other"
    """Something that the caller can answer itself."""


@dataclass(frozen=True)
class OpenForm:
    """The form that waits for an answer in a conversation."""

    name: str
    title: str
    step: str
    expired: bool


def start(session: Session, form: str, *, conversation_id: uuid.UUID, message_id: str) -> Said:
    """Begin *form*; a form that is already open there goes on instead. Errors: FormError (nobody registered it)."""
    definition = find(form)
    if definition is None:
        raise FormError(f"no form is named {form!r}")
    draft = drafts.load(session, conversation_id, message_id)
    again = draft is not None and draft.last_message == message_id and draft.outcome != drafts.EXPIRED
    if draft is not None and again and draft.said is not None:
        return draft.said
    if draft is not None and draft.is_open and _still(session, draft):
        if _is_sound(draft):
            return resume(session, conversation_id=conversation_id, message_id=message_id) or _lost()
        drafts.end(session, draft, drafts.EXPIRED, message_id, Said(_closed_note(draft), is_open=False, taken=False))
    draft = drafts.create(definition, conversation_id, message_id)
    first = _call(session, definition.on_start, draft)
    if first is not None and not first.goes_on:
        return _final(first)
    drafts.store(session, draft)
    return _keep(session, draft, _asked_after(first, _ask(definition, draft, before=first.text if first else "")))


def answer(
    session: Session,
    *,
    conversation_id: uuid.UUID,
    message_id: str,
    text: str,
    button: Mapping[str, Any] | None = None,
    meaning: Meaning | None = None,
) -> Said | None:
    """Handle a message of a conversation in which a form is open; None when none is.

    *button*: the payload of a tapped button of a form. Commands count at every step. ``Said.taken`` is False when the text is
    for the caller to answer: what is said then is the question once more in a line, or the note that the form was closed.
    """
    draft = drafts.load(session, conversation_id, message_id)
    if draft is None:
        return None
    if draft.last_message == message_id and draft.said is not None:
        return draft.said
    if not _still(session, draft):
        return None
    if not _is_sound(draft):
        note = Said(_closed_note(draft), is_open=False, taken=button is not None)
        return drafts.end(session, draft, drafts.EXPIRED, message_id, note)
    definition, step = _place(draft)
    draft.last_message = message_id
    if button is not None:
        return _tapped(session, definition, step, draft, button)
    done = _command(session, definition, step, draft, text)
    if done is not None:
        return done
    if meaning is Meaning.OTHER and step.aside(text):
        return _keep(session, draft, _reminder(step, draft))
    try:
        value = step.read(text)
        step.judge(value, draft.answers)
    except AnswerError as error:
        return _unanswered(session, definition, step, draft, text, str(error), meaning)
    return _answered(session, definition, draft, value)


def says_stop(text: str) -> bool:
    """Whether *text* is exactly one of the words that stop: what is lost by it is not to be lost by a guess."""
    return any(is_said(text, words) for words in STOP_WORDS)


def stop(session: Session, *, conversation_id: uuid.UUID, message_id: str) -> Said | None:
    """End the open form as if the person had typed "dừng"; None when none is open."""
    return answer(session, conversation_id=conversation_id, message_id=message_id, text="dừng lại")


def resume(session: Session, *, conversation_id: uuid.UUID, message_id: str) -> Said | None:
    """Say in full where the open form stands; None when none is open."""
    draft = drafts.load(session, conversation_id, message_id)
    if draft is None or not draft.is_open or not _is_sound(draft):
        return None
    definition, _ = _place(draft)
    draft.last_message = message_id
    return _keep(session, draft, _ask(definition, draft, before=f"{you(start=True)} đang làm dở: {definition.title}."))


def remind(session: Session, *, conversation_id: uuid.UUID, message_id: str) -> Said | None:
    """The open question in one line, after the caller answered something else; None when no form is open."""
    draft = drafts.load(session, conversation_id, message_id)
    if draft is None or not draft.is_open or not _is_sound(draft):
        return None
    _, step = _place(draft)
    draft.last_message = message_id
    return _keep(session, draft, _reminder(step, draft))


def said_to(session: Session, *, conversation_id: uuid.UUID, message_id: str) -> Said | None:
    """What was said to *message_id*, None when no form answered it."""
    draft = drafts.load(session, conversation_id, message_id)
    return draft.said if draft is not None and draft.last_message == message_id else None


def open_form(session: Session, conversation_id: uuid.UUID) -> OpenForm | None:
    """The form that waits in a conversation, None when there is none."""
    row = drafts.open_row(session, conversation_id)
    if row is None or row.step is None:
        return None
    definition = find(row.form)
    expired = clock.now() - row.updated_at > EXPIRES_AFTER
    return OpenForm(row.form, definition.title if definition else row.form, row.step, expired)


def _is_sound(draft: Draft) -> bool:
    """Whether the draft can go on: its answers are there, it is young enough and of the present version."""
    definition = find(draft.form)
    fitting = definition is not None and definition.version == draft.version and draft.step is not None
    return fitting and draft.readable and clock.now() - draft.updated_at <= EXPIRES_AFTER


def _still(session: Session, draft: Draft) -> bool:
    """Whether there is something left to ask for; otherwise the draft is closed. A draft that cannot go on anyway: True."""
    definition = find(draft.form)
    if definition is None or definition.still is None or not _is_sound(draft):
        return True
    if definition.still(session, draft.context()):
        return True
    drafts.end(session, draft, drafts.EXPIRED, "", Said("", is_open=False, taken=False))  # answers no message
    return False


def _place(draft: Draft) -> tuple[Definition, Step]:
    definition = find(draft.form)
    if definition is None or draft.step is None:
        raise FormError(f"draft of {draft.form!r} waits for nothing")
    return definition, definition.step(draft.step)


def _lost() -> Said:
    return Said(f"Phần này đã kết thúc. {you(start=True)} cứ gõ lại việc cần làm.", is_open=False)


def _closed_note(draft: Draft) -> str:
    definition = find(draft.form)
    what = definition.title if definition else "phần đang làm dở"
    return (
        f"Việc {you()} làm dở lúc trước ({what}) đã được đóng lại vì để lâu, những gì đã trả lời ở đó đã xóa. Khi cần, "
        f"{you()} cứ bắt đầu lại."
    )


def _call(session: Session, callback: Callback | None, draft: Draft) -> Say | None:
    return callback(session, draft.context()) if callback is not None else None


def _final(say: Say) -> Said:
    return Said(say.text, buttons=say.buttons, links=say.links, is_open=False)


def _keep(session: Session, draft: Draft, said: Said) -> Said:
    return drafts.keep(session, draft, said)


def _asked_after(say: Say | None, said: Said) -> Said:
    """The question with buttons and links of what was said before it."""
    if say is None:
        return said
    return Said(said.text, buttons=(*said.buttons, *say.buttons), links=(*say.links, *said.links))


def _button(draft: Draft, title: str, value: str) -> Button:
    return Button(title, {"intent": ANSWER, "draft": str(draft.id), "step": draft.step, "value": value})


def _buttons(step: Step, draft: Draft) -> tuple[Button, ...]:
    chosen = set(draft.picked)
    offered = [option for option in step.options() if option.value not in chosen]
    buttons = [_button(draft, option.title, option.value) for option in offered]
    if isinstance(step, Choices) and (draft.picked or step.least == 0):
        buttons.append(_button(draft, "Xong", FINISHED))
    return tuple(buttons)


def _worded(words: Words, draft: Draft) -> str:
    return words(draft.answers) if callable(words) else words


def _command(session: Session, definition: Definition, step: Step, draft: Draft, text: str) -> Said | None:
    """Carry out *text* when it is a command, None when it is not."""
    if says_stop(text) and not _is_ambiguous(step, text):
        return _stopped(session, definition, draft)
    if any(is_said(text, words) for words in HELP_WORDS) or text.strip() in ("?", "？"):
        return _keep(session, draft, _help(definition, step, draft))
    if any(is_said(text, words) for words in BACK_WORDS):
        return _back(session, definition, draft)
    if isinstance(step, Choices) and key(text) == FINISHED:
        return _finish_choices(session, definition, step, draft)
    return None


def _is_ambiguous(step: Step, text: str) -> bool:
    """Whether *text* without accents could as well mean an option: "dung" is "dừng" and "đúng"."""
    words = syllables(text)
    return any(syllables(option.title)[: len(words)] == words for option in step.options())


def _ask(definition: Definition, draft: Draft, *, before: str = "") -> Said:
    """The question in full."""
    if draft.step is None:
        raise FormError(f"draft of {definition.name!r} waits for nothing")
    step = definition.step(draft.step)
    parts = [before, _worded(step.prompt, draft), step.how()]
    return Said("\n".join(part for part in parts if part), buttons=_buttons(step, draft), links=step.links)


def _reminder(step: Step, draft: Draft) -> Said:
    text = f"{step.reminder} Gõ “giúp” để xem cách trả lời, “dừng” để thôi."
    return Said(text, buttons=_buttons(step, draft), links=step.links, taken=False)


def _help(definition: Definition, step: Step, draft: Draft) -> Said:
    back = " Gõ “quay lại” để sửa câu trước." if draft.trail else ""
    text = f"{step.help}\n{step.how()}{back} Gõ “dừng” để thôi, không làm tiếp ({definition.title})."
    return Said(text, buttons=_buttons(step, draft), links=step.links)


def _stopped(session: Session, definition: Definition, draft: Draft) -> Said:
    say = _call(session, definition.on_stop, draft)
    default = Say(f"Đã dừng: {definition.title}. Những gì {you()} đã trả lời ở đây đã xóa.")
    return drafts.end(session, draft, drafts.STOPPED, draft.last_message or "", _final(say or default))


def _back(session: Session, definition: Definition, draft: Draft) -> Said:
    if not draft.trail:
        return _keep(session, draft, _ask(definition, draft, before="Đây là câu đầu tiên."))
    draft.step = draft.trail.pop()
    draft.answers.pop(draft.step, None)
    draft.picked.clear()
    return _keep(session, draft, _ask(definition, draft, before="Đã quay lại câu trước."))


def _tapped(session: Session, definition: Definition, step: Step, draft: Draft, button: Mapping[str, Any]) -> Said:
    value = button.get("value")
    here = button.get("draft") == str(draft.id) and button.get("step") == draft.step
    offered = {option.value for option in step.options()} | ({FINISHED} if isinstance(step, Choices) else set())
    if not here or value not in offered:
        return _keep(session, draft, _ask(definition, draft, before="Nút vừa bấm thuộc một câu đã qua."))
    if isinstance(step, Choices):
        if value == FINISHED:
            return _finish_choices(session, definition, step, draft)
        return _pick(session, definition, step, draft, str(value))
    answered: Any = value == "yes" if isinstance(step, Confirm) else value
    try:
        step.judge(answered, draft.answers)
    except AnswerError as error:
        return _keep(session, draft, _ask(definition, draft, before=str(error)))
    return _answered(session, definition, draft, answered)


def _pick(session: Session, definition: Definition, step: Choices, draft: Draft, value: str) -> Said:
    if value not in draft.picked:
        draft.picked.append(value)
    titles = [option.title for option in step.options() if option.value in draft.picked]
    if step.most is not None and len(draft.picked) >= step.most:
        return _finish_choices(session, definition, step, draft)
    text = f"Đã chọn: {', '.join(titles)}. Chọn thêm, hoặc bấm (gõ) “Xong”."
    return _keep(session, draft, Said(text, buttons=_buttons(step, draft)))


def _finish_choices(session: Session, definition: Definition, step: Choices, draft: Draft) -> Said:
    try:
        value = step.settle(draft.picked)
        step.judge(value, draft.answers)
    except AnswerError as error:
        draft.picked.clear()
        return _keep(session, draft, _ask(definition, draft, before=str(error)))
    return _answered(session, definition, draft, value)


def _unanswered(
    session: Session, definition: Definition, step: Step, draft: Draft, text: str, error: str, meaning: Meaning | None
) -> Said:
    """What is said to a text that is no answer to the step."""
    if meaning is Meaning.STOP and not _is_ambiguous(step, text):
        if not draft.answers and not step.attempted(text):
            return _stopped(session, definition, draft)
        error = "Muốn dừng hẳn và xóa các câu đã trả lời, xin gõ đúng một chữ “dừng”."
    elif meaning is Meaning.HELP:
        return _keep(session, draft, _help(definition, step, draft))
    elif meaning is Meaning.AGAIN:
        before = f"{you(start=True)} đang làm dở: {definition.title}."
        return _keep(session, draft, _ask(definition, draft, before=before))
    elif meaning is Meaning.OTHER and not step.attempted(text):
        return _keep(session, draft, _reminder(step, draft))
    said = f"{step.reminder}\n{error} Gõ “giúp” để xem giải thích, “dừng” để thôi."
    return _keep(session, draft, Said(said, buttons=_buttons(step, draft), links=step.links))


def _answered(session: Session, definition: Definition, draft: Draft, value: Any) -> Said:  # noqa: ANN401
    """Note the answer and go on, to the end when nothing follows."""
    step = draft.step
    if step is None:
        raise FormError(f"draft of {definition.name!r} waits for nothing")
    draft.answers[step] = value
    draft.picked.clear()
    try:
        say = _call(session, definition.on_answer, draft)
    except AnswerError as error:
        del draft.answers[step]
        return _keep(session, draft, _ask(definition, draft, before=str(error)))
    following = definition.after(step, {**draft.kept, **draft.answers})
    if following is not None:
        draft.trail.append(step)
        draft.step = following
        return _keep(session, draft, _asked_after(say, _ask(definition, draft, before=say.text if say else "")))
    done = _call(session, definition.on_done, draft)
    final = done or say or Say(f"Đã xong: {definition.title}. Cảm ơn {you()}.")
    return drafts.end(session, draft, drafts.DONE, draft.last_message or "", _final(final))
