"""``sotay keys``: renew the master key."""

from __future__ import annotations

from typing import Annotated

import typer

from sotay.terminal import Json, emit, fail, installation, say

app = typer.Typer(no_args_is_help=True, help="Khóa chủ, bọc khóa riêng của từng người.")

RETIRE_WARNING = (
    "Các khóa chủ cũ không còn dùng sẽ bị xóa: những bản sao lưu làm trước đây mà không cất kèm tệp khóa của chúng"
    " sẽ KHÔNG đọc được nữa."
)


@app.callback()
def _group() -> None:
    """Keeps ``rotate`` a command of its own while it is the only one."""


@app.command("rotate")
def rotate(
    retire: Annotated[bool, typer.Option("--retire", help="Xóa các khóa chủ cũ không còn bọc gì.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Không hỏi lại.")] = False,
    as_json: Json = False,
) -> None:
    """Tạo khóa chủ mới và bọc lại mọi khóa. Chạy được khi hệ thống đang phục vụ."""
    from core import audit, crypto
    from core.database import unit_of_work

    if retire and not yes:
        say(RETIRE_WARNING)
        if not typer.confirm("Tiếp tục?", default=False, err=True):
            fail("Không thay đổi gì.")
    retired = 0
    with installation():
        try:
            with unit_of_work() as session:
                crypto.check(session)
                count = crypto.rotate(session)
                audit.record(session, "keys.rotated", actor_id=None, object_type="keys", details={"rewrapped": count})
            if retire:  # after the commit: nothing is wrapped with the old keys any more
                with unit_of_work() as session:
                    retired = crypto.retire(session)
                    audit.record(
                        session, "keys.retired", actor_id=None, object_type="keys", details={"retired": retired}
                    )
        except crypto.CryptoError as error:
            fail(f"Không đổi được khóa (cannot rotate): {error}")
        master = crypto.current_master()
        where = crypto.keys_file()
    if as_json:
        emit({"rewrapped": count, "master": master, "retired": retired})
        return
    print(f"Khóa chủ mới {master}; đã bọc lại {count} khóa, xóa {retired} khóa chủ cũ.")
    say(f"Hãy cất ngay một bản của {where} ở nơi khác với các bản sao lưu.")
