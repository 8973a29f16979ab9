"""Faults: timed in the scenario, applied to sensors or to the equipment itself.

Sensor faults are generic and known here. Physical faults are declared by the equipment kind as `WearFault`
(multiplies the wear rate of a component) or `Effect` (a magnitude that the kind's truth reads).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from core import seed
from core.clock import NS, parse_duration
from core.config import Config
from core.errors import ConfigError, TestbedError
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
    """Return ns of a duration that may begin with a minus."""
    try:
        if isinstance(value, str) and value.strip().startswith("-"):
            return -parse_duration(value.strip()[1:])
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            return -parse_duration(-value) if not isinstance(value, str) and value < 0 else parse_duration(value)
    except TestbedError as error:
        raise ValueError(str(error)) from error
    return value


#: simulated time relative to the live start, in ns; written like a `Duration`, negative (``-2d``) in the history
SimTime = Annotated[int, BeforeValidator(_signed, json_schema_input_type=str | float)]


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
    """Physical fault that multiplies the wear rate of a component by ``args.rate``.

    ``args.fails_in`` (a duration) instead chooses the rate from the wear at that moment, so that the component fails
    after so much working time at the present load, unless something is done.
    """

    component: str
    rate: float
    label: Name | None = None

    def factor(self, args: Mapping[str, float | str], left_s: float, load: float) -> float:
        """Return the factor on the wear rate of a component with ``left_s`` effective s to live at rate ``load``."""
        if "fails_in" not in args:
            return float(args.get("rate", self.rate))
        return left_s * NS / max(parse_duration(args["fails_in"]), 1) / (load or 1.0)


@dataclass(frozen=True, slots=True)
class Effect:
    """Physical fault of a size (``args.size``) that the kind's truth reads with ``view.fault(name)``.

    ``repaired`` tells whether maintenance ends it.
    """

    size: float = 1.0
    repaired: bool = True
    label: Name | None = None


FaultKind = WearFault | Effect


def check_args(fault: FaultConfig, kind: FaultKind, where: str = "faults") -> None:
    """Raise ConfigError for arguments that a physical fault cannot take."""
    known = ("rate", "fails_in") if isinstance(kind, WearFault) else ("size",)
    for name, value in fault.args.items():
        if name not in known:
            raise ConfigError(where, f"{fault.fault} takes no argument {name!r}", f"known: {', '.join(known)}")
        try:
            _ = parse_duration(value) if name == "fails_in" else float(value)
        except (ValueError, TestbedError) as error:
            raise ConfigError(where, f"{fault.fault}: {name} is {value!r}", str(error)) from error


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
