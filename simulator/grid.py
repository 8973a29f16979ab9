"""Sample instants of a stream as integers.

A stream samples ``burst`` times ``period`` apart, every ``every`` ns, shifted by a fixed phase of its device. A
steady stream is the special case ``burst = 1, every = period``. Samples are numbered by one integer index that
grows by one a sample (negative before the live start), so everything that belongs to a sample is a function of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.clock import MS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Instants of one stream on D devices.

    Attributes
    ----------
    period, every : int
        ns between samples of a burst, and between starts of bursts.
    burst : int
        Samples a burst.
    phase : int64[D]
        ns, fixed shift of each device.
    """

    period: int
    burst: int
    every: int
    phase: Ints

    def before(self, t: Ints | int, devices: NDArray[np.intp] | slice = slice(None)) -> Ints:
        """Return the index of the first sample at or after ``t`` (ns; shapes of t and devices broadcast)."""
        u = t - self.phase[devices]
        cycle = u // self.every
        inside = u - cycle * self.every
        return np.asarray(cycle * self.burst + np.minimum(self.burst, -(-inside // self.period)), dtype=np.int64)

    def time(self, index: Ints, devices: NDArray[np.intp]) -> Ints:
        """Return the instants (ns) of sample indices [n, d] of d devices."""
        phase = self.phase[devices]
        if self.burst == 1:
            return np.asarray(index * self.every + phase, dtype=np.int64)
        cycle = index // self.burst
        return np.asarray(cycle * self.every + (index - cycle * self.burst) * self.period + phase, dtype=np.int64)


def phase_of(key: int, period: int, burst: int, every: int) -> int:
    """Return a device's fixed shift within its cycle, in whole ms where the cycle is.

    A burst always ends within its cycle.
    """
    room = every - (burst - 1) * period
    unit = MS if every % MS == 0 and room > MS else 1
    return key % max(room // unit, 1) * unit


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """The samples to render at once: n rows of d devices.

    Devices with fewer samples than n have their last rows marked invalid; those are computed and dropped.

    Attributes
    ----------
    devices : intp[d]
        Index of each device in its sampler.
    index, t : int64[n, d]
        Sample index and instant (simulated ns).
    counts : int64[d]
        Valid rows of each device.
    full
        Every row of every device is valid.
    """

    grid: Grid
    devices: NDArray[np.intp]
    index: Ints
    t: Ints
    counts: Ints
    full: bool

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        n, d = self.t.shape
        return n, d

    def row_at(self, t: Ints, columns: NDArray[np.intp]) -> Ints:
        """Return the first row at or after ``t: int64[c]`` of the devices in block columns [c]; may be outside."""
        return np.asarray(self.grid.before(t, self.devices[columns]) - self.index[0, columns], dtype=np.int64)


def cut(grid: Grid, low: Ints, high: Ints) -> Block | None:
    """Return the block of samples with indices in [low, high) (int64[D] each), None where there are none."""
    counts = high - low
    devices = np.flatnonzero(counts)
    if not len(devices):
        return None
    counts = counts[devices]
    n = int(counts.max())
    index = low[devices] + np.arange(n, dtype=np.int64)[:, None]
    return Block(grid, devices, index, grid.time(index, devices), counts, bool((counts == n).all()))
