from __future__ import annotations

import hashlib
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import unit_of_work
from members import consent, register, sessions
from members.access import SYSTEM, NotVisibleError
from members.consent import ConsentError
from members.models import Account, ConsentText, Member
from members.particulars import Private
from messaging import inbox
from tests.people import make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

NOW = datetime(2026, 3, 2, 3, 0, tzinfo=UTC)


@pytest.fixture
def member_id() -> uuid.UUID:
    with unit_of_work() as session:
        units = make_units(session)
        return register.add(session, SYSTEM, unit_id=units.a1, name="Lê Thị Mơ", private=Private()).id


def _agree(member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        consent.give(session, member_id, consent.current(session).id, channel="web")


def test_the_shipped_text_is_stored_once_with_its_hash() -> None:
    with unit_of_work() as session:
        text = consent.current(session)
        assert consent.current(session) == text
    with unit_of_work() as session:
        assert consent.current(session) == text
        assert len(session.scalars(select(ConsentText)).all()) == 1
    file = Path(consent.__file__).parent / "texts" / "account_v1.md"
    assert (text.purpose, text.version) == ("account", 1)
    assert text.sha256 == hashlib.sha256(f"{text.title}\n{text.body}".encode()).hexdigest()
    assert file.read_text(encoding="utf-8") == f"{text.title}\n\n{text.body}\n"


def test_the_text_says_what_the_law_wants_said() -> None:
    with unit_of_work() as session:
        body = consent.current(session).body
    headings = [line.removeprefix("## ") for line in body.splitlines() if line.startswith("## ")]
    assert headings == [
        "Lưu những gì", "Để làm gì", "Giữ bao lâu", "Để ở đâu, ai xem được", "Quyền của đồng chí", "Nếu không đồng ý",
    ]  # fmt: skip


def test_an_unknown_purpose_has_no_text() -> None:
    with unit_of_work() as session, pytest.raises(ConsentError, match="mục đích"):
        consent.current(session, "face")


def test_a_text_changed_without_a_new_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with unit_of_work() as session:
        consent.current(session)
    changed = replace(consent._shipped("account"), body="Khác hẳn.")
    monkeypatch.setattr(consent, "_shipped", lambda _purpose: changed)
    with unit_of_work() as session, pytest.raises(ConsentError, match="phiên bản 1"):
        consent.current(session)


def test_giving_and_withdrawing_alternate_in_the_ledger(member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        assert not consent.has_given(session, member_id)
        text = consent.current(session)
    steps = ["give", "give", "withdraw", "withdraw", "give"]
    for hour, step in enumerate(steps):
        with clock.fixed(NOW + timedelta(hours=hour)), unit_of_work() as session:
            if step == "give":
                consent.give(session, member_id, text.id, channel="web")
            else:
                assert consent.withdraw(session, member_id, channel="zalo") == (hour == 2)
    with unit_of_work() as session:
        found = [
            (entry.action, entry.version, entry.channel, entry.at) for entry in consent.history(session, member_id)
        ]
        assert found == [
            ("given", 1, "web", NOW),
            ("withdrawn", 1, "zalo", NOW + timedelta(hours=2)),
            ("given", 1, "web", NOW + timedelta(hours=4)),
        ]
        assert consent.has_given(session, member_id)
        entries = session.scalars(
            select(AuditEntry).where(AuditEntry.object_type == "consent_text").order_by(AuditEntry.id)
        ).all()
        assert [(entry.action, entry.subject) for entry in entries] == [
            ("consent.given", member_id), ("consent.withdrawn", member_id), ("consent.given", member_id),
        ]  # fmt: skip
        assert entries[0].details == {"purpose": "account", "version": 1, "sha256": text.sha256, "channel": "web"}


def test_a_new_version_asks_anew_and_the_old_one_cannot_be_agreed_to(
    member_id: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    _agree(member_id)
    with unit_of_work() as session:
        old = consent.current(session)
    second = replace(consent._shipped("account"), version=2, body="Bản hai.")
    monkeypatch.setattr(consent, "_shipped", lambda _purpose: second)
    with unit_of_work() as session:
        assert not consent.has_given(session, member_id)
        with pytest.raises(ConsentError, match="bản mới"):
            consent.give(session, member_id, old.id, channel="web")
        consent.give(session, member_id, consent.current(session).id, channel="web")
        assert consent.has_given(session, member_id)
        assert [(entry.action, entry.version) for entry in consent.history(session, member_id)] == [
            ("given", 1), ("given", 2),
        ]  # fmt: skip


def test_withdrawing_signs_out_everywhere_and_keeps_the_register(member_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        account = make_account(session, "Lê Thị Mơ", member_id=member_id)
        conversation = inbox.open_conversation(session, channel="web", external_id="x")
        sessions.start_member(session, account, conversation_id=conversation.id, channel="web", device="Thử")
        session.get_one(Member, member_id).registered_at = clock.now()
    _agree(member_id)
    with unit_of_work() as session:
        assert sessions.resolve_member(session, conversation.id) is not None
        assert consent.withdraw(session, member_id, purpose="account", channel="web")
    with unit_of_work() as session:
        assert sessions.resolve_member(session, conversation.id) is None
        assert sessions.list_own(session, account.id) == []
        assert not consent.has_given(session, member_id)
        kept = session.get_one(Member, member_id)
        assert (kept.name, kept.registered_at) == ("Lê Thị Mơ", None)
        assert session.get(Account, account.id) is not None


def test_nobody_agrees_for_somebody_who_is_not_there() -> None:
    with unit_of_work() as session:
        text = consent.current(session)
        for attempt in (
            lambda: consent.give(session, uuid.uuid4(), text.id, channel="web"),
            lambda: consent.withdraw(session, uuid.uuid4(), channel="web"),
        ):
            with pytest.raises(NotVisibleError):
                attempt()
