"""Figures over seeds: means, and paired differences with their 95 % intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from testbed.compare.task import Result

Floats = NDArray[np.float64]
_RESAMPLES = 4000
_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over seeds with its 95 % interval (Student's t; NaN of one seed)."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How a policy differs from another on the same seeds.

    ``mean, low, high``: mean of the paired differences with its 95 % interval (Student's t). ``percent,
    percent_low, percent_high``: the same of the other's mean, interval by resampling seeds. ``clear``: both
    intervals exclude zero.
    """

    mean: float
    low: float
    high: float
    percent: float
    percent_low: float
    percent_high: float
    clear: bool


def table(results: Sequence[Result], policies: Sequence[str], key: str) -> dict[str, Floats]:
    """Return a figure's values by policy, in order of seeds: float64[seeds]."""
    out = {}
    for policy in policies:
        mine = sorted((r for r in results if r.policy == policy), key=lambda r: r.seed)
        out[policy] = np.array([r.figures[key] for r in mine])
    return out


def figure(values: Floats) -> Figure:
    """Return the mean of seeds with its interval."""
    half = _half(values)
    return Figure(float(values.mean()), float(values.mean() - half), float(values.mean() + half))


def difference(values: Floats, other: Floats, seed: int = 0) -> Difference:
    """Return how ``values`` differ from ``other``, pair by pair."""
    apart = values - other
    half, mean = _half(apart), float(apart.mean())
    percent, low, high = _relative(values, other, seed)
    clear = bool((mean - half) * (mean + half) > 0 and low * high > 0)
    return Difference(mean, mean - half, mean + half, percent, low, high, clear)


def _half(values: Floats) -> float:
    """Return half the width of Student's interval of the mean."""
    n = len(values)
    if n < 2:
        return float("nan")
    from scipy.special import stdtrit

    t = float(stdtrit(n - 1, 0.5 + _CONFIDENCE / 2.0))
    return t * float(values.std(ddof=1)) / float(np.sqrt(n))


def _relative(values: Floats, other: Floats, seed: int) -> tuple[float, float, float]:
    whole = float(other.mean())
    if not whole:
        return float("nan"), float("nan"), float("nan")
    percent = 100.0 * float(values.mean() - whole) / whole
    if len(values) < 2:
        return percent, float("nan"), float("nan")
    draw = np.random.default_rng(seed).integers(0, len(values), (_RESAMPLES, len(values)))
    base = other[draw].mean(axis=1)
    shares = 100.0 * np.divide(values[draw].mean(axis=1) - base, base, out=np.zeros_like(base), where=base != 0)
    tail = (1.0 - _CONFIDENCE) / 2.0
    return percent, float(np.quantile(shares, tail)), float(np.quantile(shares, 1.0 - tail))


def summary(results: Sequence[Result], policies: Sequence[str], keys: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Return every figure by policy, and its paired difference from each policy named before it."""
    out: dict[str, Mapping[str, object]] = {}
    for key in keys:
        values = table(results, policies, key)
        out[key] = {
            "by_policy": {p: asdict(figure(v)) for p, v in values.items()},
            "by_seed": {p: v.tolist() for p, v in values.items()},
            "paired": {
                f"{p} - {q}": asdict(difference(values[p], values[q]))
                for i, p in enumerate(policies)
                for q in policies[:i]
            },
        }
    return out
