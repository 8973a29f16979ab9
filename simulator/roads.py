"""What the world's own vehicles add to traffic: how many of them are underway in each district, as change points.

Events write, rendering looks up at instants that events have reached. A vehicle between two districts counts half in
each. Public demand is a field of the environment and takes no notice of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from simulator.grid import Floats, Ints

BUSY = 8000.0  # vehicles underway in a district in the busiest hour (assumption: a tenth of Seoul's 3 million, in 25)
_KEEP = 3600 * NS  # who looks back, e.g. to the beginning of a signal's cycle, looks less far


class _Log:
    """Vehicles in one district: from ``t[n]`` on there are ``level[n]``."""

    def __init__(self) -> None:
        self.t = array("q")
        self.level = array("d")

    def add(self, t: int, change: float) -> None:
        level = (self.level[-1] if self.level else 0.0) + change
        if self.t and self.t[-1] == t:
            self.level[-1] = level
            return
        self.t.append(t)
        self.level.append(level)

    def at(self, t: Ints) -> Floats:
        # element 0 is what was before the first change that is kept
        place = np.searchsorted(np.array(self.t, dtype=np.int64), t, side="right")
        return np.asarray(np.array([0.0, *self.level])[place], dtype=np.float64)

    def forget(self, t: int) -> None:
        done = bisect_right(self.t, t) - 1
        if done > 0:
            del self.t[:done], self.level[:done]


class Roads:
    """Our vehicles on the roads of the districts, numbered as in ``simulator.process.districts``."""

    def __init__(self) -> None:
        self._logs: dict[int, _Log] = {}

    def change(self, zones: Sequence[int], t: int, vehicles: float) -> None:
        """From ``t`` (simulated ns) on there are so many more (or fewer), shared evenly by the zones."""
        for zone in zones:
            self._logs.setdefault(zone, _Log()).add(t, vehicles / len(zones))

    def share(self, t: Ints, zones: NDArray[np.intp]) -> Floats:
        """Return what they add to traffic, as share of the busiest hour: ``t: int64[n, d]``, ``zones: intp[d]``."""
        out = np.zeros(t.shape)
        for zone in np.unique(zones).tolist() if self._logs else ():
            if (log := self._logs.get(zone)) is not None:
                there = zones == zone
                out[:, there] = log.at(t[:, there]) / BUSY
        return out

    def commit(self, t: int) -> None:
        """Forget what no rendering from ``t`` (ns) on needs."""
        for log in self._logs.values():
            log.forget(t - _KEEP)
