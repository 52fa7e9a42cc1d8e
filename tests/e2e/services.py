"""Services inside an installation, for tests that talk to it from outside: ``python -m tests.e2e.services COMMAND …``.

Runs with the installation's environment. ``sign-in COOKIE`` enters a member into the register and signs them in on the
cookie's conversation; ``requests`` prints the open requests; ``engine COOKIE MESSAGE_ID`` prints whether the engine
remembers a message. The last line is JSON.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from core.database import unit_of_work
from members import register, sessions
from members.access import SYSTEM
from members.models import DataRequest
from messaging import cookies, inbox
from sotay import engine
from tests.people import add_unit, make_account

NAME = "Nguyễn Thị Bưởi"
UNIT = "Chi hội Bến Gốm"
CARD = "12345678"
PHONE = "0912000111"


def sign_in(cookie: str) -> str:
    """The conversation on which the member is signed in."""
    with unit_of_work() as session:
        unit = add_unit(session, UNIT, code=uuid.uuid4().hex, kind="Chi hội")
        private = register.Private(card_number=CARD, phone=PHONE)
        member = register.add(session, SYSTEM, unit_id=unit.id, name=NAME, private=private)
        account = make_account(session, NAME, member_id=member.id)
        talk = inbox.open_conversation(session, channel=cookies.CHANNEL, external_id=cookies.external_id(cookie))
        sessions.start_member(session, account, conversation_id=talk.id, channel=cookies.CHANNEL, device="Thử")
        return str(talk.id)


def open_requests() -> list[tuple[str, str]]:
    """Kind and receipt of what waits."""
    with unit_of_work() as session:
        rows = session.scalars(select(DataRequest).where(DataRequest.closed_at.is_(None)).order_by(DataRequest.id))
        return [(row.kind, row.receipt) for row in rows]


def remembered(cookie: str, message_id: str) -> bool:
    """Whether the engine has the answer to a message."""
    with unit_of_work() as session:
        talk = inbox.open_conversation(session, channel=cookies.CHANNEL, external_id=cookies.external_id(cookie))
        sender = str(talk.id)
    return engine.client().replies_of(sender, message_id) is not None


COMMANDS: dict[str, Callable[..., Any]] = {"sign-in": sign_in, "requests": open_requests, "engine": remembered}

if __name__ == "__main__":
    command, *given = sys.argv[1:]
    print(json.dumps(COMMANDS[command](*given)))
