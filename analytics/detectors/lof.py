"""Local outlier factor (Breunig et al. 2000): how much sparser a window's neighbourhood is than its neighbours'."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from analytics.detectors.base import Floats, LearnedConfig, blank, filled
from core.errors import ModelError

_TINY = 1e-9


class LofConfig(LearnedConfig):
    """Settings of :class:`Lof`: neighbours looked at, and healthy windows kept to compare with."""

    kind: Literal["lof"] = "lof"
    neighbours: int = Field(default=20, ge=2)
    keep: int = Field(default=1_500, ge=50)

    def build(self, seed: int) -> Lof:
        """Return an untrained detector."""
        return Lof(self, seed)


class Lof:
    """Score: 1 amid the healthy windows, larger away from them.

    A file keeps the healthy windows themselves; the search tree is made from them when it is loaded.
    """

    name = "lof"

    def __init__(self, config: LofConfig, seed: int) -> None:
        self.config = config
        self.threshold = np.inf
        self._seed = seed
        self._points = np.zeros((0, 0))
        self._scale = np.ones(0)
        self._model: Any = None

    def fit(self, x: Floats) -> Lof:
        """Learn from healthy windows ``x: float64[n, f]``; every second one sets the threshold."""
        z = filled(x)[np.isfinite(x).any(axis=1)]
        if len(z) < 2 * self.config.neighbours + 2:
            raise ModelError(f"{len(z)} healthy windows: a local outlier factor needs {2 * self.config.neighbours + 2}")
        self._scale = np.maximum(z.std(axis=0), _TINY)
        learn, judge = z[::2], z[1::2]
        if len(learn) > self.config.keep:
            rows = np.random.default_rng(self._seed).choice(len(learn), self.config.keep, replace=False)
            learn = learn[np.sort(rows)]
        self._points = learn / self._scale
        self._search()
        self.threshold = self.config.limit(self.score(judge))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n], high where abnormal, NaN for rows without any value."""
        if not len(x):
            return np.zeros(0)
        return blank(x, np.asarray(-self._model.score_samples(filled(x) / self._scale), dtype=np.float64))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"threshold": self.threshold, "points": self._points, "scale": self._scale}

    def restore(self, parts: dict[str, Any]) -> Lof:
        """Take over the parts of a saved detector."""
        self.threshold, self._points, self._scale = float(parts["threshold"]), parts["points"], parts["scale"]
        self._search()
        return self

    def _search(self) -> None:
        from sklearn.neighbors import LocalOutlierFactor

        near = self.config.neighbours
        self._model = LocalOutlierFactor(n_neighbors=near, algorithm="kd_tree", novelty=True).fit(self._points)
