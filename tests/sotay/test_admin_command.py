"""``sotay admin create``: the first administrator, shown once."""

from __future__ import annotations

import json

import pyotp
import pytest
from sqlalchemy import func, select
from typer.testing import CliRunner

from core import clock
from core.database import unit_of_work
from members import signing_in
from members.access import Permission
from members.limiting import attempts
from members.models import Account, Unit
from members.sessions import resolve_console
from sotay.cli import app

pytestmark = pytest.mark.usefixtures("database")


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["admin", "create", *arguments])
    return result.exit_code, result.stdout, result.stderr


def count(table: type) -> int:
    with unit_of_work() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_the_administrator_signs_in_with_what_is_printed() -> None:
    code, out, _ = run("--email", "Quan.Tri@song-xanh.vn", "--name", "Nguyễn Văn Quản", "--json")
    made = json.loads(out)
    assert (code, list(made)) == (0, ["email", "password", "totp_uri"])
    assert made["email"] == "Quan.Tri@song-xanh.vn"
    attempts.clear()
    with unit_of_work() as session:
        token = signing_in.sign_in(
            session,
            email=made["email"],
            password=made["password"],
            code=pyotp.parse_uri(made["totp_uri"]).at(clock.now()),  # type: ignore[union-attr]
            address="127.0.0.1",
            device="x",
        )
    with unit_of_work() as session:
        signed = resolve_console(session, token)
        assert signed is not None
        assert (signed.actor.name, signed.must_change_password) == ("Nguyễn Văn Quản", True)
        assert all(signed.actor.may_everywhere(permission) for permission in Permission)
        assert session.scalars(select(Unit.name)).all() == ["Tổ chức"]


def test_a_second_one_joins_the_first_in_words_for_people() -> None:
    assert run("--email", "mot@song-xanh.vn")[0] == 0
    code, out, error = run("--email", "hai@song-xanh.vn")
    assert (code, count(Unit), count(Account)) == (0, 1, 2)
    assert [line.partition(":")[0] for line in out.splitlines()] == ["Email", "Mật khẩu", "Mã xác thực"]
    assert "không hiện lại lần nào nữa" in error


@pytest.mark.parametrize("email", ["", "quan.tri", "quan tri@song.vn", "quan.tri@song"])
def test_a_bad_address_is_refused(email: str) -> None:
    code, out, error = run("--email", email, "--json")
    assert (code, out, count(Account), count(Unit)) == (1, "", 0, 0)
    assert "Địa chỉ email không hợp lệ." in error


def test_an_address_that_exists_is_refused() -> None:
    run("--email", "mot@song-xanh.vn")
    code, out, error = run("--email", "MOT@song-xanh.vn", "--json")
    assert (code, out, count(Account)) == (1, "", 1)
    assert "Đã có tài khoản dùng địa chỉ email này." in error
