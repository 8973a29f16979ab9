from __future__ import annotations

import struct

import numpy as np

from core.clock import NS
from core.quality import BAD_SENSOR, GOOD
from core.spec import ChannelSpec, LayoutSpec, StreamSpec
from wire.opcua.history import BlockPool, BlockRing, RowRing, status_of
from wire.opcua.packing import read_history

LAYOUT = LayoutSpec("a.b", (ChannelSpec("v", "velocity"), ChannelSpec("s", "state", states={0: "off", 1: "on"})))
INTEGER = np.array([False, True])


def ring(rows: int) -> RowRing:
    return RowRing(StreamSpec("b", LAYOUT, NS), INTEGER, (rows - 1) * NS)


def fill(r: RowRing, start: int, stop: int) -> None:
    for i in range(start, stop):
        q = np.array([GOOD if i % 2 else BAD_SENSOR, GOOD], np.uint8)
        r.add(i * NS, np.array([i + 0.5, i % 2]), q, i * NS + 1)


def read(r, column, start=0, end=1 << 62, most=10_000):
    raws, more = r.read(column, start, end, most)
    return read_history(struct.pack("<i", len(raws)) + b"".join(raws), 0), more


def test_a_ring_grows_keeps_order_and_forgets_the_oldest():
    r = ring(200)
    fill(r, 1, 151)
    got, more = read(r, 1)
    assert (got.t // NS).tolist() == list(range(1, 151))
    assert more == 0
    fill(r, 151, 500)
    got, _ = read(r, 0)
    assert (got.t // NS).tolist() == list(range(300, 500))
    assert (
        got.status.tolist() == status_of(np.where(np.arange(300, 500) % 2, GOOD, BAD_SENSOR).astype(np.uint8)).tolist()
    )
    assert np.array_equal(got.x, np.where(np.arange(300, 500) % 2, np.arange(300, 500) + 0.5, np.nan), equal_nan=True)


def test_a_range_is_half_open_and_goes_on_where_it_stopped():
    r = ring(100)
    fill(r, 1, 50)
    got, more = read(r, 1, 10 * NS, 20 * NS, most=4)
    assert (got.t // NS).tolist() == [10, 11, 12, 13]
    assert more == 14 * NS
    rest, more = read(r, 1, more, 20 * NS)
    assert (rest.t // NS).tolist() == [14, 15, 16, 17, 18, 19]
    assert more == 0


def test_the_last_value_is_at_hand():
    r = ring(10)
    assert r.last(0) is None
    fill(r, 1, 30)
    raw, t, status, server = r.last(1)
    assert (t, status, server) == (29 * NS, 0, 29 * NS + 1)
    assert read_history(struct.pack("<i", 1) + raw, 0).x.tolist() == [1.0]


def test_blocks_are_bounded_by_bytes_over_all_streams():
    pool = BlockPool(1_000, 10**18)
    one, two = BlockRing(pool), BlockRing(pool)
    for i in range(20):
        (one if i % 2 else two).add(i, [b"x" * 100])
    assert [t for t, _ in one.blocks] + [t for t, _ in two.blocks] == [11, 13, 15, 17, 19, 10, 12, 14, 16, 18]
    assert one.read(0, 13, 18, 2) == ([b"x" * 100] * 2, 17)


def test_blocks_are_bounded_by_age():
    r = BlockRing(BlockPool(10**9, 5 * NS))
    for i in range(20):
        r.add(i * NS, [b"x"])
    assert [t // NS for t, _ in r.blocks] == list(range(14, 20))
