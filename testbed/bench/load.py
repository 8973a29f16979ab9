"""The devices and messages that the benches of the wire and the stores are fed with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np

from core.batch import Batch
from core.clock import MS, NS, wall_ns
from core.quality import GOOD
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from wire import topics
from wire.codec_birth import encode_birth
from wire.flood import publish_packet

CHANNELS = tuple(ChannelSpec(name, "temperature", "Cel") for name in ("a", "b", "c", "d", "e"))
LAYOUT = LayoutSpec("bench.main", CHANNELS)
SID = 7
#: devices an area: one connection of the simulator serves so many
AREA = 500


def devices(count: int, period_ns: int = NS) -> list[DeviceSpec]:
    """Return devices with one stream of five channels each."""
    who = Identity("bench", "1", "urn:bench")
    return [
        DeviceSpec(
            "bench",
            f"area-{n // AREA}",
            f"d{n:05}",
            "bench",
            "urban",
            "node",
            who,
            (StreamSpec("main", LAYOUT, period_ns),),
        )
        for n in range(count)
    ]


def births(specs: Sequence[DeviceSpec]) -> Iterator[bytes]:
    """Yield a packet with the birth of each device."""
    for n, device in enumerate(specs):
        yield publish_packet(topics.of_device(device.path, "birth"), encode_birth(device, SID), n)


def single_rows(specs: Sequence[DeviceSpec], seqs: Sequence[int], number: int) -> Iterator[bytes]:
    """Yield a packet with one row for each device and row number, made now."""
    now = wall_ns()
    for seq in seqs:
        for n, device in enumerate(specs):
            values = f'"a":{20 + n % 7}.25,"b":{seq % 100}.5,"c":1013.2,"d":0.0625,"e":-3.75'
            text = f'{{"t":"{now + seq}","sid":{SID},"seq":{seq},"v":{{{values}}},"sent":{now / MS:.3f}}}'
            yield publish_packet(topics.of_device(device.path, "data", "main"), text.encode(), number)
            number += 1


def many_rows(specs: Sequence[DeviceSpec], messages: int, rows: int) -> Iterator[bytes]:
    """Yield packets of so many rows each, a device after the other."""
    rng = np.random.default_rng(1)
    texts = {c.name: rng.normal(0.0, 1.0, rows).round(4).tolist() for c in CHANNELS}
    values = json.dumps(texts, separators=(",", ":"))
    now = wall_ns()
    for n in range(messages):
        device, first = specs[n % len(specs)], (n // len(specs)) * rows
        text = f'{{"t0":"{now + first * 1000}","dt":1000,"sid":{SID},"seq":{first},"v":{values},"sent":{now / MS:.3f}}}'
        yield publish_packet(topics.of_device(device.path, "data", "main"), text.encode(), n)


def batches(streams: int, rows: int, count: int, start: int) -> list[Batch]:
    """Return ``count`` batches of ``rows`` rows over all streams, as the drain hands them to a store."""
    rng = np.random.default_rng(2)
    out: list[Batch] = []
    for n in range(count):
        row = np.arange(n * rows, (n + 1) * rows, dtype=np.int64)
        x = rng.normal(20.0, 3.0, (rows, len(CHANNELS))).round(3)
        q = np.full(x.shape, GOOD, np.uint8)
        sid = np.full(rows, SID, np.int64)
        out.append(Batch(LAYOUT, (row % streams).astype(np.int32), sid, row // streams, start + row * 1000, x, q))
    return out
