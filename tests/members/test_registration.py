"""Registration statistics: counts of subtrees, rates, ranks of units, the spreadsheet."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from fractions import Fraction

import pytest
from python_calamine import load_workbook
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from core import clock
from core.audit import AuditEntry
from core.database import engine, unit_of_work
from members import registration, units
from members.access import SYSTEM, NotVisibleError, Role
from members.models import Unit
from members.registration import Line, percent, ranks
from tests.people import Units, actor, add_unit, make_units
from tests.register_rows import add_members

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def tree() -> Units:
    """A: 2 of 6 registered (one newly admitted); B: 3 of 4; nobody else but one person in the province itself."""
    with unit_of_work() as session:
        tree = make_units(session)
        add_members(session, tree.province, 1, registered=1)
        add_members(session, tree.a, 1, probationary=1)
        add_members(session, tree.a1, 3, registered=2)
        add_members(session, tree.a2, 2)
        add_members(session, tree.b1, 4, registered=3)
        return tree


def figures(line: Line) -> tuple[object, ...]:
    return (
        line.number,
        line.name,
        line.total,
        line.newly_admitted,
        line.official,
        line.registered,
        line.rate,
        line.not_registered,
        line.rank,
    )


def test_each_unit_has_the_figures_of_its_subtree(tree: Units) -> None:
    with unit_of_work() as session:
        table = registration.statistics(session, SYSTEM, tree.province)
    assert [figures(line) for line in table.rows] == [
        (1, "Hội huyện Đồng Mai", 6, 1, 5, 2, 33.33, 4, 2),
        (2, "Hội thành phố Bến Ngự", 4, 0, 4, 3, 75.0, 1, 1),
        (3, "Trực thuộc", 1, 0, 1, 1, 100.0, 0, None),
    ]
    assert figures(table.sum) == (0, "Tổng cộng", 11, 1, 10, 6, 54.55, 5, None)
    assert (table.sum.rate_of_official, table.rows[0].rate_of_official) == (60.0, 40.0)
    assert table.unit is not None
    assert (table.unit.id, table.unit.name) == (tree.province, "Hội Bạn đọc tỉnh Sông Xanh")


def test_a_level_further_down(tree: Units) -> None:
    with unit_of_work() as session:
        table = registration.statistics(session, SYSTEM, tree.a)
        leaf = registration.statistics(session, SYSTEM, tree.a2)
        empty = registration.statistics(session, SYSTEM, add_unit(session, "Hội mới", code="M", kind="Hội").id)
    assert [figures(line) for line in table.rows] == [
        (1, "Chi hội Ao Sen", 2, 0, 2, 0, 0.0, 2, 2),
        (2, "Chi hội Đầu Nguồn", 3, 0, 3, 2, 66.67, 1, 1),
        (3, "Trực thuộc", 1, 1, 0, 0, 0.0, 1, None),
    ]
    assert table.rows[2].rate_of_official is None
    assert [figures(line) for line in leaf.rows] == [(1, "Trực thuộc", 2, 0, 2, 0, 0.0, 2, None)]
    assert (empty.rows, empty.sum.total, empty.sum.rate, empty.sum.rate_of_official) == ((), 0, None, None)


def test_units_without_the_service_or_without_members_are_not_ranked(tree: Units) -> None:
    with unit_of_work() as session:
        session.get_one(Unit, tree.b).deployed = False
        units.create(session, SYSTEM, parent_id=tree.province, name="Hội trống", kind="Hội")
        closed = units.create(session, SYSTEM, parent_id=tree.province, name="Hội cũ", kind="Hội")
        units.close(session, SYSTEM, closed.id)
        table = registration.statistics(session, SYSTEM, tree.province)
    assert [(line.name, line.deployed, line.total, line.rate, line.rank) for line in table.rows] == [
        ("Hội huyện Đồng Mai", True, 6, 33.33, 1),
        ("Hội thành phố Bến Ngự", False, 4, 75.0, None),
        ("Hội trống", True, 0, None, None),
        ("Trực thuộc", True, 1, 100.0, None),
    ]
    assert table.sum.total == 11


def test_equal_rates_share_a_rank_and_almost_equal_ones_do_not() -> None:
    rates = [Fraction(1, 2), Fraction(2, 3), Fraction(666_666, 1_000_000), None, Fraction(50, 100), Fraction(0)]
    assert ranks(rates) == [3, 1, 2, None, 3, 5]
    assert ranks([]) == []


@pytest.mark.parametrize(
    ("part", "whole", "expected"),
    [(79057, 95883, 82.45), (79057, 93460, 84.59), (1, 3, 33.33), (2, 3, 66.67), (1, 800, 0.13), (5, 4, 125.0), (0, 9, 0.0), (0, 0, None)],
)  # fmt: skip
def test_rates_have_two_decimals_half_up(part: int, whole: int, expected: float | None) -> None:
    assert percent(part, whole) == expected


def test_people_see_the_figures_of_their_places(tree: Units) -> None:
    with unit_of_work() as session:
        secretary = actor(session, "Bí thư", (Role.SECRETARY, tree.a))
        of_two = actor(session, "Bí thư hai nơi", (Role.SECRETARY, tree.a1), (Role.SECRETARY, tree.b))
        siblings = actor(session, "Bí thư hai chi hội", (Role.SECRETARY, tree.a1), (Role.SECRETARY, tree.a2))
        curator = actor(session, "Người biên tập", (Role.CURATOR, tree.province))
        own = registration.statistics(session, secretary)
        assert own == registration.statistics(session, secretary, tree.a)
        two = registration.statistics(session, of_two)
        assert registration.statistics(session, siblings).rows[1].rank == 1
        for who, unit_id in [(secretary, tree.province), (secretary, tree.b), (curator, tree.a), (curator, None), (secretary, 10**6)]:  # fmt: skip
            with pytest.raises(NotVisibleError):
                registration.statistics(session, who, unit_id)
    assert own.unit is not None
    assert [(crumb.name, crumb.visible) for crumb in own.unit.ancestors] == [("Hội Bạn đọc tỉnh Sông Xanh", False)]
    assert two.unit is None
    assert [(line.name, line.total, line.rank) for line in two.rows] == [
        ("Chi hội Đầu Nguồn", 3, None),
        ("Hội thành phố Bến Ngự", 4, None),
    ]
    assert (two.sum.total, two.sum.registered) == (7, 5)


def test_a_table_costs_the_same_queries_whatever_its_length(tree: Units) -> None:
    sent: list[str] = []

    def note(*arguments: object) -> None:
        sent.append(str(arguments[2]))

    def queries(session: Session, unit_id: int) -> tuple[int, int]:
        sent.clear()
        rows = registration.statistics(session, SYSTEM, unit_id).rows
        return len(rows), len(sent)

    with unit_of_work() as session:
        event.listen(engine(), "before_cursor_execute", note)
        try:
            assert [queries(session, unit_id) for unit_id in (tree.b, tree.a)] == [(1, 4), (3, 4)]
        finally:
            event.remove(engine(), "before_cursor_execute", note)


def test_rows_are_sorted_by_what_was_asked(tree: Units) -> None:
    with unit_of_work() as session:
        units.create(session, SYSTEM, parent_id=tree.province, name="Hội trống", kind="Hội")
        table = registration.statistics(session, SYSTEM, tree.province)

    def order(by: str, *, descending: bool) -> list[int]:
        return [line.number for line in registration.sorted_rows(table, by, descending=descending)]

    assert order("number", descending=False) == [1, 2, 3, 4]
    assert order("rate", descending=True) == [4, 2, 1, 3]
    assert order("rank", descending=False) == [2, 1, 3, 4]
    assert order("total", descending=False) == [3, 4, 2, 1]


def test_the_spreadsheet_has_numbers_as_numbers_and_names_as_text(tree: Units) -> None:
    with unit_of_work() as session:
        session.get_one(Unit, tree.a).name = '=HYPERLINK("http://example.org";"Đồng Mai")'
        administrator = actor(session, "Quản trị", (Role.ADMINISTRATOR, tree.province))
    file = io.BytesIO()
    with clock.fixed(datetime(2026, 11, 23, 3, 0, tzinfo=UTC)), unit_of_work() as session:
        registration.export(session, administrator, tree.province, file=file)
    sheet = load_workbook(io.BytesIO(file.getvalue())).get_sheet_by_index(0).to_python()
    assert sheet == [
        ["Kết quả đăng ký: Hội Bạn đọc tỉnh Sông Xanh", *[""] * 8],
        ["Số liệu ngày 23/11/2026", *[""] * 8],
        ["TT", "Đơn vị", "Tổng số", "Mới kết nạp", "Chính thức", "Đã đăng ký", "Tỷ lệ (%)", "Chưa đăng ký", "Xếp hạng"],
        [1.0, '=HYPERLINK("http://example.org";"Đồng Mai")', 6.0, 1.0, 5.0, 2.0, 33.33, 4.0, 2.0],
        [2.0, "Hội thành phố Bến Ngự", 4.0, 0.0, 4.0, 3.0, 75.0, 1.0, 1.0],
        [3.0, "Trực thuộc", 1.0, 0.0, 1.0, 1.0, 100.0, 0.0, ""],
        ["", "Tổng cộng", 11.0, 1.0, 10.0, 6.0, 54.55, 5.0, ""],
    ]
    with unit_of_work() as session:
        (entry,) = session.scalars(select(AuditEntry))
    assert (entry.action, entry.unit_id, entry.details) == ("statistics.exported", tree.province, {"rows": 3})


def test_a_name_in_the_spreadsheet_is_no_formula(tree: Units) -> None:
    import zipfile

    with unit_of_work() as session:
        session.get_one(Unit, tree.a).name = "=1+1"
    file = io.BytesIO()
    with unit_of_work() as session:
        registration.export(session, SYSTEM, tree.province, file=file)
    with zipfile.ZipFile(io.BytesIO(file.getvalue())) as archive:
        assert "<f>" not in archive.read("xl/worksheets/sheet1.xml").decode()
        assert "<t>=1+1</t>" in archive.read("xl/sharedStrings.xml").decode()
        assert 'quotePrefix="1"' in archive.read("xl/styles.xml").decode()
