"""``sotay registration import``: the figures as JSON, contradictions named, nothing kept of what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from core.database import unit_of_work
from members.models import RegistrationReport
from sotay.cli import app

pytestmark = pytest.mark.usefixtures("database")

REPORT = """tt,dang_bo,tong_so,moi_ket_nap,chinh_thuc,da_dang_ky,ty_le_phan_tram,chua_dang_ky,thu_hang
3,Hội huyện Đồng Mai,100,10,90,95,95,5,1
1,Hội thành phố Bến Ngự,200,0,200,4,2,196,2
2,Hội huyện Ao Sen,300,0,300,9,3,291,3
"""


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["registration", "import", *arguments])
    return result.exit_code, result.stdout, result.stderr


def kept() -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).select_from(RegistrationReport)) or 0


def test_the_figures_as_json(tmp_path: Path) -> None:
    file = tmp_path / "số liệu.csv"
    file.write_text(REPORT, encoding="utf-8")
    code, out, _ = run(str(file), "--json")
    assert code == 0
    assert json.loads(out) == {
        "total": 600,
        "newly_admitted": 10,
        "official": 590,
        "registered": 108,
        "not_registered": 492,
        "rate": 18.0,
        "rate_of_official": 18.31,
        "units": [
            {"number": 3, "name": "Hội huyện Đồng Mai", "total": 100, "registered": 95, "rate": 95.0, "rank": 1},
            {"number": 1, "name": "Hội thành phố Bến Ngự", "total": 200, "registered": 4, "rate": 2.0, "rank": 3},
            {"number": 2, "name": "Hội huyện Ao Sen", "total": 300, "registered": 9, "rate": 3.0, "rank": 2},
        ],
        "problems": [
            {"row": 2, "code": "registered_exceeds_official", "message": "Số đã đăng ký (95) nhiều hơn số chính thức (90)."},
            {"row": 3, "code": "rank_contradicts_rate", "message": "Thứ hạng in 2 trái với tỷ lệ đăng ký của đơn vị."},
            {"row": 4, "code": "rank_contradicts_rate", "message": "Thứ hạng in 3 trái với tỷ lệ đăng ký của đơn vị."},
        ],
    }  # fmt: skip
    again = run(str(file), "--json")
    assert (again[:2], kept()) == ((0, out), 1)


def test_the_figures_for_people(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text(REPORT, encoding="utf-8")
    code, out, error = run(str(file))
    assert code == 0
    assert out.splitlines()[-1] == "Đã đăng ký 108/600: 18,00 %; so với chính thức 18,31 %."
    assert "Dòng 2 [registered_exceeds_official]" in error


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (REPORT.replace("95,95,5", "chín,95,5"), [(2, "bad_number")]),
        (REPORT.replace("da_dang_ky", "x"), [(1, "missing_column")]),
        (REPORT.replace("Hội huyện Ao Sen", ""), [(4, "missing_name")]),
    ],
)
def test_rows_that_cannot_be_read_keep_everything_out(
    tmp_path: Path, content: str, expected: list[tuple[int, str]]
) -> None:
    file = tmp_path / "a.csv"
    file.write_text(content, encoding="utf-8")
    code, out, error = run(str(file), "--json")
    result: dict[str, Any] = json.loads(out)
    assert (code, kept()) == (1, 0)
    assert [(problem["row"], problem["code"]) for problem in result["problems"]] == expected
    assert (result["total"], result["rate"], result["units"]) == (None, None, [])
    assert "Không đọc được bảng số liệu trong tệp" in error
    assert f"Dòng {expected[0][0]} [{expected[0][1]}]" in run(str(file))[2]


def test_the_row_that_numbers_the_columns_is_no_unit(tmp_path: Path) -> None:
    first, rest = REPORT.split("\n", 1)
    for numbers in ("1,2,3,4,5,6,7,8,9", "(1),(2),(3),(4),(5),(6),(7),(8),(9)"):
        file = tmp_path / "a.csv"
        file.write_text(f"{first}\n{numbers}\n{rest}", encoding="utf-8")
        code, out, _ = run(str(file), "--json")
        result: dict[str, Any] = json.loads(out)
        assert (code, result["total"], [unit["number"] for unit in result["units"]]) == (0, 600, [3, 1, 2])
        assert [problem["row"] for problem in result["problems"]] == [3, 4, 5]


def test_no_such_file_and_no_table(tmp_path: Path) -> None:
    assert run(str(tmp_path / "không có.csv"))[0] == 2
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    code, _, error = run(str(tmp_path / "a.xlsx"))
    assert (code, "Tệp bị hỏng" in error) == (1, True)
    result: dict[str, Any] = json.loads(run(str(tmp_path / "a.xlsx"), "--json")[1])
    assert (result["total"], result["units"]) == (None, [])
    assert [(problem["row"], problem["code"]) for problem in result["problems"]] == [(1, "corrupt")]
    (tmp_path / "big.csv").write_bytes(b"x" * (5 * 1024 * 1024 + 1))
    assert run(str(tmp_path / "big.csv"))[0] == 1
