"""``sotay members …``: the register from and to files, and a synthetic one for load."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from sotay.terminal import Json, counting, emit, fail, installation, say

if TYPE_CHECKING:
    from members.importing import ImportFileError

app = typer.Typer(no_args_is_help=True, help="Sổ hội viên, đảng viên: nhập từ tệp, hoàn tác.")

_SHOWN = 50
"""Problems that are printed without --json."""


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Tệp .xlsx hoặc CSV (UTF-8).")],
    map_file: Annotated[
        Path | None, typer.Option("--map", metavar="FILE", help="Tệp JSON: trường → tiêu đề cột.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Chỉ kiểm tra, không thay đổi gì.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Bỏ qua các dòng có vấn đề, nhập các dòng tốt.")] = False,
    as_json: Json = False,
) -> None:
    """Nhập hồ sơ từ tệp; có dòng sai thì không thay đổi gì (trừ khi --skip-bad)."""
    from members import importing
    from members.access import SYSTEM

    if not file.is_file():
        fail(f"Không có tệp {file}.", code=2)
    try:
        with file.open("rb") as opened:
            content = opened.read(importing.LARGEST_FILE + 1)  # one more is enough to refuse it
    except OSError as error:
        fail(f"Không đọc được tệp {file} (cannot read the file): {error.strerror}", code=2)
    mapping = _mapping(map_file) if map_file else None
    with installation():
        try:
            result = importing.run_now(
                SYSTEM, file_name=file.name, content=content, mapping=mapping, dry_run=dry_run,
                skip_bad=skip_bad, progress=counting("Đã xử lý"),
            )  # fmt: skip
        except importing.ImportFileError as error:
            _refuse(error, as_json=as_json)
    if as_json:
        emit({
            "import_id": str(result.import_id) if result.import_id else None,
            "rows": result.rows,
            "imported": result.imported,
            "problems": [
                {"row": one.row, "column": one.column, "code": one.code, "message": one.message} for one in result.problems
            ],
        })  # fmt: skip
    else:
        for one in result.problems[:_SHOWN]:
            print(f"Dòng {one.row}{f', cột {one.column}' if one.column else ''}: {one.message} ({one.code})")
        if len(result.problems) > _SHOWN:
            say(f"… và {len(result.problems) - _SHOWN} vấn đề khác (xem đủ bằng --json).")
        if result.import_id:
            print(f"Đã nhập {result.imported}/{result.rows} dòng. Hoàn tác: sotay members undo {result.import_id}")
        else:
            print(f"Đã đọc {result.rows} dòng, {len(result.problems)} vấn đề; sổ chưa thay đổi gì.")
    if result.problems and result.import_id is None:
        raise typer.Exit(1)


@app.command()
def undo(
    import_id: Annotated[str, typer.Argument(metavar="ID", help="Mã lần nhập (import_id).")],
    as_json: Json = False,
) -> None:
    """Hoàn tác một lần nhập; ai đã đăng nhập hoặc đã được sửa hồ sơ từ đó thì giữ nguyên."""
    from core.database import unit_of_work
    from members import importing
    from members.access import SYSTEM, NotVisibleError

    try:
        known = uuid.UUID(import_id)
    except ValueError:
        fail(f"Mã lần nhập không hợp lệ: {import_id}", code=2)
    with installation():
        try:
            with unit_of_work() as session:
                undone = importing.undo(session, SYSTEM, known)
        except NotVisibleError:
            fail("Không có lần nhập này.")
        except importing.ImportStateError:
            fail("Lần nhập này chưa xong hoặc đã được hoàn tác.")
    if as_json:
        emit({
            "import_id": str(known),
            "removed": undone.removed,
            "restored": undone.restored,
            "kept": [{"member_id": str(one.member_id), "reason": one.reason} for one in undone.kept],
        })  # fmt: skip
        return
    print(f"Đã xóa {undone.removed} hồ sơ mới, khôi phục {undone.restored} hồ sơ.")
    for one in undone.kept:
        print(f"Giữ nguyên {one.member_id}: {importing.KEPT_NAMES[one.reason]}.")


@app.command()
def seed(
    count: Annotated[int, typer.Option("--count", min=1, max=500_000, help="Số hồ sơ.")],
    as_json: Json = False,
) -> None:
    """Tạo một tỉnh giả lập để thử tải (chỉ khi sổ còn trống)."""
    from core.database import unit_of_work
    from members import seeding

    with installation():
        try:
            with unit_of_work() as session:
                units = seeding.seed(session, count, progress=counting("Đã tạo"))
        except seeding.SeedError as error:
            fail(str(error))
    if as_json:
        emit({"members": count, "units": units})
    else:
        print(f"Đã tạo {count} hồ sơ giả lập trong {units} đơn vị.")


def _mapping(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        fail(f"Không đọc được bảng ghép cột {path} (cần JSON: trường → tiêu đề cột): {type(error).__name__}", code=2)
    if not isinstance(content, dict):
        fail(f"Bảng ghép cột {path} cần là một đối tượng JSON: trường → tiêu đề cột.", code=2)
    return content


def _refuse(error: ImportFileError, *, as_json: bool) -> NoReturn:
    """The file as a whole cannot be read."""
    if as_json:
        problem = {"row": 1, "column": None, "code": error.code, "message": str(error)}
        emit({"import_id": None, "rows": 0, "imported": 0, "problems": [problem]})
    fail(str(error))
