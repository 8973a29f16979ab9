"""Which channels of which streams a model looks at, under names that assets of several kinds share.

A slot is one quantity of an asset on the feature grid: ``vibration-velocity``, ``temperature``,
``temperature#2`` ... Channels of the Monitoring group "health" come first, so that slot names mean alike things
across kinds. Counters and states are no slots; a waveform gives one slot for each of its burst statistics.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from analytics.physics import PHYSICS
from analytics.signals import UNITS, SignalsConfig
from core.catalog import Catalog
from core.errors import ModelError
from core.spec import ChannelSpec, DeviceSpec, StreamSpec

_FAST = ("rms", "kurtosis")
#: what is taken of a waveform where bearing and speed are known
_WAVE = (*_FAST, "band1", "band2", "band3", "order1", "env_bpfo", "env_bpfi", "env_bsf", "env_ftf")
_NO_MEASUREMENT = frozenset({"status", "consumption"})


@dataclass(frozen=True, slots=True)
class Slot:
    """A measured quantity under the name that assets share; ``unit`` is a UCUM code."""

    name: str
    quantity: str
    unit: str


@dataclass(frozen=True, slots=True)
class Tap:
    """Where a slot's values come from: statistic of a channel of a layout."""

    slot: str
    channel: str
    stat: str


@dataclass(slots=True)
class Plan:
    """Devices and slots of one model group, found in a catalog.

    Attributes
    ----------
    devices, kinds
        Paths and kinds of the D assets.
    slots
        The s slots, in column order.
    taps
        Layout name -> what to take from it.
    states
        Layout name -> its state channel.
    streams
        Catalog index of a stream -> row of its device.
    expected
        Number of slots that each device can fill.
    speeds
        Layout name -> its channel of the shaft's speed, where waveform features are wanted.
    """

    devices: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    taps: dict[str, list[Tap]] = field(default_factory=dict)
    states: dict[str, ChannelSpec] = field(default_factory=dict)
    streams: dict[int, int] = field(default_factory=dict)
    expected: list[int] = field(default_factory=list)
    speeds: dict[str, str] = field(default_factory=dict)

    @property
    def layouts(self) -> list[str]:
        """Layouts that matter."""
        return sorted(self.taps.keys() | self.states.keys() | self.speeds.keys())

    def slot_index(self) -> dict[str, int]:
        """Return slot name -> column."""
        return {slot.name: j for j, slot in enumerate(self.slots)}

    def channels(self, layout: str) -> list[str]:
        """Return the channels needed of a layout."""
        names = [tap.channel for tap in self.taps.get(layout, ())]
        if layout in self.states:
            names.append(self.states[layout].name)
        if layout in self.speeds:
            names.append(self.speeds[layout])
        return list(dict.fromkeys(names))


def make_plan(
    catalog: Catalog,
    kinds: Iterable[str],
    quantities: Sequence[str] = (),
    slots: Sequence[Slot] | None = None,
    signals: SignalsConfig | None = None,
    physics: Sequence[str] = (),
) -> Plan:
    """Return the plan of a group.

    Parameters
    ----------
    catalog
        Devices and streams.
    kinds
        Equipment kinds of the group.
    quantities
        Quantities to keep; empty: the health channels of a kind, or all its measurements if it has none.
    slots
        Slots of a trained model, to keep their order; None: as found.
    signals
        Settings of waveform features; None: only r.m.s. and kurtosis of waveforms.
    physics
        Names of :data:`analytics.physics.PHYSICS` to compute; given ``slots`` have theirs already.

    Raises
    ------
    ModelError
        If no device has what a computed slot needs.
    """
    wanted = set(kinds)
    plan = Plan(slots=list(slots or ()))
    known = {slot.name for slot in plan.slots}
    for device in catalog.devices.values():
        if device.kind not in wanted:
            continue
        plan.devices.append(device.path)
        plan.kinds.append(device.kind)
        for stream in device.streams:
            plan.streams[catalog.index(device.stream_path(stream.name))] = len(plan.devices) - 1
        plan.expected.append(0)
        for layout, tap, slot in _taps(device, quantities, _FAST if signals is None else _WAVE):
            if slot.name not in known:
                if slots is not None:
                    continue
                known.add(slot.name)
                plan.slots.append(slot)
            plan.expected[-1] += 1
            taps = plan.taps.setdefault(layout, [])
            if tap not in taps:
                taps.append(tap)
        if signals is not None:
            plan.speeds |= {
                s.layout.name: c.name for s in device.streams for c in s.layout.channels if c.quantity == signals.speed
            }
        told = [(s.layout.name, c) for s in device.streams for c in s.layout.channels if is_state(c)]
        plan.states |= dict(sorted(told, key=lambda pair: pair[1].name == "state"))  # the common one wins over others
    if slots is None:
        plan.slots += [_computed(name, known) for name in physics]
    return plan


def _computed(name: str, known: set[str]) -> Slot:
    law = PHYSICS.get(name)
    if law is None:
        raise ModelError(f"physics: {name!r} is unknown, there are: {', '.join(PHYSICS)}")
    missing = [need for need in law.needs if need not in known]
    if missing:
        raise ModelError(f"physics: {name!r} needs {missing[0]!r}; the group looks at: {', '.join(sorted(known))}")
    return Slot(name, name, law.unit)


def is_state(channel: ChannelSpec) -> bool:
    """Tell whether a channel says what its machine is doing."""
    return channel.states is not None and "state" in (channel.quantity, channel.name)


def _taps(device: DeviceSpec, quantities: Sequence[str], fast: Sequence[str]) -> list[tuple[str, Tap, Slot]]:
    """Return (layout, tap, slot) of a device's measurements, health channels first."""
    found = [(s, c) for s in device.streams for c in s.layout.channels if _measures(c)]
    if quantities:
        found = [(s, c) for s, c in found if c.quantity in quantities]
    elif any(c.group == "health" for _, c in found):
        found = [(s, c) for s, c in found if c.group == "health"]
    found.sort(key=lambda pair: pair[0].fast)
    seen: Counter[str] = Counter()
    out: list[tuple[str, Tap, Slot]] = []
    for stream, channel in found:
        stats = fast if stream.fast else ("mean",)
        out += [_tap(stream, channel, stat, seen) for stat in stats]
    return out


def _tap(stream: StreamSpec, channel: ChannelSpec, stat: str, seen: Counter[str]) -> tuple[str, Tap, Slot]:
    name = channel.quantity if stat == "mean" else f"{channel.quantity}.{stat}"
    seen[name] += 1
    name = name if seen[name] == 1 else f"{name}#{seen[name]}"
    unit = UNITS.get(stat, "=").replace("=", channel.unit)
    return stream.layout.name, Tap(name, channel.name, stat), Slot(name, channel.quantity, unit)


def _measures(channel: ChannelSpec) -> bool:
    return channel.states is None and channel.group not in _NO_MEASUREMENT
