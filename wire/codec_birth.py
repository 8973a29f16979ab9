"""Births of guideline v1: a device introduces itself."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from core.clock import NS
from core.errors import RejectedError
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, Position, StreamSpec
from wire.json_text import read
from wire.quantities import check_unit
from wire.topics import ID_PATTERN, Topic, check_id

Id = Annotated[str, Meta(pattern=f"^{ID_PATTERN}$", max_length=64)]
LayoutName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._~-]{1,160}$")]
Text = Annotated[str, Meta(min_length=1, max_length=256)]
Sid = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]
_MAX_CHANNELS = 512


class NameJson(Struct, frozen=True, omit_defaults=True):
    """A name in Korean and English; one of the two is enough."""

    ko: str = ""
    en: str = ""


class PositionJson(Struct, frozen=True):
    """WGS 84 degrees."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lon: Annotated[float, Meta(ge=-180, le=180)]


class ChannelJson(Struct, frozen=True, omit_defaults=True):
    """One channel. ``range`` is the instrument range; ``states`` names the codes of an enumeration."""

    name: Id
    quantity: Text
    unit: Annotated[str, Meta(max_length=64)] = "1"
    range: tuple[float | None, float | None] | None = None
    accuracy: float | None = None
    resolution: float | None = None
    states: dict[int, str] | None = None
    label: NameJson | str | None = None
    group: Literal["status", "health", "process", "consumption"] = "process"


class StreamJson(Struct, frozen=True, omit_defaults=True):
    """Co-sampled channels. ``rate`` in rows a second, 0 on change; ``layout`` names what streams share."""

    name: Id
    channels: Annotated[list[ChannelJson], Meta(min_length=1, max_length=_MAX_CHANNELS)]
    rate: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    layout: LayoutName | UnsetType = UNSET


class CommandJson(Struct, frozen=True, omit_defaults=True):
    """A command that the device accepts; ``args`` maps names to UCUM units."""

    name: Id
    args: dict[str, str] = {}
    label: NameJson | str | None = None


class BirthJson(Struct, frozen=True, omit_defaults=True):
    """Payload of ``birth``."""

    manufacturer: Text
    serialNumber: Text  # noqa: N815  # spelled as in OPC 40001-1
    productInstanceUri: Text  # noqa: N815
    streams: list[StreamJson]
    model: str = ""
    node: Id | UnsetType = UNSET
    sid: Sid = 0
    kind: Id = "generic"
    domain: Literal["factory", "logistics", "urban", "own", "third_party"] = "third_party"
    label: NameJson | str | None = None
    position: PositionJson | None = None
    commands: list[CommandJson] = []
    protocols: tuple[Literal["mqtt", "sparkplug", "opcua", "modbus", "memory"], ...] = ("mqtt",)
    asset: str = ""


_DECODER = msgspec.json.Decoder(BirthJson)
_ENCODER = msgspec.json.Encoder()


def encode_birth(device: DeviceSpec, sid: int) -> bytes:
    """Return the birth of a device that started as ``sid``."""
    who = device.identity
    return _ENCODER.encode(
        BirthJson(
            manufacturer=who.manufacturer,
            serialNumber=who.serial,
            productInstanceUri=who.product_uri,
            model=who.model,
            node=device.node,
            sid=sid,
            kind=device.kind,
            domain=device.domain,
            label=_name_json(device.label),
            position=PositionJson(device.position.lat, device.position.lon) if device.position else None,
            streams=[_stream_json(s) for s in device.streams],
            commands=[CommandJson(c.name, dict(c.args), _name_json(c.label)) for c in device.commands],
            protocols=device.protocols,
            asset=device.asset,
        )
    )


def decode_birth(topic: Topic, payload: bytes) -> tuple[DeviceSpec, int]:
    """Return the device and its start number (0: it has none).

    Raises
    ------
    DecodeError
        ``bad-json``, ``nan``, ``empty``.
    RejectedError
        ``bad-shape``, ``too-large``, ``bad-id``, ``duplicate-name``, ``bad-range``, ``bad-unit``, ``unit-mismatch``.
    """
    birth = read(_DECODER, payload)
    _check_unique([s.name for s in birth.streams], "stream")
    _check_unique([c.name for c in birth.commands], "command")
    for command in birth.commands:
        for argument, unit in command.args.items():
            check_unit("", unit, f"{command.name}({check_id(argument, 'argument')})")
    device = DeviceSpec(
        site=topic.site,
        area=topic.area,
        device=topic.device,
        kind=birth.kind,
        domain=birth.domain,
        node=topic.device if isinstance(birth.node, UnsetType) else birth.node,
        identity=Identity(birth.manufacturer, birth.serialNumber, birth.productInstanceUri, birth.model),
        streams=tuple(_stream(s, birth.kind) for s in birth.streams),
        commands=tuple(CommandSpec(c.name, c.args, _name(c.label)) for c in birth.commands),
        label=_name(birth.label),
        position=Position(birth.position.lat, birth.position.lon) if birth.position else None,
        protocols=birth.protocols,
        asset=birth.asset,
    )
    return device, birth.sid


def _stream_json(stream: StreamSpec) -> StreamJson:
    channels = [_channel_json(c) for c in stream.layout.channels]
    return StreamJson(stream.name, channels, stream.rate_hz, stream.layout.name)


def _channel_json(c: ChannelSpec) -> ChannelJson:
    span = None if c.low is None and c.high is None else (c.low, c.high)
    return ChannelJson(
        c.name, c.quantity, c.unit, span, c.accuracy, c.resolution, c.states, _name_json(c.label), c.group
    )


def _stream(stream: StreamJson, kind: str) -> StreamSpec:
    _check_unique([c.name for c in stream.channels], f"channel of {stream.name}")
    layout = f"{kind}.{stream.name}" if isinstance(stream.layout, UnsetType) else stream.layout
    channels = tuple(_channel(c, f"{stream.name}.{c.name}") for c in stream.channels)
    return StreamSpec(stream.name, LayoutSpec(layout, channels), round(NS / stream.rate) if stream.rate else 0)


def _channel(c: ChannelJson, where: str) -> ChannelSpec:
    check_unit(c.quantity, c.unit, where)
    low, high = c.range or (None, None)
    if low is not None and high is not None and low >= high:
        raise RejectedError("bad-range", f"{where}: range {low} to {high}")
    return ChannelSpec(
        c.name, c.quantity, c.unit, low, high, c.accuracy, c.resolution, c.states, _name(c.label), c.group
    )


def _name(label: NameJson | str | None) -> Name | None:
    if label is None:
        return None
    if isinstance(label, str):
        return Name(label, label)
    return Name(label.ko or label.en, label.en or label.ko)


def _name_json(name: Name | None) -> NameJson | None:
    return None if name is None else NameJson(name.ko, name.en)


def _check_unique(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise RejectedError("duplicate-name", f"{what} {name!r} is given twice")
