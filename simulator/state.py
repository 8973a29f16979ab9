"""Hidden state of a fleet: change points written by events, looked up by whole blocks of samples.

A column is piecewise constant (`Step`), piecewise linear (`Ramp`: positions, levels, counters, operating time)
or an exponential approach (`Relax`: temperatures). Events append changes; rendering replays the changes of its
span onto the values at its start, vectorised over devices; ``commit`` then folds them in and forgets them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Block, Floats, Ints

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


class StateTable:
    """State of D devices in named columns.

    Parameters
    ----------
    size
        Number of devices D.
    columns
        Name -> column.
    epoch
        ns, when the initial values hold.

    Attributes
    ----------
    logging
        Whether changes are kept for rendering; after a span without, `settle`.
    """

    def __init__(self, size: int, columns: Mapping[str, Column], epoch: int) -> None:
        self.logging = True
        self._tracks = {name: _Track(size, column, epoch) for name, column in columns.items()}

    def get(self, device: int, name: str, t: int) -> float:
        """Return the value of a column at ``t`` (ns), which must not be before its last change."""
        track = self._tracks[name]
        value = track.value[device]
        if track.held:
            return value
        rate, elapsed = track.rate[device], (t - track.since[device]) * _PER_NS
        if track.tau_s == 0.0:
            return value + rate * elapsed
        return rate + (value - rate) * float(np.exp(elapsed / -track.tau_s))

    def rate(self, device: int, name: str) -> float:
        """Return the rate of a Ramp or the target of a Relax."""
        return self._tracks[name].rate[device]

    def put(self, device: int, name: str, t: int, value: float, rate: float = 0.0) -> None:
        """Change a column from ``t`` on; ``rate`` is a Ramp's rate a second or a Relax's target."""
        track = self._tracks[name]
        if track.held and track.value[device] == value:
            return
        track.value[device] = value
        track.rate[device] = rate
        track.since[device] = t
        if self.logging and track.kept:
            track.log.append(t, device, value, rate)

    def turn(self, device: int, name: str, t: int, rate: float) -> None:
        """Let a Ramp or Relax go on from where it is at ``t`` (ns) at a new rate or to a new target."""
        self.put(device, name, t, self.get(device, name, t), rate)

    def look(self, name: str, block: Block, position: NDArray[np.intp], devices: NDArray[np.intp]) -> Floats:
        """Return a column at the instants of a block, float64[n, d].

        ``devices: intp[d]`` are the block's devices in this table, ``position: intp[D]`` is the inverse (-1: not
        in the block).
        """
        return self._tracks[name].look(block, position, devices)

    def keep_only(self, *names: str) -> None:
        """Keep the changes of the named columns alone: nothing else will ever be rendered."""
        for name, track in self._tracks.items():
            track.kept = name in names

    def changes(self, name: str) -> tuple[Ints, Ints, Floats]:
        """Return the changes of a column since the last `commit`, in order of time: (t, device, value)."""
        return self._tracks[name].log.columns()[:3]

    def commit(self, t: int) -> None:
        """Fold changes before ``t`` (ns) into the base values: they will not be rendered again."""
        for track in self._tracks.values():
            if track.log.t:
                track.commit(t)

    def settle(self) -> None:
        """Take the present values as base values: nothing before now will be rendered."""
        for track in self._tracks.values():
            track.settle()


class _Log:
    """Changes in time order, as machine arrays: a day of a busy line has 100,000."""

    def __init__(self) -> None:
        self.t = array("q")
        self._device = array("q")
        self._value = array("d")
        self._rate = array("d")

    def append(self, t: int, device: int, value: float, rate: float) -> None:
        self.t.append(t)
        self._device.append(device)
        self._value.append(value)
        self._rate.append(rate)

    def columns(self) -> tuple[Ints, Ints, Floats, Floats]:
        """Return copies of (t, device, value, rate)."""
        return (
            np.array(self.t, dtype=np.int64),
            np.array(self._device, dtype=np.int64),
            np.array(self._value, dtype=np.float64),
            np.array(self._rate, dtype=np.float64),
        )

    def forget(self, n: int) -> tuple[Ints, Ints, Floats, Floats]:
        """Drop the first n changes; returns them."""
        t, device, value, rate = self.columns()
        del self.t[:n], self._device[:n], self._value[:n], self._rate[:n]
        return t[:n], device[:n], value[:n], rate[:n]


class _Track:
    """One column: present values for events, values at the rendering front, and the changes since."""

    def __init__(self, size: int, column: Column, epoch: int) -> None:
        rate = column.rate if isinstance(column, Ramp) else column.initial if isinstance(column, Relax) else 0.0
        self.held = isinstance(column, Step)
        self.kept = True
        self.tau_s = column.tau_s if isinstance(column, Relax) else 0.0
        self.value = [column.initial] * size
        self.rate = [rate] * size
        self.since = [epoch] * size
        self.log = _Log()
        self._value = np.full(size, column.initial, dtype=np.float64)
        self._rate = np.full(size, rate, dtype=np.float64)
        self._since = np.full(size, epoch, dtype=np.int64)

    def look(self, block: Block, position: NDArray[np.intp], devices: NDArray[np.intp]) -> Floats:
        changes = self._changes(block, position) if self.log.t else None
        value = _spread(self._value[devices], block)
        if changes is not None:
            changes.over(value, changes.value)
        if self.held:
            return value
        rate, since = _spread(self._rate[devices], block), _spread(self._since[devices], block)
        if changes is not None:
            changes.over(rate, changes.rate)
            changes.over(since, changes.since)
        elapsed = (block.t - since) * _PER_NS
        if self.tau_s == 0.0:
            return np.asarray(value + rate * elapsed, dtype=np.float64)
        return np.asarray(rate + (value - rate) * np.exp(elapsed / -self.tau_s), dtype=np.float64)

    def commit(self, t: int) -> None:
        since, device, value, rate = self.log.forget(bisect_left(self.log.t, t))
        # numpy assigns in order: of several changes of a device the last stays
        self._since[device] = since
        self._value[device] = value
        self._rate[device] = rate

    def settle(self) -> None:
        self.log = _Log()
        self._value[:] = self.value
        self._rate[:] = self.rate
        self._since[:] = self.since

    def _changes(self, block: Block, position: NDArray[np.intp]) -> _Changes | None:
        n, d = block.shape
        since, device, value, rate = self.log.columns()
        column = position[device]
        mine = np.flatnonzero(column >= 0)
        column = column[mine]
        row = np.maximum(block.row_at(since[mine], column), 0)
        inside = np.flatnonzero(row < n)
        if not len(inside):
            return None
        # number of the latest change at or before each row; changes are numbered in time order from 1
        latest = np.zeros((n, d), dtype=np.intp)
        np.maximum.at(latest, (row[inside], column[inside]), mine[inside] + 1)
        np.maximum.accumulate(latest, axis=0, out=latest)
        where = latest > 0
        return _Changes(since, value, rate, where, latest[where] - 1)


@dataclass(frozen=True, slots=True, eq=False)
class _Changes:
    """Changes of c instants, where in a block [n, d] they hold, and which of them there."""

    since: Ints
    value: Floats
    rate: Floats
    where: NDArray[np.bool_]
    which: NDArray[np.intp]

    def over(self, out: NDArray[Any], of: NDArray[Any]) -> None:
        out[self.where] = of[self.which]


def _spread(front: NDArray[Any], block: Block) -> NDArray[Any]:
    """Return values at the rendering front repeated for every row: [n, d]."""
    out = np.empty(block.shape, dtype=front.dtype)
    out[:] = front
    return out
