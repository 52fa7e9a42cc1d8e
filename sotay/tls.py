"""The installation's own certificate, for a phone in the same network (``TLS=self``)."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import psutil
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.clock import now
from core.files import write_private

VALID = timedelta(days=397)
"""Phones refuse server certificates that are valid for longer (398 days)."""
RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key, as PEM files that only their owner reads."""

    certificate: Path
    key: Path
    fingerprint: str
    """SHA-256 as phones and browsers show it: pairs of capital hexadecimal digits with colons."""


def network_addresses() -> list[str]:
    """The IPv4 addresses of this machine in its networks, sorted; loopback left out."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    found = {
        address.address
        for name, addresses in psutil.net_if_addrs().items()
        if name in up
        for address in addresses
        if address.family == socket.AF_INET and not ipaddress.ip_address(address.address).is_loopback
    }
    return sorted(found, key=ipaddress.ip_address)


def certificate(data_dir: Path, host: str) -> Certificate:
    """The self-signed certificate for *host*, ``localhost`` and this machine's name and addresses.

    Kept under ``tls/`` of the data folder; made anew when it ends within 30 days or a name is missing in it.
    """
    folder = data_dir / "tls"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    names = _names(host)
    kept = _kept(path, key_path)
    if kept is None or kept.not_valid_after_utc - now() < RENEW_BEFORE or not names <= _names_in(kept):
        key = ec.generate_private_key(ec.SECP256R1())
        kept = _sign(key, names)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.unlink(missing_ok=True)  # never a new key beside an old certificate
        write_private(key_path, pem.decode())
        write_private(path, kept.public_bytes(serialization.Encoding.PEM).decode())
    return Certificate(path, key_path, kept.fingerprint(hashes.SHA256()).hex(":").upper())


def _names(host: str) -> set[str]:
    names = {"localhost", "127.0.0.1", "::1", socket.gethostname().lower(), *network_addresses()}
    if host not in ("0.0.0.0", "::"):  # noqa: S104 - those mean every address, which is covered
        names.add(host.lower())
    return {name for name in names if name.isascii()}  # a certificate holds ASCII names only


def _kept(path: Path, key_path: Path) -> x509.Certificate | None:
    try:
        kept = x509.load_pem_x509_certificate(path.read_bytes())
        key = serialization.load_pem_private_key(key_path.read_bytes(), None)
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return kept if key.public_key() == kept.public_key() else None


def _names_in(kept: x509.Certificate) -> set[str]:
    names = kept.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(value) for kind in (x509.DNSName, x509.IPAddress) for value in names.get_values_for_type(kind)}


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _sign(key: ec.EllipticCurvePrivateKey, names: set[str]) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "So tay")])
    start = now() - timedelta(hours=1)  # a phone's clock may be behind
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + VALID)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in sorted(names)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, hashes.SHA256())
