"""What the tests of signing up share: a small organisation, a member of it, and eyes that are told what they see."""

from __future__ import annotations

import uuid

import pytest

from core.database import unit_of_work
from members.access import Actor, Role
from tests.people import Units, actor, make_units
from tests.walking import Eyes, add_member, see


@pytest.fixture
def eyes(monkeypatch: pytest.MonkeyPatch) -> Eyes:
    return see(monkeypatch)


@pytest.fixture
def units() -> Units:
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def member_id(units: Units) -> uuid.UUID:
    return add_member(units.a1)


@pytest.fixture
def reviewer(units: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Người Xét", (Role.REVIEWER, units.province))
