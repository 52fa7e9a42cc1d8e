"""Waking readers: one LISTEN connection a process tells every open page that something is in its outbox."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from core import database
from messaging.outbox import NOTIFY_CHANNEL

log = logging.getLogger(__name__)

RECONNECT_SECONDS = 0.5


class Wake:
    """Runs inside the application's event loop (``run``); readers ask for an event of their own (``reader``)."""

    def __init__(self) -> None:
        self._readers: dict[str, set[asyncio.Event]] = defaultdict(set)

    @contextmanager
    def reader(self, conversation_id: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever the conversation may have something new."""
        event = asyncio.Event()
        self._readers[conversation_id].add(event)
        try:
            yield event
        finally:
            self._readers[conversation_id].discard(event)
            if not self._readers[conversation_id]:
                del self._readers[conversation_id]

    async def run(self) -> None:
        """Listen until cancelled; after a lost connection everybody is woken, since notices may have been missed."""
        while True:
            try:
                url = await asyncio.to_thread(database.url)
                async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=10) as listener:
                    await listener.execute(f"listen {NOTIFY_CHANNEL}")
                    self._wake_all()
                    async for notice in listener.notifies():
                        for event in self._readers.get(notice.payload, ()):
                            event.set()
            except psycopg.Error as error:
                log.warning("lost the connection that wakes readers: %s", error)
                self._wake_all()
                await asyncio.sleep(RECONNECT_SECONDS)

    def _wake_all(self) -> None:
        for events in self._readers.values():
            for event in events:
                event.set()
