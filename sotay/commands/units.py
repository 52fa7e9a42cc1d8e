"""``sotay units …``: the organisation tree from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sotay.terminal import Json, counting, emit, fail, installation, say

app = typer.Typer(no_args_is_help=True, help="Cây tổ chức: nhập các đơn vị từ tệp.")

_SHOWN = 50
"""Problems that are printed without --json."""


@app.callback()
def _group() -> None:
    """Keep ``import`` a subcommand although it is the only one."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tệp .xlsx hoặc CSV (UTF-8), mỗi dòng một đơn vị.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Chỉ kiểm tra, không thay đổi gì.")] = False,
    as_json: Json = False,
) -> None:
    """Tạo các đơn vị trong tệp mà cây tổ chức chưa có; có dòng sai thì không thay đổi gì."""
    from core.database import unit_of_work
    from members.importing import LARGEST_FILE, ImportFileError
    from members.units.importing import import_units

    try:
        with file.open("rb") as opened:
            content = opened.read(LARGEST_FILE + 1)  # one more is enough to refuse it
    except OSError as error:
        fail(f"Không đọc được tệp {file} (cannot read the file): {error.strerror}", code=2)
    with installation():
        try:
            with unit_of_work() as session:
                result = import_units(
                    session, content=content, dry_run=dry_run, progress=counting("Đã xử lý", "đơn vị")
                )
        except ImportFileError as error:
            if as_json:
                problem = {"row": 1, "column": None, "code": error.code, "message": str(error)}
                emit({"rows": 0, "created": 0, "known": 0, "problems": [problem]})
            fail(str(error))
    if as_json:
        emit({
            "rows": result.rows,
            "created": result.created,
            "known": result.known,
            "problems": [
                {"row": one.row, "column": one.column, "code": one.code, "message": one.message} for one in result.problems
            ],
        })  # fmt: skip
    else:
        for one in result.problems[:_SHOWN]:
            print(f"Dòng {one.row}{f', cột {one.column}' if one.column else ''}: {one.message} ({one.code})")
        if len(result.problems) > _SHOWN:
            say(f"… và {len(result.problems) - _SHOWN} vấn đề khác (xem đủ bằng --json).")
        unchanged = "; cây tổ chức chưa thay đổi gì" if dry_run or result.problems else ""
        print(f"Đã đọc {result.rows} dòng: tạo {result.created} đơn vị, {result.known} đã có{unchanged}.")
    if result.problems:
        raise typer.Exit(1)
