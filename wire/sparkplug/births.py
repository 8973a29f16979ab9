"""Births as a host reads them: which device speaks, and what each of its metrics is to us."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote, unquote

from core.errors import RejectedError
from core.spec import ChannelSpec, CommandSpec, DeviceSpec, Identity, LayoutSpec, Name, StreamSpec
from wire.codec_birth import decode_birth
from wire.sparkplug.datatypes import NUMBERS, TEXTS
from wire.sparkplug.datatypes import DataType as D
from wire.sparkplug.form import COMMANDS, EVENT, GUIDELINE, QUALITY, RESULT, ROW, START, TIME
from wire.sparkplug.names import Place, SparkplugTopic, place, spell
from wire.sparkplug.payload import Metric, Properties, Template
from wire.sparkplug.units import to_ucum
from wire.topics import Topic

BDSEQ, REBIRTH, CONTROL = "bdSeq", "Node Control/Rebirth", "Node Control/"
WRITE = "write"
MAX_CHANNELS = 512
_SCHEME = "spBv1.0:"
Role = Literal["value", "row", "time", "quality", "result", "event", "text", "template", "other"]


@dataclass(frozen=True, slots=True)
class Slot:
    """What a metric of a birth is to us; ``column`` of ``stream`` where it is a measurement."""

    name: str
    datatype: int
    alias: int | None
    role: Role
    stream: str = ""
    column: int = 0


@dataclass(slots=True)
class Born:
    """What a birth told. ``device`` is None for an edge node without measurements of its own; ``writable`` maps
    arguments of ``write`` to metrics."""

    place: Place
    device: DeviceSpec | None
    sid: int = 0
    slots: dict[str, Slot] = field(default_factory=dict)
    writable: dict[str, Slot] = field(default_factory=dict)


def read_birth(topic: SparkplugTopic, metrics: Sequence[Metric]) -> Born:
    """Return what a NBIRTH or DBIRTH tells.

    Raises
    ------
    RejectedError
        ``bad-birth`` where a metric has no name or no type, ``duplicate-name``, ``too-large``; of a guideline birth
        in it whatever that breaks.
    """
    flat = list(flatten(metrics))
    seen: set[str] = set()
    for metric in flat:
        if not metric.name:
            raise RejectedError("bad-birth", "a metric of a birth has no name")
        if metric.name in seen:
            raise RejectedError("duplicate-name", f"metric {metric.name[:80]!r} is given twice")
        seen.add(metric.name)
    guideline = next((m for m in flat if m.name == GUIDELINE and isinstance(m.value, str)), None)
    where = place(topic.group, topic.node, topic.device)
    if guideline is not None:
        return _ours(where, flat, guideline.value)
    return _derived(topic, where, flat)


def flatten(metrics: Sequence[Metric]) -> Iterator[Metric]:
    """Yield metrics, those of a template's instance as ``template/member`` behind it; definitions hold no values."""
    for metric in metrics:
        yield metric
        if isinstance(metric.value, Template) and not metric.value.definition:
            for member in flatten(metric.value.metrics):
                t = metric.timestamp if member.timestamp is None else member.timestamp
                yield replace(member, name=f"{metric.name}/{member.name}", timestamp=t)


def original(device: DeviceSpec) -> tuple[str, str, str]:
    """Return group, edge node and device as Sparkplug names them; device is empty for an edge node itself."""
    uri = device.identity.product_uri
    if uri.startswith(_SCHEME):
        group, node, name = (unquote(part) for part in uri.removeprefix(_SCHEME).split("/"))
        return group, node, name
    return f"{device.site}:{device.area}", device.node, device.device


def _ours(where: Place, metrics: Sequence[Metric], text: str) -> Born:
    """Read a birth that carries the guideline's: streams and channels are known by name."""
    device, sid = decode_birth(Topic("birth", where.site, where.area, where.device), text.encode())
    protocols = device.protocols if "sparkplug" in device.protocols else ("sparkplug",)
    device = replace(device, node=where.node, protocols=protocols)
    roles: dict[str, tuple[Role, str, int]] = {RESULT: ("result", "", 0), EVENT: ("event", "", 0)}
    for stream in device.streams:
        for suffix, role in ((ROW, "row"), (TIME, "time"), (QUALITY, "quality")):
            roles[f"{stream.name}/{suffix}"] = role, stream.name, 0  # type: ignore[assignment]
        for j, channel in enumerate(stream.layout.columns):
            roles[f"{stream.name}/{channel}"] = "value", stream.name, j
    born = Born(where, device, sid)
    for metric in metrics:
        born.slots[metric.name] = Slot(
            metric.name, metric.datatype, metric.alias, *roles.get(metric.name, ("other", "", 0))
        )
        if metric.name == START and isinstance(metric.value, int):
            born.sid = metric.value
    return born


def _derived(topic: SparkplugTopic, where: Place, metrics: Sequence[Metric]) -> Born:
    """Read a foreign birth: each number is a stream of its own.

    Sparkplug reports by exception, one metric at a time: (metric, timestamp) is the identity of a value, so that
    neither two messages of one millisecond nor a value sent again are taken for each other.
    """
    born = Born(where, None)
    streams: dict[str, StreamSpec] = {}
    for metric in metrics:
        role = _role(metric)
        stream = spell(metric.name.replace("/", ".")) if role == "value" else ""
        if stream in streams:
            stream = spell(metric.name + " ")
        slot = Slot(metric.name, metric.datatype, metric.alias, role, stream)
        born.slots[metric.name] = slot
        if role == "value":
            streams[stream] = StreamSpec(stream, _layout(stream, metric), 0)
            born.writable[stream] = slot
    if len(streams) > MAX_CHANNELS:
        raise RejectedError("too-large", f"{len(streams)} metrics in a birth, at most {MAX_CHANNELS}")
    if streams or topic.device:
        born.device = _device(topic, where, metrics, tuple(streams.values()))
    return born


def _role(metric: Metric) -> Role:
    if not metric.datatype:
        raise RejectedError("bad-birth", f"metric {metric.name[:80]!r} has no type")
    if metric.name == BDSEQ or metric.name.startswith((CONTROL, COMMANDS)):
        return "other"
    if metric.datatype in NUMBERS:
        return "value"
    if metric.datatype == D.TEMPLATE:
        return "template"
    return "text" if metric.datatype in TEXTS else "other"


def _layout(stream: str, metric: Metric) -> LayoutSpec:
    said = metric.properties
    unit = to_ucum(said.get("engUnit", ""))
    low, high = _number(said, "engLow"), _number(said, "engHigh")
    if low is not None and high is not None and low >= high:
        low = high = None
    label = metric.name if unit is not None else f"{metric.name} [{str(said.get('engUnit'))[:40]}]"
    states = {0: "false", 1: "true"} if metric.datatype == D.BOOLEAN else None
    # a channel is asked for by device and name alone: the last part of the name would not be enough
    channel = ChannelSpec(stream, "value", unit or "1", low, high, states=states, label=Name(label, label))
    return LayoutSpec(f"sparkplug.{stream}", (channel,))


def _number(properties: Properties, key: str) -> float | None:
    value = properties.get(key)
    return float(value) if isinstance(value, (int, float)) and abs(value) < 1e300 else None


def _device(
    topic: SparkplugTopic, where: Place, metrics: Sequence[Metric], streams: tuple[StreamSpec, ...]
) -> DeviceSpec:
    texts: dict[str, Any] = {m.name.rpartition("/")[2].lower(): m.value for m in metrics if isinstance(m.value, str)}
    label = topic.device or topic.node
    uri = "/".join(quote(part, safe="") for part in (topic.group, topic.node, topic.device))
    return DeviceSpec(
        site=where.site,
        area=where.area,
        device=where.device,
        kind="generic",
        domain="third_party",
        node=where.node,
        identity=Identity(
            (texts.get("hardware make") or texts.get("manufacturer") or "unknown")[:256],
            (texts.get("hardware serial") or texts.get("serial") or label)[:256],
            _SCHEME + uri,
            (texts.get("hardware model") or texts.get("model") or "")[:256],
        ),
        streams=streams,
        commands=(CommandSpec(WRITE, {s.name: s.layout.channels[0].unit for s in streams}, _WRITE_LABEL),),
        label=Name(label, label),
        protocols=("sparkplug",),
    )


_WRITE_LABEL = Name("값 쓰기", "Write values")
