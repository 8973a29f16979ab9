"""Foreign OPC UA servers: a map written by hand makes devices of the catalog out of their nodes."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from core.clock import NS
from core.config import Config, Duration, Label
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.modbus_foreign import ForeignDevice

Type = Literal[
    "Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double"
]  # fmt: skip


def _node(text: str) -> str:
    from wire.opcua.nodeids import check  # asyncua takes long: only who maps nodes pays for it

    return check(text)


class MappedChannel(Config):
    """A node as a channel: ``value * scale + offset`` in ``unit`` (UCUM); ``states`` name an enumeration's codes."""

    node: str
    unit: str = "1"
    quantity: str = "value"
    scale: float = 1.0
    offset: float = 0.0
    low: float | None = None
    high: float | None = None
    states: dict[int, str] | None = None
    name: Label | None = None
    group: Literal["status", "health", "process", "consumption"] = "process"

    _written = field_validator("node")(_node)


class MappedStream(Config):
    """Channels that become one row each ``every``: the last value of each at that moment."""

    every: Duration = NS
    channels: dict[str, MappedChannel] = Field(min_length=1)

    @model_validator(mode="after")
    def _slow(self) -> MappedStream:
        if self.every < NS // 10:
            raise ValueError("every must be at least 100ms")
        return self

    def spec(self, kind: str, name: str) -> StreamSpec:
        """Return the stream's entry of the catalog."""
        channels = tuple(_channel(c, m) for c, m in self.channels.items())
        return StreamSpec(name, LayoutSpec(f"{kind}.{name}", channels), self.every)


class MappedArg(Config):
    """An argument of a method, or a node that is written: its unit (UCUM) and OPC UA type."""

    unit: str = "1"
    type: Type = "Double"
    node: str = ""

    @field_validator("node")
    @classmethod
    def _written(cls, value: str) -> str:
        return _node(value) if value else value


class MappedCommand(Config):
    """A command: a ``method`` of an ``object`` with arguments in their order, or a node to write for each argument."""

    object: str = ""
    method: str = ""
    args: dict[str, MappedArg] = {}
    label: Label | None = None

    @model_validator(mode="after")
    def _either(self) -> MappedCommand:
        if bool(self.object) != bool(self.method):
            raise ValueError("a method needs both: object and method")
        for text in filter(None, (self.object, self.method)):
            _node(text)
        if not self.method and (not self.args or not all(arg.node for arg in self.args.values())):
            raise ValueError("name object and method, or a node for each argument")
        return self


class MappedDevice(Config):
    """Nodes of a server as one device."""

    device: ForeignDevice
    streams: dict[str, MappedStream] = Field(min_length=1)
    commands: dict[str, MappedCommand] = {}

    def spec(self, node: str) -> DeviceSpec:
        """Return the device's entry of the catalog; ``node`` names the connection."""
        who = self.device
        kind = f"{who.kind}-{who.id}"
        streams = tuple(
            StreamSpec(
                name, LayoutSpec(f"{kind}.{name}", tuple(_channel(c, m) for c, m in s.channels.items())), s.every
            )
            for name, s in self.streams.items()
        )
        commands = tuple(
            CommandSpec(name, {arg: a.unit for arg, a in c.args.items()}, c.label) for name, c in self.commands.items()
        )
        uri = f"urn:opcua:{who.site}:{who.area}:{who.id}"
        return DeviceSpec(
            site=who.site, area=who.area, device=who.id, kind=who.kind, domain="third_party", node=node,
            identity=Identity(who.manufacturer, who.serial, uri, who.model), streams=streams, commands=commands,
            label=who.name, protocols=("opcua",),
        )  # fmt: skip


def _channel(name: str, of: MappedChannel) -> ChannelSpec:
    return ChannelSpec(name, of.quantity, of.unit, of.low, of.high, states=of.states, label=of.name, group=of.group)
