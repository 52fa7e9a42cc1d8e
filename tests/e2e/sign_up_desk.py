"""The organisation's side of sign-ups inside an installation: ``python -m tests.e2e.sign_up_desk``.

Runs with the installation's environment for as long as its input lasts: each line is a JSON list ``[command, argument …]``, each
answer a JSON line.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.database import unit_of_work
from members import register
from members.access import SYSTEM, Role, actor_of
from members.models import Account, Unit
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import record, review
from tests.people import add_unit, make_account

UNIT = "Chi hội Cầu Mới"


def _unit(session: Session) -> Unit:
    """A tree of its own, with one branch: its root."""
    unit = session.scalars(select(Unit).where(Unit.name == UNIT)).one_or_none()
    return unit or add_unit(session, UNIT, code=uuid.uuid4().hex, kind="Chi hội")


def enter(name: str, card_number: str, date_of_birth: str) -> str:
    """Enter somebody into the register; the member's id."""
    with unit_of_work() as session:
        private = register.Private(card_number=card_number, date_of_birth=date.fromisoformat(date_of_birth))
        return str(register.add(session, SYSTEM, unit_id=_unit(session).id, name=name, private=private).id)


def reviewer() -> str:
    """An account that reviews sign-ups everywhere."""
    with unit_of_work() as session:
        return str(make_account(session, "Người xét", (Role.REVIEWER, _unit(session).id)).id)


def waiting() -> list[str]:
    """The sign-ups that wait for a person, the latest last."""
    with unit_of_work() as session:
        rows = session.scalars(select(SignUp.id).where(SignUp.state == "review").order_by(SignUp.submitted_at))
        return [str(found) for found in rows]


def judge(account_id: str, sign_up_id: str, verdict: str, reason: str) -> None:
    """A person's decision, after a look at the page."""
    with unit_of_work() as session:
        actor = actor_of(session, session.get_one(Account, uuid.UUID(account_id)))
        seen = review.view(session, actor, uuid.UUID(sign_up_id)).open
        assert seen is not None
        if verdict == "accept":
            review.accept(session, actor, uuid.UUID(sign_up_id), reason=reason, seen=seen.seen)
        else:
            review.reject(session, actor, uuid.UUID(sign_up_id), reason=reason)


def left_over() -> int:
    """How many photographs are stored of sign-ups that have ended."""
    with unit_of_work() as session:
        ended = select(func.count(SignUpPhoto.id)).join(SignUp).where(SignUp.state.in_(record.ENDED))
        return session.scalar(ended) or 0


COMMANDS: dict[str, Callable[..., Any]] = {
    "enter": enter,
    "reviewer": reviewer,
    "waiting": waiting,
    "judge": judge,
    "left_over": left_over,
}

if __name__ == "__main__":
    for line in sys.stdin:
        command, *given = json.loads(line)
        print(json.dumps(COMMANDS[command](*given)), flush=True)
