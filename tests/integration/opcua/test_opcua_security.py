from __future__ import annotations

from pathlib import Path

import pytest
from asyncua.crypto.cert_gen import generate_private_key, generate_self_signed_app_certificate
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtendedKeyUsageOID
from opcua_rig import device, rows, soon

from core.errors import NotConnected, WireError
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from wire.certs import issue
from wire.ledger import revoke, write_crl
from wire.opcua.security import OpcuaSecurity, is_loopback
from wire.opcua.server import OpcuaServer, OpcuaServerConfig


def identity(folder: Path, name: str) -> OpcuaSecurity:
    """A key and a self-signed certificate in a folder of trusted ones."""
    uri, key = f"urn:test:{name}", generate_private_key()
    usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    names = [x509.UniformResourceIdentifier(uri), x509.DNSName("localhost")]
    certificate = generate_self_signed_app_certificate(key, name, {"organizationName": "test"}, names, usage)
    trust = folder / "trust"
    trust.mkdir(exist_ok=True)
    (folder / f"{name}.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
    (folder / f"{name}.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return OpcuaSecurity(
        policy="sign_and_encrypt", certificate=folder / f"{name}.der", private_key=folder / f"{name}.pem",
        trust=trust, uri=uri, anonymous="gateway",
    )  # fmt: skip


def trust(security: OpcuaSecurity) -> None:
    assert security.trust is not None
    assert security.certificate is not None
    (security.trust / security.certificate.name).write_bytes(security.certificate.read_bytes())


async def test_sign_and_encrypt_carries_rows_and_turns_strangers_away(rig, tmp_path):
    server, client, stranger = (identity(tmp_path, name) for name in ("server", "client", "stranger"))
    trust(server)
    trust(client)
    async with rig([device(0)], connect=False, security=server) as r:
        url = r.publisher.server.url
        r.source = OpcuaSource(OpcuaSourceConfig(url=url, publishing="50ms", security=client), r.seen)
        await r.source.connect()
        await r.publisher.publish([rows(r.catalog, "seoul/hall/pump0/main", [soon()])])
        await r.until(lambda: r.count() == 1)
        for other in (stranger, OpcuaSecurity()):
            source = OpcuaSource(OpcuaSourceConfig(url=url, security=other), r.seen)
            with pytest.raises(NotConnected):
                await source.connect()
            await source.close()


async def test_off_loopback_there_is_no_plain_door():
    server = OpcuaServer(OpcuaServerConfig(host="0.0.0.0", port=0), lambda command: None)
    with pytest.raises(WireError, match="sign_and_encrypt"):
        await server.start()
    source = OpcuaSource(OpcuaSourceConfig(url="opc.tcp://plc.example:4840"), None)
    with pytest.raises(WireError, match="sign_and_encrypt"):
        await source.connect()


async def test_missing_certificates_are_named(tmp_path):
    files = {"certificate": tmp_path / "no.der", "private_key": tmp_path / "k"}
    security = OpcuaSecurity(policy="sign_and_encrypt", anonymous="viewer", **files)
    server = OpcuaServer(OpcuaServerConfig(port=0, security=security), lambda command: None)
    with pytest.raises(WireError, match=r"there is no .*no\.der"):
        await server.start()


@pytest.mark.parametrize(
    ("host", "is_it"),
    [("localhost", True), ("127.0.0.9", True), ("::1", True), ("0.0.0.0", False), ("plc", False), (None, False)],
)
def test_loopback(host, is_it):
    assert is_loopback(host) is is_it


async def test_a_revoked_certificate_is_turned_away_at_once(rig, tmp_path):
    """A client of the project's CA enters by the CA alone, and no more once the revocation list has it."""
    server, ca, crl = identity(tmp_path, "server"), tmp_path / "ca", tmp_path / "crl"
    trust(server)
    pair = issue(ca, "scada", uri="urn:test:scada", use_rsa=True)
    (tmp_path / "trust" / "ca.pem").write_bytes((ca / "ca.crt").read_bytes())
    crl.mkdir()
    (crl / "ca.pem").write_bytes(write_crl(ca).read_bytes())
    (tmp_path / "scada.pem").write_bytes(pair.cert.read_bytes())
    (tmp_path / "scada-key.pem").write_bytes(pair.key.read_bytes())
    client = server.model_copy(
        update={
            "certificate": tmp_path / "scada.pem",
            "private_key": tmp_path / "scada-key.pem",
            "uri": "urn:test:scada",
        }
    )
    async with rig([device(0)], connect=False, security=server.model_copy(update={"crl": crl})) as r:
        url = r.publisher.server.url
        source = OpcuaSource(OpcuaSourceConfig(url=url, publishing="50ms", security=client), r.seen)
        await source.connect()
        await source.close()
        revoke(ca, "scada")
        (crl / "ca.pem").write_bytes((ca / "crl.pem").read_bytes())
        again = OpcuaSource(OpcuaSourceConfig(url=url, security=client), r.seen)
        with pytest.raises(NotConnected, match="Revoked"):
            await again.connect()
        await again.close()
