"""A source without a network: whoever holds it feeds it. For tests, embedding and replay."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

from core.catalog import Catalog
from core.command import Command, CommandResult
from core.config import Config
from core.errors import EndOfStream, NotConnected
from core.ports import Ack, Arrival, OnCommand


class MemorySourceConfig(Config):
    """``depth``: reads that wait before :meth:`MemorySource.feed` blocks."""

    kind: Literal["memory"] = "memory"
    depth: int = 100


class MemorySource:
    """Hands over what it is fed; counts what was acknowledged; keeps what was sent to devices.

    Like a broker, it hands over again whatever was not acknowledged when the connection broke.
    """

    def __init__(self, config: MemorySourceConfig, catalog: Catalog, on_command: OnCommand | None = None) -> None:
        self.config, self.catalog, self.on_command = config, catalog, on_command
        self.sent: list[Command] = []
        self.results: list[CommandResult] = []
        self.asked: list[tuple[str, str, int, int, int]] = []
        self.acked = 0
        self.connected = False
        self._queue: asyncio.Queue[tuple[Arrival, ...] | None] = asyncio.Queue(config.depth)
        self._unacked: list[tuple[Arrival, ...]] = []
        self._again: list[tuple[Arrival, ...]] = []

    async def feed(self, *arrivals: Arrival) -> None:
        """Queue what the next read returns."""
        await self._queue.put(arrivals)

    async def end(self) -> None:
        """Let the stream end after what is queued."""
        await self._queue.put(None)

    def drop(self) -> None:
        """Break the connection; the next read raises NotConnected."""
        self.connected = False

    async def connect(self) -> None:
        """Connect; what was not acknowledged comes again."""
        self.connected = True
        self._again, self._unacked = [*self._again, *self._unacked], []

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return the next arrivals; raises NotConnected after :meth:`drop`, EndOfStream at the end."""
        if not self.connected:
            raise NotConnected("dropped")
        arrivals = self._again.pop(0) if self._again else await self._queue.get()
        if arrivals is None:
            raise EndOfStream("nothing more")
        for arrival in arrivals:
            for device in arrival.births:
                self.catalog.add(device)
        unacked = self._unacked
        unacked.append(arrivals)

        async def ack() -> None:
            if not self.connected or unacked is not self._unacked:  # of an earlier connection: it comes again
                raise NotConnected("dropped")
            unacked.remove(arrivals)
            self.acked += 1

        return arrivals, ack

    async def close(self) -> None:
        """Disconnect."""
        self.connected = False

    async def send(self, command: Command) -> None:
        """Hand a command to the device."""
        self.sent.append(command)
        if self.on_command is not None:
            self.on_command(command)

    async def ask_replay(self, device_path: str, stream: str, sid: int, first: int, last: int) -> None:
        """Keep the request."""
        self.asked.append((device_path, stream, sid, first, last))

    async def publish_result(self, result: CommandResult) -> None:
        """Keep the result."""
        self.results.append(result)
