"""What devices are and say: names, channels, layouts, streams, devices.

Frozen dataclasses; ``dump``/``load`` turn a device into JSON-ready values and back, validated by pydantic.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from pydantic import TypeAdapter

from core.clock import NS

Domain = Literal["factory", "logistics", "urban", "own", "third_party"]
Protocol = Literal["mqtt", "sparkplug", "opcua", "modbus", "memory"]
FAST_HZ = 10.0


@dataclass(frozen=True, slots=True)
class Name:
    """A name for people, in Korean and English."""

    ko: str
    en: str


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One measured quantity.

    ``unit`` is a UCUM code (``1`` for none), ``low``/``high`` the instrument range (OPC UA EURange),
    ``states`` name the codes of an enumeration, ``group`` is the OPC 40001-1 Monitoring group.
    """

    name: str
    quantity: str
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    accuracy: float | None = None
    resolution: float | None = None
    states: dict[int, str] | None = None
    label: Name | None = None
    group: Literal["status", "health", "process", "consumption"] = "process"


@dataclass(frozen=True)
class LayoutSpec:
    """The channels that many streams share; ``name`` is ``<equipment kind>.<stream>``."""

    name: str
    channels: tuple[ChannelSpec, ...]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Channel names in column order."""
        return tuple(c.name for c in self.channels)

    def column(self, channel: str) -> int:
        """Return the column of a channel; raises ValueError where there is none."""
        return self.columns.index(channel)


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A device's co-sampled channels at one rate (``period_ns`` 0: on change)."""

    name: str
    layout: LayoutSpec
    period_ns: int = NS

    @property
    def rate_hz(self) -> float:
        """Rows a second; 0 for streams that report on change."""
        return NS / self.period_ns if self.period_ns else 0.0

    @property
    def fast(self) -> bool:
        """Tell whether the stream is a waveform: stored as features, archived raw."""
        return self.rate_hz > FAST_HZ


@dataclass(frozen=True, slots=True)
class CommandSpec:
    """A command that a device accepts; ``args`` maps argument names to UCUM units (``1`` for none)."""

    name: str
    args: dict[str, str] = field(default_factory=dict)
    label: Name | None = None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who made it: the mandatory identification of OPC 40001-1."""

    manufacturer: str
    serial: str
    product_uri: str
    model: str = ""


@dataclass(frozen=True, slots=True)
class Position:
    """WGS 84 degrees."""

    lat: float
    lon: float


@dataclass(frozen=True)
class DeviceSpec:
    """What reports under one identity. ``kind`` names the equipment kind, ``asset`` the physical thing
    whose wear the device watches (empty: none)."""

    site: str
    area: str
    device: str
    kind: str
    domain: Domain
    node: str
    identity: Identity
    streams: tuple[StreamSpec, ...]
    commands: tuple[CommandSpec, ...] = ()
    label: Name | None = None
    position: Position | None = None
    protocols: tuple[Protocol, ...] = ("mqtt",)
    asset: str = ""

    @cached_property
    def path(self) -> str:
        """``site/area/device``."""
        return f"{self.site}/{self.area}/{self.device}"

    def stream_path(self, stream: str) -> str:
        """``site/area/device/stream``."""
        return f"{self.path}/{stream}"


_DEVICES = TypeAdapter(list[DeviceSpec])
_LAYOUTS = TypeAdapter(list[LayoutSpec])


def dump(devices: list[DeviceSpec]) -> list[dict[str, Any]]:
    """Return devices as JSON-ready values."""
    return list(_DEVICES.dump_python(devices, mode="json", exclude_none=True))


def load(values: object) -> list[DeviceSpec]:
    """Return the devices of :func:`dump`; raises pydantic.ValidationError on anything else."""
    return _DEVICES.validate_python(values)


def dump_layouts(layouts: list[LayoutSpec]) -> list[dict[str, Any]]:
    """Return layouts as JSON-ready values."""
    return list(_LAYOUTS.dump_python(layouts, mode="json", exclude_none=True))


def load_layouts(values: object) -> list[LayoutSpec]:
    """Return the layouts of :func:`dump_layouts`; raises pydantic.ValidationError on anything else."""
    return _LAYOUTS.validate_python(values)
