"""What a form is: steps in an order that may depend on the answers, and what the room above does with them.

A definition is registered once per process (``register``). Its version rises when steps change their meaning: a draft of
another version is closed with a note.
"""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from sqlalchemy.orm import Session

from core.text import SYLLABLE, fold, syllables, unify_tones

Answers = Mapping[str, Any]
"""Step → value as JSON has it: str, int, float, bool, list of str; a date as "1965-09-05"."""

Words = str | Callable[[Answers], str]
"""Text for the member, constant or made from the answers so far."""


class FormError(Exception):
    """A definition that cannot work, or a form that nobody registered."""


class AnswerError(ValueError):
    """A text that is no answer to the step; the message says in Vietnamese what would be."""


class Following(Enum):
    """The next step is the one that follows in the definition."""

    FOLLOWING = "following"


FOLLOWING = Following.FOLLOWING
Next = Following | str | None
"""Where to go on: the following step, a step by name, or None for the end."""


@dataclass(frozen=True)
class Button:
    """Something to tap; ``payload`` is what comes back (``intent`` in it names what the engine does with it)."""

    title: str
    payload: Mapping[str, Any]


@dataclass(frozen=True)
class Link:
    """A page to open."""

    heading: str
    url: str


@dataclass(frozen=True)
class Say:
    """What a callback wants to be said; never holds an answer of the person when it ends the form.

    ``goes_on``: said by ``on_start``, it comes before the first question instead of ending the form.
    """

    text: str
    buttons: tuple[Button, ...] = ()
    links: tuple[Link, ...] = ()
    goes_on: bool = False


@dataclass(frozen=True)
class Option:
    """One of several answers. ``words``: what else may be typed for it, beside its title."""

    value: str
    title: str
    words: tuple[str, ...] = ()


@dataclass
class Context:
    """The draft as callbacks see it. What they put into ``kept`` stays with the draft, sealed, until it ends."""

    draft_id: uuid.UUID
    conversation_id: uuid.UUID
    message_id: str
    """The channel's id of the message under way: the unique key of everything that it changes."""
    step: str | None
    answers: dict[str, Any]
    kept: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Step(ABC):
    """A question. Kinds are in ``forms.steps``."""

    name: str
    prompt: Words
    help: str
    """What is said to "giúp"."""
    reminder: str
    """The question in one short line, said after something else was answered in between."""
    next: Next | Callable[[Answers], Next] = FOLLOWING
    """A callable gets the answers and what callbacks have kept."""
    check: Callable[[Any, Answers], str | None] | None = None
    """A rule of this form: what is wrong with a value, in Vietnamese, or None."""
    links: tuple[Link, ...] = ()

    @abstractmethod
    def read(self, text: str) -> Any:  # noqa: ANN401 - each kind has its own values
        """The value that *text* stands for. Errors: AnswerError."""

    def attempted(self, text: str) -> bool:  # noqa: ARG002
        """Whether *text*, which ``read`` refused, was meant as an answer and not as something of its own."""
        return False

    def aside(self, text: str) -> bool:  # noqa: ARG002
        """Whether *text*, which ``read`` takes, is a question of its own after all (kinds that take anything)."""
        return False

    def options(self) -> tuple[Option, ...]:
        """What can be tapped."""
        return ()

    def how(self) -> str:
        """How to answer without buttons; empty when the prompt says it."""
        return ""

    def judge(self, value: Any, answers: Answers) -> None:  # noqa: ANN401
        """Apply ``check``. Errors: AnswerError."""
        wrong = self.check(value, answers) if self.check else None
        if wrong:
            raise AnswerError(wrong)


Callback = Callable[[Session, Context], Say | None]
Condition = Callable[[Session, Context], bool]


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A form.

    - ``on_start`` before the first question; what it says ends the form before it began (but see ``Say.goes_on``).
    - ``on_answer`` after every answer (``context.step``); what it says comes before the next question. AnswerError: the answer
      does not count, and the question is put again.
    - ``still`` before every message: False once there is nothing left to ask for, then the form closes without a word.
    - ``on_done`` after the last answer, ``on_stop`` when the person stops: what they say is the end of it.
    """

    name: str
    version: int
    title: str
    """As members read it: "đăng ký bằng thẻ"."""
    steps: tuple[Step, ...]
    on_start: Callback | None = None
    on_answer: Callback | None = None
    still: Condition | None = None
    on_done: Callback | None = None
    on_stop: Callback | None = None
    _by_name: dict[str, Step] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update((step.name, step) for step in self.steps)
        names = [self.name, *(step.name for step in self.steps)]
        if not self.steps or len(self._by_name) < len(self.steps) or not all(name.isidentifier() for name in names):
            raise FormError(f"form {self.name!r}: steps need names of their own")
        for step in self.steps:
            if isinstance(step.next, str) and step.next not in self._by_name:
                raise FormError(f"form {self.name!r}: step {step.name!r} leads to {step.next!r}, which does not exist")
            values = [option.value for option in step.options()]
            if len(set(values)) < len(values):
                raise FormError(f"form {self.name!r}: step {step.name!r} has an option twice")

    def step(self, name: str) -> Step:
        """The step *name*. Errors: FormError."""
        try:
            return self._by_name[name]
        except KeyError as error:
            raise FormError(f"form {self.name!r} has no step {name!r}") from error

    def after(self, name: str, answers: Answers) -> str | None:
        """The step that follows *name* with these answers, None at the end. Errors: FormError."""
        chosen = self.step(name).next
        target = chosen(answers) if callable(chosen) else chosen
        if isinstance(target, str):
            return self.step(target).name
        if target is None:
            return None
        names = [step.name for step in self.steps]
        position = names.index(name) + 1
        return names[position] if position < len(names) else None


_registered: dict[str, Definition] = {}


def register(definition: Definition) -> Definition:
    """Make *definition* known under its name. Errors: FormError (another one has the name)."""
    if _registered.setdefault(definition.name, definition) is not definition:
        raise FormError(f"two forms are named {definition.name!r}")
    return definition


def find(name: str) -> Definition | None:
    """The definition *name*, None when this process knows none."""
    return _registered.get(name)


def is_said(text: str, words: str) -> bool:
    """Whether *text* is exactly *words*, each syllable with its accents or without any: "dung" is "dừng", "đúng" is not."""
    typed, wanted = (SYLLABLE.findall(unify_tones(side.lower())) for side in (text, words))
    return len(typed) == len(wanted) and all(
        one in (other, fold(other)) for one, other in zip(typed, wanted, strict=True)
    )


def key(text: str) -> str:
    """*text* as typed words are compared: without accents, case and punctuation."""
    return " ".join(syllables(text))
