"""Figures of merit with bootstrap intervals, for evaluations on data with known outcomes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the interval that resampling the cases gives."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f} [{self.low:.2f}, {self.high:.2f}]"


def rmse(predicted: Floats, true: Floats) -> float:
    """Return the root of the mean squared error."""
    return float(np.sqrt(np.mean((predicted - true) ** 2)))


def phm08(predicted: Floats, true: Floats) -> float:
    """Return the score of the PHM08 challenge: sum of exp(-d/13) - 1 for d < 0, exp(d/10) - 1 otherwise."""
    d = predicted - true
    return float(np.sum(np.where(d < 0, np.exp(-d / 13.0), np.exp(d / 10.0)) - 1.0))


def bootstrap(
    of: Callable[[Floats, Floats], float],
    predicted: Floats,
    true: Floats,
    *,
    seed: int = 0,
    times: int = 2000,
    confidence: float = 0.95,
) -> Figure:
    """Return a figure of paired cases with its percentile bootstrap interval."""
    rng = np.random.default_rng(seed)
    draws = rng.integers(0, len(true), (times, len(true)))
    values = np.array([of(predicted[d], true[d]) for d in draws])
    tail = (1.0 - confidence) / 2
    return Figure(of(predicted, true), float(np.quantile(values, tail)), float(np.quantile(values, 1.0 - tail)))
