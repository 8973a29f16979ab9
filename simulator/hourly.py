"""Hourly values of pure functions of time, kept in fixed groups, and their mean over the last day."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Floats, Ints
from simulator.holidays import HOUR

_GROUP = 24
_DAY = 24


class LastDay:
    """Mean of the 24 whole hours before an instant, of D devices; at the world's beginning of those there are.

    Parameters
    ----------
    make
        Values at ``t: int64[n, D]`` (simulated ns), float64[n, D]; a function of time alone.
    size
        D.
    epoch
        ns, the world's beginning: hours are counted from it.
    """

    def __init__(self, make: Callable[[Ints], Floats], size: int, epoch: int) -> None:
        self._make = make
        self._size = size
        self._epoch = epoch
        self._hours: Floats = np.empty((0, size))
        self._means: Floats = np.empty((0, size))

    def at(self, t: Ints, members: NDArray[np.intp]) -> Floats:
        """Return the means at ``t: int64[n, d]`` of devices ``members: intp[d]``, float64[n, d]."""
        hour = (t - self._epoch) // HOUR
        while len(self._means) <= int(hour.max()):
            self._extend()
        return np.asarray(self._means[hour, members], dtype=np.float64)

    def _extend(self) -> None:
        begin = len(self._means)
        middle = self._epoch + (np.arange(begin, begin + _GROUP, dtype=np.int64) * 2 + 1) * (HOUR // 2)
        self._hours = np.concatenate([self._hours, self._make(np.repeat(middle[:, None], self._size, axis=1))])
        means = np.empty((_GROUP, self._size))
        for n in range(_GROUP):
            hour = begin + n
            past = self._hours[max(0, hour - _DAY) : max(1, hour)]
            total = np.zeros(self._size)
            for value in past:
                total = total + value
            means[n] = total / len(past)
        self._means = np.concatenate([self._means, means])
