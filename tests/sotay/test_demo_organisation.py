"""The demo's people: who may be signed up with a specimen card is the one of the register, without an account."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from core.database import unit_of_work
from members import register
from members.models import Member
from sotay.demo_organisation import load_organisation, not_signed_up

pytestmark = pytest.mark.usefixtures("database")


def test_specimen_cards_are_of_members_without_an_account() -> None:
    people = list(not_signed_up())
    numbers = [person.card_number for _, person in people]
    assert (len(people) > 60, len(set(numbers)) == len(people)) == (True, True)
    with unit_of_work() as session:
        assert load_organisation(session) == 300
        known = {}
        for member in session.scalars(select(Member).where(Member.registered_at.is_(None))):
            profile = register.profile_of(session, member)
            known[profile.private.card_number] = profile
    for district, person in people:
        profile = known[person.card_number]
        private = profile.private
        assert (profile.name, profile.status, profile.unit_names[1]) == (person.name, "official", district)
        assert (private.date_of_birth, private.joined_on, private.official_on, private.home_town) == (
            person.born, person.joined, person.official, person.home_town,
        )  # fmt: skip
    assert known[numbers[0]].unit_names[-1] == "Chi hội Ao Sen"  # the first branch is the personas' own
