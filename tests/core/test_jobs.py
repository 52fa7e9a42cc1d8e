import pytest
from sqlalchemy import text

from core import jobs
from core.database import unit_of_work
from messaging import inbox

pytestmark = pytest.mark.usefixtures("database")


def _count(table: str) -> int:
    with unit_of_work() as session:
        return session.scalar(text(f"select count(*) from {table}"))


def test_a_job_that_waits_already_does_not_take_the_rows_with_it() -> None:
    for number in range(3):
        with unit_of_work() as session:
            inbox.open_conversation(session, channel="web", external_id=str(number))
            assert jobs.defer(session, "a.b", queue="index", once="a.b") == (number == 0)
    assert (_count("conversation"), _count("procrastinate_jobs")) == (3, 1)


def test_a_job_is_undone_with_its_unit_of_work() -> None:
    def interrupted() -> None:
        with unit_of_work() as session:
            jobs.defer(session, "a.b", queue="chat", number=1)
            raise RuntimeError("cut off")

    with pytest.raises(RuntimeError, match="cut off"):
        interrupted()
    assert _count("procrastinate_jobs") == 0
