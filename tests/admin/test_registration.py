"""Registration figures in the console: tables, charts, spreadsheets, imported reports."""

from __future__ import annotations

import io
from typing import Any
from urllib.parse import unquote

import pytest
from python_calamine import load_workbook
from sqlalchemy import func, select

from core.database import unit_of_work
from members.access import Role
from members.models import RegistrationReport, Unit
from tests.admin.test_units import console_of, main_of
from tests.people import Console, Units, make_units
from tests.register_rows import add_members

pytestmark = pytest.mark.usefixtures("database")

REPORT = """TT,Đơn vị,Tổng số,Mới kết nạp,Chính thức,Đã đăng ký,Tỷ lệ (%),Chưa đăng ký,Xếp hạng
1,Hội A,100,10,90,95,95,5,1
2,Hội B,100,0,100,2,2,98,2
3,Hội C,200,0,200,6,3,194,3
"""


@pytest.fixture
def tree() -> Units:
    with unit_of_work() as session:
        tree = make_units(session)
        add_members(session, tree.a1, 3, probationary=1, registered=2, name="Nguyễn Thị Bí Mật")
        add_members(session, tree.a2, 1)
        add_members(session, tree.b1, 2, registered=2)
        return tree


@pytest.fixture
def console(tree: Units) -> Console:
    return console_of((Role.ADMINISTRATOR, tree.province))


def upload(console: Console, content: str, name: str = "báo cáo.csv") -> Any:
    return console.post("/registration/reports", files={"file": (name, content.encode(), "text/csv")})


def test_the_table_of_all_that_one_may_see(tree: Units, console: Console) -> None:
    answer = console.get("/registration")
    words = main_of(answer)
    assert "Kết quả đăng ký: Hội Bạn đọc tỉnh Sông Xanh" in words
    assert "Đã đăng ký 66,67 % 4 trên 6 người" in words
    assert "1 Hội huyện Đồng Mai 4 1 3 2 50,00 % 2 2" in words
    assert "2 Hội thành phố Bến Ngự 2 0 2 2 100,00 % 0 1" in words
    assert "Tổng cộng 6 1 5 4 66,67 % 2" in words
    assert f'href="/admin/registration/{tree.a}"' in answer.text
    assert 'role="img"' in answer.text
    assert 'aria-label="Tỷ lệ đăng ký: Hội huyện Đồng Mai 50,00 %; Hội thành phố Bến Ngự 100,00 %"' in answer.text
    assert ("<script>" in answer.text, "style=" in answer.text) == (False, False)
    assert "Bí Mật" not in answer.text


def test_rows_are_sorted_by_a_link(tree: Units, console: Console) -> None:
    by_rate = main_of(console.get("/registration", params={"sort": "rate"}))
    assert by_rate.index("2 Hội thành phố Bến Ngự") < by_rate.index("1 Hội huyện Đồng Mai")
    assert console.get("/registration", params={"sort": "name; drop"}).status_code == 422


def test_one_goes_down_to_a_branch(tree: Units, console: Console) -> None:
    with unit_of_work() as session:
        session.get_one(Unit, tree.a2).deployed = False
    words = main_of(console.get(f"/registration/{tree.a}"))
    assert words.startswith("Số liệu đăng ký Hội Bạn đọc tỉnh Sông Xanh Kết quả đăng ký: Hội huyện Đồng Mai")
    assert "1 Chi hội Ao Sen chưa triển khai 1 0 1 0 0,00 % 1 —" in words
    assert "Báo cáo đã nhập" not in words
    branch = main_of(console.get(f"/registration/{tree.a1}"))
    assert "1 Trực thuộc 3 1 2 2 66,67 % 1 —" in branch


def test_the_table_as_a_spreadsheet(tree: Units, console: Console) -> None:
    answer = console.get(f"/registration/{tree.a}/export")
    assert "Đăng ký Hội huyện Đồng Mai" in unquote(answer.headers["content-disposition"])
    sheet = load_workbook(io.BytesIO(answer.content)).get_sheet_by_index(0).to_python()
    assert [row[1] for row in sheet[3:]] == ["Chi hội Ao Sen", "Chi hội Đầu Nguồn", "Tổng cộng"]
    whole = console.get("/registration/export")
    assert "Đăng ký Hội Bạn đọc tỉnh Sông Xanh" in unquote(whole.headers["content-disposition"])


def test_a_secretary_sees_the_own_branch_only(tree: Units) -> None:
    secretary = console_of((Role.SECRETARY, tree.a1))
    words = main_of(secretary.get("/registration"))
    assert "Kết quả đăng ký: Chi hội Đầu Nguồn" in words
    assert "Nhập một báo cáo" not in words
    for path in (f"/registration/{tree.a}", f"/registration/{tree.a2}/export", "/registration/reports/1"):
        assert secretary.get(path).status_code == 404
    assert upload(secretary, REPORT).status_code == 404
    assert secretary.post("/registration/reports/1/delete", {"sure": "true"}).status_code == 404
    curator = console_of((Role.CURATOR, tree.province))
    assert [curator.get(path).status_code for path in ("/registration", "/registration/export")] == [404, 404]


def test_a_report_is_imported_shown_and_removed(tree: Units, console: Console) -> None:
    answer = upload(console, REPORT)
    assert answer.status_code == 303
    path = answer.headers["location"].removeprefix("/admin")
    words = main_of(console.get(path))
    assert "Báo cáo báo cáo.csv" in words
    assert "3 chỗ mâu thuẫn trong báo cáo" in words
    assert "1 Hội A Số đã đăng ký (95) nhiều hơn số chính thức (90). 100 10 90 95 5 95,00 % (95) 1 (1)" in words
    assert "2 Hội B Thứ hạng in 2 trái với tỷ lệ đăng ký của đơn vị. 100 0 100 2 98 2,00 % (2) 3 (2)" in words
    assert "báo cáo.csv" in main_of(console.get("/registration"))
    assert upload(console, REPORT).headers["location"] == f"/admin{path}?known=1"
    assert "đã được nhập trước đây" in main_of(console.get(f"{path}?known=1"))
    assert console.post(f"{path}/delete").status_code == 200, "the box was not ticked"
    assert console.post(f"{path}/delete", {"sure": "true"}).status_code == 303
    assert console.get(path).status_code == 404


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (REPORT.replace("100,10,90,95", "100,10,90,chín"), "Dòng 2: Cột “Đã đăng ký” phải là một số không âm"),
        ("a,b\n1,2\n", "Dòng 1: Thiếu cột “Đơn vị”."),
        ("", "Tệp không có nội dung."),
    ],
)
def test_a_report_that_cannot_be_read_is_refused_with_the_reason(
    tree: Units, console: Console, content: str, message: str
) -> None:
    answer = upload(console, content)
    assert (answer.status_code, message in main_of(answer)) == (422, True)
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(RegistrationReport)) == 0


def test_a_report_without_its_token_is_refused(tree: Units, console: Console) -> None:
    answer = console.client.post("/admin/registration/reports", files={"file": ("x.csv", REPORT.encode(), "text/csv")})
    assert answer.status_code == 403
