from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from procrastinate import utils
from procrastinate.jobs import Job

from core import database, events
from core.database import unit_of_work
from core.engine import EngineUnavailable
from members import erasure, signup
from messaging import inbox
from messaging.forgetting import FORGET_IN_ENGINE, FORGOTTEN
from sotay import forgetting, worker
from tests.walking import Walk, see

pytestmark = pytest.mark.usefixtures("database")


def test_the_worker_knows_the_jobs_of_an_erasure() -> None:
    tasks = worker.build_app().tasks
    assert tasks[FORGET_IN_ENGINE].func is forgetting.forget_in_engine
    assert tasks[erasure.FINISH].func is forgetting.finish_erasure
    assert isinstance(tasks[FORGET_IN_ENGINE].retry_strategy, forgetting.UntilDone)
    assert isinstance(tasks[erasure.FINISH].retry_strategy, forgetting.UntilDone)


def test_everybody_who_keeps_something_hears_of_forgotten_conversations() -> None:
    heard = {handler.__module__ for handler in events._handlers[FORGOTTEN]}
    assert heard == {"forms.drafts", "knowledge.questions", "members.signup.forgetting"}


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1), (1, 2), (5, 32), (9, 512), (10, 600), (5000, 600)])
def test_an_attempt_is_never_the_last(attempts: int, seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 3, 2, tzinfo=UTC)
    monkeypatch.setattr(utils, "utcnow", lambda: now)
    job = Job(id=1, queue="deliver", lock=None, queueing_lock=None, task_name="x", attempts=attempts)
    decision = forgetting.UntilDone().get_retry_decision(exception=EngineUnavailable(), job=job)
    assert decision.retry_at == now + timedelta(seconds=seconds)


def test_without_an_engine_the_job_fails_and_is_tried_again() -> None:
    with pytest.raises(EngineUnavailable):
        forgetting.forget_in_engine(str(uuid.uuid4()), None)


def test_tables_are_written_anew_in_the_night_after_a_deletion_only(
    monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    (data_dir / "compacted").unlink(missing_ok=True)
    compacted: list[tuple[str, ...]] = []
    monkeypatch.setattr(forgetting, "_compact", lambda _url, tables: compacted.append(tables) or True)
    forgetting.compact(0)
    assert compacted == []
    with unit_of_work() as session:
        conversation = inbox.open_conversation(session, channel="web", external_id="x")
        erasure.forget_conversation(session, conversation.id)
    for _ in range(2):
        forgetting.compact(0)
    assert compacted == [forgetting.TABLES, ("events",)]
    monkeypatch.setattr(forgetting, "_compact", lambda _url, _tables: False)
    with unit_of_work() as session:
        erasure.forget_conversation(session, uuid.uuid4())
    forgetting.compact(0)
    monkeypatch.setattr(forgetting, "_compact", lambda _url, tables: compacted.append(tables) or True)
    forgetting.compact(0)  # a table was in use the night before
    assert len(compacted) == 4


def test_after_sign_ups_only_their_own_tables_are_written_anew(monkeypatch: pytest.MonkeyPatch, data_dir: Path) -> None:
    for marker in ("compacted", "compacted-photographs"):
        (data_dir / marker).unlink(missing_ok=True)
    compacted: list[tuple[str, ...]] = []
    monkeypatch.setattr(forgetting, "_compact", lambda _url, tables: compacted.append(tables) or True)

    def stop() -> None:
        walk = Walk(see(monkeypatch)).talk()
        walk.begin()
        with unit_of_work() as session:
            assert signup.stop(session, walk.conversation_id)

    stop()
    for _ in range(2):
        forgetting.compact(0)
    assert compacted == [forgetting.SIGN_UP_TABLES]
    stop()
    with unit_of_work() as session:
        erasure.forget_conversation(session, uuid.uuid4())
    for _ in range(2):
        forgetting.compact(0)
    assert compacted == [forgetting.SIGN_UP_TABLES, forgetting.TABLES, ("events",)]
    assert set(forgetting.SIGN_UP_TABLES) <= set(forgetting.TABLES)


def test_a_table_in_use_is_left_and_said_so() -> None:
    with database.connect() as other:
        other.execute("begin")
        other.execute("lock table conversation in access share mode")
        assert not forgetting._compact(database.url(), ("conversation",))
        other.execute("rollback")
    assert forgetting._compact(database.url(), ("conversation", "no_such_table"))
