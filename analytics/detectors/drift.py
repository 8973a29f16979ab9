"""Largest deviation of any quantity from the asset's own start of life, in healthy sigmas (EWMA chart)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from analytics.detectors.base import Floats, LearnedConfig, blank, filled


class DriftConfig(LearnedConfig):
    """Settings of :class:`Drift`."""

    kind: Literal["drift"] = "drift"
    features: tuple[str, ...] = ("drift",)

    def build(self, seed: int) -> Drift:
        """Return an untrained detector."""
        return Drift(self)


class Drift:
    """Score: the largest |drift| over the quantities; the levels behind it are EWMAs."""

    name = "drift"

    def __init__(self, config: DriftConfig) -> None:
        self.config = config
        self.threshold = np.inf

    def fit(self, x: Floats) -> Drift:
        """Set the threshold from healthy windows ``x: float64[n, f]``."""
        self.threshold = self.config.limit(self.score(x))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n], high where abnormal, NaN for rows without any value."""
        return blank(x, np.abs(filled(x)).max(axis=1, initial=0.0))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"threshold": self.threshold}

    def restore(self, parts: dict[str, Any]) -> Drift:
        """Take over the parts of a saved detector."""
        self.threshold = float(parts["threshold"])
        return self
