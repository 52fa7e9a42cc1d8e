"""``sotay units import``: the tree from a file, then people into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sotay.cli import app

pytestmark = pytest.mark.usefixtures("database")


def run(*arguments: object) -> tuple[int, Any, str]:
    """Exit code, the JSON, standard error."""
    result = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else None, result.stderr


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_an_empty_installation_gets_its_tree_and_its_people(tmp_path: Path) -> None:
    tree = write(tmp_path, "Cây.csv", "Mã,Tên,Cấp trên\nT,Hội tỉnh Sông Xanh,\nA1,Chi hội Đầu Nguồn,T\n")
    people = write(tmp_path, "Sổ.csv", "Họ và tên,Số thẻ,Đơn vị\nTrần Thị Thử,90000001,Chi hội Đầu Nguồn\n")
    code, refused, _ = run("members", "import", people)
    assert (code, [one["code"] for one in refused["problems"]]) == (1, ["unknown_unit"])
    assert run("units", "import", tree, "--dry-run") == (0, {"rows": 2, "created": 0, "known": 0, "problems": []}, "")
    assert run("units", "import", tree) == (0, {"rows": 2, "created": 2, "known": 0, "problems": []}, "")
    assert run("units", "import", tree) == (0, {"rows": 2, "created": 0, "known": 2, "problems": []}, "")
    code, done, _ = run("members", "import", people)
    assert (code, done["imported"], done["problems"]) == (0, 1, [])


def test_problems_end_with_1(tmp_path: Path) -> None:
    tree = write(tmp_path, "a.csv", "Mã,Tên,Cấp trên\nT,Hội tỉnh,\nA,Chi hội,B\n")
    message = "Không có đơn vị cấp trên này trong tệp và cây tổ chức."
    problem = {"row": 3, "column": "Cấp trên", "code": "unknown_parent", "message": message}
    assert run("units", "import", tree) == (1, {"rows": 2, "created": 0, "known": 0, "problems": [problem]}, "")
    shown = CliRunner().invoke(app, ["units", "import", str(tree)])
    assert (shown.exit_code, shown.stdout.splitlines()) == (1, [
        f"Dòng 3, cột Cấp trên: {message} (unknown_parent)",
        "Đã đọc 2 dòng: tạo 0 đơn vị, 0 đã có; cây tổ chức chưa thay đổi gì.",
    ])  # fmt: skip


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    for path in (tmp_path / "không có.csv", tmp_path):
        code, out, error = run("units", "import", path)
        assert (code, out, "Không đọc được tệp" in error) == (2, None, True)
    code, out, error = run("units", "import", write(tmp_path, "b.csv", "a,b\n1,2\n"))
    assert (code, [one["code"] for one in out["problems"]]) == (1, ["no_header"])
    assert "Không tìm thấy cột “Tên đơn vị”" in error
