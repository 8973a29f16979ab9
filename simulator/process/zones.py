"""A slow random process over the 25 districts: near districts have nearly the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core import seed
from core.clock import NS
from simulator.grid import Floats, Ints
from simulator.process.districts import DISTRICTS, distances_km
from simulator.slow import SlowNoise

_RANGE_KM = 8.0  # over which the correlation falls to 1/e (assumption)
_TAU = 6 * 3600 * NS
_KNOT = 3600 * NS
_GROUP = 24


class DistrictNoise:
    """Unit variance in each district, correlation exp(-distance / 8 km) between them and 6 h in time.

    Independent processes are mixed by the Cholesky factor of the correlations, knot by knot in fixed groups.
    """

    def __init__(self, root: int, name: str, epoch: int) -> None:
        keys = [seed.key(root, "environment", name, district) for district in DISTRICTS]
        self._own = SlowNoise(np.array(keys, dtype=np.int64), _TAU, _KNOT, epoch)
        self._mix: Floats | None = None
        self._epoch = epoch
        self._knots: Floats = np.empty((0, len(DISTRICTS)))

    def at(self, t: Ints, zones: NDArray[np.intp]) -> Floats:
        """Return values at ``t: int64[n, d]`` in ``zones: intp[d]``: float64[n, d]."""
        since = t - self._epoch
        knot = since // _KNOT
        part = (since - knot * _KNOT) / float(_KNOT)
        while len(self._knots) <= int(knot.max()) + 1:
            self._knots = np.concatenate([self._knots, self._group(len(self._knots))])
        low = self._knots[knot, zones]
        return np.asarray(low + (self._knots[knot + 1, zones] - low) * part, dtype=np.float64)

    def _group(self, begin: int) -> Floats:
        if self._mix is None:
            self._mix = np.linalg.cholesky(np.exp(-distances_km() / _RANGE_KM))
        t = self._epoch + np.arange(begin, begin + _GROUP, dtype=np.int64)[:, None] * _KNOT
        own = self._own.at(np.broadcast_to(t, (_GROUP, len(DISTRICTS))), np.arange(len(DISTRICTS)))
        out = np.zeros(own.shape)
        for n in range(len(DISTRICTS)):  # a fixed order of sums, unlike a matrix product
            out = out + own[:, n : n + 1] * self._mix[:, n]
        return out
