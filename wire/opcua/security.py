"""Who may connect, and how: None on loopback, Basic256Sha256 Sign & Encrypt with certificates elsewhere."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from core.config import Config
from core.errors import WireError

APPLICATION = "urn:iiot-testbed"


class OpcuaSecurity(Config):
    """Security of one end.

    ``certificate`` and ``private_key`` are PEM or DER files; the certificate's subject alternative names hold
    ``uri`` and the host names in use. ``trust`` is a folder of peer certificates or of their issuers, ``crl`` one of
    revocation lists of these issuers.
    """

    policy: Literal["none", "sign_and_encrypt"] = "none"
    certificate: Path | None = None
    private_key: Path | None = None
    trust: Path | None = None
    crl: Path | None = None
    uri: str = APPLICATION


def is_loopback(host: str | None) -> bool:
    """Tell whether a host name means this machine only."""
    if host in ("localhost", None):
        return host is not None
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


async def secure_server(server: Any, security: OpcuaSecurity, host: str) -> None:
    """Choose the server's endpoints; raises WireError where that would leave a door open."""
    from asyncua import ua

    if security.policy == "none":
        if not is_loopback(host):
            raise WireError(f"OPC UA on {host} needs security.policy: sign_and_encrypt; only loopback goes without")
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        return
    certificate, key = _files(security)
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
    server.iserver.certificate_validator = await _validator(security, client=True)


async def secure_client(client: Any, security: OpcuaSecurity, url: str) -> None:
    """Choose the client's channel; may ask the server for its certificate."""
    if security.policy == "none":
        host = urlparse(url).hostname
        if not is_loopback(host):
            raise WireError(f"OPC UA to {host} needs security.policy: sign_and_encrypt; only loopback goes without")
        return
    from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

    certificate, key = _files(security)
    client.application_uri = security.uri
    client.certificate_validator = await _validator(security, client=False)
    await client.set_security(SecurityPolicyBasic256Sha256, certificate, key)


def _files(security: OpcuaSecurity) -> tuple[Path, Path]:
    for file in (security.certificate, security.private_key):
        if file is None:
            raise WireError("OPC UA sign_and_encrypt needs security.certificate and security.private_key")
        if not file.is_file():
            raise WireError(f"OPC UA: there is no {file}")
    assert security.certificate is not None
    assert security.private_key is not None
    return security.certificate, security.private_key


async def _validator(security: OpcuaSecurity, *, client: bool) -> Any:
    if security.trust is None:
        return None
    from asyncua.crypto.truststore import TrustStore
    from asyncua.crypto.validator import CertificateValidator, CertificateValidatorOptions

    store = TrustStore([security.trust], [] if security.crl is None else [security.crl])
    await store.load()
    peer = CertificateValidatorOptions.PEER_CLIENT if client else CertificateValidatorOptions.PEER_SERVER
    wanted = CertificateValidatorOptions.BASIC_VALIDATION | CertificateValidatorOptions.TRUSTED
    wanted |= CertificateValidatorOptions.REVOKED
    validator = CertificateValidator(wanted | peer, store)

    async def check(certificate: Any, application: Any) -> None:
        await store.load()  # what was trusted or revoked a moment ago counts
        await validator(certificate, application)

    return check
