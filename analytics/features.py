"""Features: declared as data, each with unit, formula and function, evaluated by one code everywhere.

Per slot: level, trend, drift from the asset's own start of life, ratio to it, and the same in units of the
healthy fleet's scatter (``sigma``). Per asset: age since the last renewal, age against the typical life of its
kind, duty, the worst and the mean drift of all slots.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.filters import States
from analytics.slots import Slot
from analytics.windows import Floats

_WORST = 50.0  # sigma; further away tells nothing more


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """What the healthy fleet looks like; learned from history.

    ``spread``: healthy scatter of (level - base) by window, float64[n, s]; ``typical_s``: median life, float64[n].
    """

    spread: Floats
    typical_s: Floats


@dataclass(frozen=True, slots=True)
class SlotFeature:
    """A feature of every slot; ``unit`` "=" stands for the slot's own unit."""

    name: str
    unit: str
    formula: str
    of: Callable[[States, Norm, float], Floats]


@dataclass(frozen=True, slots=True)
class AssetFeature:
    """A feature of the asset as a whole."""

    name: str
    unit: str
    formula: str
    of: Callable[[States, Norm], Floats]


@dataclass(frozen=True, slots=True)
class FeatureInfo:
    """Name, unit and formula of one column of the feature matrix; ``slot`` is empty for asset features."""

    name: str
    unit: str
    formula: str
    slot: str = ""


def _sigma(states: States, norm: Norm) -> Floats:
    out = (states.level - states.base) / norm.spread
    return np.clip(out, -_WORST, _WORST)


def _per_hour(states: States, hours: float) -> Floats:
    apart = np.maximum(states.steps_apart, 1.0)[:, None] * hours
    return np.asarray((states.level - states.slow) / apart)


def _ratio(states: States, norm: Norm, hours: float) -> Floats:
    far = np.abs(states.base) > 1e-9
    return np.where(far, states.level / np.where(far, states.base, 1.0), np.nan)


def _over_slots(values: Floats, pick: Callable[[Floats], Floats]) -> Floats:
    """Return ``pick`` over the slots that have a value; NaN where none has."""
    some = np.isfinite(values).any(axis=1)
    return np.where(some, pick(np.where(np.isfinite(values), values, 0.0)), np.nan)


def _mean_size(values: Floats) -> Floats:
    return np.asarray(np.abs(values).sum(axis=1) / np.maximum((values != 0).sum(axis=1), 1))


SLOT_FEATURES: tuple[SlotFeature, ...] = (
    SlotFeature("level", "=", "EWMA(mean, fast)", lambda s, n, h: s.level),
    SlotFeature("drift", "{sigma}", "(level - base) / spread", lambda s, n, h: _sigma(s, n)),
    SlotFeature("ratio", "1", "level / base", _ratio),
    SlotFeature(
        "trend",
        "{sigma}/h",
        "(EWMA fast - EWMA slow) / (lag between them) / spread",
        lambda s, n, h: np.clip(_per_hour(s, h) / n.spread, -_WORST, _WORST),
    ),
)
ASSET_FEATURES: tuple[AssetFeature, ...] = (
    AssetFeature("age", "h", "time since last renewal", lambda s, n: s.age_s / 3600.0),
    AssetFeature("age_ratio", "1", "age / median life of the kind", lambda s, n: s.age_s / n.typical_s),
    AssetFeature("duty", "1", "EWMA(on, slow)", lambda s, n: s.duty),
    AssetFeature(
        "worst_drift",
        "{sigma}",
        "max drift over slots",
        lambda s, n: _over_slots(_sigma(s, n), lambda v: v.max(axis=1)),
    ),
    AssetFeature(
        "mean_drift", "{sigma}", "mean |drift| over slots", lambda s, n: _over_slots(_sigma(s, n), _mean_size)
    ),
)


def describe(slots: Sequence[Slot]) -> list[FeatureInfo]:
    """Return what each column of :func:`evaluate` is."""
    out = [
        FeatureInfo(f"{slot.name}.{f.name}", f.unit.replace("=", slot.unit), f.formula, slot.name)
        for f in SLOT_FEATURES
        for slot in slots
    ]
    return out + [FeatureInfo(f.name, f.unit, f.formula) for f in ASSET_FEATURES]


def evaluate(states: States, norm: Norm, grid_s: float) -> Floats:
    """Return the feature matrix float64[n, f], NaN where a value is missing."""
    hours = grid_s / 3600.0
    columns = [f.of(states, norm, hours) for f in SLOT_FEATURES]
    columns += [f.of(states, norm)[:, None] for f in ASSET_FEATURES]
    return np.hstack(columns)


def age_column() -> int:
    """Return the column of the age in h, counted from the end: the asset features stand last."""
    return [f.name for f in ASSET_FEATURES].index("age") - len(ASSET_FEATURES)


def columns_named(infos: Sequence[FeatureInfo], suffix: str) -> NDArray[np.intp]:
    """Return the columns of one slot feature, e.g. ``drift``."""
    return np.array([j for j, i in enumerate(infos) if i.slot and i.name.endswith(f".{suffix}")], dtype=np.intp)
