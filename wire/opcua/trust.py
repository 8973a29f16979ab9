"""The trust list of one end: a folder of what is trusted, and one of what was turned away, for a person to move."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from asyncua.common.utils import ServiceError
from asyncua.crypto.truststore import TrustStore
from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions
from asyncua.ua import StatusCode
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from wire.opcua.security import OpcuaSecurity

#: files kept in the folder of rejected certificates; who floods it with new ones is turned away all the same
_MOST = 100
Check = Callable[[Any, Any], Awaitable[None]]


class Rejected(ServiceError):  # type: ignore[misc]
    """A certificate was turned away; the text says what a person can do about it."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.text = text

    def __str__(self) -> str:
        return self.text


def validator(security: OpcuaSecurity, *, client: bool) -> Check | None:
    """Return what judges a peer's certificate (``client``: the peer is one); None where nothing is configured.

    The folders are read at every connection, so what was trusted or revoked a moment ago counts. The check raises
    :class:`Rejected`.
    """
    if security.trust is None:
        return None
    store = TrustStore([security.trust], [] if security.crl is None else [security.crl])
    peer = CertificateValidatorOptions.PEER_CLIENT if client else CertificateValidatorOptions.PEER_SERVER
    wanted = CertificateValidatorOptions.BASIC_VALIDATION | CertificateValidatorOptions.TRUSTED
    wanted |= CertificateValidatorOptions.REVOKED
    judge = CertificateValidator(wanted | peer, store)

    async def check(certificate: x509.Certificate, application: Any) -> None:
        await store.load()
        try:
            await judge(certificate, application)
        except ServiceError as error:
            raise Rejected(error.code, _verdict(certificate, StatusCode(error.code).name, security)) from error

    return check


def _verdict(certificate: x509.Certificate, reason: str, security: OpcuaSecurity) -> str:
    who = f"certificate {label(certificate)}"
    if reason != "BadCertificateUntrusted" or security.bin is None:
        return f"{reason}: {who}"
    file = keep(certificate, security.bin)
    if file is None:
        return f"{reason}: {who} (the folder {security.bin} is full: empty it)"
    return f"{reason}: {who} is not trusted; to trust it: mv {file} {security.trust}/"


def keep(certificate: x509.Certificate, folder: Path) -> Path | None:
    """Write a certificate into the folder of rejected ones and return its file, None where that is full."""
    der = certificate.public_bytes(Encoding.DER)
    file = folder / f"{label(certificate)}-{hashlib.sha256(der).hexdigest()[:12]}.der"
    if file.exists():
        return file
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if sum(1 for _ in folder.iterdir()) >= _MOST:
        return None
    file.write_bytes(der)
    return file


def label(certificate: x509.Certificate) -> str:
    """Return a certificate's common name as a word that can be part of a file's name."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", str(names[0].value))[:60].strip("._") or "nameless" if names else "nameless"
