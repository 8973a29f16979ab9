"""Remaining useful life with an interval: boosted trees for the mean and the quantiles, conformal correction.

The target is capped (piecewise linear, Heimes 2008): far from the end nobody can tell. Quantile ensembles give
a raw interval; its error on held-out groups widens or narrows it to the wanted coverage (conformalised quantile
regression, Romano, Patterson and Candes 2019). One class serves assets in seconds and turbofans in cycles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.prognosis.boosting import BoostingConfig, Floats, deal, learnable, regressor


class RemainingLife:
    """Remaining life in [0, cap] from features; unit as the target's.

    Parameters
    ----------
    config
        Size of the ensembles.
    cap
        Largest remaining life that is told apart.
    confidence
        Wanted coverage of the interval.
    seed
        Fixes every random choice.
    """

    def __init__(self, config: BoostingConfig, cap: float, confidence: float, seed: int) -> None:
        self.cap = cap
        self.confidence = confidence
        self._config = config
        self._seed = seed
        self._means: list[Any] = []
        self._low: Any = None
        self._high: Any = None
        self._widen = 0.0
        self.metrics: dict[str, float] = {}

    def fit(self, x: Floats, y: Floats, group: NDArray[np.int64], weight: Floats | None = None) -> RemainingLife:
        """Learn from ``x: float64[n, f]`` and remaining lives ``y: float64[n]`` (inf: beyond the cap)."""
        target = np.minimum(y, self.cap)
        weight = np.ones(len(x)) if weight is None else weight
        held = np.full((3, len(x)), np.nan)
        for learn, judge in deal(group, self._config.folds, self._seed):
            fold = self._models(x[learn], target[learn], weight[learn], members=1)
            held[:, judge] = self._raw(x[judge], *fold)
        self._means, self._low, self._high = self._models(x, target, weight, self._config.members)
        seen = np.isfinite(held[0])
        if bool(seen.any()):
            self._correct(held[:, seen], target[seen], weight[seen])
        return self

    def predict(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return (remaining life, lower, upper), float64[n] each."""
        return self._interval(self._raw(x, self._means, self._low, self._high))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        models = {f"rul.mean.{k}": model for k, model in enumerate(self._means)}
        return {**models, "rul.low": self._low, "rul.high": self._high, "rul.widen": self._widen}

    def restore(self, parts: dict[str, Any]) -> RemainingLife:
        """Take over the parts of a saved model."""
        names = sorted((n for n in parts if n.startswith("rul.mean.")), key=lambda n: int(n.rpartition(".")[2]))
        self._means = [parts[n] for n in names]
        self._low, self._high, self._widen = parts["rul.low"], parts["rul.high"], float(parts["rul.widen"])
        return self

    def _models(self, x: Floats, y: Floats, weight: Floats, members: int) -> tuple[list[Any], Any, Any]:
        x = learnable(x)
        tail = (1.0 - self.confidence) / 2
        even = None if bool((weight == weight[0]).all()) else weight  # scikit-learn is far quicker without weights
        seeds = [self._seed + 1000 * k for k in range(members)]
        means = [regressor(self._config, s).fit(x, y, even) for s in seeds]
        low, high = (regressor(self._config, self._seed, "quantile", q).fit(x, y, even) for q in (tail, 1.0 - tail))
        return means, low, high

    def _raw(self, x: Floats, means: list[Any], low: Any, high: Any) -> Floats:
        mean = np.mean([m.predict(x) for m in means], axis=0)
        return np.stack([mean, low.predict(x), high.predict(x)])

    def _interval(self, raw: Floats) -> tuple[Floats, Floats, Floats]:
        mean = np.clip(raw[0], 0.0, self.cap)
        lower = np.minimum(np.clip(raw[1] - self._widen, 0.0, self.cap), mean)
        upper = np.maximum(np.clip(raw[2] + self._widen, 0.0, self.cap), mean)
        return mean, lower, upper

    def _correct(self, held: Floats, target: Floats, weight: Floats) -> None:
        """Set the correction from held-out rows and keep the figures they give."""
        outside = np.maximum(held[1] - target, target - held[2])
        self._widen = _weighted_quantile(outside, weight, self.confidence * (1.0 + 1.0 / len(target)))
        mean, lower, upper = self._interval(held)
        middle = np.average(target, weights=weight)
        self.metrics = {
            "rul_rmse": float(np.sqrt(np.average((mean - target) ** 2, weights=weight))),
            "rul_mae": float(np.average(np.abs(mean - target), weights=weight)),
            "rul_mae_of_mean": float(np.average(np.abs(target - middle), weights=weight)),
            "coverage": float(np.average((target >= lower) & (target <= upper), weights=weight)),
        }


def _weighted_quantile(values: Floats, weight: Floats, q: float) -> float:
    """Return the smallest value that a share ``q`` of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reach = np.cumsum(weight[order])
    at = int(np.searchsorted(reach, min(q, 1.0) * reach[-1]))
    return float(values[order][min(at, len(values) - 1)])
