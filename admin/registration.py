"""Registration statistics in the console: tables and charts of units at any level, spreadsheets, imported reports."""

from __future__ import annotations

import io
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Path, Query, Request, UploadFile
from sqlalchemy.orm import Session
from starlette.responses import Response

from admin.base import CurrentSigned, Work, go, page
from admin.members import XLSX, attachment
from core import clock
from members import registration, registration_report
from members.access import Permission, require_everywhere
from members.registration_report import ImportFileError, Problem, UnreadableReportError
from members.registration_table import plain
from members.sessions import Signed

router = APIRouter()

LARGEST_ID = 2**63 - 1
Id = Annotated[int, Path(ge=1, le=LARGEST_ID)]
BARS = 40
"""A chart of more bars says no more than the table."""

SORTS = {
    "number": ("Thứ tự", False),
    "rate": ("Tỷ lệ", True),
    "total": ("Tổng số", True),
    "registered": ("Đã đăng ký", True),
    "not_registered": ("Chưa đăng ký", True),
}
"""What people sort by: words, and whether the largest comes first."""
Sort = Annotated[str, Query(alias="sort", pattern="^(" + "|".join(SORTS) + ")$")]


@dataclass(frozen=True)
class Bar:
    """A bar of a report's chart."""

    name: str
    rate: float
    deployed: bool = True


@router.get("/registration")
def show(request: Request, signed: CurrentSigned, work: Work, sort: Sort = "number") -> Response:
    """The figures of all that one may see, and the imported reports."""
    return _show(request, signed, work, None, sort)


@router.get("/registration/export")
def export(signed: CurrentSigned, work: Work) -> Response:
    """The table as a spreadsheet."""
    return _export(signed, work, None)


@router.post("/registration/reports")
def upload(
    request: Request, signed: CurrentSigned, work: Work, file: Annotated[UploadFile | None, File()] = None
) -> Response:
    """Import a report; its page shows the contradictions in it."""
    require_everywhere(signed.actor, Permission.IMPORT_STATISTICS)
    if file is None or not file.filename:
        return _show(request, signed, work, None, "number", refused="Chưa chọn tệp nào. Xin chọn tệp XLSX hoặc CSV.")
    content = file.file.read(registration_report.LARGEST_FILE + 1)
    try:
        report = registration_report.import_report(
            work, signed.actor, file_name=file.filename, content=content
        )  # fmt: skip
    except UnreadableReportError as error:
        return _show(request, signed, work, None, "number", refused=str(error), problems=error.problems)
    except ImportFileError as error:
        return _show(request, signed, work, None, "number", refused=str(error))
    return go(f"/registration/reports/{report.id}{'?known=1' if report.known else ''}")


@router.get("/registration/reports/{report_id}")
def show_report(
    request: Request, signed: CurrentSigned, work: Work, report_id: Id, known: Annotated[bool, Query()] = False
) -> Response:
    """An imported report with the ranks computed anew and what contradicts what."""
    report = registration_report.view_report(work, signed.actor, report_id)
    context = {
        "report": report,
        "known": known,
        "printed": _printed,
        "bars": [Bar(line.name, line.rate) for line in report.lines if line.rate is not None][:BARS],
        "may_delete": signed.actor.may_everywhere(Permission.IMPORT_STATISTICS),
        "of_sum": [problem for problem in report.problems if problem.row not in {line.row for line in report.lines}],
    }
    return page(request, signed, "registration/report.html", context)


@router.post("/registration/reports/{report_id}/delete")
def delete_report(
    request: Request, signed: CurrentSigned, work: Work, report_id: Id, sure: Annotated[bool, Form()] = False
) -> Response:
    """Remove a report that was imported by mistake, once the box is ticked."""
    if not sure:
        return show_report(request, signed, work, report_id)
    registration_report.delete_report(work, signed.actor, report_id)
    return go("/registration")


@router.get("/registration/{unit_id}")
def show_unit(request: Request, signed: CurrentSigned, work: Work, unit_id: Id, sort: Sort = "number") -> Response:
    """The figures below one unit."""
    return _show(request, signed, work, unit_id, sort)


@router.get("/registration/{unit_id}/export")
def export_unit(signed: CurrentSigned, work: Work, unit_id: Id) -> Response:
    """The unit's table as a spreadsheet."""
    return _export(signed, work, unit_id)


def _show(
    request: Request,
    signed: Signed,
    session: Session,
    unit_id: int | None,
    sort: str,
    *,
    refused: str | None = None,
    problems: tuple[Problem, ...] = (),
) -> Response:
    table = registration.statistics(session, signed.actor, unit_id)
    rows = registration.sorted_rows(table, sort, descending=SORTS[sort][1])
    path = "/registration" if unit_id is None else f"/registration/{unit_id}"
    context: dict[str, Any] = {
        "table": table,
        "rows": rows,
        "path": path,
        "sort": sort,
        "sorts": SORTS,
        "bars": [row for row in rows if row.rate is not None][:BARS],
        "top": unit_id is None,
        "reports": registration_report.list_reports(session, signed.actor) if unit_id is None else [],
        "may_import": signed.actor.may_everywhere(Permission.IMPORT_STATISTICS),
        "refused": refused,
        "problems": problems[:100],
    }
    return page(request, signed, "registration/show.html", context, status=422 if refused else 200)


def _printed(rate: Decimal | None) -> str:
    """A rate as it was printed."""
    return "—" if rate is None else plain(rate)


def _export(signed: Signed, session: Session, unit_id: int | None) -> Response:
    file = io.BytesIO()
    name = registration.export(session, signed.actor, unit_id, file=file)
    return Response(file.getvalue(), media_type=XLSX, headers=attachment(f"Đăng ký {name} {clock.today()}.xlsx"))
