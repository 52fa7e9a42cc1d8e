"""Named events: how news travels upwards, from a room to those above it that asked to hear.

Handlers run at once, in the publisher's unit of work; whoever needs more time defers a job there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from sqlalchemy.orm import Session

Handler = Callable[..., None]

_handlers: dict[str, list[Handler]] = defaultdict(list)


def on(name: str) -> Callable[[Handler], Handler]:
    """Decorate a function ``handler(session, **details)`` to hear the event *name*."""

    def register(handler: Handler) -> Handler:
        if handler not in _handlers[name]:
            _handlers[name].append(handler)
        return handler

    return register


def publish(session: Session, name: str, **details: Any) -> None:  # noqa: ANN401 - each event has its own details
    """Tell every handler of *name*, in the order of registration."""
    for handler in _handlers[name]:
        handler(session, **details)
