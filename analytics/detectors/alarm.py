"""Alarms as events: raised after several windows above the threshold, cleared after several well below it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.config import Config

Floats = NDArray[np.float64]


class AlarmConfig(Config):
    """Hysteresis of alarms.

    Attributes
    ----------
    raise_after, clear_after
        Windows in a row above the threshold, and below ``clear_at`` times the threshold.
    clear_at
        Share of the threshold below which an alarm may end.
    """

    raise_after: int = Field(default=3, ge=1)
    clear_after: int = Field(default=10, ge=1)
    clear_at: float = Field(default=0.8, gt=0, le=1)


class Alarms:
    """Alarm state of one detector over D devices."""

    def __init__(self, config: AlarmConfig, devices: int) -> None:
        self._config = config
        self.active = np.zeros(devices, dtype=bool)
        self._above = np.zeros(devices, dtype=np.int64)
        self._below = np.zeros(devices, dtype=np.int64)

    def update(self, scores: Floats, threshold: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Take in a window's scores ``float64[D]`` (NaN: unknown, nothing changes); return (raised, cleared)."""
        known = np.isfinite(scores)
        above = known & (scores > threshold)
        below = known & (scores <= threshold * self._config.clear_at)
        self._above = np.where(known, np.where(above, self._above + 1, 0), self._above)
        self._below = np.where(known, np.where(below, self._below + 1, 0), self._below)
        raised = ~self.active & (self._above >= self._config.raise_after)
        cleared = self.active & (self._below >= self._config.clear_after)
        self.active = (self.active | raised) & ~cleared
        return np.flatnonzero(raised), np.flatnonzero(cleared)

    def end(self, device: int) -> bool:
        """Forget a device's alarm (it was renewed); tell whether one was active."""
        was = bool(self.active[device])
        self.active[device], self._above[device], self._below[device] = False, 0, 0
        return was

    def copy_row(self, device: int, other: Alarms, there: int) -> None:
        """Take over a device's state from another set of alarms."""
        self.active[device] = other.active[there]
        self._above[device], self._below[device] = other._above[there], other._below[there]
