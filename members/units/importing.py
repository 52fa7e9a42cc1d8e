"""The tree from a file: one row a unit, with the unit above it. All or nothing; what is there already stays as it is.

For the command line, which sets an installation up: it may make the root.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.text import syllables
from members.access import SYSTEM
from members.importing import delimited, reading, xlsx
from members.importing.rows import Problem
from members.importing.tables import Cell, ImportFileError, Sheet
from members.importing.values import plain
from members.models import Unit
from members.names import clean, name_key
from members.units.changing import UnitError, create

HEADINGS: dict[str, tuple[str, ...]] = {
    "code": ("ma don vi", "ma", "ma to chuc", "ma chi bo", "unit code", "code"),
    "name": ("ten don vi", "don vi", "ten", "ten to chuc", "ten chi bo", "unit name", "unit", "name"),
    "parent": (
        "ma don vi cap tren", "ma cap tren", "don vi cap tren", "cap tren", "ten don vi cap tren", "don vi truc thuoc",
        "truc thuoc", "thuoc don vi", "parent code", "parent unit", "parent",
    ),
    "kind": ("loai don vi", "loai", "loai hinh", "loai hinh to chuc", "kind", "type"),
}  # fmt: skip
"""Field → headings, folded, the likeliest first."""
_FIELD_OF = {heading: field for field, headings in HEADINGS.items() for heading in headings}
_KINDS = ("Chi bộ", "Đảng bộ", "Đảng ủy", "Chi hội", "Tỉnh hội", "Huyện hội", "Hội", "Chi đoàn", "Đoàn")
"""Kinds that a name may begin with, for files that do not say the kind."""
_OTHER_KIND = "Đơn vị"
_LOOKED_AT = 30
MOST_ROWS = 50_000

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Imported:
    """What became of a file: rows with a unit, units made, rows whose unit was there already."""

    rows: int
    created: int
    known: int
    problems: list[Problem]


@dataclass(eq=False)
class _Node:
    """A unit, of the tree (``id``) or of a row."""

    code: str
    name: str
    row: int = 0
    kind: str = ""
    above: str = ""
    """As the row says it: a code or a name."""
    parent: _Node | None = None
    id: int | None = None
    good: bool = True

    def refuse(self, problems: list[Problem], column: str | None, code: str, message: str) -> None:
        """Note what is wrong with the row."""
        problems.append(Problem(self.row, column, code, message))
        self.good = False


@dataclass
class _Tree:
    """All units by what they are called, those of the file included."""

    roots: list[_Node] = field(default_factory=list)
    by_code: dict[str, _Node] = field(default_factory=dict)
    by_name: dict[str, list[_Node]] = field(default_factory=lambda: defaultdict(list))

    def add(self, node: _Node) -> None:
        if node.code:
            self.by_code[node.code] = node
        self.by_name[name_key(node.name)].append(node)

    def called(self, text: str, *, other_than: _Node) -> list[_Node]:
        """The units that *text* may mean: the one with this code, or all with this name."""
        by_code = self.by_code.get(text.upper())
        if by_code is not None and by_code is not other_than:
            return [by_code]
        return [node for node in self.by_name.get(name_key(text), []) if node is not other_than]


def import_units(
    session: Session,
    *,
    content: bytes,
    dry_run: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Imported:
    """Make the units of a CSV or XLSX file that are not there yet; nothing at all when a row has a problem.

    Errors: ImportFileError (the file as a whole cannot be read).
    """
    reading.check_size(content)
    headings, rows = _read(content)
    if not rows:
        raise ImportFileError("empty_file", "Tệp chỉ có dòng tiêu đề, không có đơn vị nào. Xin chọn tệp khác.")
    problems: list[Problem] = []
    tree = _tree(session)
    _check_rows(tree, rows, headings, problems)
    _place(tree, rows, headings, problems)
    ordered = _ordered(rows, headings, problems)
    made = there = 0
    attempt = session.begin_nested()
    for done, node in enumerate(ordered, start=1):
        if node.id is None and node.good and (node.parent is None or node.parent.id is not None):
            made += _made(session, tree, node, problems)
        there += node.good and node.id is not None
        progress(done, len(ordered))
    if problems or dry_run:
        attempt.rollback()
    else:
        attempt.commit()
    problems.sort(key=lambda problem: problem.row)
    return Imported(len(rows), 0 if problems or dry_run else made, there - made, problems)


# The file


def _read(content: bytes) -> tuple[dict[str, str], list[_Node]]:
    """Headings in use by field, and the rows. Errors: ImportFileError."""
    for sheet in _sheets(content):
        found = _header(sheet)
        if found is not None:
            row, columns, headings = found
            return headings, list(_rows(sheet, row, columns))
    raise ImportFileError(
        "no_header",
        "Không tìm thấy cột “Tên đơn vị”. Dòng tiêu đề cần có các cột như: Mã đơn vị, Tên đơn vị, Mã cấp trên, Loại đơn vị.",
    )


def _sheets(content: bytes) -> Iterator[Sheet]:
    if content.startswith((xlsx.ZIP, xlsx.OLE)):
        yield from xlsx.sheets(content)
    else:
        yield delimited.sheet(content)


def _header(sheet: Sheet) -> tuple[int, dict[str, int], dict[str, str]] | None:
    """The row of the headings, field → column, field → heading; None without a column of names."""
    for number, cells in sheet.rows():
        if number > _LOOKED_AT:
            return None
        columns: dict[str, int] = {}
        headings: dict[str, str] = {}
        for column, cell in enumerate(cells):
            text = " ".join(cell.split()) if isinstance(cell, str) else ""
            name = _FIELD_OF.get(" ".join(syllables(text)))
            if name in columns:
                raise ImportFileError("duplicate_column", f"Có nhiều cột “{text}” cùng nghĩa. Xin giữ một cột.")
            if name is not None:
                columns[name], headings[name] = column, text
        if "name" in columns and len(columns) > 1:
            return number, columns, headings
    return None


def _rows(sheet: Sheet, header: int, columns: dict[str, int]) -> Iterator[_Node]:
    count = 0
    for number, cells in sheet.rows():
        if number <= header:
            continue
        said = {name: _cell(cells, column) for name, column in columns.items()}
        if not any(said.values()):
            continue
        count += 1
        if count > MOST_ROWS:
            raise ImportFileError("too_many_rows", f"Tệp có hơn {MOST_ROWS} đơn vị. Xin xem lại tệp.")
        yield _Node(
            code=said.get("code", "").upper(),
            name=clean(said["name"]),
            row=number,
            kind=said.get("kind", "") or _kind_of(said["name"]),
            above=said.get("parent", ""),
        )


def _cell(cells: list[Cell], column: int) -> str:
    return plain(cells[column]) if column < len(cells) else ""


def _kind_of(name: str) -> str:
    """What the name says: "Chi bộ 2" is a "Chi bộ"."""
    folded = f"{name_key(name)} "
    return next((kind for kind in _KINDS if folded.startswith(f"{name_key(kind)} ")), _OTHER_KIND)


# Where the rows belong


def _tree(session: Session) -> _Tree:
    """The open units as they are."""
    tree, nodes = _Tree(), dict[int, _Node]()
    columns = select(Unit.id, Unit.parent_id, Unit.code, Unit.name, Unit.kind)
    for unit in session.execute(columns.where(Unit.closed_on.is_(None)).order_by(Unit.depth, Unit.id)):
        node = nodes[unit.id] = _Node(unit.code.upper(), unit.name, kind=unit.kind, id=unit.id)
        node.parent = nodes.get(unit.parent_id)
        if unit.parent_id is None:
            tree.roots.append(node)
        tree.add(node)
    return tree


def _check_rows(tree: _Tree, rows: list[_Node], headings: dict[str, str], problems: list[Problem]) -> None:
    """Each row by itself, and its code beside the others'; rows of units that are there get their id."""
    for node in rows:
        if not node.name:
            node.refuse(problems, headings["name"], "missing_name", "Thiếu tên đơn vị.")
            continue
        holder = tree.by_code.get(node.code) if node.code else None
        if holder is not None and holder.row:
            node.refuse(problems, headings["code"], "duplicate_code", f"Mã đơn vị trùng với dòng {holder.row} của tệp.")
        elif holder is not None and name_key(holder.name) != name_key(node.name):
            node.refuse(problems, headings["code"], "code_of_another_unit", "Mã này đã dùng cho đơn vị khác.")
        elif holder is not None:
            node.id, node.parent = holder.id, holder.parent
        elif (known := _same_unit(tree, node)) is not None:
            node.id, node.parent = known.id, known.parent
            tree.by_code.setdefault(node.code or known.code, known)
        else:
            tree.add(node)


def _same_unit(tree: _Tree, node: _Node) -> _Node | None:
    """The unit that a row without a known code means by its name and by what stands above it."""
    same = [one for one in tree.by_name.get(name_key(node.name), []) if one.id is not None]
    if not node.above:
        roots = [one for one in same if one.parent is None]
        below = [one for one in same if one.parent in tree.roots and not node.code and len(tree.roots) == 1]
        found = roots or below
    else:
        wanted = name_key(node.above)
        found = [
            one for one in same
            if not node.code and one.parent is not None
            and (one.parent.code == node.above.upper() or name_key(one.parent.name) == wanted)
        ]  # fmt: skip
    return found[0] if len(found) == 1 else None


def _place(tree: _Tree, rows: list[_Node], headings: dict[str, str], problems: list[Problem]) -> None:
    """The unit above each row."""
    column = headings.get("parent")
    for node in rows:
        if not node.good:
            continue
        if not node.above:
            _place_on_top(tree, node, column, problems)
            continue
        found = tree.called(node.above, other_than=node)
        if node.id is not None:
            if node.parent not in found:
                message = "Đơn vị này đang trực thuộc đơn vị khác. Việc chuyển đơn vị làm trong trang quản trị."
                node.refuse(problems, column, "other_parent", message)
        elif len(found) == 1:
            node.parent = found[0]
        elif found:
            message = f"Có {len(found)} đơn vị cùng tên với đơn vị cấp trên. Xin ghi mã của đơn vị cấp trên."
            node.refuse(problems, column, "ambiguous_parent", message)
        else:
            node.refuse(problems, column, "unknown_parent", "Không có đơn vị cấp trên này trong tệp và cây tổ chức.")


def _place_on_top(tree: _Tree, node: _Node, column: str | None, problems: list[Problem]) -> None:
    """A row that names nothing above it: the root itself, or below the only root."""
    if node.id is not None:
        return
    if not tree.roots:
        tree.roots.append(node)
    elif len(tree.roots) == 1 and tree.roots[0].id is not None:
        node.parent = tree.roots[0]
    else:
        message = "Chỉ một đơn vị đứng đầu được để trống đơn vị cấp trên. Xin ghi đơn vị cấp trên."
        node.refuse(problems, column, "missing_parent", message)


def _ordered(rows: list[_Node], headings: dict[str, str], problems: list[Problem]) -> list[_Node]:
    """The rows with every unit after the one above it; of a circle every row is a problem."""
    ordered: list[_Node] = []
    placed: set[int] = set()
    for start in rows:
        chain: list[_Node] = []
        node: _Node | None = start
        seen: set[int] = set()
        while node is not None and node.row and id(node) not in placed and id(node) not in seen:
            seen.add(id(node))
            chain.append(node)
            node = node.parent
        if node is not None and id(node) in seen:
            for one in chain[chain.index(node) :]:
                if one.good:
                    message = "Các đơn vị cấp trên nối thành vòng, không có đơn vị đứng đầu."
                    one.refuse(problems, headings.get("parent"), "cycle", message)
        for one in reversed(chain):
            placed.add(id(one))
            ordered.append(one)
    return ordered


def _made(session: Session, tree: _Tree, node: _Node, problems: list[Problem]) -> bool:
    """Make the unit of a row; False when it cannot be made."""
    for other in tree.by_name[name_key(node.name)]:
        if other is not node and other.row and other.id is not None and other.parent is node.parent:
            message = f"Cùng tên và cùng đơn vị cấp trên với dòng {other.row} của tệp."
            node.refuse(problems, None, "duplicate_unit", message)
            return False
    try:
        made = create(
            session, SYSTEM, parent_id=_id(node.parent), name=node.name, code=node.code or None, kind=node.kind
        )
    except UnitError as error:
        node.refuse(problems, None, "bad_unit", str(error))
        return False
    node.id = made.id
    return True


def _id(node: _Node | None) -> int | None:
    return node.id if node else None
