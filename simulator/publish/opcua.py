"""Publisher on OPC UA: a server whose nodes are the devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from core.batch import Batch
from core.catalog import Catalog
from core.clock import wall_ns
from core.command import CommandResult, Event
from core.ports import OnCommand
from core.spec import DeviceSpec
from wire.opcua.config import OpcuaServerConfig

if TYPE_CHECKING:
    from wire.opcua.slots import Slot

_FLUSH_S = 5.0


class OpcuaPublisherConfig(OpcuaServerConfig):
    """An OPC UA server of the simulator. ``apart``: it is a process of its own, and is started again when it dies."""

    kind: Literal["opcua"] = "opcua"
    apart: bool = False


class OpcuaPublisher:
    """Announces devices as nodes, writes rows as values, takes method calls as commands.

    Parameters
    ----------
    catalog
        The catalog that the stream indices of published batches belong to.
    on_command
        Takes each command that a client calls; may raise CommandRefused.
    now
        Run time in ns UTC, stamped on commands of foreign clients.
    """

    def __init__(
        self,
        config: OpcuaPublisherConfig,
        catalog: Catalog,
        on_command: OnCommand,
        now: Callable[[], int] = wall_ns,
    ) -> None:
        from wire.opcua.server import OpcuaServer  # takes long: only who serves OPC UA pays for it

        self.server = OpcuaServer(config, on_command, now)
        self.unplaced = 0  # rows of streams that were never announced here
        self._catalog = catalog
        self._slots: list[Slot | None] = []

    async def __aenter__(self) -> OpcuaPublisher:
        await self.server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.server.stop()

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Build the nodes of devices."""
        await self.server.announce(devices)
        self._slots = []

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Write rows; while the server is down they only go into the history."""
        rows = [placed for batch in batches if len(batch) for placed in self._place(batch)]
        self.server.write(rows)

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Complete commands and show events."""
        await self.server.tell(notes)

    async def flush(self) -> None:
        """Wait until connected clients have fetched what was published."""
        await self.server.drained(_FLUSH_S)

    async def cut(self) -> None:
        """Take the server down, as a fault; rows published meanwhile go into the history."""
        await self.server.stop()

    async def mend(self) -> None:
        """Bring the server back on its port with its devices and their history."""
        await self.server.start()

    def _place(self, batch: Batch) -> list[tuple[list[Slot], Batch]]:
        found = [self._slot(index) for index in batch.stream.tolist()]
        slots = [slot for slot in found if slot is not None]
        if len(slots) < len(found):
            self.unplaced += len(found) - len(slots)
            batch = batch.take([i for i, slot in enumerate(found) if slot is not None])  # type: ignore[arg-type]
        if not slots:
            return []
        if not slots[0].spec.fast:
            return [(slots, batch)]
        placed = []
        for index, rows in batch.by_stream():
            slot = self._slot(index)
            assert slot is not None
            placed.append(([slot], rows))
        return placed

    def _slot(self, index: int) -> Slot | None:
        if index >= len(self._slots):
            self._slots = [self.server.slots.get(entry.path) for entry in self._catalog.streams]
        return self._slots[index]
