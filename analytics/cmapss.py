"""Turbofan engines of the C-MAPSS files: rows of cycles in, remaining cycles out, with the house's own model.

Works on any file of the layout ``unit, cycle, op*, s*`` (:mod:`analytics.engine_rows`): sensors that never move
are dropped, the others are standardised within their operating regime (:mod:`analytics.regimes`; FD002 and FD004 have
six), learnt from the training engines alone. Every feature looks back only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from analytics.engine_rows import Engines as Engines
from analytics.engine_rows import carried
from analytics.engine_rows import engines as engines
from analytics.engine_rows import read_engines as read_engines
from analytics.prognosis.boosting import BoostingConfig
from analytics.prognosis.remaining_life import RemainingLife
from analytics.regimes import Regimes
from analytics.threads import limit_threads
from core.config import Config
from core.errors import ModelError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
CAP = 125.0  # cycles; customary for this data set (Heimes 2008)


class CmapssConfig(Config):
    """Settings of the engine model.

    Attributes
    ----------
    cap
        Largest remaining life in cycles that is told apart.
    means, slopes
        Spans in cycles of the trailing means and of the least-squares slopes.
    born
        First cycles of an engine that make its own baseline.
    every
        Learn from one cycle in so many.
    confidence
        Coverage of the interval.
    trees
        Size of the ensembles.
    """

    cap: float = Field(default=CAP, gt=0)
    means: tuple[int, ...] = (5, 10, 20, 30)
    slopes: tuple[int, ...] = (10, 20, 30, 50)
    born: int = Field(default=15, ge=1)
    every: int = Field(default=1, ge=1)
    confidence: float = Field(default=0.9, gt=0.5, lt=1)
    trees: BoostingConfig = BoostingConfig(
        iterations=200, learning_rate=0.04, leaves=15, min_leaf=60, l2=5.0, features=0.3, members=3, folds=5
    )

    def quick(self) -> CmapssConfig:
        """Return the same model, smaller: about a tenth of the training time for some tenths of a cycle."""
        small = {"members": 1, "folds": 2, "iterations": 120, "learning_rate": 0.07}
        return self.model_copy(update={"every": 4, "trees": self.trees.model_copy(update=small)})


@dataclass(frozen=True, slots=True, eq=False)
class Remaining:
    """Remaining cycles of m engines at their last cycle, with interval; all [m]."""

    unit: Ints
    cycle: Ints
    rul: Floats
    lower: Floats
    upper: Floats


class CmapssModel:
    """Remaining cycles of engines; train with :func:`train_cmapss`."""

    def __init__(self, config: CmapssConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.sensors: tuple[str, ...] = ()
        self._settings: tuple[str, ...] = ()
        self._regimes = Regimes.one()
        self._mean = np.zeros((0, 0))
        self._std = np.ones((0, 0))
        self._life = RemainingLife(config.trees, config.cap, config.confidence, seed)

    @property
    def regimes(self) -> int:
        """Operating regimes found in the training engines."""
        return self._regimes.count

    @property
    def metrics(self) -> dict[str, float]:
        """Figures on held-out training engines, in cycles."""
        return self._life.metrics

    def fit(self, fleet: Engines) -> CmapssModel:
        """Learn from engines that ran to failure."""
        if len(fleet.begins) < 2:
            raise ModelError(f"needs at least 2 engines run to failure, there are {len(fleet.begins)}")
        x = self.learn_scale(fleet).features(fleet)
        rows = np.flatnonzero((fleet.cycle >= 10) & (fleet.cycle % self.config.every == 0))
        self._life.fit(x[rows], fleet.left[rows], fleet.unit[rows])
        return self

    def predict(self, fleet: Engines) -> Remaining:
        """Return the remaining cycles of each engine at its last cycle."""
        limit_threads()
        last = fleet.ends
        rul, lower, upper = self._life.predict(self.features(fleet)[last])
        return Remaining(fleet.unit[last], fleet.cycle[last], rul, lower, upper)

    def predict_engines(self, table: pa.Table | Mapping[str, NDArray[np.generic]]) -> dict[int, float]:
        """Return unit -> remaining cycles at its last cycle, of rows with ``unit, cycle, op*, s*``."""
        out = self.predict(engines(table))
        return dict(zip(out.unit.tolist(), out.rul.tolist(), strict=True))

    def features(self, fleet: Engines) -> Floats:
        """Return the feature matrix float64[n, f]: every row from its engine's cycles up to it."""
        z = self._standardised(fleet)
        parts = [
            self._of_engine(z[a : b + 1], fleet.cycle[a : b + 1]) for a, b in zip(fleet.begins, fleet.ends, strict=True)
        ]
        return np.concatenate(parts)

    def _of_engine(self, z: Floats, cycle: Ints) -> Floats:
        config = self.config
        means = {m: trailing_mean(z, m) for m in {*config.means, 10, 20}}
        columns = [means[m] for m in config.means]
        columns += [trailing_slope(z, m) for m in config.slopes]
        columns.append(means[10] - _own_start(z, config.born))
        columns.append(np.sqrt(np.maximum(trailing_mean(z * z, 20) - means[20] ** 2, 0.0)))
        columns.append(cycle[:, None].astype(np.float64))
        return np.hstack(columns)

    def learn_scale(self, fleet: Engines) -> CmapssModel:
        """Learn regimes, which sensors move, and their scatter; enough for :meth:`features`."""
        self._settings = tuple(n for n in fleet.columns if n.startswith("op"))
        sensors = tuple(n for n in fleet.columns if n.startswith("s"))
        self._regimes = Regimes.learn(fleet.pick(self._settings), self.seed)
        regime, x = self._regimes.of(fleet.pick(self._settings)), fleet.pick(sensors)
        groups = [x[regime == r] for r in range(self._regimes.count)]
        moves = np.array([any(_moves(g[:, j]) for g in groups) for j in range(len(sensors))], dtype=bool)
        if not moves.any():
            raise ModelError("no sensor of the engines ever moves: nothing to learn from")
        self.sensors = tuple(n for n, m in zip(sensors, moves, strict=True) if m)
        self._mean = np.stack([_over(np.nanmean, g[:, moves]) for g in groups])
        spread = np.stack([_over(np.nanstd, g[:, moves]) for g in groups])
        self._std = np.where(spread > 1e-9, spread, 1.0)
        return self

    def _standardised(self, fleet: Engines) -> Floats:
        """Return sensors in units of their regime's scatter; a missing one keeps its last standing."""
        regime = self._regimes.of(fleet.pick(self._settings))
        return carried((fleet.pick(self.sensors) - self._mean[regime]) / self._std[regime], fleet.unit)


def _moves(values: Floats) -> bool:
    return len(np.unique(values[np.isfinite(values)])) > 2


def _over(of: Callable[..., Floats], values: Floats) -> Floats:
    """Return a statistic of each column, 0 for a column without values."""
    out = np.zeros(values.shape[1])
    some = np.isfinite(values).any(axis=0)
    out[some] = of(values[:, some], axis=0)
    return out


def train_cmapss(train_path: Path, seed: int = 0, config: CmapssConfig | None = None) -> CmapssModel:
    """Return the model of a training file."""
    return CmapssModel(config or CmapssConfig(), seed).fit(read_engines(train_path))


def trailing_mean(z: Floats, span: int) -> Floats:
    """Return the mean of each row and up to ``span - 1`` before it, float64[n, k]."""
    total = _sums(z)
    end, begin = _span(len(z), span)
    return np.asarray((total[end] - total[begin]) / (end - begin)[:, None])


def trailing_slope(z: Floats, span: int) -> Floats:
    """Return the least-squares slope a cycle over the last ``span`` rows; 0 for fewer than 3 rows.

    With k rows at t = a .. a+k-1: slope = (sum t z - mean(t) sum z) / (k (k^2 - 1) / 12).
    """
    t = np.arange(len(z), dtype=np.float64)[:, None]
    end, begin = _span(len(z), span)
    total, moment = _sums(z), _sums(t * z)
    k = (end - begin)[:, None].astype(np.float64)
    middle = (begin + end - 1)[:, None] / 2.0
    rise = (moment[end] - moment[begin]) - middle * (total[end] - total[begin])
    return np.where(k >= 3, rise / np.maximum(k * (k * k - 1.0) / 12.0, 1.0), 0.0)


def _own_start(z: Floats, born: int) -> Floats:
    """Return the mean of the engine's first ``born`` rows, growing until there are so many."""
    running = _sums(z)[1:] / np.arange(1, len(z) + 1)[:, None]
    running[born:] = running[min(born, len(z)) - 1]
    return running


def _sums(z: Floats) -> Floats:
    return np.concatenate([np.zeros((1, z.shape[1])), np.cumsum(z, axis=0)])


def _span(n: int, span: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    end = np.arange(1, n + 1)
    return end, np.maximum(end - span, 0)
