"""``testbed config plan``: what a scenario will do before it starts, sizes taken from rows that are really encoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from core.batch import Batch, merge
from core.clock import NS
from core.spec import DeviceSpec, LayoutSpec, StreamSpec
from core.tables import schema, to_table
from simulator.history import history_sampling
from simulator.world import World
from testbed.scenario import Scenario
from wire import topics
from wire.codec_rows_out import encode_batch

DAY_S = 86_400
#: bytes a value takes in DuckDB on disk: `testbed bench simulate` measures it (2.9 on the reference world)
STORED_BYTES_PER_VALUE = 3.0
#: of an MQTT PUBLISH with QoS 1 and a payload of 128 B to 16 kB: type, length (2), length of the topic (2), packet
#: number (2); MQTT 3.1.1, section 3.3
MQTT_HEADER = 7
_LIVE_SPAN = 60 * NS
_PAST_SPAN = 2 * 3600 * NS
_WALL_MS = 1_763_791_200_123.456


@dataclass
class _Sum:
    devices: int = 0
    channels: int = 0
    rows_per_s: float = 0.0
    values_per_s: float = 0.0
    wire_bytes_per_day: float = 0.0


@dataclass
class _Sizes:
    """Bytes that a row takes as JSON over MQTT, by layout, topic left out; and bytes of an OPC UA notification."""

    json: dict[str, float] = field(default_factory=dict)
    opcua: int = 0

    def row(self, device: DeviceSpec, stream: StreamSpec) -> float:
        """Return the bytes on the wire of one row (waveforms: of one sample). Other protocols count as JSON."""
        channels = len(stream.layout.channels)
        if device.protocols[0] == "opcua":
            return self.opcua * channels
        path = len(topics.of_device(device.path, "data", stream.name))
        known = self.json.get(stream.layout.name)
        return (known if known is not None else 60.0 + 14.0 * channels) + (0 if stream.fast else path + MQTT_HEADER)


def plan(scenario: Scenario) -> dict[str, Any]:
    """Return devices, channels, rates and bytes a day by domain and protocol."""
    settings = scenario.world().model_copy(update={"history": 0})
    world = World(settings, scenario.config.start_ns(), scenario.config.seed)
    sizes = _measured(world)
    by_domain: dict[str, _Sum] = {}
    by_protocol: dict[str, _Sum] = {}
    for device in world.devices:
        for total in (by_domain.setdefault(device.domain, _Sum()), by_protocol.setdefault(device.protocols[0], _Sum())):
            total.devices += 1
            for stream in device.streams:
                total.channels += len(stream.layout.channels)
                total.rows_per_s += stream.rate_hz
                total.values_per_s += stream.rate_hz * len(stream.layout.channels)
                total.wire_bytes_per_day += stream.rate_hz * sizes.row(device, stream) * DAY_S
    speed = scenario.config.speed or 1.0
    rows = sum(s.rows_per_s for s in by_domain.values())
    values = sum(s.values_per_s for s in by_domain.values())
    past_values, past_bytes = _past(scenario)
    return {
        "scenario": str(scenario.path),
        "domains": {name: vars(total) for name, total in sorted(by_domain.items())},
        "protocols": {name: vars(total) for name, total in sorted(by_protocol.items())},
        "devices": len(world.devices),
        "channels": sum(s.channels for s in by_domain.values()),
        "rows_per_s": round(rows * speed, 1),
        "values_per_s": round(values * speed, 1),
        "wire_bytes_per_day": round(sum(s.wire_bytes_per_day for s in by_domain.values()) * speed),
        "stored_bytes_per_day": round(values * STORED_BYTES_PER_VALUE * speed * DAY_S),
        "history_values": round(past_values),
        "history_bytes": round(past_bytes),
    }


def _measured(world: World) -> _Sizes:
    """Return the sizes of the first rows of every layout in a minute of life."""
    from wire.opcua.size import notification_bytes

    sizes = _Sizes()
    if any(d.protocols[0] == "opcua" for d in world.devices):
        sizes.opcua = notification_bytes()
    fast = {s.layout.name for d in world.devices for s in d.streams if s.fast}
    world.fast_forward(0)
    world.sid = 1_763_791_200_000
    world.advance(_LIVE_SPAN)
    for batch in world.render(0, _LIVE_SPAN):
        _, mine = next(batch.by_stream())
        name = batch.layout.name
        if name in fast:
            sizes.json.setdefault(name, len(encode_batch(mine, _WALL_MS)[0].payload) / min(len(mine), 4096))
        else:
            sizes.json.setdefault(name, _mean(mine))
    return sizes


def _mean(rows: Batch) -> float:
    """Return the mean size of up to ten messages of one row each."""
    each = [len(encode_batch(rows.take(slice(i, i + 1)), _WALL_MS)[0].payload) for i in range(min(len(rows), 10))]
    return sum(each) / len(each)


def _past(scenario: Scenario) -> tuple[float, float]:
    """Return (values, bytes as Parquet) of the history, from the first two hours of it."""
    history = scenario.config.history
    whole = round(history.days * DAY_S) * NS
    if not whole:
        return 0.0, 0.0
    span = min(whole, _PAST_SPAN)
    settings = scenario.world().model_copy(update={"history": span})
    sampling = history_sampling(history.every, history.fast_every)
    world = World(settings, scenario.config.start_ns(), scenario.config.seed, sampling)
    world.advance(0)
    batches = merge(world.render(-span, 0))
    values = sum(batch.values for batch in batches)
    return values * whole / span, sum(_parquet_bytes(batches)) * whole / span


def _parquet_bytes(batches: list[Batch]) -> Iterator[int]:
    import pyarrow as pa
    from pyarrow import parquet

    for batch in batches:
        sink = pa.BufferOutputStream()
        parquet.write_table(
            to_table(batch).cast(schema(batch.layout)),
            sink,
            compression="lz4",
            use_dictionary=False,
            write_statistics=False,
        )
        yield sink.getvalue().size - _empty(batch.layout)


def _empty(layout: LayoutSpec) -> int:
    """Return the bytes of a Parquet file of the layout without rows."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = pa.BufferOutputStream()
    parquet.write_table(schema(layout).empty_table(), sink)
    return int(sink.getvalue().size)
