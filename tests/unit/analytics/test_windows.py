import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.live_windows import LiveWindows
from analytics.windows import FAST_STATS, Windows, join, reduce, reduce_table
from core.batch import Batch, concat
from core.clock import NS
from core.quality import BAD, GOOD, UNCERTAIN
from core.spec import ChannelSpec, LayoutSpec, StreamSpec
from core.tables import to_table

GRID = 60 * NS
LAYOUT = LayoutSpec(
    "pump.health",
    (
        ChannelSpec("vibration", "vibration-velocity", "mm/s"),
        ChannelSpec("state", "state", states={0: "idle", 1: "running"}),
    ),
)


def batch(stream, t, x, q=None, layout=LAYOUT):
    t = np.asarray(t, dtype=np.int64)
    x = np.asarray(x, dtype=np.float64).reshape(len(t), len(layout.channels))
    q = np.full(x.shape, GOOD, np.uint8) if q is None else np.asarray(q, np.uint8)
    stream = np.broadcast_to(np.asarray(stream, np.int32), t.shape).copy()
    return Batch(layout, stream, np.zeros_like(t), np.arange(len(t), dtype=np.int64), t, x, q)


def naive(rows: Batch, stat, j):
    """The statistics again, one window after the other."""
    out = {}
    for s, g in sorted({(int(s), int(t) // GRID * GRID) for s, t in zip(rows.stream, rows.t, strict=True)}):
        mine = np.flatnonzero((rows.stream == s) & (rows.t // GRID * GRID == g))
        mine = mine[np.argsort(rows.t[mine], kind="stable")]
        x = rows.x[mine, j][(rows.q[mine, j] & 0xC0 == GOOD) & np.isfinite(rows.x[mine, j])]
        value = {
            "mean": lambda x=x: x.mean(),
            "min": lambda x=x: x.min(),
            "max": lambda x=x: x.max(),
            "last": lambda x=x: x[-1],
        }
        if stat == "good":
            out[s, g] = len(x) / len(mine)
        else:
            out[s, g] = value[stat]() if len(x) else np.nan
    return np.array(list(out.values()))


ROWS = st.tuples(st.integers(0, 3), st.integers(0, 400), st.floats(-1e3, 1e3), st.sampled_from([GOOD, BAD, UNCERTAIN]))


@given(st.lists(ROWS, min_size=1, max_size=60))
@settings(deadline=None, max_examples=60)
def test_statistics_equal_a_plain_loop(rows):
    streams, t, x, q = zip(*rows, strict=True)
    made = batch(streams, np.array(t) * NS, [[v, 1.0] for v in x], [[c, GOOD] for c in q])
    windows = reduce(made, GRID, fast=False)
    for stat in ("mean", "min", "max", "last", "good"):
        np.testing.assert_allclose(windows.column("vibration", stat), naive(made, stat, 0), rtol=1e-9, atol=1e-9)


def test_bad_and_missing_values_are_left_out_and_stated():
    rows = batch(0, [0, NS, 2 * NS], [[1, 1], [100, 1], [np.nan, 0]], [[GOOD, GOOD], [BAD, GOOD], [GOOD, GOOD]])
    windows = reduce(rows, GRID)
    assert windows.column("vibration", "mean")[0] == 1.0
    assert windows.column("vibration", "good")[0] == pytest.approx(1 / 3)
    assert windows.column("vibration", "count_good")[0] == 1
    assert windows.column("state", "on")[0] == pytest.approx(2 / 3)
    assert np.isnan(windows.column("vibration", "on")[0])


def test_a_window_of_bad_values_has_no_statistics():
    windows = reduce(batch(0, [0], [[5, 1]], [[BAD, GOOD]]), GRID)
    assert np.isnan([windows.column("vibration", s)[0] for s in ("mean", "min", "max", "last")]).all()
    assert windows.column("vibration", "good")[0] == 0.0


def test_no_rows_give_no_windows():
    windows = reduce(batch(0, [], []), GRID)
    assert len(windows) == 0
    assert windows.matrix().shape == (0, len(windows.columns))


def wave(period_ns, seconds, burst_s=None, seed=0):
    layout = LayoutSpec("pump.waveform", (ChannelSpec("a", "acceleration", "m/s2"),))
    t = np.arange(0, int(seconds * NS), period_ns, dtype=np.int64)
    if burst_s:
        t = t[(t % (10 * NS)) < burst_s * NS]
    x = np.sin(2 * np.pi * 50 * t / NS) + 0.3 * np.random.default_rng(seed).standard_normal(len(t))
    return batch(0, t, x, layout=layout)


def test_burst_statistics_do_not_depend_on_how_much_of_a_window_was_sampled():
    whole = reduce(wave(NS // 2000, 60), GRID)
    bursts = reduce(wave(NS // 2000, 60, burst_s=0.4, seed=1), GRID)
    one = reduce(wave(NS // 2000, 0.4, seed=2), GRID)
    for stat in FAST_STATS:
        a, b, c = (w.column("a", stat)[0] for w in (whole, bursts, one))
        assert a == pytest.approx(b, rel=0.1, abs=0.02)  # the skewness of a symmetric signal is 0
        assert a == pytest.approx(c, rel=0.1, abs=0.02)


def test_burst_statistics_of_a_sine():
    layout = LayoutSpec("pump.waveform", (ChannelSpec("a", "acceleration", "m/s2"),))
    t = np.arange(0, NS // 2, NS // 2000, dtype=np.int64)
    windows = reduce(batch(0, t, 3 * np.sin(2 * np.pi * 50 * t / NS), layout=layout), GRID)
    assert windows.column("a", "rms")[0] == pytest.approx(3 / np.sqrt(2), rel=1e-6)
    assert windows.column("a", "crest")[0] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert windows.column("a", "kurtosis")[0] == pytest.approx(1.5, rel=1e-6)
    assert windows.column("a", "peak")[0] == pytest.approx(3, rel=1e-3)


def live(period_ns=NS, **how):
    return LiveWindows(GRID, lambda i: StreamSpec("s", LAYOUT, period_ns), **how)


def pieces(rows: Batch, size):
    order = np.argsort(rows.t, kind="stable")
    return [rows.take(order[i : i + size]) for i in range(0, len(rows), size)]


def same(a: Windows, b: Windows):
    np.testing.assert_array_equal(a.stream, b.stream)
    np.testing.assert_array_equal(a.g, b.g)
    np.testing.assert_array_equal(a.rows, b.rows)
    assert a.values.keys() == b.values.keys()
    for stat in a.values:
        np.testing.assert_array_equal(a.values[stat], b.values[stat])


@pytest.mark.parametrize("size", [1, 7, 300])
def test_live_and_history_give_identical_columns(size):
    rng = np.random.default_rng(size)
    n = 900
    rows = batch(
        rng.integers(0, 3, n),
        np.sort(rng.integers(0, 600, n)) * NS,
        np.stack([rng.normal(size=n), rng.integers(0, 2, n)], axis=1),
        np.where(rng.random((n, 2)) < 0.1, BAD, GOOD),
    )
    windows = live()
    closed = [w for part in pieces(rows, size) for w in windows.feed([part])] + windows.flush()
    same(join(closed), reduce_table(to_table(rows), LAYOUT, GRID, fast=False))
    assert windows.held == 0
    assert windows.late == 0


def test_a_window_waits_for_late_rows_and_for_slow_streams():
    windows = live(lateness_ns=5 * NS, silence_ns=120 * NS)
    assert windows.feed([batch(0, [0], [[1, 1]]), batch(1, [0], [[1, 1]])]) == []
    assert windows.feed([batch(0, [63 * NS], [[2, 1]])]) == []  # within the lateness
    assert windows.feed([batch(0, [70 * NS], [[2, 1]])]) == []  # stream 1 may still send
    assert windows.feed([batch(1, [50 * NS], [[3, 1]])]) == []
    (closed,) = windows.feed([batch(1, [66 * NS], [[3, 1]])])
    assert closed.g.tolist() == [0, 0]
    assert closed.column("vibration", "mean").tolist() == [1.0, 2.0]


def test_a_silent_stream_does_not_hold_windows_open_and_its_late_rows_are_counted():
    windows = live(lateness_ns=0, silence_ns=60 * NS)
    windows.feed([batch(0, [0], [[1, 1]]), batch(1, [0], [[1, 1]])])
    closed = windows.feed([batch(0, [121 * NS], [[1, 1]])])
    assert [w.g.tolist() for w in closed] == [[0, 0]]
    windows.feed([batch(1, [30 * NS], [[1, 1]])])
    assert windows.late == 1


def test_memory_is_bounded_by_open_windows():
    windows = live(lateness_ns=2 * NS, silence_ns=60 * NS)
    most = 0
    for k in range(50):
        t = np.arange(k * 60, (k + 1) * 60, dtype=np.int64) * NS
        windows.feed([batch(0, t, np.ones((60, 2)))])
        most = max(most, windows.held)
    assert most <= 123


def test_windows_of_several_batches_join_in_order():
    a, b = batch(1, [0], [[1, 1]]), batch(0, [0], [[2, 1]])
    whole = reduce(concat([a, b]), GRID, fast=False)
    same(join([reduce(a, GRID, fast=False), reduce(b, GRID, fast=False)]), whole)
