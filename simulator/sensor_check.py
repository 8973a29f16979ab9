"""Whether the sensor settings of an entry fit its kind: one line for what does not."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase

from core.errors import ConfigError
from core.spec import ChannelSpec
from simulator.channels import Cross, Stream
from simulator.environment import FIELDS
from simulator.equipment.base import EquipmentConfig

_HUMID = "relative-humidity"


def check_sensors(entry: EquipmentConfig, streams: Sequence[Stream], at: str) -> None:
    """Raise ConfigError if an entry changes sensors or periods that its kind does not have, or in a wrong way."""
    for name in entry.every:
        if name not in {s.name for s in streams}:
            raise ConfigError(f"{at}.every.{name}", f"{entry.kind} has no stream {name!r}", _near(name, streams))
    channels = {c.spec.name: (c.spec, s) for s in streams for c in s.channels}
    for pattern, sensor in entry.sensors.items():
        where = f"{at}.sensors.{pattern}"
        hit = [name for name in channels if fnmatchcase(name, pattern)]
        if not hit:
            near = get_close_matches(pattern, channels, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(channels)}"
            raise ConfigError(where, f"{entry.kind} has no channel {pattern!r}", hint)
        if all(channels[name][0].states is not None for name in hit):
            raise ConfigError(where, f"{pattern} is a state: no instrument measures it", "choose a quantity")
        for name in hit:
            for n, cross in enumerate(sensor.cross):
                _check_cross(cross, channels[name][1], f"{where}.cross.{n}")


def _check_cross(cross: Cross, stream: Stream, where: str) -> None:
    """Refuse a sensitivity to something that is not there, or is of another quantity."""
    beside: dict[str, ChannelSpec] = {c.spec.name: c.spec for c in stream.channels}
    if cross.to not in beside and cross.to not in FIELDS:
        known = ", ".join(dict.fromkeys([*beside, *FIELDS]))
        raise ConfigError(f"{where}.to", f"nothing here is called {cross.to!r}", f"a channel or a field: {known}")
    humid = beside[cross.to].quantity == _HUMID if cross.to in beside else cross.to == "humidity"
    if cross.kappa and not humid:
        raise ConfigError(f"{where}.kappa", f"{cross.to} is no relative humidity", "particles grow in humid air")


def _near(name: str, streams: Sequence[Stream]) -> str:
    names = [s.name for s in streams]
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
