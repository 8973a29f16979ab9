"""An OPC UA server in a process of its own: killed, it comes back with its past, and the source misses nothing."""

from __future__ import annotations

import asyncio
import os
import signal

import numpy as np

from core.catalog import Catalog
from core.clock import MS, wall_ns
from core.command import Command, CommandResult
from core.errors import CommandRefused, NotConnected
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from simulator.publish.opcua import OpcuaPublisherConfig
from simulator.publish.opcua_apart import ApartOpcuaPublisher
from tests.integration.opcua.opcua_rig import device, rows
from wire.ports import free_port

SLOW, FAST = "seoul/hall/pump0/main", "seoul/hall/pump0/wave"


class Ear:
    """Reads a source as a supervisor would, and keeps what comes."""

    def __init__(self, source: OpcuaSource, seen: Catalog) -> None:
        self.source, self.seen = source, seen
        self.times: dict[str, list[int]] = {}
        self.results: list[CommandResult] = []

    async def until(self, *wanted: tuple[str, int]) -> None:
        async with asyncio.timeout(30):
            while any(len(set(self.times.get(path, ()))) < n for path, n in wanted):
                await self._read()

    async def _read(self) -> None:
        try:
            arrivals, _ = await self.source.read()
        except NotConnected:
            await asyncio.sleep(0.1)
            try:
                await self.source.connect()
            except NotConnected:
                return
            return
        for arrival in arrivals:
            self.results += [note for note in arrival.notes if isinstance(note, CommandResult)]
            for batch in arrival.batches:
                for index, part in batch.by_stream():
                    self.times.setdefault(self.seen.streams[index].path, []).extend(part.t.tolist())


async def test_a_killed_server_comes_back_with_its_past() -> None:
    catalog = Catalog([device(0, fast=True)])
    port, start = free_port(), wall_ns() // 10**9 * 10**9
    told: list[Command] = []

    def obey(command: Command) -> None:
        told.append(command)
        if command.name == "stop":
            raise CommandRefused("it must not stop")

    config = OpcuaPublisherConfig(port=port, apart=True)
    async with ApartOpcuaPublisher(config, catalog, obey, wall_ns) as publisher:
        await publisher.announce([device(0, fast=True)])
        made = {SLOW: 0, FAST: 0}

        async def publish(n: int) -> None:
            for _ in range(n):
                at = start + 100 * MS * made[SLOW]
                block = start + MS * np.arange(made[FAST], made[FAST] + 100)
                wave = rows(catalog, FAST, block.tolist(), seq=made[FAST])
                await publisher.publish([rows(catalog, SLOW, [at], seq=made[SLOW]), wave])
                made[SLOW], made[FAST] = made[SLOW] + 1, made[FAST] + 100

        await publish(5)
        seen = Catalog()
        source = OpcuaSource(OpcuaSourceConfig(url=f"opc.tcp://127.0.0.1:{port}/testbed"), seen)
        ear = Ear(source, seen)
        try:
            async with asyncio.timeout(30):
                while True:
                    try:
                        await source.connect()
                        break
                    except NotConnected:
                        await asyncio.sleep(0.1)
            await ear.until((SLOW, 5), (FAST, 500))
            await source.send(Command("c1", "seoul/hall/pump0", "stop", "rule:x", wall_ns(), wall_ns() + 10**10))
            first = publisher.pid
            os.kill(first, signal.SIGKILL)
            await publish(3)
            await ear.until((SLOW, 8), (FAST, 800))
            assert publisher.pid not in (0, first)
            await publish(2)
            await asyncio.gather(publisher.flush(), ear.until((SLOW, 10), (FAST, 1000)))
        finally:
            await source.close()
    assert publisher.restarts == 1
    assert {path: sorted(set(times)) for path, times in ear.times.items()} == {
        SLOW: [start + 100 * MS * k for k in range(10)],
        FAST: [start + MS * k for k in range(1000)],
    }
    assert [(c.id, c.name) for c in told] == [("c1", "stop")]
    assert [(r.id, r.status) for r in ear.results] == [("c1", "refused")]
    assert publisher.pid == 0
