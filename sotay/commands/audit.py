"""``sotay audit``: whether the log is whole."""

from __future__ import annotations

import typer

from sotay.terminal import Json, emit, fail, installation

app = typer.Typer(no_args_is_help=True, help="Nhật ký: chỉ thêm, không sửa được mà không lộ.")


@app.callback()
def _group() -> None:
    """Keeps ``verify`` a command of its own while it is the only one."""


@app.command("verify")
def verify(as_json: Json = False) -> None:
    """Kiểm tra toàn bộ chuỗi băm của nhật ký và các mốc lưu ngoài cơ sở dữ liệu."""
    from core import anchors
    from core.database import unit_of_work
    from core.ledger import LedgerError

    with installation():
        try:
            with unit_of_work() as session:
                found = anchors.check_and_note(session)
        except LedgerError as error:
            fail(f"Không đọc được tệp mốc của nhật ký (cannot read the anchors): {error}")
    if as_json:
        emit(
            {
                "entries": found.entries,
                "head": found.head.hex(),
                "anchors": found.anchors,
                "ok": found.fault is None,
                "fault": {"id": found.fault.id, "reason": found.fault.reason} if found.fault else None,
            }
        )
    elif found.fault is None:
        print(f"Nhật ký toàn vẹn: {found.entries} dòng, khớp {found.anchors} mốc. Mã băm cuối: {found.head.hex()}")
    if found.fault is not None:
        fail(
            f"Nhật ký KHÔNG toàn vẹn từ dòng {found.fault.id}: {found.fault.reason}."
            " Xem docs/operations.md, mục “Khi nhật ký bị sửa”."
        )
