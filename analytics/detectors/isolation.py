"""Isolation forest (Liu, Ting and Zhou 2008): windows that few random cuts set apart are abnormal."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field

from analytics.detectors.base import Floats, LearnedConfig, blank, filled


class IsolationConfig(LearnedConfig):
    """Settings of :class:`Isolation`."""

    kind: Literal["isolation"] = "isolation"
    margin: float = Field(default=1.02, gt=0)
    trees: int = Field(default=100, ge=10)

    def build(self, seed: int) -> Isolation:
        """Return an untrained detector."""
        return Isolation(self, seed)


class Isolation:
    """Score in (0, 1): 1 is set apart by the first cuts."""

    name = "isolation"

    def __init__(self, config: IsolationConfig, seed: int) -> None:
        self.config = config
        self.threshold = np.inf
        self._seed = seed
        self._forest: Any = None

    def fit(self, x: Floats) -> Isolation:
        """Learn from healthy windows ``x: float64[n, f]``."""
        from sklearn.ensemble import IsolationForest

        self._forest = IsolationForest(n_estimators=self.config.trees, random_state=self._seed % 2**32).fit(filled(x))
        self.threshold = self.config.limit(self.score(x))
        return self

    def score(self, x: Floats) -> Floats:
        """Return float64[n], high where abnormal, NaN for rows without any value."""
        if not len(x):
            return np.zeros(0)
        return blank(x, np.asarray(-self._forest.score_samples(filled(x)), dtype=np.float64))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"threshold": self.threshold, "forest": self._forest}

    def restore(self, parts: dict[str, Any]) -> Isolation:
        """Take over the parts of a saved detector."""
        self.threshold, self._forest = float(parts["threshold"]), parts["forest"]
        return self
