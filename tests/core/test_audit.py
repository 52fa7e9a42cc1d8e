"""The audit log: a chain without gaps, faults that are found, erasure that leaves it whole."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from core import anchors, audit, clock, crypto, erased, ledger, settings
from core import database as db
from core.database import unit_of_work

pytestmark = pytest.mark.usefixtures("database", "keys_dir")

PERSON = uuid.UUID(int=7)


@pytest.fixture
def keys_dir(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keys and anchors of this test's own."""
    monkeypatch.setenv("SOTAY_KEYS_DIR", str(tmp_path))
    settings.settings.cache_clear()
    yield tmp_path
    settings.settings.cache_clear()


def note(session: Session, action: str = "unit.renamed", **values: Any) -> None:
    audit.record(session, action, **{"actor_id": None, "object_type": "unit", **values})


def fill(count: int) -> None:
    for number in range(count):
        with unit_of_work() as session:
            note(session, object_id=number)


def actions() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(audit.AuditEntry.action).order_by(audit.AuditEntry.id)))


def verified() -> audit.Verified:
    with unit_of_work() as session:
        return audit.verify(session)


def checked() -> anchors.Check:
    with unit_of_work() as session:
        return anchors.check_and_note(session)


def tamper(statement: str, **values: Any) -> None:
    """As somebody who rules the database would: the trigger does not run."""
    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text(statement), values)


def test_an_empty_log_is_sound() -> None:
    assert verified() == audit.Verified(0, bytes(32), None)


def test_entries_are_chained_from_the_first() -> None:
    fill(3)
    with unit_of_work() as session:
        rows = session.scalars(select(audit.AuditEntry).order_by(audit.AuditEntry.id)).all()
    assert [row.id for row in rows] == [1, 2, 3]
    assert [row.previous for row in rows] == [bytes(32), rows[0].hash, rows[1].hash]
    assert verified() == audit.Verified(3, rows[2].hash, None)


def test_two_threads_make_one_chain_without_gaps() -> None:
    def work() -> None:
        for _ in range(25):
            with unit_of_work() as session:
                note(session, "unit.moved")
                note(session, "unit.renamed")

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert verified().fault is None
    found = actions()
    assert len(found) == 150
    assert found == ["unit.moved", "unit.renamed"] * 75, "the entries of one unit of work stand together"


# Units of work that end otherwise


def test_work_that_is_undone_leaves_nothing() -> None:
    with suppress(RuntimeError), unit_of_work() as session:
        note(session)
        raise RuntimeError
    assert actions() == []


def test_a_session_that_was_closed_without_an_end_carries_nothing_into_its_next_work() -> None:
    with Session(db.engine()) as session:
        session.execute(text("select 1"))
        note(session, "lost.work")
        session.close()
        note(session, "kept.work")
        session.commit()
    assert actions() == ["kept.work"]


def test_a_savepoint_writes_nothing_early_and_undone_takes_only_its_own_entries() -> None:
    with unit_of_work() as session:
        note(session, "before.it")
        with session.begin_nested():
            note(session, "inside.kept")
            with suppress(RuntimeError), session.begin_nested():
                note(session, "inside.undone")
                raise RuntimeError
            note(session, "inside.too")
        assert session.scalars(select(audit.AuditEntry.id)).all() == []
        with suppress(RuntimeError), session.begin_nested():
            with session.begin_nested():
                note(session, "released.inside")
            raise RuntimeError
        note(session, "after.it")
    assert actions() == ["before.it", "inside.kept", "inside.too", "after.it"]
    assert verified().fault is None


def test_a_session_can_be_used_for_several_works() -> None:
    with Session(db.engine()) as session:
        note(session, "first.work")
        session.commit()
        note(session, "second.work")
        session.rollback()
        note(session, "third.work")
        session.commit()
    assert actions() == ["first.work", "third.work"]


# Append-only


@pytest.mark.parametrize(
    "statement", ["update audit_entry set action = 'x'", "delete from audit_entry", "truncate audit_entry"]
)
def test_the_database_refuses_every_change(statement: str) -> None:
    fill(1)
    with pytest.raises(ProgrammingError, match="takes new rows only"), unit_of_work() as session:
        session.execute(text(statement))
    assert actions() == ["unit.renamed"]


# Faults


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "at + interval '1 microsecond'"),
        ("actor_id", "'00000000-0000-0000-0000-000000000009'"),
        ("action", "'unit.closed'"),
        ("object_type", "'member'"),
        ("object_id", "'77'"),
        ("unit_id", "5"),
        ("subject", "'00000000-0000-0000-0000-000000000009'"),
        ("details", "'{\"a\": 1}'"),
        ("sealed", "'x'"),
        ("hash", "previous"),
    ],
)
def test_a_change_of_any_column_is_found(column: str, value: str) -> None:
    fill(5)
    tamper(f"update audit_entry set {column} = {value} where id = 3")
    assert verified().fault == audit.Fault(3, "altered")
    assert verified().entries == 2


def test_an_altered_entry_whose_hash_was_made_to_fit_is_found_at_the_next() -> None:
    fill(5)
    with unit_of_work() as session:
        row = dict(session.execute(select(audit.AuditEntry.__table__).where(audit.AuditEntry.id == 3)).mappings().one())
    row["action"] = "unit.closed"
    tamper(
        "update audit_entry set action = 'unit.closed', hash = :hash where id = 3",
        hash=audit.chain_hash(row["previous"], row),
    )
    assert verified().fault == audit.Fault(4, "not chained to the entry before it")


def test_a_missing_entry_is_found() -> None:
    fill(5)
    tamper("delete from audit_entry where id = 3")
    assert verified().fault == audit.Fault(3, "missing")


def test_a_missing_first_entry_is_found() -> None:
    fill(2)
    tamper("delete from audit_entry where id = 1")
    assert verified().fault == audit.Fault(1, "missing")


def test_an_inserted_entry_is_found() -> None:
    fill(3)
    tamper(
        "insert into audit_entry (id, at, action, object_type, details, previous, hash)"
        " select 4, at, 'made.up', object_type, details, hash, hash from audit_entry where id = 3"
    )
    assert verified().fault == audit.Fault(4, "altered")


def test_reordered_entries_are_found() -> None:
    fill(4)
    tamper("update audit_entry set id = -id where id in (2, 3)")
    tamper("update audit_entry set id = 5 + id where id < 0")
    assert verified().fault == audit.Fault(2, "not chained to the entry before it")


# Personal values


def test_personal_values_are_sealed_and_go_with_the_key() -> None:
    with unit_of_work() as session:
        crypto.create_keys(session, [PERSON])
        note(session, "member.changed", subject=PERSON, personal={"phone": "0912345678"}, details={"fields": ["phone"]})
    with unit_of_work() as session:
        entry = session.scalars(select(audit.AuditEntry)).one()
        assert audit.personal_values(session, entry) == {"phone": "0912345678"}
        assert entry.sealed is not None
        assert b"0912345678" not in entry.sealed
    with unit_of_work() as session:
        crypto.destroy_key(session, PERSON)
    with unit_of_work() as session:
        assert audit.personal_values(session, session.scalars(select(audit.AuditEntry)).one()) is None
    assert verified().fault is None


def test_an_entry_without_personal_values_has_none() -> None:
    fill(1)
    with unit_of_work() as session:
        assert audit.personal_values(session, session.scalars(select(audit.AuditEntry)).one()) is None


def test_personal_values_without_a_person_or_without_a_key_are_refused() -> None:
    with unit_of_work() as session:
        with pytest.raises(ValueError, match="need a subject"):
            note(session, personal={"name": "x"})
        with pytest.raises(crypto.KeyDestroyedError):
            note(session, subject=PERSON, personal={"name": "x"})
    assert actions() == []


# Details

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8), inner, max_size=3
    ),
    max_leaves=8,
)  # fmt: skip


@hypothesis_settings(max_examples=60, deadline=None)
@given(value=JSON)
def test_whatever_json_an_entry_has_it_verifies(value: Any) -> None:
    with unit_of_work() as session:
        note(session, details={"value": value})
    assert verified().fault is None


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "a\0b", datetime.now(UTC), b"x"])
def test_details_that_cannot_be_kept_are_refused_at_once(value: Any) -> None:
    with unit_of_work() as session, pytest.raises(ValueError, match="detail"):
        note(session, details={"value": value})


def test_half_a_surrogate_pair_is_refused() -> None:
    with unit_of_work() as session, pytest.raises(UnicodeEncodeError):
        note(session, details={"value": "\ud800"})


# Anchors


def test_a_good_verification_leaves_an_anchor_once_a_day(keys_dir: Path) -> None:
    fill(2)
    head = verified().head
    assert checked() == anchors.Check(2, head, 0, None)
    assert checked() == anchors.Check(2, head, 1, None)
    path = keys_dir / "audit-anchors.jsonl"
    assert len(path.read_text().splitlines()) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    line = json.loads(path.read_text())
    assert (line["kind"], line["entries"], line["head"]) == ("verified", 2, head.hex())
    with clock.fixed(clock.now() + timedelta(days=1)):
        checked()
        last = anchors.last_check()
        assert last is not None
        assert (last.at, last.kind) == (clock.now(), "verified")
    assert len(path.read_text().splitlines()) == 2


def test_a_cut_off_tail_is_found() -> None:
    fill(5)
    checked()
    tamper("delete from audit_entry where id > 3")
    assert verified().fault is None, "the chain alone cannot tell"
    assert checked().fault == audit.Fault(4, "cut off: an anchor knows of later entries")
    last = anchors.last_check()
    assert last is not None
    assert last.kind == "fault"


def test_an_emptied_log_is_found() -> None:
    fill(2)
    checked()
    tamper("truncate audit_entry")
    assert checked().fault == audit.Fault(1, "cut off: an anchor knows of later entries")


def test_a_chain_that_was_written_anew_is_found() -> None:
    fill(3)
    checked()
    tamper("truncate audit_entry")
    fill(4)
    assert verified().fault is None
    assert checked().fault == audit.Fault(3, "not what the anchor says: the chain was written anew")


def test_what_was_added_since_the_anchor_is_no_fault() -> None:
    fill(2)
    checked()
    fill(2)
    found = checked()
    assert (found.entries, found.anchors, found.fault) == (4, 1, None)


def test_a_restore_outdates_the_anchors_behind_it() -> None:
    fill(2)
    head = verified().head
    fill(3)
    checked()
    tamper("delete from audit_entry where id > 2")
    anchors.add("restored", 2, head)
    assert checked().fault is None
    fill(2)
    assert checked().fault is None
    tamper("delete from audit_entry where id > 3")
    assert checked().fault == audit.Fault(4, "cut off: an anchor knows of later entries")


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"at": "x", "kind": "verified", "entries": 1, "head": ""}'])
def test_a_damaged_file_of_anchors_is_reported(keys_dir: Path, line: str) -> None:
    (keys_dir / "audit-anchors.jsonl").write_text(line + "\n")
    with pytest.raises(ledger.LedgerError, match="line 1"):
        checked()


# Who was erased


def test_erasures_are_remembered_once_each() -> None:
    moment = datetime(2026, 11, 23, 8, tzinfo=UTC)
    with clock.fixed(moment):
        erased.remember(PERSON, "XD-1")
        erased.remember(uuid.UUID(int=8), "XD-2")
        erased.remember(PERSON, "XD-1")
    assert erased.remembered() == [
        erased.Erased(PERSON, "XD-1", moment),
        erased.Erased(uuid.UUID(int=8), "XD-2", moment),
    ]


def test_nobody_is_remembered_at_first() -> None:
    assert erased.remembered() == []


def test_a_torn_line_is_reported_and_does_not_take_the_next_with_it(keys_dir: Path) -> None:
    (keys_dir / "erased.jsonl").write_text('{"subject": "0000')
    erased.remember(PERSON, "XD-1")
    assert len((keys_dir / "erased.jsonl").read_text().splitlines()) == 2
    with pytest.raises(ledger.LedgerError, match="line 1"):
        erased.remembered()


def test_many_threads_append_whole_lines() -> None:
    def work(start: int) -> None:
        for number in range(20):
            erased.remember(uuid.UUID(int=start + number), "r")

    threads = [threading.Thread(target=work, args=(start,)) for start in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(erased.remembered()) == 60
