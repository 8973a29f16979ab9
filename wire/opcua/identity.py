"""Certificates of the two ends of an OPC UA connection that leaves the loopback.

Basic256Sha256 wants RSA keys, and each application shows a certificate of its own that the other end trusts by
having it in a folder (OPC 10000-2, 8.1.2): no authority is needed where one party sets up both ends.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from core.clock import NS, wall_ns
from wire.opcua.security import OpcuaSecurity, OpcuaUser, is_loopback

if TYPE_CHECKING:
    from cryptography import x509

_DAYS = 825
#: folder of revocation lists (``*.pem`` or ``*.der``) of authorities that are trusted
REVOKED = "revoked"
#: further users of the server (``wire.opcua.security.OpcuaUser``), as a JSON list
USERS = "users.json"
#: who commands in the name of others
_GATEWAY = "gateway"
_SLACK = timedelta(hours=1)  # clocks of small devices run late


def make_identities(folder: Path, url: str, names: Sequence[str], always: bool = False) -> None:
    """Make a certificate for each name that has none yet, each trusted by the others.

    ``url`` is where the server is reached; nothing is made for one that stays on the loopback, unless ``always``.
    """
    host = urlsplit(url).hostname
    if is_loopback(host) and not always:
        return
    hosts = sorted({host or "", socket.gethostname(), "localhost", "127.0.0.1"} - {""})
    for part in ("trusted", REVOKED):
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        if not (folder / "trusted" / f"{name}.der").exists():
            _make(folder, name, hosts)


def identity(folder: Path, url: str, name: str) -> OpcuaSecurity:
    """Return the security of one end: its certificate, or none for a server that stays on the loopback."""
    if is_loopback(urlsplit(url).hostname) and not (folder / "trusted" / f"{name}.der").exists():
        return OpcuaSecurity()
    return OpcuaSecurity(
        policy="sign_and_encrypt",
        certificate=folder / f"{name}.der",
        private_key=folder / f"{name}.pem",
        trust=folder / "trusted",
        crl=folder / REVOKED,
        rejected=folder / "rejected",
        uri=_uri(name),
        users=(OpcuaUser(name=_GATEWAY, role="gateway", certificate=folder / "trusted" / f"{_GATEWAY}.der"),),
        users_file=users if (users := folder / USERS).exists() else None,
    )


def _uri(name: str) -> str:
    return f"urn:iiot-testbed:{name}"


def _host(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _make(folder: Path, name: str, hosts: Sequence[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"IIoT testbed {name}")])
    now = datetime.fromtimestamp(wall_ns() // NS, UTC)
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    usage = x509.KeyUsage(True, True, True, True, False, False, False, False, False)  # sign, commit, encipher
    alternatives = [x509.UniformResourceIdentifier(_uri(name)), *(_host(host) for host in hosts)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + timedelta(days=_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.pem").unlink(missing_ok=True)
    with open(os.open(folder / f"{name}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
    der = certificate.public_bytes(serialization.Encoding.DER)
    (folder / f"{name}.der").write_bytes(der)
    (folder / "trusted" / f"{name}.der").write_bytes(der)  # last: it says that the others are complete
