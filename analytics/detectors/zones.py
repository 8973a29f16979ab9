"""Vibration severity by zones A to D of ISO 20816-3 (velocity, mm/s r.m.s., 10 to 1000 Hz)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from analytics.detectors.base import Floats
from analytics.features import FeatureInfo
from core.config import Config

#: upper limits of zones A, B, C in mm/s by machine group and support, as secondary sources give them for
#: ISO 20816-3:2022 (not checked against the standard itself, hence a default and not a claim)
LIMITS: dict[str, tuple[float, float, float]] = {
    "group1-rigid": (2.3, 4.5, 7.1),
    "group1-flexible": (3.5, 7.1, 11.0),
    "group2-rigid": (1.4, 2.8, 4.5),
    "group2-flexible": (2.3, 4.5, 7.1),
}
ZONE_C, ZONE_D = 2.0, 3.0


class ZonesConfig(Config):
    """Settings of :class:`Zones`; ``limits`` overrides the table (mm/s, ascending)."""

    kind: Literal["zones"] = "zones"
    machine: Literal["group1-rigid", "group1-flexible", "group2-rigid", "group2-flexible"] = "group2-rigid"
    limits: tuple[float, float, float] | None = None
    quantity: str = "vibration-velocity"

    def columns(self, infos: Sequence[FeatureInfo]) -> NDArray[np.intp]:
        """Return the columns of vibration levels."""
        wanted = [j for j, i in enumerate(infos) if i.name.endswith(".level") and i.slot.startswith(self.quantity)]
        return np.array(wanted, dtype=np.intp)

    def build(self, seed: int) -> Zones:
        """Return the detector."""
        return Zones(self)


class Zones:
    """Score: 0 at rest, 1 at A/B, 2 at B/C, 3 at C/D, rising on; a finding from zone C on."""

    name = "zones"

    def __init__(self, config: ZonesConfig) -> None:
        self.config = config
        self.threshold = ZONE_C

    def fit(self, x: Floats) -> Zones:
        """Learn nothing: the limits stand."""
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n] of levels ``x: float64[n, f]`` (mm/s), NaN for rows without any value."""
        level = np.where(np.isfinite(x), x, -np.inf).max(axis=1, initial=-np.inf)
        a, b, c = self.config.limits or LIMITS[self.config.machine]
        edges = np.array([0.0, a, b, c])
        inside = np.interp(level, edges, np.arange(4.0))
        out = np.where(level > c, ZONE_D + (level - c) / c, inside)
        return np.where(np.isfinite(level), out, np.nan)

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {}

    def restore(self, parts: dict[str, Any]) -> Zones:
        """Take over the parts of a saved detector."""
        return self


def zone(score: float) -> str:
    """Return the letter of a score."""
    return "ABCD"[min(3, max(0, int(score)))]
