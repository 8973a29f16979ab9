"""Hidden state of a fleet: change points written by events, looked up by whole blocks of samples.

A column is piecewise constant (`Step`), piecewise linear (`Ramp`: positions, levels, counters, operating time)
or an exponential approach (`Relax`: temperatures). Events append changes; rendering replays the changes of its
span onto the values at its start, vectorised over devices; ``commit`` then folds them in and forgets them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Block, Floats

_PER_NS = 1e-9


@dataclass(frozen=True, slots=True)
class Step:
    """Holds a value until the next change."""

    initial: float = 0.0


@dataclass(frozen=True, slots=True)
class Ramp:
    """Value that changes by ``rate`` a second since its last change."""

    initial: float = 0.0
    rate: float = 0.0


@dataclass(frozen=True, slots=True)
class Relax:
    """Value that approaches a target with time constant ``tau_s`` (s) since its last change."""

    initial: float
    tau_s: float


Column = Step | Ramp | Relax


@dataclass(slots=True)
class _Log:
    """Changes of one slot in time order."""

    t: list[int] = field(default_factory=list)
    device: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)


class StateTable:
    """State of D devices in named columns.

    Parameters
    ----------
    size
        Number of devices D.
    columns
        Name -> column; a Ramp or Relax takes three slots (value, rate or target, since).
    epoch
        ns, when the initial values hold.
    """

    def __init__(self, size: int, columns: Mapping[str, Column], epoch: int) -> None:
        self.columns = dict(columns)
        self._slot: dict[str, int] = {}
        initial: list[float] = []
        for name, column in self.columns.items():
            self._slot[name] = len(initial)
            initial += _initial(column, epoch)
        self._base = np.tile(np.array(initial, dtype=np.float64), (size, 1))
        self._now = [list(initial) for _ in range(size)]
        self._logs = [_Log() for _ in initial]

    def get(self, device: int, name: str, t: int) -> float:
        """Return the value of a column at ``t`` (ns), which must not be before its last change."""
        slot, column, now = self._slot[name], self.columns[name], self._now[device]
        if isinstance(column, Step):
            return now[slot]
        value, rate, since = now[slot : slot + 3]
        if isinstance(column, Ramp):
            return value + rate * ((t - since) * _PER_NS)
        return rate + (value - rate) * float(np.exp(-(t - since) * _PER_NS / column.tau_s))

    def rate(self, device: int, name: str) -> float:
        """Return the rate of a Ramp or the target of a Relax."""
        return self._now[device][self._slot[name] + 1]

    def put(self, device: int, name: str, t: int, value: float, rate: float = 0.0) -> None:
        """Change a column from ``t`` on; ``rate`` is a Ramp's rate a second or a Relax's target."""
        slot = self._slot[name]
        if isinstance(self.columns[name], Step):
            if self._now[device][slot] != value:
                self._write(device, slot, t, value)
            return
        self._write(device, slot, t, value)
        self._write(device, slot + 1, t, rate)
        self._write(device, slot + 2, t, float(t))

    def look(self, name: str, block: Block, position: NDArray[np.intp], devices: NDArray[np.intp]) -> Floats:
        """Return a column at the instants of a block, float64[n, d].

        ``devices: intp[d]`` are the block's devices in this table, ``position: intp[D]`` is the inverse (-1: not
        in the block).
        """
        slot, column = self._slot[name], self.columns[name]
        first = self._look(slot, block, position, devices)
        if isinstance(column, Step):
            return first
        rate = self._look(slot + 1, block, position, devices)
        elapsed = (block.t - self._look(slot + 2, block, position, devices)) * _PER_NS
        if isinstance(column, Ramp):
            return np.asarray(first + rate * elapsed, dtype=np.float64)
        return np.asarray(rate + (first - rate) * np.exp(elapsed / -column.tau_s), dtype=np.float64)

    def commit(self, t: int) -> None:
        """Fold changes before ``t`` (ns) into the base values: they will not be rendered again."""
        for slot, log in enumerate(self._logs):
            if not log.t:
                continue
            n = bisect_left(log.t, t)
            for device, value in zip(log.device[:n], log.value[:n], strict=True):
                self._base[device, slot] = value
            del log.t[:n], log.device[:n], log.value[:n]

    def _write(self, device: int, slot: int, t: int, value: float) -> None:
        self._now[device][slot] = value
        log = self._logs[slot]
        log.t.append(t)
        log.device.append(device)
        log.value.append(value)

    def _look(self, slot: int, block: Block, position: NDArray[np.intp], devices: NDArray[np.intp]) -> Floats:
        n, d = block.shape
        out = np.empty((n, d))
        out[:] = self._base[devices, slot]
        log = self._logs[slot]
        if not log.t:
            return out
        column = position[np.array(log.device, dtype=np.intp)]
        mine = np.flatnonzero(column >= 0)
        column = column[mine]
        row = np.maximum(block.row_at(np.array(log.t, dtype=np.int64)[mine], column), 0)
        inside = row < n
        # number of the latest change at or before each row; changes are numbered in time order from 1
        latest = np.zeros((n, d), dtype=np.intp)
        np.maximum.at(latest, (row[inside], column[inside]), mine[inside] + 1)
        np.maximum.accumulate(latest, axis=0, out=latest)
        changed = latest > 0
        out[changed] = np.array(log.value)[latest[changed] - 1]
        return out


def _initial(column: Column, epoch: int) -> list[float]:
    if isinstance(column, Step):
        return [column.initial]
    if isinstance(column, Ramp):
        return [column.initial, column.rate, float(epoch)]
    return [column.initial, column.initial, float(epoch)]
