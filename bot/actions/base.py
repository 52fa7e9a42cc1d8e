"""What every action shares: the member's message as plain data, a reply as the result, the work in a thread."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio.to_thread
from rasa_sdk import Action, Tracker
from rasa_sdk.executor import CollectingDispatcher

from messaging.reply import Reply


class MetadataMissingError(Exception):
    """The engine called an action for a message that did not come through our channel."""


@dataclass(frozen=True)
class Said:
    """A member's message; ``payload`` only when a button was tapped, as it was stored when the button was shown."""

    text: str
    message_id: str
    conversation_id: uuid.UUID
    payload: dict[str, Any]

    @classmethod
    def of(cls, latest_message: dict[str, Any]) -> Said:
        """From the tracker's latest message. Errors: MetadataMissingError."""
        metadata = latest_message.get("metadata") or {}
        try:
            conversation_id = uuid.UUID(metadata["conversation_id"])
            message_id = str(metadata["message_id"])
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            raise MetadataMissingError("message without message_id and conversation_id") from error
        return cls(latest_message.get("text") or "", message_id, conversation_id, metadata.get("payload") or {})


class TalkAction(Action, ABC):  # type: ignore[misc]  # rasa_sdk is untyped
    """An action of one reply. Sub-classes set ``action``, its name in ``domain.yml``, and write ``reply``."""

    action: ClassVar[str]

    def name(self) -> str:
        """The name under which the engine calls it."""
        return self.action

    @abstractmethod
    def reply(self, said: Said) -> Reply:
        """The answer to *said*; may take its time, it runs in a thread."""

    async def run(
        self,
        dispatcher: CollectingDispatcher,
        tracker: Tracker,
        domain: dict[str, Any],  # noqa: ARG002 - the names are the engine's
    ) -> list[dict[str, Any]]:
        """Called by the executor; the reply travels as the custom part of one message."""
        said = Said.of(tracker.latest_message)
        reply = await anyio.to_thread.run_sync(self.reply, said)
        dispatcher.utter_message(json_message={"reply": reply.model_dump(mode="json")})
        return []
