"""Sealing, the keys of persons, the master keys and their rotation."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from core import crypto, settings
from core.database import unit_of_work

pytestmark = pytest.mark.usefixtures("database", "keys_dir")

OWNER = uuid.UUID(int=1)
OTHER = uuid.UUID(int=2)


@pytest.fixture
def keys_dir(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Keys of this test's own."""
    folder = tmp_path / "khóa"
    monkeypatch.setenv("SOTAY_KEYS_DIR", str(folder))
    settings.settings.cache_clear()
    yield folder
    settings.settings.cache_clear()


def sealed(value: bytes = b"0912345678") -> bytes:
    with unit_of_work() as session:
        crypto.create_keys(session, [OWNER, OTHER])
        return crypto.seal(session, OWNER, value, context="member")


def read(value: bytes, owner: uuid.UUID = OWNER, context: str = "member") -> bytes:
    with unit_of_work() as session:
        return crypto.unseal(session, owner, value, context=context)


def master_ids() -> set[str]:
    with unit_of_work() as session:
        return set(session.scalars(select(crypto.DataKey.master)))


@given(key=st.binary(min_size=32, max_size=32), value=st.binary(max_size=300), context=st.text(max_size=20))
def test_what_is_sealed_is_read_again(key: bytes, value: bytes, context: str) -> None:
    closed = crypto.seal_with(key, value, context=context)
    assert crypto.unseal_with(key, closed, context=context) == value
    assert len(closed) == len(value) + 28
    assert crypto.seal_with(key, value, context=context) != closed, "equal values are not seen to be equal"


@given(value=st.binary(max_size=60), place=st.integers(min_value=0), bit=st.integers(min_value=0, max_value=7))
def test_a_changed_bit_is_noticed(value: bytes, place: int, bit: int) -> None:
    key = bytes(32)
    closed = bytearray(crypto.seal_with(key, value, context="x"))
    closed[place % len(closed)] ^= 1 << bit
    with pytest.raises(crypto.TamperedError):
        crypto.unseal_with(key, bytes(closed), context="x")


@pytest.mark.parametrize("length", [0, 5, 12, 27])
def test_a_value_cut_short_is_noticed(length: int) -> None:
    closed = crypto.seal_with(bytes(32), b"", context="x")
    with pytest.raises(crypto.TamperedError):
        crypto.unseal_with(bytes(32), closed[:length], context="x")


def test_a_value_is_bound_to_its_owner_and_its_place() -> None:
    closed = sealed()
    assert read(closed) == b"0912345678"
    with pytest.raises(crypto.TamperedError):
        read(closed, OTHER)
    with pytest.raises(crypto.TamperedError):
        read(closed, context="import_change")


def test_a_destroyed_key_takes_everything_with_it() -> None:
    closed = sealed()
    with unit_of_work() as session:
        assert crypto.destroy_key(session, OWNER) is True
    with unit_of_work() as session:
        assert crypto.destroy_key(session, OWNER) is False
    with pytest.raises(crypto.KeyDestroyedError):
        read(closed)


def test_nothing_is_sealed_for_somebody_without_a_key() -> None:
    with unit_of_work() as session, pytest.raises(crypto.KeyDestroyedError):
        crypto.seal(session, OWNER, b"x", context="member")


def test_a_wrapped_key_that_was_moved_to_another_owner_is_noticed() -> None:
    closed = sealed()
    with unit_of_work() as session:
        wrapped = session.scalars(select(crypto.DataKey.wrapped).where(crypto.DataKey.owner == OTHER)).one()
        session.execute(update(crypto.DataKey).where(crypto.DataKey.owner == OWNER).values(wrapped=wrapped))
    with pytest.raises(crypto.TamperedError):
        read(closed)


@pytest.mark.parametrize("wrapped", [b"", b"short", bytes(60)])
def test_a_damaged_wrapped_key_is_noticed(wrapped: bytes) -> None:
    closed = sealed()
    with unit_of_work() as session:
        session.execute(update(crypto.DataKey).values(wrapped=wrapped))
    with pytest.raises(crypto.TamperedError):
        read(closed)


def test_keys_of_many_are_read_in_one_query() -> None:
    sealed()
    with unit_of_work() as session:
        assert set(crypto.keys_of(session, [OWNER, OTHER, uuid.UUID(int=3)])) == {OWNER, OTHER}


def test_a_keyed_hash_differs_by_purpose_and_by_installation(keys_dir: Path) -> None:
    first = crypto.lookup_hash("12345678", purpose="card")
    assert first == crypto.lookup_hash("12345678", purpose="card")
    assert len(first) == 32
    assert first != crypto.lookup_hash("12345678", purpose="citizen")
    (keys_dir / "master.json").unlink()
    assert first != crypto.lookup_hash("12345678", purpose="card")


# The file of master keys

PROCESS = "from core import crypto; print(crypto.lookup_hash('1', purpose='x').hex(), crypto.current_master())"


def test_processes_that_make_the_first_master_key_at_once_agree(keys_dir: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert answers == {f"{crypto.lookup_hash('1', purpose='x').hex()} {crypto.current_master()}"}
    assert (keys_dir / "master.json").stat().st_mode & 0o777 == 0o600


def damage(path: Path, what: str) -> None:
    content = json.loads(path.read_text())
    if what == "empty":
        path.write_text("")
    elif what == "list":
        path.write_text("[]")
    elif what == "half":
        path.write_text(json.dumps(content)[:40])
    elif what == "key":
        content["keys"] = dict.fromkeys(content["keys"], "A" * 44)
    elif what == "lookup":
        content["lookup"] = (
            content["lookup"][:20] + ("A" if content["lookup"][20] != "A" else "B") + content["lookup"][21:]
        )
    elif what == "current":
        content["current"] = "0" * 16
    if what in ("key", "lookup", "current"):
        path.write_text(json.dumps(content))


@pytest.mark.parametrize("what", ["empty", "list", "half", "key", "lookup", "current"])
def test_a_damaged_file_of_master_keys_is_reported_and_left_alone(keys_dir: Path, what: str) -> None:
    closed = sealed()
    path = keys_dir / "master.json"
    damage(path, what)
    before = path.read_bytes()
    with pytest.raises(crypto.MasterKeyError):
        read(closed)
    with pytest.raises(crypto.MasterKeyError):
        crypto.lookup_hash("1", purpose="card")
    assert path.read_bytes() == before


def test_missing_master_keys_are_noticed_before_new_ones_are_made(keys_dir: Path) -> None:
    sealed()
    (keys_dir / "master.json").unlink()
    with unit_of_work() as session, pytest.raises(crypto.MasterKeyError, match="missing"):
        crypto.check(session)
    assert not (keys_dir / "master.json").exists()


def test_the_keys_of_another_installation_are_noticed(keys_dir: Path) -> None:
    closed = sealed()
    (keys_dir / "master.json").unlink()
    crypto.lookup_hash("1", purpose="x")
    with unit_of_work() as session, pytest.raises(crypto.MasterKeyError, match="is not in"):
        crypto.check(session)
    with pytest.raises(crypto.MasterKeyError):
        read(closed)


def test_the_check_is_content_with_an_empty_installation(keys_dir: Path) -> None:
    with unit_of_work() as session:
        crypto.check(session)
    assert not (keys_dir / "master.json").exists()


# Rotation


def test_a_rotation_wraps_every_key_anew_and_everything_stays_readable() -> None:
    closed = sealed()
    hashed, before = crypto.lookup_hash("1", purpose="card"), crypto.current_master()
    with unit_of_work() as session:
        assert crypto.rotate(session) == 2
    assert crypto.current_master() != before
    assert master_ids() == {crypto.current_master()}
    assert read(closed) == b"0912345678"
    assert crypto.lookup_hash("1", purpose="card") == hashed


def test_a_rotation_goes_through_more_keys_than_one_statement_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crypto, "BATCH", 3)
    owners = [uuid.UUID(int=number) for number in range(1, 9)]
    with unit_of_work() as session:
        made = crypto.create_keys(session, owners)
    with unit_of_work() as session:
        assert crypto.rotate(session) == 8
        assert crypto.keys_of(session, owners) == made


def test_a_rotation_cut_off_before_the_database_leaves_everything_readable() -> None:
    closed, before = sealed(), crypto.current_master()
    with suppress(RuntimeError), unit_of_work() as session:
        crypto.rotate(session)
        raise RuntimeError
    assert crypto.current_master() != before
    assert master_ids() == {before}
    assert read(closed) == b"0912345678"
    with unit_of_work() as session:
        assert crypto.rotate(session) == 2, "the next rotation finishes the work"


def test_sessions_read_on_while_a_rotation_runs() -> None:
    closed = sealed()
    stop, wrong, reads = threading.Event(), [], []

    def reader() -> None:
        while not stop.is_set():
            try:
                reads.append(read(closed))
            except crypto.CryptoError as error:
                wrong.append(error)

    threads = [threading.Thread(target=reader) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        with unit_of_work() as session:
            crypto.rotate(session)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert set(reads) == {b"0912345678"}


READER = """
import sys, uuid
from core import crypto
from core.database import unit_of_work
for line in sys.stdin:
    with unit_of_work() as session:
        print(crypto.unseal(session, uuid.UUID(int=1), bytes.fromhex(line), context="member").decode(), flush=True)
"""


def test_another_process_notices_a_rotation() -> None:
    closed = sealed()
    with subprocess.Popen(
        [sys.executable, "-c", READER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def ask(value: bytes) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            print(value.hex(), file=process.stdin, flush=True)
            return process.stdout.readline().strip()

        assert ask(closed) == "0912345678"
        with unit_of_work() as session:
            crypto.rotate(session)
            crypto.retire(session)
        with unit_of_work() as session:
            newer = crypto.seal(session, OWNER, b"after", context="member")
        assert ask(closed) == "0912345678"
        assert ask(newer) == "after"
        process.stdin.close()


def test_two_rotations_at_once_lose_no_key() -> None:
    closed = sealed()

    def work() -> None:
        with unit_of_work() as session:
            crypto.rotate(session)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(crypto.ids_in(crypto.keys_file())) == 4
    assert master_ids() == {crypto.current_master()}
    assert read(closed) == b"0912345678"


def test_only_master_keys_that_wrap_nothing_are_retired() -> None:
    closed, first = sealed(), crypto.current_master()
    with unit_of_work() as session:
        crypto.rotate(session)
        wrapped = session.execute(text("select wrapped from data_key")).all()
        assert len(wrapped) == 2
    second = crypto.current_master()
    assert crypto.ids_in(crypto.keys_file()) == {first, second}
    with unit_of_work() as session:
        assert crypto.retire(session) == 1
    with unit_of_work() as session:
        assert crypto.retire(session) == 0
    assert crypto.ids_in(crypto.keys_file()) == {second}
    assert read(closed) == b"0912345678"


def test_a_master_key_still_in_use_is_kept() -> None:
    sealed()
    first = crypto.current_master()
    with suppress(RuntimeError), unit_of_work() as session:
        crypto.rotate(session)
        raise RuntimeError
    with unit_of_work() as session:
        assert crypto.retire(session) == 0
    assert first in crypto.ids_in(crypto.keys_file())


def test_a_key_that_is_being_made_holds_up_the_retiring() -> None:
    sealed()
    retired: list[int] = []

    def work() -> None:
        with unit_of_work() as session:
            crypto.rotate(session)
        with unit_of_work() as session:
            retired.append(crypto.retire(session))

    thread = threading.Thread(target=work)
    newcomer = uuid.UUID(int=9)
    with unit_of_work() as session:
        made = crypto.create_keys(session, [newcomer])  # with the master key before the rotation, not committed yet
        thread.start()
        thread.join(timeout=1)
        assert thread.is_alive(), "the retiring waits"
    thread.join()
    assert retired == [0], "the key made meanwhile is wrapped by the old master key"
    with unit_of_work() as session:
        assert crypto.keys_of(session, [newcomer]) == made


def test_the_keys_of_a_backup_are_added_to_those_in_use(tmp_path: Path) -> None:
    sealed()
    copy = tmp_path / "copy.json"
    copy.write_bytes(crypto.keys_file().read_bytes())
    first = crypto.current_master()
    with unit_of_work() as session:
        crypto.rotate(session)
        crypto.retire(session)
    second = crypto.current_master()
    crypto.install(copy)
    assert crypto.ids_in(crypto.keys_file()) == {first, second}
    assert crypto.current_master() == second


def test_the_keys_of_another_installation_replace_those_in_use(tmp_path: Path, keys_dir: Path) -> None:
    closed = sealed()
    copy = tmp_path / "copy.json"
    copy.write_bytes(crypto.keys_file().read_bytes())
    crypto.keys_file().unlink()
    crypto.lookup_hash("1", purpose="x")
    foreign = crypto.keys_file().read_bytes()
    crypto.install(copy)
    assert read(closed) == b"0912345678"
    assert (keys_dir / "master.json.replaced").read_bytes() == foreign
