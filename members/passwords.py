"""Passwords: Argon2id, what a new one must be like, initial ones that can be read out.

Parameters are settings and never below OWASP's minimum (19 MiB, 2 passes, parallelism 1); a hash made with others is
renewed at the next sign-in. What a new password must be like follows NIST SP 800-63B and OWASP ASVS 5 (V6.2): length
counts, rules about kinds of characters do not exist, common and guessable ones are refused.
"""

from __future__ import annotations

import itertools
import os
import re
import secrets
import threading
from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from core.settings import settings
from core.text import fold, nfc

SHORTEST = 12
LONGEST = 128
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without 0, o, 1, l, i: what is read out or copied by hand."""
_GROUPS, _GROUP = 4, 4

_COMMON = frozenset(
    {
        "123456789012", "1234567890123", "12345678901234", "1234567890", "0123456789", "098765432100", "987654321",
        "password", "passw0rd", "p4ssword", "matkhau", "matkhaumanh", "matkhaucuatoi", "khongcomatkhau", "quenmatkhau",
        "anhyeuem", "emyeuanh", "iloveyou", "yeuanhnhieu", "conyeubome", "giadinhlatatca", "hanhphuc", "vietnam",
        "vietnammuonnam", "vietnamvodich", "hanoi", "saigon", "hochiminh", "thanhpho", "quantri", "quantrivien",
        "administrator", "admin", "welcome", "xinchao", "letmein", "changeme", "changethis", "qwertyuiop", "qwertyuiopas",
        "asdfghjkl", "zxcvbnm", "qazwsxedc", "1qaz2wsx3edc", "1q2w3e4r5t6y", "abcdefghijkl", "abcdefghijklmnop",
        "abc123456789", "a123456789", "monkey", "dragon", "football", "bongda", "superman", "trustno", "secret", "bimat",
        "dangcongsan", "dangvien", "chibo", "sotay", "sotaydangvien", "dienthoai", "maytinh", "facebook", "zalo",
    }
)  # fmt: skip
"""Words that common passwords are made of, folded, without anything but letters and digits."""

_hashing = threading.BoundedSemaphore(max(2, os.cpu_count() or 2))
"""Hashes computed at a time: more would only take memory (19 MiB each) from everything else."""


class PasswordRefusedError(ValueError):
    """The password cannot be used; the message says why."""


def _hasher() -> PasswordHasher:
    chosen = settings()
    return _make_hasher(chosen.argon2_memory_kib, chosen.argon2_passes)


@lru_cache(maxsize=4)
def _make_hasher(memory_kib: int, passes: int) -> PasswordHasher:
    return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)


@lru_cache(maxsize=4)
def _nobodys_hash(memory_kib: int, passes: int) -> str:
    return _make_hasher(memory_kib, passes).hash(secrets.token_urlsafe(32))


def hash_password(password: str) -> str:
    """The Argon2id hash of *password* in PHC format."""
    with _hashing:
        return _hasher().hash(nfc(password))


def verify(password_hash: str | None, password: str) -> bool:
    """Whether *password* fits; without a hash as much is computed, and the answer is no."""
    typed = nfc(password[: 4 * LONGEST])
    if len(typed) > LONGEST:  # nobody's: nothing that long is hashed
        password_hash, typed = None, ""
    chosen = settings()
    against = password_hash or _nobodys_hash(chosen.argon2_memory_kib, chosen.argon2_passes)
    with _hashing:
        try:
            fits = _hasher().verify(against, typed)
        except (VerificationError, InvalidHashError):
            return False
    return fits and password_hash is not None


def is_outdated(password_hash: str) -> bool:
    """Whether a hash was made with other parameters than those set now."""
    return _hasher().check_needs_rehash(password_hash)


def make_initial() -> str:
    """A random password of 79 bits that can be read out: "hk3p-vx8m-2rtw-9qdn"."""
    groups = ["".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)]
    return "-".join(groups)


def check_new(password: str, *, email: str | None, name: str) -> str:
    """*password* in NFC, when it may be used. Errors: PasswordRefusedError."""
    password = nfc(password)
    if len(password) < SHORTEST:
        raise PasswordRefusedError(f"Mật khẩu mới cần ít nhất {SHORTEST} ký tự. Có thể dùng một câu dễ nhớ.")
    if len(password) > LONGEST:
        raise PasswordRefusedError(f"Mật khẩu mới dài quá {LONGEST} ký tự.")
    plain = _plain(password)
    if len(set(password.lower())) < 5 or _is_run(plain):
        raise PasswordRefusedError(
            "Mật khẩu mới quá đơn giản. Xin chọn một câu hoặc nhiều từ không liên quan với nhau."
        )
    if _without(plain, _COMMON) < SHORTEST // 2:
        raise PasswordRefusedError("Mật khẩu mới thuộc loại nhiều người dùng, dễ bị đoán. Xin chọn mật khẩu khác.")
    local = (email or "").partition("@")[0]
    own = {
        _plain(local),
        _plain(email or ""),
        _plain(name),
        _plain(settings().organisation),
        *map(_plain, name.split()),
    }
    if _without(plain, {word for word in own if len(word) >= 3}) < SHORTEST // 2:
        raise PasswordRefusedError(
            "Mật khẩu mới không được ghép từ email, họ tên hoặc tên tổ chức. Xin chọn mật khẩu khác."
        )
    return password


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", fold(text))


def _without(plain: str, words: frozenset[str] | set[str]) -> int:
    """How much is left of *plain* without these words (longest first) and without the digits at its ends."""
    for word in sorted((word for word in words if word), key=len, reverse=True):
        plain = plain.replace(word, "")
    return len(plain.strip("0123456789"))


def _is_run(plain: str) -> bool:
    """Whether all characters follow one another ("abcdefghijkl", "987654321098")."""
    steps = {(ord(after) - ord(before)) % 10 if before.isdigit() and after.isdigit() else ord(after) - ord(before)
             for before, after in itertools.pairwise(plain)}  # fmt: skip
    return len(steps) == 1
