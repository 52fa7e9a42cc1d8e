"""Members who chat: through the widget's API with one kept stream each, or through plain Rasa's REST channel."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

PATIENCE = 60.0
"""Seconds until a message counts as lost."""


class Asker(Protocol):
    """Somebody who asks one question after another."""

    async def ask(self, text: str) -> float:
        """Ask and wait for the whole answer; seconds. Raises TimeoutError, httpx.HTTPError."""
        ...


class WidgetMember:
    """A browser with the chat widget: a cookie, POST up, one kept stream of events down."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=httpx.Timeout(PATIENCE, read=None))
        self._waiting: dict[str, asyncio.Future[float]] = {}
        self._stream: asyncio.Task[None] | None = None
        self._open = asyncio.Event()
        self.answers: Counter[str] = Counter()
        """Events by the message that they answer."""

    async def __aenter__(self) -> Self:
        (await self._client.get("/api/chat/history")).raise_for_status()
        self._stream = asyncio.create_task(self._listen())
        await asyncio.wait_for(self._open.wait(), PATIENCE)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._stream is not None
        self._stream.cancel()
        with suppress(asyncio.CancelledError):
            await self._stream
        await self._client.aclose()

    async def ask(self, text: str) -> float:
        """Post a message and wait for the event that answers it."""
        message = str(uuid.uuid4())
        arrived: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._waiting[message] = arrived
        begun = time.perf_counter()
        response = await self._client.post("/api/chat/messages", json={"id": message, "text": text})
        response.raise_for_status()
        return await asyncio.wait_for(arrived, PATIENCE) - begun

    async def _listen(self) -> None:
        async with self._client.stream("GET", "/api/chat/events") as response:
            response.raise_for_status()
            self._open.set()
            async for line in response.aiter_lines():
                if line.startswith("data:"):
                    self._receive(json.loads(line[5:]))

    def _receive(self, event: dict[str, Any]) -> None:
        message = event["in_reply_to"]
        self.answers[message] += 1
        waiting = self._waiting.get(message)
        if waiting is not None and not waiting.done():
            waiting.set_result(time.perf_counter())


class RestMember:
    """A client of plain Rasa's ``rest`` channel: the answer is the response."""

    def __init__(self, url: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)
        self._sender = uuid.uuid4().hex

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, text: str) -> float:
        """Post a message and wait for its answers."""
        begun = time.perf_counter()
        response = await self._client.post("/webhooks/rest/webhook", json={"sender": self._sender, "message": text})
        response.raise_for_status()
        if not response.json():
            raise TimeoutError("no answer")
        return time.perf_counter() - begun


@dataclass
class Outcome:
    """What became of all turns; ``elapsed`` in seconds from the first message to the last answer."""

    times: list[float] = field(default_factory=list)
    lost: int = 0
    twice: int = 0
    elapsed: float = 0.0

    @property
    def turns_per_second(self) -> float:
        """Answered turns a second."""
        return len(self.times) / self.elapsed if self.elapsed else 0.0


def run(make: Callable[[], Any], questions: Sequence[str], *, members: int, turns: int, limit: float) -> Outcome:
    """Let *members* ask *turns* questions each, one after another, all at once; nobody asks after *limit* seconds."""
    return asyncio.run(_run(make, questions, members=members, turns=turns, limit=limit))


async def _run(make: Callable[[], Any], questions: Sequence[str], *, members: int, turns: int, limit: float) -> Outcome:
    outcome = Outcome()
    async with AsyncExitStack() as stack:
        askers = [await stack.enter_async_context(make()) for _ in range(members)]
        begun = time.perf_counter()

        async def talk(number: int, asker: Asker) -> None:
            for turn in range(turns):
                if time.perf_counter() - begun > limit:
                    return
                try:
                    outcome.times.append(await asker.ask(questions[(number * 7 + turn) % len(questions)]))
                except (TimeoutError, httpx.HTTPError):
                    outcome.lost += 1

        talks: list[Awaitable[None]] = [talk(number, asker) for number, asker in enumerate(askers)]
        await asyncio.gather(*talks)
        outcome.elapsed = time.perf_counter() - begun
        await asyncio.sleep(1.0)  # a second answer to the same message would come now
        for asker in askers:
            outcome.twice += sum(count > 1 for count in getattr(asker, "answers", {}).values())
    return outcome
