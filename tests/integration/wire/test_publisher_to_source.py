"""The simulator's MQTT side and the gateway's, over real brokers."""

import asyncio
import json

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.errors import NotConnected
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from wire.broker import find_mosquitto

LAYOUT = LayoutSpec("air.a", (ChannelSpec("pm25", "pm25", "ug/m3"),))
DEVICES = [
    DeviceSpec("s", f"a{i % 2}", f"d{i}", "air", "urban", "n", Identity("M", str(i), "u"), (StreamSpec("a", LAYOUT),))
    for i in range(120)
]
N = len(DEVICES)


def rows(seq):
    return Batch(
        LAYOUT,
        np.arange(N, dtype=np.int32),
        np.zeros(N, np.int64),
        np.full(N, seq, np.int64),
        np.full(N, 1_763_791_200_000_000_000 + seq, np.int64),
        np.full((N, 1), float(seq)),
        np.full((N, 1), 192, np.uint8),
    )


class Seen:
    """Rows by (stream path, sid, seq), as the gateway's dedup would keep them."""

    def __init__(self, source):
        self.source, self.rows, self.twice, self.rejects = source, set(), 0, []

    async def until(self, count, limit=15):
        async with asyncio.timeout(limit):
            while len(self.rows) < count:
                arrivals, ack = await self.source.read()
                for arrival in arrivals:
                    self.rejects += arrival.rejects
                    for batch in arrival.batches:
                        self.add(batch)
                await ack()

    def add(self, batch):
        paths = [self.source.catalog.streams[i].path for i in batch.stream]
        for row in zip(paths, batch.sid.tolist(), batch.seq.tolist(), strict=True):
            self.twice += row in self.rows
            self.rows.add(row)


@pytest.mark.parametrize("version", [311, 5])
async def test_every_row_arrives_once(broker, version):
    url = broker.url5 if version == 5 else broker.url
    source = MqttSource(MqttSourceConfig(url=url, version=version), Catalog())
    await source.connect()
    seen = Seen(source)
    config = MqttPublisherConfig(url=url, version=version)
    async with MqttPublisher(config, Catalog(DEVICES), lambda _: None) as publisher:
        await publisher.announce(DEVICES)
        reading = asyncio.create_task(seen.until(10 * N))
        for seq in range(10):
            await publisher.publish([rows(seq)])
        await publisher.flush()
        await reading
        assert len(source.catalog.devices) == N
        assert (seen.twice, seen.rejects) == (0, [])
    await source.close()


async def test_a_late_gateway_learns_all_births(broker):
    """More retained births than rumqttd delivers: the rest is asked for."""
    async with MqttPublisher(MqttPublisherConfig(url=broker.url), Catalog(DEVICES), lambda _: None) as publisher:
        await publisher.announce(DEVICES)
        await publisher.flush()
        source = MqttSource(MqttSourceConfig(url=broker.url), Catalog())
        await source.connect()
        seen = Seen(source)
        await publisher.publish([rows(0)])
        await seen.until(N)
        assert len(source.catalog.devices) == N
        assert seen.rejects == []
        await source.close()


async def test_a_killed_gateway_gets_again_what_it_did_not_commit(broker):
    async with MqttPublisher(MqttPublisherConfig(url=broker.url), Catalog(DEVICES), lambda _: None) as publisher:
        first = MqttSource(MqttSourceConfig(url=broker.url), Catalog())
        await first.connect()
        await publisher.announce(DEVICES)
        seen = Seen(first)
        await publisher.publish([rows(0)])
        await seen.until(N)
        await publisher.publish([rows(1)])
        await publisher.flush()
        async with asyncio.timeout(5):
            await first.read()  # never acknowledged
        await first.close()
        await publisher.publish([rows(2)])
        second = MqttSource(MqttSourceConfig(url=broker.url), first.catalog)
        await second.connect()
        again = Seen(second)
        again.rows |= seen.rows
        await again.until(3 * N)
        await second.close()


async def test_a_killed_broker_and_replay(broker):
    """What the broker forgot comes back by replay."""
    async with MqttPublisher(MqttPublisherConfig(url=broker.url), Catalog(DEVICES), lambda _: None) as publisher:
        source = MqttSource(MqttSourceConfig(url=broker.url), Catalog())
        await source.connect()
        await publisher.announce(DEVICES)
        seen = Seen(source)
        await publisher.publish([rows(0)])
        await seen.until(N)
        await source.close()
        await publisher.publish([rows(1)])  # acknowledged to the simulator, then forgotten
        await publisher.flush()
        await broker.kill()
        await broker.start()
        with pytest.raises(NotConnected):
            await source.read()
        await source.connect()
        async with asyncio.timeout(10):
            while not publisher.connected:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await publisher.publish([rows(2)])
        await publisher.flush()
        for device in DEVICES:
            await source.ask_replay(device.path, "a", publisher.sid, 0, 2)
        await seen.until(3 * N)
        assert seen.rejects == []
        await source.close()


async def test_a_foreign_device_by_mosquitto_pub(broker):
    if find_mosquitto() is None:
        pytest.skip("mosquitto clients are not installed on this machine")
    source = MqttSource(MqttSourceConfig(url=broker.url), Catalog())
    await source.connect()
    seen = Seen(source)
    birth = {
        "manufacturer": "Startup",
        "serialNumber": "1",
        "productInstanceUri": "urn:startup:1",
        "sid": 1,
        "streams": [{"name": "air", "channels": [{"name": "pm25", "quantity": "pm25", "unit": "ug/m3"}]}],
    }
    for kind, payload in (
        ("birth", json.dumps(birth)),
        ("data/air", '{"t":"2025-11-22T06:00:00Z","seq":0,"v":{"pm25":17.2}}'),
        ("data/air", '{"t":"2025-11-22T06:00:01Z","seq":1,"v":{"pm25":NaN}}'),
        ("data/air", '{"t":"2025-11-22T06:00:02Z","seq":2,"v":{"pm25":null},"q":{"pm25":[0,"sensor"]}}'),
    ):
        pub = await asyncio.create_subprocess_exec(
            *("mosquitto_pub", "-h", "127.0.0.1", "-p", broker.url.rpartition(":")[2], "-q", "1"),
            *("-t", f"iiot/v1/s/a/foreign/{kind}", "-m", payload),
        )
        assert await pub.wait() == 0
    await seen.until(2)
    assert source.catalog.devices["s/a/foreign"].domain == "third_party"
    assert {row[1:] for row in seen.rows} == {(1, 0), (1, 2)}
    assert [why.partition(":")[0] for _, why, _ in seen.rejects] == ["nan"]
    await source.close()
