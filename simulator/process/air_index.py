"""The Korean comprehensive air-quality index (CAI, 통합대기환경지수).

Ip = (I_hi - I_lo) / (BP_hi - BP_lo) (Cp - BP_lo) + I_lo with the break points of the Ministry of Environment; the index
is the highest Ip, plus 50 where two pollutants are unhealthy or worse, plus 75 where three or more are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Floats

_INDEX_LOW = np.array([0.0, 51.0, 101.0, 251.0])
_INDEX_HIGH = np.array([50.0, 100.0, 250.0, 500.0])
_UNHEALTHY = 101.0
_TINY = 1e-9  # 0.03 * 1000 is 29.999...


@dataclass(frozen=True, slots=True)
class _Scale:
    """Upper break points, and steps a unit: concentrations are cut to whole steps, levels begin one step above."""

    high: tuple[float, float, float, float]
    steps: float


#: PM in ug/m3 (mean of 24 h), gases in ppm (mean of 1 h)
SCALES = {
    "pm10": _Scale((30.0, 80.0, 150.0, 600.0), 1.0),
    "pm25": _Scale((15.0, 35.0, 75.0, 500.0), 1.0),
    "o3": _Scale((0.030, 0.090, 0.150, 0.600), 1000.0),
    "no2": _Scale((0.030, 0.060, 0.200, 2.000), 1000.0),
    "co": _Scale((2.0, 9.0, 15.0, 50.0), 100.0),
    "so2": _Scale((0.020, 0.050, 0.150, 1.000), 1000.0),
}


def sub_index(pollutant: str, concentration: NDArray[Any] | float) -> Floats:
    """Return the index of one pollutant, unrounded."""
    scale = SCALES[pollutant]
    # in whole steps: break points are then integers
    value = np.floor(np.asarray(concentration, dtype=np.float64) * scale.steps + _TINY)
    high = np.rint(np.array(scale.high) * scale.steps)
    low = np.concatenate([[0.0], high[:-1] + 1.0])
    value = np.clip(value, 0.0, high[-1])
    level = np.searchsorted(high[:-1], value)
    slope = (_INDEX_HIGH - _INDEX_LOW) / (high - low)
    return np.asarray(slope[level] * (value - low[level]) + _INDEX_LOW[level], dtype=np.float64)


def cai(concentrations: Mapping[str, NDArray[Any] | float]) -> Floats:
    """Return the index of pollutants together, rounded; shapes broadcast."""
    worst: NDArray[Any] = np.zeros(())
    unhealthy: NDArray[Any] = np.zeros(())
    for pollutant, concentration in concentrations.items():
        index = np.rint(sub_index(pollutant, concentration))
        worst = np.maximum(worst, index)
        unhealthy = unhealthy + (index >= _UNHEALTHY)
    return np.asarray(worst + np.where(unhealthy >= 3, 75.0, np.where(unhealthy >= 2, 50.0, 0.0)), dtype=np.float64)
