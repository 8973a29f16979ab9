"""A device of ours as Sparkplug metrics: its birth, its rows, its notes, the commands it hears.

Names (``stream/channel`` are the measurements; names with ``_`` are bookkeeping):

    Properties/Guideline    the guideline birth (JSON): everything the catalogue knows
    Properties/Start        the start number (sid)
    {stream}/_row           number of the row whose channels follow; property ``ns`` is what ms cannot say
    {stream}/{channel}      Double; of fast streams a DoubleArray, with ``{stream}/_time`` (ns) and ``_quality``
    Commands/{name}         Boolean; writing true asks for the command, ``Commands/{name}/{argument}`` beside it
    Command/Result, Event   texts: the guideline's JSON

A row's identity is (stream, start, ``_row``), whenever and however often it is sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from core.batch import Batch
from core.clock import MS
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, StreamSpec
from wire.codec_birth import encode_birth
from wire.sparkplug.datatypes import DataType as D
from wire.sparkplug.payload import Metric, Properties
from wire.sparkplug.quality import to_properties

GUIDELINE, START = "Properties/Guideline", "Properties/Start"
ROW, TIME, QUALITY = "_row", "_time", "_quality"
RESULT, EVENT = "Command/Result", "Event"
COMMANDS = "Commands/"


class DeviceForm:
    """Metrics of one device under one edge node; ``first_alias`` is where its aliases begin."""

    def __init__(self, device: DeviceSpec, sid: int, first_alias: int) -> None:
        self.device, self.sid = device, sid
        self.types: dict[str, tuple[D, Properties]] = dict(_metrics(device))
        self.alias = {name: first_alias + i for i, name in enumerate(self.types)}
        self.names = {alias: name for name, alias in self.alias.items()}
        self._streams = {s.name: _StreamForm(s, self.alias) for s in device.streams}

    def birth(self, now: int, last: Mapping[str, Batch], result: str = "") -> list[Metric]:
        """Return all metrics with their present values: ``last`` is the last row sent of each stream.

        ``now`` is ms. The row numbers in it tell a host which rows it should have.
        """
        values: dict[str, tuple[object, int]] = {
            GUIDELINE: (encode_birth(self.device, self.sid).decode(), now),
            START: (self.sid, now),
            "Properties/Manufacturer": (self.device.identity.manufacturer, now),
            "Properties/Model": (self.device.identity.model, now),
            "Properties/Serial": (self.device.identity.serial, now),
        }
        if result:
            values[RESULT] = result, now
        values |= {name: (False, now) for name, (kind, _) in self.types.items() if kind == D.BOOLEAN}
        own: dict[str, Metric] = {}
        for name, row in last.items():
            metrics = self.mark(name, row) if self._streams[name].spec.fast else self.rows(name, row)
            own |= {self.names[metric.alias]: metric for metric in metrics if metric.alias is not None}
        out = []
        for name, (kind, properties) in self.types.items():
            known = own.get(name)
            value, t = values.get(name, (None, now)) if known is None else (known.value, known.timestamp or now)
            said = properties | known.properties if known is not None else properties
            out.append(Metric(name, kind, value, t, self.alias[name], said))
        # the row number leads its row, as in data
        return sorted(out, key=lambda metric: not metric.name.endswith(f"/{ROW}"))

    def rows(self, stream: str, batch: Batch, historical: bool = False) -> list[Metric]:
        """Return the metrics of rows of one stream."""
        form = self._streams[stream]
        out = form.block(batch, self.sid) if form.spec.fast else form.scalars(batch, self.sid)
        if historical:
            for metric in out:
                metric.historical = True
        return out

    def mark(self, stream: str, batch: Batch) -> list[Metric]:
        """Return the number of the last row alone: so many rows were sent."""
        n = len(batch) - 1
        return [self._streams[stream].number(int(batch.seq[n]), int(batch.sid[n]), int(batch.t[n]), self.sid)]

    def text(self, name: str, text: str, now: int) -> Metric:
        """Return a result or an event; ``now`` is ms."""
        return Metric("", D.STRING, text, now, self.alias[name])


class _StreamForm:
    """One stream's metrics."""

    def __init__(self, spec: StreamSpec, alias: Mapping[str, int]) -> None:
        self.spec = spec
        self._row = alias[f"{spec.name}/{ROW}"]
        self._channels = [alias[f"{spec.name}/{c.name}"] for c in spec.layout.channels]
        self._time = alias.get(f"{spec.name}/{TIME}")
        self._quality = alias.get(f"{spec.name}/{QUALITY}")

    def number(self, seq: int, sid: int, t: int, own: int) -> Metric:
        properties: Properties = {}
        if t % MS:
            properties["ns"] = t % MS
        if sid != own:
            properties["sid"] = sid
        return Metric("", D.INT64, seq, t // MS, self._row, properties)

    def scalars(self, batch: Batch, own: int) -> list[Metric]:
        out: list[Metric] = []
        columns = zip(
            batch.seq.tolist(), batch.sid.tolist(), batch.t.tolist(), batch.x.tolist(), batch.q.tolist(), strict=True
        )
        for seq, sid, t, x, q in columns:
            out.append(self.number(seq, sid, t, own))
            ms = t // MS
            for alias, value, code in zip(self._channels, x, q, strict=True):
                known = value - value == 0.0  # neither NaN nor infinite
                out.append(Metric("", D.DOUBLE, value if known else None, ms, alias, _said(code, known)))
        return out

    def block(self, batch: Batch, own: int) -> list[Metric]:
        ms = int(batch.t[0]) // MS
        out = [self.number(int(batch.seq[0]), int(batch.sid[0]), int(batch.t[0]), own)]
        out.append(Metric("", D.INT64_ARRAY, batch.t, ms, self._time))
        if (batch.q != GOOD).any():
            out.append(Metric("", D.UINT8_ARRAY, batch.q.ravel(), ms, self._quality))
        columns = zip(self._channels, np.ascontiguousarray(batch.x.T), strict=True)
        out += [Metric("", D.DOUBLE_ARRAY, column, ms, alias) for alias, column in columns]
        return out


def pieces(batch: Batch, fast: bool) -> Iterator[Batch]:
    """Cut rows of one stream so that each part can be sent: a block has one start and no hole in its numbers."""
    if not fast:
        yield batch
        return
    cuts = np.flatnonzero((np.diff(batch.seq) != 1) | (np.diff(batch.sid) != 0)) + 1
    for part in np.split(np.arange(len(batch)), cuts):
        yield batch.take(part)


def _said(code: int, known: bool) -> Properties:
    return to_properties(code if known or code != GOOD else 0)


def _metrics(device: DeviceSpec) -> Iterator[tuple[str, tuple[D, Properties]]]:
    yield GUIDELINE, (D.STRING, {})
    yield START, (D.INT64, {})
    for name in ("Manufacturer", "Model", "Serial"):
        yield f"Properties/{name}", (D.STRING, {})
    for stream in device.streams:
        yield f"{stream.name}/{ROW}", (D.INT64, {})
        if stream.fast:
            yield f"{stream.name}/{TIME}", (D.INT64_ARRAY, {})
            yield f"{stream.name}/{QUALITY}", (D.UINT8_ARRAY, {})
        for channel in stream.layout.channels:
            kind = D.DOUBLE_ARRAY if stream.fast else D.DOUBLE
            yield f"{stream.name}/{channel.name}", (kind, _channel(channel))
    for command in device.commands:
        yield f"{COMMANDS}{command.name}", (D.BOOLEAN, {})
        for argument, unit in command.args.items():
            yield f"{COMMANDS}{command.name}/{argument}", (D.DOUBLE, {"engUnit": unit})
    yield RESULT, (D.STRING, {})
    yield EVENT, (D.STRING, {})


def _channel(channel: ChannelSpec) -> Properties:
    """Return what a birth says of a channel; ``engUnit``, ``engLow`` and ``engHigh`` are the usual names."""
    said: Properties = {"engUnit": channel.unit, "quantity": channel.quantity}
    if channel.low is not None:
        said["engLow"] = float(channel.low)
    if channel.high is not None:
        said["engHigh"] = float(channel.high)
    if channel.label is not None:
        said["tooltip"] = channel.label.en
    return said
