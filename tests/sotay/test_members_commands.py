"""``sotay members``: a file in, and out again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from core.database import unit_of_work
from members.access import SYSTEM
from members.models import Member, Unit
from members.particulars import Private
from members.register import list_members, profile_of
from members.seeding import COMMITTEES, shares
from sotay.cli import app
from tests.members.importing.files import GOOD, HEADINGS, changed, csv_file, spreadsheet
from tests.people import make_units

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def organisation(database: None) -> None:
    with unit_of_work() as session:
        make_units(session)


def run(*arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the JSON, standard error."""
    result = CliRunner().invoke(app, ["members", *map(str, arguments), "--json"])
    return result.exit_code, json.loads(result.stdout) if result.stdout else {}, result.stderr


def count() -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).select_from(Member)) or 0


def test_a_good_file_goes_in_and_out(organisation: None, tmp_path: Path) -> None:
    file = tmp_path / "Sổ hội viên.xlsx"
    file.write_bytes(spreadsheet())
    assert run("import", file, "--dry-run") == (0, {"import_id": None, "rows": 3, "imported": 0, "problems": []}, "")
    assert count() == 0
    code, done, _ = run("import", file)
    assert (code, done["rows"], done["imported"], done["problems"], count()) == (0, 3, 3, [], 3)
    code, undone, _ = run("undo", done["import_id"])
    assert (code, undone, count()) == (0, {"import_id": done["import_id"], "removed": 3, "restored": 0, "kept": []}, 0)
    assert run("undo", done["import_id"])[0] == 1


def test_a_file_with_problems(organisation: None, tmp_path: Path) -> None:
    file = tmp_path / "so.csv"
    file.write_bytes(csv_file([GOOD[1], changed(born="05/09/85"), GOOD[2]]))
    problem = {
        "row": 3, "column": "Ngày sinh", "code": "two_digit_year",
        "message": "Năm chỉ có hai chữ số. Xin ghi đủ bốn chữ số, ví dụ 05/09/1985.",
    }  # fmt: skip
    refused = {"import_id": None, "rows": 3, "imported": 0, "problems": [problem]}
    assert run("import", file, "--dry-run")[:2] == (1, refused)
    assert run("import", file)[:2] == (1, refused)
    assert count() == 0
    code, done, _ = run("import", file, "--skip-bad")
    assert (code, done["imported"], done["problems"], count()) == (0, 2, [problem], 2)


def test_a_mapping_is_given_and_remembered(organisation: None, tmp_path: Path) -> None:
    file, mapping = tmp_path / "so.csv", tmp_path / "ghep.json"
    file.write_bytes(csv_file(GOOD, [f"c{n}" for n in range(len(HEADINGS))]))
    mapping.write_text(json.dumps({"name": "C0", "unit": "c6", "phone": "c8"}), encoding="utf-8")
    assert run("import", file)[1]["problems"][0]["code"] == "no_header"
    assert run("import", file, "--map", mapping)[1]["imported"] == 3
    assert run("import", file, "--dry-run")[1]["rows"] == 3
    mapping.write_text('{"name": "khác"}', encoding="utf-8")
    assert run("import", file, "--map", mapping)[1]["problems"][0]["code"] == "bad_mapping"
    mapping.write_text("[]", encoding="utf-8")
    assert run("import", file, "--map", mapping)[0] == 2


def test_a_file_that_cannot_be_read(organisation: None, tmp_path: Path) -> None:
    file = tmp_path / "so.csv"
    file.write_bytes(b"H\xe4\xff;x\r\n")
    code, result, errors = run("import", file)
    assert (code, result["rows"], [(one["row"], one["code"]) for one in result["problems"]]) == (
        1, 0, [(1, "bad_encoding")],
    )  # fmt: skip
    assert errors.startswith("Tệp CSV không phải mã UTF-8")
    assert run("import", tmp_path / "none.csv")[0] == 2


def test_what_cannot_be_undone(organisation: None) -> None:
    assert run("undo", "x")[0] == 2
    code, _, errors = run("undo", "00000000-0000-4000-8000-000000000000")
    assert (code, errors) == (1, "Không có lần nhập này.\n")


def test_a_file_that_may_not_be_read(organisation: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "so.csv"
    file.write_bytes(csv_file())

    def refuse(_: Path, *__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert run("import", file) == (2, {}, f"Không đọc được tệp {file} (cannot read the file): Permission denied\n")


def test_the_synthetic_province_has_the_proportions_of_the_report(database: None) -> None:
    assert [sum(getattr(one, name) for one in COMMITTEES) for name in ("total", "registered")] == [95883, 79057]
    assert run("seed", "--count", 600)[:2] == (0, {"members": 600, "units": 58})
    sizes = dict(zip((one.name for one in COMMITTEES), shares(600, [one.total for one in COMMITTEES]), strict=True))
    assert sum(sizes.values()) == 600
    with unit_of_work() as session:
        for unit in session.scalars(select(Unit).where(Unit.depth == 1)):
            page = list_members(session, SYSTEM, unit_id=unit.id)
            assert page.total == sizes[unit.name]
        closed = session.scalars(
            select(Unit.name).where(Unit.depth == 1, Unit.deployed.is_(False)).order_by(Unit.position)
        )
        assert list(closed) == ["Đảng bộ Quân sự tỉnh", "Đảng bộ Công an tỉnh"]
        private = profile_of(session, session.scalars(select(Member).limit(1)).one()).private
        assert isinstance(private, Private)
        assert (private.card_number or "")[:2] == "99"
        assert (private.citizen_number or "")[:3] == "999"
    code, _, errors = run("seed", "--count", 5)
    assert (code, errors.startswith("Sổ đã có hồ sơ")) == (1, True)
