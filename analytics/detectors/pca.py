"""Principal components with Hotelling's T^2 and the squared prediction error.

T^2 tells how far a window lies along the directions in which the healthy fleet scatters, SPE how far off them
(Jackson and Mudholkar 1979). The score is the larger of both, each over its healthy quantile, as a root.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from analytics.detectors.base import Floats, LearnedConfig, blank, filled

_TINY = 1e-9


class PcaConfig(LearnedConfig):
    """Settings of :class:`Pca`; ``variance`` is the share that the kept components explain."""

    kind: Literal["pca"] = "pca"
    variance: float = Field(default=0.9, gt=0, lt=1)

    def build(self, seed: int) -> Pca:
        """Return an untrained detector."""
        return Pca(self)


class Pca:
    """Joint deviation of all quantities from the healthy fleet."""

    name = "pca"

    def __init__(self, config: PcaConfig) -> None:
        self.config = config
        self.threshold = np.inf
        self._mean = np.zeros(0)
        self._scale = np.zeros(0)
        self._axes = np.zeros((0, 0))
        self._variance = np.zeros(0)
        self._limits = np.ones(2)

    def fit(self, x: Floats) -> Pca:
        """Learn from healthy windows ``x: float64[n, f]``."""
        z = filled(x)
        self._mean, self._scale = z.mean(axis=0), np.maximum(z.std(axis=0), _TINY)
        z = (z - self._mean) / self._scale
        variance, axes = np.linalg.eigh(np.cov(z, rowvar=False).reshape(z.shape[1], z.shape[1]))
        variance, axes = variance[::-1], axes[:, ::-1]
        share = np.cumsum(variance) / max(float(variance.sum()), _TINY)
        keep = int(np.searchsorted(share, self.config.variance)) + 1
        self._axes, self._variance = axes[:, :keep], np.maximum(variance[:keep], _TINY)
        t2, spe = self._parts(x)
        q = self.config.quantile
        self._limits = np.maximum([np.quantile(t2, q), np.quantile(spe, q)], _TINY)
        self.threshold = self.config.limit(self.score(x))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n], high where abnormal, NaN for rows without any value."""
        t2, spe = self._parts(x)
        return blank(x, np.sqrt(np.maximum(t2 / self._limits[0], spe / self._limits[1])))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {
            "threshold": self.threshold,
            "mean": self._mean,
            "scale": self._scale,
            "axes": self._axes,
            "variance": self._variance,
            "limits": self._limits,
        }

    def restore(self, parts: dict[str, Any]) -> Pca:
        """Take over the parts of a saved detector."""
        self.threshold = float(parts["threshold"])
        self._mean, self._scale, self._axes = parts["mean"], parts["scale"], parts["axes"]
        self._variance, self._limits = parts["variance"], parts["limits"]
        return self

    def _parts(self, x: Floats) -> tuple[Floats, Floats]:
        z = (filled(x) - self._mean) / self._scale
        along = z @ self._axes
        rest = z - along @ self._axes.T
        return (along * along / self._variance).sum(axis=1), (rest * rest).sum(axis=1)
