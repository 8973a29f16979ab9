from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core import quality
from core.batch import Batch
from core.clock import NS
from core.spec import ChannelSpec, LayoutSpec
from portal.rates import RateMeter
from portal.values import Board

LAYOUT = LayoutSpec("pump.main", (ChannelSpec("a", "x"), ChannelSpec("b", "x")))


def rows(pairs: list[tuple[int, int]]) -> Batch:
    """Rows of (stream, t in s); channel a is t, b is the stream."""
    n = len(pairs)
    stream = np.array([s for s, _ in pairs], np.int32)
    t = np.array([t for _, t in pairs], np.int64) * NS
    x = np.stack([t / NS, stream.astype(float)], axis=1)
    q = np.full((n, 2), quality.GOOD, np.uint8)
    return Batch(LAYOUT, stream, np.zeros(n, np.int64), np.arange(n, dtype=np.int64), t, x, q)


def feed(board: Board, batch: Batch, version: int = 1, free: int = 1_000) -> None:
    board.seat(batch.stream, free)
    board.take(batch, version, NS)


def test_the_newest_row_of_each_stream_is_kept() -> None:
    board = Board(LAYOUT)
    feed(board, rows([(7, 1), (3, 1), (7, 2)]))
    assert board.x[board.slot(7)].tolist() == [2.0, 7.0]
    assert board.x[board.slot(3)].tolist() == [1.0, 3.0]
    assert board.slot(4) == -1
    assert board.slot(10_000) == -1


def test_a_late_row_is_counted_but_does_not_replace_a_newer_one() -> None:
    board = Board(LAYOUT)
    feed(board, rows([(0, 10)]), 1)
    feed(board, rows([(0, 4)]), 2)
    assert board.t[0] == 10 * NS
    assert board.changed[0] == 1
    assert board.rows[0] == 2


def test_the_ring_keeps_one_point_a_step_and_its_depth() -> None:
    board = Board(LAYOUT, depth=4)
    for t in range(10):
        feed(board, rows([(0, t)]))
    t, x = board.recent(0)
    assert (t // NS).tolist() == [6, 7, 8, 9]
    assert x[:, 0].tolist() == [6, 7, 8, 9]
    board.take(rows([(0, 9)]), 2, NS)  # the same second again is no new point
    assert (board.recent(0)[0] // NS).tolist() == [6, 7, 8, 9]


def test_it_grows_and_stops_at_its_bound() -> None:
    board = Board(LAYOUT)
    feed(board, rows([(i, 1) for i in range(100)]), free=60)
    assert len(board.streams) == 60
    assert board.x[board.slot(59)].tolist() == [1.0, 59.0]
    feed(board, rows([(99, 2)]), free=0)
    assert board.slot(99) == -1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 50)), min_size=1, max_size=40), st.integers(1, 5))
def test_any_cut_into_batches_keeps_the_newest(pairs: list[tuple[int, int]], cut: int) -> None:
    board = Board(LAYOUT)
    for i in range(0, len(pairs), cut):
        feed(board, rows(pairs[i : i + cut]))
    for stream in {s for s, _ in pairs}:
        mine = [t for s, t in pairs if s == stream]
        assert board.t[board.slot(stream)] == max(mine) * NS
        assert board.rows[board.slot(stream)] == len(mine)


def test_rates_follow_counters() -> None:
    meter = RateMeter()
    assert meter.rate("n") is None
    for second in range(20):
        meter.add(second * NS, {"n": 100.0 * second})
    assert meter.rate("n") == 100.0
    assert meter.rate("other") is None
    meter.add(20 * NS, {"n": 0.0})  # a role that started anew
    assert meter.rate("n") == 0.0
