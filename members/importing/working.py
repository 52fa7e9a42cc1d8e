"""The work on a file: read it, judge every row, and write the register, all in the caller's transaction."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from members.access import Actor, Permission, scope_units
from members.importing import reading, writing
from members.importing.columns import Header
from members.importing.comparing import Comparison, Plan, batches
from members.importing.rows import Problem, Rows
from members.importing.tables import ImportFileError, Sheet
from members.models import ColumnMapping, Unit
from members.units import UnitIndex, UnknownUnitError
from members.units.reading import below

Progress = Callable[[int, int], None]
"""Told (rows done, rows in all) every few thousand rows."""


@dataclass
class Judged:
    """What a file would do."""

    rows: int
    plans: list[Plan] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def remembered(session: Session) -> reading.Remembered:
    """The mapping that was chosen for such headings the last time."""

    def look_up(signature: str) -> Mapping[str, str] | None:
        row = session.get(ColumnMapping, signature)
        return row.mapping if row else None

    return look_up


def judge(
    session: Session, actor: Actor, sheet: Sheet, header: Header, *, unit_id: int | None, progress: Progress
) -> Judged:
    """Go through every row. Nothing is written. Errors: ImportFileError."""
    problem = reading.no_header(header, unit_given=unit_id is not None)
    if problem:
        raise problem
    index = UnitIndex(session, actor, Permission.IMPORT_MEMBERS)
    within = _within(session, actor, unit_id)

    def resolve(text: str) -> int:
        found = index.resolve(text)
        if found not in within:
            raise UnknownUnitError
        return found

    today = clock.today()
    rows = Rows(sheet, header, resolve=resolve, unit_given=unit_id, today=today)
    comparison = Comparison(
        session,
        rows,
        within=within,
        knows_official="official_on" in header.columns,
        marks_exempt="exempt" in header.columns,
        today=today,
    )
    judged = Judged(0, problems=rows.problems)
    total = max(sheet.height - header.row, 0)
    for batch in batches(rows):
        judged.plans += comparison.plans(batch)
        judged.rows = rows.read
        progress(rows.read, max(total, rows.read))
    if not judged.rows:
        raise ImportFileError("empty_file", "Tệp chỉ có dòng tiêu đề, không có người nào. Xin chọn tệp khác.")
    bad = {problem.row for problem in judged.problems}
    judged.plans = [plan for plan in judged.plans if plan.row not in bad]
    judged.problems.sort(key=lambda problem: problem.row)
    return judged


def write(session: Session, import_id: uuid.UUID, judged: Judged, progress: Progress) -> None:
    """Write what was judged good."""
    writing.apply(session, import_id, judged.plans, lambda done: progress(done, len(judged.plans)))


def _within(session: Session, actor: Actor, unit_id: int | None) -> set[int]:
    """The units that a file may name or take people from."""
    statement = scope_units(select(Unit), actor, Permission.IMPORT_MEMBERS)
    if unit_id is not None:
        path = session.scalars(select(Unit.path).where(Unit.id == unit_id)).one()
        statement = statement.where(below(path))
    return set(session.scalars(statement.with_only_columns(Unit.id)))
