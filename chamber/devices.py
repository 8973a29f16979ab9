"""Simulated devices to rehearse a plan with: three low-cost fine dust sensors, as good or bad as configured.

Model of standards.md 1.1 (magnitudes are assumptions, signs follow JOIE21 and AMT20)::

    y = max(LOD, g_j (1 + a_T max(0, T0 - T)) C(kappa, RH) PM (1 + e_p) + b_j + D_j(t) + e_a)
    C = 1 + (kappa / 1.65) / (1 / a_w - 1)
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from chamber.profiles import DAY, HOUR, Air, Floats, Times, ornstein_uhlenbeck
from chamber.sourced import Span
from core.clock import NS
from core.config import Config, Label
from core.quality import BAD_SENSOR, GOOD
from core.seed import key, normal, uniform

_PARTICLE_DENSITY = 1.65  # g/cm3 (AMT20)
_BLOCK = 10 * 60 * NS  # a dropout lasts one block

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


class LowCostPmConfig(Config):
    """A light-scattering fine dust sensor; the compensated share of humidity and cold is in ``kappa``, ``a_T``."""

    kind: Literal["low_cost_pm"]
    label: Label
    manufacturer: str
    model: str
    gain: float = 1.0
    gain_spread: NotNegative = 0.05
    kappa: NotNegative = 0.2
    cold_slope: float = 0.02  # a_T, 1/K
    cold_below: float = 5.0  # T0, Cel
    noise: NotNegative = 0.07  # e_p, share of the value, one minute
    noise_floor: NotNegative = 1.5  # e_a, ug/m3, one minute
    offset_spread: NotNegative = 0.5  # b_j, ug/m3
    drift: NotNegative = 1.0  # standard deviation of D_j, ug/m3
    drift_tau: Span = 60 * DAY
    lag: Span = 8 * NS
    dropout: Share = 0.002  # chance that ten minutes are missing
    detection_limit: NotNegative = 0.0

    def build(self) -> LowCostPm:
        """Return the model."""
        return LowCostPm(self)


class LowCostPm:
    """Renders the readings of one unit."""

    def __init__(self, config: LowCostPmConfig) -> None:
        self.config = config

    def render(self, unit: int, t: Times, air: Air) -> tuple[Floats, NDArray[np.uint8]]:
        """Return readings (ug/m3, NaN where missing) and quality codes, each [n].

        ``unit`` is the unit's key, ``t: int64[n]`` are evenly spaced ns since the test began.
        """
        c = self.config
        keys, index = np.full(len(t), key(unit, "noise"), dtype=np.int64), t // NS
        gain = c.gain * (1.0 + c.gain_spread * _draw(unit, "gain"))
        cold = 1.0 + c.cold_slope * np.maximum(0.0, c.cold_below - air.temperature)
        seen = gain * cold * growth(c.kappa, air.humidity) * _lagged(air.pm25, t, c.lag)
        duration = int(t[-1]) + HOUR if len(t) else HOUR
        drift = c.drift * ornstein_uhlenbeck(key(unit, "drift"), t, HOUR, c.drift_tau, duration)
        y = seen * (1.0 + c.noise * normal(keys, index)) + c.offset_spread * _draw(unit, "offset") + drift
        y = np.maximum(c.detection_limit, y + c.noise_floor * normal(keys + 1, index))
        lost = uniform(np.full(len(t), key(unit, "dropout"), dtype=np.int64), t // _BLOCK) < c.dropout
        return np.where(lost, np.nan, np.maximum(0.0, y)), np.where(lost, BAD_SENSOR, GOOD).astype(np.uint8)


def growth(kappa: float, humidity: Floats) -> Floats:
    """Return how much heavier humid particles look (kappa-Koehler, AMT20); ``humidity: float64[n]`` in %."""
    water = np.clip(humidity / 100.0, 0.0, 0.99)
    return np.asarray(1.0 + (kappa / _PARTICLE_DENSITY) * water / (1.0 - water), dtype=np.float64)


def _draw(unit: int, name: str) -> float:
    return float(normal(np.array([key(unit, name)]), np.array([0]))[0])


def _lagged(x: Floats, t: Times, lag: int) -> Floats:
    """Return the first-order response of evenly spaced samples."""
    if len(t) < 2 or lag == 0:
        return x
    from scipy.signal import lfilter

    keep = float(np.exp(-(int(t[1]) - int(t[0])) / lag))
    out, _ = lfilter([1.0 - keep], [1.0, -keep], x, zi=[keep * x[0]])
    return np.asarray(out, dtype=np.float64)
