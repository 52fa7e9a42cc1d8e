"""Registration statistics: how many members of each unit have signed in, at any level of the tree.

Counts of subtrees only: nothing here tells who has registered. Units are ranked, persons never.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import BinaryIO

import xlsxwriter  # type: ignore[import-untyped]
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import audit, clock
from members.access import Actor, Permission, access_unit, require_somewhere
from members.models import Member, Unit
from members.registration_table import COLUMN_NAMES
from members.units.reading import ORDER, Crumb, crumbs, totals

DIRECT = "Trực thuộc"
"""The line of the members who are in the unit itself and in none below it."""
SUM = "Tổng cộng"


@dataclass(frozen=True)
class Figures:
    """Counts of members."""

    total: int = 0
    newly_admitted: int = 0
    """Probationary members."""
    registered: int = 0


@dataclass(frozen=True)
class Line:
    """A unit in the table. Rates in per cent, rounded to two decimals; None when there is nobody to divide by."""

    unit_id: int | None
    """None: the sum, or the members directly in the unit."""
    number: int
    name: str
    deployed: bool
    total: int
    newly_admitted: int
    official: int
    registered: int
    rate: float | None
    rate_of_official: float | None
    not_registered: int
    rank: int | None = None
    """Among its deployed siblings by exact rate; those who share a rate share the rank. None: not ranked."""


@dataclass(frozen=True)
class TableUnit:
    """The unit that a table is about."""

    id: int
    name: str
    kind: str
    ancestors: tuple[Crumb, ...]


@dataclass(frozen=True)
class Table:
    """The figures below a unit (None: of the several places that the actor may see)."""

    unit: TableUnit | None
    rows: tuple[Line, ...]
    sum: Line


def percent(part: int, whole: int) -> float | None:
    """*part* of *whole* in per cent with two decimals, half up; None of nothing."""
    if whole == 0:
        return None
    return float((Decimal(part) * 100 / Decimal(whole)).quantize(Decimal("0.01"), ROUND_HALF_UP))


def ranks(rates: Sequence[Fraction | None]) -> list[int | None]:
    """Competition ranking, the highest first: equal rates share a rank, and the next one counts them all (1, 2, 2, 4)."""
    return [None if rate is None else 1 + sum(other > rate for other in rates if other is not None) for rate in rates]


def statistics(session: Session, actor: Actor, unit_id: int | None = None) -> Table:
    """The table of the units below *unit_id*; None: of all that *actor* may see. Errors: NotVisibleError.

    Whoever may see one place only gets that place's table. Three queries at most, whatever the size.
    """
    order = select(Unit).order_by(*ORDER)
    unit: Unit | None = None
    if unit_id is None:
        require_somewhere(actor, Permission.READ_STATISTICS)
        reach = actor.reach(Permission.READ_STATISTICS)
        tops = order.where(Unit.parent_id.is_(None) if reach == ("/",) else Unit.path.in_(reach))
        below: Sequence[Unit] = session.scalars(tops).all()
        if len(below) == 1:
            unit = below[0]
    else:
        unit = access_unit(session, actor, unit_id, Permission.READ_STATISTICS)
    if unit is not None:
        below = session.scalars(order.where(Unit.parent_id == unit.id)).all()
    figures, direct = _figures(session, below, unit)
    shown = [one for one in below if one.closed_on is None or figures[one.id].total]
    lines = [_line(one.id, place, one.name, figures[one.id], one.deployed) for place, one in enumerate(shown, 1)]
    if len({one.parent_id for one in shown}) == 1:  # places of different levels are not compared
        lines = _ranked(lines)
    if direct.total:
        lines.append(_line(None, len(lines) + 1, DIRECT, direct))
    return Table(_table_unit(session, actor, unit), tuple(lines), sum_line(lines))


def _figures(session: Session, below: Iterable[Unit], unit: Unit | None) -> tuple[dict[int, Figures], Figures]:
    """The figures of each subtree, and of the members directly in *unit*."""
    below = list(below)
    counted = totals(
        session,
        [(one.id, one.path) for one in ([*below, unit] if unit else below)],
        total=func.count(),
        newly_admitted=func.count().filter(Member.status == "probationary"),
        registered=func.count(Member.registered_at),
    )
    found = {one.id: Figures(**counted[one.id][0]) if one.id in counted else Figures() for one in below}
    return found, Figures(**counted[unit.id][1]) if unit and unit.id in counted else Figures()


def _line(unit_id: int | None, number: int, name: str, figures: Figures, deployed: bool = True) -> Line:
    official = figures.total - figures.newly_admitted
    return Line(
        unit_id=unit_id,
        number=number,
        name=name,
        deployed=deployed,
        total=figures.total,
        newly_admitted=figures.newly_admitted,
        official=official,
        registered=figures.registered,
        rate=percent(figures.registered, figures.total),
        rate_of_official=percent(figures.registered, official),
        not_registered=figures.total - figures.registered,
    )


def _ranked(lines: list[Line]) -> list[Line]:
    rates = [Fraction(line.registered, line.total) if line.deployed and line.total else None for line in lines]
    return [replace(line, rank=rank) for line, rank in zip(lines, ranks(rates), strict=True)]


def sum_line(lines: Iterable[Line]) -> Line:
    """The sum of *lines*, units where the service has not been introduced included."""
    lines = list(lines)
    figures = Figures(
        total=sum(line.total for line in lines),
        newly_admitted=sum(line.newly_admitted for line in lines),
        registered=sum(line.registered for line in lines),
    )
    return _line(None, 0, SUM, figures)


def _table_unit(session: Session, actor: Actor, unit: Unit | None) -> TableUnit | None:
    if unit is None:
        return None
    above = crumbs(session, actor, unit, Permission.READ_STATISTICS)
    return TableUnit(unit.id, unit.name, unit.kind, above)


_BEFORE_ANY = float("-inf")
SORTS: dict[str, Callable[[Line], float | Fraction]] = {
    "number": lambda line: line.number,
    "total": lambda line: line.total,
    "newly_admitted": lambda line: line.newly_admitted,
    "official": lambda line: line.official,
    "registered": lambda line: line.registered,
    "rate": lambda line: _BEFORE_ANY if not line.total else Fraction(line.registered, line.total),
    "not_registered": lambda line: line.not_registered,
    "rank": lambda line: -_BEFORE_ANY if line.rank is None else line.rank,
}
"""By what a table may be sorted."""


def sorted_rows(table: Table, by: str, *, descending: bool) -> list[Line]:
    """The rows in the order of ``SORTS[by]``; equal ones stay in the order of the tree."""
    return sorted(table.rows, key=SORTS[by], reverse=descending)


def export(session: Session, actor: Actor, unit_id: int | None, *, file: BinaryIO) -> str:
    """Write the table as XLSX: title, day, headings, rows, sum; the name of what it is about.

    Audited. Errors: NotVisibleError.
    """
    table = statistics(session, actor, unit_id)
    name = table.unit.name if table.unit else "Các đơn vị được giao"
    write_xlsx(
        file,
        title=f"Kết quả đăng ký: {name}",
        notes=[f"Số liệu ngày {clock.today():%d/%m/%Y}"],
        rows=table.rows,
        last=table.sum,
    )
    audit.record(
        session,
        "statistics.exported",
        actor_id=actor.account_id,
        object_type="statistics",
        object_id=table.unit.id if table.unit else None,
        unit_id=table.unit.id if table.unit else None,
        details={"rows": len(table.rows)},
    )
    return name


def write_xlsx(file: BinaryIO, *, title: str, notes: Iterable[str], rows: Iterable[Line], last: Line) -> None:
    """A workbook of one sheet. Text is written as text, with Excel's mark for it: a name is never a formula."""
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(file, options) as book:
        sheet = book.add_worksheet("Đăng ký")
        styles = {
            weight: {
                "text": book.add_format({"bold": bold, "quote_prefix": True}),
                "count": book.add_format({"bold": bold, "num_format": "#,##0"}),
                "rate": book.add_format({"bold": bold, "num_format": "0.00"}),
            }
            for weight, bold in (("plain", False), ("bold", True))
        }
        sheet.write_string(0, 0, title, styles["bold"]["text"])
        at = 1
        for at, note in enumerate(notes, 1):
            sheet.write_string(at, 0, note, styles["plain"]["text"])
        at += 1
        for column, heading in enumerate(COLUMN_NAMES.values()):
            sheet.write_string(at, column, heading, styles["bold"]["text"])
        sheet.freeze_panes(at + 1, 2)
        sheet.set_column(1, 1, 48)
        sheet.set_column(2, 8, 13)
        for line in rows:
            at += 1
            _write_line(sheet, at, line, styles["plain"])
        _write_line(sheet, at + 1, last, styles["bold"])


def _write_line(
    sheet: xlsxwriter.worksheet.Worksheet, at: int, line: Line, styles: dict[str, xlsxwriter.format.Format]
) -> None:
    if line.number:
        sheet.write_number(at, 0, line.number, styles["count"])
    sheet.write_string(at, 1, line.name, styles["text"])
    counts = {2: line.total, 3: line.newly_admitted, 4: line.official, 5: line.registered, 7: line.not_registered}
    for column, value in counts.items():
        sheet.write_number(at, column, value, styles["count"])
    if line.rate is not None:
        sheet.write_number(at, 6, line.rate, styles["rate"])
    if line.rank is not None:
        sheet.write_number(at, 8, line.rank, styles["count"])
