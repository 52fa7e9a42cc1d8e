"""The tree: made, moved, renamed, closed, found; every change with its history."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from core import clock
from core.audit import AuditEntry
from core.database import engine, unit_of_work
from members import register, units
from members.access import SYSTEM, Actor, NotVisibleError, Permission, Role
from members.models import Member, Unit, UnitChange
from members.register import Private, RegisterError
from tests.people import Units, actor, add_unit, make_units
from tests.register_rows import add_members

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def tree() -> Units:
    with unit_of_work() as session:
        return make_units(session)


@pytest.fixture
def administrator(tree: Units) -> Actor:
    with unit_of_work() as session:
        return actor(session, "Quản trị", (Role.ADMINISTRATOR, tree.province))


def place(unit_id: int) -> tuple[str, int]:
    with unit_of_work() as session:
        unit = session.get_one(Unit, unit_id)
        return unit.path, unit.depth


def actions() -> list[tuple[str, int | None]]:
    with unit_of_work() as session:
        return [(e.action, e.unit_id) for e in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]


def names(lines: list[units.UnitLine]) -> list[str]:
    return [line.name for line in lines]


def test_a_unit_is_made_below_its_parent(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        made = units.create(
            session, administrator, parent_id=tree.a, name="  Chi hội   Đò Ngang ", kind="Chi hội", deployed=False
        )
    assert (made.name, made.code, made.path) == ("Chi hội Đò Ngang", "CHDN-2", f"/{tree.province}/{tree.a}/{made.id}/")
    assert place(made.id) == (f"/{tree.province}/{tree.a}/{made.id}/", 2)
    assert actions() == [("unit.created", made.id)]
    with unit_of_work() as session:
        (change,) = units.view(session, administrator, made.id).history
    assert (change.kind, change.before, change.by) == ("created", {}, "Quản trị")
    assert change.after == {
        "name": "Chi hội Đò Ngang",
        "code": "CHDN-2",
        "kind": "Chi hội",
        "deployed": False,
        "parent": "Hội huyện Đồng Mai",
    }


@pytest.fixture(autouse=True)
def _taken_code(tree: Units) -> None:
    """The code that "Chi hội Đầu Nguồn" would get."""
    with unit_of_work() as session:
        session.get_one(Unit, tree.a1).code = "CHDN"


def test_codes_are_made_from_names_and_given_ones_are_kept_in_capitals(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        codes = [
            units.create(session, administrator, parent_id=tree.b, name=name, kind="Chi hội", code=code).code
            for name, code in [("Chi hội 1", None), ("Chi hội 10", ""), ("Chi hội số 1", "ch-38.a"), ("***", None)]
        ]
        same = units.create(session, administrator, parent_id=tree.a, name="Chi hội 1", kind="Chi hội").code
    assert (codes, same) == (["CH1", "CH10", "CH-38.A", "DV"], "CH1-2")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": " "}, "Tên đơn vị không được để trống."),
        ({"name": "x" * 201}, "Tên đơn vị tối đa 200 ký tự, không có ký tự lạ."),
        ({"name": "a\0b"}, "Tên đơn vị tối đa 200 ký tự, không có ký tự lạ."),
        ({"kind": ""}, "Loại đơn vị không được để trống."),
        ({"name": "CHI HOI dau nguon"}, "Ở đây đã có đơn vị tên “CHI HOI dau nguon”. Xin đặt tên khác."),
        ({"code": "chdn"}, "Mã này đã dùng cho đơn vị khác. Xin chọn mã khác."),
        (
            {"code": "A/1"},
            "Mã đơn vị chỉ gồm chữ, số, dấu chấm, gạch nối, gạch dưới, tối đa 40 ký tự.",
        ),
        ({"position": -1}, "Thứ tự là một số từ 0 đến 99999."),
    ],
)
def test_what_a_unit_cannot_be(tree: Units, administrator: Actor, values: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"parent_id": tree.a, "name": "Chi hội mới", "kind": "Chi hội", **values}
    with pytest.raises(units.UnitError) as caught, unit_of_work() as session:
        units.create(session, administrator, **given)
    assert str(caught.value) == message
    assert actions() == []


def test_the_same_name_may_stand_elsewhere(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        made = units.create(session, administrator, parent_id=tree.b, name="Chi hội Đầu Nguồn", kind="Chi hội")
    assert made.code == "CHDN-2"


def test_only_the_installation_makes_a_root(tree: Units, administrator: Actor) -> None:
    with pytest.raises(NotVisibleError), unit_of_work() as session:
        units.create(session, administrator, parent_id=None, name="Hội khác", kind="Tỉnh hội")
    with unit_of_work() as session:
        made = units.create(session, SYSTEM, parent_id=None, name="Hội khác", kind="Tỉnh hội")
    assert place(made.id) == (f"/{made.id}/", 0)


def test_a_move_takes_the_whole_subtree_along(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        a1 = session.get_one(Unit, tree.a1)
        leaf = add_unit(session, "Tổ 1", code="A1-1", kind="Tổ", parent=a1).id
    with unit_of_work() as session:
        kept = session.get_one(Unit, leaf)
        units.move(session, administrator, tree.a1, parent_id=tree.b1, reason="Sắp xếp lại")
        assert kept.path == f"/{tree.province}/{tree.b}/{tree.b1}/{tree.a1}/{leaf}/", "also in what was read before"
    assert place(tree.a1) == (f"/{tree.province}/{tree.b}/{tree.b1}/{tree.a1}/", 3)
    assert place(leaf) == (f"/{tree.province}/{tree.b}/{tree.b1}/{tree.a1}/{leaf}/", 4)
    assert place(tree.a2) == (f"/{tree.province}/{tree.a}/{tree.a2}/", 2)
    assert actions() == [("unit.moved", tree.a1)]
    with unit_of_work() as session:
        seen = units.view(session, administrator, tree.a1)
    assert [crumb.name for crumb in seen.ancestors] == [
        "Hội Bạn đọc tỉnh Sông Xanh",
        "Hội thành phố Bến Ngự",
        "Chi hội Chợ Cũ",
    ]
    assert [(c.kind, c.before, c.after, c.reason) for c in seen.history] == [
        (
            "moved",
            {"parent_id": tree.a, "parent": "Hội huyện Đồng Mai"},
            {"parent_id": tree.b1, "parent": "Chi hội Chợ Cũ"},
            "Sắp xếp lại",
        )
    ]


def test_a_move_up_and_back_leaves_the_tree_as_it_was(tree: Units, administrator: Actor) -> None:
    before = {unit_id: place(unit_id) for unit_id in (tree.b, tree.b1)}
    with unit_of_work() as session:
        units.move(session, administrator, tree.b, parent_id=tree.a)
        units.move(session, administrator, tree.b, parent_id=tree.province)
    assert {unit_id: place(unit_id) for unit_id in (tree.b, tree.b1)} == before


@pytest.mark.parametrize(("moved", "to"), [("a", "a"), ("a", "a1")])
def test_a_unit_does_not_move_into_itself(tree: Units, administrator: Actor, moved: str, to: str) -> None:
    with pytest.raises(units.UnitError, match="vào chính nó"), unit_of_work() as session:
        units.move(session, administrator, getattr(tree, moved), parent_id=getattr(tree, to))
    assert place(tree.a) == (f"/{tree.province}/{tree.a}/", 1)


def test_a_move_to_where_it_is_or_beside_its_namesake_is_refused(tree: Units, administrator: Actor) -> None:
    with pytest.raises(units.UnitError, match="đúng nơi này rồi"), unit_of_work() as session:
        units.move(session, administrator, tree.a1, parent_id=tree.a)
    with unit_of_work() as session:
        units.create(session, administrator, parent_id=tree.b, name="chi hội đầu nguồn", kind="Chi hội")
    with pytest.raises(units.UnitError, match="đã có đơn vị tên"), unit_of_work() as session:
        units.move(session, administrator, tree.a1, parent_id=tree.b)


def test_a_move_needs_the_right_to_edit_both_parents(tree: Units) -> None:
    with unit_of_work() as session:
        of_a = actor(session, "Quản trị A", (Role.ADMINISTRATOR, tree.a))
        of_a1 = actor(session, "Quản trị A1", (Role.ADMINISTRATOR, tree.a1))
    for who, moved, to in [(of_a, tree.a1, tree.b), (of_a, tree.b1, tree.a), (of_a, tree.a, tree.a2), (of_a1, tree.a1, tree.a2)]:  # fmt: skip
        with pytest.raises(NotVisibleError), unit_of_work() as session:
            units.move(session, who, moved, parent_id=to)
    with unit_of_work() as session:
        units.move(session, of_a, tree.a1, parent_id=tree.a2)
        assert units.view(session, of_a, tree.a).may_move is False
        assert units.view(session, of_a, tree.a1).may_move is True
    assert place(tree.a1) == (f"/{tree.province}/{tree.a}/{tree.a2}/{tree.a1}/", 3)


@pytest.mark.parametrize("call", ["create", "move", "rename", "set_deployed", "close", "reopen"])
@pytest.mark.parametrize("role", [role for role in Role if role != Role.ADMINISTRATOR])
def test_others_change_nothing(tree: Units, call: str, role: Role) -> None:
    with unit_of_work() as session:
        somebody = actor(session, "Ai đó", (role, tree.province))
    options: dict[str, dict[str, Any]] = {
        "create": {"parent_id": tree.a, "name": "x", "kind": "y"},
        "move": {"unit_id": tree.a1, "parent_id": tree.b},
        "rename": {"unit_id": tree.a1, "name": "x"},
        "set_deployed": {"unit_id": tree.a1, "deployed": False},
        "close": {"unit_id": tree.a1},
        "reopen": {"unit_id": tree.a1},
    }
    with pytest.raises(NotVisibleError), unit_of_work() as session:
        getattr(units, call)(session, somebody, **options[call])
    assert actions() == []


def test_two_moves_at_once_make_no_cycle(tree: Units, administrator: Actor) -> None:
    """Each alone is allowed; together they would put A into B and B into A."""
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def move(unit_id: int, parent_id: int) -> None:
        try:
            with unit_of_work() as session:
                session.get_one(Unit, unit_id)
                ready.wait()
                units.move(session, administrator, unit_id, parent_id=parent_id)
            outcomes.append("moved")
        except units.UnitError:
            outcomes.append("refused")

    threads = [threading.Thread(target=move, args=pair) for pair in [(tree.a, tree.b), (tree.b, tree.a)]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["moved", "refused"]
    check_paths()


def check_paths() -> None:
    """Every path is the parent's with the own id, every depth the number of those above."""
    with unit_of_work() as session:
        everything = {unit.id: unit for unit in session.scalars(select(Unit))}
        for unit in everything.values():
            above = everything[unit.parent_id].path if unit.parent_id else "/"
            assert (unit.path, unit.depth) == (f"{above}{unit.id}/", above.count("/") - 1)


def test_a_unit_is_renamed_with_its_code_kind_and_order(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        units.rename(
            session, administrator, tree.a1, name="Chi hội Cuối Nguồn", code="a-9", kind="Chi hội cơ sở", position=3
        )
        units.rename(session, administrator, tree.a1, name="Chi hội Cuối Nguồn", code="", kind=None)
        assert names(units.children(session, administrator, tree.a)) == ["Chi hội Ao Sen", "Chi hội Cuối Nguồn"]
        seen = units.view(session, administrator, tree.a1)
        assert names(units.search(session, administrator, "cuoi nguon")) == ["Chi hội Cuối Nguồn"]
    assert (seen.name, seen.code, seen.kind, seen.position) == ("Chi hội Cuối Nguồn", "A-9", "Chi hội cơ sở", 3)
    assert [change.before for change in seen.history] == [
        {"name": "Chi hội Đầu Nguồn", "code": "CHDN", "kind": "Chi hội", "position": 0}
    ]
    assert actions() == [("unit.renamed", tree.a1)]


def test_a_name_or_code_of_another_is_refused(tree: Units, administrator: Actor) -> None:
    for values in ({"name": "Chi hội Ao sen"}, {"name": "Chi hội Đầu Nguồn", "code": "b1"}):
        with pytest.raises(units.UnitError), unit_of_work() as session:
            units.rename(session, administrator, tree.a1, **values)


def test_deployment_is_switched_once(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        units.set_deployed(session, administrator, tree.b, deployed=False, reason="Chưa có mạng")
        units.set_deployed(session, administrator, tree.b, deployed=False)
        seen = units.view(session, administrator, tree.b)
    assert (seen.deployed, [(c.kind, c.after, c.reason) for c in seen.history]) == (
        False,
        [("deployment", {"deployed": False}, "Chưa có mạng")],
    )
    assert actions() == [("unit.deployment_changed", tree.b)]


def test_a_unit_closes_when_it_is_empty_and_opens_again(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        add_members(session, tree.a2, 1)
    with pytest.raises(units.UnitError) as caught, unit_of_work() as session:
        units.close(session, administrator, tree.a)
    assert str(caught.value) == "Còn 2 đơn vị trực thuộc. Xin chuyển hoặc đóng các đơn vị đó trước."
    with pytest.raises(units.UnitError) as caught, unit_of_work() as session:
        units.close(session, administrator, tree.a2)
    assert str(caught.value) == "Còn 1 người trong đơn vị. Xin chuyển họ sang đơn vị khác trước."
    with clock.fixed(clock.now()), unit_of_work() as session:
        units.close(session, administrator, tree.a1, reason="Sáp nhập")
        today = clock.today()
    with unit_of_work() as session:
        assert units.view(session, administrator, tree.a1).closed_on == today
        assert names(units.children(session, administrator, tree.a)) == ["Chi hội Ao Sen"]
        assert len(units.children(session, administrator, tree.a, with_closed=True)) == 2
        assert units.choices(session, administrator, Permission.EDIT_UNITS, "dau nguon") == []
    for change in (
        lambda session: units.close(session, administrator, tree.a1),
        lambda session: units.create(session, administrator, parent_id=tree.a1, name="x", kind="y"),
        lambda session: units.move(session, administrator, tree.b1, parent_id=tree.a1),
        lambda session: units.move(session, administrator, tree.a1, parent_id=tree.b),
        lambda session: units.rename(session, administrator, tree.a1, name="x"),
        lambda session: units.set_deployed(session, administrator, tree.a1, deployed=False),
    ):
        with pytest.raises(units.ClosedUnitError), unit_of_work() as session:
            change(session)
    with unit_of_work() as session:
        units.reopen(session, administrator, tree.a1)
    with unit_of_work() as session:
        seen = units.view(session, administrator, tree.a1)
    assert (seen.closed_on, [change.kind for change in seen.history]) == (None, ["reopened", "closed"])
    assert actions() == [("unit.closed", tree.a1), ("unit.reopened", tree.a1)]


def test_a_closed_units_name_is_free_and_then_it_stays_closed(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        units.close(session, administrator, tree.a1)
        units.create(session, administrator, parent_id=tree.a, name="Chi hội Đầu Nguồn", kind="Chi hội")
    with pytest.raises(units.UnitError, match="đã có đơn vị tên"), unit_of_work() as session:
        units.reopen(session, administrator, tree.a1)
    with pytest.raises(units.UnitError, match="đang hoạt động"), unit_of_work() as session:
        units.reopen(session, administrator, tree.a2)


def test_nothing_opens_below_a_closed_unit(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        units.close(session, administrator, tree.b1)
        units.close(session, administrator, tree.b)
    with pytest.raises(units.ClosedUnitError), unit_of_work() as session:
        units.reopen(session, administrator, tree.b1)


def test_a_unit_that_somebody_is_being_added_to_does_not_close_meanwhile(tree: Units, administrator: Actor) -> None:
    added, outcome = threading.Event(), []

    def close() -> None:
        try:
            with unit_of_work() as session:
                added.wait()
                units.close(session, administrator, tree.a1)
        except units.UnitError as error:
            outcome.append(str(error))

    closing = threading.Thread(target=close)
    closing.start()
    with unit_of_work() as session:
        register.add(session, administrator, unit_id=tree.a1, name="Lê Thị Ánh", private=Private())
        added.set()
        wait_for_a_lock(session)
    closing.join()
    assert outcome == ["Còn 1 người trong đơn vị. Xin chuyển họ sang đơn vị khác trước."]


def test_nobody_is_added_to_a_unit_that_is_being_closed(tree: Units, administrator: Actor) -> None:
    outcome = []

    def add() -> None:
        try:
            with unit_of_work() as session:
                register.add(session, administrator, unit_id=tree.a1, name="Lê Thị Ánh", private=Private())
        except RegisterError as error:
            outcome.append(error.code)

    adding = threading.Thread(target=add)
    with unit_of_work() as session:
        units.close(session, administrator, tree.a1)
        adding.start()
        wait_for_a_lock(session)
    adding.join()
    assert outcome == ["closed_unit"]


def wait_for_a_lock(session: Session) -> None:
    """Until another unit of work waits for what *session* holds."""
    waiting = text("select count(*) from pg_locks where not granted and pg_backend_pid() = any(pg_blocking_pids(pid))")
    for _ in range(2000):
        if session.scalar(waiting):
            return
        time.sleep(0.005)
    pytest.fail("nobody waits")


def test_lines_count_the_members_of_the_subtree(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        for unit_id, count in [(tree.province, 1), (tree.a, 2), (tree.a1, 3), (tree.a2, 4), (tree.b1, 5)]:
            add_members(session, unit_id, count)
        top = units.children(session, administrator, None)
        below = units.children(session, administrator, tree.province)
        seen = units.view(session, administrator, tree.a)
    assert [(line.name, line.members, line.children) for line in top] == [("Hội Bạn đọc tỉnh Sông Xanh", 15, 2)]
    assert [(line.name, line.members, line.children) for line in below] == [
        ("Hội huyện Đồng Mai", 9, 2),
        ("Hội thành phố Bến Ngự", 5, 1),
    ]
    assert (seen.members, seen.direct_members, seen.children) == (9, 2, 2)


def test_the_tops_are_what_somebody_may_see(tree: Units) -> None:
    with unit_of_work() as session:
        secretary = actor(session, "Bí thư", (Role.SECRETARY, tree.a1), (Role.SECRETARY, tree.b))
        stranger = actor(session, "Người biên tập", (Role.CURATOR, tree.province))
        add_members(session, tree.b1, 2)
        tops = units.children(session, secretary, None)
        assert units.children(session, stranger, None) == []
        assert names(units.children(session, SYSTEM, None)) == ["Hội Bạn đọc tỉnh Sông Xanh"]
        crumbs = units.view(session, secretary, tree.b1).ancestors
        assert names(units.search(session, secretary, "chi hoi")) == ["Chi hội Chợ Cũ", "Chi hội Đầu Nguồn"]
        assert units.choices(session, secretary, Permission.EDIT_UNITS) == []
        for call in (units.view, units.children, units.descendant_ids):
            with pytest.raises(NotVisibleError):
                call(session, secretary, tree.a2)
    assert [(line.name, line.members) for line in tops] == [("Chi hội Đầu Nguồn", 0), ("Hội thành phố Bến Ngự", 2)]
    assert [(crumb.name, crumb.visible) for crumb in crumbs] == [
        ("Hội Bạn đọc tỉnh Sông Xanh", False),
        ("Hội thành phố Bến Ngự", True),
    ]


def test_siblings_are_ordered_by_position_then_vietnamese_name_with_numbers_by_value(
    tree: Units, administrator: Actor
) -> None:
    with unit_of_work() as session:
        for name in ("Chi hội 10", "Chi hội 2", "Chi hội Đá", "Chi hội Dê", "Chi hội Ân", "Chi hội Ăng"):
            units.create(session, administrator, parent_id=tree.b1, name=name, kind="Chi hội")
        units.create(session, administrator, parent_id=tree.b1, name="Chi hội cuối", kind="Chi hội", position=9)
        assert names(units.children(session, administrator, tree.b1)) == [
            "Chi hội 2",
            "Chi hội 10",
            "Chi hội Ăng",
            "Chi hội Ân",
            "Chi hội Dê",
            "Chi hội Đá",
            "Chi hội cuối",
        ]
        assert names(units.children(session, administrator, tree.b1, offset=1, limit=2)) == [
            "Chi hội 10",
            "Chi hội Ăng",
        ]
        assert units.count_children(session, administrator, tree.b1) == 7


def test_search_takes_words_in_any_form_and_codes(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        for q, expected in [
            ("hội  NGUỒN đầu", ["Chi hội Đầu Nguồn"]),
            ("ben ngu", ["Hội thành phố Bến Ngự"]),
            ("a2", ["Chi hội Ao Sen"]),
            ("100%", []),
            ("", None),
        ]:
            found = names(units.search(session, administrator, q))
            assert found == expected if expected is not None else len(found) == 6
        (line,) = units.choices(session, administrator, Permission.EDIT_UNITS, "ao sen")
        assert (line.place, line.members) == ("Hội Bạn đọc tỉnh Sông Xanh / Hội huyện Đồng Mai", None)
        assert units.descendant_ids(session, administrator, tree.a) == [tree.a, tree.a1, tree.a2]


def test_a_list_costs_the_same_queries_whatever_its_length(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        counts = {}
        for unit_id in (tree.b, tree.a, tree.b1):
            with counted(session) as statements:
                lines = units.children(session, administrator, unit_id)
            counts[len(lines)] = len(statements)
        with counted(session) as one:
            assert len(units.search(session, administrator, "ao sen")) == 1
        with counted(session) as many:
            assert len(units.search(session, administrator, "chi hoi")) == 3
    assert counts[1] == counts[2] == 3
    assert len(one) == len(many) == 3


class counted:  # noqa: N801 - reads as a word
    """The statements sent inside the block."""

    def __init__(self, session: Session) -> None:
        session.flush()
        self.statements: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(engine(), "before_cursor_execute", self._note)
        return self.statements

    def __exit__(self, *_: object) -> None:
        event.remove(engine(), "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.statements.append(statement)


def test_files_name_units_by_code_by_names_from_above_or_by_a_name_that_is_the_only_one(
    tree: Units, administrator: Actor
) -> None:
    with unit_of_work() as session:
        for parent in (tree.a, tree.b):
            units.create(session, administrator, parent_id=parent, name="Chi hội 1", kind="Chi hội")
        slashed = units.create(session, administrator, parent_id=tree.b, name="Chi hội 1/5", kind="Chi hội").id
        index = units.UnitIndex(session, administrator, Permission.IMPORT_MEMBERS)
        first = session.scalars(select(Unit.id).where(Unit.parent_id == tree.a, Unit.name == "Chi hội 1")).one()
    for written, unit_id in [
        ("a2", tree.a2),
        (" A2 ", tree.a2),
        ("CHI HOI ao sen", tree.a2),
        ("Hội huyện Đồng Mai / Chi hội 1", first),
        ("hoi huyen dong mai>chi hoi 1", first),
        ("Hội Bạn đọc tỉnh Sông Xanh / Hội huyện Đồng Mai / Chi hội 1", first),
        ("Hội Bạn đọc tỉnh Sông Xanh → Chi hội Ao Sen", tree.a2),
        ("Chi hội 1/5", slashed),
    ]:
        assert index.resolve(written) == unit_id
        with unit_of_work() as session:
            of_form = units.UnitIndex(session, administrator, Permission.IMPORT_MEMBERS, only=written)
        assert of_form.resolve(written) == unit_id
    with pytest.raises(units.AmbiguousUnitError) as caught:
        index.resolve("Chi hội 1")
    assert caught.value.count == 2
    with pytest.raises(units.AmbiguousUnitError):
        index.resolve("Hội Bạn đọc tỉnh Sông Xanh / Chi hội 1")
    for unknown in ("Chi hội 3", "", "/", "Hội thành phố Bến Ngự / Chi hội Ao Sen", "1"):
        with pytest.raises(units.UnknownUnitError):
            index.resolve(unknown)


def test_an_index_knows_only_open_units_within_reach(tree: Units) -> None:
    with unit_of_work() as session:
        of_a = actor(session, "Quản trị A", (Role.ADMINISTRATOR, tree.a))
        units.close(session, of_a, tree.a2)
        index = units.UnitIndex(session, of_a, Permission.IMPORT_MEMBERS)
    assert index.resolve("Hội Bạn đọc tỉnh Sông Xanh / Hội huyện Đồng Mai / Chi hội Đầu Nguồn") == tree.a1
    for unknown in ("A2", "B1", "Chi hội Chợ Cũ", "T"):
        with pytest.raises(units.UnknownUnitError):
            index.resolve(unknown)


def test_a_reason_too_long_is_refused_before_anything_changes(tree: Units, administrator: Actor) -> None:
    with unit_of_work() as session:
        with pytest.raises(units.UnitError, match="Lý do tối đa 500"):
            units.close(session, administrator, tree.a1, reason="x" * 501)
        with pytest.raises(units.UnitError, match="Lý do"):
            units.move(session, administrator, tree.a1, parent_id=tree.b, reason="x" * 501)
    with unit_of_work() as session:
        unit = session.get_one(Unit, tree.a1)
        assert (unit.closed_on, unit.parent_id) == (None, tree.a)


def test_a_refused_change_leaves_no_trace(tree: Units, administrator: Actor) -> None:
    with pytest.raises(units.UnitError), unit_of_work() as session:
        units.rename(session, administrator, tree.a1, name="Chi hội Ao Sen")
    with unit_of_work() as session:
        assert session.scalars(select(UnitChange)).all() == []
        assert session.execute(text("select count(*) from audit_entry")).scalar_one() == 0
        assert session.scalars(select(Member)).all() == []
