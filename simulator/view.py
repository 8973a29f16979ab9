"""What an equipment kind sees when it computes true values: its fleet's state at the instants of a block."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from core import seed
from simulator.environment import Environment
from simulator.grid import Block, Floats, Ints
from simulator.slow import SlowNoise

if TYPE_CHECKING:
    from simulator.equipment.base import EquipmentConfig
    from simulator.fleet import Fleet


class View:
    """State of d devices at n instants each; arrays are float64[n, d], or [1, d] for what does not change.

    Only element-wise numpy may be applied to them (no sums or products over samples), so that every cutting of
    time gives the same bits.

    Parameters
    ----------
    fleet
        All devices of the family.
    members : intp[d]
        The block's devices in the fleet.
    position : intp[D]
        Inverse of ``members``, -1 where not in the block.
    stream
        Name of the stream that is rendered.
    """

    def __init__(
        self, fleet: Fleet, members: NDArray[np.intp], position: NDArray[np.intp], block: Block, stream: str
    ) -> None:
        self._fleet = fleet
        self._members = members
        self._position = position
        self._block = block
        self._stream = stream

    @property
    def t(self) -> Ints:
        """Simulated ns, int64[n, d]."""
        return self._block.t

    @property
    def utc(self) -> Ints:
        """UTC ns, int64[n, d]."""
        return self.weather.utc(self._block.t)

    @property
    def index(self) -> Ints:
        """Sample index, int64[n, d]; rows past a device's own end may be anything."""
        return self._block.index

    @property
    def weather(self) -> Environment:
        """The shared environment."""
        return self._fleet.weather

    @property
    def configs(self) -> Sequence[EquipmentConfig]:
        """The d devices' entries."""
        return [self._fleet.configs[m] for m in self._members]

    def __getitem__(self, column: str) -> Floats:
        """Return a state column."""
        return self._fleet.table.look(column, self._block, self._position, self._members)

    def is_state(self, *states: int) -> Floats:
        """Return 1.0 where the common state is one of the given, else 0.0."""
        state = self["state"]
        hit = state == states[0]
        for other in states[1:]:
            hit |= state == other
        return np.asarray(hit, dtype=np.float64)

    def wear(self, component: str) -> Floats:
        """Return the wear of a component, 0 new to 1 failed."""
        row, age = self[f"{component}.path"], self[f"{component}.age"]
        return self._fleet.pools[component].wear(row, age)

    def fault(self, name: str) -> Floats:
        """Return the size of a physical fault (an `Effect`), 0 where it is absent."""
        return self[f"fault.{name}"]

    def env(self, name: str) -> Floats:
        """Return a field of the shared environment (see ``simulator.environment.FIELDS``)."""
        return self.weather.at(name, self._block.t)

    def traffic(self, t: Ints | None = None) -> Floats:
        """Return traffic where the devices stand, with our own vehicles; at ``t`` (not later than a sample's own)."""
        when = self._block.t if t is None else np.maximum(t, self.weather.epoch)
        return self.weather.traffic(when, self.zones)

    @property
    def zones(self) -> NDArray[np.intp]:
        """Numbers of the nearest districts, intp[d]; -1 without a position."""
        return self._fleet.zones[self._members]

    def slow(self, name: str, tau_s: float) -> Floats:
        """Return the device's own slow random process: unit variance, correlation time ``tau_s`` (s)."""
        return self._fleet.slow(name, tau_s).at(self._block.t, self._members)

    def white(self, name: str) -> Floats:
        """Return process noise: an independent standard normal for each sample."""
        return seed.normal(self._fleet.keys("white", self._stream, name)[self._members], self._block.index)

    def uniform(self, name: str) -> Floats:
        """Return an independent uniform in [0, 1) for each sample."""
        return seed.uniform(self._fleet.keys("uniform", self._stream, name)[self._members], self._block.index)

    def hashed(self, name: str, index: Ints) -> Floats:
        """Return the device's own uniform in [0, 1) of each number, e.g. of a cycle: int64[n, d] or int64[n, d, k]."""
        return seed.uniform(self._drawn(name, index), index)

    def hashed_normal(self, name: str, index: Ints) -> Floats:
        """Return the device's own standard normal of each number: int64[n, d] or int64[n, d, k]."""
        return seed.normal(self._drawn(name, index), index)

    def _drawn(self, name: str, index: Ints) -> Ints:
        keys = self._fleet.keys("hashed", name)[self._members]
        return keys if index.ndim == 2 else keys[:, None]

    def trait(self, name: str) -> Floats:
        """Return the device's own fixed standard normal, float64[1, d]."""
        return self._fleet.trait(name)[self._members][None]

    def param(self, name: str) -> Floats:
        """Return a number of the devices' config entries, float64[1, d]."""
        return self._fleet.param(name)[self._members][None]

    def per_device(self, name: str, make: Callable[[EquipmentConfig, str], float]) -> Floats:
        """Return a number made once of each device's (config, path) and kept under ``name``, float64[1, d]."""
        return self._fleet.constant(name, make)[self._members][None]

    def last_day(self, name: str, make: Callable[[Fleet, Ints], Floats]) -> Floats:
        """Return the mean over the last 24 h of ``make(fleet, t)``: a function of time alone, of all its devices."""
        fleet = self._fleet
        return fleet.last_day(name, lambda t: make(fleet, t)).at(self._block.t, self._members)

    def latitude(self) -> Floats:
        """Return the devices' latitudes in degrees, float64[1, d] (NaN without a position)."""
        return self._fleet.latitude[self._members][None]

    def longitude(self) -> Floats:
        """Return the devices' longitudes in degrees, float64[1, d] (NaN without a position)."""
        return self._fleet.longitude[self._members][None]


def slow_noise(keys: Ints, tau_s: float, epoch: int, begin: int) -> SlowNoise:
    """Return a slow process with four knots a correlation time."""
    tau = max(4, round(tau_s * 1e9))
    return SlowNoise(keys, tau, tau // 4, epoch, begin)
