"""The first page of the console: what waits for this person, and the figures of what the person answers for."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import CurrentSigned, Work, page
from knowledge import curation, questions
from members import importing, registration, requests
from members.access import Actor, Permission
from members.signup import review, revoking

router = APIRouter()


@dataclass(frozen=True)
class Task:
    """Something that waits for this person: how many, in words, and where to go."""

    count: int
    words: str
    path: str
    tone: str = "warn"
    """``bad`` when a term has passed."""


@router.get("")
def show(request: Request, signed: CurrentSigned, work: Work) -> Response:
    """The overview; every part only to those who may see the pages behind it."""
    actor = signed.actor
    context = {
        "tasks": _tasks(work, actor),
        "figures": registration.statistics(work, actor) if actor.may(Permission.READ_STATISTICS) else None,
        "documents": curation.counts(work, actor) if actor.may_everywhere(Permission.READ_DOCUMENTS) else None,
    }
    return page(request, signed, "dashboard.html", context)


def _tasks(session: Session, actor: Actor) -> list[Task]:
    """The most pressing first."""
    found = []
    if actor.may(Permission.HANDLE_REQUESTS):
        waiting = requests.counts(session, actor)
        found.append(Task(waiting.overdue, "yêu cầu về dữ liệu đã quá hạn", "/requests", "bad"))
        found.append(Task(waiting.open - waiting.overdue, "yêu cầu về dữ liệu chờ giải quyết", "/requests"))
    if actor.may(Permission.REVIEW_SIGN_UPS):
        sign_ups = review.counts(session, actor)
        found.append(Task(sign_ups.urgent, "hồ sơ đăng ký sắp hết hạn xét", "/sign-ups", "bad"))
        found.append(Task(sign_ups.waiting - sign_ups.urgent, "hồ sơ đăng ký chờ xét", "/sign-ups"))
    if actor.may(Permission.ISSUE_CODES) and not actor.may_everywhere(Permission.ISSUE_CODES):
        lately = revoking.lately(session, actor)  # who knows the people looks whether it was they
        found.append(Task(lately, "người vừa đăng ký trong 7 ngày qua", "/signed-up"))
    if actor.may(Permission.IMPORT_MEMBERS):
        imports = importing.list_imports(session, actor)
        waiting_files = sum(line.state in ("mapping", "checked") for line in imports)
        found.append(Task(waiting_files, "tệp danh sách chờ quyết định", "/imports"))
    if actor.may_everywhere(Permission.ANSWER_QUESTIONS):
        found.append(Task(questions.waiting(session, actor), "câu hỏi chờ trả lời", "/questions"))
    if actor.may_everywhere(Permission.PUBLISH_DOCUMENTS):
        drafts = curation.counts(session, actor)[1]
        found.append(Task(drafts, "văn bản nháp chờ công bố", "/documents?state=draft"))
    return [task for task in found if task.count]
