"""Imported reports: read as printed, kept once, contradictions named."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import func, select

from core.audit import AuditEntry
from core.database import unit_of_work
from members import registration, registration_report
from members.access import SYSTEM, NotVisibleError, Role
from members.models import RegistrationReport, RegistrationRow
from members.registration_report import ImportFileError, Report, UnreadableReportError
from members.registration_table import ReportRow, check, contradicted_ranks, parse_count, parse_rate, read_rows
from tests.people import actor, make_units
from tests.register_rows import add_members

pytestmark = pytest.mark.usefixtures("database")

HEADINGS = [
    "TT",
    "Đảng bộ",
    "Tổng số",
    "Mới kết nạp",
    "Chính thức",
    "Đã đăng ký",
    "Tỷ lệ (%)",
    "Chưa đăng ký",
    "Thứ hạng",
]
ROWS: list[list[Any]] = [
    [3, "Hội huyện Đồng Mai", 100, 10, 90, 95, 95, 5, 1],
    [1, "Hội thành phố Bến Ngự", 200, 0, 200, 150, 75, 50, 2],
    [2, "Hội huyện Ao Sen", 300, 5, 295, 100, "33,3 %", 200, 3],
    [5, "Hội các cơ quan", 80, 0, 80, 2, 2, 78, 4],
    [4, "Hội các trường", 90, 0, 90, 3, "3", 87, 5],
]
"""More registered than official members in the first; the last two in the wrong order."""


def as_csv(rows: list[list[Any]], *, delimiter: str = ",") -> bytes:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue().encode("utf-8-sig")


def as_xlsx(rows: list[list[Any]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            sheet.write_row(place, 0, row)
    return file.getvalue()


def imported(content: bytes, name: str = "bao-cao.csv") -> Report:
    with unit_of_work() as session:
        return registration_report.import_report(session, SYSTEM, file_name=name, content=content)


def codes(report: Report) -> list[tuple[int, str]]:
    return [(problem.row, problem.code) for problem in report.problems]


def row(number: int, total: int, registered: int, rank: int | None, rate: str | None = None) -> ReportRow:
    return ReportRow(
        number + 1, number, f"Đơn vị {number}", total, 0, total, registered, total - registered,
        None if rate is None else Decimal(rate), rank,
    )  # fmt: skip


def test_the_report_of_june_2022(material: Path) -> None:
    file = material / "data" / "registration_2022-06-02.csv"
    report = imported(file.read_bytes(), file.name)
    assert (report.sum.total, report.sum.registered, report.sum.rate, report.sum.rate_of_official) == (
        95_883,
        79_057,
        82.45,
        84.59,
    )
    assert (report.sum.official, report.sum.newly_admitted, report.sum.not_registered) == (93_459, 2_424, 16_826)
    numbers = {line.row: line.number for line in report.lines}
    assert [(numbers[problem.row], problem.code) for problem in report.problems] == [
        (12, "registered_exceeds_official"),
        (9, "registered_exceeds_official"),
        (15, "rank_contradicts_rate"),
        (16, "rank_contradicts_rate"),
    ]
    assert [(line.number, line.rank) for line in report.lines if line.rank != line.printed_rank] == [(15, 16), (16, 15)]
    assert report.lines[0].rate == 99.77


@pytest.mark.parametrize(
    "content", [as_csv([HEADINGS, *ROWS]), as_csv([HEADINGS, *ROWS], delimiter=";"), as_xlsx([HEADINGS, *ROWS])]
)
def test_figures_are_kept_and_contradictions_named(content: bytes) -> None:
    report = imported(content)
    assert codes(report) == [
        (2, "registered_exceeds_official"),
        (5, "rank_contradicts_rate"),
        (6, "rank_contradicts_rate"),
    ]
    assert [(line.number, line.rate, line.printed_rank, line.rank) for line in report.lines] == [
        (3, 95.0, 1, 1),
        (1, 75.0, 2, 2),
        (2, 33.33, 3, 3),
        (5, 2.5, 4, 5),
        (4, 3.33, 5, 4),
    ]
    assert (report.sum.total, report.sum.registered, report.sum.rate, report.sum.rate_of_official) == (
        770,
        350,
        45.45,
        46.36,
    )
    with unit_of_work() as session:
        assert registration_report.view_report(session, SYSTEM, report.id) == report
        (entry,) = session.scalars(select(AuditEntry))
        stored = session.execute(
            select(RegistrationRow.row, RegistrationRow.printed_rate).order_by(RegistrationRow.row)
        ).all()
    assert (entry.action, entry.details) == ("statistics.imported", {"rows": 5, "problems": 3})
    assert [tuple(kept) for kept in stored] == [
        (2, Decimal(95)),
        (3, Decimal(75)),
        (4, Decimal("33.3")),
        (5, Decimal(2)),
        (6, Decimal(3)),
    ]


def test_the_same_file_twice_is_one_report() -> None:
    first, again = imported(as_csv([HEADINGS, *ROWS])), imported(as_csv([HEADINGS, *ROWS]), "ban-sao.csv")
    assert (first.known, again.known, again.id, again.name) == (False, True, first.id, "bao-cao.csv")
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(RegistrationRow)) == 5
        assert [
            (s.name, s.units, s.total, s.registered, s.rate) for s in registration_report.list_reports(session, SYSTEM)
        ] == [("bao-cao.csv", 5, 770, 350, 45.45)]


def test_headings_in_other_words_below_titles_with_a_sum() -> None:
    table = [
        ["BÁO CÁO"],
        [],
        ["STT", "don_vi", "TONG SO", "Đảng viên dự bị", "chính  thức", "Đã đăng kí", "Tỉ lệ", "Ghi chú"],
        ["", "Hội A", "1.200", "200", "1.000", "600", "50", "x"],
        ["", "Hội B", "", "", "", "", "", ""],
        ["", "TỔNG CỘNG", "1.200", "200", "1.000", "601", "50", ""],
    ]
    with pytest.raises(UnreadableReportError) as caught:
        imported(as_csv(table))
    assert [(p.row, p.code) for p in caught.value.problems] == [(5, "bad_number")] * 4
    report = imported(as_csv([*table[:4], table[5]]))
    assert [(line.row, line.number, line.name, line.total, line.not_registered) for line in report.lines] == [
        (4, 1, "Hội A", 1200, 600)
    ]
    assert codes(report) == [(5, "sum_mismatch"), (5, "sum_mismatch")]
    assert (report.sum.total, report.sum.registered) == (1200, 600)
    with unit_of_work() as session:
        assert registration_report.view_report(session, SYSTEM, report.id) == report


def test_our_own_spreadsheet_comes_back_without_a_problem() -> None:
    file = io.BytesIO()
    with unit_of_work() as session:
        tree = make_units(session)
        add_members(session, tree.a1, 7, probationary=1, registered=3)
        add_members(session, tree.b1, 3, registered=2)
        add_members(session, tree.province, 2)
        registration.export(session, SYSTEM, tree.province, file=file)
    report = imported(file.getvalue(), "đăng ký.xlsx")
    assert [(line.row, line.number, line.name, line.rate) for line in report.lines] == [
        (4, 1, "Hội huyện Đồng Mai", 42.86),
        (5, 2, "Hội thành phố Bến Ngự", 66.67),
        (6, 3, "Trực thuộc", 0.0),
    ]
    assert (report.problems, report.sum.total, report.sum.registered) == ((), 12, 5)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({2: 101}, ["not_registered_mismatch", "rate_mismatch", "total_mismatch"]),
        ({7: 6}, ["not_registered_mismatch"]),
        ({6: 96}, ["rate_mismatch"]),
        ({6: "94,9"}, ["rate_mismatch"]),
        ({6: "95,0"}, []),
        ({6: "—", 8: "-"}, []),
        ({0: 1}, ["duplicate_number"]),
        ({1: "HOI thanh pho Ben Ngu"}, ["duplicate_name"]),
        ({8: 4}, ["rank_contradicts_rate"]),
    ],
)
def test_what_contradicts_what_in_a_row(changes: dict[int, Any], expected: list[str]) -> None:
    rows = [list(row) for row in ROWS]
    for column, value in changes.items():
        rows[0][column] = value
    found = [code for at, code in codes(imported(as_csv([HEADINGS, *rows]))) if at == 2]
    assert found == sorted([*expected, "registered_exceeds_official"])


@pytest.mark.parametrize(
    ("printed", "expected"), [("74", True), ("75", True), ("74.9", True), ("74.93", False), ("74.94", True), ("74.95", False), ("76", False), ("74.8", False)]
)  # fmt: skip
def test_a_printed_rate_may_be_rounded_or_truncated(printed: str, expected: bool) -> None:
    problems = check([row(6, 5052, 3786, 1, printed)])  # 74.9406 %
    assert (problems == []) is expected


@pytest.mark.parametrize(
    ("ranks", "named"),
    [
        ([1, 2, 3, 4, 5], []),
        ([1, 2, 3, 5, 4], [4, 5]),
        ([2, 1, 3, 5, 4], [1, 2, 4, 5]),
        ([1, 4, 3, 2, 5], [2, 3, 4]),
        ([5, 1, 2, 3, 4], [1]),
        ([2, 3, 4, 5, 1], [5]),
        ([10, 20, 30, 40, 50], []),
        ([1, None, 3, 2, 4], [3, 4]),
        ([1, 2, 2, 4, 5], [2, 3]),
        ([], []),
    ],
)
def test_ranks_that_contradict_the_rates(ranks: list[int | None], named: list[int]) -> None:
    """Rates 90 %, 80 % … in this order."""
    units = [row(place, 100, 100 - 10 * place, rank) for place, rank in enumerate(ranks, 1)]
    assert [found.number for found in contradicted_ranks(units)] == named


def test_ties_are_tolerated_in_any_order() -> None:
    equal = [row(1, 10, 5, 2), row(2, 20, 10, 1), row(3, 40, 20, 3), row(4, 100, 1, 4)]
    as_printed = [row(1, 1000, 874, 1, "87"), row(2, 1000, 866, 1, "87"), row(3, 1000, 500, 3, "50")]
    nobody = [row(1, 0, 0, 1), row(2, 10, 5, 2)]
    assert [contradicted_ranks(units) for units in (equal, as_printed, nobody)] == [[], [], []]


def test_more_registered_than_there_are_is_reported_and_kept() -> None:
    rows = [["1", "Hội A", "10", "0", "10", "12", "120", "-", "1"]]
    with pytest.raises(UnreadableReportError):
        imported(as_csv([HEADINGS, ["1", "Hội A", "10", "0", "10", "12", "120", "-2", "1"]]))
    assert codes(imported(as_csv([HEADINGS, *rows]))) == [(2, "registered_exceeds_official")]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([["Hội A", "10"]], [(1, "missing_column")] * 5),
        ([HEADINGS[:5] + HEADINGS[6:], *ROWS], [(1, "missing_column")]),
        ([HEADINGS], [(1, "no_rows")]),
        ([[*HEADINGS, "Đã đăng ký"], *ROWS], [(1, "duplicate_column")]),
        ([HEADINGS, ROWS[0], [2, "", 1, 0, 1, 1, 100, 0, 1]], [(3, "missing_name")]),
        ([HEADINGS, [1, "Hội A", "mười", 0, 1, -1, "x%", 0, "nhất"]], [(2, "bad_number")] * 4),
        ([HEADINGS, [1, "Hội A", "=1+1", 0, 1, 1.5, 10, 0, 1], ["a", "Hội B", 1, 0, 1, 1, 100, 0, 1]], [(2, "bad_number"), (2, "bad_number"), (3, "bad_number")]),
        ([HEADINGS, *[[n, f"Hội {n}", 1, 0, 1, 0, 0, 1, 1] for n in range(2001)]], [(2001, "too_many_rows")]),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_nothing_is_kept(
    table: list[list[Any]], expected: list[tuple[int, str]]
) -> None:
    with pytest.raises(UnreadableReportError) as caught:
        imported(as_csv(table))
    assert [(problem.row, problem.code) for problem in caught.value.problems] == expected
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(RegistrationReport)) == 0


@pytest.mark.parametrize(
    "content",
    [b"", b"  \n", b"\x00\x01\x02", b"PK\x03\x04 broken", "Đảng bộ".encode("utf-16-le"), b"x" * (5 * 1024 * 1024 + 1)],
)
def test_a_file_that_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises((ImportFileError, UnreadableReportError)):
        imported(content)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("1760", 1760), ("27.525", 27525), ("27 525", 27525), ("1,234,567", 1234567), (12.0, 12), (0, 0), ("1.5", None), ("12.34", None),
     (1.5, None), (-1, None), ("-1", None), ("", None), (None, None), (True, None), ("9" * 5000, None), ("1.234,567", None), ("１２", None)],
)  # fmt: skip
def test_whole_numbers(cell: Any, expected: int | None) -> None:
    assert parse_count(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [("87", "87"), ("87,5 %", "87.5"), ("82.45%", "82.45"), (99, "99.0"), (0.87, "0.87"), ("-1", None), ("a", None), (1e300, None), ("1e5", None)],
)  # fmt: skip
def test_rates(cell: Any, expected: str | None) -> None:
    assert parse_rate(cell) == (None if expected is None else Decimal(expected))


def test_a_spreadsheets_per_cent_cells_are_fractions() -> None:
    table = [HEADINGS, [1, "Hội A", 300, 0, 300, 200, 2 / 3, 100, 1], [2, "Hội B", 100, 0, 100, 1, 0.01, 99, 2]]
    assert [found.printed_rate for found in read_rows(enumerate(table, 1))] == [Decimal("66.67"), Decimal("1.00")]
    low = [HEADINGS, [1, "Hội A", 300, 0, 300, 3, 1, 297, 1]]
    assert [found.printed_rate for found in read_rows(enumerate(low, 1))] == [Decimal("1.00")]


def test_reports_are_for_those_who_answer_for_the_whole_organisation() -> None:
    report = imported(as_csv([HEADINGS, *ROWS]))
    with unit_of_work() as session:
        tree = make_units(session)
        of_a = actor(session, "Quản trị A", (Role.ADMINISTRATOR, tree.a))
        auditor = actor(session, "Kiểm tra", (Role.AUDITOR, tree.province))
        administrator = actor(session, "Quản trị", (Role.ADMINISTRATOR, tree.province))
        assert registration_report.list_reports(session, of_a) == []
        assert registration_report.view_report(session, auditor, report.id).id == report.id
        for refused in (
            lambda: registration_report.view_report(session, of_a, report.id),
            lambda: registration_report.view_report(session, administrator, report.id + 1),
            lambda: registration_report.delete_report(session, auditor, report.id),
            lambda: registration_report.delete_report(session, administrator, report.id + 1),
            lambda: registration_report.import_report(session, auditor, file_name="x", content=b"x"),
        ):
            with pytest.raises(NotVisibleError):
                refused()
    with unit_of_work() as session:
        registration_report.delete_report(session, administrator, report.id)
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(RegistrationRow)) == 0
        assert [entry.action for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.id))] == [
            "statistics.imported",
            "statistics.removed",
        ]
