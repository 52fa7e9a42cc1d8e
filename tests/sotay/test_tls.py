import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from core import clock
from sotay import tls

MOMENT = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "network_addresses", lambda: ["192.168.1.20"])
    monkeypatch.setattr(tls.socket, "gethostname", lambda: "May-Chu")


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_content_of_the_certificate(tmp_path: Path) -> None:
    with clock.fixed(MOMENT):
        made = tls.certificate(tmp_path, "sotay.hoi.lan")
    content = read(made.certificate)
    names = content.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert set(names.get_values_for_type(x509.DNSName)) == {"localhost", "may-chu", "sotay.hoi.lan"}
    assert set(names.get_values_for_type(x509.IPAddress)) == {
        ipaddress.ip_address(address) for address in ("127.0.0.1", "::1", "192.168.1.20")
    }
    assert list(content.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert content.not_valid_after_utc - content.not_valid_before_utc == timedelta(days=397)
    assert content.not_valid_before_utc == MOMENT - timedelta(hours=1)
    assert made.fingerprint.replace(":", "") == content.fingerprint(hashes.SHA256()).hex().upper()
    assert len(made.fingerprint.split(":")) == 32


def test_files_are_private_and_fit_together(tmp_path: Path) -> None:
    made = tls.certificate(tmp_path, "127.0.0.1")
    assert [path.stat().st_mode & 0o777 for path in (made.certificate, made.key, made.key.parent)] == [
        0o600,
        0o600,
        0o700,
    ]
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(made.certificate, made.key)


def test_it_is_kept_until_thirty_days_before_its_end(tmp_path: Path) -> None:
    with clock.fixed(MOMENT):
        first = tls.certificate(tmp_path, "0.0.0.0")
        again = tls.certificate(tmp_path, "0.0.0.0")
    with clock.fixed(MOMENT + timedelta(days=360)):
        kept = tls.certificate(tmp_path, "0.0.0.0")
    with clock.fixed(MOMENT + timedelta(days=368)):
        renewed = tls.certificate(tmp_path, "0.0.0.0")
    assert (again, kept) == (first, first)
    assert renewed.fingerprint != first.fingerprint


def test_a_new_address_makes_a_new_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tls.certificate(tmp_path, "0.0.0.0")
    monkeypatch.setattr(tls, "network_addresses", lambda: ["192.168.1.20", "10.0.0.7"])
    second = tls.certificate(tmp_path, "0.0.0.0")
    monkeypatch.setattr(tls, "network_addresses", list)
    assert second.fingerprint != first.fingerprint
    assert tls.certificate(tmp_path, "0.0.0.0") == second  # an address fewer is no reason to surprise anyone


@pytest.mark.parametrize("name", ["certificate.pem", "key.pem"])
def test_a_damaged_file_is_replaced(tmp_path: Path, name: str) -> None:
    first = tls.certificate(tmp_path, "0.0.0.0")
    (tmp_path / "tls" / name).write_text("-----BEGIN NOTHING-----")
    second = tls.certificate(tmp_path, "0.0.0.0")
    assert second.fingerprint != first.fingerprint
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(second.certificate, second.key)


def test_a_name_outside_ascii_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls.socket, "gethostname", lambda: "máy-chủ")
    names = read(tls.certificate(tmp_path, "0.0.0.0").certificate).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["localhost"]
