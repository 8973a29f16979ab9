"""Whatever a server sends as values, the sources count it and go on."""

from __future__ import annotations

import random
import struct
import tracemalloc

import numpy as np
import pytest
from asyncua import ua
from asyncua.ua.ua_binary import struct_to_binary, variant_to_binary

from core.catalog import Catalog
from core.clock import MS, NS, mono_ns, wall_ns
from core.errors import DecodeError
from core.spec import ChannelSpec, DeviceSpec, Identity, LayoutSpec, StreamSpec
from gateway.sources.opcua import OpcuaSource, OpcuaSourceConfig
from gateway.sources.opcua_foreign import ForeignOpcuaSource
from wire.opcua.client import Heard
from wire.opcua.packing import Item, join, read_notifications
from wire.opcua.sample import moment

ROUNDS = 1_200
SLOW = LayoutSpec("x.slow", tuple(ChannelSpec(c, "value") for c in "ab"))
WILD = [
    1.5, float("nan"), float("inf"), -1e308, 2**62, True, "text", "", b"\x00" * 9, [1.0, 2.0], [1] * 5, [], ["a"],
    [1, 0, 2**40, 5, 1], [1, 0, -3, 5, 1], list(range(2_000)), None, ua.LocalizedText("x"), ua.NodeId(7), moment(5),
]  # fmt: skip
KINDS = [None, ua.VariantType.Double, ua.VariantType.Int64, ua.VariantType.Int32, ua.VariantType.Byte]


def rig() -> tuple[OpcuaSource, ForeignOpcuaSource]:
    """Both sources without a server: handles 0, 1 a slow stream; own 2 to 5 a fast one; foreign 2 another."""
    streams = (StreamSpec("slow", SLOW, NS), StreamSpec("fast", SLOW, MS))
    spec = DeviceSpec("s", "a", "d", "k", "own", "n", Identity("m", "1", "urn:1"), streams)
    catalog = Catalog([spec])
    own = OpcuaSource(OpcuaSourceConfig(url="opc.tcp://127.0.0.1:1"), catalog)
    for entry in catalog.streams:
        own._rows.add(entry, 0)
    channels = {name: {"node": f"ns=1;s={name}", "scale": 2.0} for name in "abc"}
    mapped = {"device": {"site": "s", "area": "a", "id": "f"}, "streams": {"main": {"channels": channels}}}
    config = OpcuaSourceConfig.model_validate({"url": "opc.tcp://127.0.0.1:1", "map": [mapped]})
    foreign = ForeignOpcuaSource(config, catalog)
    foreign._announce()
    return own, foreign


def body(values: list) -> bytes:
    """The body of a DataChangeNotification."""
    parts = [struct_to_binary(ua.MonitoredItemNotification(handle, value)) for handle, value in values]
    return struct.pack("<i", len(parts)) + b"".join(parts) + struct.pack("<i", -1)


def wild(draw: random.Random, now: int):
    content, kind = draw.choice(WILD), draw.choice(KINDS)
    try:
        variant = ua.Variant(content, kind) if kind else ua.Variant(content)
        variant_to_binary(variant)
    except Exception:  # noqa: BLE001 - asyncua raises what it stumbles over when it cannot encode a mismatch
        variant = ua.Variant(draw.random())
    times = [None, moment(now), moment(0), moment(now * 3), moment(now - 10**15)]
    status = ua.StatusCode(draw.choice([0, 0x80000000, 0x40930000, 0xFFFFFFFF, 0x808C0000]))
    return ua.DataValue(variant, status, draw.choice(times), draw.choice(times))


async def feed(source, notices) -> int:
    """Hand values to a source as its session would; returns how many rows came out."""
    heard = Heard(wall_ns(), notices)
    if isinstance(source, OpcuaSource):
        source._rows.unproven.clear()
        source._client.history = nothing
        await source._digest(heard)
        source._deliver(source._rows.take(join([]), mono_ns() + 2 * NS), 0)
    else:
        source._take(heard)
        source._emit(wall_ns() + NS, wall_ns())
    rows = sum(len(batch) for arrival in source._ready for batch in arrival.batches)
    for arrival in source._ready:
        for batch in arrival.batches:
            assert batch.x.shape == batch.q.shape == (len(batch), len(batch.layout.channels))
    source._ready.clear()
    return rows


async def nothing(*args):
    return None


@pytest.mark.parametrize("which", [0, 1], ids=["own", "foreign"])
async def test_odd_values_and_broken_bytes_stop_nobody(which):
    draw = random.Random(which)
    source = rig()[which]
    broken = sizes = 0
    tracemalloc.start()
    try:
        for turn in range(ROUNDS):
            if turn == ROUNDS // 2:
                sizes = tracemalloc.get_traced_memory()[0]
            now = wall_ns() + turn * MS
            handles = [draw.choice([0, 1, 2, 3, 4, 5, 6, 2**28, 2**32 - 1]) for _ in range(draw.randrange(1, 4))]
            data = bytearray(body([(handle, wild(draw, now)) for handle in handles]))
            if turn % 2:
                for _ in range(draw.randrange(1, 4)):
                    data[draw.randrange(len(data))] = draw.randrange(256)
                data = data[: draw.randrange(1, len(data) + 1)] if draw.random() < 0.3 else data
            try:
                notices = read_notifications(bytes(data))
            except DecodeError:
                broken += 1
                continue
            await feed(source, notices)
        grown = tracemalloc.get_traced_memory()[0] - sizes
    finally:
        tracemalloc.stop()
    counts = source.metrics.counts
    assert broken > ROUNDS // 20
    assert counts["opcua.rejected"] > ROUNDS // 20
    assert counts["opcua.untimed"] > ROUNDS // 50
    assert grown < 500_000, grown
    await still_works(source)


async def still_works(source) -> None:
    """A good value after all of that becomes a row."""
    t = (wall_ns() // NS + 100_000_000) * NS  # later than whatever was believed before
    if isinstance(source, OpcuaSource):
        good = [(h, ua.DataValue(ua.Variant(3.5), SourceTimestamp=moment(t))) for h in (0, 1)]
        source._rows.last[:] = 0
        assert await feed(source, read_notifications(body(good))) >= 1
        return
    held = source._held[0]
    held.ahead.clear()  # changes that claimed a time to come
    later = max(*held.since, held.last) + NS
    good = [(h, ua.DataValue(ua.Variant(3.5), SourceTimestamp=moment(later))) for h in (0, 1, 2)]
    source._take(Heard(wall_ns(), read_notifications(body(good))))
    batch = held.rows(later + NS)
    assert batch is not None
    assert set(batch.x[-1].tolist()) == {7.0}


async def test_a_block_that_claims_endless_rows_is_refused():
    source, _ = rig()
    t = wall_ns()
    items = [
        Item(2, np.ones(3), t, 0, t), Item(3, np.ones(3), t, 0, t),
        Item(4, np.array([1, 0, 2**40, t, 1]), t, 0, t), Item(5, b"", t, 0, t),
    ]  # fmt: skip
    taken = source._rows.take(join([], items), mono_ns())
    assert taken.rows == []
    assert [why for _, why, _ in taken.rejects] == [f"block: a block of {2**40} rows is too large"]
