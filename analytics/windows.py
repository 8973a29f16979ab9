"""Rows reduced to the feature grid: one code for history tables, live batches and experiments.

A window is ``[g, g + grid)`` with ``g`` a multiple of the grid since the epoch. Numeric channels give ``mean,
min, max, last`` of their GOOD values and the good fraction; enumerations give ``last`` and the share of GOOD
samples in an operating state (``on``). Fast streams add ``rms, skew, kurtosis, crest, peak`` of bursts of at most
:data:`BURST_NS`, averaged over the window, so that the figures depend neither on the sampling rate nor on how
much of the window was sampled; where bearing and speed are known, the spectral features of
:mod:`analytics.signals` as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from analytics.shafts import Shafts
from analytics.signals import SPECTRAL
from analytics.spectral import spectral
from core.batch import Batch, concat
from core.clock import NS
from core.quality import is_good
from core.spec import FAST_HZ, LayoutSpec
from core.tables import from_table

GRID_NS = 60 * NS
BURST_NS = NS // 2
SLOW_STATS = ("mean", "min", "max", "last", "count_good", "good", "on")
FAST_STATS = ("rms", "skew", "kurtosis", "crest", "peak")
STATS = SLOW_STATS + FAST_STATS
#: names of states in which a machine works; its measurements are representative only there
OPERATING = frozenset({"running", "producing", "active", "executing", "moving", "charging"})

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of one layout, ordered by (stream, g); only windows that have rows.

    Attributes
    ----------
    stream : int32[n]
        Index into the catalog.
    g : int64[n]
        Begin of the window, ns UTC.
    rows : int64[n]
        Rows in the window.
    values : dict of float64[n, k]
        Statistic -> one column a channel, NaN where there is no GOOD value.
    """

    layout: LayoutSpec
    grid_ns: int
    stream: NDArray[np.int32]
    g: Ints
    rows: Ints
    values: dict[str, Floats]

    def __len__(self) -> int:
        return len(self.g)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of :meth:`matrix`: ``<channel>.<statistic>``."""
        return tuple(f"{c}.{s}" for s in self.values for c in self.layout.columns)

    def matrix(self) -> Floats:
        """Return all statistics side by side, float64[n, k * statistics]."""
        return np.hstack(list(self.values.values()))

    def column(self, channel: str, stat: str) -> Floats:
        """Return one statistic of one channel, float64[n]."""
        return np.asarray(self.values[stat][:, self.layout.column(channel)])


def reduce_table(table: pa.Table, layout: LayoutSpec, grid_ns: int = GRID_NS, **how: object) -> Windows:
    """Return the windows of rows in the Arrow form of :mod:`core.tables`; keywords as in :func:`reduce`."""
    return reduce(from_table(table, layout), grid_ns, **how)  # type: ignore[arg-type]


def reduce(
    batch: Batch,
    grid_ns: int = GRID_NS,
    *,
    fast: bool | None = None,
    stats: Collection[str] = SLOW_STATS,
    operating: Iterable[str] = OPERATING,
    origin: int = 0,
    shafts: Shafts | None = None,
) -> Windows:
    """Return the windows of a batch.

    Parameters
    ----------
    batch
        Rows in any order; equal (stream, window) rows are reduced in order of time, then of arrival.
    grid_ns
        Width of a window.
    fast
        Whether to add burst statistics; None: where the rows' own spacing is that of a waveform.
    stats
        Statistics to compute (of :data:`SLOW_STATS`).
    operating
        Names of operating states.
    origin
        ns at which a window begins; windows are whole grids away from it.
    shafts
        Bearing and speeds, for the spectral features of fast streams; None: without them.
    """
    rows = _sorted(batch)
    g = rows.t - np.mod(rows.t - origin, grid_ns)
    starts = _starts(rows.stream, g)
    good = is_good(rows.q) & np.isfinite(rows.x)
    count = _sum(good.astype(np.float64), starts)
    length = np.diff(np.append(starts, len(rows))).astype(np.int64)
    values = {s: _slow(s, rows, good, starts, count, length, operating) for s in SLOW_STATS if s in stats}
    if fast if fast is not None else _is_fast(rows):
        values |= _bursts(rows, good, starts, shafts)
    return Windows(rows.layout, grid_ns, rows.stream[starts], g[starts], length, values)


def join(parts: list[Windows]) -> Windows:
    """Return windows of one layout and grid as one, ordered by (stream, g)."""
    stream = np.concatenate([p.stream for p in parts])
    g = np.concatenate([p.g for p in parts])
    order = np.lexsort((g, stream))
    values = {s: np.concatenate([p.values[s] for p in parts])[order] for s in parts[0].values}
    rows = np.concatenate([p.rows for p in parts])[order]
    return Windows(parts[0].layout, parts[0].grid_ns, stream[order], g[order], rows, values)


def gather(batches: list[Batch]) -> Batch:
    """Return batches of one layout as one, in order of (stream, t), arrival deciding between equals."""
    return _sorted(concat(batches))


def _sorted(batch: Batch) -> Batch:
    if len(batch) < 2:
        return batch
    step = np.diff(batch.stream)
    if bool(((step > 0) | ((step == 0) & (np.diff(batch.t) >= 0))).all()):
        return batch
    return batch.take(np.lexsort((batch.t, batch.stream)))


def _starts(*keys: NDArray[np.generic]) -> NDArray[np.intp]:
    """Return where a new group of equal keys begins, intp[groups]."""
    n = len(keys[0])
    new = np.ones(n, dtype=bool)
    if n:
        new[1:] = False
        for key in keys:
            new[1:] |= key[1:] != key[:-1]
    return np.flatnonzero(new)


def _is_fast(rows: Batch) -> bool:
    """Tell whether the usual spacing of rows within a stream is below that of a slow stream."""
    if len(rows) < 3:
        return False
    steps = np.diff(rows.t)[np.diff(rows.stream) == 0]
    return bool(len(steps)) and float(np.median(steps)) < NS / FAST_HZ


def _sum(values: Floats, starts: NDArray[np.intp]) -> Floats:
    if not len(starts):
        return np.zeros((0, *values.shape[1:]))
    return np.asarray(np.add.reduceat(values, starts, axis=0), dtype=np.float64)


def _ratio(total: Floats, count: Floats) -> Floats:
    """Return total / count, NaN where the count is 0."""
    out = np.full(np.broadcast_shapes(total.shape, count.shape), np.nan)
    np.divide(total, count, out=out, where=count > 0)
    return out


def _slow(
    stat: str,
    rows: Batch,
    good: NDArray[np.bool_],
    starts: NDArray[np.intp],
    count: Floats,
    length: Ints,
    operating: Iterable[str],
) -> Floats:
    """Return one statistic of every channel and window, float64[n, k]."""
    if stat == "count_good":
        return count
    if stat == "good":
        return count / length[:, None]
    if stat == "mean":
        return _ratio(_sum(np.where(good, rows.x, 0.0), starts), count)
    if stat == "on":
        return _share_on(rows, good, starts, count, frozenset(operating))
    if stat == "last":
        return _last(rows.x, good, starts, length)
    return _extreme(rows.x, good, starts, count, low=stat == "min")


def _extreme(x: Floats, good: NDArray[np.bool_], starts: NDArray[np.intp], count: Floats, *, low: bool) -> Floats:
    fill, pick = (np.inf, np.minimum) if low else (-np.inf, np.maximum)
    if not len(starts):
        return np.zeros((0, x.shape[1]))
    found = pick.reduceat(np.where(good, x, fill), starts, axis=0)
    return np.where(count > 0, found, np.nan)


def _last(x: Floats, good: NDArray[np.bool_], starts: NDArray[np.intp], length: Ints) -> Floats:
    """Return the last GOOD value of each window and channel."""
    if not len(starts):
        return np.zeros((0, x.shape[1]))
    index = np.where(good, np.arange(len(x))[:, None], -1)
    at = np.maximum.reduceat(index, starts, axis=0)
    found = np.take_along_axis(x, np.maximum(at, 0), axis=0)
    return np.where(at >= 0, found, np.nan)


def _share_on(
    rows: Batch, good: NDArray[np.bool_], starts: NDArray[np.intp], count: Floats, operating: frozenset[str]
) -> Floats:
    """Return the share of GOOD samples in an operating state, NaN for channels without states."""
    out = np.full((len(starts), rows.x.shape[1]), np.nan)
    for j, channel in enumerate(rows.layout.channels):
        if channel.states is None:
            continue
        codes = [code for code, name in channel.states.items() if name.lower() in operating]
        on = good[:, j] & np.isin(rows.x[:, j], codes)
        out[:, j] = _ratio(_sum(on.astype(np.float64), starts), count[:, j])
    return out


def _bursts(rows: Batch, good: NDArray[np.bool_], starts: NDArray[np.intp], shafts: Shafts | None) -> dict[str, Floats]:
    """Return burst statistics averaged over each window, float64[n, k] each.

    With a burst's samples x, mean m and standard deviation s: rms = sqrt(mean x^2), peak = max |x - m|,
    crest = peak / s, skew = mean (x - m)^3 / s^3, kurtosis = mean (x - m)^4 / s^4 (3 for a normal signal).
    """
    n, k = len(starts), rows.x.shape[1]
    if not n:
        return {s: np.zeros((0, k)) for s in (*FAST_STATS, *(f.name for f in SPECTRAL if shafts is not None))}
    window = np.zeros(len(rows), dtype=np.int64)
    window[starts[1:]] = 1
    window = np.cumsum(window)
    cut = _burst_starts(rows.t, window)
    owner = window[cut]
    size = np.diff(np.append(cut, len(rows)))
    each = np.repeat(np.arange(len(cut)), size)
    count = _sum(good.astype(np.float64), cut)
    mean = _ratio(_sum(np.where(good, rows.x, 0.0), cut), count)
    dev = np.where(good, rows.x - mean[each], 0.0)
    square = dev * dev
    var = _ratio(_sum(square, cut), count)
    third = _ratio(_sum(square * dev, cut), count)
    fourth = _ratio(_sum(square * square, cut), count)
    peak = np.where(count > 0, np.maximum.reduceat(np.abs(dev), cut, axis=0), np.nan)
    sd = np.sqrt(var)
    parts = {
        "rms": np.sqrt(var + mean * mean),
        "skew": _ratio(third, var * sd),
        "kurtosis": _ratio(fourth, var * var),
        "crest": _ratio(peak, sd),
        "peak": peak,
    }
    if shafts is not None:
        parts |= spectral(rows, good, cut, shafts)
    return {name: _weighted(part, count, owner, n) for name, part in parts.items()}


def _burst_starts(t: Ints, window: Ints) -> NDArray[np.intp]:
    """Return where a burst begins: at a window, after a pause, and every ``BURST_NS`` of an unbroken run."""
    pause = np.concatenate([[False], np.diff(t) > BURST_NS // 2])
    run = _starts(window, np.cumsum(pause))
    since = t - t[run][np.repeat(np.arange(len(run)), np.diff(np.append(run, len(t))))]
    return _starts(window, np.cumsum(pause), since // BURST_NS)


def _weighted(part: Floats, count: Floats, owner: Ints, n: int) -> Floats:
    """Return the mean of bursts by window, each burst weighted by its GOOD samples."""
    weight = np.where(np.isfinite(part), count, 0.0)
    out = np.full((n, part.shape[1]), np.nan)
    for j in range(part.shape[1]):
        total = np.bincount(owner, np.where(weight[:, j] > 0, part[:, j], 0.0) * weight[:, j], n)
        share = np.bincount(owner, weight[:, j], n)
        np.divide(total, share, out=out[:, j], where=share > 0)
    return out
