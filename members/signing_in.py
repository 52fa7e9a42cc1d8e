"""Signing in to the console by password and authenticator code, and changing either.

Whatever is wrong, the answer and the work behind it are the same. An attempt is counted as a failure before the password is
looked at and forgiven when it was right: guesses made at the same moment all count. Refusals are counted and logged in
units of work of their own, because the caller's is undone.
"""

from __future__ import annotations

import base64
import json
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, clock, crypto
from core.database import unit_of_work
from core.text import nfc
from members import passwords, sessions, totp
from members.access import NotVisibleError
from members.accounts import EMAIL_LENGTH, email_key
from members.limiting import SIGN_IN_PER_ADDRESS, Failures, attempts, in_words, network, unknown_emails
from members.models import Account
from members.sessions import Signed

WRONG = "Email, mật khẩu hoặc mã xác thực không đúng."
PENDING_FOR = timedelta(minutes=10)
"""How long a new authenticator secret waits for its first code."""
_PENDING = "totp_pending"


class SignInRefusedError(ValueError):
    """The sign-in, or the proof asked for a change, is refused; nobody is told what was wrong."""

    def __init__(self, message: str = WRONG) -> None:
        super().__init__(message)


class TooManyAttemptsError(SignInRefusedError):
    """It is not time yet for another attempt."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"Đã thử sai nhiều lần. Xin thử lại sau {in_words(wait)}.")


class TooManyFromAddressError(SignInRefusedError):
    """Too many attempts from one network address."""

    def __init__(self) -> None:
        super().__init__("Có quá nhiều lần đăng nhập từ mạng này. Xin thử lại sau 10 phút.")


@dataclass(frozen=True)
class NewAuthenticator:
    """An authenticator secret that waits for its first code. ``pending`` is sealed: the page carries it back."""

    uri: str
    secret: str
    pending: str


def sign_in(session: Session, *, email: str, password: str, code: str, address: str, device: str) -> str:
    """Sign somebody in to the console; returns the token of the new session. Errors: SignInRefusedError and below."""
    check_address(address)
    account_id = _count_attempt(email)
    account = session.get(Account, account_id) if account_id is not None else None
    if not passwords.verify(account.password_hash if account else None, password) or account is None:
        raise _refused("password", account_id, email)
    if account.disabled_at is not None:
        raise _refused("disabled", account_id, email)
    if not totp.accept(session, account, code):
        raise _refused("code", account_id, email)
    assert account.password_hash is not None
    if passwords.is_outdated(account.password_hash):
        account.password_hash = passwords.hash_password(password)
    return start(session, account, method="password", device=device)


def start(session: Session, account: Account, *, method: str, device: str) -> str:
    """Sign in an account whose holder has proven who it is by *method*; returns the token."""
    _forgive(session, account)
    audit.record(
        session,
        "account.signed_in",
        actor_id=account.id,
        object_type="account",
        object_id=account.id,
        subject=account.member_id,
        details={"method": method, "device": device},
    )
    return sessions.start_console(session, account, device=device)


def change_password(
    session: Session, signed: Signed, *, current: str, code: str, new: str, address: str, device: str
) -> str:
    """Set a new password of one's own, end all sessions and begin a new one; returns its token.

    Asks for the current password and a code of the authenticator; with an initial password, which was typed with a code a
    moment ago, for the password only. Errors: SignInRefusedError, PasswordRefusedError.
    """
    own = _own(session, signed)
    new = passwords.check_new(new, email=own.email, name=own.name)
    if new == nfc(current):
        raise passwords.PasswordRefusedError("Mật khẩu mới phải khác mật khẩu hiện tại.")
    needed = None if signed.must_change_password else code
    account = _prove(session, signed, current=current, code=needed, address=address)
    account.password_hash = passwords.hash_password(new)
    account.password_changed_at, account.must_change_password = clock.now(), False
    _forgive(session, account)
    ended = sessions.end_all(session, account.id, kind="console")
    _note_own(session, account, "account.password_changed", {"sign_ins_ended": ended})
    return sessions.start_console(session, account, device=device)


def begin_authenticator(session: Session, signed: Signed, *, current: str, code: str, address: str) -> NewAuthenticator:
    """A new authenticator secret for oneself, after the password and a code of the old one. Errors: SignInRefusedError."""
    account = _prove(session, signed, current=current, code=code, address=address)
    _forgive(session, account)
    secret = totp.new_secret()
    value = {"secret": secret, "at": clock.now().isoformat(), "sign_in": str(signed.sign_in_id)}
    sealed = crypto.seal(session, account.id, json.dumps(value).encode(), context=_PENDING)
    return _waiting(account, secret, base64.urlsafe_b64encode(sealed).decode())


def waiting_authenticator(session: Session, signed: Signed, pending: str) -> NewAuthenticator:
    """The secret that waits, to show it again. Errors: SignInRefusedError (not this session's, or too old)."""
    account = _own(session, signed)
    return _waiting(account, _pending_secret(session, signed, pending), pending)


def confirm_authenticator(session: Session, signed: Signed, *, pending: str, code: str) -> None:
    """Take the new secret into use once a code of it is right; other sessions end. Errors: SignInRefusedError."""
    account = _own(session, signed)
    secret = _pending_secret(session, signed, pending)
    step = totp.matching_step(secret, code)
    if step is None:
        raise SignInRefusedError(
            "Mã xác thực chưa đúng. Xin quét lại mã QR rồi nhập mã 6 số đang hiện trên điện thoại."
        )
    account.totp_sealed = totp.seal(session, account.id, secret)
    account.totp_last_step = step
    ended = sessions.end_all(session, account.id, keep=signed.sign_in_id, kind="console")
    _note_own(session, account, "account.authenticator_renewed", {"sign_ins_ended": ended})


def end_others(session: Session, signed: Signed) -> int:
    """End all sign-ins of one's own but the present one; returns how many."""
    account = _own(session, signed)
    ended = sessions.end_all(session, account.id, keep=signed.sign_in_id)
    _note_own(session, account, "account.others_signed_out", {"sign_ins_ended": ended})
    return ended


def sign_out(session: Session, signed: Signed, sign_in_id: uuid.UUID | None = None) -> None:
    """End the present sign-in, or another one of one's own. Errors: NotVisibleError."""
    account = _own(session, signed)
    sessions.end_own(session, account.id, sign_in_id or signed.sign_in_id)
    _note_own(session, account, "account.signed_out", {"other": sign_in_id not in (None, signed.sign_in_id)})


def check_address(address: str) -> None:
    """Count an attempt from a network address. Errors: TooManyFromAddressError."""
    if not attempts.allow(SIGN_IN_PER_ADDRESS, "sign-in", network(address)):
        note_refusal("too_many_from_address")
        raise TooManyFromAddressError


def note_refusal(reason: str, account_id: uuid.UUID | None = None, email: str | None = None) -> None:
    """Log a refused sign-in by a unit of work of its own; an e-mail without account by the start of its keyed hash."""
    details = {"reason": reason}
    if account_id is None and email is not None:
        details["email"] = _email_hash(email).hex()[:12]
    with unit_of_work() as session:
        audit.record(
            session,
            "account.sign_in_refused",
            actor_id=None,
            object_type="account",
            object_id=account_id,
            details=details,
        )


def _refused(reason: str, account_id: uuid.UUID | None, email: str) -> SignInRefusedError:
    note_refusal(reason, account_id, email)
    return SignInRefusedError()


def _email_hash(email: str) -> bytes:
    return crypto.lookup_hash(email_key(email), purpose="sign-in")


def _count_attempt(email: str) -> uuid.UUID | None:
    """Count the attempt; the account's id, None for an e-mail that nobody has. Errors: TooManyAttemptsError."""
    key, account_id = email_key(email[: 2 * EMAIL_LENGTH]), None
    with unit_of_work() as session:
        account = session.scalars(select(Account).where(Account.email_key == key).with_for_update()).one_or_none()
        if account is not None:
            account_id, waiting = account.id, _count(account, clock.now())
        else:
            waiting = unknown_emails.count(_email_hash(key))
    if waiting is not None:
        note_refusal("locked", account_id, key)
        raise TooManyAttemptsError(waiting)
    return account_id


def _count(account: Account, now: datetime) -> timedelta | None:
    before = Failures(account.failures, account.locked_until)
    waiting = before.waiting(now)
    if waiting is None:
        after = before.after(now)
        account.failures, account.locked_until = after.count, after.locked_until
    return waiting


def _forgive(session: Session, account: Account) -> None:
    session.refresh(account, ["failures", "locked_until"])  # counted by another unit of work
    account.failures, account.locked_until = 0, None


def _own(session: Session, signed: Signed) -> Account:
    """The account of who is signed in. Errors: NotVisibleError (the command line has none)."""
    if signed.actor.account_id is None:
        raise NotVisibleError
    return session.get_one(Account, signed.actor.account_id)


def _prove(session: Session, signed: Signed, *, current: str, code: str | None, address: str) -> Account:
    """The own account, after its password (and code) were given once more; guesses count as those at the sign-in do."""
    check_address(address)
    account_id = signed.actor.account_id
    with unit_of_work() as counting:
        row = counting.get(Account, account_id, with_for_update=True) if account_id is not None else None
        if row is None or row.password_hash is None:
            raise NotVisibleError
        waiting = _count(row, clock.now())
    if waiting is not None:
        note_refusal("locked", account_id)
        raise TooManyAttemptsError(waiting)
    account = _own(session, signed)
    if not passwords.verify(account.password_hash, current):
        note_refusal("password", account_id)
        raise SignInRefusedError("Mật khẩu hiện tại hoặc mã xác thực không đúng.")
    if code is not None and not totp.accept(session, account, code):
        note_refusal("code", account_id)
        raise SignInRefusedError("Mật khẩu hiện tại hoặc mã xác thực không đúng.")
    return account


def _pending_secret(session: Session, signed: Signed, pending: str) -> str:
    account = _own(session, signed)
    try:
        sealed = base64.urlsafe_b64decode(pending.encode())
        value = json.loads(crypto.unseal(session, account.id, sealed, context=_PENDING))
    except (ValueError, crypto.CryptoError) as error:
        raise SignInRefusedError("Xin làm lại từ đầu việc đổi ứng dụng xác thực.") from error
    expired = clock.now() - datetime.fromisoformat(value["at"]) > PENDING_FOR
    if expired or value["sign_in"] != str(signed.sign_in_id):
        raise SignInRefusedError("Mã QR này đã hết hạn. Xin làm lại từ đầu việc đổi ứng dụng xác thực.")
    secret: str = value["secret"]
    return secret


def _waiting(account: Account, secret: str, pending: str) -> NewAuthenticator:
    return NewAuthenticator(totp.uri(secret, account.email or account.name), secret, pending)


def _note_own(session: Session, account: Account, action: str, details: dict[str, int | bool]) -> None:
    audit.record(
        session,
        action,
        actor_id=account.id,
        object_type="account",
        object_id=account.id,
        subject=account.member_id,
        details=details,
    )
