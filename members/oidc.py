"""Sign-in to the console by OpenID Connect: the authorization code flow with PKCE, state and nonce.

By setting only. Accounts are never made here: somebody is known by the subject that was seen before, or, the first time, by
the verified e-mail of an account that exists and is not disabled. What was begun is finished once, by the same browser,
within ten minutes. Rules: OpenID Connect Core 1.0, 3.1; RFC 7636; RFC 9207; RFC 9700.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from core import audit, clock
from core.database import unit_of_work
from core.settings import Settings, settings
from members import signing_in
from members.accounts import email_key
from members.models import Account, OidcAttempt

LIFETIME = timedelta(minutes=10)
"""How long a sign-in may take at the provider."""
LEEWAY_SECONDS = 60
"""Clocks differ."""
ALGORITHMS = ("RS256", "PS256", "ES256", "RS384", "PS384", "ES384", "RS512", "PS512", "ES512")
"""Signatures by a key of the provider; never by a shared secret, never none."""
_KEPT = timedelta(hours=1)
"""How long the provider's description is used before it is asked for again."""
_TIMEOUT_SECONDS = 10
_LARGEST = 1 << 20


class OidcError(ValueError):
    """The sign-in by OpenID Connect does not succeed; the message is for the person."""

    def __init__(
        self, message: str = "Không đăng nhập được bằng tài khoản cơ quan. Xin thử lại, hoặc dùng mật khẩu."
    ) -> None:
        super().__init__(message)


class OidcUnavailableError(OidcError):
    """The provider cannot be reached, or its answers make no sense; the log says more."""

    def __init__(self, why: str) -> None:
        super().__init__("Chưa kết nối được với hệ thống đăng nhập của cơ quan. Xin thử lại sau, hoặc dùng mật khẩu.")
        self.why = why


class _Refused(Exception):  # noqa: N818 - turned into OidcError once it is logged
    """Why an answer of the provider is not believed."""


@dataclass(frozen=True)
class _Provider:
    """What the provider says about itself (OpenID Connect Discovery 1.0), and its keys."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str | None
    authentication: str
    jwks_uri: str
    keys: KeySet
    read_at: datetime


_known: dict[str, _Provider] = {}
_known_lock = threading.Lock()


def configured() -> bool:
    """Whether this installation has a provider."""
    chosen = settings()
    return bool(chosen.oidc_issuer and chosen.oidc_client_id and chosen.oidc_client_secret_file)


def forget_provider() -> None:
    """Ask the provider anew the next time (settings changed)."""
    with _known_lock:
        _known.clear()


def begin(session: Session, *, redirect_uri: str, browser: str) -> str:
    """Begin a sign-in in a browser (a secret in its cookie); returns the provider's address to go to. Errors: OidcError."""
    try:
        provider = _provider()
    except OidcUnavailableError as error:
        _note("provider_unavailable", detail=error.why)
        raise
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    now = clock.now()
    session.execute(delete(OidcAttempt).where(OidcAttempt.created_at < now - LIFETIME))
    session.add(
        OidcAttempt(
            state_hash=_hash(state), nonce=nonce, verifier=verifier, browser_hash=_hash(browser), created_at=now
        )
    )
    session.flush()
    with _client(provider, redirect_uri) as client:
        address, _ = client.create_authorization_url(
            provider.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
        )
    return str(address)


def finish(
    session: Session, *, redirect_uri: str, answer: Mapping[str, str], browser: str, address: str, device: str
) -> str:
    """Finish a sign-in with what the provider sent the browser back with; returns the console's token.

    Errors: OidcError, SignInRefusedError (too many attempts).
    """
    signing_in.check_address(address)
    try:
        provider, claims = _answered(answer, browser, redirect_uri)
        account = _account(session, provider, claims)
    except OidcUnavailableError as error:
        _note("provider_unavailable", detail=error.why)
        raise
    except _Refused as error:
        _note(str(error))
        raise OidcError from error
    return signing_in.start(session, account, method="oidc", device=device)


def _answered(answer: Mapping[str, str], browser: str, redirect_uri: str) -> tuple[_Provider, dict[str, Any]]:
    """The provider and what it says about the person. Errors: _Refused, OidcUnavailableError."""
    attempt = _take(answer.get("state", ""), browser)
    if "error" in answer:
        raise _Refused("provider_error")
    provider = _provider()
    if answer.get("iss", provider.issuer) != provider.issuer:
        raise _Refused("other_issuer")
    return provider, _claims(provider, attempt, answer.get("code", ""), redirect_uri)


def _hash(value: str) -> bytes:
    return hashlib.sha256(value.encode()).digest()


def _note(reason: str, *, detail: str | None = None) -> None:
    """Refusals are logged by a unit of work of their own, without what the provider said about the person."""
    with unit_of_work() as session:
        audit.record(
            session,
            "account.sign_in_refused",
            actor_id=None,
            object_type="account",
            details={"method": "oidc", "reason": reason, **({"detail": detail} if detail else {})},
        )


def _take(state: str, browser: str) -> OidcAttempt:
    """The attempt that *state* belongs to, used up by that whatever comes of it. Errors: _Refused."""
    with unit_of_work() as session:
        found = session.scalars(select(OidcAttempt).where(OidcAttempt.state_hash == _hash(state)).with_for_update())
        attempt = found.one_or_none()
        if attempt is None:
            raise _Refused("unknown_state")
        if not hmac.compare_digest(attempt.browser_hash, _hash(browser)):
            raise _Refused("other_browser")  # the attempt stays: its own browser may still finish it
        session.delete(attempt)
    if clock.now() - attempt.created_at > LIFETIME:
        raise _Refused("too_late")
    return attempt


def _client(provider: _Provider, redirect_uri: str) -> Any:  # noqa: ANN401 - Authlib has no types
    chosen = settings()
    return OAuth2Client(
        chosen.oidc_client_id,
        _client_secret(chosen),
        token_endpoint_auth_method=provider.authentication,
        scope="openid email profile",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        timeout=_TIMEOUT_SECONDS,
    )


def _client_secret(chosen: Settings) -> str:
    assert chosen.oidc_client_secret_file is not None
    try:
        return chosen.oidc_client_secret_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise OidcUnavailableError(f"the client secret cannot be read: {type(error).__name__}") from error


def _claims(provider: _Provider, attempt: OidcAttempt, code: str, redirect_uri: str) -> dict[str, Any]:
    """What the provider says about the person, checked. Errors: _Refused, OidcUnavailableError."""
    if not code:
        raise _Refused("no_code")
    with _client(provider, redirect_uri) as client:
        try:
            token = client.fetch_token(
                provider.token_endpoint, grant_type="authorization_code", code=code, code_verifier=attempt.verifier
            )
        except OAuthError as error:
            raise _Refused("code_refused") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise OidcUnavailableError(f"the token endpoint does not answer: {type(error).__name__}") from error
        if not isinstance(token.get("id_token"), str):
            raise _Refused("no_id_token")
        claims = _id_token(provider, attempt, token)
        if "email" not in claims and provider.userinfo_endpoint is not None:
            claims = {**_user_info(client, provider, str(claims["sub"])), **claims}
    return claims


def _id_token(provider: _Provider, attempt: OidcAttempt, token: Mapping[str, Any]) -> dict[str, Any]:
    client_id = settings().oidc_client_id
    try:
        decoded = _decode(provider, token["id_token"])
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": client_id},
                "sub": {"essential": True},
            },
            params={"nonce": attempt.nonce, "client_id": client_id, "access_token": token.get("access_token")},
        )
        claims.validate(now=int(clock.now().timestamp()), leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError) as error:
        raise _Refused(f"id_token: {type(error).__name__}") from error
    if not isinstance(claims["sub"], str) or not claims["sub"]:
        raise _Refused("no_subject")
    return dict(claims)


def _decode(provider: _Provider, id_token: str) -> jwt.Token:
    try:
        return jwt.decode(id_token, provider.keys, algorithms=list(ALGORITHMS))
    except (JoseError, ValueError):  # perhaps the provider has new keys
        fresh = _provider(fresh=True)
        return jwt.decode(id_token, fresh.keys, algorithms=list(ALGORITHMS))


def _user_info(client: Any, provider: _Provider, subject: str) -> dict[str, Any]:  # noqa: ANN401 - Authlib has no types
    try:
        response = client.get(provider.userinfo_endpoint)
        response.raise_for_status()
        claims = response.json()
    except (httpx2.HTTPError, OAuthError, ValueError) as error:
        raise OidcUnavailableError(f"the userinfo endpoint does not answer: {type(error).__name__}") from error
    if not isinstance(claims, dict) or claims.get("sub") != subject:
        raise _Refused("other_subject")
    return claims


def _account(session: Session, provider: _Provider, claims: Mapping[str, Any]) -> Account:
    """The account of the person; the first time, the subject is noted. Errors: _Refused."""
    subject = f"{provider.issuer} {claims['sub']}"
    email = claims.get("email")
    verified = isinstance(email, str) and claims.get("email_verified") is True
    by_email = Account.email_key == email_key(email) if verified and isinstance(email, str) else Account.id.is_(None)
    candidates = session.scalars(
        select(Account).where(or_(Account.oidc_subject == subject, by_email)).with_for_update()
    ).all()
    known = next((account for account in candidates if account.oidc_subject == subject), None)
    account = known or next(iter(candidates), None)
    if account is None:
        raise _Refused("no_account" if verified or not email else "email_not_verified")
    if account.disabled_at is not None:
        raise _Refused("disabled")
    if known is None:
        if account.oidc_subject is not None:
            raise _Refused("other_subject_linked")
        account.oidc_subject = subject
        audit.record(
            session,
            "account.oidc_linked",
            actor_id=account.id,
            object_type="account",
            object_id=account.id,
            subject=account.member_id,
        )
    return account


def _provider(*, fresh: bool = False) -> _Provider:
    """The provider's description, read at most once an hour. Errors: OidcUnavailableError."""
    issuer = settings().oidc_issuer
    assert issuer is not None
    with _known_lock:
        known = _known.get(issuer)
    if known is not None and not fresh and clock.now() - known.read_at < _KEPT:
        return known
    provider = _read_provider(issuer)
    with _known_lock:
        _known[issuer] = provider
    return provider


def _read_provider(issuer: str) -> _Provider:
    _require_safe(issuer)
    try:
        with httpx2.Client(timeout=_TIMEOUT_SECONDS) as client:
            described = _read(client, issuer.rstrip("/") + "/.well-known/openid-configuration")
            endpoints = [str(described[name]) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
            userinfo = described.get("userinfo_endpoint")
            for address in [*endpoints, *([userinfo] if userinfo else [])]:
                _require_safe(address)
            keys = KeySet.import_key_set(_read(client, endpoints[2]))  # type: ignore[arg-type]  # checked by the library
    except (httpx2.HTTPError, JoseError, KeyError, ValueError, TypeError) as error:
        if isinstance(error, OidcUnavailableError):
            raise
        raise OidcUnavailableError(f"the provider cannot be read: {type(error).__name__}") from error
    if described.get("issuer") != issuer:
        raise OidcUnavailableError("the provider calls itself by another name than the setting does")
    methods = described.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    authentication = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
    return _Provider(issuer, endpoints[0], endpoints[1], userinfo, authentication, endpoints[2], keys, clock.now())


def _read(client: httpx2.Client, address: str) -> dict[str, Any]:
    response = client.get(address)
    response.raise_for_status()
    if len(response.content) > _LARGEST:
        raise OidcUnavailableError("the provider's answer is too large")
    content = response.json()
    if not isinstance(content, dict):
        raise OidcUnavailableError("the provider's answer is not an object")
    return content


def _require_safe(address: str) -> None:
    """Only TLS, but for a provider on this machine. Errors: OidcUnavailableError."""
    parts = urlsplit(address)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1")):
        return
    raise OidcUnavailableError("the provider is not reached by https")
