"""One polled unit: what is asked, how its registers become a row, when it is due, how it fares."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from core.clock import NS, mono_ns
from core.quality import BAD_CONFIG, GOOD, UNCERTAIN_LAST_USABLE
from wire.modbus.config import Register
from wire.modbus.plan import Read, Span, group, parts, spans
from wire.modbus.station import Station
from wire.modbus.words import decode, raw_of, to_value, unpack_status, worst

_SAVE_EVERY = 10 * NS
_BACKOFF = 30 * NS
#: Modbus exceptions that speak of a register, not of the unit: function, address, value
OF_REGISTER = frozenset({1, 2, 3})


class Memory:
    """Counters that wrap, carried on beyond their registers and over a restart.

    A counter that is less than before has wrapped if the way forward is at most half its range; else the machine has
    been reset and the count is the machine's again. Between two looks a counter must not go half round.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._kept: dict[str, list[int]] = {}
        self._saved = 0
        if path is not None and path.exists():
            self._kept = {str(k): [int(a), int(b)] for k, (a, b) in json.loads(path.read_text("utf-8")).items()}

    def carry(self, key: str, raw: int, size: int) -> tuple[int, bool]:
        """Return the count that goes on beyond ``size``, and whether the machine's was reset."""
        base, last = self._kept.get(key, (0, raw))
        wrapped = raw < last and raw - last + size <= size // 2
        reset = raw < last and not wrapped
        base = 0 if reset else base + size * wrapped
        self._kept[key] = [base, raw]
        if wrapped or reset:
            self.save(0)
        return base + raw, reset

    def save(self, every: int = _SAVE_EVERY) -> None:
        """Write to the file, at most every so many ns."""
        now = mono_ns()
        if self._path is None or not self._kept or now - self._saved < every:
            return
        self._saved = now
        scratch = self._path.with_suffix(".part")
        scratch.write_text(json.dumps(self._kept), encoding="utf-8")
        scratch.replace(self._path)


class Reader(Protocol):
    """Reads registers (``wire.modbus.client.ModbusClient``)."""

    async def read(self, unit: int, table: str, address: int, count: int) -> list[int]:
        """Return registers or bits."""
        ...


@dataclass(slots=True)
class Row:
    """What a poll gave: values and quality by stream, in the order of the layout, and what was noticed."""

    values: dict[str, tuple[list[float], list[int]]]
    resets: list[str]
    refused: list[tuple[str, str]] = field(default_factory=list)


class PolledUnit:
    """Polls one station. ``bridge``, ``most``: see `wire.modbus.plan.group`; ``stale`` polls make values old."""

    def __init__(self, station: Station, memory: Memory, bridge: int, most: int, stale: int) -> None:
        self.station = station
        self.sid = 0
        self.last = -1  # last slot that gave a row
        self.tried = -1  # last slot that was asked
        self.failures = 0
        self.failed_since = 0
        self.contacted = False
        self.stale = False
        self.results: dict[str, int] = {}
        self._memory, self._stale_after = memory, stale
        self._wanted: list[Span] = spans(station.plan)
        self._reads = group(self._wanted, bridge, most)
        self._refused: set[tuple[str, int]] = set()
        self._beat, self._same = -1, 0
        self._order = {
            s.name: [_key(station, s.name, c.name) for c in s.layout.channels] for s in station.device.streams
        }
        self._names = list(station.plan.registers)

    @property
    def path(self) -> str:
        """The device's path."""
        return self.station.device.path

    def next_slot(self) -> int:
        """Return the slot to ask in next: the one after the last, later the longer the unit is silent."""
        away = min(1 << min(self.failures - 1, 10), max(1, _BACKOFF // self.station.every)) if self.failures else 1
        return self.tried + away

    async def poll(self, client: Reader, error: type[Exception]) -> Row | None:
        """Ask for all registers; None where the device has not scanned its inputs yet.

        ``error`` is the exception with a ``code`` by which a unit refuses. Raises what the client raises for a
        unit that does not answer.
        """
        got: dict[tuple[str, int], int] = {}
        refused: list[tuple[str, str]] = []
        for read in list(self._reads):
            await self._read(client, read, error, got, refused)
        beat = self.station.plan.heartbeat
        if beat is not None and not self._refused:
            now = got[beat.table, beat.address]
            if now == 0 and not self.contacted:
                return None
            self._same = self._same + 1 if now == self._beat else 0
            self._beat, self.stale = now, self._same >= self._stale_after
        self.results = {
            name: got.get(("input", c.result), 0)
            for name, c in self.station.plan.commands.items()
            if c.result is not None
        }
        row = self._row(got)
        row.refused = refused
        self.contacted = True
        self._memory.save()
        return row

    async def _read(
        self,
        client: Reader,
        read: Read,
        error: type[Exception],
        got: dict[tuple[str, int], int],
        refused: list[tuple[str, str]],
    ) -> None:
        """Ask for registers; where the device refuses them together, ask for each on its own from then on."""
        if (read.table, read.address) in self._refused:
            return
        try:
            words = await client.read(self.station.unit, read.table, read.address, read.count)
        except error as answer:
            if getattr(answer, "code", 0) not in OF_REGISTER:
                raise
            single = parts(read, self._wanted)
            if len(single) > 1:
                at = self._reads.index(read)
                self._reads[at : at + 1] = single
                for part in single:
                    await self._read(client, part, error, got, refused)
                return
            self._refused.add((read.table, read.address))
            refused.append((f"{read.table} {read.address}", str(answer)))
            return
        got.update({(read.table, read.address + i): word for i, word in enumerate(words)})

    def _row(self, got: Mapping[tuple[str, int], int]) -> Row:
        status = self._status(got)
        values: dict[str, tuple[float, int]] = {}
        resets: list[str] = []
        for i, (name, register) in enumerate(self.station.plan.registers.items()):
            words = [got.get((register.table, register.address + j), -1) for j in range(register.width)]
            if -1 in words:
                values[name] = math.nan, BAD_CONFIG
                continue
            value, q = decode(words, register)
            if register.counter:
                value = self._carried(name, words, register, resets)
            q = worst(q, status[i])
            q = UNCERTAIN_LAST_USABLE if self.stale and q == GOOD else q
            values[name] = (math.nan if q < UNCERTAIN_FLOOR else value), q
        rows = {
            stream: ([values[k][0] for k in keys], [values[k][1] for k in keys]) for stream, keys in self._order.items()
        }
        return Row(rows, resets)

    def _status(self, got: Mapping[tuple[str, int], int]) -> list[int]:
        place, n = self.station.plan.status, len(self._names)
        if place is None:
            return [GOOD] * n
        words = [got.get((place.table, place.address + i), 0) for i in range(self.station.plan.status_words)]
        return unpack_status(words, n)

    def _carried(self, name: str, words: Sequence[int], register: Register, resets: list[str]) -> float:
        raw = int(raw_of(words, register))
        total, reset = self._memory.carry(f"{self.path}/{name}", raw, 1 << 16 * register.width)
        if reset:
            resets.append(name)
        return to_value(total, register)


#: quality codes below are BAD: what stood in the register is no value
UNCERTAIN_FLOOR = 64

Slot = Callable[[Station], int]


def _key(station: Station, stream: str, channel: str) -> str:
    """Return a channel's name in the map: with its stream's where two share it."""
    full = f"{stream}.{channel}"
    return full if full in station.plan.registers else channel
