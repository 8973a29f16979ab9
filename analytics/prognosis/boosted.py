"""The prognoser of the house: chance to fail within a horizon and remaining life, both boosted trees."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.prognosis.boosting import BoostingConfig, Floats
from analytics.prognosis.failure import FailureModel
from analytics.prognosis.remaining_life import RemainingLife
from analytics.threads import limit_threads
from core.clock import NS
from core.config import Config, Duration
from core.ports import Outlook


class BoostedConfig(Config):
    """Settings of the prognoser.

    Attributes
    ----------
    horizon
        Span within which the chance to fail is told.
    cap
        Largest remaining life that is told apart; 0: five horizons.
    confidence
        Coverage of the remaining-life interval.
    min_failures
        Observed failures below which training is refused.
    """

    kind: Literal["boosted"] = "boosted"
    horizon: Duration = 24 * 3600 * NS
    cap: Duration = 0
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    min_failures: int = Field(default=20, ge=2)
    trees: BoostingConfig = BoostingConfig()

    @property
    def horizon_s(self) -> float:
        """Horizon in s."""
        return self.horizon / NS

    @property
    def cap_s(self) -> float:
        """Cap of remaining life in s."""
        return (self.cap or 5 * self.horizon) / NS

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
