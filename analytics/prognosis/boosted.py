"""The prognoser of the house: chance to fail within a horizon and remaining life, both boosted trees."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.prognosis.boosting import BoostingConfig, Floats
from analytics.prognosis.failure import FailureModel
from analytics.prognosis.horizon import HorizonConfig
from analytics.prognosis.remaining_life import RemainingLife
from analytics.threads import limit_threads
from core.ports import Outlook


class BoostedConfig(HorizonConfig):
    """Settings of the prognoser, beside those of all.

    Attributes
    ----------
    min_failures
        Observed failures below which training is refused.
    """

    kind: Literal["boosted"] = "boosted"
    min_failures: int = Field(default=20, ge=2)
    trees: BoostingConfig = BoostingConfig()

    @property
    def folds(self) -> int:
        """Folds that groups are dealt into."""
        return self.trees.folds

    def build(self, seed: int) -> Boosted:
        """Return an untrained prognoser."""
        return Boosted(self, seed)


class Boosted:
    """Failure and remaining-life model; see :class:`core.ports.Prognoser`. Remaining life is calendar time."""

    def __init__(self, config: BoostedConfig, seed: int) -> None:
        self.config = config
        self.horizon_s = config.horizon_s
        self._failure = FailureModel(config.trees, seed)
        self._life = RemainingLife(config.trees, config.cap_s, config.confidence, seed)

    def fit(self, x: Floats, y: Floats, group: NDArray[np.int64], weight: Floats | None = None) -> Boosted:
        """Learn from features ``x: float64[n, f]`` and seconds to failure ``y: float64[n]`` (inf: censored).

        ``weight: float64[n]`` undoes an uneven choice of rows, so that chances keep their meaning.
        """
        weight = np.ones(len(x)) if weight is None else weight / weight.mean()
        self._failure.fit(x, y <= self.horizon_s, group, weight)
        self._life.fit(x, y, group, weight)
        return self

    def predict(self, x: Floats) -> Outlook:
        """Return the outlook of n assets."""
        limit_threads()
        rul, lower, upper = self._life.predict(x)
        return Outlook(self._failure.predict(x), rul, lower, upper)

    @property
    def metrics(self) -> dict[str, float]:
        """Figures on held-out groups; lives in s."""
        return self._failure.metrics | self._life.metrics

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return self._failure.parts() | self._life.parts()

    def restore(self, parts: dict[str, Any]) -> Boosted:
        """Take over the parts of a saved model."""
        self._failure.restore(parts)
        self._life.restore(parts)
        return self
