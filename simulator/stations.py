"""Which Modbus unit each machine is, and its registers: the same for the server and for who polls it."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count

from core.clock import NS, parse_duration
from core.errors import ConfigError
from core.spec import DeviceSpec
from simulator.equipment.base import EquipmentConfig
from wire.modbus.config import Overrides
from wire.modbus.maker import make_map
from wire.modbus.station import CLOCK_UNIT, Station


def codes_of(entry: EquipmentConfig) -> dict[str, dict[str, int]]:
    """Return the numbers that stand for the texts of arguments: the parts that can be replaced."""
    return {"parts": {"all": 0, **{name: i for i, name in enumerate(entry.wears(), 1)}}}


def stations(entries: Iterable[tuple[EquipmentConfig, DeviceSpec]]) -> list[Station]:
    """Return the stations of all devices that speak Modbus, in the order of the configuration.

    Units given in an entry count up over its devices, on the first line; all others, and those of further copies of a
    domain, take the lowest free ones of the first line that has any. Raises ConfigError where two devices want one.
    """
    speakers = [(entry, spec) for entry, spec in entries if "modbus" in spec.protocols]
    units = _given(speakers)
    taken = set(units.values())
    free = ((line, unit) for line in count() for unit in range(1, CLOCK_UNIT) if line or unit not in taken)
    out = []
    for entry, spec in speakers:
        line, unit = (0, units[spec.path]) if spec.path in units else next(free)
        overrides = entry.modbus or Overrides()
        plan = make_map(spec, overrides, codes_of(entry), spec.path)
        fastest = min((s.period_ns for s in spec.streams if s.period_ns), default=NS)  # on change: once a second
        out.append(Station(unit, spec, plan, parse_duration(overrides.every) if overrides.every else fastest, line))
    return out


def _given(speakers: list[tuple[EquipmentConfig, DeviceSpec]]) -> dict[str, int]:
    """Return the units that entries ask for, by device."""
    units: dict[str, int] = {}
    holders: dict[int, str] = {}
    counts: dict[int, int] = {}
    for entry, spec in speakers:
        if entry.modbus is None or entry.modbus.unit is None:
            continue
        key = id(entry.modbus)
        unit = entry.modbus.unit + counts.get(key, 0)
        counts[key] = counts.get(key, 0) + 1
        if counts[key] > entry.count * max(1, len(entry.areas)):
            continue  # of a further copy of the domain
        other = holders.setdefault(unit, spec.path)
        if other != spec.path:
            raise ConfigError(spec.path, f"has Modbus unit {unit}, as has {other}", "give another modbus.unit")
        if unit >= CLOCK_UNIT:
            raise ConfigError(spec.path, f"Modbus unit {unit} is out of range", f"1 to {CLOCK_UNIT - 1}")
        units[spec.path] = unit
    return units
