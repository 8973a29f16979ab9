"""The register map of a device of ours, made from its channels and commands unless its entry says otherwise.

Input registers: the channels in their order, the status words, the heartbeat, one result word for each command.
Coils: commands without a number of their own. Holding registers: set-points and further arguments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from core.config import parse
from core.errors import ConfigError
from core.spec import ChannelSpec, CommandSpec, DeviceSpec
from wire.modbus.config import WIDTH, Overrides, RegisterMap
from wire.modbus.words import _LIMITS

#: raw numbers kept free at both ends: missing number, saturation
_MARGIN = 2
_ARGUMENTS: dict[str, dict[str, Any]] = {
    "1": {"type": "uint16", "scale": 0.001},
    "s": {"type": "uint32", "scale": 1.0},
}
_ARGUMENT: dict[str, Any] = {"type": "int16", "scale": 0.1}
Codes = Mapping[str, Mapping[str, int]]


def make_map(device: DeviceSpec, overrides: Overrides, codes: Codes, where: str) -> RegisterMap:
    """Return the map of a device; ``codes`` are the numbers of textual arguments, ``where`` names its entry.

    Raises ConfigError for streams too fast for Modbus, overrides of what is not there, registers that overlap.
    """
    fast = [s.name for s in device.streams if s.fast]
    if fast:
        raise ConfigError(f"{where}.protocols", f"stream {fast[0]} is too fast for Modbus", "use mqtt or opcua")
    channels = {key: (stream, c) for key, stream, c in named_channels(device)}
    _known(overrides.registers, list(channels), f"{where}.modbus.registers")
    _known(overrides.commands, [c.name for c in device.commands], f"{where}.modbus.commands")
    registers = {
        key: {**_register(c), "order": overrides.order, "stream": stream, **_given(overrides, key)}
        for key, (stream, c) in channels.items()
    }
    taken = _Taken(registers)
    for entry in registers.values():
        if "address" not in entry:
            entry["address"] = taken.place(entry["table"], WIDTH[entry["type"]])
    value: dict[str, Any] = {"registers": registers}
    if overrides.status:
        value["status"] = {"address": taken.place("input", -(-len(registers) // 8))}
    if overrides.heartbeat:
        value["heartbeat"] = {"address": taken.place("input", 1)}
    value["commands"] = {c.name: _command(c, overrides, taken, codes) for c in device.commands if c.name != "replay"}
    return parse(value, RegisterMap, f"{where}.modbus")


def named_channels(device: DeviceSpec) -> list[tuple[str, str, ChannelSpec]]:
    """Return (name in the map, stream, channel): the channel's name, with its stream's where two share it."""
    names = [c.name for s in device.streams for c in s.layout.channels]
    return [
        (c.name if names.count(c.name) == 1 else f"{s.name}.{c.name}", s.name, c)
        for s in device.streams
        for c in s.layout.channels
    ]


class _Taken:
    """Which registers are taken."""

    def __init__(self, registers: Mapping[str, Mapping[str, Any]]) -> None:
        self._taken: set[tuple[str, int]] = set()
        for entry in registers.values():
            if "address" in entry:
                self.take(entry["table"], entry["address"], WIDTH[entry["type"]])

    def take(self, table: str, address: int, width: int = 1) -> None:
        """Note registers as taken."""
        self._taken.update((table, address + i) for i in range(width))

    def place(self, table: str, width: int) -> int:
        """Take the first free run of registers."""
        at = 0
        while any((table, at + i) in self._taken for i in range(width)):
            at += 1
        self.take(table, at, width)
        return at


def _known(given: Mapping[str, object], known: Sequence[str], where: str) -> None:
    for name in given:
        if name not in known:
            raise ConfigError(f"{where}.{name}", "there is no such entry", f"known: {', '.join(known) or 'none'}")


def _given(overrides: Overrides, key: str) -> dict[str, Any]:
    partial = overrides.registers.get(key)
    given: dict[str, Any] = partial.given() if partial else {}
    if given.get("table") in ("coil", "discrete"):
        given.setdefault("type", "bool")
    return given


def _register(channel: ChannelSpec) -> dict[str, Any]:
    """Return table, type and scale that fit a channel."""
    about = {"table": "input", "unit": channel.unit, "quantity": channel.quantity, "states": channel.states}
    if channel.states is not None:
        return {**about, "type": "uint16"}
    if channel.group == "consumption" and channel.high is None:
        fine = channel.resolution or (1.0 if channel.unit == "1" else 0.1)
        return {**about, "type": "uint16" if channel.unit == "1" else "uint32", "scale": fine, "counter": True}
    scale = channel.resolution or _decade(channel)
    kind = next((k for k in ("uint16", "int16", "int32") if _fits(channel, scale, k)), "float32")
    return {**about, "type": kind, "scale": 1.0 if kind == "float32" else scale}


def _decade(channel: ChannelSpec) -> float:
    """Return the finest power of ten with which a channel's range fits 16 bits."""
    reach = max(abs(channel.low or 0.0), abs(channel.high or 0.0)) or 1.0
    return float(10.0 ** math.ceil(math.log10(reach / 32_000)))


def _fits(channel: ChannelSpec, scale: float, kind: str) -> bool:
    if channel.low is None or channel.high is None:
        return kind == "int32"
    low, high = _LIMITS[kind]
    return low + _MARGIN * (low < 0) <= channel.low / scale and channel.high / scale <= high - _MARGIN


def _command(spec: CommandSpec, overrides: Overrides, taken: _Taken, codes: Codes) -> dict[str, Any]:
    given = overrides.commands.get(spec.name)
    args: dict[str, Any] = {}
    for name, unit in spec.args.items():
        form = {"type": "uint16", "scale": 1.0} if name in codes else _ARGUMENTS.get(unit, _ARGUMENT)
        args[name] = {**form, "order": overrides.order, "codes": dict(codes.get(name, {}))}
    own = len(args) == 1 and next(iter(args)) not in codes
    entry: dict[str, Any] = {"table": "holding" if own else "coil", "args": args, "units": dict(spec.args)}
    if given is not None and given.address is not None:
        entry["address"] = given.address
        taken.take(entry["table"], given.address, WIDTH[next(iter(args.values()))["type"]] if own else 1)
    elif not own:
        entry["address"] = taken.place("coil", 1)
    for name, form in args.items():
        if own and "address" in entry:
            form["address"] = entry["address"]
        else:
            form["address"] = taken.place("holding", WIDTH[form["type"]])
        if own:
            entry["arg"], entry["address"] = name, form["address"]
    result = given.result if given is not None else None
    entry["result"] = taken.place("input", 1) if result is None else result
    return entry
