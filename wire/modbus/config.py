"""Register maps: which register holds which channel, in what form; which registers take commands.

A map is written in YAML for foreign devices and made from the channels for ours (:mod:`wire.modbus.maker`).
Addresses are the protocol's own, from 0 (a manual's 40001 is address 0 of the holding registers). Nothing here
imports pymodbus.

Modbus has no quality and no NaN. Three things stand in for them: a register that holds its *missing* number (the
least one of a signed type, the greatest of an unsigned one, as SunSpec does; the least finite float, since a NaN
must not lie in a register) has no value; a register at the end of its type's range is *saturated*; and a map may
name *status* words with two bits for each channel (0 good, 1 uncertain, 2 bad sensor, 3 bad for another reason).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from pydantic import Field, field_validator, model_validator

from core.config import Config

Table = Literal["input", "holding", "coil", "discrete"]
WordType = Literal["int16", "uint16", "int32", "uint32", "float32", "bool"]
Order = Literal["big", "little"]
WIDTH: dict[str, int] = {"int16": 1, "uint16": 1, "int32": 2, "uint32": 2, "float32": 2, "bool": 1}
BITS = ("coil", "discrete")
STATUS_PER_WORD = 8
LAST_ADDRESS = 65_535
#: registers and bits that one request may read (Modbus Application Protocol V1.1b3, 6.1 to 6.4)
MOST_REGISTERS, MOST_BITS = 125, 2000


class Word(Config):
    """A number in one or two registers: ``value = raw * scale + offset``. ``order`` is the order of two words."""

    address: int = Field(ge=0, le=LAST_ADDRESS)
    type: WordType = "int16"
    order: Order = "big"
    scale: float = 1.0
    offset: float = 0.0

    @field_validator("scale")
    @classmethod
    def _usable(cls, value: float) -> float:
        if value == 0 or not math.isfinite(value):
            raise ValueError("scale must be a number other than 0")
        return value

    @model_validator(mode="after")
    def _fits(self) -> Word:
        if self.address + WIDTH[self.type] - 1 > LAST_ADDRESS:
            raise ValueError(f"{self.type} at {self.address} ends behind address {LAST_ADDRESS}")
        return self

    @property
    def width(self) -> int:
        """Registers (or bits) that it takes."""
        return WIDTH[self.type]


class Register(Word):
    """Where a channel lies.

    ``counter``: it counts up and begins again at 0 (2^16 or 2^32); the reader carries on. ``missing``: the raw number
    that says there is no value, ``none``: there is no such number. The other fields describe the channel of a
    foreign device: ``stream``, ``quantity``, UCUM ``unit``, range, ``states`` of an enumeration.
    """

    table: Table = "input"
    access: Literal["r", "rw"] = "r"
    counter: bool = False
    missing: int | Literal["default", "none"] = "default"
    stream: str = "main"
    quantity: str = "unknown"
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    states: dict[int, str] | None = None
    name: dict[str, str] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Register:
        if (self.table in BITS) != (self.type == "bool"):
            raise ValueError(f"{self.table} registers hold {'bool' if self.table in BITS else 'numbers'}")
        if self.access == "rw" and self.table in ("input", "discrete"):
            raise ValueError(f"{self.table} registers cannot be written (use holding or coil)")
        if self.counter and self.type not in ("uint16", "uint32"):
            raise ValueError("a counter is uint16 or uint32")
        return self


class Argument(Word):
    """A holding register that an argument is written to; ``codes`` are the numbers of texts."""

    codes: dict[str, int] = {}


class CommandRegister(Config):
    """How a command is given: its arguments are written, then the trigger.

    ``table``, ``address``: the trigger. A coil is written ``value`` (0 or 1). A holding register is written ``value``,
    or the argument named ``arg`` in the form that ``args`` gives it (its address is then the trigger's).
    ``result``: input register that answers; high byte counts, low byte 1 accepted, 2 done, 3 refused, 4 failed,
    5 expired. Without one the reader believes what it reads back. ``label``: name for people.
    """

    table: Literal["coil", "holding"] = "coil"
    address: int = Field(ge=0, le=LAST_ADDRESS)
    value: int = Field(default=1, ge=0, le=65_535)
    arg: str = ""
    args: dict[str, Argument] = {}
    units: dict[str, str] = {}
    result: int | None = Field(default=None, ge=0, le=LAST_ADDRESS)
    label: dict[str, str] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> CommandRegister:
        if self.arg:
            if self.table != "holding":
                raise ValueError("an argument is written to a holding register, not to a coil")
            if self.arg not in self.args:
                raise ValueError(f"args does not say how {self.arg} is written")
            if self.args[self.arg].address != self.address:
                raise ValueError(f"{self.arg} must have the trigger's address {self.address}")
        elif self.table == "coil" and self.value > 1:
            raise ValueError("a coil is written 0 or 1")
        return self


class Place(Config):
    """An address in a table of registers."""

    address: int = Field(ge=0, le=LAST_ADDRESS)
    table: Literal["input", "holding"] = "input"


class RegisterMap(Config):
    """All registers of one device (unit): ``registers`` by channel, in the order of the status bits.

    ``heartbeat``: a register that changes whenever the device has scanned its inputs; where it stands still the
    values are old. Raises ValueError (``overlap``) where two entries share a register.
    """

    registers: dict[str, Register] = Field(min_length=1)
    status: Place | None = None
    heartbeat: Place | None = None
    commands: dict[str, CommandRegister] = {}

    @model_validator(mode="after")
    def _apart(self) -> RegisterMap:
        taken: dict[tuple[str, int], str] = {}
        for what, table, address, width in self.spans():
            for at in range(address, address + width):
                if at > LAST_ADDRESS:
                    raise ValueError(f"{what} ends behind address {LAST_ADDRESS}")
                other = taken.setdefault((table, at), what)
                if other != what:
                    raise ValueError(f"{what} and {other} overlap at {table} {at}")
        return self

    @property
    def status_words(self) -> int:
        """Number of status words."""
        return -(-len(self.registers) // STATUS_PER_WORD) if self.status else 0

    def spans(self) -> Iterator[tuple[str, Table, int, int]]:
        """Yield (what, table, address, width) of everything in the map; triggers may share a coil (on and off)."""
        for name, register in self.registers.items():
            yield f"registers.{name}", register.table, register.address, register.width
        if self.status:
            yield "status", self.status.table, self.status.address, self.status_words
        if self.heartbeat:
            yield "heartbeat", self.heartbeat.table, self.heartbeat.address, 1
        for name, command in self.commands.items():
            if command.table == "holding" and not command.arg:
                yield f"trigger at {command.address}", "holding", command.address, 1
            elif command.table == "coil":
                yield f"coil {command.address}", "coil", command.address, 1
            for arg, word in command.args.items():
                yield f"commands.{name}.args.{arg}", "holding", word.address, word.width
            if command.result is not None:
                yield f"commands.{name}.result", "input", command.result, 1


class Overrides(Config):
    """What an equipment entry says about its register map; everything else is made from its channels.

    ``unit``: Modbus unit id of the first device of the entry. ``every``: the gateway's poll interval (default: the
    period of the fastest stream). ``registers``, ``commands`` by name; ``order`` for all of them.
    """

    unit: int | None = Field(default=None, ge=1, le=247)
    every: str | float | None = None
    order: Order = "big"
    status: bool = True
    heartbeat: bool = True
    registers: dict[str, Partial] = {}
    commands: dict[str, PartialCommand] = {}

    @field_validator("every")
    @classmethod
    def _duration(cls, value: str | float | None) -> str | float | None:
        from core.clock import parse_duration
        from core.errors import TestbedError

        try:
            if value is not None and parse_duration(value) <= 0:
                raise ValueError("must be above 0")
        except TestbedError as error:
            raise ValueError(str(error)) from error
        return value


class Partial(Config):
    """The parts of a `Register` that an override may set."""

    address: int | None = Field(default=None, ge=0, le=LAST_ADDRESS)
    table: Table | None = None
    type: WordType | None = None
    order: Order | None = None
    scale: float | None = None
    offset: float | None = None
    counter: bool | None = None
    access: Literal["r", "rw"] | None = None

    @field_validator("scale")
    @classmethod
    def _usable(cls, value: float | None) -> float | None:
        if value is not None and (value == 0 or not math.isfinite(value)):
            raise ValueError("scale must be a number other than 0")
        return value

    def given(self) -> dict[str, object]:
        """Return what is set."""
        return self.model_dump(exclude_none=True)


class PartialCommand(Config):
    """The parts of a `CommandRegister` that an override may set."""

    address: int | None = Field(default=None, ge=0, le=LAST_ADDRESS)
    result: int | None = Field(default=None, ge=0, le=LAST_ADDRESS)


Overrides.model_rebuild()
