"""A member of the small organisation and a browser on the members' pages."""

from __future__ import annotations

import re
import uuid
from datetime import date
from typing import Any

from fastapi.testclient import TestClient

from core.database import unit_of_work
from members import codes, register
from members.access import SYSTEM
from members.register import Private
from messaging.cookies import COOKIE
from tests.people import make_units

CARD, CITIZEN, PHONE = "12345678", "001165012345", "0905060708"
PHONE_BROWSER = "Mozilla/5.0 (Linux; Android 9; SM-J330F) AppleWebKit/537.36 Chrome/88.0 Mobile Safari/537.36"


def add_member(name: str = "Nguyễn Thị Hoàng Yến", *, unit_id: int | None = None, card: str = CARD) -> uuid.UUID:
    """Somebody in the register; without *unit_id* the tree is made first, and it is branch A1."""
    with unit_of_work() as session:
        unit_id = unit_id or make_units(session).a1
        private = Private(
            card_number=card,
            citizen_number=CITIZEN if card == CARD else None,
            phone=PHONE,
            date_of_birth=date(1965, 9, 5),
            joined_on=date(1990, 2, 3),
            official_on=date(1991, 2, 3),
            home_town="xã Đồng Mai, tỉnh Sông Xanh",
        )
        return register.add(
            session, SYSTEM, unit_id=unit_id, name=name, position="Phó bí thư", private=private,
            same_person_is_another=True,
        ).id  # fmt: skip


def issue(member_id: uuid.UUID) -> str:
    """A one-time code as the secretary hands it over."""
    with unit_of_work() as session:
        return codes.issue(session, SYSTEM, member_id).code


class Browser:
    """A phone without scripts: follows no redirect by itself, sends forms with what is hidden in them."""

    def __init__(self, app: Any) -> None:
        self.client = TestClient(app, follow_redirects=False, headers={"User-Agent": PHONE_BROWSER})

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, **options)

    def post(self, path: str, data: dict[str, str] | None = None, **options: Any) -> Any:
        """Send a form of one's own pages."""
        return self.client.post(path, data={"csrf": self.csrf(), **(data or {})}, **options)

    def csrf(self) -> str:
        """The token that the own page's forms carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/me").text)
        return found[1] if found else ""

    def sign_in(self, code: str, *, agreed: bool = True, **options: Any) -> Any:
        """Fill in the form of /sign-in and send it."""
        found = re.search(r'name="text_id" value="(\d+)"', self.get("/sign-in").text)
        data = {"code": code, **({"text_id": found[1]} if found else {}), **({"agreed": "yes"} if agreed else {})}
        return self.client.post("/sign-in", data=data, **options)

    @property
    def cookie(self) -> str | None:
        """The chat's cookie."""
        return self.client.cookies.get(COOKIE)
