"""What every equipment entry of a domain file can say, whatever its kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field, field_validator

from core.config import Config, Duration, Label
from core.spec import Name, Protocol
from simulator.channels import Sensor, Stream
from simulator.clocks import ClockConfig
from simulator.grid import Ints
from simulator.links import ConnectionConfig
from simulator.wear.component import WearModel
from wire.modbus.config import Overrides

if TYPE_CHECKING:
    from simulator.asset import Asset

IDENT = r"^[a-z0-9][a-z0-9_.-]*$"


class Place(Config):
    """Centre of the devices (WGS 84 degrees); each is shifted by a fixed draw within ``spread_m``."""

    lat: float = Field(ge=-90, le=90)
    lon: float = Field(ge=-180, le=180)
    spread_m: float = Field(default=0.0, ge=0)


class AreaConfig(Config):
    """One of several areas that an entry is repeated in."""

    id: str = Field(pattern=IDENT)
    name: Label | None = None
    position: Place | None = None


class EquipmentConfig(Config):
    """Base of every equipment entry. ``{n}`` (from ``first``) and ``{area}`` are filled into ``id``, ``node`` and
    ``name``.

    Attributes
    ----------
    area, areas
        One area, or several: then ``count`` devices stand in each.
    node
        Connection that serves the device; default one for each area.
    sensors
        Overrides of sensor settings by channel; a pattern such as ``pm*`` names several.
    clock
        The device's clock, where it is not true.
    connection
        Whether a device has an own connection, and over which link it goes; default the area's, perfect.
    every
        Overrides of a stream's period.
    inputs, outputs
        Names of the flows of material it empties and fills; ``{n}`` and ``{area}`` are filled in.
    modbus
        Unit id, poll interval and registers, where they are not made from the channels.
    priority
        Who gets a crew first, lowest first; at equal priority a repair goes before planned maintenance.
    """

    kind: str
    id: str = "{kind}-{n:02d}"
    count: int = Field(default=1, ge=1, le=100_000)
    first: int = 1
    area: str = Field(default="", pattern=r"^$|" + IDENT[1:])
    areas: tuple[AreaConfig, ...] = ()
    node: str = "{area}"
    protocols: tuple[Protocol, ...] = Field(default=("mqtt",), min_length=1)
    name: Label | None = None
    position: Place | None = None
    manufacturer: str = "Hangang Machinery"
    model: str = ""
    sensors: dict[str, Sensor] = Field(default_factory=dict)
    clock: ClockConfig | None = None
    connection: ConnectionConfig | None = None
    every: dict[str, Duration] = Field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    modbus: Overrides | None = None
    priority: int = Field(default=5, ge=0, le=9)

    label: ClassVar[Name] = Name("장비", "Equipment")

    @field_validator("every")
    @classmethod
    def _positive(cls, value: dict[str, int]) -> dict[str, int]:
        for stream, period in value.items():
            if period <= 0:
                raise ValueError(f"the period of {stream} must be above 0")
        return value

    def asset(self) -> type[Asset]:
        """Return the class that brings a device of this entry to life."""
        raise NotImplementedError

    def streams(self) -> tuple[Stream, ...]:
        """Return what a device of this entry reports."""
        raise NotImplementedError

    def nth(self, n: int) -> EquipmentConfig:
        """Return the entry of its n-th device (from 0), where devices of one entry differ."""
        return self

    def linked(self, rename: Callable[[str], str]) -> EquipmentConfig:
        """Return the entry with the flows that it names renamed, as they are called in a copy of its domain."""
        inputs, outputs = tuple(map(rename, self.inputs)), tuple(map(rename, self.outputs))
        same = inputs == self.inputs and outputs == self.outputs
        return self if same else self.model_copy(update={"inputs": inputs, "outputs": outputs})

    def instants(self, stream: str) -> Ints | None:
        """Return every sample instant (simulated ns) of a stream that follows no period; None for a steady one."""
        return None

    def wears(self) -> dict[str, WearModel]:
        """Return the components that wear, by name."""
        return {}

    def family(self) -> str:
        """Return the name of the fleet it belongs to: entries of one family have equal channels and columns."""
        return self.kind

    def shown_kind(self) -> str:
        """Return the equipment kind that rules, models and pages see."""
        return self.kind

    def definition(self) -> str:
        """Return what all entries of one family must have in common; empty where the kind's code sees to it."""
        return ""
