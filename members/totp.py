"""Codes of an authenticator app (TOTP, RFC 6238: SHA-1, six digits, 30 seconds), each accepted once."""

from __future__ import annotations

import hmac
import uuid

import pyotp
import segno
from sqlalchemy import update
from sqlalchemy.orm import Session

from core import clock, crypto
from members.models import Account

ISSUER = "Sổ tay"
STEP_SECONDS = 30
WINDOW = 1
"""Steps before and after the present one that count: clocks differ, and people type slowly."""
_CONTEXT = "totp"


def new_secret() -> str:
    """A random secret of 160 bits in Base32."""
    return pyotp.random_base32(32)


def uri(secret: str, email: str) -> str:
    """The address by which authenticator apps take a secret (``otpauth://``)."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=ISSUER)


def qr_svg(uri: str) -> str:
    """*uri* as a QR code: an SVG element without styles, dark on white."""
    return segno.make(uri, error="m").svg_inline(
        scale=5, border=4, dark="#000", light="#fff", svgclass=None, lineclass=None
    )


def matching_step(secret: str, code: str) -> int | None:
    """The time step whose code this is, within the window around the present; None for any other code."""
    digits = "".join(code.split())
    if len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return None
    present = int(clock.now().timestamp()) // STEP_SECONDS
    codes = pyotp.HOTP(secret)
    matching = None
    for step in range(present - WINDOW, present + WINDOW + 1):
        if hmac.compare_digest(codes.at(step), digits):
            matching = step
    return matching


def seal(session: Session, account_id: uuid.UUID, secret: str) -> bytes:
    """The secret as it is stored, under the account's key."""
    return crypto.seal(session, account_id, secret.encode(), context=_CONTEXT)


def secret_of(session: Session, account: Account) -> str | None:
    """The secret of *account*; None when it has none."""
    if account.totp_sealed is None:
        return None
    return crypto.unseal(session, account.id, account.totp_sealed, context=_CONTEXT).decode()


def accept(session: Session, account: Account, code: str) -> bool:
    """Whether *code* is the account's and newer than every code accepted before; it is used up by that.

    The comparison and the note of the step are one statement: of two requests with one code, one is accepted.
    """
    secret = secret_of(session, account)
    step = matching_step(secret, code) if secret is not None else None
    if step is None:
        return False
    accepted = session.scalar(
        update(Account)
        .where(Account.id == account.id, Account.totp_last_step < step)
        .values(totp_last_step=step)
        .returning(Account.id)
    )
    return accepted is not None
