"""The advisory locks of the installation, in one place so that no two share a key. Nothing else in the database uses them.

One is taken for a unit of work (``hold``: PostgreSQL lets go of it at the end, however that ends), or by a connection of
its own for longer work.
"""

from __future__ import annotations

from enum import IntEnum

from sqlalchemy import text
from sqlalchemy.orm import Session


class Lock(IntEnum):
    """What happens one after another. The values are keys of PostgreSQL: a new version keeps those of the old one."""

    MIGRATION = 0x50_7A_01
    """One process migrates the schema while others wait."""
    INDEX = 0x50_7A_02
    """One process builds the search index."""
    AUDIT = 0x50_7A_03
    """Orders the chain of the audit log."""
    KEYS = 0x50_7A_04
    """One rotation, or retirement, of master keys runs."""
    IMPORT = 0x50_7A_05
    """One import writes the register, by a job or by a command."""
    ADMINISTRATORS = 0x50_7A_06
    """Administrators of the whole organisation are taken away one by one, so that one stays."""
    TREE = 0x50_7A_10
    """Puts changes of the organisation tree in a row."""


def hold(session: Session, lock: Lock) -> None:
    """Wait for *lock* and keep it until the unit of work of *session* ends."""
    session.execute(text("select pg_advisory_xact_lock(:key)"), {"key": int(lock)})
