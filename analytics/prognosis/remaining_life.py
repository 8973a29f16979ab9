"""Remaining useful life with an interval: boosted trees for the mean, held-out errors for the interval.

The target is capped (piecewise linear, Heimes 2008): far from the end nobody can tell. The interval is split
conformal, by what is predicted (Mondrian conformal regression: Vovk, Gammerman and Shafer 2005; Bostrom and
Johansson 2020): predictions for held-out groups are sorted into bins of the predicted life, and each bin's own errors
say how far the truth may lie off. So the interval is narrow near the end, where it matters. The held-out models have
seen fewer groups than the final one, which makes the interval a little wide rather than narrow. One class serves
assets in seconds and turbofans in cycles.
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
        self._centres = np.zeros(1)
        self._low = np.array([-cap])
        self._high = np.array([cap])
        self.metrics: dict[str, float] = {}

    def fit(self, x: Floats, y: Floats, group: NDArray[np.int64], weight: Floats | None = None) -> RemainingLife:
        """Learn from ``x: float64[n, f]`` and remaining lives ``y: float64[n]`` (inf: beyond the cap)."""
        target = np.minimum(y, self.cap)
        weight = np.ones(len(x)) if weight is None else weight
        held = np.full(len(x), np.nan)
        for learn, judge in deal(group, self._config.folds, self._seed):
            held[judge] = self._mean(x[judge], self._models(x[learn], target[learn], weight[learn], members=1))
        self._means = self._models(x, target, weight, self._config.members)
        seen = np.isfinite(held)
        if bool(seen.any()):
            self._calibrate(held[seen], target[seen], weight[seen])
        return self

    def predict(self, x: Floats) -> tuple[Floats, Floats, Floats]:
        """Return (remaining life, lower, upper), float64[n] each."""
        return self._interval(self._mean(x, self._means))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        models = {f"rul.mean.{k}": model for k, model in enumerate(self._means)}
        return {**models, "rul.centres": self._centres, "rul.low": self._low, "rul.high": self._high}

    def restore(self, parts: dict[str, Any]) -> RemainingLife:
        """Take over the parts of a saved model."""
        names = sorted((n for n in parts if n.startswith("rul.mean.")), key=lambda n: int(n.rpartition(".")[2]))
        self._means = [parts[n] for n in names]
        self._centres, self._low, self._high = parts["rul.centres"], parts["rul.low"], parts["rul.high"]
        return self

    def _models(self, x: Floats, y: Floats, weight: Floats, members: int) -> list[Any]:
        x = learnable(x)
        even = None if bool((weight == weight[0]).all()) else weight  # scikit-learn is far quicker without weights
        return [regressor(self._config, self._seed + 1000 * k).fit(x, y, even) for k in range(members)]

    def _mean(self, x: Floats, models: list[Any]) -> Floats:
        return np.asarray(np.clip(np.mean([m.predict(x) for m in models], axis=0), 0.0, self.cap))

    def _interval(self, mean: Floats) -> tuple[Floats, Floats, Floats]:
        lower = mean + np.interp(mean, self._centres, self._low)
        upper = mean + np.interp(mean, self._centres, self._high)
        return mean, np.clip(lower, 0.0, self.cap), np.clip(upper, 0.0, self.cap)

    def _calibrate(self, mean: Floats, target: Floats, weight: Floats) -> None:
        """Set the interval from held-out rows and keep the figures they give."""
        bands = [self._band(mean[rows], target[rows], weight[rows]) for rows in _bins(mean, weight)]
        self._centres, self._low, self._high = np.array(bands).T
        _, lower, upper = self._interval(mean)
        middle = np.average(target, weights=weight)
        self.metrics = {
            "rul_rmse": float(np.sqrt(np.average((mean - target) ** 2, weights=weight))),
            "rul_mae": float(np.average(np.abs(mean - target), weights=weight)),
            "rul_mae_of_mean": float(np.average(np.abs(target - middle), weights=weight)),
            "coverage": float(np.average((target >= lower) & (target <= upper), weights=weight)),
            "width": float(np.average(upper - lower, weights=weight)),
        }

    def _band(self, mean: Floats, target: Floats, weight: Floats) -> tuple[float, float, float]:
        """Return (centre, lower error <= 0, upper error >= 0) of one bin."""
        off, share = target - mean, (1.0 + self.confidence) / 2 * (1.0 + 1.0 / len(mean))
        low, high = -_weighted_quantile(-off, weight, share), _weighted_quantile(off, weight, share)
        return float(np.average(mean, weights=weight)), min(low, 0.0), max(high, 0.0)


def _bins(mean: Floats, weight: Floats) -> list[NDArray[np.intp]]:
    """Return rows in up to 12 bins of ascending prediction and equal weight, at least 100 rows a bin on average."""
    order = np.argsort(mean, kind="stable")
    reach = np.cumsum(weight[order])
    count = int(np.clip(len(mean) // 100, 1, 12))
    cuts = np.searchsorted(reach, reach[-1] * np.arange(1, count) / count)
    return [rows for rows in np.split(order, cuts) if len(rows)]


def _weighted_quantile(values: Floats, weight: Floats, q: float) -> float:
    """Return the smallest value that a share ``q`` of the weight does not exceed."""
    order = np.argsort(values, kind="stable")
    reach = np.cumsum(weight[order])
    at = int(np.searchsorted(reach, min(q, 1.0) * reach[-1]))
    return float(values[order][min(at, len(values) - 1)])
