"""Publisher on Modbus TCP: every machine is a unit of a server (of several, where there are more than 246).

Registers hold the last row; nothing carries a time.

What a client writes becomes a command for the inbox; a result word of the machine's map says what came of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, wall_ns
from core.command import Command, CommandResult, Event
from core.config import Config
from core.errors import CommandRefused
from core.ports import OnCommand
from core.spec import DeviceSpec
from wire.modbus.station import CLOCK_UNIT, Station

if TYPE_CHECKING:
    from wire.modbus.server import ModbusServer
    from wire.modbus.unit import Unit

_EXPIRES = 60 * NS
_CLOCK = "t"


class ModbusPublisherConfig(Config):
    """Modbus TCP servers of the simulator; ``port`` 0 takes free ones, else lines lie on the ports from there on."""

    kind: Literal["modbus"] = "modbus"
    host: str = "127.0.0.1"
    port: int = 0
    connections: int = 32


class ModbusPublisher:
    """See :class:`core.ports.Publisher`.

    Parameters
    ----------
    catalog
        The catalog that the stream indices of published batches belong to.
    stations
        Unit and register map of each device.
    on_command
        Takes each command that a client writes; may raise CommandRefused.
    now
        Run time in ns UTC.
    """

    def __init__(
        self,
        config: ModbusPublisherConfig,
        catalog: Catalog,
        stations: Sequence[Station],
        on_command: OnCommand,
        now: Callable[[], int] = wall_ns,
    ) -> None:
        from wire.modbus.server import ModbusServer, ModbusServerConfig  # pymodbus: only who serves it pays for it

        self.config = config
        self.servers: list[ModbusServer] = []
        for line in range(1 + max((s.line for s in stations), default=0)):
            port = config.port + line if config.port else 0
            served = ModbusServerConfig(host=config.host, port=port, connections=config.connections)
            self.servers.append(ModbusServer(served))
        self.unplaced = 0  # rows of streams that no unit has
        self._catalog = catalog
        self._stations = {station.device.path: station for station in stations}
        self._on_command = on_command
        self._now = now
        self._pending: dict[str, tuple[Unit, str]] = {}  # command id -> unit, command
        self._clock = _clock_unit()

    async def __aenter__(self) -> ModbusPublisher:
        for server in self.servers:
            server.units[CLOCK_UNIT] = self._clock
            await server.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        for server in self.servers:
            await server.stop()

    @property
    def server(self) -> ModbusServer:
        """The first line's server."""
        return self.servers[0]

    async def announce(self, devices: Sequence[DeviceSpec]) -> None:
        """Let devices answer under their units."""
        from wire.modbus.unit import Unit

        for device in devices:
            station = self._stations[device.path]
            self.servers[station.line].units[station.unit] = Unit(station.plan, partial(self._written, station))

    async def publish(self, batches: Sequence[Batch]) -> None:
        """Put the last row of each stream into the registers."""
        latest = 0
        for batch in batches:
            latest = max(latest, int(batch.t.max()))
            for stream, rows in batch.by_stream():
                self._show(stream, rows)
        if latest:
            self._clock.show(_CLOCK, [float((latest >> 16 * i) & 0xFFFF) for i in (3, 2, 1, 0)], [192] * 4)

    async def tell(self, notes: Sequence[Event | CommandResult]) -> None:
        """Show results in the result words; Modbus has no place for events."""
        for note in notes:
            place = self._pending.get(note.id) if isinstance(note, CommandResult) else None
            if place is None or not isinstance(note, CommandResult):
                continue
            unit, command = place
            unit.answer(command, note.status)
            if note.status != "accepted":
                del self._pending[note.id]

    async def flush(self) -> None:
        """Nothing waits: registers hold what is, not what was."""

    def _show(self, stream: int, rows: Batch) -> None:
        entry = self._catalog.streams[stream]
        station = self._stations.get(entry.device)
        unit = self.servers[station.line].units.get(station.unit) if station else None
        if unit is None:
            self.unplaced += len(rows)
            return
        unit.show(entry.spec.name, rows.x[-1].tolist(), rows.q[-1].tolist())

    def _written(self, station: Station, name: str, args: dict[str, float | str]) -> None:
        """Take in a command that a client wrote; the id is the machine's own, since Modbus carries none."""
        unit, now = self.servers[station.line].units[station.unit], self._now()
        ident = f"modbus-{station.line}-{station.unit}-{unit.commands_taken}-{now}"
        command = Command(ident, station.device.path, name, "modbus:client", now, now + _EXPIRES, args)
        self._pending[ident] = unit, name
        try:
            self._on_command(command)
        except CommandRefused:
            del self._pending[ident]
            unit.answer(name, "refused")


def _clock_unit() -> Unit:
    from wire.modbus.config import Register, RegisterMap
    from wire.modbus.unit import Unit

    words = {f"{_CLOCK}{i}": Register(address=i, type="uint16", missing="none", stream=_CLOCK) for i in range(4)}
    return Unit(RegisterMap(registers=words), lambda name, args: None)
