"""``sotay admin``: the first administrator, or another one when nobody can sign in any more."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sotay.terminal import Json, emit, fail, installation, say

app = typer.Typer(no_args_is_help=True, help="Quản trị viên của trang quản trị.")


@app.callback()
def _group() -> None:
    """Keep ``create`` a command of its own while it is the only one."""


@app.command()
def create(
    email: Annotated[str, typer.Option("--email", help="Địa chỉ email để đăng nhập.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Họ tên (mặc định: phần trước @ của địa chỉ email).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Tạo quản trị viên toàn tổ chức; mật khẩu đầu tiên và mã xác thực chỉ hiện một lần."""
    import segno

    from core.database import unit_of_work
    from members import accounts

    with installation():
        try:
            with unit_of_work() as session:
                made = accounts.create_administrator(session, email=email, name=name)
        except accounts.AccountError as error:
            fail(f"Không tạo được (cannot create the account): {error}")
    if as_json:
        emit({"email": accounts.clean_email(email), "password": made.password, "totp_uri": made.totp_uri})
        return
    print(f"Email:      {accounts.clean_email(email)}")
    print(f"Mật khẩu:   {made.password}")
    print(f"Mã xác thực: {made.totp_uri}")
    if sys.stdout.isatty():
        segno.make(made.totp_uri, error="l").terminal(compact=True)
    say(
        "Quét mã bằng ứng dụng xác thực, đăng nhập ở /admin và đặt mật khẩu mới. Các giá trị này không hiện lại lần nào nữa."
    )
