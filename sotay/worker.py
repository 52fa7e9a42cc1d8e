"""The worker: handles messages, refreshes the index, rescues the jobs of killed workers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from procrastinate import App, JobContext, PsycopgConnector, RetryStrategy

from bot.actions.without_engine import answer_without_engine
from core import anchors, database
from core.database import unit_of_work
from forms import drafts
from knowledge import indexing
from members import erasure, importing
from members.signup import steps as sign_up_steps
from members.signup import tasks as sign_up_tasks
from messaging import turns
from messaging.forgetting import FORGET_IN_ENGINE
from messaging.reply import Reply
from sotay import forgetting
from sotay.engine import LazyEngine

log = logging.getLogger(__name__)

CONCURRENCY = 16
"""How many jobs are in hand at once; messages wait for the engine most of their time, indexing is serial (its lock)."""

HEARTBEAT_SECONDS = 2
STALLED_SECONDS = 6
"""A worker silent for this long is dead, and its jobs are done again by another."""

ATTEMPTS = 6
LOOKS = 3
"""So often photographs are tried: somebody waits before the page."""
APOLOGY = "Xin lỗi, hệ thống gặp trục trặc nên chưa trả lời được câu này. Xin hỏi lại sau ít phút."


def handle_message(context: JobContext, inbox_id: int) -> None:
    """Answer one message of the inbox. Whatever fails is tried again; in the end the member gets an apology."""
    try:
        turns.handle(inbox_id, engine=LazyEngine(), without_engine=answer_without_engine)
    except Exception:
        if context.job is None or context.job.attempts + 1 < ATTEMPTS:
            raise
        log.exception("message %d could not be answered", inbox_id)
        turns.give_up(inbox_id, Reply(text=APOLOGY))


def look_at_photographs(work: Callable[[str], None], context: JobContext, sign_up_id: str) -> None:
    """Do a job of a sign-up. Whatever fails is tried again; in the end a person looks at what the machine could not judge.

    A photograph that kills its worker is not tried for ever: killed attempts count, too.
    """
    attempts = context.job.attempts if context.job else 0
    try:
        if attempts < LOOKS:
            work(sign_up_id)
            return
    except Exception:
        if attempts + 1 < LOOKS:
            raise
        log.exception("the photographs of sign-up %s could not be judged", sign_up_id)
    sign_up_tasks.give_up(sign_up_id)


def read_card(context: JobContext, sign_up_id: str) -> None:
    """Read the photograph of a card."""
    look_at_photographs(sign_up_tasks.read_card, context, sign_up_id)


def check_selfie(context: JobContext, sign_up_id: str) -> None:
    """Judge the pictures of a face and decide."""
    look_at_photographs(sign_up_tasks.check_selfie, context, sign_up_id)


def refresh_index() -> None:
    """Bring the search index up to date with the published documents."""
    indexing.refresh()


def new_day(timestamp: int) -> None:
    """Prepare the index of what is in force today; *timestamp* is the planned moment (Unix seconds)."""
    log.info("index of a new day, planned for %d", timestamp)
    indexing.refresh()


def verify_audit(timestamp: int) -> None:
    """Verify the audit log and note the anchor outside the database; *timestamp* is the planned moment (Unix seconds)."""
    with unit_of_work() as session:
        found = anchors.check_and_note(session)
    if found.fault is None:
        log.info("the audit log is whole: %d entries (planned for %d)", found.entries, timestamp)
    else:
        log.error("THE AUDIT LOG IS BROKEN at entry %d: %s", found.fault.id, found.fault.reason)


def build_app() -> App:
    """The procrastinate application with every task that rooms defer by name (``core.jobs.defer``)."""
    app = App(connector=PsycopgConnector(conninfo=database.url(), min_size=2, max_size=8))
    app.task(name="messaging.handle", pass_context=True, retry=RetryStrategy(max_attempts=ATTEMPTS, wait=1))(
        handle_message
    )
    app.task(name="knowledge.refresh_index", queue="index", retry=RetryStrategy(max_attempts=10, wait=5))(refresh_index)
    app.task(name=FORGET_IN_ENGINE, queue="deliver", retry=forgetting.UntilDone())(forgetting.forget_in_engine)
    app.task(name=erasure.FINISH, queue="deliver", retry=forgetting.UntilDone())(forgetting.finish_erasure)
    for name, task in (("members.check_import", importing.check_import), ("members.run_import", importing.run_import)):
        app.task(name=name, queue="index", retry=RetryStrategy(max_attempts=5, wait=5))(task)
    for name, look in ((sign_up_steps.READ_CARD, read_card), (sign_up_steps.CHECK_SELFIE, check_selfie)):
        app.task(name=name, queue="ekyc", pass_context=True, retry=RetryStrategy(max_attempts=LOOKS, wait=2))(look)
    app.periodic(cron="*/5 * * * *")(app.task(name="members.expire_sign_ups", queue="index")(sign_up_tasks.expire))
    app.periodic(cron="23 * * * *")(app.task(name="members.expire_imports", queue="index")(importing.expire_imports))
    app.periodic(cron="41 * * * *")(app.task(name="forms.expire", queue="index")(drafts.expire))
    # Ten past two at night in Vietnam: hardly anybody waits for a table then.
    app.periodic(cron="10 19 * * *")(app.task(name="members.compact", queue="index")(forgetting.compact))
    # Five past midnight in Vietnam: what is in force may have changed.
    app.periodic(cron="5 17 * * *")(app.task(name="knowledge.new_day", queue="index", lock=indexing.LOCK)(new_day))
    # Half past two in the night in Vietnam.
    app.periodic(cron="30 19 * * *")(app.task(name="core.verify_audit", queue="index")(verify_audit))
    return app


async def _rescue(app: App) -> None:
    """Hand over the jobs of workers that were killed."""
    while True:
        await asyncio.sleep(HEARTBEAT_SECONDS)
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            log.warning("job %s of a dead worker starts again", job.id)
            await app.job_manager.retry_job(job)


async def run() -> None:
    """Work until told to stop (SIGINT, SIGTERM); ends with an error when the database is lost, to be started again."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CONCURRENCY + 4, "job"))
    app = build_app()
    async with app.open_async():
        with unit_of_work() as session:  # the machine may have been off when the day changed
            indexing.request_for_today(session)
        rescue = asyncio.create_task(_rescue(app))
        work = asyncio.create_task(
            app.run_worker_async(
                concurrency=CONCURRENCY,
                fetch_job_polling_interval=2,
                delete_jobs="successful",
                shutdown_graceful_timeout=10,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
            )
        )
        done, pending = await asyncio.wait({rescue, work}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for task in done:
            task.result()
