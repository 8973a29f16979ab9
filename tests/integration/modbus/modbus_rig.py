"""Old machines, their Modbus server, and a source that polls them, as a supervisor would drive it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS, RunClock, wall_ns
from core.command import Command, CommandResult, Event
from core.errors import NotConnected
from core.ports import Arrival
from core.quality import GOOD
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.modbus import ModbusSource, ModbusSourceConfig
from simulator.publish.modbus import ModbusPublisher, ModbusPublisherConfig
from wire.modbus.config import Overrides
from wire.modbus.maker import make_map
from wire.modbus.station import Station

PRESS = LayoutSpec(
    "press.main",
    (
        ChannelSpec("state", "state", states={0: "idle", 1: "running"}, group="status"),
        ChannelSpec("strokes", "count", low=0.0, group="consumption"),
        ChannelSpec("temp", "temperature", "Cel", -20.0, 120.0, resolution=0.1),
        ChannelSpec("pressure", "pressure", "bar", 0.0, 400.0, resolution=0.01),
    ),
)
COMMANDS = (
    CommandSpec("start"),
    CommandSpec("stop"),
    CommandSpec("maintain", {"duration": "s", "parts": "1"}),
    CommandSpec("set_pressure", {"pressure": "bar"}),
)
EVERY = 50 * MS


def machine(i: int) -> DeviceSpec:
    return DeviceSpec(
        "seoul", "old", f"press-{i}", "press", "factory", "line", Identity("Mapo", str(i), f"urn:press:{i}"),
        (StreamSpec("main", PRESS, 100 * MS),), COMMANDS, protocols=("modbus",),
    )  # fmt: skip


def stations(n: int) -> list[Station]:
    codes = {"parts": {"all": 0, "seal": 1}}
    return [Station(i + 1, machine(i), make_map(machine(i), Overrides(), codes, "test"), EVERY) for i in range(n)]


@dataclass
class Rig:
    catalog: Catalog
    publisher: ModbusPublisher
    stations: list[Station]
    clock: RunClock
    commands: list[Command]
    seen: Catalog = field(default_factory=Catalog)
    arrivals: list[Arrival] = field(default_factory=list)
    source: ModbusSource | None = None

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.publisher.server.port}"

    def make_source(self, memory: Path | None = None, **config: Any) -> ModbusSource:
        settings = ModbusSourceConfig(**{"url": self.url, "timeout": 0.2, "least": 0.05, **config})
        self.seen = Catalog()
        self.source = ModbusSource(settings, self.seen, self.clock, self.stations, memory)
        return self.source

    async def show(self, i: int, values: Sequence[float], quality: Sequence[int] = ()) -> None:
        entry = self.catalog.find(f"seoul/old/press-{i}/main")
        assert entry is not None
        q = np.array([list(quality) or [GOOD] * len(values)], np.uint8)
        one = np.array([1], np.int64)
        batch = Batch(PRESS, np.array([entry.index], np.int32), one, one, np.array([wall_ns()]), np.array([values]), q)
        await self.publisher.publish([batch])

    async def until(self, done: Callable[[], bool], timeout: float = 15.0) -> None:
        source = self.source
        assert source is not None

        async def run() -> None:
            while not done():
                try:
                    arrivals, ack = await source.read()
                    self.arrivals += arrivals
                    await ack()
                except NotConnected:
                    await asyncio.sleep(0.05)
                    while not await reconnected(source):  # noqa: ASYNC110
                        await asyncio.sleep(0.05)

        await asyncio.wait_for(run(), timeout)

    def batches(self, i: int) -> list[Batch]:
        path = f"seoul/old/press-{i}/main"
        return [b for a in self.arrivals for b in a.batches if self.seen.streams[int(b.stream[0])].path == path]

    def row(self, i: int) -> list[float]:
        return [float(v) for v in self.batches(i)[-1].x[0]]

    def events(self, name: str) -> list[Event]:
        return [n for a in self.arrivals for n in a.notes if isinstance(n, Event) and n.name == name]

    def results(self) -> list[CommandResult]:
        return [n for a in self.arrivals for n in a.notes if isinstance(n, CommandResult)]


async def reconnected(source: ModbusSource) -> bool:
    try:
        await source.connect()
    except NotConnected:
        return False
    return True


@asynccontextmanager
async def rig(n: int = 2) -> AsyncIterator[Rig]:
    start = wall_ns() - NS
    listed = stations(n)
    catalog = Catalog(s.device for s in listed)
    commands: list[Command] = []
    async with ModbusPublisher(ModbusPublisherConfig(), catalog, listed, commands.append) as publisher:
        await publisher.announce([s.device for s in listed])
        made = Rig(catalog, publisher, listed, RunClock(start, start, 1.0), commands)
        try:
            yield made
        finally:
            if made.source is not None:
                await made.source.close()


def order(device: str, name: str, ident: str = "c1", **args: Any) -> Command:
    return Command(ident, device, name, "user:test", wall_ns(), wall_ns() + 60 * NS, args)
