"""The engine's side of an action call, made fast. Why and what it replaces: ``bot.serve``."""

from __future__ import annotations

from typing import Any

import aiohttp
from jsonschema.validators import validator_for
from rasa.core.actions.action import RemoteAction
from rasa.core.constants import DEFAULT_REQUEST_TIMEOUT
from rasa.utils.endpoints import ClientResponseError, EndpointConfig

# Below the five seconds after which uvicorn closes an idle connection: never one that is just being closed.
_KEEP_ALIVE = 4.0


def compile_action_schema() -> None:
    """Let ``RemoteAction`` validate with one compiled schema. Errors of validation stay the same class."""
    schema = RemoteAction.action_response_format_spec()
    kind = validator_for(schema)
    kind.check_schema(schema)
    validator = kind(schema)

    def validate(_self: RemoteAction, result: dict[str, Any]) -> bool:
        validator.validate(result)
        return True

    RemoteAction._validate_action_result = validate  # noqa: SLF001 - the engine offers no other place


class KeptEndpoint(EndpointConfig):  # type: ignore[misc]  # the engine is untyped
    """The action endpoint with one client session for the life of the server."""

    _kept: aiohttp.ClientSession | None = None

    @classmethod
    def like(cls, endpoint: EndpointConfig) -> KeptEndpoint:
        """The same endpoint, kept open."""
        return cls(endpoint.url, headers=endpoint.headers, **endpoint.kwargs)

    async def request(
        self,
        method: str = "post",
        subpath: str | None = None,  # noqa: ARG002 - the signature is the engine's
        content_type: str | None = "application/json",  # noqa: ARG002
        compress: bool = False,
        **kwargs: Any,
    ) -> Any:
        """As in the engine, with only this turn's events. Errors: ClientResponseError, aiohttp.ClientError."""
        if self._kept is None:
            self._kept = aiohttp.ClientSession(
                headers=self.headers,
                connector=aiohttp.TCPConnector(keepalive_timeout=_KEEP_ALIVE),
                timeout=aiohttp.ClientTimeout(total=DEFAULT_REQUEST_TIMEOUT),
            )
        call = kwargs["json"]
        call["tracker"]["events"] = this_turn(call["tracker"]["events"])
        async with self._kept.request(method, self.url, json=call, compress=compress) as response:
            if response.status >= 400:
                raise ClientResponseError(response.status, response.reason, await response.text())
            return await response.json()

    async def close(self) -> None:
        """Close the connections."""
        if self._kept is not None:
            await self._kept.close()


def this_turn(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """*events* from the last user message on."""
    last = max((index for index, event in enumerate(events) if event["event"] == "user"), default=0)
    return events[last:]
