"""Brings a broker of ours back when it ends: on its port, with what it had saved; the ends repair what it forgot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from core.clock import NS, mono_ns
from core.errors import WireError

#: s between the attempts to start it again
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0)
#: s that it must have lived for the pauses to begin anew
STEADY_S = 30


class Restarts(Protocol):
    """What is asked of a broker; see :class:`wire.broker.Broker`."""

    url: str

    async def ended(self) -> None:
        """Wait until its process has ended; for ever where it is somebody else's."""
        ...

    async def start(self) -> None:
        """Start it; raises WireError where it cannot be."""
        ...


class BrokerKeeper:
    """Watches a broker while it is open (``async with``).

    Parameters
    ----------
    broker
        Running.
    told
        Hears what people should know.
    gave_up
        Called once when it cannot be brought back.
    pauses
        s before each attempt; as many attempts.
    """

    def __init__(
        self,
        broker: Restarts,
        told: Callable[[str], None],
        gave_up: Callable[[str], None],
        pauses: tuple[float, ...] = PAUSES,
    ) -> None:
        self._broker, self._told, self._gave_up, self._pauses = broker, told, gave_up, pauses
        self.restarts = 0
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> BrokerKeeper:
        self._watching = asyncio.create_task(self.run(), name="keep the broker")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def run(self) -> None:
        """Watch; returns only when it gave up."""
        failures = 0
        while True:
            began = mono_ns()
            await self._broker.ended()
            failures = 0 if mono_ns() - began > STEADY_S * NS else failures
            why = "it ended again and again"
            while failures < len(self._pauses):
                await asyncio.sleep(self._pauses[failures])
                failures += 1
                try:
                    await self._broker.start()
                except WireError as error:
                    why = str(error)
                    continue
                self.restarts += 1
                self._told(f"the broker had ended and was started again at {self._broker.url}")
                break
            else:
                self._gave_up(f"the broker at {self._broker.url} ended and cannot be started again: {why}")
                return
