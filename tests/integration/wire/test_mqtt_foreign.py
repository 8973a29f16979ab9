"""MQTT 3.1.1 and 5 against an independent implementation (npm mqtt) through a real mosquitto and our whole gateway."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import RunClock, wall_ns
from core.command import Command, CommandResult
from gateway.kinds import GatewayConfig
from gateway.reader import BufferReader
from gateway.service import Gateway
from gateway.sources.mqtt import MqttSource, MqttSourceConfig
from simulator.publish.mqtt import MqttPublisher, MqttPublisherConfig
from tests.integration.wire.test_publisher_to_source import DEVICES, rows
from tests.peers.node import SCRIPTS, need_node, node_env
from wire.broker import Broker
from wire.mqtt import MqttSession
from wire.session import MqttConfig

DEVICE = "startup/lab/npm"
RULE = {
    "name": "hot", "max_age": "60s",
    "when": {"kind": "oven", "channel": "temp", "op": ">", "value": 80}, "then": {"command": "stop"},
}  # fmt: skip


class Peer:
    """The foreign device: what it said so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said: list[dict[str, Any]] = []

    def listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def commands(self, name: str) -> list[dict[str, Any]]:
        return [x for x in self.said if x.get("command") == name]


@asynccontextmanager
async def peer(url: str, version: int, qos: int) -> AsyncIterator[Peer]:
    need_node("mqtt")
    command = ["node", str(SCRIPTS / "mqtt_device.js"), url, str(version), str(qos)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = await asyncio.to_thread(subprocess.Popen, command, text=True, env=node_env(), **pipes)  # type: ignore[call-overload]
    made = Peer(process)
    listening = asyncio.create_task(asyncio.to_thread(made.listen))
    try:
        yield made
    finally:
        process.kill()
        await listening
        process.wait(10)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


@asynccontextmanager
async def gateway(folder: Path, url: str, **config: Any) -> AsyncIterator[Gateway]:
    catalog, now = Catalog(), wall_ns()
    source = MqttSource(MqttSourceConfig.model_validate({"url": url, **config}), catalog)
    only_stores = {"validate": {"gaps": {"watch": False}}}
    settings = GatewayConfig.model_validate(only_stores if config.get("share") else {"rules": [RULE]})
    made = Gateway(settings, folder, catalog, {"mqtt": source}, RunClock(now, now, 1.0))
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        made.stop()
        await asyncio.wait_for(task, 30)


async def until(what: str, true: Any, seconds: float = 30.0) -> None:
    for _ in range(round(seconds / 0.02)):
        if true():
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def kept(folder: Path) -> tuple[list[Batch], list[Any]]:
    reader = BufferReader(folder / "buffer")
    try:
        contents = [r.content for r in reader.read(0, 100_000)]
    finally:
        reader.close()
    batches = [c for c in contents if isinstance(c, Batch)]
    return batches, [note for c in contents if isinstance(c, list) for note in c]


@pytest.mark.parametrize(("version", "qos"), [(4, 0), (4, 1), (4, 2), (5, 0), (5, 1), (5, 2)])
async def test_a_foreign_device_is_served_in_full(mosquitto: Broker, tmp_path: Path, version: int, qos: int) -> None:
    settings = {"version": 5 if version == 5 else 311, "qos": 2, "persistent": False}
    async with gateway(tmp_path, mosquitto.url, **settings) as made, peer(mosquitto.url, version, qos) as device:
        stream = f"{DEVICE}/air"

        def received() -> int:
            return made.validator.accounting().get(stream, {}).get("received", 0)

        await until("all rows, one of them by replay", lambda: received() == 10)
        await until("the rule's command is done", lambda: made.metrics.counts["commands_done"] == 1)
        assert len(device.commands("replay")) >= 1
        assert len(device.commands("stop")) == 1
        watching = MqttSession(MqttConfig(url=mosquitto.url, persistent=False))
        await watching.connect()
        await watching.subscribe([f"iiot/v1/{DEVICE}/state"])
        assert json.loads((await watching.read(5))[0].payload)["online"] is True
        assert device.process.stdin is not None
        device.process.stdin.close()  # no goodbye: the broker speaks its will
        assert json.loads((await watching.read(10))[0].payload)["online"] is False
        await watching.close()
        counts = made.validator.accounting()[stream]
    assert (counts["received"], counts["lost"], counts["duplicated"]) == (10, 0, 0), counts
    batches, notes = kept(tmp_path)
    assert sorted(s for b in batches for s in b.seq.tolist()) == list(range(10))
    command = next(n for n in notes if isinstance(n, Command) and n.name == "stop")
    result = next(n for n in notes if isinstance(n, CommandResult) and n.id == command.id)
    expected = "ab" * 16 if version == 5 else command.cause.trace() if command.cause else ""
    assert (command.trace, result.trace) == (expected, expected)
    if version == 5:
        assert device.commands("stop")[0]["trace"].split("-")[1] == "ab" * 16


async def test_a_gateway_that_comes_back_asks_for_births(mosquitto: Broker, tmp_path: Path) -> None:
    async with peer(mosquitto.url, 5, 1) as device:
        async with gateway(tmp_path, mosquitto.url) as made:
            await until("born", lambda: DEVICE in made.catalog.devices)
        before = len(device.commands("rebirth"))
        async with gateway(tmp_path, mosquitto.url):
            await until("asked again", lambda: len(device.commands("rebirth")) > before)


async def test_two_replicas_share_every_stream_out_and_no_row_twice(mosquitto: Broker, tmp_path: Path) -> None:
    parts = {name: {"part": f"{k}/2", "client_id": f"gateway-{name}"} for k, name in ((1, "a"), (2, "b"))}
    async with (
        gateway(tmp_path / "a", mosquitto.url, **parts["a"]) as a,
        gateway(tmp_path / "b", mosquitto.url, **parts["b"]) as b,
    ):
        config = MqttPublisherConfig(url=mosquitto.url, qos_of={"s/a0/*": 0, "s/a1/d1/*": 2})
        async with MqttPublisher(config, Catalog(DEVICES), lambda _: None) as publisher:
            await publisher.announce(DEVICES)
            await until("both hear all births", lambda: len(a.catalog.devices) + len(b.catalog.devices) == len(DEVICES))
            for seq in range(5):
                await publisher.publish([rows(seq)])
            await publisher.flush()
            total = 5 * len(DEVICES)
            await until("all rows", lambda: sum(g.validator.totals()["received"] for g in (a, b)) == total)
    owned = [
        {g.catalog.streams[i].path for batch in kept(tmp_path / name)[0] for i in np.unique(batch.stream)}
        for name, g in (("a", a), ("b", b))
    ]
    assert not owned[0] & owned[1]
    assert len(owned[0] | owned[1]) == len(DEVICES)
    assert min(len(owned[0]), len(owned[1])) > len(DEVICES) // 4


async def test_members_of_a_shared_group_store_each_row_once(mosquitto: Broker, tmp_path: Path) -> None:
    member = {"share": "stores", "version": 5}
    total = 5 * len(DEVICES)
    async with (
        gateway(tmp_path / "a", mosquitto.url, client_id="a", **member) as a,
        gateway(tmp_path / "b", mosquitto.url, client_id="b", **member) as b,
        MqttPublisher(MqttPublisherConfig(url=mosquitto.url), Catalog(DEVICES), lambda _: None) as publisher,
    ):
        await publisher.announce(DEVICES)
        await until(
            "every member hears every birth", lambda: {len(g.catalog.devices) for g in (a, b)} == {len(DEVICES)}
        )
        for seq in range(5):
            await publisher.publish([rows(seq)])
        await publisher.flush()
        await until("all rows", lambda: sum(g.validator.totals()["received"] for g in (a, b)) == total)
    counts = [len(batch) for name in ("a", "b") for batch in kept(tmp_path / name)[0]]
    assert sum(counts) == total
    assert min(a.validator.totals()["received"], b.validator.totals()["received"]) > 0


async def test_a_flooding_device_does_not_hold_its_neighbour_up(mosquitto: Broker, tmp_path: Path) -> None:
    """A neighbour's row comes through behind 6,000 messages of another; what is kept of them stays bounded."""
    async with gateway(tmp_path, mosquitto.url, limits={"rate": 50, "burst": 100}) as made:
        config = MqttPublisherConfig(url=mosquitto.url)
        async with MqttPublisher(config, Catalog(DEVICES[:1]), lambda _: None) as publisher:
            await publisher.announce(DEVICES[:1])
            await until("the neighbour is born", lambda: DEVICES[0].path in made.catalog.devices)
            loud = MqttSession(MqttConfig(url=mosquitto.url, client_id="loud", window=6_000))
            await loud.connect()
            for n in range(6_000):
                await loud.publish("iiot/v1/s/a0/loud/data/x", b'{"t": %d, "v": {"x": 1}}' % n)
            await publisher.publish([rows(0).take(slice(0, 1))])
            await until("the neighbour's row", lambda: made.validator.totals()["received"] == 1)
            latency = made.metrics.latency_ms()["ingest_p99"]
            await until("all of the flood is judged", lambda: made.letters.counts["rate"] > 5_000)
            await loud.close()
    assert latency is not None
    assert latency < 20_000, "the flood is cheaper to refuse than to take in"
    assert made.metrics.counts["buffer_dropped"] == 0
    assert made.letters.unkept > 0
