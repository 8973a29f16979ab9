"""Slow random processes: Ornstein-Uhlenbeck knots on a fixed coarse grid, linear in between.

Knots are counted from the world's beginning and made in fixed groups, so no cutting of time changes them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core import seed
from simulator.grid import Floats, Ints
from simulator.recursion import first_order

_GROUP = 32


class SlowNoise:
    """Stationary OU processes of unit variance, one for each key.

    Exact discretisation: x[i+1] = r x[i] + sqrt(1 - r^2) e[i+1], r = exp(-step / tau) (Gillespie 1996,
    doi:10.1103/PhysRevE.54.2084).

    Parameters
    ----------
    keys : int64[D] or int64[D, k]
        One process each.
    tau, step
        ns, correlation time and knot spacing.
    epoch
        ns, time of knot 0.
    begin
        ns, no instant before it will be asked for: knots that it has forgotten (40 tau back) are not made.
    """

    def __init__(self, keys: Ints, tau: int, step: int, epoch: int, begin: int | None = None) -> None:
        self._keys = keys
        self._step = step
        self._epoch = epoch
        self._rho = float(np.exp(-step / tau))
        past = 0 if begin is None else (begin - epoch - 40 * tau) // step
        self._first = max(0, past) // _GROUP * _GROUP  # number of the first kept knot
        self._knots: Floats = np.empty((0, *keys.shape))

    def at(self, t: Ints, devices: NDArray[np.intp]) -> Floats:
        """Return values at ``t: int64[n, d]`` for keys[devices]: float64[n, d] or float64[n, d, k]."""
        since = t - self._epoch
        knot = since // self._step
        part = (since - knot * self._step) / float(self._step)
        self._reach(int(knot.max()) + 1)
        knot -= self._first
        low = self._knots[knot, devices]
        high = self._knots[knot + 1, devices]
        if low.ndim == 3:
            part = part[:, :, None]
        high -= low
        high *= part
        high += low
        return np.asarray(high, dtype=np.float64)

    def trim(self, t: int) -> None:
        """Forget knots that no instant from ``t`` (ns) on needs."""
        keep = (t - self._epoch) // self._step - self._first
        if keep > 2 * _GROUP:
            drop = int(min(keep, len(self._knots) - 1)) // _GROUP * _GROUP
            self._knots = self._knots[drop:].copy()
            self._first += drop

    def _reach(self, knot: int) -> None:
        end = self._first + len(self._knots)
        if knot < end:
            return
        count = ((knot - end) // _GROUP + 1) * _GROUP
        made = self._made(end, count, self._knots[-1] if len(self._knots) else None)
        self._knots = np.concatenate([self._knots, made])

    def _made(self, start: int, count: int, last: Floats | None) -> Floats:
        index = np.arange(start, start + count, dtype=np.int64).reshape(-1, *[1] * self._keys.ndim)
        noise = seed.normal(self._keys, index)
        gain = float(np.sqrt(1.0 - self._rho * self._rho))
        carried = (1.0 - gain) * noise[0] if last is None else self._rho * last
        return first_order(noise, gain, self._rho, carried)
