from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from channels import widget
from channels.wake import Wake
from core.database import unit_of_work
from messaging import cookies, inbox, outbox
from messaging.reply import Reply

pytestmark = pytest.mark.usefixtures("database")


def rename() -> None:
    """What signing in does to the browser's conversation."""
    with unit_of_work() as session:
        conversation = inbox.find_conversation(session, channel=cookies.CHANNEL, external_id="old")
        assert conversation is not None
        inbox.rename_conversation(session, conversation, external_id="new")


@pytest.mark.parametrize(("meanwhile", "seen"), [(lambda: None, ["message"]), (rename, [])])
def test_open_page_ends_when_its_cookie_no_longer_names_the_conversation(
    meanwhile: Callable[[], None], seen: list[str]
) -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel=cookies.CHANNEL, external_id="old")
        outbox.send(session, conversation.id, [Reply(text="chỉ cho người đã đăng nhập")])

    async def read() -> list[str | None]:
        stream = widget._stream(Wake(), conversation.id, "old", 0)
        await anext(stream)
        await asyncio.to_thread(meanwhile)
        events = []
        async for event in stream:
            events.append(event.event)
            break
        await stream.aclose()
        return events

    assert asyncio.run(read()) == seen
