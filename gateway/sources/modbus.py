"""Source on Modbus TCP: polls units by their register maps, numbers what it reads, gives commands by writing.

Modbus carries no time, no row number and no birth; all three are the gateway's.

*A poll samples.* Time is divided into slots of a unit's interval; the row read in slot k has the number k, the time of
the answer (the middle of the exchange), and a start number that belongs to the run. So a gateway that starts again
numbers on where it was, a slot without an answer is a hole with an exact range (slot k begins at
``start + k * every``), and no slot is read twice.

A poll that the gateway itself makes late, by up to ``late`` intervals, still belongs to its slot: its time tells when
it was taken. A slot in which the unit did not answer, or nobody was connected, is missed.

*Quality.* A value is GOOD when its unit answered and neither missing number, saturation nor status word says otherwise:
it is at most one scan of the device old. If the map has a heartbeat that stands still for ``stale`` polls, the values
are old: UNCERTAIN (last usable). Registers that the device refuses are BAD (config).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from core.batch import Batch
from core.catalog import Catalog
from core.clock import MS, NS, RunClock, wall_ns
from core.command import Command, CommandResult, Event, NodeState, Severity
from core.config import Config, Duration
from core.errors import CommandRefused, NotConnected, RejectedError, TestbedError
from core.metrics import Metrics
from core.ports import Ack, Arrival, Note
from core.spec import DeviceSpec
from gateway.limits import Guard, Limits
from gateway.sources.modbus_commands import Orders
from gateway.sources.modbus_foreign import ForeignUnit
from gateway.sources.modbus_unit import Memory, PolledUnit, Row
from wire.modbus.config import MOST_REGISTERS
from wire.modbus.station import CLOCK_UNIT, Station, endpoint

_GIVE_UP = 3  # failures in a row of every unit before the connection itself is doubted


class ModbusSourceConfig(Config):
    """A Modbus server (or gateway) to poll.

    ``url``: ``tcp://host:port``; ``run``: the run's own server, whose units are known. ``units``: foreign devices with
    their maps. ``timeout`` of one request; ``pause`` between requests; ``bridge``: unused registers that are read along
    rather than asking twice; ``most``: registers in one request; ``least``: shortest wall time between polls of a unit;
    ``late``: intervals by which a poll may be late; ``stale``: polls with the same heartbeat before values are old;
    ``answer``: how long a command waits for its result.
    """

    kind: Literal["modbus"] = "modbus"
    url: str
    units: tuple[ForeignUnit, ...] = ()
    timeout: Duration = 500 * MS
    pause: Duration = 0
    bridge: int = Field(default=8, ge=0, le=100)
    most: int = Field(default=MOST_REGISTERS, ge=2, le=MOST_REGISTERS)
    least: Duration = 200 * MS
    late: int = Field(default=3, ge=0, le=60)
    stale: int = Field(default=5, ge=2)
    answer: Duration = 2 * NS
    limits: Limits = Limits()

    @field_validator("url")
    @classmethod
    def _reachable(cls, value: str) -> str:
        try:
            if value != "run":
                endpoint(value)
        except TestbedError as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("units")
    @classmethod
    def _different(cls, value: tuple[ForeignUnit, ...]) -> tuple[ForeignUnit, ...]:
        for what in (
            [f"have the number {u.unit}" for u in value],
            [f"are called {u.device.site}/{u.device.area}/{u.device.id}" for u in value],
        ):
            twice = [one for one in what if what.count(one) > 1]
            if twice:
                raise ValueError(f"two units {twice[0]}")
        return value


async def _no_ack() -> None:
    """Acknowledge nothing: a register holds no backlog."""


class ModbusSource:
    """See module.

    Parameters
    ----------
    stations
        Devices of ours behind the server, beside the foreign ones of the configuration.
    clock
        Run clock. Foreign devices are timed by the wall clock, as all third-party devices are.
    memory
        File in which counters that wrap survive a restart.
    """

    def __init__(
        self,
        config: ModbusSourceConfig,
        catalog: Catalog,
        clock: RunClock,
        stations: Sequence[Station] = (),
        memory: Path | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        from wire.modbus.client import ExceptionAnswer, ModbusClient, ModbusClientConfig, NoAnswer  # pymodbus: lazily

        self.config = config
        self.metrics = metrics or Metrics()
        self._catalog, self._clock = catalog, clock
        self._exception, self._silence = ExceptionAnswer, NoAnswer
        self._client = ModbusClient(ModbusClientConfig(url=config.url, timeout=config.timeout, pause=config.pause))
        everyone = [*stations, *(unit.station(_node(config.url)) for unit in config.units)]
        kept = Memory(memory)
        self._units = [PolledUnit(s, kept, config.bridge, config.most, config.stale) for s in everyone]
        self._by_path = {unit.path: unit for unit in self._units}
        self._guard = Guard(config.limits, catalog)
        self._orders = Orders(self._client, config.answer, self.now)
        self._ready: deque[Arrival] = deque()
        self._wake = asyncio.Event()
        self._born = False
        self._finished = False
        self._sid = wall_ns() // MS if clock.speed == 0 else max(1, clock.start // MS)
        self._world = 0  # run time that the server tells, where no clock does

    def now(self) -> int:
        """Return run time, ns UTC."""
        told = self._clock.now()
        return told if told is not None else self._world or wall_ns()

    async def connect(self) -> None:
        """Open the connection; the first time announce the devices. Raises NotConnected."""
        await self._client.connect()
        if not self._born:
            self._born = True
            self._announce()
            for unit in self._units:  # the slot that lasts may have been read by a predecessor
                unit.sid, unit.tried = self._sid, -1 if self._clock.speed == 0 else max(-1, self._slot(unit))
        else:
            for unit in self._units:  # nobody asked while there was no connection
                unit.tried = max(unit.tried, self._slot(unit) - 1)
                unit.failures = min(unit.failures, 1)

    async def read(self) -> tuple[Sequence[Arrival], Ack]:
        """Return what was polled; waits for the next unit that is due. Raises NotConnected."""
        while not self._ready:
            await self._turn()
        arrivals = list(self._ready)
        self._ready.clear()
        return arrivals, _no_ack

    async def close(self) -> None:
        """Close the connection."""
        await self._client.close()

    async def send(self, command: Command) -> None:
        """Write a command; what the machine answers comes as notes of ``read``. Raises CommandRefused, WireError."""
        unit = self._by_path.get(command.device)
        if unit is None:
            raise CommandRefused(f"{command.device} is not on {self.config.url}")
        results = await self._orders.give(unit, command)
        self._tell(results)

    def polled(self) -> list[str]:
        """Return the paths of the streams that are polled."""
        return [unit.station.device.stream_path(s.name) for unit in self._units for s in unit.station.device.streams]

    def finish(self) -> None:
        """Ask no more, and say which slots were due, so that those without an answer are accounted for."""
        if self._finished:
            return
        self._finished = True
        states = []
        for unit in self._units:
            due = self._slot(unit) - 1  # the present slot has not ended
            if unit.contacted and self._clock.speed and unit.last < due:
                device = unit.station.device
                last = {device.stream_path(s.name): due for s in device.streams}
                states.append(NodeState(f"{device.site}/{device.area}/{device.node}", True, unit.sid, last))
        if states:
            self._ready.append(Arrival(states=states, arrived=wall_ns()))
        self._wake.set()

    def _announce(self) -> None:
        """Catalogue the devices; one that the limits refuse is not polled."""
        births: list[DeviceSpec] = []
        rejects: list[tuple[str, str, bytes]] = []
        for unit in list(self._units):
            device = self._born_as(unit)
            try:
                self._guard.birth(device)
            except RejectedError as error:
                rejects.append((device.path, str(error), b""))
                self._units.remove(unit)
                del self._by_path[unit.path]
            else:
                births.append(self._catalog.add(device))
        self._ready.append(Arrival(births=births, rejects=rejects, arrived=wall_ns()))

    def _born_as(self, unit: PolledUnit) -> DeviceSpec:
        """Return a unit's device with the rate at which rows really come, and with Modbus as its way."""
        device, every = unit.station.device, self._every(unit)
        streams = tuple(replace(s, period_ns=max(s.period_ns, every)) for s in device.streams)
        return replace(device, streams=streams, protocols=("modbus",))

    async def _turn(self) -> None:
        """Poll the unit that is due first, or wait for it."""
        waits = [] if self._finished else [(self._wait_s(unit), i) for i, unit in enumerate(self._units)]
        wait_s, index = min(waits, default=(None, 0))
        if wait_s is not None and wait_s <= 0:
            await self._poll(self._units[index])
            return
        self._wake.clear()
        if self._ready:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._wake.wait()

    def _every(self, unit: PolledUnit) -> int:
        """Return the length of a slot: the interval, longer where time runs too fast for the network."""
        return max(unit.station.every, round(self.config.least * (1.0 if _foreign(unit) else self._clock.speed)))

    def _time(self, unit: PolledUnit) -> int:
        """Return the time since the run's start that the unit's slots are counted in, ns."""
        if _foreign(unit) or self._clock.speed == 0:
            return wall_ns() - self._clock.anchor
        return self.now() - self._clock.start

    def _slot(self, unit: PolledUnit) -> int:
        return self._time(unit) // self._every(unit)

    def _wait_s(self, unit: PolledUnit) -> float:
        """Return wall seconds until a unit is due; units keep a little apart."""
        every = self._every(unit)
        apart = self._units.index(unit) * min(2 * MS, every // (2 * len(self._units)))
        due = max(unit.next_slot(), 0) * every + apart
        speed = 1.0 if _foreign(unit) else self._clock.speed or 1.0
        return (due - self._time(unit)) / speed / NS

    async def _poll(self, unit: PolledUnit) -> None:
        slot = max(unit.next_slot(), self._slot(unit) - self.config.late)
        unit.tried = slot
        began, wall = self._time(unit), wall_ns()
        self.metrics.count("modbus.polls")
        try:
            if self._clock.speed == 0 and not _foreign(unit):
                await self._look_at_world_clock()
            row = await unit.poll(self._client, self._exception)
        except NotConnected:
            self._failed(unit, "the connection is lost")
            raise
        except (self._silence, self._exception) as error:
            self._failed(unit, str(error))
            if all(u.failures >= _GIVE_UP for u in self._units):
                raise NotConnected(f"{self.config.url}: no unit answers ({error})") from error
            return
        if row is None:
            return
        middle = (began + self._time(unit)) // 2
        self._recovered(unit, slot)
        unit.last = unit.last + 1 if self._clock.speed == 0 else slot
        self._deliver(unit, row, self._stamp(unit, middle), wall)

    def _stamp(self, unit: PolledUnit, since_start: int) -> int:
        """Return the time of a row: run time, for foreign devices wall time (the validation shifts it)."""
        if _foreign(unit):
            return self._clock.anchor + since_start
        return self.now() if self._clock.speed == 0 else self._clock.start + since_start

    async def _look_at_world_clock(self) -> None:
        with suppress(self._silence, self._exception):
            words = await self._client.read(CLOCK_UNIT, "input", 0, 4)
            self._world = int.from_bytes(b"".join(w.to_bytes(2, "big") for w in words), "big")

    def _deliver(self, unit: PolledUnit, row: Row, t: int, sent: int) -> None:
        batches = []
        device = unit.station.device
        for stream, (values, quality) in row.values.items():
            entry = self._catalog.streams[self._catalog.index(device.stream_path(stream))]
            batches.append(
                Batch(
                    entry.spec.layout,
                    np.array([entry.index], np.int32),
                    np.array([unit.sid], np.int64),
                    np.array([unit.last], np.int64),
                    np.array([t], np.int64),
                    np.array([values], np.float64),
                    np.array([quality], np.uint8),
                )
            )
        notes: list[Note] = [self._event(unit, "counter_reset", f"{name} began anew") for name in row.resets]
        notes += self._orders.heard(unit)
        rejects = [(f"{unit.path} {where}", f"refused: {why}", b"") for where, why in row.refused]
        self._ready.append(Arrival(batches=batches, notes=notes, rejects=rejects, arrived=wall_ns(), sent=sent))

    def _failed(self, unit: PolledUnit, why: str) -> None:
        unit.failures += 1
        self.metrics.count("modbus.polls_failed")
        unit.failed_since = unit.last + 1
        if unit.failures == (1 if unit.contacted else _GIVE_UP):
            self._note(self._event(unit, "poll_failed", f"unit {unit.station.unit} does not answer: {why}", "warning"))

    def _recovered(self, unit: PolledUnit, slot: int) -> None:
        if unit.failures and unit.contacted:
            every, start = self._every(unit), self._clock.anchor if _foreign(unit) else self._clock.start
            text = f"unit {unit.station.unit} answers again; not polled: slots {unit.failed_since}..{slot - 1}"
            text += f", from {start + unit.failed_since * every} to {start + slot * every}"
            self._note(self._event(unit, "poll_recovered", text))
        unit.failures = 0

    def _event(self, unit: PolledUnit, name: str, text: str, severity: Severity = "info") -> Event:
        return Event(unit.path, name, text, self.now(), severity)

    def _note(self, event: Event) -> None:
        self._ready.append(Arrival(notes=[event], arrived=wall_ns()))

    def _tell(self, results: Sequence[CommandResult]) -> None:
        if results:
            self._ready.append(Arrival(notes=results, arrived=wall_ns()))
            self._wake.set()


def _foreign(unit: PolledUnit) -> bool:
    return unit.station.device.domain == "third_party"


def _node(url: str) -> str:
    """Return a node's name for a server: its address in letters that a path may have."""
    return "".join(c if c.isalnum() or c in "._-" else "-" for c in url.partition("://")[2]) or "modbus"
