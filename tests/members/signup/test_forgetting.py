"""After every ending the photographs are nowhere: no table, no file of the database, no file of the data folder, no temporary file, no backup."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import func, select, text

from core import clock, crypto, postgres
from core.audit import AuditEntry
from core.database import unit_of_work
from ekyc import images
from members import consent, erasure, register, signup
from members.access import SYSTEM, Actor
from members.models import Member
from members.sign_up_models import SignUp, SignUpPhoto
from members.signup import forgetting, outcome, record, tasks, words
from messaging import clearing, inbox
from messaging import forgetting as conversations
from sotay import backup
from sotay.forgetting import compact
from tests.walking import Eyes, Walk, add_member

pytestmark = pytest.mark.usefixtures("database")

WINDOW = 24
"""Bytes of a photograph that are looked for, from several places of it: noise has them once in the world."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary folder of this process."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def traces(photographs: list[bytes]) -> list[bytes]:
    """Stretches of what was sent, of its pixels as JPEG again, of both as hexadecimal (as PostgreSQL writes a bytea)."""
    clear = [form for sent in photographs for form in (sent, images.encode(images.load(sent)))]
    cut = [form[place : place + WINDOW] for form in clear for place in range(700, len(form) - WINDOW, 900)]
    assert len(cut) > 10 * len(photographs)
    return cut + [form.hex().encode() for form in cut]


def sealed_photos() -> list[bytes]:
    """Stretches of the ciphertexts that are stored: they are not to stay either."""
    with unit_of_work() as session:
        stored = [*session.scalars(select(SignUpPhoto.sealed)), *session.scalars(select(SignUp.sealed))]
    return [form[40 : 40 + WINDOW] for form in stored if form is not None]


def found_in(folder: Path, wanted: list[bytes]) -> list[str]:
    """The files below *folder* in which any of *wanted* is.

    Hundreds of stretches in a hundred megabytes: pairs of bytes are looked up in tables, what is left is compared.
    """
    stretches, tables = set(wanted), []
    for place in (0, 2, 4):
        table = np.zeros(1 << 16, bool)
        table[[int.from_bytes(form[place : place + 2], "little") for form in stretches]] = True
        tables.append(table)
    hits = []
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if len(content) > WINDOW and any(_holds(content, odd, tables, stretches) for odd in (0, 1)):
            hits.append(str(path.relative_to(folder)))
    return hits


def _holds(content: bytes, odd: int, tables: list[NDArray[np.bool_]], stretches: set[bytes]) -> bool:
    pairs = np.frombuffer(content, "<u2", offset=odd, count=(len(content) - odd) // 2)
    places = np.flatnonzero(tables[0][pairs[:-2]])
    for further, table in enumerate(tables[1:], 1):
        places = places[table[pairs[places + further]]]
    starts = (2 * places + odd).tolist()
    return any(content[start : start + size] in stretches for start in starts for size in (WINDOW, 2 * WINDOW))


def dumped(folder: Path) -> Path:
    """What a backup made now holds, unpacked and written as plain SQL."""
    made = folder / "made"
    made.mkdir()
    backup.make(made / "b.tar", keys=None)
    shutil.unpack_archive(made / "b.tar", made / "files", filter="data")
    with (made / "plain.sql").open("wb") as file:
        subprocess.run(
            [postgres.binaries() / "pg_restore", "-f", "-", made / "files" / "sotay.dump"], stdout=file, check=True
        )
    return made


def test_the_search_finds_what_is_there(eyes: Eyes, data_dir: Path, tmp_path: Path) -> None:
    """Otherwise the tests below would prove nothing."""
    walk = Walk(eyes).to_selfie().send_face()
    wanted = sealed_photos()
    assert len(wanted) == 10
    with unit_of_work() as session:
        session.execute(text("checkpoint"))
    assert found_in(data_dir, wanted) != []
    assert found_in(data_dir, traces(walk.sent)) == []  # in clear they are nowhere even now
    (tmp_path / "left.jpg").write_bytes(walk.sent[2])
    (tmp_path / "left.sql").write_text(f"\\x{images.encode(images.load(walk.sent[0])).hex()}")
    assert sorted(found_in(tmp_path, traces(walk.sent))) == ["left.jpg", "left.sql"]


Ending = Callable[[Walk, uuid.UUID, Actor], None]


def accepted(walk: Walk, _member: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().face()


def accepted_by_a_person(walk: Walk, _member: uuid.UUID, reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        outcome.accept(session, record.locked(session, walk.sign_up_id), by=reviewer)


def rejected(walk: Walk, _member: uuid.UUID, reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        outcome.reject(session, record.locked(session, walk.sign_up_id), reason="other_person", by=reviewer)


def asked_again(walk: Walk, _member: uuid.UUID, reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        outcome.ask_again(session, record.locked(session, walk.sign_up_id), reason="card_cut", by=reviewer)


def stopped(walk: Walk, _member: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().send_face()
    with unit_of_work() as session:
        assert signup.stop(session, walk.conversation_id)


def expired(walk: Walk, _member: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with clock.fixed(datetime.now(UTC) + timedelta(days=7)):
        tasks.expire(0)


def conversation_erased(walk: Walk, _member: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().send_face()
    with unit_of_work() as session:
        erasure.forget_conversation(session, walk.conversation_id)


def person_erased(walk: Walk, member_id: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        erasure.erase(session, member_id)


def consent_withdrawn(walk: Walk, member_id: uuid.UUID, _reviewer: Actor) -> None:
    walk.to_selfie().face(live=False)
    with unit_of_work() as session:
        consent.give(session, member_id, consent.current(session).id, channel="web")
        assert consent.withdraw(session, member_id, channel="web")


ENDINGS: dict[Ending, tuple[str, int]] = {
    accepted: ("accepted", 10),
    accepted_by_a_person: ("accepted", 5),
    rejected: ("rejected", 5),
    stopped: ("stopped", 9),
    expired: ("expired", 5),
    conversation_erased: ("conversation_forgotten", 9),
    person_erased: ("member_erased", 5),
    consent_withdrawn: ("consent_withdrawn", 5),
    asked_again: ("asked_again", 5),
}
"""Ending → what the audit log says of it: why, and how many photographs."""


def test_after_every_ending_the_photographs_are_nowhere(
    eyes: Eyes, member_id: uuid.UUID, reviewer: Actor, data_dir: Path, temporary: Path, tmp_path: Path
) -> None:
    """All endings in one installation, then one look at everything: a compaction and a backup take their time."""
    walks: dict[Ending, Walk] = {}
    wanted: list[bytes] = []
    seal = crypto.seal

    def noted(*arguments: Any, context: str) -> bytes:  # the ciphertext of everything that ever was
        sealed = seal(*arguments, context=context)
        if context in (record.CONTEXT, record.PHOTO_CONTEXT):
            wanted.append(sealed[40 : 40 + WINDOW])
        return sealed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "seal", noted)
        for number, ending in enumerate(ENDINGS):
            walks[ending] = walk = Walk(eyes, seed=100 * number)
            owner = member_id
            if number:
                numbers = f"{20000000 + number}"
                eyes.printed = {
                    **eyes.printed,
                    "card_number": numbers,
                    "full_name": f"Người Thứ {'ABCDEFGHIK'[number]}",
                }
                owner = _another(number, numbers)
            ending(walk, owner, reviewer)
    sent = [content for walk in walks.values() for content in walk.sent]
    assert len(sent) == 3 * 7 + 6 * 2  # a card each, six pictures of a challenge or one still
    for ending, walk in walks.items():
        why, photographs = ENDINGS[ending]
        with unit_of_work() as session:
            entries = session.scalars(
                select(AuditEntry).where(
                    AuditEntry.action == "sign_up.photos_erased", AuditEntry.object_id == str(walk.sign_up_id)
                )
            ).all()
            assert [entry.details for entry in entries] == [{"photos": photographs, "key_destroyed": True, "why": why}]
        assert walk.row.sealed is None
        assert walk.has_key == (ending is asked_again)  # a new one, which seals nothing yet
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(SignUpPhoto)) == 0
    compact(0)
    everything = traces(sent) + wanted
    assert len(wanted) > 100
    assert found_in(data_dir, everything) == []
    assert found_in(temporary, everything) == []
    assert found_in(dumped(tmp_path), everything) == []


def _another(number: int, card: str) -> uuid.UUID:
    with unit_of_work() as session:
        unit_id = session.scalars(select(Member.unit_id).limit(1)).one()
    private = register.Private(card_number=card, date_of_birth=datetime(1960, 5, 9, tzinfo=UTC).date())
    return add_member(unit_id, name=f"Người Thứ {'ABCDEFGHIK'[number]}", private=private)


def test_in_a_conversation_that_is_emptied_the_sign_up_stops_and_tries_still_count(eyes: Eyes) -> None:
    walk = Walk(eyes).to_selfie()
    with unit_of_work() as session:
        talk = session.get_one(conversations.Conversation, walk.conversation_id)
        assert inbox.receive(session, talk, message_id="clear", text="xóa cuộc trò chuyện này")
        clearing.clear(session, walk.conversation_id, asked_in="clear")
    assert (walk.state, walk.photos, walk.has_key) == ("stopped", [], False)
    with unit_of_work() as session:
        assert signup.tries_left(session, walk.conversation_id) == 2


def test_what_is_left_of_a_forgotten_conversation_leads_to_nobody(eyes: Eyes, member_id: uuid.UUID) -> None:
    walk = Walk(eyes).whole()
    assert walk.row.member_id == member_id
    with unit_of_work() as session:
        erasure.forget_conversation(session, walk.conversation_id)
    row = walk.row
    assert (row.state, row.conversation_id, row.member_id, row.unit_id, row.message_key, row.reasons) == (
        "accepted", None, None, None, None, [],
    )  # fmt: skip


def test_an_erased_member_is_in_no_sign_up_any_more_wherever_it_began(eyes: Eyes, member_id: uuid.UUID) -> None:
    own, foreign = Walk(eyes).whole(), Walk(eyes).whole()
    assert (own.state, foreign.state) == ("accepted", "review")
    with unit_of_work() as session:
        erasure.erase(session, member_id)
    assert (foreign.state, foreign.photos, foreign.has_key, foreign.row.member_id) == ("rejected", [], False, None)
    assert own.row.member_id is None
    with unit_of_work() as session:
        assert crypto.keys_of(session, [own.sign_up_id, foreign.sign_up_id]) == {}


@pytest.mark.parametrize("ending", [person_erased, consent_withdrawn, rejected])
def test_who_waits_elsewhere_with_the_card_gets_a_no_like_any_other(
    ending: Ending, eyes: Eyes, member_id: uuid.UUID, reviewer: Actor
) -> None:
    walk = Walk(eyes)
    ending(walk, member_id, reviewer)
    assert (walk.state, walk.row.reasons == ["other_person"]) == ("rejected", ending is rejected)
    assert walk.heard()[1:] == [words.rejected().text]
    with unit_of_work() as session:
        assert signup.progress(session, walk.sign_up_id).reasons == ()


def test_erasing_twice_is_erasing_once(eyes: Eyes) -> None:
    walk = Walk(eyes).to_selfie()
    for _ in range(2):
        with unit_of_work() as session:
            forgetting.erase_photos(session, record.locked(session, walk.sign_up_id), why="stopped")
    with unit_of_work() as session:
        erased = session.scalars(select(AuditEntry).where(AuditEntry.action == "sign_up.photos_erased")).all()
        assert [entry.details["photos"] for entry in erased] == [3]
    assert SYSTEM.is_system
