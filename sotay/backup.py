"""A backup: one private tar file with both databases as ``pg_dump`` writes them, and a manifest. Keys go elsewhere.

Nothing in the manifest is personal. Photographs of sign-ups are left out (``NEVER``). Search indexes, models, certificates and the secret between application and engine
are not in it: they are made anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit, urlunsplit

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core import anchors, audit, clock, crypto, database, ledger, postgres
from core.database import unit_of_work
from core.settings import settings
from knowledge.indexing import calibration_file

FORMAT = 1
APPLICATION: Final = "sotay.dump"
ENGINE: Final = "engine.dump"
CALIBRATION: Final = "calibration.json"
MANIFEST: Final = "manifest.json"
MANIFEST_LIMIT = 1_000_000
COUNTED = ("unit", "member", "account", "document", "conversation", "data_request", "erasure", "audit_entry")
NEVER = ("sign_up_photo",)
"""Tables whose rows are in no backup: photographs of cards and faces live for days, backups for months."""
_CHUNK = 1 << 20


class BackupError(Exception):
    """A backup cannot be made or used; the message says what to do."""


@dataclass(frozen=True)
class Manifest:
    """What an archive says about itself. ``files``: name → (bytes, SHA-256); ``keys``: ids of the master keys it needs."""

    made_at: str
    schema: str
    counts: dict[str, int]
    audit_entries: int
    audit_head: str
    keys: tuple[str, ...]
    files: dict[str, tuple[int, str]]

    def to_json(self) -> str:
        """The file in the archive."""
        return json.dumps(
            {
                "format": FORMAT,
                "made_at": self.made_at,
                "schema": self.schema,
                "counts": self.counts,
                "audit": {"entries": self.audit_entries, "head": self.audit_head},
                "keys": list(self.keys),
                "files": {name: {"bytes": size, "sha256": digest} for name, (size, digest) in self.files.items()},
            },
            indent=1,
        )

    @classmethod
    def from_json(cls, content: bytes) -> Manifest:
        """Read it. Errors: BackupError."""
        try:
            found = json.loads(content)
            if found["format"] != FORMAT:
                raise BackupError(
                    f"Bản sao lưu có định dạng {found['format']}, bản phần mềm này chỉ đọc được định dạng {FORMAT}:"
                    " hãy dùng bản phần mềm mới hơn."
                )
            return cls(
                made_at=str(found["made_at"]),
                schema=str(found["schema"]),
                counts={str(name): int(count) for name, count in found["counts"].items()},
                audit_entries=int(found["audit"]["entries"]),
                audit_head=str(found["audit"]["head"]),
                keys=tuple(map(str, found["keys"])),
                files={str(name): (int(it["bytes"]), str(it["sha256"])) for name, it in found["files"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise BackupError("Tệp này không phải bản sao lưu của Sổ tay, hoặc đã hỏng (bad manifest).") from error


def make(target: Path, *, keys: Path | None) -> dict[str, Any]:
    """Back up this installation, which may be running, to *target* (a folder, or a file that is not there yet).

    *keys*: where to write a copy of the master keys. The archive appears whole or not at all, and has been read back.
    Returns what the command prints. Errors: BackupError.
    """
    archive = target / f"sotay-{clock.now():%Y%m%d-%H%M%S}.tar" if target.is_dir() else target
    for path in [archive, *([keys] if keys else [])]:
        if path.exists():
            raise BackupError(f"Đã có tệp {path}: hãy chọn tên khác.")
        if not path.parent.is_dir():
            raise BackupError(f"Không có thư mục {path.parent}.")
    if keys is not None and keys.resolve() == archive.resolve():
        raise BackupError("Bản sao lưu và khóa phải là hai tệp khác nhau.")
    try:
        with tempfile.TemporaryDirectory(prefix=".sotay-backup-", dir=archive.parent) as folder:
            staged = Path(folder)
            manifest, checked = _dump(staged)
            packed = staged / "archive.tar"
            _pack(staged, manifest, packed)
            read_back(packed)
            digest = _sha256(packed)
            if keys is not None:
                _copy_keys(keys)
            packed.rename(archive)
    except OSError as error:
        raise BackupError(f"Không ghi được bản sao lưu (cannot write): {error.strerror}: {error.filename}") from error
    if checked.fault is None:
        anchors.add("backup", checked.entries, checked.head)
    with unit_of_work() as session:
        audit.record(
            session,
            "backup.made",
            actor_id=None,
            object_type="backup",
            object_id=archive.name,
            details={"sha256": digest, "keys_copied": keys is not None},
        )
    return {
        "archive": str(archive),
        "bytes": archive.stat().st_size,
        "sha256": digest,
        "schema": manifest.schema,
        "counts": manifest.counts,
        "keys": str(keys) if keys else None,
        "keys_needed": list(manifest.keys),
        "audit": {
            "entries": checked.entries,
            "fault": {"id": checked.fault.id, "reason": checked.fault.reason} if checked.fault else None,
        },
    }


def _dump(staged: Path) -> tuple[Manifest, anchors.Check]:
    """Both databases and the other files into *staged*. The counts are of the moment of the dump."""
    url = database.url()
    with (
        database.engine().connect().execution_options(isolation_level="REPEATABLE READ") as connection,
        connection.begin(),
    ):
        snapshot: str = connection.execute(text("select pg_export_snapshot()")).scalar_one()
        session = Session(bind=connection)
        schema: str = connection.execute(text("select version_num from alembic_version")).scalar_one()
        counts = {table: connection.execute(text(f"select count(*) from {table}")).scalar_one() for table in COUNTED}  # noqa: S608 - names of ours
        needed = tuple(sorted(session.scalars(select(crypto.DataKey.master).distinct())))
        try:
            checked = anchors.check(session)
        except ledger.LedgerError as error:
            raise BackupError(f"Không đọc được tệp mốc của nhật ký: {error}") from error
        _pg_dump(url, staged / APPLICATION, "--snapshot", snapshot, *(f"--exclude-table-data={name}" for name in NEVER))
    engine = postgres.at(url, postgres.engine_name(url, embedded=not settings().database_url))
    if database_exists(database_name(engine)):
        _pg_dump(engine, staged / ENGINE)
    if calibration_file().is_file():
        shutil.copyfile(calibration_file(), staged / CALIBRATION)
    names = [name for name in (APPLICATION, ENGINE, CALIBRATION) if (staged / name).is_file()]
    files = {name: ((staged / name).stat().st_size, _sha256(staged / name)) for name in names}
    made_at = clock.now().astimezone(UTC).isoformat(timespec="seconds")
    return Manifest(made_at, schema, counts, checked.entries, checked.head.hex(), needed, files), checked


def _pg_dump(url: str, file: Path, *options: str) -> None:
    file.touch(mode=0o600)
    run_tool("pg_dump", url, "--format=custom", "--no-owner", "--no-privileges", "--file", str(file), *options)


def _pack(staged: Path, manifest: Manifest, packed: Path) -> None:
    (staged / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    descriptor = os.open(packed, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for name in (MANIFEST, *manifest.files):
                entry = tarfile.TarInfo(name)  # without the user's name and other marks of this machine
                entry.size, entry.mode, entry.mtime = (
                    (staged / name).stat().st_size,
                    0o600,
                    int(clock.now().timestamp()),
                )
                with (staged / name).open("rb") as content:
                    tar.addfile(entry, content)
        file.flush()
        os.fsync(file.fileno())


def _copy_keys(target: Path) -> None:
    """A copy of the file of master keys, for its owner's eyes only."""
    crypto.current_master()  # makes the file of an installation that has never sealed anything
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(crypto.keys_file().read_bytes())
        file.flush()
        os.fsync(file.fileno())


def read_back(archive: Path) -> Manifest:
    """See that *archive* is whole: every file as the manifest says, every dump readable. Errors: BackupError."""
    with unpacked(archive) as (manifest, _):
        return manifest


@contextmanager
def unpacked(archive: Path) -> Iterator[tuple[Manifest, Path]]:
    """The checked files of *archive* in a private folder, for the time of the block. Errors: BackupError."""
    try:
        folder = tempfile.mkdtemp(prefix=".sotay-restore-", dir=archive.parent)
    except OSError as error:
        raise BackupError(f"Không ghi được vào {archive.parent}: {error.strerror}") from error
    try:
        yield _unpack(archive, Path(folder)), Path(folder)
    finally:
        shutil.rmtree(folder)


def _unpack(archive: Path, folder: Path) -> Manifest:
    try:
        with tarfile.open(archive, mode="r:") as tar:
            first = tar.next()
            opened = tar.extractfile(first) if first and first.name == MANIFEST and first.isreg() else None
            if opened is None or first is None or first.size > MANIFEST_LIMIT:
                raise BackupError(f"{archive} không phải bản sao lưu của Sổ tay (no manifest).")
            manifest = Manifest.from_json(opened.read())
            if not {APPLICATION} <= set(manifest.files) <= {APPLICATION, ENGINE, CALIBRATION}:
                raise BackupError(f"{archive} không phải bản sao lưu của Sổ tay (unknown files).")
            for name, (size, digest) in manifest.files.items():
                entry = tar.next()
                content = tar.extractfile(entry) if entry and entry.name == name and entry.isreg() else None
                if content is None or entry is None or entry.size != size:
                    raise BackupError(f"Bản sao lưu đã hỏng: tệp {name} thiếu hoặc sai độ dài.")
                with (folder / name).open("xb") as file:
                    shutil.copyfileobj(content, file, _CHUNK)
                if _sha256(folder / name) != digest:
                    raise BackupError(f"Bản sao lưu đã hỏng: tệp {name} không khớp mã kiểm tra.")
    except FileNotFoundError as error:
        raise BackupError(f"Không có tệp {archive}.") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BackupError(f"Không đọc được bản sao lưu {archive} (cannot read): {error}") from error
    for name in (APPLICATION, ENGINE):
        if name in manifest.files:
            run_tool("pg_restore", None, "--list", str(folder / name))
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# PostgreSQL's programs


def run_tool(program: str, url: str | None, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on the database of *url*; the password is not on its command line.

    Errors: BackupError with what it said.
    """
    environment = dict(os.environ)
    where: Sequence[str] = ()
    if url is not None:
        parts = urlsplit(url)
        if parts.password is not None:
            environment["PGPASSWORD"] = unquote(parts.password)
        user = parts.netloc.rpartition("@")[0].partition(":")[0]
        host = parts.netloc.rpartition("@")[2]
        where = ("--dbname", urlunsplit(parts._replace(netloc=f"{user}@{host}" if user else host)))
    result = subprocess.run(
        [str(postgres.binaries() / program), *where, *arguments],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    if result.returncode == 0:
        return
    said = result.stderr.strip()
    if "server version mismatch" in said:
        raise BackupError(
            "Máy chủ PostgreSQL mới hơn công cụ pg_dump kèm theo: hãy nâng cấp Sổ tay, hoặc sao lưu bằng pg_dump của máy chủ"
            f" (server version mismatch).\n{said}"
        )
    raise BackupError(f"{program} báo lỗi ({program} failed, code {result.returncode}):\n{said[-1500:]}")


def database_name(url: str) -> str:
    """The name of the database of *url*."""
    return unquote(urlsplit(url).path.strip("/"))


def database_exists(name: str) -> bool:
    """Whether the server has a database *name*."""
    with unit_of_work() as session:
        found = session.execute(text("select 1 from pg_database where datname = :name"), {"name": name}).scalar()
    return found is not None
