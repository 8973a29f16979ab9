"""The baseline of prognosis: age alone. What is known of lives gives a curve; an asset's age gives its place on it.

A Weibull curve S(t) = exp(-(t / eta)^beta) is fitted by maximum likelihood to rows that enter at their age a (left
truncation) and either fail at a + y or are known to live on to a + cap (right censoring). The rows of a life share
its weight, so that a life counts once however often it was looked at. The Kaplan-Meier estimate (1958) of the same
lives needs no assumption and says how far the Weibull curve is off (``km_gap``).

A model that cannot beat this one has learnt nothing from its sensors.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.features import age_column
from analytics.prognosis.boosting import Floats, deal
from analytics.prognosis.horizon import HorizonConfig
from core.errors import ModelError
from core.ports import Outlook

_EDGE = 1e-4


class SurvivalConfig(HorizonConfig):
    """Settings of the age-based prognoser; see :class:`analytics.prognosis.horizon.HorizonConfig`.

    ``folds`` deals groups into parts whose figures come from the curve of the others.
    """

    kind: Literal["survival"] = "survival"
    min_failures: int = Field(default=5, ge=2)
    folds: int = Field(default=3, ge=2)

    def build(self, seed: int) -> Survival:
        """Return an untrained prognoser."""
        return Survival(self, seed)


class Survival:
    """Chance to fail and remaining life of an asset of its age; see :class:`core.ports.Prognoser`."""

    def __init__(self, config: SurvivalConfig, seed: int) -> None:
        self.config = config
        self.horizon_s = config.horizon_s
        self.metrics: dict[str, float] = {}
        self._seed = seed
        self._beta, self._eta = 1.0, 1.0
        self._age = 0.0

    @property
    def curve(self) -> tuple[float, float]:
        """Shape beta and characteristic life eta in s."""
        return self._beta, self._eta

    def fit(self, x: Floats, y: Floats, group: NDArray[np.int64], weight: Floats | None = None) -> Survival:
        """Learn from the age in ``x: float64[n, f]`` (h) and seconds to failure ``y: float64[n]`` (inf: censored)."""
        if not bool((y <= self.horizon_s).any()) or bool((y <= self.horizon_s).all()):
            raise ModelError("a survival curve needs rows before a failure and rows of health; all rows are alike")
        weight = np.ones(len(x)) if weight is None else weight / weight.mean()
        known = np.isfinite(x[:, age_column()])
        if not bool(known.any()):
            raise ModelError("no row has an age: a survival curve has nothing to learn from")
        self._age = float(np.average(x[known, age_column()], weights=weight[known])) * 3600.0
        age = self._ages(x)
        end, failed = age + np.where(np.isfinite(y), y, self.config.cap_s), np.isfinite(y)
        held = np.full((4, len(x)), np.nan)
        for learn, judge in deal(group, self.config.folds, self._seed):
            if bool(failed[learn].any()):
                self._beta, self._eta = weibull(age[learn], end[learn], failed[learn], weight[learn])
                held[:, judge] = self._outlook(age[judge])
        self._beta, self._eta = weibull(age, end, failed, weight)
        self._judge(held, y, weight)
        self.metrics["km_gap"] = self._gap(age, end, failed, weight)
        return self

    def predict(self, x: Floats) -> Outlook:
        """Return the outlook of n assets."""
        return Outlook(*self._outlook(self._ages(x)))

    def parts(self) -> dict[str, Any]:
        """Return what a file must keep."""
        return {"survival.beta": self._beta, "survival.eta": self._eta, "survival.age": self._age}

    def restore(self, parts: dict[str, Any]) -> Survival:
        """Take over the parts of a saved model."""
        self._beta, self._eta = float(parts["survival.beta"]), float(parts["survival.eta"])
        self._age = float(parts["survival.age"])
        return self

    def _ages(self, x: Floats) -> Floats:
        """Return ages in s; the training mean where one is unknown."""
        age = x[:, age_column()] * 3600.0
        return np.where(np.isfinite(age), np.maximum(age, 0.0), self._age)

    def _outlook(self, age: Floats) -> Floats:
        """Return (chance, median remaining life, lower, upper) float64[4, n], lives in s up to the cap."""
        hazard = (age / self._eta) ** self._beta
        later = ((age + self.horizon_s) / self._eta) ** self._beta
        chance = np.clip(-np.expm1(hazard - later), _EDGE, 1.0 - _EDGE)
        tail = (1.0 - self.config.confidence) / 2

        def left(q: float) -> Floats:
            reach = self._eta * (hazard - np.log1p(-q)) ** (1.0 / self._beta)
            return np.asarray(np.clip(reach - age, 0.0, self.config.cap_s))

        return np.stack([chance, left(0.5), left(tail), left(1.0 - tail)])

    def _judge(self, held: Floats, y: Floats, weight: Floats) -> None:
        """Keep the figures that held-out groups give."""
        from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

        seen = np.isfinite(held[0])
        fails = y[seen] <= self.horizon_s
        if not bool(fails.any()) or bool(fails.all()):
            return
        chance, rul, lower, upper = held[:, seen]
        target, w = np.minimum(y[seen], self.config.cap_s), weight[seen]
        middle = np.average(target, weights=w)
        self.metrics = {
            "roc_auc": float(roc_auc_score(fails, chance, sample_weight=w)),
            "pr_auc": float(average_precision_score(fails, chance, sample_weight=w)),
            "brier": float(brier_score_loss(fails, chance, sample_weight=w)),
            "prevalence": float(np.average(fails, weights=w)),
            "rul_rmse": float(np.sqrt(np.average((rul - target) ** 2, weights=w))),
            "rul_mae": float(np.average(np.abs(rul - target), weights=w)),
            "rul_mae_of_mean": float(np.average(np.abs(target - middle), weights=w)),
            "coverage": float(np.average((target >= lower) & (target <= upper), weights=w)),
        }

    def _gap(self, age: Floats, end: Floats, failed: NDArray[np.bool_], weight: Floats) -> float:
        """Return the largest distance between the Weibull curve and Kaplan-Meier's."""
        t, s = kaplan_meier(age, end, failed, weight)
        return float(np.abs(np.exp(-((t / self._eta) ** self._beta)) - s).max())


def weibull(entry: Floats, end: Floats, failed: NDArray[np.bool_], weight: Floats | None = None) -> tuple[float, float]:
    """Return (beta, eta) of the lives seen from ``entry`` to ``end`` (same unit), float64[n] each.

    log L = sum w [ d (log beta + (beta - 1) log t - beta log eta) - (t / eta)^beta + (a / eta)^beta ], d = failed.

    Raises
    ------
    ModelError
        If no life ended in a failure.
    """
    from scipy.optimize import minimize

    if not bool(failed.any()):
        raise ModelError("no life ended in a failure: a survival curve has nothing to learn from")
    w = np.ones(len(end)) if weight is None else weight / weight.mean()
    scale = float(np.average(end[failed], weights=w[failed]))
    t, a = np.maximum(end / scale, 1e-9), np.maximum(entry / scale, 0.0)
    log_t = np.log(t)

    def loss(p: Floats) -> float:
        beta, log_eta = np.exp(p[0]), p[1]
        grown = np.exp(np.minimum(beta * (log_t - log_eta), 50.0))
        before = (a / np.exp(log_eta)) ** beta
        hit = failed * (p[0] + (beta - 1.0) * log_t - beta * log_eta)
        return -float(np.sum(w * (hit - grown + np.minimum(before, grown)))) / len(t)

    starts = [
        minimize(loss, [np.log(b), 0.0], method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10})
        for b in (1.0, 4.0)
    ]
    best = min(starts, key=lambda found: float(found.fun))
    return float(np.exp(best.x[0])), float(np.exp(best.x[1]) * scale)


def kaplan_meier(
    entry: Floats, end: Floats, failed: NDArray[np.bool_], weight: Floats | None = None
) -> tuple[Floats, Floats]:
    """Return times of failures and the share that lives on after each, float64[m] both.

    At each failure time t the survival falls by the share of those at risk (entered before t, not ended before it).
    """
    w = np.ones(len(end)) if weight is None else weight
    t = np.unique(end[failed])
    order_end, order_in = np.argsort(end, kind="stable"), np.argsort(entry, kind="stable")

    def weighed(order: NDArray[np.intp], keys: Floats, mass: Floats, side: Literal["left", "right"]) -> Floats:
        total = np.concatenate([[0.0], np.cumsum(mass[order])])
        return np.asarray(total[np.searchsorted(keys[order], t, side=side)])

    at_risk = weighed(order_in, entry, w, "left") - weighed(order_end, end, w, "left")
    deaths = weighed(order_end, end, w * failed, "right") - weighed(order_end, end, w * failed, "left")
    return t, np.asarray(np.cumprod(1.0 - deaths / np.maximum(at_risk, deaths)), dtype=np.float64)
