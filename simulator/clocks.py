"""Clocks of devices: what they write into ``t``. Truth keeps the true time.

error(t) = offset + ppm (t - last synchronisation), rounded to whole ms as devices report it. Crystals of cheap
devices are off by 20 to 50 ppm (an assumption: see docs/faults.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core import seed
from core.clock import MS
from core.config import Config, Duration
from simulator.faults import SimTime
from simulator.grid import Block, Floats, Ints

_US = 1000


class ClockConfig(Config):
    """A device's clock.

    Attributes
    ----------
    offset, offset_spread
        ns that it is ahead (negative: behind), and the standard deviation over devices.
    ppm, ppm_spread
        Rate error, 1e-6 s a second, and the standard deviation over devices.
    sync
        ns between synchronisations, which take away the drift but not the offset; 0: never since the beginning.
    """

    offset: SimTime = 0
    offset_spread: Duration = Field(default=0, ge=0)
    ppm: float = Field(default=0.0, ge=-10_000, le=10_000)
    ppm_spread: float = Field(default=0.0, ge=0, le=1000)
    sync: Duration = Field(default=0, ge=0)


@dataclass(slots=True)
class ClockFault:
    """A fault of one device's clock from ``start`` to ``end`` (simulated ns): a jump (s) and a rate error (ppm).

    ``odd`` ns are added, so that no two rows of a clock that was set back carry the same time.
    """

    device: int
    start: int
    end: int
    jump_s: float
    ppm: float
    odd: int

    def error(self, t: Ints) -> Ints:
        """Return the added error at ``t: int64[n]``, ns."""
        late = (t >= self.start) & (t < self.end)
        ms = np.rint((self.jump_s * 1e9 + (t - self.start) * (self.ppm * 1e-6)) / MS).astype(np.int64)
        return np.where(late, ms * MS + self.odd, 0)


@dataclass(slots=True)
class Clocks:
    """The clocks of D devices of a sampler: ``offset``, ``ppm``, ``phase: [D]``; ``sync: int64[D]`` ns."""

    offset: Floats
    ppm: Floats
    sync: Ints
    phase: Ints
    epoch: int
    faults: list[ClockFault] = field(default_factory=list)

    @property
    def true(self) -> bool:
        """Tell whether every clock shows the true time."""
        return not (self.faults or self.offset.any() or self.ppm.any())

    def error(self, block: Block) -> Ints:
        """Return how far the clocks are ahead at a block's instants, int64[n, d] ns; bursts read the clock once."""
        grid, d = block.grid, block.devices
        t = block.t
        if grid.burst > 1:
            t = t - (t - grid.phase[d]) % grid.every
        sync = self.sync[d]
        since = np.where(sync > 0, (t - self.phase[d]) % np.maximum(sync, 1), t - self.epoch)
        ms = np.rint((self.offset[d] + since * (self.ppm[d] * 1e-6)) / MS).astype(np.int64)
        out = np.asarray(ms * MS, dtype=np.int64)
        for fault in self.faults:
            (hit,) = np.nonzero(d == fault.device)
            for column in hit.tolist():
                out[:, column] += fault.error(t[:, column])
        return out

    def forget(self, t: int) -> None:
        """Drop the faults that ended before ``t`` (simulated ns)."""
        self.faults[:] = [fault for fault in self.faults if fault.end > t]


def clocks(configs: Sequence[ClockConfig | None], keys: Ints, epoch: int) -> Clocks:
    """Return the clocks of D devices; ``keys: int64[D]`` draw each device's own share of the spreads."""
    given = [c or ClockConfig() for c in configs]

    def column(name: str) -> NDArray[np.float64]:
        return np.array([getattr(c, name) for c in given], dtype=np.float64)

    zero = np.zeros_like(keys)
    sync = np.array([c.sync for c in given], dtype=np.int64)
    return Clocks(
        offset=column("offset") + column("offset_spread") * seed.normal(keys, zero),
        ppm=column("ppm") + column("ppm_spread") * seed.normal(keys, zero + 1),
        sync=sync,
        phase=keys % np.maximum(sync, 1),
        epoch=epoch,
    )


def odd(key: int) -> int:
    """Return a clock fault's own fraction of a ms, in whole us."""
    return (1 + key % 997) * _US
