"""The tree in the console: what people see of it, and that changes are made once and only by those who may."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import event, select

from core.database import engine, unit_of_work
from members import units
from members.access import SYSTEM, Role
from members.models import Unit
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units
from tests.register_rows import add_members

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def tree() -> Units:
    with unit_of_work() as session:
        tree = make_units(session)
        add_members(session, tree.a1, 3)
        add_members(session, tree.a, 1)
        return tree


def console_of(*grants: tuple[Role, int]) -> Console:
    with unit_of_work() as session:
        account = make_account(session, "Người dùng thử", *grants)
    return Console(create_app(), account.id)


@pytest.fixture
def console(tree: Units) -> Console:
    return console_of((Role.ADMINISTRATOR, tree.province))


def main_of(answer: Any) -> str:
    """The words of the page's main part, without tags, single spaces."""
    main = re.search(r"<main.*?</main>", answer.text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", main.group() if main else answer.text).split())


def test_the_tree_begins_with_the_top_and_its_units(tree: Units, console: Console) -> None:
    with unit_of_work() as session:
        session.get_one(Unit, tree.b).deployed = False
    answer = console.get("/units")
    words = main_of(answer)
    assert "Hội Bạn đọc tỉnh Sông Xanh Tỉnh hội · 4 người" in words
    assert "Hội huyện Đồng Mai Hội trực thuộc · 4 người" in words
    assert "Hội thành phố Bến Ngự Hội trực thuộc · 0 người chưa triển khai" in words
    assert f'hx-get="/admin/units/{tree.a}/children" hx-trigger="toggle once"' in answer.text
    assert f'href="/admin/units/{tree.a}#truc-thuoc"' in answer.text, "a way without a script"
    assert "Chi hội Đầu Nguồn" not in words


def test_a_branch_comes_when_it_is_opened(tree: Units, console: Console) -> None:
    branch = console.get(f"/units/{tree.a}/children", headers={"HX-Request": "true"})
    assert "<html" not in branch.text
    assert main_of(branch) == (
        "Mở Chi hội Ao Sen Chi hội Ao Sen Chi hội · 0 người Mở Chi hội Đầu Nguồn Chi hội Đầu Nguồn Chi hội · 3 người"
    )
    plain = console.get(f"/units/{tree.a}/children")
    assert (plain.status_code, plain.headers["location"]) == (303, f"/admin/units/{tree.a}")


def test_a_branch_costs_the_same_queries_whatever_its_length(tree: Units, console: Console) -> None:
    sent: list[str] = []

    def note(*arguments: Any) -> None:
        sent.append(arguments[2])

    def queries(path: str) -> int:
        sent.clear()
        assert console.get(path, headers={"HX-Request": "true"}).status_code == 200
        return len(sent)

    with unit_of_work() as session:
        units.create(session, SYSTEM, parent_id=tree.a, name="Chi hội thứ ba", kind="Chi hội")
    event.listen(engine(), "before_cursor_execute", note)
    try:
        for path in ("/units/{}/children", "/units/{}"):
            assert queries(path.format(tree.b)) == queries(path.format(tree.a)), "1 and 3 rows"
    finally:
        event.remove(engine(), "before_cursor_execute", note)


def test_search_finds_units_with_their_place(tree: Units, console: Console) -> None:
    words = main_of(console.get("/units", params={"q": "dau nguon"}))
    assert "1 đơn vị" in words
    assert "Chi hội Đầu Nguồn Hội Bạn đọc tỉnh Sông Xanh / Hội huyện Đồng Mai Chi hội A1 3" in words
    assert "Không có đơn vị nào như vậy" in main_of(console.get("/units", params={"q": "<b>x</b>"}))


def test_a_units_page(tree: Units, console: Console) -> None:
    answer = console.get(f"/units/{tree.a}")
    words = main_of(answer)
    assert words.startswith("Cây tổ chức Hội Bạn đọc tỉnh Sông Xanh Hội huyện Đồng Mai")
    assert "Số người 4 , trong đó 1 trực tiếp ở đơn vị này" in words
    assert "Chi hội Đầu Nguồn Chi hội A1 0 3" in words
    assert "Chưa có thay đổi nào được ghi lại." in words


def test_children_are_paged(tree: Units, console: Console) -> None:
    with unit_of_work() as session:
        for number in range(51):
            units.create(session, SYSTEM, parent_id=tree.b1, name=f"Tổ {number}", kind="Tổ")
    first, second = console.get(f"/units/{tree.b1}"), console.get(f"/units/{tree.b1}?offset=50")
    assert "1–50 trên 51" in main_of(first)
    assert "Trang trước" not in main_of(first)
    assert ("Tổ 50" in main_of(first), "Tổ 50" in main_of(second)) == (False, True)
    assert "51–51 trên 51" in main_of(second)


def test_a_unit_is_added_edited_moved_and_closed(tree: Units, console: Console) -> None:
    form = console.get("/units/new", params={"parent": tree.a})
    assert "Thêm đơn vị trực thuộc Hội huyện Đồng Mai" in main_of(form)
    made = console.post("/units", {"parent": tree.a, "name": "Chi hội Bến Đò", "kind": "Chi hội", "deployed": "true"})
    assert made.status_code == 303
    path = made.headers["location"].removeprefix("/admin")
    assert "Lập đơn vị, trực thuộc Hội huyện Đồng Mai" in main_of(console.get(path))

    assert 'value="CHBD"' in console.get(f"{path}/edit").text
    edited = console.post(f"{path}/edit", {"name": "Chi hội Bến Phà", "code": "bp-1", "kind": "Chi hội", "position": "2", "reason": "Đổi tên"})  # fmt: skip
    assert edited.headers["location"] == f"/admin{path}"
    words = main_of(console.get(path))
    assert "Sửa Tên: Chi hội Bến Đò → Chi hội Bến Phà; Mã: CHBD → BP-1; Thứ tự: 0 → 2 Lý do: Đổi tên" in words

    assert "Đang trực thuộc Hội huyện Đồng Mai." in main_of(console.get(f"{path}/move"))
    moved = console.post(f"{path}/move", {"parent": "Hội thành phố Bến Ngự (B)", "reason": ""})
    assert moved.headers["location"] == f"/admin{path}"
    assert "Chuyển từ Hội huyện Đồng Mai sang Hội thành phố Bến Ngự" in main_of(console.get(path))

    console.post(f"{path}/deployment", {})
    assert "Chuyển thành chưa triển khai" in main_of(console.get(path))
    console.post(f"{path}/deployment", {"deployed": "true"})
    assert "Triển khai Đã triển khai" in main_of(console.get(path))

    assert "Kết thúc hoạt động của Chi hội Bến Phà" in main_of(console.get(f"{path}/close"))
    assert console.post(f"{path}/close", {"reason": "Giải thể"}).status_code == 303
    words = main_of(console.get(path))
    assert "Chi hội Bến Phà đã kết thúc" in words
    assert "Kết thúc hoạt động Lý do: Giải thể" in words
    assert console.post(f"{path}/reopen").status_code == 303
    assert "Hoạt động trở lại" in main_of(console.get(path))


def test_what_cannot_be_done_is_said_on_the_form(tree: Units, console: Console) -> None:
    for path, data, message in [
        ("/units", {"parent": tree.a, "name": "chi hoi ao sen", "kind": "Chi hội"}, "Ở đây đã có đơn vị tên “chi hoi ao sen”."),
        ("/units", {"parent": tree.a}, "Tên đơn vị không được để trống."),
        (f"/units/{tree.a}/edit", {"name": "Hội", "code": "B", "kind": "Hội"}, "Mã này đã dùng cho đơn vị khác."),
        (f"/units/{tree.a}/edit", {"name": "Hội", "position": "đầu"}, "Thứ tự là một số từ 0 đến 99999."),
        (f"/units/{tree.a}/move", {"parent": "A1"}, "Không thể chuyển một đơn vị vào chính nó"),
        (f"/units/{tree.a}/move", {"parent": ""}, "Xin chọn đơn vị cấp trên mới."),
        (f"/units/{tree.a}/move", {"parent": "Hội nào đó"}, "Không có đơn vị này trong cây tổ chức"),
        (f"/units/{tree.a}/close", {}, "Còn 2 đơn vị trực thuộc."),
        (f"/units/{tree.a1}/close", {}, "Còn 3 người trong đơn vị."),
        (f"/units/{tree.a1}/reopen", {}, "Đơn vị này đang hoạt động."),
    ]:  # fmt: skip
        answer = console.post(path, data)
        assert (answer.status_code, message in main_of(answer)) == (422, True), (path, main_of(answer))
    with unit_of_work() as session:
        assert len(session.scalars(select(Unit)).all()) == 6


def test_a_closed_unit_is_not_deployed(tree: Units, console: Console) -> None:
    console.post(f"/units/{tree.a2}/close", {})
    answer = console.post(f"/units/{tree.a2}/deployment", {"deployed": "true"})
    assert (answer.status_code, "đã kết thúc hoạt động" in main_of(answer)) == (422, True)


def test_a_secretary_looks_and_changes_nothing(tree: Units) -> None:
    secretary = console_of((Role.SECRETARY, tree.a1))
    assert "Chi hội Đầu Nguồn Chi hội · 3 người" in main_of(secretary.get("/units"))
    shown = secretary.get(f"/units/{tree.a1}")
    assert shown.status_code == 200
    assert f"/admin/units/{tree.a}" not in shown.text
    assert "Thêm đơn vị" not in shown.text
    for path in (f"/units/{tree.a}", f"/units/{tree.a}/children", f"/units/{tree.a1}/edit", f"/units/{tree.a1}/move", f"/units/{tree.a1}/close", f"/units/new?parent={tree.a1}"):  # fmt: skip
        assert secretary.get(path, headers={"HX-Request": "true"}).status_code == 404
    for path, data in [
        ("/units", {"parent": tree.a1, "name": "x", "kind": "y"}),
        (f"/units/{tree.a1}/edit", {"name": "x"}),
        (f"/units/{tree.a1}/move", {"parent": "B"}),
        (f"/units/{tree.a1}/deployment", {}),
        (f"/units/{tree.a1}/close", {}),
        (f"/units/{tree.a1}/reopen", {}),
    ]:
        assert secretary.post(path, data).status_code == 404
    assert console_of((Role.CURATOR, tree.province)).get("/units").status_code == 404


@pytest.mark.parametrize("unit_id", ["999999", str(2**63), "0", "-1", "x"])
def test_a_unit_that_is_not_there(tree: Units, console: Console, unit_id: str) -> None:
    assert console.get(f"/units/{unit_id}").status_code == 404


def test_a_form_of_another_site_changes_nothing(tree: Units, console: Console) -> None:
    answer = console.client.post(f"/admin/units/{tree.a1}/deployment", data={"deployed": "true", "csrf": "x"})
    assert answer.status_code == 403
