"""Refrigerated boxes and what temperature does to goods.

Mean kinetic temperature (USP <1160>): T_K = (dH / R) / -ln(mean exp(-dH / (R T))), dH = 83.144 kJ/mol, over 24 h for
goods kept at 2 to 8 Cel (USP). Check: 22 h at 5 Cel and 2 h at 15 Cel give 6.46 Cel. The box, its heat and its
defrosting are assumptions of the size of published truck bodies: duty 30-60 %, defrost every 6-8 h for 20 min with
2-4 K, hysteresis below 1 K around the set-point.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.clock import NS
from simulator.grid import Floats

ACTIVATION_K = 83.144 / 8.3144e-3
_ZERO = 273.15
_LIFT_K = 60.0  # ambient above set-point that a new unit can just hold
_DEFROST_EVERY = 7 * 3600 * NS
_DEFROST_S = 1200.0
_DEFROST_K = 3.0
_COOL_S = 900.0
_SWING = 16 * 60 * NS
_SWING_K = 0.8
_BINS = 24


def decay_rate(cel: NDArray[Any] | float) -> Floats:
    """Return the relative rate of decay at temperatures (Cel)."""
    return np.exp(-ACTIVATION_K / (np.asarray(cel, dtype=np.float64) + _ZERO))


def mean_kinetic_temperature(mean_rate: float) -> float:
    """Return the temperature (Cel) at which goods would decay at a mean rate."""
    return float(ACTIVATION_K / -np.log(mean_rate) - _ZERO)


class KineticRecorder:
    """Mean kinetic temperature of the last 24 h, in bins of an hour."""

    def __init__(self) -> None:
        self._bins: deque[tuple[float, float]] = deque(maxlen=_BINS)
        self._sum = 0.0
        self._s = 0.0

    def add(self, cel: Floats, s: float) -> None:
        """Note equally long pieces of a span of ``s`` seconds at temperatures (Cel)."""
        self._sum += float(decay_rate(cel).mean()) * s
        self._s += s

    def close(self) -> float:
        """End the hour; returns the mean kinetic temperature (Cel) of the last 24."""
        self._bins.append((self._sum, self._s))
        self._sum = self._s = 0.0
        return mean_kinetic_temperature(sum(b[0] for b in self._bins) / sum(b[1] for b in self._bins))


def demand(lift: NDArray[Any] | float, leak: NDArray[Any] | float = 0.0) -> Floats:
    """Return the share of a new unit's capacity that a closed box needs; ``lift``: K of ambient above set-point."""
    return np.asarray((0.08 + np.maximum(lift, 0.0) / _LIFT_K) * (1.0 + leak), dtype=np.float64)


def capacity(wear: NDArray[Any] | float) -> Floats:
    """Return what is left of a unit's capacity."""
    return np.asarray(1.0 - 0.6 * wear, dtype=np.float64)


def excess(need: NDArray[Any] | float, left: NDArray[Any] | float) -> Floats:
    """Return the K by which a box stays above its set-point where the need exceeds what is left of the capacity."""
    return np.asarray(np.maximum(need - left, 0.0) * _LIFT_K, dtype=np.float64)


def defrost_heat(t: NDArray[np.int64]) -> Floats:
    """Return the K that defrosting adds at ns of the unit's own clock."""
    since = t % _DEFROST_EVERY / float(NS)
    return np.asarray(
        np.where(since < _DEFROST_S, since / _DEFROST_S, np.exp((since - _DEFROST_S) / -_COOL_S)) * _DEFROST_K,
        dtype=np.float64,
    )


def swing(t: NDArray[np.int64], duty: Floats) -> tuple[Floats, Floats]:
    """Return the K of the two-point control around the set-point, and 1.0 where the compressor runs."""
    phase = t % _SWING / float(_SWING)
    on = phase < duty
    rising = (phase - duty) / np.maximum(1.0 - duty, 1e-9)
    falling = phase / np.maximum(duty, 1e-9)
    size = _SWING_K * 4.0 * duty * (1.0 - duty)
    return size * np.where(on, 1.0 - 2.0 * falling, 2.0 * rising - 1.0), on.astype(np.float64)
