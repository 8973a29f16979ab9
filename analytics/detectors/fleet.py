"""Comparison with peers: how far a machine is from the median of its like in the same window of time.

What all share (weather, load, season) is in the median and disturbs nobody. Scatter is the median absolute deviation
among the peers of the moment, but no less than the healthy fleet's own.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.detectors.base import Floats, LearnedConfig, filled

_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation
_TINY = 1e-9


@runtime_checkable
class Comparing(Protocol):
    """A detector that judges an asset by its peers. ``score(x)`` takes all rows as peers of one window."""

    def among(self, x: Floats, peers: NDArray[np.int64]) -> Floats:
        """Return scores of one window; rows with an equal number in ``peers`` are compared."""
        ...


class FleetConfig(LearnedConfig):
    """Settings of :class:`Fleet`.

    Attributes
    ----------
    features
        ``drift`` compares how far each has moved from its own start; ``level`` compares machines that should be equal.
    peers
        Machines of a kind, itself included, below which nothing is said.
    """

    kind: Literal["fleet"] = "fleet"
    features: tuple[str, ...] = ("drift",)
    peers: int = Field(default=3, ge=3)

    def build(self, seed: int) -> Fleet:
        """Return an untrained detector."""
        return Fleet(self)


class Fleet:
    """Score: the largest |distance from the peers' median| over the quantities, in sigmas; NaN without peers."""

    name = "fleet"

    def __init__(self, config: FleetConfig) -> None:
        self.config = config
        self.threshold = np.inf
        self._scale = np.ones(0)

    def fit(self, x: Floats) -> Fleet:
        """Learn the scatter of healthy windows ``x: float64[n, f]`` and the threshold from it."""
        z = filled(x)
        away = np.abs(z - np.median(z, axis=0)) if len(z) else z
        self._scale = np.maximum(_NORMAL_MAD * np.median(away, axis=0), _TINY) if len(z) else np.ones(x.shape[1])
        self._scale = np.maximum(self._scale, 0.2 * z.std(axis=0)) if len(z) else self._scale
        self.threshold = self.config.limit(self.score(x))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n] of rows that are all peers."""
        return self.among(x, np.zeros(len(x), dtype=np.int64))

    def among(self, x: Floats, peers: NDArray[np.int64]) -> Floats:
        """Return float64[n] of one window of many assets; those with an equal number in ``peers`` are compared."""
        out = np.full(len(x), np.nan)
        for group in np.unique(peers):
            rows = np.flatnonzero(peers == group)
            out[rows] = self._alike(x[rows])
        return out

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"threshold": self.threshold, "scale": self._scale}

    def restore(self, parts: dict[str, Any]) -> Fleet:
        """Take over the parts of a saved detector."""
        self.threshold, self._scale = float(parts["threshold"]), parts["scale"]
        return self

    def _alike(self, x: Floats) -> Floats:
        enough = np.isfinite(x).sum(axis=0) >= self.config.peers
        x = np.where(enough, x, np.nan)
        some = np.isfinite(x).any(axis=0)
        middle, spread = np.zeros(x.shape[1]), np.zeros(x.shape[1])
        middle[some] = np.nanmedian(x[:, some], axis=0)
        spread[some] = _NORMAL_MAD * np.nanmedian(np.abs(x[:, some] - middle[some]), axis=0)
        away = np.abs(np.where(np.isfinite(x), x, middle) - middle) / np.maximum(spread, self._scale)
        return np.where(np.isfinite(x).any(axis=1), away.max(axis=1, initial=0.0), np.nan)
