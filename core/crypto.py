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
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import DateTime, LargeBinary, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import clock
from core.database import Base
from core.files import write_private
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
        modified = path.stat().st_mtime_ns
    except FileNotFoundError:
        _make(path)
        modified = path.stat().st_mtime_ns
    return _read(path, modified)


def _make(path: Path) -> None:
    """The first master key. Safe when several processes ask at once: the first one wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (path.parent / "master.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            key = os.urandom(KEY_BYTES)
            _write(path, _Masters(_key_id(key), {_key_id(key): key}, os.urandom(KEY_BYTES)))


def _write(path: Path, masters: _Masters) -> None:
    content = {
        "current": masters.current,
        "keys": {key_id: base64.b64encode(key).decode() for key_id, key in masters.keys.items()},
        "lookup": base64.b64encode(masters.lookup).decode(),
    }
    write_private(path, json.dumps(content, indent=1))


@lru_cache(maxsize=4)
def _read(path: Path, modified: int) -> _Masters:  # the time is part of the key: a rotation is seen by every process
    del modified
    try:
        content = json.loads(path.read_text(encoding="ascii"))
        keys = {key_id: base64.b64decode(key) for key_id, key in content["keys"].items()}
        masters = _Masters(content["current"], keys, base64.b64decode(content["lookup"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise MasterKeyError(f"the master keys in {path} cannot be read: {type(error).__name__}") from error
    if any(_key_id(key) != key_id for key_id, key in keys.items()) or masters.current not in keys:
        raise MasterKeyError(f"the master keys in {path} are damaged")
    return masters


def _wrap(owner: uuid.UUID, key: bytes, masters: _Masters) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + masters.aead(masters.current).encrypt(nonce, key, owner.bytes)


def _unwrap(owner: uuid.UUID, master: str, wrapped: bytes, masters: _Masters) -> bytes:
    try:
        return masters.aead(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], owner.bytes)
    except InvalidTag as error:
        raise TamperedError(f"the data key of {owner} is damaged") from error


def create_keys(session: Session, owners: Collection[uuid.UUID]) -> dict[uuid.UUID, bytes]:
    """Make a data key (32 bytes) for each of *owners*, who have none yet, and return them."""
    masters, now = _masters(), clock.now()
    made = {owner: os.urandom(KEY_BYTES) for owner in owners}
    if made:
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
    masters = _masters()
    rows = session.execute(
        select(DataKey.owner, DataKey.master, DataKey.wrapped).where(DataKey.owner.in_(list(owners)))
    )
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


def rotate(session: Session) -> int:
    """Make a new master key and wrap every data key with it; returns their number.

    The new key is in the file before the database is changed: whatever happens in between, every key can be read.
    """
    path, masters = keys_file(), _masters()
    key = os.urandom(KEY_BYTES)
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
