"""``sotay backup`` and ``sotay restore``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sotay.terminal import Json, emit, fail, installation, say

app = typer.Typer()


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(metavar="PATH", help="Thư mục, hoặc tên tệp chưa có.")],
    keys: Annotated[
        Path | None, typer.Option("--keys", metavar="FILE", help="Chép khóa chủ ra tệp này (cất riêng).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Sao lưu cơ sở dữ liệu vào một tệp; chạy được khi hệ thống đang phục vụ."""
    from core.crypto import CryptoError, keys_file
    from sotay import backup as making

    with installation():
        try:
            made = making.make(target, keys=keys)
        except (making.BackupError, CryptoError) as error:
            fail(str(error))
        where = keys_file()
    if as_json:
        emit(made)
    else:
        print(f"Đã sao lưu vào {made['archive']} ({made['bytes']} byte, SHA-256 {made['sha256']}).")
    if keys is None and made["keys_needed"]:
        say(
            f"Khóa không nằm trong bản sao lưu. Khóa ở {where}; thiếu nó thì dữ liệu cá nhân trong bản sao lưu không đọc được:"
            " hãy cất một bản ở nơi khác (hoặc sao lưu kèm --keys TỆP)."
        )
    if made["audit"]["fault"]:
        say("Cảnh báo: nhật ký không toàn vẹn; chạy `sotay audit verify`.")


@app.command()
def restore(
    archive: Annotated[Path, typer.Argument(metavar="FILE", help="Bản sao lưu.")],
    keys: Annotated[
        Path | None,
        typer.Option("--keys", metavar="FILE", help="Tệp khóa cất cùng bản sao lưu; không có thì dùng khóa đang có."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Không hỏi lại trước khi ghi đè.")] = False,
    as_json: Json = False,
) -> None:
    """Phục hồi một bản sao lưu vào bản cài đặt này (phải dừng trước); ai đã xóa dữ liệu vẫn được xóa."""
    import psycopg
    from sqlalchemy.exc import DBAPIError

    from core.crypto import CryptoError
    from core.ledger import LedgerError
    from sotay import restore as restoring
    from sotay.backup import BackupError

    def confirm(warning: str) -> None:
        say(warning)
        if not yes and not typer.confirm("Tiếp tục?", default=False, err=True):
            raise BackupError("Không thay đổi gì.")

    with installation(migrate=False):
        try:
            done = restoring.restore(archive, keys=keys, confirm=confirm, note=say)
        except CryptoError as error:
            fail(f"Không dùng được tệp khóa (cannot use the master keys): {error}")
        except (BackupError, LedgerError) as error:
            fail(str(error))
        except (DBAPIError, psycopg.Error) as error:
            said = error.orig if isinstance(error, DBAPIError) else error
            fail(f"Không phục hồi được, dữ liệu đang có còn nguyên (the database reports an error): {said}")
    if as_json:
        emit(done)
        return
    counts = ", ".join(f"{name} {count}" for name, count in done["counts"].items())
    print(
        f"Đã phục hồi bản sao lưu lúc {done['made_at']}: {counts}. Xóa lại {done['erased_again']} người đã yêu cầu xóa."
    )
    if done["audit"]["fault"]:
        say("Cảnh báo: nhật ký trong bản sao lưu không toàn vẹn; chạy `sotay audit verify`.")
