"""Foreign Modbus devices: a register map written by hand becomes a device of the catalog."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from core.clock import NS
from core.config import Config, Duration, Label
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, StreamSpec
from wire.modbus.config import RegisterMap, Word
from wire.modbus.station import Station

IDENT = r"^[a-z0-9][a-z0-9_.-]*$"


class ForeignDevice(Config):
    """Who a unit is: place and names in the catalog."""

    site: str = Field(pattern=IDENT)
    area: str = Field(pattern=IDENT)
    id: str = Field(pattern=IDENT)
    kind: str = Field(default="modbus-device", pattern=IDENT)
    name: Label | None = None
    manufacturer: str = "unknown"
    model: str = "unknown"
    serial: str = "unknown"


class ForeignUnit(Config):
    """A unit to poll: its number, who it is, how often (wall time), and its registers."""

    unit: int = Field(default=1, ge=0, le=255)
    device: ForeignDevice
    every: Duration = NS
    map: RegisterMap

    @model_validator(mode="after")
    def _positive(self) -> ForeignUnit:
        if self.every <= 0:
            raise ValueError("every must be above 0")
        return self

    def station(self, node: str) -> Station:
        """Return the unit as a station of a third-party device."""
        who = self.device
        path = f"{who.site}:{who.area}:{who.id}"
        spec = DeviceSpec(
            site=who.site,
            area=who.area,
            device=who.id,
            kind=who.kind,
            domain="third_party",
            node=node,
            identity=Identity(who.manufacturer, who.serial, f"urn:modbus:{path}", who.model),
            streams=self._streams(),
            commands=self._commands(),
            label=who.name,
            protocols=("modbus",),
        )
        return Station(self.unit, spec, self.map, self.every)

    def _streams(self) -> tuple[StreamSpec, ...]:
        channels: dict[str, list[ChannelSpec]] = {}
        for key, r in self.map.registers.items():
            name = key.removeprefix(f"{r.stream}.")
            spec = ChannelSpec(name, r.quantity, r.unit, r.low, r.high, None, _resolution(r), r.states, _name(r.name),
                               "status" if r.states else "consumption" if r.counter else "process")  # fmt: skip
            channels.setdefault(r.stream, []).append(spec)
        kind = f"{self.device.kind}-{self.device.id}"
        return tuple(StreamSpec(s, LayoutSpec(f"{kind}.{s}", tuple(c)), self.every) for s, c in channels.items())

    def _commands(self) -> tuple[CommandSpec, ...]:
        return tuple(
            CommandSpec(name, {arg: c.units.get(arg, "1") for arg in c.args}, _name(c.label))
            for name, c in self.map.commands.items()
        )


def _resolution(word: Word) -> float | None:
    return None if word.type in ("float32", "bool") else abs(word.scale)


def _name(value: dict[str, Any] | None) -> Name | None:
    return Name(value.get("ko") or value.get("en", ""), value.get("en") or value.get("ko", "")) if value else None
