import threading

import pytest

from core import database as db
from core.database import unit_of_work
from messaging import inbox, outbox
from messaging.reply import Reply

pytestmark = pytest.mark.usefixtures("database")


def test_readers_resume_after_the_last_event_they_saw() -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        inbox.receive(session, conversation, message_id="m1", text="một")
        outbox.send(session, conversation.id, [Reply(text="1"), Reply(text="2")])
        outbox.send(session, conversation.id, [Reply(text="3")])
        seen = outbox.after(session, conversation.id, 0)
        assert [reply["text"] for _, reply in seen] == ["1", "2", "3"]
        assert [reply["text"] for _, reply in outbox.after(session, conversation.id, seen[0][0])] == ["2", "3"]
        assert outbox.last_event_id(session, conversation.id) == seen[2][0]
        assert [line["text"] for line in outbox.history(session, conversation.id)] == ["một", "1", "2", "3"]
        assert [line["role"] for line in outbox.history(session, conversation.id)] == ["member", "bot", "bot", "bot"]


def test_the_same_origin_is_sent_once() -> None:
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
        outbox.send(session, conversation.id, [Reply(text="1")], origin="question:1")
    with pytest.raises(Exception, match="uq_outbox_origin"), unit_of_work() as session:
        outbox.send(session, conversation.id, [Reply(text="1")], origin="question:1")


def test_event_ids_ascend_in_the_order_of_commit() -> None:
    """A reader that has seen an event never misses an older one that was committed later."""
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="a")
    first_holds, second_done = threading.Event(), threading.Event()

    def second() -> None:
        first_holds.wait(10)
        with unit_of_work() as session:
            outbox.send(session, conversation.id, [Reply(text="second")])
        second_done.set()

    thread = threading.Thread(target=second)
    thread.start()
    with unit_of_work() as session:
        outbox.send(session, conversation.id, [Reply(text="first")])
        first_holds.set()
        assert not second_done.wait(0.3)
    thread.join(10)
    with unit_of_work() as session:
        assert [reply["text"] for _, reply in outbox.after(session, conversation.id, 0)] == ["first", "second"]


def test_sending_wakes_listeners_after_the_commit() -> None:
    with db.connect() as listener:
        listener.execute(f"listen {outbox.NOTIFY_CHANNEL}")
        with unit_of_work() as session:
            conversation = inbox.open_conversation(session, channel="web", external_id="a")
            outbox.send(session, conversation.id, [Reply(text="1")])
        notices = list(listener.notifies(timeout=5, stop_after=1))
    assert [notice.payload for notice in notices] == [str(conversation.id)]
