"""An import from file to register and back: the worker's jobs, confirmation, undo, who may do it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select, text

from core import audit, clock, crypto
from core.audit import AuditEntry
from core.crypto import DataKey
from core.database import unit_of_work
from members import importing, register
from members.access import SYSTEM, Actor, NotVisibleError, Role
from members.importing import ImportFileError, ImportStateError, storage, tasks
from members.models import ImportChange, Member, RegisterImport
from members.units import move
from tests.members.importing.files import GOOD, HEADINGS, changed, csv_file, spreadsheet
from tests.people import Units, actor, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def units(database: None) -> Units:
    for path in storage.folder().iterdir():
        path.unlink()
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def administrator(units: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Quản trị", (Role.ADMINISTRATOR, units.province))


def begin(by: Actor, content: bytes, unit_id: int | None = None) -> uuid.UUID:
    """Take the file in; the job that looks through it has run."""
    with unit_of_work() as session:
        import_id = importing.start(session, by, file_name="c:\\thu\\so.csv", content=content, unit_id=unit_id)
    importing.check_import(str(import_id))
    return import_id


def state(by: Actor, import_id: uuid.UUID) -> importing.ImportStatus:
    with unit_of_work() as session:
        return importing.status(session, by, import_id)


def finish(by: Actor, import_id: uuid.UUID, *, skip_bad: bool = False) -> importing.ImportStatus:
    with unit_of_work() as session:
        importing.confirm(session, by, import_id, skip_bad=skip_bad)
    importing.run_import(str(import_id))
    return state(by, import_id)


def members() -> list[tuple[str, int]]:
    with unit_of_work() as session:
        return [(one.name, one.unit_id) for one in session.scalars(select(Member).order_by(Member.sort_key))]


def files() -> list[str]:
    return sorted(path.name for path in storage.folder().iterdir())


def test_a_good_file_from_start_to_undo(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, spreadsheet())
    looked = state(administrator, import_id)
    assert (looked.state, looked.rows, looked.handled, looked.problem_count, looked.file_name) == (
        "checked", 3, 3, 0, "so.csv",
    )  # fmt: skip
    assert looked.can_confirm
    assert looked.mapping["card_number"] == "Số thẻ"
    assert members() == []
    sealed = (storage.folder() / f"{import_id}.file").read_bytes()
    assert b"PK" not in sealed[:40]
    done = finish(administrator, import_id)
    assert (done.state, done.imported, done.created, done.updated, done.can_undo) == ("done", 3, 3, 0, True)
    assert members() == [("Đỗ Ví Dụ", units.a1), ("Lê Văn Mẫu", units.a2), ("Trần Thị Thử", units.a1)]
    assert files() == []
    with unit_of_work() as session:
        profile = register.view(
            session, administrator, register.list_members(session, administrator, q="tran thu").rows[0].id
        )
        assert profile.private.phone == "0912000001"
        assert session.get(DataKey, import_id) is None
    with unit_of_work() as session:
        undone = importing.undo(session, administrator, import_id)
    assert (undone.removed, undone.restored, undone.kept) == (3, 0, ())
    assert members() == []
    assert state(administrator, import_id).state == "undone"
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(DataKey)) == 1  # the administrator's
        actions = list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))
        assert actions == [
            "members.import_started", "members.import_confirmed", "members.imported", "member.viewed",
            "members.import_undone",
        ]  # fmt: skip
        details = session.scalars(select(AuditEntry.details).where(AuditEntry.action == "members.imported")).one()
        assert details == {"rows": 3, "imported": 3, "created": 3, "updated": 0, "problems": 0}
        assert audit.verify(session).fault is None


def test_bad_rows_are_skipped_only_when_asked(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file([GOOD[0], changed(card="1"), GOOD[2]]))
    looked = state(administrator, import_id)
    assert (looked.state, looked.bad_rows) == ("checked", 1)
    with unit_of_work() as session:
        page = importing.problems(session, administrator, import_id)
        assert [(one.row, one.code) for one in page.lines] == [
            (3, "bad_card_number"), (3, "duplicate_citizen"), (3, "duplicate_person"),
        ]  # fmt: skip
        assert (page.page, page.pages, page.total) == (1, 1, 3)
    with pytest.raises(ImportStateError), unit_of_work() as session:
        importing.confirm(session, administrator, import_id, skip_bad=False)
    assert finish(administrator, import_id, skip_bad=True).imported == 2
    assert [name for name, _ in members()] == ["Đỗ Ví Dụ", "Trần Thị Thử"]


def test_a_job_that_starts_twice_does_its_work_once(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file())
    importing.check_import(str(import_id))
    finish(administrator, import_id)
    importing.run_import(str(import_id))
    importing.check_import(str(import_id))
    assert len(members()) == 3
    assert state(administrator, import_id).state == "done"


def test_unknown_headings_are_mapped_and_remembered(units: Units, administrator: Actor) -> None:
    headings = ["c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"]
    import_id = begin(administrator, csv_file(headings=headings))
    asked = state(administrator, import_id)
    assert (asked.state, asked.headings) == ("mapping", tuple(headings))
    for wrong in ({"name": "c99"}, {"nothing": "c1"}):
        with pytest.raises(ImportFileError), unit_of_work() as session:
            importing.set_mapping(session, administrator, import_id, wrong)
    with unit_of_work() as session:
        importing.set_mapping(session, administrator, import_id, {"name": "c1", "unit": "c7", "card_number": "c2"})
    importing.check_import(str(import_id))
    assert finish(administrator, import_id).imported == 3
    again = begin(administrator, csv_file(headings=headings))
    assert (state(administrator, again).state, state(administrator, again).mapping["unit"]) == ("checked", "c7")


def test_a_bad_file_fails_with_words_and_leaves_nothing(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, "Họ và tên;Số thẻ".encode("utf-16-le") + b"\xff")
    failed = state(administrator, import_id)
    assert failed.state == "failed"
    assert failed.error == "Tệp không phải bảng tính Excel (.xlsx) hay CSV. Xin lưu lại theo một trong hai dạng đó."
    assert files() == []
    with pytest.raises(ImportStateError), unit_of_work() as session:
        importing.confirm(session, administrator, import_id)


def test_cancelling_drops_the_file(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file())
    with unit_of_work() as session:
        importing.cancel(session, administrator, import_id)
    assert (state(administrator, import_id).state, files()) == ("cancelled", [])
    with pytest.raises(ImportStateError), unit_of_work() as session:
        importing.undo(session, administrator, import_id)


def test_who_handed_a_file_in_and_who_confirmed_it_is_in_the_log(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file())
    finish(SYSTEM, import_id)
    with unit_of_work() as session:
        rows = session.scalars(select(AuditEntry).where(AuditEntry.object_id == str(import_id)).order_by(AuditEntry.id))
        assert [(row.action, row.actor_id) for row in rows] == [
            ("members.import_started", administrator.account_id),
            ("members.import_confirmed", None),
            ("members.imported", administrator.account_id),
        ]


def test_files_wait_for_a_day(units: Units, administrator: Actor) -> None:
    with clock.fixed(datetime(2026, 11, 20, tzinfo=UTC)):
        import_id = begin(administrator, csv_file())
    with clock.fixed(datetime(2026, 11, 20, 23, tzinfo=UTC)):
        importing.expire_imports(0)
        assert state(administrator, import_id).state == "checked"
    with clock.fixed(datetime(2026, 11, 21, 0, 1, tzinfo=UTC)):
        importing.expire_imports(0)
    assert (state(administrator, import_id).state, files()) == ("cancelled", [])


def test_nothing_is_written_when_the_register_changed_in_between(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file())
    with unit_of_work() as session:
        register.add(
            session, SYSTEM, unit_id=units.b1, name="Người Khác", private=register.Private(card_number="90000001")
        )
    again = finish(administrator, import_id)
    assert (again.state, again.problem_count, again.imported) == ("checked", 1, 0)
    assert members() == [("Người Khác", units.b1)]


def test_rights_are_looked_at_again_when_the_job_runs(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, csv_file())
    with unit_of_work() as session:
        importing.confirm(session, administrator, import_id)
        session.execute(text("update role_grant set revoked_at = now()"))
    importing.run_import(str(import_id))
    failed = state(SYSTEM, import_id)
    assert failed.state == "failed"
    assert failed.error is not None
    assert failed.error.startswith("Người nhập không còn quyền")
    assert members() == []


def test_who_may_import_and_see_imports(units: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        of_a = actor(session, "Quản trị A", (Role.ADMINISTRATOR, units.a))
        of_b = actor(session, "Quản trị B", (Role.ADMINISTRATOR, units.b))
        secretary = actor(session, "Bí thư", (Role.SECRETARY, units.a))
    import_id = begin(of_a, csv_file())
    assert state(of_a, import_id).unit_id == units.a  # the only place where this administrator may
    for stranger in (of_b, secretary):
        for work in (importing.status, importing.confirm, importing.cancel, importing.undo, importing.problems):
            with pytest.raises(NotVisibleError), unit_of_work() as session:
                work(session, stranger, import_id)
        with pytest.raises(NotVisibleError), unit_of_work() as session:
            importing.start(session, stranger, file_name="x.csv", content=csv_file(), unit_id=units.a)
    with pytest.raises(NotVisibleError), unit_of_work() as session:
        importing.list_imports(session, secretary)
    with unit_of_work() as session:
        assert [one.id for one in importing.list_imports(session, of_a)] == [import_id]
        assert importing.list_imports(session, of_b) == []
        listed = importing.list_imports(session, administrator)
    assert [(one.id, one.unit_name, one.created_by) for one in listed] == [
        (import_id, "Hội huyện Đồng Mai", "Quản trị A")
    ]


def test_a_file_for_a_branch_needs_no_unit_column(units: Units, administrator: Actor) -> None:
    import_id = begin(administrator, "Họ và tên;Số thẻ\r\nTrần Thị Thử;90000001\r\n".encode(), unit_id=units.b1)
    assert finish(administrator, import_id).imported == 1
    assert members() == [("Trần Thị Thử", units.b1)]


# Undo


def version_of(card: str) -> tuple[uuid.UUID, int]:
    with unit_of_work() as session:
        found = session.get_one(Member, register.list_members(session, SYSTEM, q=card).rows[0].id)
        return found.id, found.version


def test_undo_restores_what_an_import_changed(units: Units, administrator: Actor) -> None:
    importing.run_now(administrator, file_name="a.csv", content=csv_file())
    moved = [
        changed(unit="B1", phone="0912000009", name="Trần thị Thử"),
        changed(name="Người Mới", card="90000004", citizen=""),
    ]
    done = importing.run_now(administrator, file_name="b.csv", content=csv_file(moved))
    assert done.import_id is not None
    assert state(administrator, done.import_id).updated == 1
    assert ("Trần thị Thử", units.b1) in members()
    with unit_of_work() as session:
        undone = importing.undo(session, administrator, done.import_id)
    assert (undone.removed, undone.restored, undone.kept) == (1, 1, ())
    assert members() == [("Đỗ Ví Dụ", units.a1), ("Lê Văn Mẫu", units.a2), ("Trần Thị Thử", units.a1)]
    member_id, version = version_of("90000001")
    assert version == 3
    with unit_of_work() as session:
        assert register.view(session, administrator, member_id).private.phone == "0912000001"


def test_imports_can_be_undone_one_after_another(units: Units, administrator: Actor) -> None:
    first = importing.run_now(administrator, file_name="a.csv", content=csv_file())
    second = importing.run_now(administrator, file_name="b.csv", content=csv_file([changed(unit="B1")]))
    for done in (second, first):
        assert done.import_id is not None
        with unit_of_work() as session:
            assert importing.undo(session, administrator, done.import_id).kept == ()
    assert members() == []


def test_undo_touches_nobody_who_is_out_of_reach_since(units: Units) -> None:
    with unit_of_work() as session:
        local = actor(session, "Quản trị A", (Role.ADMINISTRATOR, units.a))
    done = importing.run_now(local, file_name="a.csv", content=csv_file())
    assert done.import_id is not None
    with unit_of_work() as session:
        move(session, SYSTEM, units.a1, parent_id=units.b)  # two of the three are in A1
    with unit_of_work() as session:
        undone = importing.undo(session, local, done.import_id)
    assert (undone.removed, sorted(one.reason for one in undone.kept)) == (1, ["out_of_reach", "out_of_reach"])
    assert members() == [("Đỗ Ví Dụ", units.a1), ("Trần Thị Thử", units.a1)]


def test_undo_keeps_who_signed_in_or_was_changed_since(units: Units, administrator: Actor) -> None:
    done = importing.run_now(administrator, file_name="a.csv", content=csv_file())
    assert done.import_id is not None
    signed_in, _ = version_of("90000001")
    edited, version = version_of("90000002")
    with unit_of_work() as session:
        make_account(session, "Trần Thị Thử", member_id=signed_in)
        register.change(session, administrator, edited, version=version, position="Ủy viên")
    with unit_of_work() as session:
        undone = importing.undo(session, administrator, done.import_id)
    assert undone.removed == 1
    assert {(one.member_id, one.reason) for one in undone.kept} == {(signed_in, "signed_in"), (edited, "changed_since")}
    assert [name for name, _ in members()] == ["Lê Văn Mẫu", "Trần Thị Thử"]
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(ImportChange)) == 2
        assert session.get_one(RegisterImport, done.import_id).state == "undone"
        assert set(crypto.keys_of(session, [signed_in, edited])) == {signed_in, edited}
    with pytest.raises(ImportStateError), unit_of_work() as session:
        importing.undo(session, administrator, done.import_id)


def test_progress_is_seen_while_the_import_is_open(
    units: Units, administrator: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("members.importing.comparing.BATCH", 1)
    monkeypatch.setattr("members.importing.writing.BATCH", 1)
    seen: list[tuple[str, int, int]] = []
    look = tasks._shown

    def watched(import_id: uuid.UUID, name: str, *, share: float, base: float = 0.0) -> object:
        show = look(import_id, name, share=share, base=base)

        def both(done: int, total: int) -> None:
            show(done, total)
            now = state(administrator, import_id)
            seen.append((now.state, now.handled, now.rows))

        return both

    monkeypatch.setattr(tasks, "_shown", watched)
    rows = [changed(name=f"Người Thứ {letter}", card=f"9000000{n}", citizen="") for n, letter in enumerate("ABCD")]
    finish(administrator, begin(administrator, csv_file(rows, HEADINGS)))
    assert [line for line in seen if line[0] == "checking"] == [("checking", n, 4) for n in (1, 2, 3, 4)]
    assert [line[1] for line in seen if line[0] == "importing"] == [0, 1, 1, 2, 2, 3, 3, 4]
