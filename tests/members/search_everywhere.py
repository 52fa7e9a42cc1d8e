"""Looking for a person's values in everything that is stored: every column of every table, every file."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from sqlalchemy import text

from core.database import unit_of_work
from core.text import fold


def forms(value: str) -> set[str]:
    """The ways in which *value* may be written: composed or not, folded, without spaces, as hexadecimal of any of these."""
    nfc, nfd = unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)
    clear = {nfc, nfd, nfc.lower(), nfd.lower(), fold(value)}
    clear |= {"".join(form.split()) for form in clear}
    return clear | {form.encode().hex() for form in clear}


def in_database(values: list[str]) -> set[tuple[str, str]]:
    """(value, table) for every table of the schema, and the planner's samples, in which a value is found."""
    found = set()
    with unit_of_work() as session:
        tables = session.scalars(
            text("select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'public'")
        ).all()
        for table in (*tables, "pg_catalog.pg_statistic"):
            rows = session.scalars(text(f"select t::text from {table} t")).all()
            stored = "\n".join(rows)
            written = {stored, stored.lower(), fold(stored), re.sub(r"\s", "", stored.lower())}
            found |= {(value, table) for value in values for form in forms(value) if any(form in w for w in written)}
    return found


def in_files(folder: Path, values: list[str], *, but: tuple[str, ...] = ()) -> set[tuple[str, str]]:
    """(value, file) for every file below *folder* whose bytes hold a value; parts of a path in *but* are left out."""
    found = set()
    for path in folder.rglob("*"):
        if not path.is_file() or set(but) & set(path.relative_to(folder).parts):
            continue
        try:
            content = path.read_bytes()
        except FileNotFoundError:  # a server's own, gone meanwhile
            continue
        name = str(path.relative_to(folder))
        found |= {(value, name) for value in values for form in forms(value) if form.encode() in content}
    return found
