"""Receipts: what a person quotes when asking about a request. Nothing about the person is in them."""

from __future__ import annotations

import secrets

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0 and O, 1, I and L, which people confuse."""

PREFIX = "YC"


def new_receipt() -> str:
    """A code such as "YC-7K3M-9QX2": eight random letters and digits (39 bits)."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(8))
    return f"{PREFIX}-{letters[:4]}-{letters[4:]}"


def normalise(typed: str) -> str | None:
    """The receipt that somebody typed, whatever the case, blanks and hyphens; None when it cannot be one."""
    letters = "".join(letter for letter in typed[:40].upper() if letter.isalnum())
    if not letters.startswith(PREFIX):
        return None
    code = letters.removeprefix(PREFIX)
    if len(code) != 8 or any(letter not in ALPHABET for letter in code):
        return None
    return f"{PREFIX}-{code[:4]}-{code[4:]}"
