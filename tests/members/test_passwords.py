"""Passwords: what a new one must be like, hashes that follow the settings, initial ones that can be read out."""

from __future__ import annotations

import re

import pytest
from argon2 import extract_parameters

from core import settings
from members import passwords

pytestmark = pytest.mark.usefixtures("data_dir")


@pytest.fixture
def stronger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOTAY_ARGON2_MEMORY_KIB", "20480")
    monkeypatch.setenv("SOTAY_ARGON2_PASSES", "3")
    settings.settings.cache_clear()


@pytest.fixture(autouse=True)
def _settings_again() -> object:
    yield
    settings.settings.cache_clear()


def test_a_hash_is_argon2id_at_owasps_minimum_and_fits_its_password_only() -> None:
    hashed = passwords.hash_password("bốn con hạc giấy")
    parameters = extract_parameters(hashed)
    assert (parameters.type.name, parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (
        "ID",
        19456,
        2,
        1,
    )
    assert passwords.verify(hashed, "bốn con hạc giấy")
    assert not passwords.verify(hashed, "bốn con hạc giấy ")
    assert not passwords.is_outdated(hashed)


def test_both_writings_of_a_letter_are_one_password() -> None:
    hashed = passwords.hash_password("b\u1ed1n con h\u1ea1c giấy")
    assert passwords.verify(hashed, "bo\u0302\u0301n con ha\u0323c giấy")


def test_without_a_hash_nothing_fits() -> None:
    assert not passwords.verify(None, "")
    assert not passwords.verify("not a hash", "x")


def test_what_is_longer_than_a_password_may_be_never_fits() -> None:
    hashed = passwords.hash_password("")
    assert not passwords.verify(hashed, "x" * 129)


@pytest.mark.usefixtures("stronger")
def test_a_hash_made_with_other_parameters_is_outdated_and_still_fits() -> None:
    settings.settings.cache_clear()
    stronger = passwords.hash_password("bốn con hạc giấy")
    assert (extract_parameters(stronger).memory_cost, extract_parameters(stronger).time_cost) == (20480, 3)
    weaker = passwords._make_hasher(19456, 2).hash("bốn con hạc giấy")
    assert passwords.is_outdated(weaker)
    assert passwords.verify(weaker, "bốn con hạc giấy")


def test_initial_passwords_can_be_read_out_and_differ() -> None:
    made = {passwords.make_initial() for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"(?:[a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}", password) for password in made)
    for password in made:
        assert passwords.check_new(password, email="a@example.org", name="Nguyễn Văn A") == password


@pytest.mark.parametrize(
    ("password", "start"),
    [
        ("ngắn quá 123", None),
        ("ngắn quá 12", "Mật khẩu mới cần ít nhất 12 ký tự."),
        ("o\u0302\u0301o\u0302\u0301o\u0302\u0301o\u0302\u0301", "Mật khẩu mới cần ít nhất 12 ký tự."),
        ("dài " * 32 + "!", "Mật khẩu mới dài quá 128 ký tự."),
        ("dài và lạ lẫm " * 9, None),
        ("aaaaaaaaaaaaaaab", "Mật khẩu mới quá đơn giản."),
        ("abcdefghijklmn", "Mật khẩu mới quá đơn giản."),
        ("987654321098", "Mật khẩu mới quá đơn giản."),
        ("Matkhau@123456", "Mật khẩu mới thuộc loại nhiều người dùng"),
        ("Mật khẩu 2026!!", "Mật khẩu mới thuộc loại nhiều người dùng"),
        ("Administrator1", "Mật khẩu mới thuộc loại nhiều người dùng"),
        ("nguyenvanan1990", "Mật khẩu mới không được ghép từ"),
        ("Nguyễn Văn An 90", "Mật khẩu mới không được ghép từ"),
        ("van.an@song-xanh.vn", "Mật khẩu mới không được ghép từ"),
        ("tổ chức tổ chức 1", "Mật khẩu mới không được ghép từ"),
        ("ba con mèo mướp ngủ", None),
    ],
)
def test_a_new_password_is_long_and_not_guessable(password: str, start: str | None) -> None:
    if start is None:
        assert passwords.check_new(password, email="van.an@song-xanh.vn", name="Nguyễn Văn An")
        return
    with pytest.raises(passwords.PasswordRefusedError) as caught:
        passwords.check_new(password, email="van.an@song-xanh.vn", name="Nguyễn Văn An")
    assert str(caught.value).startswith(start)
