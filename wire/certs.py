"""A small certificate authority for the project: CA, server and client certificates as PEM files.

Keys are ECDSA P-256 (RSA 2048 on request), readable by their owner only; every certificate is noted in the CA's
ledger (:mod:`wire.ledger`), so that it can be revoked by name. Server certificates carry the host names and addresses
by which they are reached, OPC UA ones also the application URI (OPC 10000-6 asks for it in the subject alternative
names).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from core.clock import NS, wall_ns
from core.errors import TestbedError
from wire.ledger import Entry, Purpose, note

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
_SLACK = timedelta(hours=1)  # clocks of small devices run late


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, as files."""

    cert: Path
    key: Path


def make_ca(folder: Path, name: str = "IIoT testbed CA", days: int = 3650) -> Pair:
    """Return the CA of a folder (``ca.crt``, ``ca.key``); makes it where there is none yet."""
    pair = Pair(folder / "ca.crt", folder / "ca.key")
    if pair.cert.exists() and pair.key.exists():
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(_name(name), _name(name), key.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(ca=True), critical=True)
    pair.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(pair, builder.sign(key, hashes.SHA256()), key)
    return pair


def issue(
    folder: Path,
    name: str,
    *,
    hosts: Sequence[str] = (),
    uri: str = "",
    client: bool = False,
    days: float = 825,
    use_rsa: bool = False,
) -> Pair:
    """Return a certificate ``<name>.crt`` with its key, signed by the folder's CA (made where there is none).

    ``hosts`` are DNS names and addresses of a server; ``client`` issues a client certificate instead. OPC UA's
    Basic256Sha256 wants ``use_rsa``; such a certificate serves both purposes.
    """
    authority, signer = load_ca(folder)
    key: Key = rsa.generate_private_key(65537, 2048) if use_rsa else ec.generate_private_key(ec.SECP256R1())
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    both = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    builder = _builder(_name(name), authority.subject, key.public_key(), days)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage(ca=False, enciphers=use_rsa), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage(both if use_rsa else [purpose]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = builder.add_extension(issuer, critical=False)
    names = [_host(h) for h in hosts] + ([x509.UniformResourceIdentifier(uri)] if uri else [])
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pair = Pair(folder / f"{name}.crt", folder / f"{name}.key")
    certificate = builder.sign(signer, hashes.SHA256())
    _write(pair, certificate, key)
    kind: Purpose = "opcua" if use_rsa else "client" if client else "server"
    note(folder, Entry(str(certificate.serial_number), name, kind, tuple(hosts), expires(pair.cert)))
    return pair


def load_ca(folder: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """Return the folder's CA, made where there is none; raises TestbedError where it cannot be read."""
    ca = make_ca(folder)
    try:
        authority = x509.load_pem_x509_certificate(ca.cert.read_bytes())
        signer = serialization.load_pem_private_key(ca.key.read_bytes(), password=None)
    except ValueError as error:
        raise TestbedError(f"{ca.cert.parent}: the CA cannot be read ({error}); remove it to make a new one") from error
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    return authority, signer


def expires(cert: Path) -> int:
    """Return when a certificate ends, ns UTC."""
    end = x509.load_pem_x509_certificate(cert.read_bytes()).not_valid_after_utc
    return round(end.timestamp()) * NS


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(wall_ns() // NS, UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - _SLACK)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool, enciphers: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=enciphers,
        key_encipherment=enciphers,
        data_encipherment=enciphers,
        key_agreement=not ca and not enciphers,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _write(pair: Pair, cert: x509.Certificate, key: Key) -> None:
    pair.cert.parent.mkdir(parents=True, exist_ok=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair.key.unlink(missing_ok=True)
    with open(os.open(pair.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    pair.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
