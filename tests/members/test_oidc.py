"""Sign-in by OpenID Connect, from the console's link to a signed-in browser, with a provider that keeps to the protocol."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from joserfc.jwk import OctKey, RSAKey
from sqlalchemy import func, select

from core import clock, settings
from core.audit import AuditEntry
from core.database import unit_of_work
from members import oidc
from members.access import Role
from members.limiting import attempts
from members.models import Account, OidcAttempt
from sotay.app import create_app
from tests.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider
from tests.people import make_account, make_units

pytestmark = pytest.mark.usefixtures("database")

REFUSED = "Không đăng nhập được bằng tài khoản cơ quan. Xin thử lại, hoặc dùng mật khẩu."
UNAVAILABLE = "Chưa kết nối được với hệ thống đăng nhập của cơ quan. Xin thử lại sau, hoặc dùng mật khẩu."


@pytest.fixture
def provider(tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    attempts.clear()
    oidc.forget_provider()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    secret = tmp_path / "bí mật"
    secret.write_text(CLIENT_SECRET + "\n", encoding="utf-8")
    with Provider(person={"sub": "248289", "email": "Thu@song-xanh.vn", "email_verified": True}) as running:
        monkeypatch.setenv("SOTAY_OIDC_ISSUER", running.issuer)
        monkeypatch.setenv("SOTAY_OIDC_CLIENT_ID", CLIENT_ID)
        monkeypatch.setenv("SOTAY_OIDC_CLIENT_SECRET_FILE", str(secret))
        settings.settings.cache_clear()
        yield running
    monkeypatch.undo()
    settings.settings.cache_clear()
    oidc.forget_provider()


@pytest.fixture
def account_id(provider: Provider) -> uuid.UUID:
    with unit_of_work() as session:
        account = make_account(session, "Thư", (Role.ADMINISTRATOR, make_units(session).province))
        account.email, account.email_key = "thu@song-xanh.vn", "thu@song-xanh.vn"
        return account.id


class Browser:
    """A browser at the sign-in page."""

    def __init__(self) -> None:
        self.client = TestClient(create_app(), follow_redirects=False)

    def begin(self, query: str = "") -> str:
        """To the provider and back; the address that the provider sends the browser to."""
        answer = self.client.get(f"/admin/sign-in/oidc{query}")
        assert answer.status_code == 303
        return httpx.get(answer.headers["location"], trust_env=False).headers["location"]

    def finish(self, address: str) -> httpx.Response:
        parts = urlsplit(address)
        return self.client.get(f"{parts.path}?{parts.query}")

    def refusal(self, address: str) -> str:
        answer = self.finish(address)
        assert answer.status_code == 422
        assert "sotay_console" not in self.client.cookies
        return re.search(r'role="alert"[^>]*>([^<]*)<', answer.text)[1]  # type: ignore[index]


@pytest.fixture
def browser(provider: Provider) -> Browser:
    return Browser()


def reasons() -> list[str]:
    with unit_of_work() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.action == "account.sign_in_refused").order_by(AuditEntry.id)
        )
        return [row.details["reason"] for row in rows]


def subject_of(account_id: uuid.UUID) -> str | None:
    with unit_of_work() as session:
        return session.get_one(Account, account_id).oidc_subject


def test_the_link_is_there_when_a_provider_is_set(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    link = '<a class="button" href="/admin/sign-in/oidc?next=/admin">Đăng nhập bằng tài khoản cơ quan</a>'
    assert link in browser.client.get("/admin/sign-in").text
    monkeypatch.delenv("SOTAY_OIDC_ISSUER")
    settings.settings.cache_clear()
    assert link not in browser.client.get("/admin/sign-in").text
    for path in ("/admin/sign-in/oidc", "/admin/sign-in/oidc/callback?code=a&state=b"):
        answer = browser.client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/sign-in")


@pytest.mark.parametrize("methods", [["client_secret_basic"], ["client_secret_post"]])
def test_a_known_person_signs_in(
    provider: Provider, browser: Browser, account_id: uuid.UUID, methods: list[str]
) -> None:
    provider.methods = methods
    answer = browser.finish(browser.begin("?next=/admin/own"))
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/admin/own">' in answer.text
    (cookie,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith("sotay_console=")]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert "Thư" in browser.client.get("/admin/own").text
    assert subject_of(account_id) == f"{provider.issuer} 248289"
    with unit_of_work() as session:
        actions = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert list(actions) == ["account.oidc_linked", "account.signed_in"]
        assert session.scalar(select(func.count()).select_from(OidcAttempt)) == 0


def test_the_second_time_the_subject_counts_and_no_longer_the_address(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    browser.finish(browser.begin())
    provider.person = {"sub": "248289", "email": "ten.moi@song-xanh.vn", "email_verified": False}
    assert browser.finish(browser.begin()).status_code == 200
    provider.person = {"sub": "khac", "email": "thu@song-xanh.vn", "email_verified": True}
    browser.client.cookies.clear()
    assert browser.refusal(browser.begin()) == REFUSED
    assert reasons() == ["other_subject_linked"]


def test_the_address_may_be_at_the_userinfo_endpoint(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    provider.email_in_token = False
    provider.userinfo_subject = "somebody else"
    assert browser.refusal(browser.begin()) == REFUSED
    provider.userinfo_subject = None
    assert browser.finish(browser.begin()).status_code == 200
    assert reasons() == ["other_subject"]


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "id_token: InvalidClaimError"),
        ({"nonce": None}, "id_token: MissingClaimError"),
        ({"aud": "another-client"}, "id_token: InvalidClaimError"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "id_token: InvalidClaimError"),
        ({"iss": "https://evil.example.org"}, "id_token: InvalidClaimError"),
        ({"exp": 1_700_000_000}, "id_token: ExpiredTokenError"),
        ({"iat": 4_000_000_000}, "id_token: InvalidClaimError"),
        ({"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "id_token: InvalidClaimError"),
        ({"sub": None}, "id_token: MissingClaimError"),
        ({"email_verified": False}, "email_not_verified"),
        ({"email_verified": "true"}, "email_not_verified"),
        ({"email_verified": None}, "email_not_verified"),
        ({"email": "khongai@song-xanh.vn"}, "no_account"),
        ({"email": ["thu@song-xanh.vn"]}, "email_not_verified"),
    ],
)
def test_a_token_that_does_not_fit_is_refused(
    provider: Provider, browser: Browser, account_id: uuid.UUID, claims: dict[str, Any], reason: str
) -> None:
    def alter(signed: dict[str, Any]) -> None:
        signed |= claims
        for name in [name for name, value in signed.items() if value is None]:
            del signed[name]

    provider.alter = alter
    assert browser.refusal(browser.begin()) == REFUSED
    assert reasons() == [reason]
    assert subject_of(account_id) is None
    with unit_of_work() as session:
        assert session.scalar(select(func.count()).select_from(Account)) == 1, "no account is made"


def test_a_token_signed_by_another_key_or_by_none_is_refused(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    honest = provider.signing
    provider.published, provider.signing = honest, RSAKey.generate_key(2048, {"kid": "one"})
    assert browser.refusal(browser.begin()) == REFUSED
    provider.signing = OctKey.import_key(CLIENT_SECRET)  # type: ignore[assignment]  # a secret that both know
    provider.header = {"alg": "HS256", "kid": "one"}
    assert browser.refusal(browser.begin()) == REFUSED
    provider.header = {"alg": "none"}
    assert browser.refusal(browser.begin()) == REFUSED
    assert len(reasons()) == 3
    assert all(reason.startswith("id_token: ") for reason in reasons())


def test_new_keys_of_the_provider_are_asked_for(provider: Provider, browser: Browser, account_id: uuid.UUID) -> None:
    browser.finish(browser.begin())
    provider.signing = RSAKey.generate_key(2048, {"kid": "two"})
    provider.header = {"alg": "RS256", "kid": "two"}
    assert browser.finish(browser.begin()).status_code == 200
    assert provider.asked.count("/keys") == 2


def test_an_answer_counts_once(provider: Provider, browser: Browser, account_id: uuid.UUID) -> None:
    address = browser.begin()
    cookie = browser.client.cookies["sotay_oidc"]
    assert browser.finish(address).status_code == 200
    browser.client.cookies.clear()
    browser.client.cookies.set("sotay_oidc", cookie, domain="testserver.local", path="/admin/sign-in")
    assert browser.refusal(address) == REFUSED
    assert reasons() == ["unknown_state"]


def test_a_code_that_was_used_elsewhere_is_refused(provider: Provider, browser: Browser, account_id: uuid.UUID) -> None:
    address = browser.begin()
    provider.codes.clear()
    assert browser.refusal(address) == REFUSED
    assert reasons() == ["code_refused"]


def test_a_forged_state_and_another_browser_are_refused(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    address = browser.begin()
    code = parse_qs(urlsplit(address).query)["code"][0]
    path = urlsplit(address).path
    assert browser.refusal(f"{path}?code={code}&state=forged") == REFUSED
    assert browser.refusal(f"{path}?code={code}") == REFUSED
    stranger, without_cookie = Browser(), Browser()
    stranger.begin()
    assert stranger.refusal(address) == REFUSED
    assert without_cookie.refusal(address) == REFUSED
    assert reasons() == ["unknown_state", "unknown_state", "other_browser", "other_browser"]
    assert browser.finish(address).status_code == 200, "the right browser is not kept from it"


def test_a_wrong_verifier_is_refused_by_the_provider(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    address = browser.begin()
    with unit_of_work() as session:
        session.scalars(select(OidcAttempt)).one().verifier = "x" * 64
    assert browser.refusal(address) == REFUSED
    assert reasons() == ["code_refused"]


def test_a_wrong_client_secret_is_refused_by_the_provider(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    address = browser.begin()
    chosen = settings.settings().oidc_client_secret_file
    assert chosen is not None
    chosen.write_text("sai", encoding="utf-8")
    assert browser.refusal(address) == REFUSED
    assert reasons() == ["code_refused"]


def test_what_was_begun_ends_after_ten_minutes(provider: Provider, browser: Browser, account_id: uuid.UUID) -> None:
    address = browser.begin()
    with clock.fixed(clock.now() + timedelta(minutes=10, seconds=1)):
        assert browser.refusal(address) == REFUSED
    assert reasons() == ["too_late"]


def test_refused_by_the_person_or_by_another_issuer(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    provider.denied = True
    assert browser.refusal(browser.begin()) == REFUSED
    provider.denied = False
    address = browser.begin()
    assert browser.refusal(address.partition("&iss=")[0] + "&iss=https%3A%2F%2Fevil.example.org") == REFUSED
    assert reasons() == ["provider_error", "other_issuer"]


def test_a_disabled_account_is_refused(provider: Provider, browser: Browser, account_id: uuid.UUID) -> None:
    with unit_of_work() as session:
        session.get_one(Account, account_id).disabled_at = clock.now()
    assert browser.refusal(browser.begin()) == REFUSED
    assert reasons() == ["disabled"]


def test_a_provider_that_is_away_leaves_the_password(
    provider: Provider, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = {**provider.configuration(), "issuer": "https://evil.example.org"}
    monkeypatch.setattr(provider, "configuration", lambda: configuration)
    answer = browser.client.get("/admin/sign-in/oidc")
    assert answer.status_code == 502
    assert UNAVAILABLE in answer.text
    assert 'name="password"' in answer.text
    configuration.update(issuer=provider.issuer, token_endpoint="http://song-xanh.vn/token")
    assert UNAVAILABLE in browser.client.get("/admin/sign-in/oidc").text
    assert reasons() == ["provider_unavailable"] * 2


def test_after_the_sign_in_nobody_is_led_to_another_site(
    provider: Provider, browser: Browser, account_id: uuid.UUID
) -> None:
    answer = browser.finish(browser.begin("?next=https://evil.example.org"))
    assert '<meta http-equiv="refresh" content="0;url=/admin">' in answer.text
