"""Reports of registration figures of another system: imported as printed, kept, shown with what contradicts what.

Figures are counts of units, never of persons. A report belongs to the whole organisation: it is seen by those who may
read statistics everywhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from core import audit, clock
from members.access import Actor, NotVisibleError, Permission, require_everywhere
from members.importing.reading import sheets
from members.importing.tables import ImportFileError, Row, Sheet
from members.models import RegistrationReport, RegistrationRow
from members.names import clean
from members.registration import percent, ranks
from members.registration_table import SUM_NUMBER, Problem, ReportRow, UnreadableReportError, check, read_rows

LARGEST_FILE = 5 * 1024 * 1024

__all__ = [
    "LARGEST_FILE",
    "ImportFileError",
    "Problem",
    "Report",
    "ReportLine",
    "ReportSum",
    "ReportSummary",
    "UnreadableReportError",
    "delete_report",
    "import_report",
    "list_reports",
    "view_report",
]


@dataclass(frozen=True)
class ReportLine:
    """A unit's line: as printed, with rates and rank computed from the exact figures (per cent, two decimals)."""

    row: int
    number: int
    name: str
    total: int
    newly_admitted: int
    official: int
    registered: int
    not_registered: int
    printed_rate: Decimal | None
    printed_rank: int | None
    rate: float | None
    rank: int | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class ReportSum:
    """The sum of all units, computed."""

    total: int
    newly_admitted: int
    official: int
    registered: int
    not_registered: int
    rate: float | None
    rate_of_official: float | None


@dataclass(frozen=True)
class Report:
    """A report that has been imported. ``known``: the same file had been imported before."""

    id: int
    name: str
    imported_at: datetime
    lines: tuple[ReportLine, ...]
    sum: ReportSum
    problems: tuple[Problem, ...]
    known: bool = False


@dataclass(frozen=True)
class ReportSummary:
    """A report in the list."""

    id: int
    name: str
    imported_at: datetime
    units: int
    total: int
    registered: int
    rate: float | None


def import_report(session: Session, actor: Actor, *, file_name: str, content: bytes) -> Report:
    """Read a CSV or XLSX file and keep its figures; the same file twice is one report.

    Contradictions are told, not mended. Errors: ImportFileError (no such file format, too large),
    UnreadableReportError (rows that cannot be read), NotVisibleError; then nothing is kept.
    """
    require_everywhere(actor, Permission.IMPORT_STATISTICS)
    if len(content) > LARGEST_FILE:
        raise ImportFileError("too_large", "Tệp lớn hơn 5 MB; đây có phải bảng số liệu không? Xin xem lại tệp.")
    rows = _read(content)
    name = clean(file_name.replace("\\", "/").rpartition("/")[2]).replace("\x00", "")[:200] or "Báo cáo"
    kept = session.scalar(
        upsert(RegistrationReport)
        .values(
            name=name,
            sha256=hashlib.sha256(content).hexdigest(),
            imported_at=clock.now(),
        )
        .on_conflict_do_nothing(index_elements=["sha256"])
        .returning(RegistrationReport.id)
    )
    if kept is None:
        sha256 = hashlib.sha256(content).hexdigest()
        report = session.scalars(select(RegistrationReport).where(RegistrationReport.sha256 == sha256)).one()
        return _report(report, _stored(session, report.id), known=True)
    session.execute(insert(RegistrationRow), [{"report_id": kept, **row.__dict__} for row in rows])
    audit.record(
        session,
        "statistics.imported",
        actor_id=actor.account_id,
        object_type="registration_report",
        object_id=kept,
        details={"rows": len(rows), "problems": len(check(rows))},
    )
    return _report(session.get_one(RegistrationReport, kept), rows)


def _read(content: bytes) -> list[ReportRow]:
    """The lines of the first table that has the columns. Errors: ImportFileError, UnreadableReportError."""
    if not content.strip():
        raise ImportFileError("empty", "Tệp không có nội dung. Xin xem lại tệp.")
    first: UnreadableReportError | None = None
    for sheet in sheets(content):
        try:
            return read_rows(_cells(sheet))
        except UnreadableReportError as error:
            first = first or error
    if first is None:
        raise ImportFileError("empty", "Tệp không có bảng nào. Xin xem lại tệp.")
    raise first


def _cells(sheet: Sheet) -> Iterator[Row]:
    """Rows with cells emptied whose value is not in the file (formulas that were never calculated)."""
    for row, cells in sheet.rows():
        yield row, [None if (row, column) in sheet.valueless else cell for column, cell in enumerate(cells)]


def list_reports(session: Session, actor: Actor, *, limit: int = 50) -> list[ReportSummary]:
    """The reports, the newest first; empty for those who may not read statistics everywhere."""
    if not actor.may_everywhere(Permission.READ_STATISTICS):
        return []
    statement = (
        select(
            RegistrationReport,
            func.count(RegistrationRow.row),
            func.coalesce(func.sum(RegistrationRow.total), 0),
            func.coalesce(func.sum(RegistrationRow.registered), 0),
        )
        .outerjoin(
            RegistrationRow,
            (RegistrationRow.report_id == RegistrationReport.id) & (RegistrationRow.number != SUM_NUMBER),
        )
        .group_by(RegistrationReport.id)
        .order_by(RegistrationReport.id.desc())
        .limit(limit)
    )
    return [
        ReportSummary(report.id, report.name, report.imported_at, units, total, registered, percent(registered, total))
        for report, units, total, registered in session.execute(statement)
    ]


def view_report(session: Session, actor: Actor, report_id: int) -> Report:
    """A report with its problems and computed ranks. Errors: NotVisibleError."""
    require_everywhere(actor, Permission.READ_STATISTICS)
    report = session.get(RegistrationReport, report_id)
    if report is None:
        raise NotVisibleError
    return _report(report, _stored(session, report_id))


def delete_report(session: Session, actor: Actor, report_id: int) -> None:
    """Remove a report that was imported by mistake. Errors: NotVisibleError."""
    require_everywhere(actor, Permission.IMPORT_STATISTICS)
    report = session.get(RegistrationReport, report_id, with_for_update=True)
    if report is None:
        raise NotVisibleError
    audit.record(
        session,
        "statistics.removed",
        actor_id=actor.account_id,
        object_type="registration_report",
        object_id=report_id,
        details={"sha256": report.sha256},
    )
    session.delete(report)
    session.flush()


def _stored(session: Session, report_id: int) -> list[ReportRow]:
    statement = select(RegistrationRow).where(RegistrationRow.report_id == report_id).order_by(RegistrationRow.row)
    return [
        ReportRow(
            row=kept.row,
            number=kept.number,
            name=kept.name,
            total=kept.total,
            newly_admitted=kept.newly_admitted,
            official=kept.official,
            registered=kept.registered,
            not_registered=kept.not_registered,
            printed_rate=None if kept.printed_rate is None else Decimal(kept.printed_rate),
            printed_rank=kept.printed_rank,
        )
        for kept in session.scalars(statement)
    ]


def _report(report: RegistrationReport, rows: list[ReportRow], *, known: bool = False) -> Report:
    problems = tuple(check(rows))
    units = [row for row in rows if row.number != SUM_NUMBER]
    lines = tuple(
        _line(row, rank, tuple(problem for problem in problems if problem.row == row.row))
        for row, rank in zip(units, ranks([row.exact for row in units]), strict=True)
    )
    return Report(report.id, report.name, report.imported_at, lines, _sum(units), problems, known)


def _line(row: ReportRow, rank: int | None, problems: tuple[Problem, ...]) -> ReportLine:
    return ReportLine(
        row=row.row,
        number=row.number,
        name=row.name,
        total=row.total,
        newly_admitted=row.newly_admitted,
        official=row.official,
        registered=row.registered,
        not_registered=row.not_registered,
        printed_rate=row.printed_rate,
        printed_rank=row.printed_rank,
        rate=percent(row.registered, row.total),
        rank=rank,
        problems=problems,
    )


def _sum(units: list[ReportRow]) -> ReportSum:
    total, registered = sum(row.total for row in units), sum(row.registered for row in units)
    official = sum(row.official for row in units)
    return ReportSum(
        total=total,
        newly_admitted=sum(row.newly_admitted for row in units),
        official=official,
        registered=registered,
        not_registered=sum(row.not_registered for row in units),
        rate=percent(registered, total),
        rate_of_official=percent(registered, official),
    )
