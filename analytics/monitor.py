"""What tells that a model is getting old: inputs unlike those of its training, and chances that do not come true.

Input drift is the population stability index by feature, ``sum((a - e) ln(a / e))`` over bins that held a tenth of the
training windows each, and the Kolmogorov-Smirnov distance at their edges. Error is the Brier score of prognoses whose
end is known, beside that of always telling the mean.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.features import FeatureInfo
from analytics.windows import Floats
from core.clock import NS
from core.command import Event
from core.config import Config, Duration
from core.finding import Prognosis

_BINS = 10
_FLOOR = 1e-3
#: grows by nature between training and service, and says nothing about the sensors
_AGES = ("age", "age_ratio")


class MonitorConfig(Config):
    """When a model is to be trained anew.

    Attributes
    ----------
    psi, share
        Input has drifted when this share of the features passes this index. 0.25 is the customary limit for a large
        shift: a setting, not a claim.
    rows
        Scored windows of assets before anything is said.
    brier
        Error is too large when the Brier score passes this multiple of that of telling the mean.
    outcomes
        Known ends of prognoses before anything is said.
    every
        Greatest age of a model; 0: no limit.
    """

    psi: float = Field(default=0.25, gt=0)
    share: float = Field(default=0.3, gt=0, le=1)
    rows: int = Field(default=2_000, ge=50)
    brier: float = Field(default=1.0, gt=0)
    outcomes: int = Field(default=200, ge=20)
    every: Duration = 0


def reference(x: Floats, weight: Floats, infos: Sequence[FeatureInfo]) -> dict[str, Any]:
    """Return what the inputs looked like in training, JSON-ready: edges by feature, shares of bins and of missing."""
    edges, shares = [], []
    for j in range(x.shape[1]):
        known = np.isfinite(x[:, j])
        inner = np.arange(1, _BINS) / _BINS
        edge = _quantiles(x[known, j], weight[known], inner) if known.any() else np.zeros(_BINS - 1)
        edges.append([float(f"{e:.6g}") for e in edge])
        counts = np.bincount(_bins(x[:, j], np.array(edges[-1])), weight, _BINS + 1)
        shares.append([round(float(s), 6) for s in counts / counts.sum()])
    return {"names": [i.name for i in infos], "edges": edges, "shares": shares}


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Drift of one input."""

    name: str
    psi: float
    ks: float


class InputMonitor:
    """Counts what live inputs look like, beside the reference of the training."""

    def __init__(self, card: dict[str, Any]) -> None:
        known = card.get("reference") or {"names": [], "edges": [], "shares": []}
        self.names: list[str] = list(known["names"])
        self.rows = 0
        self._edges = [np.array(e, dtype=np.float64) for e in known["edges"]]
        self._expected = np.array(known["shares"], dtype=np.float64).reshape(len(self.names), _BINS + 1)
        self._counts = np.zeros_like(self._expected)

    def take(self, x: Floats) -> None:
        """Take in scored windows ``x: float64[n, f]``."""
        if not self.names:
            return
        self.rows += len(x)
        for j, edges in enumerate(self._edges):
            self._counts[j] += np.bincount(_bins(x[:, j], edges), minlength=_BINS + 1)

    def drifts(self) -> list[FeatureDrift]:
        """Return the drift of each input but the ages, the largest first."""
        if not self.rows:
            return []
        actual = np.maximum(self._counts / self.rows, _FLOOR)
        expected = np.maximum(self._expected, _FLOOR)
        psi = ((actual - expected) * np.log(actual / expected)).sum(axis=1)
        ks = np.abs(np.cumsum(actual - expected, axis=1)).max(axis=1)
        rows = zip(self.names, psi.tolist(), ks.tolist(), strict=True)
        found = [FeatureDrift(name, round(p, 4), round(k, 4)) for name, p, k in rows if name not in _AGES]
        return sorted(found, key=lambda d: -d.psi)


class OutcomeMonitor:
    """Prognoses until their end is known; one an hour of run time and device is kept.

    Maintenance ends a prognosis without an outcome: nobody knows what would have been.
    """

    def __init__(self, horizon_s: float, keep: int = 20_000) -> None:
        self.pairs: deque[tuple[str, float, bool]] = deque(maxlen=keep)
        self._horizon_ns = round(horizon_s * NS)
        self._every_ns = max(NS, self._horizon_ns // 24)
        self._open: dict[str, deque[tuple[int, float]]] = {}

    def take(self, prognoses: Sequence[Prognosis]) -> None:
        """Keep prognoses and resolve those whose horizon has passed."""
        for p in prognoses:
            held = self._open.setdefault(p.device, deque())
            while held and held[0][0] + self._horizon_ns <= p.t:
                self.pairs.append((p.device, held.popleft()[1], False))
            if not held or p.t - held[-1][0] >= self._every_ns:
                held.append((p.t, p.p_failure))

    def hear(self, events: Sequence[Event]) -> None:
        """Resolve the prognoses of devices that failed or were maintained."""
        for event in events:
            if event.name not in ("failure", "maintained", "maintenance"):
                continue
            for t, p in self._open.pop(event.device, ()):
                if event.name == "failure" and t < event.t:
                    self.pairs.append((event.device, p, event.t <= t + self._horizon_ns))

    def brier(self) -> tuple[float, float, int]:
        """Return (Brier score, that of telling the mean, number of outcomes)."""
        if not self.pairs:
            return float("nan"), float("nan"), 0
        p = np.array([pair[1] for pair in self.pairs])
        y = np.array([pair[2] for pair in self.pairs], dtype=np.float64)
        return float(np.mean((p - y) ** 2)), float(np.mean((y.mean() - y) ** 2)), len(p)


class Monitor:
    """Both of one model, and whether it is to be trained anew."""

    def __init__(self, config: MonitorConfig, card: dict[str, Any], horizon_s: float) -> None:
        self.inputs = InputMonitor(card)
        self.outcomes = OutcomeMonitor(horizon_s)
        self._config = config
        self._card = card
        self._told = ""

    def reason(self, now: int) -> str:
        """Return why the model should be trained anew, empty if it should not; ``now`` in ns UTC."""
        config = self._config
        drifts = self.inputs.drifts() if self.inputs.rows >= config.rows else []
        moved = [d for d in drifts if d.psi > config.psi]
        if drifts and len(moved) > config.share * len(drifts):
            worst = ", ".join(f"{d.name} {d.psi:.2f}" for d in moved[:3])
            return f"{len(moved)} of {len(drifts)} inputs have drifted (PSI: {worst})"
        brier, of_mean, count = self.outcomes.brier()
        if count >= config.outcomes and of_mean > 0 and brier > config.brier * of_mean:
            return f"Brier score {brier:.3f}, telling the mean has {of_mean:.3f} ({count} outcomes)"
        if config.every and now - int(self._card.get("data_end", now)) > config.every:
            return "its data are older than the limit"
        return ""

    def tell(self, name: str, now: int) -> list[Event]:
        """Return an event when a reason to train anew comes up, and when it is gone."""
        reason = self.reason(now)
        if bool(reason) == bool(self._told):
            return []
        self._told = reason
        text = f"model {name} should be trained anew: {reason}" if reason else f"model {name} fits its inputs again"
        return [Event(f"model/{name}", "retrain" if reason else "fits", text, now, "warning" if reason else "info")]

    def status(self) -> dict[str, float | int | str]:
        """Return figures for people."""
        drifts = self.inputs.drifts()
        brier, _, count = self.outcomes.brier()
        return {
            "drift_rows": self.inputs.rows,
            "drift_worst": drifts[0].name if drifts else "",
            "drift_psi": drifts[0].psi if drifts else 0.0,
            "drifted": sum(d.psi > self._config.psi for d in drifts),
            "brier": round(brier, 5) if count else -1.0,
            "outcomes": count,
        }


def _bins(x: Floats, edges: Floats) -> NDArray[np.intp]:
    """Return the bin of each value; the last one is for what is missing."""
    return np.where(np.isfinite(x), np.searchsorted(edges, x, side="right"), _BINS)


def _quantiles(x: Floats, weight: Floats, at: Floats) -> Floats:
    order = np.argsort(x, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    return np.asarray(x[order][np.minimum(np.searchsorted(share, at), len(x) - 1)])
