"""Encryption at rest: a key per person, wrapped by a master key that lies outside the database.

Every person (and every other owner of secrets, such as an account or an import) has a data key of its own in the table
``data_key``; its copy there is wrapped by the master key (AES-256-GCM both, NIST SP 800-38D). Destroying a data key
destroys everything that was ever sealed with it, in the tables as in the audit log. Look-up by a number is by keyed hash
(HMAC-SHA256), whose key lies beside the master keys.

The file ``master.json`` in the folder of keys (``SOTAY_KEYS_DIR``) holds the master keys and the key of the hashes.
Master keys that were replaced stay in it, so that backups made before a rotation can be read.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import hmac
import json
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import DateTime, LargeBinary, Text, delete, insert, select, text, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import clock
from core.database import Base
from core.files import write_private
from core.locks import Lock, hold
from core.settings import settings

NONCE_BYTES = 12
KEY_BYTES = 32
BATCH = 5000
"""Keys that a rotation wraps anew in one statement."""


class CryptoError(Exception):
    """Something sealed cannot be read."""


class KeyDestroyedError(CryptoError):
    """The data key is gone: what it sealed has been erased."""


class TamperedError(CryptoError):
    """The sealed value does not fit its key or its place: altered, or copied from elsewhere."""


class MasterKeyError(CryptoError):
    """The file of master keys is missing, damaged, or lacks the key that the database asks for."""


class DataKey(Base):
    """The key of one owner, wrapped by a master key."""

    __tablename__ = "data_key"

    owner: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    master: Mapped[str] = mapped_column(Text)
    """The id of the master key that wraps it."""
    wrapped: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


@dataclass(frozen=True)
class _Masters:
    current: str
    keys: Mapping[str, bytes]
    lookup: bytes

    def aead(self, key_id: str) -> AESGCM:
        try:
            return AESGCM(self.keys[key_id])
        except KeyError as error:
            raise MasterKeyError(
                f"the database is sealed with the master key {key_id}, which is not in {keys_file()}"
            ) from error


def keys_file() -> Path:
    """Where the master keys are."""
    chosen = settings()
    return (chosen.keys_dir or chosen.data_dir / "keys") / "master.json"


def _key_id(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:16]


def _masters() -> _Masters:
    path = keys_file()
    try:
        found = path.stat()
    except FileNotFoundError:
        _make(path)
        found = path.stat()
    return _read(path, (found.st_mtime_ns, found.st_ino, found.st_size))


def _make(path: Path) -> None:
    """The first master key. Safe when several processes ask at once: the first one wins."""
    with _alone(path):
        if not path.exists():
            key = os.urandom(KEY_BYTES)
            _write(path, _Masters(_key_id(key), {_key_id(key): key}, os.urandom(KEY_BYTES)))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """No other process changes the file of master keys inside the block."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path.parent / "master.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(path: Path, masters: _Masters) -> None:
    content = {
        "current": masters.current,
        "keys": {key_id: base64.b64encode(key).decode() for key_id, key in masters.keys.items()},
        "lookup": base64.b64encode(masters.lookup).decode(),
        "lookup_id": _key_id(masters.lookup),
    }
    write_private(path, json.dumps(content, indent=1))
    folder = os.open(path.parent, os.O_RDONLY)  # the new name is on the disk before anything is wrapped with the key
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@lru_cache(maxsize=4)
def _read(path: Path, state: tuple[int, int, int]) -> _Masters:  # the state is part of the key: changes are seen
    del state
    return _parse(path)


def _parse(path: Path) -> _Masters:
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        keys = {key_id: base64.b64decode(key) for key_id, key in content["keys"].items()}
        masters = _Masters(content["current"], keys, base64.b64decode(content["lookup"]))
        sound = _key_id(masters.lookup) == content["lookup_id"] and masters.current in keys
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MasterKeyError(f"the master keys in {path} cannot be read: {type(error).__name__}") from error
    if not sound or any(_key_id(key) != key_id for key_id, key in keys.items()):
        raise MasterKeyError(f"the master keys in {path} are damaged")
    return masters


def _wrap(owner: uuid.UUID, key: bytes, masters: _Masters) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + masters.aead(masters.current).encrypt(nonce, key, owner.bytes)


def _unwrap(owner: uuid.UUID, master: str, wrapped: bytes, masters: _Masters) -> bytes:
    try:
        return masters.aead(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner.bytes)
    except (InvalidTag, ValueError) as error:
        raise TamperedError(f"the data key of {owner} is damaged") from error


def create_keys(session: Session, owners: Collection[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """Make a data key (32 bytes) for each of *owners*, who have none yet, and return them."""
    made = {owner: os.urandom(KEY_BYTES) for owner in owners}
    if made:
        # Held until the work is committed: no master key is retired between reading the file and writing the rows.
        session.execute(text("lock table data_key in row exclusive mode"))
        masters, now = _masters(), clock.now()
        session.execute(
            insert(DataKey),
            [
                {"owner": owner, "master": masters.current, "wrapped": _wrap(owner, key, masters), "created_at": now}
                for owner, key in made.items()
            ],
        )
    return made


def keys_of(session: Session, owners: Collection[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """The data keys of those of *owners* who have one, in one query. Errors: MasterKeyError, TamperedError."""
    rows = session.execute(
        select(DataKey.owner, DataKey.master, DataKey.wrapped).where(DataKey.owner.in_(list(owners)))
    ).all()
    masters = _masters()  # after the rows: a rotation writes the file first, so it has every key that they name
    return {owner: _unwrap(owner, master, wrapped, masters) for owner, master, wrapped in rows}


def seal_with(key: bytes, value: bytes, *, context: str) -> bytes:
    """*value* sealed with a data key: nonce (12 bytes), ciphertext, tag (16 bytes). *context* says where it belongs."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, value, context.encode())


def unseal_with(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """What was sealed with this key for this *context*. Errors: TamperedError."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise TamperedError(f"a sealed value does not fit its place ({context})") from error


def seal(session: Session, owner: uuid.UUID, value: bytes, *, context: str) -> bytes:
    """Seal *value* with the data key of *owner*. Errors: KeyDestroyedError (no key: make one by ``create_keys``)."""
    return seal_with(_key_of(session, owner), value, context=context)


def unseal(session: Session, owner: uuid.UUID, sealed: bytes, *, context: str) -> bytes:
    """What was sealed for *owner* and *context*. Errors: KeyDestroyedError, TamperedError."""
    return unseal_with(_key_of(session, owner), sealed, context=context)


def _key_of(session: Session, owner: uuid.UUID) -> bytes:
    found = keys_of(session, [owner])
    if owner not in found:
        raise KeyDestroyedError("the data key has been destroyed, or was never made")
    return found[owner]


def destroy_key(session: Session, owner: uuid.UUID) -> bool:
    """Destroy the data key of *owner*, and with it everything it ever sealed. Returns whether there was one."""
    return session.scalar(delete(DataKey).where(DataKey.owner == owner).returning(DataKey.owner)) is not None


def lookup_hash(value: str, *, purpose: str) -> bytes:
    """A keyed hash (HMAC-SHA256, 32 bytes) by which *value* is found without being stored; differs by *purpose*."""
    return hmac.digest(_masters().lookup, f"{purpose}\0{value}".encode(), "sha256")


def hasher() -> Callable[..., bytes]:
    """``lookup_hash`` for very many values: the key is looked up once."""
    key = _masters().lookup

    def hashed(value: str, *, purpose: str) -> bytes:
        return hmac.digest(key, f"{purpose}\0{value}".encode(), "sha256")

    return hashed


def rotate(session: Session) -> int:
    """Make a new master key and wrap every data key with it; returns their number. One rotation runs at a time.

    The new key is in the file before the database is changed: whatever happens in between, every key can be read.
    """
    hold(session, Lock.KEYS)
    path, key = keys_file(), os.urandom(KEY_BYTES)
    _masters()
    with _alone(path):
        masters = _parse(path)
        renewed = _Masters(_key_id(key), {**masters.keys, _key_id(key): key}, masters.lookup)
        _write(path, renewed)
    count = 0
    while True:
        rows = session.execute(
            select(DataKey.owner, DataKey.master, DataKey.wrapped)
            .where(DataKey.master != renewed.current)
            .limit(BATCH)
            .with_for_update()
        ).all()
        if not rows:
            return count
        session.execute(
            update(DataKey),
            [
                {
                    "owner": owner,
                    "master": renewed.current,
                    "wrapped": _wrap(owner, _unwrap(owner, master, wrapped, renewed), renewed),
                }
                for owner, master, wrapped in rows
            ],
        )
        count += len(rows)


def retire(session: Session) -> int:
    """Drop the master keys that wrap nothing any more; returns how many. Backups made with them need their own copy.

    The table is locked until the unit of work ends, so nothing can be wrapped with a key that is being dropped.
    """
    hold(session, Lock.KEYS)
    session.execute(text("lock table data_key in share row exclusive mode"))
    used = set(session.scalars(select(DataKey.master).distinct()))
    path = keys_file()
    _masters()
    with _alone(path):
        masters = _parse(path)
        kept = {key_id: key for key_id, key in masters.keys.items() if key_id in used or key_id == masters.current}
        if len(kept) < len(masters.keys):
            _write(path, _Masters(masters.current, kept, masters.lookup))
    return len(masters.keys) - len(kept)


def check(session: Session) -> None:
    """See that the file has every master key that the database was sealed with. Errors: MasterKeyError."""
    used = set(session.scalars(select(DataKey.master).distinct()))
    path = keys_file()
    if not used:
        return
    if not path.exists():
        raise MasterKeyError(f"the database is sealed, and its master keys are missing: put them back as {path}")
    masters = _masters()
    for key_id in sorted(used):
        masters.aead(key_id)


def current_master() -> str:
    """The id of the master key in use; it tells nothing about the key."""
    return _masters().current


def ids_in(path: Path) -> frozenset[str]:
    """The ids of the master keys in a copy of the file. Errors: MasterKeyError."""
    return frozenset(_parse(path).keys)


def same_installation(copy: Path) -> bool:
    """Whether the master keys in *copy* belong to this installation: both hash with the same key."""
    path = keys_file()
    return path.exists() and _parse(path).lookup == _parse(copy).lookup


def install(copy: Path) -> None:
    """Take the master keys of *copy* (of a backup) into use.

    Keys of the same installation are added to those that are there. A file of another installation (it hashes with
    another key) is replaced, and kept as ``master.json.replaced``. Errors: MasterKeyError.
    """
    path, given = keys_file(), _parse(copy)
    with _alone(path):
        if path.exists():
            own = _parse(path)
            if own.lookup == given.lookup:
                _write(path, _Masters(own.current, {**given.keys, **own.keys}, own.lookup))
                return
            path.replace(path.with_name(path.name + ".replaced"))
        _write(path, given)


def put_back(content: bytes) -> None:
    """Undo ``install``: *content* is what the file of master keys held before it."""
    path = keys_file()
    with _alone(path):
        write_private(path, content.decode("ascii"))
