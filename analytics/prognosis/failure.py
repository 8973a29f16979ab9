"""Chance to fail within the horizon: boosted trees, calibrated on rows they have not seen.

Calibration is logistic on the log-odds (Platt 1999): p = 1 / (1 + exp(-(a s + b))), fitted to predictions for
held-out groups, so that "10 %" means one in ten.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.prognosis.boosting import BoostingConfig, Floats, classifier, deal, learnable
from core.errors import ModelError

_EDGE = 1e-4


class FailureModel:
    """P(failure within the horizon) from features."""

    def __init__(self, config: BoostingConfig, seed: int) -> None:
        self._config = config
        self._seed = seed
        self._model: Any = None
        self._slope = 1.0
        self._shift = 0.0
        self.metrics: dict[str, float] = {}

    def fit(self, x: Floats, fails: NDArray[np.bool_], group: NDArray[np.int64], weight: Floats) -> FailureModel:
        """Learn from ``x: float64[n, f]`` and whether each row fails within the horizon."""
        if not (bool(fails.any()) and not bool(fails.all())):
            raise ModelError("a failure model needs rows before a failure and rows of health; all rows are alike")
        held = np.full(len(x), np.nan)
        for learn, judge in deal(group, self._config.folds, self._seed):
            if bool(fails[learn].any()) and not bool(fails[learn].all()):
                model = classifier(self._config, self._seed).fit(learnable(x[learn]), fails[learn], weight[learn])
                held[judge] = model.decision_function(x[judge])
        self._model = classifier(self._config, self._seed).fit(learnable(x), fails, weight)
        self._calibrate(held, fails, weight)
        return self

    def predict(self, x: Floats) -> Floats:
        """Return chances in (0, 1), float64[n]."""
        return self._chance(np.asarray(self._model.decision_function(x), dtype=np.float64))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"failure.model": self._model, "failure.slope": self._slope, "failure.shift": self._shift}

    def restore(self, parts: dict[str, Any]) -> FailureModel:
        """Take over the parts of a saved model."""
        self._model = parts["failure.model"]
        self._slope, self._shift = float(parts["failure.slope"]), float(parts["failure.shift"])
        return self

    def _chance(self, score: Floats) -> Floats:
        return np.asarray(np.clip(1.0 / (1.0 + np.exp(-(self._slope * score + self._shift))), _EDGE, 1 - _EDGE))

    def _calibrate(self, held: Floats, fails: NDArray[np.bool_], weight: Floats) -> None:
        from sklearn.linear_model import LogisticRegression
        from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

        seen = np.isfinite(held)
        if not seen.any() or len(np.unique(fails[seen])) < 2:
            return
        fails, weight = fails[seen], weight[seen]
        fit = LogisticRegression().fit(held[seen, None], fails, weight)
        self._slope, self._shift = max(float(fit.coef_[0, 0]), 0.05), float(fit.intercept_[0])
        chance = self._chance(held[seen])
        self.metrics = {
            "roc_auc": float(roc_auc_score(fails, chance, sample_weight=weight)),
            "pr_auc": float(average_precision_score(fails, chance, sample_weight=weight)),
            "brier": float(brier_score_loss(fails, chance, sample_weight=weight)),
            "prevalence": float(np.average(fails, weights=weight)),
        }
