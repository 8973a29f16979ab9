"""Sample instants that follow no period: a list for every device, each played once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Grid, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Timetable(Grid):
    """Instants given one by one; the sample index is the place in the list.

    Attributes
    ----------
    rows
        Increasing instants (simulated ns), int64[n] for each of the D devices.
    """

    rows: Sequence[Ints] = field(default=())

    def before(self, t: Ints | int, devices: NDArray[np.intp] | slice = slice(None)) -> Ints:
        """Return the index of the first sample at or after ``t`` (ns); n where there is none."""
        which = np.arange(len(self.rows))[devices]
        each = np.broadcast_to(np.asarray(t, dtype=np.int64), which.shape)
        found = [self.rows[d].searchsorted(at) for d, at in zip(which.tolist(), each.tolist(), strict=True)]
        return np.array(found, dtype=np.int64)

    def time(self, index: Ints, devices: NDArray[np.intp]) -> Ints:
        """Return the instants (ns) of sample indices [n, d] of d devices; past the end that of the last."""
        t = np.empty(index.shape, dtype=np.int64)
        for column, d in enumerate(devices.tolist()):
            rows = self.rows[d]
            t[:, column] = rows[np.minimum(index[:, column], len(rows) - 1)]
        return t
