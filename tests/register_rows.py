"""Rows of the register made directly, for tests of figures: names and dates do not matter there."""

from __future__ import annotations

import uuid

from sqlalchemy import insert
from sqlalchemy.orm import Session

from core import clock
from members.models import Member
from members.names import name_key, person_sort_key


def add_members(
    session: Session,
    unit_id: int,
    count: int,
    *,
    probationary: int = 0,
    registered: int = 0,
    name: str = "Nguyễn Thị Thử",
) -> None:
    """Add *count* people to a unit: the first *probationary* are newly admitted, the last *registered* have signed in."""
    now = clock.now()
    rows = [
        {
            "id": uuid.uuid4(),
            "unit_id": unit_id,
            "name": name,
            "name_key": name_key(name),
            "sort_key": person_sort_key(name),
            "status": "probationary" if number < probationary else "official",
            "exempt": False,
            "sealed": b"",
            "registered_at": now if number >= count - registered else None,
            "created_at": now,
            "updated_at": now,
            "version": 1,
        }
        for number in range(count)
    ]
    if rows:
        session.execute(insert(Member), rows)
