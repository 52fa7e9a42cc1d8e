"""What the bot says, in a form that every channel can render."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["in_force", "amended", "replaced", "repealed", "not_yet"]


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CitedDocument(_Value):
    """The document of a citation; ``status`` is its state today."""

    number: str | None
    title: str
    issued_on: date | None
    issuer: str | None
    status: Status


class Highlight(_Value):
    """The deciding sentence: half-open offsets, in code points, into the quote."""

    start: int
    end: int


class Citation(_Value):
    """A provision quoted word for word; article, clause and point as printed ("12", "2", "đ")."""

    document: CitedDocument
    article: str | None
    clause: str | None
    point: str | None
    quote: str
    url: str
    highlight: Highlight | None = None


class Suggestion(_Value):
    """A heading near the question and the page where it is read."""

    heading: str
    url: str


class Choice(_Value):
    """A button: what it shows, and the payload that comes back to the engine when it is tapped.

    The payload stays on the server; the channel gets a token instead. ``intent`` in it names the engine's intent; a choice
    without payload stands for its title, as if typed.
    """

    title: str
    payload: dict[str, Any] | None = None


class Reply(_Value):
    """One message of the bot: complete plain text, and what richer channels show beside it."""

    text: str
    citations: list[Citation] = Field(default_factory=list)
    choices: list[Choice] = Field(default_factory=list)
    suggestions: list[Suggestion] = Field(default_factory=list)
    clears: bool = Field(default=False, exclude_if=lambda clears: not clears)
    """Everything before this message has been erased: a channel that shows the conversation drops it."""
