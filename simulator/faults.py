"""Faults: timed in the scenario, applied to sensors or to the equipment itself.

Sensor faults are generic and known here. Physical faults are declared by the equipment kind as `WearFault`
(multiplies the wear rate of a component) or `Effect` (a magnitude that the kind's truth reads).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from core import seed
from core.clock import parse_duration
from core.config import Config, Duration
from core.spec import Name
from simulator.grid import Block, Floats

#: fault name -> argument that holds its size, and its default
SENSOR_FAULTS: dict[str, float] = {
    "sensor_stuck": 0.0,
    "sensor_spike": 10.0,
    "sensor_bias": 1.0,
    "sensor_drift": 1.0,
    "sensor_noise": 1.0,
    "sensor_dropout": 1.0,
}
NEVER = 1 << 62


def _signed(value: object) -> object:
    if isinstance(value, str) and value.strip().startswith("-"):
        return -parse_duration(value.strip()[1:])
    return value


#: simulated time relative to the live start; negative (``-2d``) lies in the history
SimTime = Annotated[Duration, BeforeValidator(_signed)]


class FaultConfig(Config):
    """A fault at a time; ``device`` is an id, a path or a pattern such as ``pump-*``.

    ``args``: sensor faults take ``channel`` and ``size`` (bias: channel unit; drift: unit an hour; noise: standard
    deviation; spike: height) and ``chance`` (spike, dropout: of a sample); others see their equipment kind.
    """

    at: SimTime
    device: str = Field(min_length=1)
    fault: str
    args: dict[str, float | str] = Field(default_factory=dict)
    until: SimTime | None = None


@dataclass(frozen=True, slots=True)
class WearFault:
    """Physical fault that multiplies the wear rate of a component by ``args.rate``."""

    component: str
    rate: float
    label: Name | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """Physical fault of a size (``args.size``) that the kind's truth reads with ``view.fault(name)``.

    ``repaired`` tells whether maintenance ends it.
    """

    size: float = 1.0
    repaired: bool = True
    label: Name | None = None


FaultKind = WearFault | Effect


@dataclass(slots=True)
class SensorFault:
    """A sensor fault on one channel of one device of a chain, from ``start`` to ``end`` (simulated ns)."""

    kind: str
    device: int
    column: int
    start: int
    end: int
    size: float
    chance: float
    key: int
    _held: float | None = field(default=None, init=False)

    def touches(self, block: Block) -> bool:
        """Tell whether any sample of the block may be affected."""
        return self.end > int(block.t.min()) and self.start <= int(block.t.max()) and self.device in block.devices

    def disturb(self, x: Floats, block: Block) -> None:
        """Apply what acts before the digitiser: bias, drift, noise, spike."""
        if self.kind in ("sensor_stuck", "sensor_dropout"):
            return
        rows, d = self._rows(block)
        if not len(rows):
            return
        index = block.index[rows, d]
        if self.kind == "sensor_bias":
            x[rows, d, self.column] += self.size
        elif self.kind == "sensor_drift":
            x[rows, d, self.column] += self.size * ((block.t[rows, d] - self.start) / 3.6e12)
        elif self.kind == "sensor_noise":
            x[rows, d, self.column] += self.size * seed.normal(np.array(self.key, dtype=np.int64), index)
        elif self.kind == "sensor_spike":
            x[rows[self._hit(index)], d, self.column] += self.size

    def override(self, x: Floats, block: Block) -> None:
        """Apply what acts on the output: stuck, dropout."""
        if self.kind not in ("sensor_stuck", "sensor_dropout"):
            return
        rows, d = self._rows(block)
        if not len(rows):
            return
        if self.kind == "sensor_dropout":
            x[rows[self._hit(block.index[rows, d])], d, self.column] = np.nan
            return
        if self._held is None:
            self._held = float(x[rows[0], d, self.column])
        x[rows, d, self.column] = self._held

    def _rows(self, block: Block) -> tuple[NDArray[np.intp], int]:
        d = int(np.flatnonzero(block.devices == self.device)[0])
        t = block.t[: block.counts[d], d]
        return np.flatnonzero((t >= self.start) & (t < self.end)), d

    def _hit(self, index: NDArray[np.int64]) -> NDArray[np.bool_]:
        keys = np.array(self.key, dtype=np.int64)
        return np.asarray(seed.uniform(keys, index) < self.chance, dtype=np.bool_)
