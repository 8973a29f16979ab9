"""Working time of a comparison: which shifts are worked, and how much working time lies in a span."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from testbed.compare.config import CalendarConfig


class Calendar:
    """Shifts numbered from the start of the run."""

    def __init__(self, config: CalendarConfig) -> None:
        self.shift = config.shift
        self.a_day = config.a_day
        self._config = config

    def works(self, shift: int) -> bool:
        """Tell whether a shift is working time."""
        day, within = divmod(shift, self._config.a_day)
        return within < self._config.shifts and day % 7 < self._config.days

    def worked(self, since: NDArray[np.int64], until: NDArray[np.int64], shifts: int) -> NDArray[np.float64]:
        """Return the working time (s) within each span (ns from the start of a run of so many shifts)."""
        edges = np.arange(shifts + 1) * float(self.shift)
        each = np.array([float(self.shift) if self.works(k) else 0.0 for k in range(shifts)])
        so_far = np.concatenate([[0.0], np.cumsum(each)])
        return np.asarray((np.interp(until, edges, so_far) - np.interp(since, edges, so_far)) / NS)
