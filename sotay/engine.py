"""This installation's dialogue engine: where it listens, and the client to it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from core.engine import EngineClient, EngineUnavailable
from core.secrets import secret
from core.settings import settings


@lru_cache(maxsize=4)
def _client(port: int) -> EngineClient:
    return EngineClient(f"http://127.0.0.1:{port}", secret("engine"))


def client() -> EngineClient:
    """A client to the engine that ``sotay up`` started for this data folder. Raises EngineUnavailable."""
    try:
        port = int((settings().data_dir / "run" / "engine.port").read_text(encoding="ascii"))
    except (FileNotFoundError, ValueError) as error:
        raise EngineUnavailable("engine: not started yet") from error
    return _client(port)


class LazyEngine:
    """The engine as a turn needs it, found anew for every call: it may start later, or on another port."""

    def send(
        self, sender: str, text: str, intent: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """See ``EngineClient.send``."""
        return client().send(sender, text, intent, metadata)

    def replies_of(self, sender: str, message_id: str) -> list[dict[str, Any]] | None:
        """See ``EngineClient.replies_of``."""
        return client().replies_of(sender, message_id)

    def new_session(self, sender: str) -> None:
        """See ``EngineClient.new_session``."""
        client().new_session(sender)

    def forget(self, sender: str) -> None:
        """See ``EngineClient.forget``."""
        client().forget(sender)
