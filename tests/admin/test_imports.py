"""Imports in the console: handing a file in, its columns, its problems, the decision, the undo, and who may."""

from __future__ import annotations

import csv
import io
import re
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
import xlsxwriter
from sqlalchemy import func, select

from core.database import unit_of_work
from members import importing
from members.access import SYSTEM, Role
from members.models import Member
from sotay.app import create_app
from tests.people import Console, Units, make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

HEADINGS = ["Họ và tên", "Đơn vị", "Số thẻ", "Ngày sinh"]
GOOD = [
    ["Nguyễn Thị Hòa", "A1", "12345678", "05/09/1990"],
    ["Trần Bình", "Chi hội Ao Sen", "12345679", "06/09/1991"],
]
BAD = [
    ["=cmd|' /C calc'!A0", "Nơi nào đó", "1", "31/02/1990"],
    ["Lê Sáu", "A1", "12345670", "05/09/90"],
]


@dataclass
class World:
    units: Units
    app: Any

    def console(self, role: Role, unit: int) -> Console:
        with unit_of_work() as session:
            account_id = make_account(session, "Người Nhập", (role, unit)).id
        return Console(self.app, account_id)

    @property
    def administrator(self) -> Console:
        return self.console(Role.ADMINISTRATOR, self.units.province)


@pytest.fixture
def world() -> World:
    with unit_of_work() as session:
        return World(make_units(session), create_app())


def as_csv(rows: list[list[str]], headings: list[str] | None = None) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows([headings or HEADINGS, *rows])
    return text.getvalue().encode()


def as_xlsx(rows: list[list[str]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as workbook:
        sheet = workbook.add_worksheet()
        for number, row in enumerate([HEADINGS, *rows]):
            sheet.write_row(number, 0, row)
    return file.getvalue()


def hand_in(console: Console, content: bytes, name: str = "danh sách.csv", unit: str = "") -> str:
    """Hand a file in and let the worker look through it; the path of its page."""
    answer = console.post("/imports", {"unit": unit}, files={"file": (name, content)})
    assert answer.status_code == 303, answer.text
    path: str = answer.headers["location"].removeprefix("/admin")
    importing.check_import(path.rpartition("/")[2])
    return path


def work(path: str) -> None:
    importing.run_import(path.rpartition("/")[2])


def people() -> list[str]:
    with unit_of_work() as session:
        return list(session.scalars(select(Member.name).order_by(Member.sort_key)))


@pytest.mark.parametrize(("name", "content"), [("a.csv", as_csv(GOOD)), ("a.xlsx", as_xlsx(GOOD))])
def test_a_good_file_is_checked_confirmed_and_undone(world: World, name: str, content: bytes) -> None:
    console = world.administrator
    path = hand_in(console, content, name)
    text = console.get(path).text
    assert "Nhập tất cả 2 dòng" in text
    assert "Chưa có gì thay đổi trong sổ." in text
    assert people() == []
    assert console.post(f"{path}/confirm").headers["location"] == f"/admin{path}"
    assert 'hx-trigger="every 1s"' in console.get(path).text
    work(path)
    text = console.get(path).text
    assert "Đã nhập vào sổ" in text
    assert 'hx-trigger="every 1s"' not in text
    assert people() == ["Trần Bình", "Nguyễn Thị Hòa"]
    unsure = console.post(f"{path}/undo")
    assert unsure.status_code == 422
    assert "đánh dấu vào ô xác nhận" in unsure.text
    assert len(people()) == 2
    assert "bỏ 2 người mới nhập" in console.post(f"{path}/undo", {"sure": "true"}).text
    assert people() == []
    assert console.post(f"{path}/undo", {"sure": "true"}).status_code == 422


def test_while_it_is_worked_on_the_page_shows_real_progress(world: World) -> None:
    console = world.administrator
    answer = console.post("/imports", files={"file": ("a.csv", as_csv(GOOD))})
    path = answer.headers["location"].removeprefix("/admin")
    text = console.get(path).text
    assert "Đang kiểm tra tệp" in text
    assert 'hx-trigger="every 1s"' in text
    with unit_of_work() as session:
        found = session.get_one(importing.service.RegisterImport, uuid.UUID(path.rpartition("/")[2]))
        found.rows, found.handled = 2000, 1500
    text = console.get(path).text
    assert '<progress value="1500" max="2000" aria-label="Tiến độ"></progress>' in text
    assert "1.500 trên 2.000 dòng" in text


def test_problems_are_listed_by_row_filtered_and_taken_along(world: World) -> None:
    console = world.administrator
    path = hand_in(console, as_csv([*GOOD, *BAD]))
    text = console.get(path).text
    assert "Bỏ qua 2 dòng lỗi và nhập 2 dòng" in text
    assert "Nhập tất cả" not in text
    status, found = problems(path)
    assert {(line.row, line.code) for line in found.lines} == {
        (4, "formula_without_value"), (4, "unknown_unit"), (4, "bad_card_number"), (4, "impossible_date"),
        (5, "two_digit_year"),
    }  # fmt: skip
    assert (status.rows, status.bad_rows) == (4, 2)
    assert listed_rows(text) == [4, 4, 4, 4, 5]
    assert listed_rows(console.get(f"{path}?code=two_digit_year").text) == [5]
    assert listed_rows(console.get(f"{path}?code=nothing_such").text) == []
    answer = console.get(f"{path}/problems.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    table = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert table[0] == ["Dòng", "Cột", "Loại", "Vấn đề"]
    assert [int(row[0]) for row in table[1:]] == [4, 4, 4, 4, 5]
    assert [row[0] for row in csv.reader(io.StringIO(console.get(f"{path}/problems.csv?code=impossible_date").text))][
        1:
    ] == ["4"]


def problems(path: str) -> tuple[importing.ImportStatus, importing.ProblemPage]:
    import_id = uuid.UUID(path.rpartition("/")[2])
    with unit_of_work() as session:
        return importing.status(session, SYSTEM, import_id), importing.problems(session, SYSTEM, import_id)


def listed_rows(text: str) -> list[int]:
    return [int(row) for row in re.findall(r'<td data-label="Dòng" class="number">(\d+)</td>', text)]


def test_a_heading_that_is_a_formula_stays_text_in_the_file_to_keep(world: World) -> None:
    console = world.administrator
    path = hand_in(console, as_csv([["Lê Sáu", "A1", "x"]], ["Họ và tên", "Đơn vị", "=1+1"]))
    chosen = {"name": "Họ và tên", "unit": "Đơn vị", "card_number": "=1+1"}
    assert console.post(f"{path}/mapping", chosen).status_code == 303
    importing.check_import(path.rpartition("/")[2])
    table = list(csv.reader(io.StringIO(console.get(f"{path}/problems.csv").content.decode("utf-8-sig"))))
    assert [row[1] for row in table[1:]] == ["'=1+1"]


def test_bad_rows_are_skipped_only_when_that_is_said(world: World) -> None:
    console = world.administrator
    path = hand_in(console, as_csv([*GOOD, *BAD]))
    refused = console.post(f"{path}/confirm")
    assert refused.status_code == 422
    assert "Tệp còn dòng có vấn đề" in refused.text
    assert console.post(f"{path}/confirm", {"skip_bad": "true"}).status_code == 303
    work(path)
    assert people() == ["Trần Bình", "Nguyễn Thị Hòa"]


def test_columns_are_chosen_and_remembered(world: World) -> None:
    console, headings = world.administrator, ["Cột một", "Cột hai", "Cột ba", "Cột bốn"]
    path = hand_in(console, as_csv(GOOD, headings))
    text = console.get(path).text
    assert "Chưa nhận ra đủ các cột" in text
    assert re.findall(r'<option value="(Cột [^"]+)"', text)[:4] == headings
    assert console.post(f"{path}/mapping", {"name": "Cột chín"}).status_code == 422
    chosen = {"name": "Cột một", "unit": "Cột hai", "card_number": "Cột ba", "date_of_birth": "Cột bốn"}
    assert console.post(f"{path}/mapping", chosen).status_code == 303
    importing.check_import(path.rpartition("/")[2])
    assert "Nhập tất cả 2 dòng" in console.get(path).text
    again = hand_in(console, as_csv(GOOD, headings), "tệp khác.csv")
    assert "Nhập tất cả 2 dòng" in console.get(again).text


def test_a_file_is_kept_to_the_unit_it_was_handed_in_for(world: World) -> None:
    console = world.administrator
    path = hand_in(console, as_csv([["Lê Sáu", "B1", "12345670", "05/09/1990"]]), unit="Hội huyện Đồng Mai (A)")
    assert [line.code for line in problems(path)[1].lines] == ["unknown_unit"]
    assert "phạm vi: Hội huyện Đồng Mai." in console.get(path).text


@pytest.mark.parametrize(
    ("files", "unit", "words"),
    [
        (None, "", "Chưa chọn tệp nào."),
        ({"file": ("", b"")}, "", "Chưa chọn tệp nào."),
        ({"file": ("a.csv", b"")}, "", "Tệp không có nội dung."),
        ({"file": ("a.csv", as_csv(GOOD))}, "Nơi nào đó", "Không có đơn vị này"),
    ],
)
def test_what_cannot_be_taken_in_is_said(world: World, files: Any, unit: str, words: str) -> None:
    answer = world.administrator.post("/imports", {"unit": unit}, **({"files": files} if files else {}))
    assert answer.status_code == 422
    [said] = re.findall(r'<div class="notice bad" role="alert"><p>(.*?)</p>', answer.text)
    assert words in said


def test_a_file_that_cannot_be_read_is_said_on_its_page(world: World) -> None:
    console = world.administrator
    path = hand_in(console, b"PK\x03\x04 not a workbook", "a.xlsx")
    text = console.get(path).text
    assert 'role="alert"' in text
    assert "Nhập tất cả" not in text


def test_cancelled_is_cancelled(world: World) -> None:
    console = world.administrator
    path = hand_in(console, as_csv(GOOD))
    assert console.post(f"{path}/cancel").status_code == 303
    assert "Sổ không thay đổi; tệp đã được xóa." in console.get(path).text
    assert console.post(f"{path}/confirm").status_code == 422
    assert "đã hủy" in console.get("/imports").text
    assert people() == []


def test_an_import_of_elsewhere_does_not_exist(world: World) -> None:
    path = hand_in(world.administrator, as_csv(GOOD))
    others = [world.console(Role.ADMINISTRATOR, world.units.b), world.console(Role.SECRETARY, world.units.a1)]
    for console in others:
        refused = [console.get(path), console.get(f"{path}/problems.csv")]
        refused += [
            console.post(f"{path}/{verb}", {"sure": "true", "name": "Họ và tên"})
            for verb in ("confirm", "cancel", "undo", "mapping")
        ]
        assert [answer.status_code for answer in refused] == [404] * 6
    secretary = others[1]
    assert secretary.get("/imports").status_code == 404
    assert secretary.post("/imports", files={"file": ("a.csv", as_csv(GOOD))}).status_code == 404
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(importing.service.RegisterImport)) == 1
