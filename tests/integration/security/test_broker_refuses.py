"""Foreign clients without right are turned away by a real mosquitto, and the attempt is visible."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from core.errors import NotConnected, WireError
from tests.integration.security.foreign import Rig, secured
from wire.broker import Broker
from wire.certs import Pair, issue
from wire.ledger import revoke
from wire.mqtt import MqttSession
from wire.session import MqttConfig

OWN, OTHER = "iiot/v1/works/lab/thermo/data/air", "iiot/v1/works/hall/pump-01/data/main"


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with secured(tmp_path) as made:
        yield made


@pytest.fixture
async def mutual(tmp_path: Path) -> AsyncIterator[Rig]:
    async with secured(tmp_path, mutual=True) as made:
        yield made


def login(password: str, name: str = "thermo") -> tuple[str, ...]:
    return ("-u", name, "-P", password, "-i", name)


async def enrol(rig: Rig, name: str = "thermo") -> str:
    """Add a device while the broker runs; returns its password."""
    password = rig.vault.add(name, "device", [f"works/lab/{name}"])
    await rig.broker.reload(rig.broker.config.model_copy(update={"users": rig.vault.broker_users()}))
    for _ in range(100):  # the signal is taken up in the broker's own time
        if (await rig.publish(f"iiot/v1/works/lab/{name}/data/air", *login(password, name))).returncode == 0:
            return password
    raise AssertionError("the broker did not take up the account")


async def test_without_credentials_nobody_enters_and_it_is_seen(rig: Rig) -> None:
    refused = await rig.publish(OWN)
    assert refused.returncode != 0
    assert "not authori" in refused.stderr.lower()
    assert (await rig.seen("login-refused")).severity == "alarm"
    assert rig.watch.counts["login-refused"] == 1


async def test_without_tls_nobody_enters_and_it_is_seen(rig: Rig) -> None:
    assert (await rig.publish(OWN, tls=False)).returncode != 0
    await rig.seen("tls-refused")


async def test_a_device_speaks_under_its_own_topics_only(rig: Rig) -> None:
    password = await enrol(rig)
    for topic in (OTHER, "iiot/v1/works/hall/pump-01/command", "iiot/v1/works/lab/thermo/command", "anything"):
        denied = await rig.publish(topic, *login(password))
        assert "not authorized" in denied.stderr.lower(), topic
    event = await rig.seen("publish-denied")
    assert event.device == "works/hall/pump-01"
    assert "'thermo'" in event.text


async def test_a_password_opens_its_own_account_only(rig: Rig) -> None:
    password = await enrol(rig)
    assert (await rig.publish(OWN, *login(password, "gateway"))).returncode != 0
    await rig.seen("login-refused")


async def test_a_device_hears_its_own_commands_only(rig: Rig) -> None:
    password = await enrol(rig)
    config = MqttConfig(url=rig.broker.url, ca=rig.ca, username="thermo", password=password, client_id="ears")
    gateway_password = rig.fortress._passwords["gateway"]
    device = MqttSession(config)
    gateway = MqttSession(
        config.model_copy(update={"username": "gateway", "password": gateway_password, "client_id": "g"})
    )
    try:
        await device.connect()
        await gateway.connect()
        await device.subscribe(["iiot/v1/#"])
        await gateway.publish("iiot/v1/works/hall/pump-01/command", b"other")
        await gateway.publish("iiot/v1/works/lab/thermo/command", b"own")
        await gateway.flush()
        heard = await device.read(5)
        assert [m.payload for m in heard] == [b"own"]
    finally:
        await device.close()
        await gateway.close()


async def test_a_removed_account_is_hung_up_on(rig: Rig) -> None:
    password = await enrol(rig)
    session = MqttSession(
        MqttConfig(url=rig.broker.url, ca=rig.ca, username="thermo", password=password, client_id="x")
    )
    await session.connect()
    rig.vault.remove("thermo")
    await rig.broker.reload(rig.broker.config.model_copy(update={"users": rig.vault.broker_users()}))
    with pytest.raises(NotConnected):
        await session.read(10)
    with pytest.raises(NotConnected, match="ot authori"):
        await session.connect()
    await session.close()


def shown(pair: Pair) -> tuple[str, ...]:
    return ("--cert", str(pair.cert), "--key", str(pair.key))


async def test_mutual_tls_takes_good_certificates_only(mutual: Rig, tmp_path: Path) -> None:
    rig, ca = mutual, mutual.vault.ca
    rig.vault.add("thermo", "device", ["works/lab/thermo"])
    await rig.broker.reload(rig.broker.config.model_copy(update={"users": rig.vault.broker_users()}))
    good = issue(ca, "thermo", client=True)
    assert (await rig.publish(OWN, *shown(good))).returncode == 0
    assert "not authorized" in (await rig.publish(OTHER, *shown(good))).stderr.lower()
    await rig.seen("publish-denied")
    bad = {
        "expired": shown(issue(ca, "late", client=True, days=-1)),
        "of another CA": shown(issue(tmp_path / "elsewhere", "thermo", client=True)),
        "none": (),
    }
    for count, (what, options) in enumerate(bad.items(), 1):
        assert (await rig.publish(OWN, *options)).returncode != 0, what
        await rig.seen("certificate-refused")
        assert rig.watch.counts["certificate-refused"] == count, what
        rig.watch._told.clear()  # one line a while is told; here each counts


async def test_a_revoked_certificate_is_turned_away_after_the_broker_has_taken_up_the_list(mutual: Rig) -> None:
    rig = mutual
    rig.vault.add("thermo", "device", ["works/lab/thermo"])
    pair = issue(rig.vault.ca, "thermo", client=True)
    config = rig.broker.config.model_copy(update={"users": rig.vault.broker_users()})
    await rig.broker.reload(config)
    assert (await rig.publish(OWN, *shown(pair))).returncode == 0
    revoke(rig.vault.ca, "thermo")
    await rig.broker.reload(config, restart=True)
    await rig.broker.start()  # in a run, the keeper's part
    assert (await rig.publish(OWN, *shown(pair))).returncode != 0
    await rig.seen("certificate-refused")


async def test_a_client_does_not_trust_a_broker_of_another_ca(rig: Rig, tmp_path: Path) -> None:
    issue(tmp_path / "elsewhere", "server", hosts=["127.0.0.1"])
    refused = await rig.publish(OWN, "--cafile", str(tmp_path / "elsewhere" / "ca.crt"))
    assert refused.returncode != 0
    assert "certificate verify failed" in refused.stderr.lower() or "TLS" in refused.stderr
    await rig.seen("certificate-refused")


async def test_rumqttd_is_not_taken_for_secure(rig: Rig, tmp_path: Path) -> None:
    config = rig.broker.config.model_copy(update={"kind": "rumqttd"})
    with pytest.raises(WireError, match="--secure needs mosquitto"):
        await Broker(config, tmp_path / "other").start()


async def test_the_log_keeps_refusals_and_no_traffic(rig: Rig) -> None:
    password = await enrol(rig)
    await asyncio.gather(*(rig.publish(OWN, *login(password)) for _ in range(3)))
    await rig.publish(OTHER, *login(password))
    await rig.seen("publish-denied")
    log = rig.watch.log.read_text()
    assert "Received PUBLISH" not in log
    assert password not in log
