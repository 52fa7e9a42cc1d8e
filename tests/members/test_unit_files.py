"""The tree from a file: made in any order, once, and not at all when a row is wrong."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from core.audit import AuditEntry
from core.database import unit_of_work
from members import units
from members.access import SYSTEM
from members.importing import ImportFileError
from members.models import Unit, UnitChange
from members.units import importing
from members.units.importing import Imported, import_units
from tests.members.importing.files import Book
from tests.people import make_units

pytestmark = pytest.mark.usefixtures("database")

GOOD = """Mã đơn vị;Tên đơn vị;Mã cấp trên;Loại đơn vị
A-1;Chi hội Đầu Nguồn;A;
T;Hội tỉnh Sông Xanh;;Tỉnh hội
A;Hội huyện Đồng Mai;T;Hội trực thuộc
B;Hội thành phố Bến Ngự;hoi tinh song xanh;
B-1;Chi hội Chợ Cũ;B;
"""


def load(text: str | bytes, *, dry_run: bool = False) -> Imported:
    content = text.encode() if isinstance(text, str) else text
    with unit_of_work() as session:
        return import_units(session, content=content, dry_run=dry_run)


def tree() -> list[tuple[str, str, str, str | None]]:
    """Code, name, kind, code above; by code."""
    with unit_of_work() as session:
        above = {unit.id: unit.code for unit in session.scalars(select(Unit))}
        return [
            (unit.code, unit.name, unit.kind, above[unit.parent_id] if unit.parent_id else None)
            for unit in session.scalars(select(Unit).order_by(Unit.code))
        ]


def codes(result: Imported) -> list[tuple[int, str | None, str]]:
    return [(one.row, one.column, one.code) for one in result.problems]


def test_a_file_makes_the_tree_in_any_order() -> None:
    assert load(GOOD) == Imported(rows=5, created=5, known=0, problems=[])
    assert tree() == [
        ("A", "Hội huyện Đồng Mai", "Hội trực thuộc", "T"),
        ("A-1", "Chi hội Đầu Nguồn", "Chi hội", "A"),
        ("B", "Hội thành phố Bến Ngự", "Hội", "T"),
        ("B-1", "Chi hội Chợ Cũ", "Chi hội", "B"),
        ("T", "Hội tỉnh Sông Xanh", "Tỉnh hội", None),
    ]
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(UnitChange).where(UnitChange.kind == "created")) == 5
        made = select(func.count()).select_from(AuditEntry).where(AuditEntry.action == "unit.created")
        assert session.scalar(made) == 5


def test_the_same_file_again_changes_nothing() -> None:
    load(GOOD)
    before = tree()
    assert load(GOOD) == Imported(rows=5, created=0, known=5, problems=[])
    longer = GOOD + "B-2;Chi hội Ao Sen;B;\n"
    assert load(longer) == Imported(rows=6, created=1, known=5, problems=[])
    assert len(tree()) == len(before) + 1


def test_codes_are_made_when_the_file_has_none() -> None:
    file = (
        "Đơn vị,Cấp trên\nHội tỉnh Sông Xanh,\nHội huyện Đồng Mai,Hội tỉnh Sông Xanh\nChi hội 1,Hội huyện Đồng Mai\n"
        "Hội huyện Ao Sen,Hội tỉnh Sông Xanh\nChi hội 1,Hội huyện Ao Sen\n"
    )
    assert load(file) == Imported(rows=5, created=5, known=0, problems=[])
    assert [one[0] for one in tree()] == ["CH1", "CH1-2", "HHAS", "HHDM", "HTSX"]
    assert load(file) == Imported(rows=5, created=0, known=5, problems=[])


def test_below_the_root_that_is_there() -> None:
    """``sotay admin create`` has made a root: rows that name nothing above them go below it, its own row is it."""
    with unit_of_work() as session:
        units.create(session, SYSTEM, parent_id=None, name="Hội tỉnh Sông Xanh", kind="Tổ chức")
    assert load("Mã,Tên\nA,Hội A\nB,Hội B\n") == Imported(rows=2, created=2, known=0, problems=[])
    assert load("Mã,Tên,Cấp trên\nTINH,Hội tỉnh Sông Xanh,\nC,Hội C,TINH\n").created == 1
    assert [(code, above) for code, _, _, above in tree()] == [
        ("A", "HTSX"),
        ("B", "HTSX"),
        ("C", "HTSX"),
        ("HTSX", None),
    ]


def test_a_dry_run_changes_nothing() -> None:
    assert load(GOOD, dry_run=True) == Imported(rows=5, created=0, known=0, problems=[])
    assert tree() == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("C;;T;\n", [(7, "Tên đơn vị", "missing_name")]),
        ("C;Chi hội C;KHONG-CO;\n", [(7, "Mã cấp trên", "unknown_parent")]),
        ("B-1;Chi hội C;T;\n", [(7, "Mã đơn vị", "duplicate_code")]),
        ("X;Chi hội C;;\n", [(7, "Mã cấp trên", "missing_parent")]),
        ("X;Chi hội X;Y;\nY;Chi hội Y;X;\n", [(7, "Mã cấp trên", "cycle"), (8, "Mã cấp trên", "cycle")]),
        ("X;Chi hội X;X;\n", [(7, "Mã cấp trên", "unknown_parent")]),
        (";chi hoi cho cu;B;\n", [(7, None, "duplicate_unit")]),
        ("a b!;Chi hội C;T;\n", [(7, None, "bad_unit")]),
        (f"C;{'x' * 201};T;\n", [(7, None, "bad_unit")]),
        ("C;Nhóm;A;\nD;Nhóm;B;\nE;Tổ;Nhóm;\n", [(9, "Mã cấp trên", "ambiguous_parent")]),
    ],
)
def test_one_wrong_row_keeps_everything_out(rows: str, expected: list[tuple[int, str | None, str]]) -> None:
    result = load(GOOD + rows)
    assert (result.created, codes(result), tree()) == (0, expected, [])


def test_contradictions_to_the_tree() -> None:
    with unit_of_work() as session:
        make_units(session)
    before = tree()
    file = "Mã,Tên,Cấp trên\nA1,Chi hội Khác,A\nA2,Chi hội Ao Sen,B\nB2,Chi hội Chợ Cũ,B\n"
    assert codes(load(file)) == [
        (2, "Mã", "code_of_another_unit"),
        (3, "Cấp trên", "other_parent"),
        (4, None, "bad_unit"),
    ]
    assert tree() == before


def test_a_spreadsheet_with_a_title() -> None:
    book = Book()
    book.sheet.merge_range("A1:C1", "DANH SÁCH ĐƠN VỊ")
    rows = [("MÃ", "Tên  đơn vị", "Trực thuộc"), (1, "Hội tỉnh", None), (2, "Chi hội 2", 1)]
    assert load(book.rows(rows, first=2).content()) == Imported(rows=2, created=2, known=0, problems=[])
    assert tree() == [("1", "Hội tỉnh", "Hội", None), ("2", "Chi hội 2", "Chi hội", "1")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty_file"),
        ("Mã;Tên\n".encode(), "empty_file"),
        (b"a;b\n1;2\n", "no_header"),
        ("Mã;Tên;Tên đơn vị\n1;2;3\n".encode(), "duplicate_column"),
        (b"\x89PNG\x00", "not_a_table"),
        ("Mã;Tên\n1;Hội\n".encode("cp1258", "replace"), "bad_encoding"),
    ],
)
def test_files_that_are_refused(content: bytes, code: str) -> None:
    with pytest.raises(ImportFileError) as error:
        load(content)
    assert error.value.code == code


def test_too_many_units_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MOST_ROWS", 4)
    with pytest.raises(ImportFileError) as error:
        load(GOOD)
    assert error.value.code == "too_many_rows"
