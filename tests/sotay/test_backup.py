"""Backup and restore on real databases: everything comes back, who was erased stays erased, a failure changes nothing."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select, text
from typer.testing import CliRunner

from core import anchors, chroma, clock, crypto, database, postgres
from core.database import unit_of_work
from core.settings import settings
from knowledge import indexing
from members import erasure, register, sessions, signup
from members.access import SYSTEM, Role
from members.models import Account, Member, SignIn
from members.particulars import Private
from messaging.models import Conversation, InboxMessage
from sotay import backup, restore, worker
from sotay.cli import app
from tests.people import make_account, make_units
from tests.walking import Walk, see

REGULATION = """HỘI THỬ NGHIỆM
Số: 02/2021/QĐ-HTN

Hà Nội, ngày 10 tháng 5 năm 2021

QUY ĐỊNH
Về hội phí của Hội Thử nghiệm

Điều 1. Mức hội phí
1. Hội viên chính thức nộp hội phí 10.000 đồng một tháng.
2. Hội viên dự bị được miễn hội phí.

Điều 2. Hiệu lực
Quy định này có hiệu lực thi hành kể từ ngày 01 tháng 6 năm 2021./.
"""
QUESTION = "Hội viên chính thức nộp hội phí bao nhiêu một tháng?"
HOA = Private(card_number="10000001", phone="0912345678", date_of_birth=date(1970, 2, 28), home_town="Xã Thử")
BINH = Private(card_number="10000002", phone="0987654321", date_of_birth=date(1980, 7, 1), home_town="Xã Khác")


def run(*arguments: str | Path, expect: int = 0) -> Any:
    """A command with ``--json``; what it printed (None when it failed)."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == expect, result.stderr
    return json.loads(result.stdout) if result.stdout else result.stderr


@contextmanager
def installed_in(folder: Path) -> Iterator[None]:
    """This process works on another data folder inside the block."""
    before = os.environ["SOTAY_DATA_DIR"]

    def move(where: str) -> None:
        os.environ["SOTAY_DATA_DIR"] = where
        settings.cache_clear()
        database.reset()
        indexing.reset()

    move(str(folder))
    try:
        yield
    finally:
        move(before)


@pytest.fixture
def elsewhere(tmp_path: Path, database: None) -> Iterator[Path]:
    """A data folder in which nothing was ever installed."""
    folder = tmp_path / "máy mới"
    yield folder
    if folder.exists():
        assert postgres.release(folder, wait=30)
        chroma.release(folder, wait=30)


@pytest.fixture
def own_keys(data_dir: Path) -> Iterator[Path]:
    """Keys and ledgers of this test's own, in the usual place."""
    folder = data_dir / "keys"
    shutil.rmtree(folder, ignore_errors=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Installed:
    hoa: uuid.UUID
    binh: uuid.UUID
    account: uuid.UUID
    conversation: uuid.UUID
    token: str


@pytest.fixture
def installed(database: None, own_keys: Path) -> Iterator[Installed]:
    """Two members, an administrator at work, a conversation."""
    with unit_of_work() as session:
        units = make_units(session)
        hoa = register.add(session, SYSTEM, unit_id=units.a1, name="Trần Thị Hoa", private=HOA)
        binh = register.add(session, SYSTEM, unit_id=units.a1, name="Lê Văn Bình", private=BINH)
        account = make_account(session, "Quản trị", (Role.ADMINISTRATOR, units.province))
        token = sessions.start_console(session, session.get_one(Account, account.id), device="Thử")
        conversation = Conversation(id=uuid.uuid4(), channel="widget", external_id="x", created_at=clock.now())
        session.add(conversation)
        session.flush()
        session.add(
            InboxMessage(
                conversation_id=conversation.id, message_id="m1", text="hội phí bao nhiêu?", received_at=clock.now()
            )
        )
    yield Installed(hoa.id, binh.id, account.id, conversation.id, token)
    indexing.reset()


def private_of(member_id: uuid.UUID) -> Private:
    with unit_of_work() as session:
        return register.profile_of(session, session.get_one(Member, member_id)).private


def names() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Member.name).order_by(Member.name)))


def databases() -> set[str]:
    with unit_of_work() as session:
        return set(session.scalars(text("select datname from pg_database where not datistemplate")))


def test_everything_comes_back_on_another_machine(installed: Installed, elsewhere: Path, tmp_path: Path) -> None:
    document = tmp_path / "quy-dinh.txt"
    document.write_text(REGULATION, encoding="utf-8")
    run("ingest", document, "--publish")
    engine = postgres.ensure_database(database.url(), "engine")
    with psycopg.connect(engine, autocommit=True) as connection:
        connection.execute("drop table if exists events")
        connection.execute("create table events (id int, data text)")
        connection.execute("insert into events values (1, 'slot')")
    indexing.calibration_file().write_text("{}")
    made = run("backup", tmp_path / "bản.tar", "--keys", tmp_path / "khóa.json")
    indexing.calibration_file().unlink()
    assert made["archive"] == str(tmp_path / "bản.tar")
    assert (made["counts"]["member"], made["counts"]["account"], made["counts"]["document"]) == (2, 1, 1)
    assert made["audit"] == {"entries": 2, "fault": None}
    for name in ("bản.tar", "khóa.json"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600
    with tarfile.open(tmp_path / "bản.tar") as tar:
        assert tar.getnames() == ["manifest.json", "sotay.dump", "engine.dump", "calibration.json"]
    assert (tmp_path / "khóa.json").read_bytes() == crypto.keys_file().read_bytes()

    with installed_in(elsewhere):
        done = run("restore", tmp_path / "bản.tar", "--keys", tmp_path / "khóa.json")
        assert done["counts"]["member"] == 2
        assert done["erased_again"] == 0
        assert done["audit"] == {"entries": 3, "fault": None}, "the restore is an entry of its own"
        assert private_of(installed.hoa) == HOA
        with unit_of_work() as session:
            card = crypto.lookup_hash("10000002", purpose="card")
            assert session.scalars(select(Member.id).where(Member.card_hash == card)).one() == installed.binh
            assert session.scalars(select(InboxMessage.text)).all() == ["hội phí bao nhiêu?"]
            assert sessions.resolve_console(session, installed.token) is None, "sessions do not come to life again"
            assert session.scalar(select(func.count()).select_from(SignIn)) == 1
        assert run("audit", "verify") | {"head": ""} == {
            "entries": 3, "head": "", "anchors": 1, "ok": True, "fault": None,
        }  # fmt: skip
        found = run("search", QUESTION)
        assert found[0]["text"] == "1. Hội viên chính thức nộp hội phí 10.000 đồng một tháng."
        with psycopg.connect(postgres.at(database.url(), "engine")) as connection:
            assert connection.execute("select * from events").fetchall() == [(1, "slot")]
        assert indexing.calibration_file().read_text() == "{}"
        assert databases() == {"postgres", "sotay", "engine"}


def test_who_was_erased_since_stays_erased(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    with unit_of_work() as session:
        erasure.erase(session, installed.hoa)
    assert names() == ["Lê Văn Bình"]
    assert run("restore", tmp_path / "b.tar", "--yes")["erased_again"] == 1
    assert names() == ["Lê Văn Bình"]
    assert private_of(installed.binh) == BINH
    with unit_of_work() as session:
        assert crypto.keys_of(session, [installed.hoa]) == {}
    assert run("audit", "verify")["ok"] is True
    assert databases() >= {"postgres", "sotay"}
    assert not {name for name in databases() if name.endswith(("_restoring", "_replaced"))}


def test_the_ledger_beside_the_keys_is_enough_to_keep_somebody_erased(
    installed: Installed, elsewhere: Path, tmp_path: Path
) -> None:
    run("backup", tmp_path / "b.tar", "--keys", tmp_path / "k.json")
    with installed_in(elsewhere):
        line = {"subject": str(installed.hoa), "receipt": "XD-9", "erased_at": clock.now().isoformat()}
        (elsewhere / "keys").mkdir(parents=True)
        (elsewhere / "keys" / "erased.jsonl").write_text(json.dumps(line) + "\n")
        assert run("restore", tmp_path / "b.tar", "--keys", tmp_path / "k.json")["erased_again"] == 1
        assert names() == ["Lê Văn Bình"]


def test_photographs_are_in_no_backup_and_what_was_under_way_ends(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = Walk(see(monkeypatch)).to_selfie().face(live=False)
    assert (walk.state, len(walk.photos), walk.has_key) == ("review", 5, True)
    run("backup", tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extract("sotay.dump", tmp_path, filter="data")
    listed = subprocess.run(
        [postgres.binaries() / "pg_restore", "--list", tmp_path / "sotay.dump"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "TABLE DATA public sign_up " in listed
    assert "TABLE public sign_up_photo " in listed
    assert "TABLE DATA public sign_up_photo " not in listed
    with unit_of_work() as session:  # it goes on, and is decided after the backup
        assert signup.stop(session, walk.conversation_id)
    run("restore", tmp_path / "b.tar", "--yes")
    assert (walk.state, walk.photos, walk.has_key, walk.row.sealed) == ("expired", [], False, None)
    assert walk.row.photos_erased_at is not None
    assert walk.heard()[-1].startswith("Rất tiếc, chưa có người xem kịp")


def test_what_came_after_the_backup_is_replaced(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    with unit_of_work() as session:
        session.get_one(Member, installed.binh).name = "Tên Mới"
    run("restore", tmp_path / "b.tar", "--yes")
    assert names() == ["Lê Văn Bình", "Trần Thị Hoa"]
    assert run("audit", "verify")["ok"] is True, "the anchors know of the restore"


def test_a_backup_made_before_a_rotation_is_read_with_the_keys_in_use(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar", "--keys", tmp_path / "k.json")
    rotated = run("keys", "rotate")
    assert rotated == {"rewrapped": 3, "master": crypto.current_master(), "retired": 0}
    run("restore", tmp_path / "b.tar", "--yes")
    assert private_of(installed.hoa) == HOA
    assert run("keys", "rotate", "--retire", "--yes")["retired"] == 2
    assert private_of(installed.hoa) == HOA
    assert "master keys of this backup are missing" in run("restore", tmp_path / "b.tar", "--yes", expect=1)
    run("restore", tmp_path / "b.tar", "--keys", tmp_path / "k.json", "--yes")
    assert private_of(installed.hoa) == HOA


def test_retiring_keys_is_asked_for(installed: Installed) -> None:
    before = crypto.current_master()
    result = CliRunner().invoke(app, ["keys", "rotate", "--retire"], input="n\n")
    assert result.exit_code == 1
    assert "KHÔNG đọc được" in result.stderr
    assert crypto.current_master() == before


def test_without_keys_the_backup_command_says_where_they_are(installed: Installed, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["backup", str(tmp_path)])
    assert result.exit_code == 0
    assert str(crypto.keys_file()) in result.stderr
    (made,) = tmp_path.glob("sotay-*.tar")
    assert str(made) in result.stdout


@pytest.mark.parametrize("what", ["archive", "keys"])
def test_nothing_is_overwritten(installed: Installed, tmp_path: Path, what: str) -> None:
    (tmp_path / what).write_text("mine")
    assert "Đã có tệp" in run("backup", tmp_path / "archive", "--keys", tmp_path / "keys", expect=1)
    assert [path.name for path in tmp_path.iterdir()] == [what]


def test_a_dump_that_fails_leaves_no_archive(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "programs"
    folder.mkdir()
    (folder / "pg_dump").write_text(
        "#!/bin/sh\necho 'error: aborting because of server version mismatch' >&2\nexit 1\n"
    )
    (folder / "pg_dump").chmod(0o700)
    monkeypatch.setattr(postgres, "binaries", lambda: folder)
    target = tmp_path / "out"
    target.mkdir()
    assert "server version mismatch" in run("backup", target, expect=1)
    assert list(target.iterdir()) == []


# What a restore refuses


def test_a_running_installation_is_not_restored_into(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    folder = settings().data_dir / "run"
    folder.mkdir(exist_ok=True)
    with (folder / "up.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "stop it first" in run("restore", tmp_path / "b.tar", "--yes", expect=1)


def test_a_database_that_others_use_is_not_replaced(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    with psycopg.connect(database.url()):
        assert "another process uses the database" in run("restore", tmp_path / "b.tar", "--yes", expect=1)


def test_overwriting_is_asked_for(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    with unit_of_work() as session:
        session.get_one(Member, installed.binh).name = "Tên Mới"
    result = CliRunner().invoke(app, ["restore", str(tmp_path / "b.tar")], input="n\n")
    assert result.exit_code == 1
    assert names() == ["Trần Thị Hoa", "Tên Mới"]


def test_a_new_installation_needs_the_keys(installed: Installed, elsewhere: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    with installed_in(elsewhere):
        assert "master keys of this backup are missing" in run("restore", tmp_path / "b.tar", expect=1)
        (tmp_path / "no-keys.json").write_text('{"keys": {}}', encoding="utf-8")
        for no_keys in ("no-keys.json", "b.tar"):
            refused = run("restore", tmp_path / "b.tar", "--keys", tmp_path / no_keys, expect=1)
            assert refused.startswith("Không dùng được tệp khóa (cannot use the master keys): ")
        with unit_of_work() as session:
            assert (
                session.scalar(text("select count(*) from information_schema.tables where table_schema = 'public'"))
                == 0
            )


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20_000])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def something_else(path: Path) -> None:
    path.write_bytes(b"PK\3\4" + bytes(2000))


def another_tar(path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        tar.add(__file__, "../../etc/cron.d/x")


@pytest.mark.parametrize("damage", [flip, truncate, empty, something_else, another_tar])
def test_a_damaged_archive_changes_nothing(
    installed: Installed, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    run("backup", tmp_path / "b.tar")
    damage(tmp_path / "b.tar")
    assert run("restore", tmp_path / "b.tar", "--yes", expect=1) != ""
    assert names() == ["Lê Văn Bình", "Trần Thị Hoa"]
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def repack(archive: Path, change: Callable[[Path, dict[str, Any]], None]) -> None:
    """The archive with another content, its manifest in step."""
    folder = archive.parent / "repack"
    folder.mkdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    manifest = json.loads((folder / "manifest.json").read_text())
    change(folder, manifest)
    for name, entry in manifest["files"].items():
        entry["bytes"], entry["sha256"] = (folder / name).stat().st_size, backup._sha256(folder / name)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with tarfile.open(archive, "w") as tar:
        for name in ("manifest.json", *manifest["files"]):
            tar.add(folder / name, name)
    shutil.rmtree(folder)


def test_a_backup_of_a_newer_release_is_refused(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")
    repack(tmp_path / "b.tar", lambda _, manifest: manifest.update(schema="9999"))
    assert "schema 9999" in run("restore", tmp_path / "b.tar", "--yes", expect=1)
    repack(tmp_path / "b.tar", lambda _, manifest: manifest.update(format=2))
    assert "định dạng 2" in run("restore", tmp_path / "b.tar", "--yes", expect=1)


def test_a_restore_that_fails_halfway_changes_nothing(installed: Installed, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar")

    def cut(folder: Path, _: dict[str, Any]) -> None:
        content = (folder / "sotay.dump").read_bytes()
        (folder / "sotay.dump").write_bytes(content[: len(content) * 2 // 3])  # its list is whole, its data are not

    repack(tmp_path / "b.tar", cut)
    assert "pg_restore" in run("restore", tmp_path / "b.tar", "--yes", expect=1)
    assert names() == ["Lê Văn Bình", "Trần Thị Hoa"]
    assert private_of(installed.hoa) == HOA
    assert not {name for name in databases() if name.endswith(("_restoring", "_replaced"))}
    assert run("audit", "verify")["ok"] is True


def test_a_swap_that_fails_changes_nothing(
    installed: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("backup", tmp_path / "b.tar")
    rename = restore._rename

    def failing(connection: psycopg.Connection, name: str, new: str) -> None:
        rename(connection, name, new)
        if name == "sotay_restoring":
            raise psycopg.errors.ObjectInUse("somebody came")

    monkeypatch.setattr(restore, "_rename", failing)
    assert "nothing has changed" in run("restore", tmp_path / "b.tar", "--yes", expect=1)
    assert names() == ["Lê Văn Bình", "Trần Thị Hoa"]
    assert not {name for name in databases() if name.endswith(("_restoring", "_replaced"))}


def test_a_log_that_was_cut_before_the_backup_is_reported_by_it(installed: Installed, tmp_path: Path) -> None:
    assert run("audit", "verify")["ok"] is True
    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("delete from audit_entry where id = 2"))
    found = run("audit", "verify", expect=1)
    assert (found["ok"], found["fault"]["id"]) == (False, 2)
    made = run("backup", tmp_path / "b.tar")
    assert made["audit"]["fault"]["id"] == 2
    assert [anchor.kind for anchor in anchors.read()] == ["verified", "fault"]


def test_another_installation_is_replaced_with_its_keys(installed: Installed, elsewhere: Path, tmp_path: Path) -> None:
    run("backup", tmp_path / "b.tar", "--keys", tmp_path / "k.json")
    with installed_in(elsewhere):
        run("audit", "verify")
        with unit_of_work() as session:
            make_units(session)
            make_account(session, "Người khác")
        foreign = crypto.keys_file().read_bytes()
        run("restore", tmp_path / "b.tar", "--keys", tmp_path / "k.json", "--yes")
        assert names() == ["Lê Văn Bình", "Trần Thị Hoa"]
        assert private_of(installed.hoa) == HOA
        assert (elsewhere / "keys" / "master.json.replaced").read_bytes() == foreign
        assert run("audit", "verify")["ok"] is True


def test_the_nightly_check_notes_an_anchor_or_cries_out(installed: Installed, caplog: pytest.LogCaptureFixture) -> None:
    worker.verify_audit(0)
    assert [(anchor.kind, anchor.entries) for anchor in anchors.read()] == [("verified", 2)]
    with unit_of_work() as session:
        session.execute(text("set local session_replication_role = replica"))
        session.execute(text("update audit_entry set action = 'x' where id = 1"))
    worker.verify_audit(0)
    assert "THE AUDIT LOG IS BROKEN at entry 1: altered" in caplog.text
    assert [anchor.kind for anchor in anchors.read()] == ["verified", "fault"]
