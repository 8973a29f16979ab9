"""One Modbus device as its registers: rows go in, reads are answered, writes become commands."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from core.command import Status
from core.quality import GOOD
from wire.modbus.config import BITS, CommandRegister, RegisterMap
from wire.modbus.words import argument_of, encode, pack_status

#: what the low byte of a result word says; 0: on its way
RESULT: dict[Status, int] = {"accepted": 1, "done": 2, "refused": 3, "failed": 4, "expired": 5}
Written = Callable[[str, dict[str, float | str]], None]


class AddressError(ValueError):
    """There is no such register, or it cannot be written."""


class Unit:
    """The registers of one device.

    ``on_command`` is told (command, arguments) of every trigger; an argument besides the trigger's own is given
    only where its register is not 0.
    """

    def __init__(self, plan: RegisterMap, on_command: Written) -> None:
        self.plan = plan
        self.commands_taken = 0
        self._on_command = on_command
        self._tables: dict[str, list[int]] = {"input": [], "holding": [], "coil": [], "discrete": []}
        self._writable: set[tuple[str, int]] = set()
        self._quality = dict.fromkeys(plan.registers, GOOD)
        self._counts = dict.fromkeys(plan.commands, 0)
        self._of_stream: dict[str, list[str]] = {}
        for what, table, address, width in plan.spans():
            words = self._tables[table]
            words += [0] * (address + width - len(words))
            if table in ("coil", "holding") and not what.startswith(("registers", "status", "heartbeat")):
                self._writable.update((table, address + i) for i in range(width))
        for name, register in plan.registers.items():
            self._of_stream.setdefault(register.stream, []).append(name)
            self._put(register.table, register.address, encode(math.nan, 0, register)[0])
            if register.access == "rw":
                self._writable.update((register.table, register.address + i) for i in range(register.width))
        self._show_status(dict.fromkeys(plan.registers, 0))

    def show(self, stream: str, values: Sequence[float], quality: Sequence[int]) -> None:
        """Put a row of a stream into the registers; values are in the order of the map's channels of it."""
        learnt = {}
        for name, value, q in zip(self._of_stream.get(stream, ()), values, quality, strict=True):
            register = self.plan.registers[name]
            words, learnt[name] = encode(value, q, register)
            self._put(register.table, register.address, words)
        self._show_status(learnt)
        if self.plan.heartbeat:
            place = self.plan.heartbeat
            beat = (self._tables[place.table][place.address] + 1) & 0xFFFF
            self._put(place.table, place.address, [beat])

    def answer(self, command: str, status: Status) -> None:
        """Show what became of a command in its result word."""
        place = self.plan.commands[command].result
        if place is not None:
            self._put("input", place, [self._counts[command] << 8 | RESULT[status]])

    def read(self, table: str, address: int, count: int) -> list[int]:
        """Return registers or bits; raises AddressError outside the table."""
        words = self._tables[table]
        if count < 1 or address + count > len(words):
            raise AddressError(f"{table} {address}..{address + count - 1}")
        return words[address : address + count]

    def write(self, table: str, address: int, values: Sequence[int]) -> None:
        """Take in what a client writes; raises AddressError, and nothing is written, where one may not be."""
        for at in range(address, address + len(values)):
            if (table, at) not in self._writable:
                raise AddressError(f"{table} {at} cannot be written")
        self._put(table, address, [int(v) & 0xFFFF for v in values])
        touched = range(address, address + len(values))
        for name, command in self.plan.commands.items():
            if command.table == table and self._is_hit(command, touched):
                self._trigger(name, command)

    def _is_hit(self, command: CommandRegister, touched: range) -> bool:
        if command.arg:  # with its last word the number is complete
            return command.address + command.args[command.arg].width - 1 in touched
        return command.address in touched and self._tables[command.table][command.address] == command.value

    def _trigger(self, name: str, command: CommandRegister) -> None:
        args: dict[str, float | str] = {}
        for arg, word in command.args.items():
            words = self._tables["holding"][word.address : word.address + word.width]
            if arg != command.arg and not any(words):
                continue
            value = argument_of(words, word)
            text = next((text for text, code in word.codes.items() if code == value), None) if word.codes else None
            args[arg] = value if text is None else text
        alone = sum(c.table == command.table and c.address == command.address for c in self.plan.commands.values()) == 1
        if alone and not command.arg and command.value:
            self._put(command.table, command.address, [0])  # a push button comes back by itself
        self._counts[name] = (self._counts[name] + 1) & 0xFF
        if command.result is not None:
            self._put("input", command.result, [self._counts[name] << 8])
        self.commands_taken += 1
        self._on_command(name, args)

    def _show_status(self, learnt: Mapping[str, int]) -> None:
        self._quality.update(learnt)
        if self.plan.status:
            words = pack_status(list(self._quality.values()))
            self._put(self.plan.status.table, self.plan.status.address, words)

    def _put(self, table: str, address: int, words: Sequence[int]) -> None:
        self._tables[table][address : address + len(words)] = [int(bool(w)) if table in BITS else w for w in words]
