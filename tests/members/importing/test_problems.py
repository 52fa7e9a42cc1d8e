"""Every problem of every row: one row that causes it, and the file that is refused or imported around it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from core import clock
from core.database import unit_of_work
from members import importing, register
from members.access import SYSTEM, Role
from members.importing import Problem, Result
from members.models import Member, Unit
from members.particulars import Private
from tests.members.importing.files import GOOD, HEADINGS, Book, changed, csv_file, spreadsheet
from tests.people import Units, actor, add_unit, make_units

pytestmark = pytest.mark.usefixtures("database")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def units(database: None) -> Units:
    with unit_of_work() as session:
        return make_units(session)


def look(content: bytes) -> Result:
    with clock.fixed(NOW):
        return importing.run_now(SYSTEM, file_name="thu.csv", content=content, dry_run=True)


def codes(problems: Sequence[Problem]) -> list[tuple[int, str | None, str]]:
    return [(one.row, one.column, one.code) for one in problems]


@pytest.mark.parametrize(
    ("cells", "column", "code"),
    [
        ({"name": ""}, "Họ và tên", "missing_name"),
        ({"name": "123"}, "Họ và tên", "missing_name"),
        ({"name": "A" * 201}, "Họ và tên", "too_long"),
        ({"unit": ""}, "Đơn vị", "missing_unit"),
        ({"unit": "Chi hội Không Có"}, "Đơn vị", "unknown_unit"),
        ({"unit": "Chi hội Trùng Tên"}, "Đơn vị", "ambiguous_unit"),
        ({"card": "123"}, "Số thẻ", "bad_card_number"),
        ({"card": "12345678A"}, "Số thẻ", "bad_card_number"),
        ({"citizen": "12345"}, "Số CCCD", "bad_citizen_number"),
        ({"phone": "123"}, "Điện thoại", "bad_phone"),
        ({"phone": "0912000001, 0912000002"}, "Điện thoại", "bad_phone"),
        ({"status": "không rõ"}, "Chính thức/dự bị", "bad_status"),
        ({"born": "05/09/85"}, "Ngày sinh", "two_digit_year"),
        ({"born": "31/02/1985"}, "Ngày sinh", "impossible_date"),
        ({"born": "05/09/1885"}, "Ngày sinh", "impossible_date"),
        ({"official": "24/11/2026"}, "Ngày chính thức", "impossible_date"),
        ({"born": "khoảng 1985"}, "Ngày sinh", "bad_date"),
        ({"joined": "02/03/1980", "official": ""}, "Ngày vào Đảng", "contradictory_dates"),
        ({"joined": "04/09/2003"}, "Ngày vào Đảng", "contradictory_dates"),
        ({"official": "01/03/2010"}, "Ngày chính thức", "contradictory_dates"),
        ({"status": "Dự bị"}, "Ngày chính thức", "contradictory_dates"),
        ({"name": "=A1"}, "Họ và tên", "formula_without_value"),
    ],
)
def test_a_row_with_one_problem(units: Units, cells: dict[str, str], column: str, code: str) -> None:
    with unit_of_work() as session:
        for parent, number in ((units.a, "A9"), (units.b, "B9")):
            add_unit(session, "Chi hội Trùng Tên", code=number, kind="Chi hội", parent=session.get_one(Unit, parent))
    result = look(csv_file([GOOD[1], changed(**cells), GOOD[2]]))
    assert (result.import_id, result.rows, result.imported) == (None, 3, 0)
    assert codes(result.problems) == [(3, column, code)]
    for value in cells.values():
        assert not value or value not in result.problems[0].message


def test_eighteen_is_old_enough(units: Units) -> None:
    assert look(csv_file([changed(joined="05/09/2003")])).problems == []


def test_every_problem_of_a_row_is_listed(units: Units) -> None:
    row = changed(card="1", citizen="2", born="05/09/85", phone="x", unit="Không", status="?")
    assert codes(look(csv_file([row])).problems) == [
        (2, "Đơn vị", "unknown_unit"),
        (2, "Chính thức/dự bị", "bad_status"),
        (2, "Số thẻ", "bad_card_number"),
        (2, "Số CCCD", "bad_citizen_number"),
        (2, "Điện thoại", "bad_phone"),
        (2, "Ngày sinh", "two_digit_year"),
    ]


def test_duplicates_within_the_file(units: Units) -> None:
    same_card = changed(name="Người Khác", card="90000001", citizen="999000000009", born="01/01/1980")
    same_citizen = changed(name="Người Nữa", card="90000008", born="01/01/1981")
    same_person = changed(name="TRAN THI THU", card="90000007", citizen="999000000007")
    result = look(csv_file([GOOD[0], same_card, same_citizen, same_person]))
    assert codes(result.problems) == [
        (3, "Số thẻ", "duplicate_card"), (4, "Số CCCD", "duplicate_citizen"), (5, "Họ và tên", "duplicate_person"),
    ]  # fmt: skip
    assert result.problems[0].message == "Số thẻ trùng với dòng 2 của tệp."


def test_the_same_row_twice(units: Units) -> None:
    result = look(csv_file([GOOD[0], GOOD[0]]))
    assert {one.code for one in result.problems} == {"duplicate_card", "duplicate_citizen", "duplicate_person"}
    assert {one.row for one in result.problems} == {3}


def test_contradictions_to_the_register(units: Units) -> None:
    importing.run_now(SYSTEM, file_name="a.csv", content=csv_file())
    other_name = changed(name="Người Khác", citizen="", born="")
    other_card = changed(card="90000009", citizen="")
    other_citizen = changed(name="Người Nữa", card="90000010", born="")
    result = look(csv_file([other_name, other_card, other_citizen]))
    assert codes(result.problems) == [
        (2, "Số thẻ", "card_of_another_person"), (3, "Họ và tên", "duplicate_person"), (4, "Số CCCD", "duplicate_citizen"),
    ]  # fmt: skip


def test_dates_that_contradict_what_is_known(units: Units) -> None:
    importing.run_now(SYSTEM, file_name="a.csv", content=csv_file())
    result = look(csv_file([changed(joined="01/01/2012", official="")]))
    assert codes(result.problems) == [(2, "Ngày chính thức", "contradictory_dates")]


def test_a_row_without_card_is_the_same_person(units: Units) -> None:
    importing.run_now(SYSTEM, file_name="a.csv", content=csv_file())
    done = importing.run_now(SYSTEM, file_name="b.csv", content=csv_file([changed(card="", unit="A2")]))
    with unit_of_work() as session:
        assert (done.imported, session.query(Member).count()) == (1, 3)
        found = register.list_members(session, SYSTEM, q="90000001").rows[0]
        assert (found.name, found.unit_name) == ("Trần Thị Thử", "Chi hội Ao Sen")


def test_merged_data_cells(units: Units) -> None:
    book = Book().rows([HEADINGS, *GOOD])
    book.sheet.merge_range("G2:G3", "A1")
    assert codes(look(book.content()).problems) == [(2, "Đơn vị", "merged_cell"), (3, "Đơn vị", "merged_cell")]


def test_formulas_count_by_their_values(units: Units) -> None:
    book = Book().rows([HEADINGS, *GOOD])
    book.sheet.write_formula("A2", '=CONCATENATE("Trần"," Thị Thử")', None, "Trần Thị Thử")
    book.sheet.write_formula("A3", '=CONCATENATE("Lê"," Văn Mẫu")', None, "")
    book.sheet.write_formula("A4", '=CONCATENATE("Đỗ"," Ví Dụ")')
    book.sheet.write_formula("D4", "=1/0", None, "#DIV/0!")
    assert codes(look(book.content()).problems) == [
        (3, "Họ và tên", "formula_without_value"),
        (4, "Họ và tên", "formula_without_value"),
        (4, "Ngày sinh", "formula_without_value"),
    ]


def test_empty_rows_count_in_row_numbers_only(units: Units) -> None:
    empty = ("",) * len(HEADINGS)
    result = look(csv_file([GOOD[0], empty, empty, changed(name="Người Khác", card="1", citizen=""), empty]))
    assert (result.rows, codes(result.problems)) == (2, [(5, "Số thẻ", "bad_card_number")])


@pytest.mark.parametrize("form", ["{}", "({})", "[{}]"])
def test_the_row_that_numbers_the_columns_is_nobody(units: Units, form: str) -> None:
    numbers = tuple(form.format(place) for place in range(1, len(HEADINGS) + 1))
    result = look(csv_file([numbers, GOOD[0], changed(name="Người Khác", card="1", citizen="")]))
    assert (result.rows, codes(result.problems)) == (2, [(4, "Số thẻ", "bad_card_number")])
    shuffled = look(csv_file([(*numbers[1:], numbers[0]), GOOD[1]]))
    assert (shuffled.rows, shuffled.problems[0].code) == (2, "missing_name")


def test_names_are_the_same_composed_or_not(units: Units) -> None:
    importing.run_now(SYSTEM, file_name="a.csv", content=csv_file())
    decomposed = [tuple(unicodedata.normalize("NFD", cell) for cell in row) for row in GOOD]
    headings = [unicodedata.normalize("NFD", heading) for heading in HEADINGS]
    done = importing.run_now(SYSTEM, file_name="b.csv", content=csv_file(decomposed, headings))
    assert (done.imported, done.problems) == (3, [])
    with unit_of_work() as session:
        assert [(member.name, member.version) for member in session.query(Member).order_by(Member.sort_key)] == [
            ("Đỗ Ví Dụ", 1), ("Lê Văn Mẫu", 1), ("Trần Thị Thử", 1),
        ]  # fmt: skip


def test_spreadsheets_and_text_give_the_same(units: Units) -> None:
    done = importing.run_now(SYSTEM, file_name="a.xlsx", content=spreadsheet())
    again = importing.run_now(SYSTEM, file_name="b.csv", content=csv_file())
    assert (done.imported, again.imported) == (3, 3)
    with unit_of_work() as session:
        assert {member.version for member in session.query(Member)} == {1}  # nothing was different


def test_a_committees_administrator_cannot_import_into_another(units: Units) -> None:
    with unit_of_work() as session:
        own = actor(session, "Quản trị A", (Role.ADMINISTRATOR, units.a))
        elsewhere = register.add(
            session, SYSTEM, unit_id=units.b1, name="Trần Thị Thử", private=Private(card_number="90000001")
        )
    rows = [changed(unit="B1", name="Người Khác", card="90000009", citizen="", born=""), GOOD[0]]
    result = importing.run_now(own, file_name="a.csv", content=csv_file(rows))
    assert codes(result.problems) == [(2, "Đơn vị", "unknown_unit"), (3, "Số thẻ", "card_of_another_person")]
    with unit_of_work() as session:
        assert session.get_one(Member, elsewhere.id).unit_id == units.b1
