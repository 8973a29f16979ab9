"""A publisher that takes its time to open (an OPC UA server builds thousands of nodes) without holding up the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from core.batch import Batch
from core.command import CommandResult, Event
from core.ports import Publisher
from core.spec import DeviceSpec


class LatePublisher:
    """See :class:`core.ports.Publisher`. Opens the one that ``make`` returns in the background.

    ``make`` runs in a thread, so that it may import what it needs.

    What is published before it is open is handed over in order afterwards, so nothing is missing, only late.
    Raises whatever the other one raised while opening, at the next call.
    """

    def __init__(self, make: Callable[[], Publisher]) -> None:
        self._make = make
        self._inner: Publisher | None = None
        self._stack = AsyncExitStack()
        self._opening: asyncio.Task[None] | None = None
        self._devices: list[DeviceSpec] = []
        self._held: list[Sequence[Batch] | tuple[Event | CommandResult, ...]] = []

    async def __aenter__(self) -> LatePublisher:
        self._opening = asyncio.create_task(self._catch_up(), name="open a publisher")
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._opening is not None:
            await asyncio.wait({self._opening})
        await self._stack.aclose()

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Announce devices, now or once it is open."""
        if inner := self._ready():
            await inner.announce(devices)
        else:
            self._devices += devices

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Publish rows, now or once it is open."""
        if inner := self._ready():
            await inner.publish(batches)
        else:
            self._held.append(list(batches))

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Tell notes, now or once it is open."""
        if inner := self._ready():
            await inner.tell(notes)
        else:
            self._held.append(tuple(notes))

    async def flush(self) -> None:
        """Wait until it is open and has handed everything over."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
        if inner := self._ready():
            await inner.flush()

    def _ready(self) -> Publisher | None:
        if self._inner is None and self._opening is not None and self._opening.done():
            self._opening.result()  # raises what went wrong
        return self._inner

    async def _catch_up(self) -> None:
        inner = await asyncio.to_thread(self._make)
        await self._stack.enter_async_context(inner)
        await inner.announce(self._devices)
        while self._held:
            held = self._held.pop(0)
            if isinstance(held, tuple):
                await inner.tell(held)
            else:
                await inner.publish(held)
        self._inner = inner
