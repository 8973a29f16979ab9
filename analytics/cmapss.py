"""Turbofan engines of the C-MAPSS files: rows of cycles in, remaining cycles out, with the house's own model.

Works on any file of the layout ``unit, cycle, op*, s*``: sensors that never move are dropped, the others are
standardised within their operating regime (FD002 and FD004 have six). Every feature looks back only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from analytics.prognosis.boosting import BoostingConfig
from analytics.prognosis.remaining_life import RemainingLife
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
        iterations=200, learning_rate=0.04, leaves=15, min_leaf=60, l2=5.0, features=0.3, members=3, folds=3
    )

    def quick(self) -> CmapssConfig:
        """Return the same model, smaller: about a tenth of the training time for some tenths of a cycle."""
        small = {"members": 1, "folds": 2, "iterations": 120, "learning_rate": 0.07}
        return self.model_copy(update={"every": 4, "trees": self.trees.model_copy(update=small)})


@dataclass(frozen=True, slots=True, eq=False)
class Engines:
    """Cycles of engines, ordered by (unit, cycle): ``unit, cycle: int64[n]``, ``x: float64[n, k]``."""

    unit: Ints
    cycle: Ints
    columns: tuple[str, ...]
    x: Floats

    def pick(self, names: tuple[str, ...]) -> Floats:
        """Return the named columns, float64[n, names]."""
        missing = [n for n in names if n not in self.columns]
        if missing:
            raise ModelError(f"the engine rows lack {', '.join(missing)}, which the model was trained on")
        return self.x[:, [self.columns.index(n) for n in names]]

    @property
    def begins(self) -> NDArray[np.intp]:
        """First row of each engine."""
        return np.flatnonzero(np.concatenate([[True], np.diff(self.unit) != 0]))

    @property
    def ends(self) -> NDArray[np.intp]:
        """Last row of each engine."""
        return np.append(self.begins[1:], len(self.unit)) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Remaining:
    """Remaining cycles of m engines at their last cycle, with interval; all [m]."""

    unit: Ints
    cycle: Ints
    rul: Floats
    lower: Floats
    upper: Floats


def engines(table: pa.Table | Mapping[str, NDArray[np.generic]]) -> Engines:
    """Return rows as :class:`Engines`: any order, doubles dropped, missing values carried on from the cycle before.

    Raises
    ------
    ModelError
        If there are no rows, or no ``unit`` or ``cycle``.
    """
    names = table.column_names if isinstance(table, pa.Table) else list(table)
    if not {"unit", "cycle"} <= set(names):
        raise ModelError(f"engine rows need the columns unit and cycle, there are: {', '.join(names)[:120]}")

    def column(name: str) -> Floats:
        values = table[name].to_numpy() if isinstance(table, pa.Table) else table[name]
        return np.asarray(values, dtype=np.float64)

    measured = tuple(n for n in names if n[0] in "os" and n.lstrip("ops").isdigit())
    unit, cycle = column("unit").astype(np.int64), column("cycle").astype(np.int64)
    if not len(unit):
        raise ModelError("there are no engine rows")
    order = np.lexsort((cycle, unit))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (np.diff(unit[order]) != 0) | (np.diff(cycle[order]) != 0)
    order = order[first]
    x = np.stack([column(n) for n in measured], axis=1)[order]
    return Engines(unit[order], cycle[order], measured, _carried(x, unit[order]))


def read_engines(path: Path) -> Engines:
    """Return the engines of a Parquet file."""
    import pyarrow.parquet as pq

    if not path.is_file():
        raise ModelError(f"{path} is missing: give the folder with train_FD001.parquet")
    return engines(pq.read_table(path))


class CmapssModel:
    """Remaining cycles of engines; train with :func:`train_cmapss`."""

    def __init__(self, config: CmapssConfig, seed: int) -> None:
        self.config = config
        self.seed = seed
        self.sensors: tuple[str, ...] = ()
        self._settings: tuple[str, ...] = ()
        self._regimes = np.zeros((0, 0))
        self._mean = np.zeros((0, 0))
        self._std = np.ones((0, 0))
        self._life = RemainingLife(config.trees, config.cap, config.confidence, seed)

    @property
    def metrics(self) -> dict[str, float]:
        """Figures on held-out training engines, in cycles."""
        return self._life.metrics

    def fit(self, fleet: Engines) -> CmapssModel:
        """Learn from engines that ran to failure."""
        if len(fleet.begins) < 2:
            raise ModelError(f"needs at least 2 engines run to failure, there are {len(fleet.begins)}")
        self._learn_scale(fleet)
        x = self.features(fleet)
        size = np.diff(np.append(fleet.begins, len(fleet.unit)))
        left = np.repeat(fleet.cycle[fleet.ends], size) - fleet.cycle
        rows = np.flatnonzero((fleet.cycle >= 10) & (fleet.cycle % self.config.every == 0))
        self._life.fit(x[rows], left[rows].astype(np.float64), fleet.unit[rows])
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

    def _learn_scale(self, fleet: Engines) -> None:
        self._settings = tuple(n for n in fleet.columns if n.startswith("op"))
        sensors = tuple(n for n in fleet.columns if n.startswith("s"))
        self._regimes = np.unique(self._rounded(fleet), axis=0)
        regime, x = self._regime(fleet), fleet.pick(sensors)
        groups = [x[regime == r] for r in range(len(self._regimes))]
        moves = np.array([any(len(np.unique(g[:, j])) > 2 for g in groups) for j in range(len(sensors))])
        if not moves.any():
            raise ModelError("no sensor of the engines ever moves: nothing to learn from")
        self.sensors = tuple(n for n, m in zip(sensors, moves, strict=True) if m)
        self._mean = np.stack([g[:, moves].mean(axis=0) for g in groups])
        spread = np.stack([g[:, moves].std(axis=0) for g in groups])
        self._std = np.where(spread > 1e-9, spread, 1.0)

    def _standardised(self, fleet: Engines) -> Floats:
        regime = self._regime(fleet)
        return (fleet.pick(self.sensors) - self._mean[regime]) / self._std[regime]

    def _rounded(self, fleet: Engines) -> Floats:
        """Return the settings, coarse enough that a regime is one point (altitude in 1000 ft, Mach in tenths)."""
        if not self._settings:
            return np.zeros((len(fleet.unit), 1))
        return np.round(fleet.pick(self._settings)[:, :1])

    def _regime(self, fleet: Engines) -> NDArray[np.intp]:
        """Return the nearest known regime of each row."""
        away = np.abs(self._rounded(fleet)[:, None, :] - self._regimes[None]).sum(axis=2)
        return np.asarray(np.argmin(away, axis=1), dtype=np.intp)


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


def _carried(x: Floats, unit: Ints) -> Floats:
    """Return values with missing ones carried on within an engine; a column missing from the start takes its mean."""
    there = np.isfinite(x)
    if bool(there.all()):
        return x
    begin = np.maximum.accumulate(np.where(np.concatenate([[True], np.diff(unit) != 0]), np.arange(len(unit)), 0))
    index = np.where(there, np.arange(len(x))[:, None], -1)
    at = np.maximum.accumulate(index, axis=0)
    usable = at >= begin[:, None]
    mean = np.where(there, x, 0.0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
    return np.where(usable, np.take_along_axis(x, np.maximum(at, 0), axis=0), mean)
