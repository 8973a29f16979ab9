"""Levels of sound: A-weighting by the formula of IEC 61672-1 Annex E, and sums of incoherent sources."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.grid import Floats

_LN = np.log(10.0) / 10.0
_POLES = (20.598997, 107.65265, 737.86223, 12194.217)  # Hz
_AT_1_KHZ = 2.0  # dB


def a_weighting(hz: NDArray[Any] | float) -> Floats:
    """Return the A-weighting in dB at frequencies."""
    f1, f2, f3, f4 = (p * p for p in _POLES)
    f = np.asarray(hz, dtype=np.float64) ** 2
    response = f4 * f * f / ((f + f1) * np.sqrt((f + f2) * (f + f3)) * (f + f4))
    return np.asarray(20.0 * np.log10(response) + _AT_1_KHZ, dtype=np.float64)


def energy_sum(*levels: NDArray[Any] | float) -> Floats:
    """Return the level of incoherent sources together, dB."""
    total = np.exp(np.asarray(levels[0]) * _LN)
    for level in levels[1:]:
        total = total + np.exp(np.asarray(level) * _LN)
    return np.asarray(np.log(total) / _LN, dtype=np.float64)
