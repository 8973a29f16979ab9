"""Commands by register: write the arguments, then the trigger, and read back what the machine says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from core.clock import mono_ns
from core.command import FINAL, Command, CommandResult, Status
from core.errors import CommandRefused
from gateway.sources.modbus_unit import PolledUnit, Reader
from wire.modbus.config import Argument, CommandRegister
from wire.modbus.words import encode_argument

_LOOK_S = 0.03
_STATUS: dict[int, Status] = {1: "accepted", 2: "done", 3: "refused", 4: "failed", 5: "expired"}


class Client(Reader, Protocol):
    """Reads and writes registers (``wire.modbus.client.ModbusClient``)."""

    async def write(self, unit: int, table: str, address: int, values: list[int]) -> None:
        """Write holding registers or one coil."""
        ...


class Orders:
    """Commands under way. ``answer``: ns that a result word may take to change; ``now``: run time."""

    def __init__(self, client: Client, answer: int, now: Callable[[], int]) -> None:
        self._client, self._answer, self._now = client, answer, now
        self._locks: dict[str, asyncio.Lock] = {}
        self._accepted: dict[tuple[str, str], tuple[str, int]] = {}  # device, command -> id, count of the result

    async def give(self, unit: PolledUnit, command: Command) -> list[CommandResult]:
        """Write a command; returns what is known of it at once. Raises CommandRefused, WireError."""
        entry = unit.station.plan.commands.get(command.name)
        if entry is None:
            raise CommandRefused(f"{command.device} has no register for {command.name}")
        if (command.device, command.name) in self._accepted:
            raise CommandRefused(f"interlock: {command.name} is still under way, and its result word holds one answer")
        writes = _writes(entry, command)
        async with self._locks.setdefault(command.device, asyncio.Lock()):
            before = await self._count(unit, entry)
            for table, address, words in writes:
                await self._client.write(unit.station.unit, table, address, words)
            if entry.result is None:
                return [await self._read_back(unit, entry, command, writes[-1])]
            return await self._followed(unit, entry, command, before)

    def heard(self, unit: PolledUnit) -> Sequence[CommandResult]:
        """Return the ends of accepted commands that a poll has seen."""
        out = []
        for (device, name), (ident, count) in list(self._accepted.items()):
            word = unit.results.get(name, 0)
            status = _STATUS.get(word & 0xFF)
            if device != unit.path or (status not in FINAL and word >> 8 == count):
                continue
            del self._accepted[device, name]
            if word >> 8 == count and status is not None:
                out.append(CommandResult(ident, device, status, _words(name, status, word), self._now()))
            else:  # somebody else has given the command anew: the word speaks of that one
                out.append(CommandResult(ident, device, "failed", f"{name} was given again by another", self._now()))
        return out

    async def _count(self, unit: PolledUnit, entry: CommandRegister) -> int:
        if entry.result is None:
            return 0
        (word,) = await self._client.read(unit.station.unit, "input", entry.result, 1)
        return word >> 8

    async def _followed(
        self, unit: PolledUnit, entry: CommandRegister, command: Command, before: int
    ) -> list[CommandResult]:
        """Wait until the result word speaks of this command."""
        assert entry.result is not None
        ends = mono_ns() + self._answer
        while mono_ns() < ends:
            (word,) = await self._client.read(unit.station.unit, "input", entry.result, 1)
            status = _STATUS.get(word & 0xFF)
            if word >> 8 == (before + 1) & 0xFF and status is not None:
                if status == "accepted":
                    self._accepted[command.device, command.name] = command.id, word >> 8
                text = _words(command.name, status, word)
                return [CommandResult(command.id, command.device, status, text, self._now())]
            await asyncio.sleep(_LOOK_S)
        text = f"{command.name} is written, but its result register {entry.result} says nothing"
        return [CommandResult(command.id, command.device, "failed", text, self._now())]

    async def _read_back(
        self, unit: PolledUnit, entry: CommandRegister, command: Command, last: tuple[str, int, list[int]]
    ) -> CommandResult:
        table, address, words = last
        back = await self._client.read(unit.station.unit, table, address, len(words))
        if back == words:
            return CommandResult(command.id, command.device, "done", f"{table} {address} holds it", self._now())
        text = f"{table} {address} holds {back} after {words} was written"
        return CommandResult(command.id, command.device, "failed", text, self._now())


def _writes(entry: CommandRegister, command: Command) -> list[tuple[str, int, list[int]]]:
    """Return what to write, the trigger last; arguments that are not given are written 0."""
    writes: list[tuple[str, int, list[int]]] = []
    for name in command.args:
        if name not in entry.args:
            raise CommandRefused(f"{command.name} has no register for argument {name}")
    for name, word in entry.args.items():
        if name == entry.arg:
            continue
        given = command.args.get(name)
        writes.append(("holding", word.address, [0] * word.width if given is None else _argument(name, given, word)))
    if entry.arg:
        if entry.arg not in command.args:
            raise CommandRefused(f"{command.name} needs {entry.arg}")
        words = _argument(entry.arg, command.args[entry.arg], entry.args[entry.arg])
        writes.append(("holding", entry.address, words))
    else:
        writes.append((entry.table, entry.address, [entry.value]))
    return writes


def _argument(name: str, value: float | str, word: Argument) -> list[int]:
    number = word.codes.get(str(value)) if word.codes else value
    if number is None:
        raise CommandRefused(f"{name} {value!r} has no number; known: {', '.join(word.codes)}")
    try:
        words = encode_argument(float(number), word)
    except ValueError:
        words = None
    if words is None:
        raise CommandRefused(f"{name} {value!r} does not fit its register")
    return words


def _words(name: str, status: Status, word: int) -> str:
    """Return a result in words, with the register it comes from."""
    return f"{name}: {status} (result word {word:#06x})"
