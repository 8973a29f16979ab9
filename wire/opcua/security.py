"""Who may connect, and how: None on loopback, signed or encrypted channels with certificates and users elsewhere."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlparse

from pydantic import Field

from core.config import Config
from core.errors import WireError

APPLICATION = "urn:iiot-testbed"
Suite = Literal["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"]
#: nobody; who reads; who also calls methods; who also calls them in the name of others, as our gateway does
OpcuaRole = Literal["none", "viewer", "operator", "gateway"]


class OpcuaUser(Config):
    """Who may log in at a server: with a password (as ``wire.broker_config.hash_password`` keeps it) or a certificate.

    ``certificate`` is a PEM or DER file; it proves the user as X.509 identity token, and as the certificate of the
    application that connects.
    """

    name: str
    role: OpcuaRole = "viewer"
    password: str = Field("", repr=False)
    certificate: Path | None = None


class OpcuaSecurity(Config):
    """Security of one end.

    ``policy`` ``sign`` lets clients choose between signing and signing with encryption. ``suites`` are what a server
    offers; a client takes the first. ``certificate`` and ``private_key`` are PEM or DER files; the certificate's
    subject alternative names hold ``uri`` and the host names in use. ``trust`` is a folder of peer certificates or of
    their issuers, ``crl`` one of revocation lists of these issuers; what was turned away lies in ``rejected`` (by
    default beside ``trust``).

    Of a server: ``users``, further ones in ``users_file`` (a JSON list of the same, read anew when it changes), and
    what ``anonymous`` may do (by default everything on a plain loopback server without users, nothing elsewhere). Of a
    client: ``user`` and ``password``, or ``user_certificate`` and ``user_key``.
    """

    policy: Literal["none", "sign", "sign_and_encrypt"] = "none"
    suites: tuple[Suite, ...] = Field(("Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"), min_length=1)
    certificate: Path | None = None
    private_key: Path | None = None
    trust: Path | None = None
    crl: Path | None = None
    rejected: Path | None = None
    uri: str = APPLICATION
    users: tuple[OpcuaUser, ...] = ()
    users_file: Path | None = None
    anonymous: OpcuaRole | None = None
    user: str = ""
    password: str = Field("", repr=False)
    user_certificate: Path | None = None
    user_key: Path | None = None

    @property
    def nobody(self) -> OpcuaRole:
        """Return what a client may do that does not say who it is."""
        if self.anonymous is not None:
            return self.anonymous
        return "gateway" if self.policy == "none" and not self.users and self.users_file is None else "none"

    @property
    def bin(self) -> Path | None:
        """Return the folder of rejected certificates."""
        return self.rejected or (self.trust.parent / "rejected" if self.trust is not None else None)


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
    if security.nobody == "none" and not security.users and security.users_file is None:
        raise WireError("OPC UA: nobody could log in: name security.users, or say what security.anonymous may do")
    certificate, key = _files(security)
    await server.load_certificate(certificate)
    await server.load_private_key(key)
    modes = ("SignAndEncrypt",) if security.policy == "sign_and_encrypt" else ("Sign", "SignAndEncrypt")
    kinds = ua.SecurityPolicyType
    server.set_security_policy(
        [getattr(kinds, f"{suite.replace('_', '')}_{mode}") for suite in security.suites for mode in modes]
    )


async def secure_client(client: Any, security: OpcuaSecurity, url: str) -> None:
    """Choose the client's channel and user; may ask the server for its certificate."""
    from wire.opcua.trust import validator

    if security.user:
        client.set_user(security.user)
        client.set_password(security.password)
    if security.user_certificate is not None and security.user_key is not None:
        await client.load_client_certificate(str(security.user_certificate))
        await client.load_private_key(security.user_key)
    if security.policy == "none":
        host = urlparse(url).hostname
        if not is_loopback(host):
            raise WireError(f"OPC UA to {host} needs security.policy: sign_and_encrypt; only loopback goes without")
        return
    from asyncua import ua

    mode = ua.MessageSecurityMode
    certificate, key = _files(security)
    client.application_uri = security.uri
    client.certificate_validator = validator(security, client=False)
    wanted = mode.Sign if security.policy == "sign" else mode.SignAndEncrypt
    await client.set_security(_suites()[security.suites[0]], certificate, key, mode=wanted)


def _suites() -> Mapping[str, Any]:
    from asyncua.crypto import security_policies as known

    return {
        "Basic256Sha256": known.SecurityPolicyBasic256Sha256,
        "Aes128_Sha256_RsaOaep": known.SecurityPolicyAes128Sha256RsaOaep,
        "Aes256_Sha256_RsaPss": known.SecurityPolicyAes256Sha256RsaPss,
    }


def _files(security: OpcuaSecurity) -> tuple[Path, Path]:
    for file in (security.certificate, security.private_key):
        if file is None:
            raise WireError(f"OPC UA {security.policy} needs security.certificate and security.private_key")
        if not file.is_file():
            raise WireError(f"OPC UA: there is no {file}")
    assert security.certificate is not None
    assert security.private_key is not None
    return security.certificate, security.private_key
