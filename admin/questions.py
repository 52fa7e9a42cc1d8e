"""Open questions: what members sent to a person, in their words and with the day, never with who asked."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import Response

from admin.base import CurrentSigned, Id, Work, go, page
from knowledge import questions

router = APIRouter()


@router.get("/questions")
def show_list(request: Request, signed: CurrentSigned, work: Work) -> Response:
    """The questions, unanswered first."""
    return _list(request, signed, work)


def _list(
    request: Request,
    signed: CurrentSigned,
    work: Work,
    *,
    error: str | None = None,
    draft: tuple[int, str] | None = None,
) -> Response:
    found = questions.list_questions(work, signed.actor)
    context = {
        "waiting": [question for question in found if not question.answered],
        "answered": [question for question in found if question.answered][-50:],
        "error": error,
        "draft": draft,
    }
    return page(request, signed, "questions/list.html", context, status=422 if error else 200)


@router.post("/questions/{question_id}")
def answer(
    request: Request, signed: CurrentSigned, work: Work, question_id: Id, words: Annotated[str, Form()] = ""
) -> Response:
    """Answer a question; the asker reads it in the chat."""
    try:
        questions.answer(work, question_id, words, actor=signed.actor)
    except questions.QuestionError:
        message = (
            f"Chưa gửi được: câu trả lời trống, dài quá {questions.MAX_ANSWER} ký tự, hoặc câu hỏi đã có người trả lời."
        )
        return _list(request, signed, work, error=message, draft=(question_id, words))
    return go("/questions")
