"""A world in small: devices, a publisher, a source, and the equipment that answers commands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import pytest

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS, wall_ns
from core.command import Command, CommandResult, Event
from core.errors import NotConnected
from core.ports import Arrival
from core.quality import GOOD
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, StreamSpec
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from simulator.publish.opcua import OpcuaPublisher, OpcuaPublisherConfig

STATES = {0: "idle", 1: "running", 2: "maintenance"}
SLOW = LayoutSpec(
    "pump.main",
    (
        ChannelSpec("temperature", "temperature", "Cel", -20.0, 120.0, label=Name("온도", "Temperature")),
        ChannelSpec("pressure", "pressure", "bar", 0.0, 16.0),
        ChannelSpec("power", "power", "kW", 0.0, 30.0, group="consumption"),
        ChannelSpec("vibration", "velocity", "mm/s", 0.0, 50.0, group="health"),
        ChannelSpec("state", "state", states=STATES, group="status"),
    ),
)
FAST = LayoutSpec("pump.wave", (ChannelSpec("ax", "acceleration", "m/s2"), ChannelSpec("ay", "acceleration", "m/s2")))


def device(i: int, *, fast: bool = False, period: int = 100 * MS) -> DeviceSpec:
    streams = (StreamSpec("main", SLOW, period), *((StreamSpec("wave", FAST, MS),) if fast else ()))
    return DeviceSpec(
        "seoul", "hall", f"pump{i}", "pump", "factory", "cell",
        Identity("Hanguk Pumps", f"SN{i}", f"urn:pump:{i}", "HP-1"), streams,
        (CommandSpec("derate", {"factor": "1"}), CommandSpec("stop")),
        Name("펌프", "Pump"), protocols=("opcua",),
    )  # fmt: skip


def rows(catalog: Catalog, stream: str, t: Sequence[int], seed: int = 0, seq: int = 0) -> Batch:
    """Rows of one stream with values that tell where they belong."""
    entry = catalog.find(stream)
    assert entry is not None
    n, layout = len(t), entry.spec.layout
    x = np.random.default_rng(seed).normal(size=(n, len(layout.channels)))
    for j, channel in enumerate(layout.channels):
        if channel.states:
            x[:, j] = np.arange(n) % len(channel.states)
    q = np.full(x.shape, GOOD, np.uint8)
    return Batch(layout, np.full(n, entry.index, np.int32), np.ones(n, np.int64), np.arange(seq, seq + n),
                 np.array(t, np.int64), x, q)  # fmt: skip


@dataclass
class Rig:
    """Publisher and source with the catalogs of both ends, and what the source has read."""

    publisher: OpcuaPublisher
    source: OpcuaSource
    catalog: Catalog
    seen: Catalog
    commands: list[Command]
    arrivals: list[Arrival] = field(default_factory=list)

    async def until(self, done: Callable[[], bool], timeout: float = 20.0) -> None:
        """Read, reconnecting as a supervisor does, until ``done``."""

        async def run() -> None:
            while not done():
                try:
                    arrivals, ack = await self.source.read()
                    self.arrivals += arrivals
                    await ack()
                except NotConnected:
                    await self.reconnect()

        await asyncio.wait_for(run(), timeout)

    async def reconnect(self) -> None:
        while True:
            try:
                return await self.source.connect()
            except NotConnected:
                await asyncio.sleep(0.1)

    def table(self, stream: str) -> dict[int, tuple[list[float], list[int]]]:
        """Rows read of a stream by time; fails on a row that came twice or out of order."""
        index, found = self.seen.index(stream), {}
        for arrival in self.arrivals:
            for batch in arrival.batches:
                mine = batch.take(batch.stream == index)
                for t, x, q in zip(mine.t.tolist(), mine.x.tolist(), mine.q.tolist(), strict=True):
                    assert t not in found, f"{stream} {t} came twice"
                    assert not found or t > max(found), f"{stream} {t} came late"
                    found[t] = (x, q)
        return found

    def count(self) -> int:
        return sum(len(batch) for arrival in self.arrivals for batch in arrival.batches)

    def notes(self, kind: type[Event] | type[CommandResult]) -> list:
        return [note for arrival in self.arrivals for note in arrival.notes if isinstance(note, kind)]


@pytest.fixture
def rig():
    """Return what makes a running rig of some devices."""

    @asynccontextmanager
    async def make(devices: Sequence[DeviceSpec], connect: bool = True, **server: object) -> AsyncIterator[Rig]:
        catalog, seen, commands = Catalog(devices), Catalog(), []
        config = OpcuaPublisherConfig(port=0, **server)
        async with OpcuaPublisher(config, catalog, commands.append) as publisher:
            await publisher.announce(devices)
            source = OpcuaSource(OpcuaSourceConfig(url=publisher.server.url, publishing="50ms"), seen)
            rig = Rig(publisher, source, catalog, seen, commands)
            try:
                if connect:
                    await source.connect()
                yield rig
            finally:
                await rig.source.close()

    return make


def soon(step: int = 0) -> int:
    """A whole tenth of a second near now."""
    return wall_ns() // NS * NS + step * 100 * MS


async def eventually(done: Callable[[], object]) -> None:
    """Wait until ``done``."""
    async with asyncio.timeout(10):
        while not done():  # noqa: ASYNC110 - what is waited for does not know of us
            await asyncio.sleep(0.01)
