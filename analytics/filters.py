"""Recursive filters over windows with memory of their state: history and live run the very same recursion.

A level is an exponentially weighted mean that leaves missing values out: with weight w_i = 1 where x_i is there
and 0 elsewhere, ``N_i = a w_i x_i + (1 - a) N_{i-1}`` and ``W_i`` likewise with x = 1, the level is N / W. That
is a plain running mean at first and an EWMA later, without look-ahead by construction. The baseline is the mean
of an asset's first windows of a life; it stands still afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.windows import Floats, Ints
from core.clock import NS
from core.config import Config


class FilterConfig(Config):
    """Memory of the filters, in windows.

    Attributes
    ----------
    fast, slow
        Time constants of the quick level and of the level that trends are measured against.
    baseline, baseline_min
        Windows of a life that make its baseline, and how many must be there before it is used.
    """

    fast: int = 15
    slow: int = 360
    baseline: int = 720
    baseline_min: int = 30


_STATE = ("_steps", "_base_n", "_base_sum", "_recent", "_since")


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """Filter outputs of n windows (of one asset in time, or of many at once) and s slots.

    ``level``, ``slow``, ``base``: float64[n, s]; ``age_s`` since the last renewal, ``duty`` (share of time in
    operation) and ``good`` fraction: float64[n]; ``steps_apart`` is the lag between ``slow`` and ``level`` in
    windows, float64[n].
    """

    level: Floats
    slow: Floats
    base: Floats
    age_s: Floats
    duty: Floats
    good: Floats
    steps_apart: Floats

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> States:
        """Return the chosen windows."""
        return States(*(getattr(self, name)[rows] for name in self.__slots__))

    @classmethod
    def join(cls, parts: list[States]) -> States:
        """Return several as one."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.__slots__))


class FilterBank:
    """Filter states of D assets and s slots."""

    def __init__(self, config: FilterConfig, devices: int, slots: int) -> None:
        self._config = config
        self._fast = _Level(config.fast, (devices, slots))
        self._slow = _Level(config.slow, (devices, slots))
        self._duty = _Level(config.slow, (devices, 1))
        self._steps = np.zeros(devices)
        self._base_n = np.zeros((devices, slots))
        self._base_sum = np.zeros((devices, slots))
        self._recent = np.full((devices, 2, slots), np.nan)
        self._since = np.zeros(devices, dtype=np.int64)

    def reset(self, device: int, since: int) -> None:
        """Begin a new life of a device at ``since`` (ns UTC)."""
        for level in (self._fast, self._slow, self._duty):
            level.reset(device)
        self._steps[device] = 0.0
        self._base_n[device] = 0.0
        self._base_sum[device] = 0.0
        self._recent[device] = np.nan
        self._since[device] = since

    def copy_row(self, row: int, other: FilterBank, other_row: int) -> None:
        """Take over the state of a device from another bank of the same slots."""
        for mine, theirs in ((self._fast, other._fast), (self._slow, other._slow), (self._duty, other._duty)):
            mine.n[row], mine.w[row] = theirs.n[other_row], theirs.w[other_row]
        for name in _STATE:
            getattr(self, name)[row] = getattr(other, name)[other_row]

    def arrays(self) -> dict[str, Floats | Ints]:
        """Return the whole state by name."""
        levels = {"fast": self._fast, "slow": self._slow, "duty": self._duty}
        own = {name.lstrip("_"): getattr(self, name) for name in _STATE}
        return {f"{name}.{part}": getattr(level, part) for name, level in levels.items() for part in "nw"} | own

    def take_arrays(self, arrays: dict[str, NDArray[np.generic]]) -> None:
        """Take over the state of :meth:`arrays`; raises ValueError where shapes or names differ."""
        for name, mine in self.arrays().items():
            if name not in arrays or arrays[name].shape != mine.shape:
                raise ValueError(f"{name} does not fit")
            mine[...] = arrays[name]

    def run(self, device: int, end: Ints, x: Floats, on: Floats, good: Floats) -> States:
        """Feed T windows of one device, all of one life; ``end: int64[T]`` (ns), ``x: float64[T, s]``."""
        only = np.array([device])
        parts = self._advance(only, end[None, :], x[None], on[None, :], good[None, :])
        return States(*(getattr(parts, name)[0] for name in States.__slots__))

    def step(self, devices: NDArray[np.intp], end: int, x: Floats, on: Floats, good: Floats) -> States:
        """Feed one window of many devices; ``x: float64[n, s]``, ``on, good: float64[n]``."""
        ends = np.full((len(devices), 1), end, dtype=np.int64)
        parts = self._advance(devices, ends, x[:, None, :], on[:, None], good[:, None])
        return States(*(getattr(parts, name)[:, 0] for name in States.__slots__))

    def peek(self, devices: NDArray[np.intp], now: int) -> States:
        """Return the states of devices as they stand, without feeding a window."""
        n = self._base_n[devices]
        base = np.where(n >= self._config.baseline_min, self._base_sum[devices] / np.maximum(n, 1.0), np.nan)
        steps = self._steps[devices]
        return States(
            self._fast.value(devices),
            self._slow.value(devices),
            base,
            (now - self._since[devices]) / NS,
            self._duty.value(devices)[:, 0],
            np.ones(len(devices)),
            _lag(self._config.slow, steps) - _lag(self._config.fast, steps),
        )

    def _advance(self, d: NDArray[np.intp], end: Ints, x: Floats, on: Floats, good: Floats) -> States:
        """Feed windows [n, T] of devices d[n] and return the states [n, T, ...]."""
        x = self._without_spikes(d, x)
        level = self._fast.feed(d, x)
        slow = self._slow.feed(d, x)
        duty = self._duty.feed(d, on[:, :, None])[:, :, 0]
        steps = self._steps[d][:, None] + np.arange(1, x.shape[1] + 1)
        self._steps[d] = steps[:, -1] if steps.shape[1] else self._steps[d]
        age_s = (end - self._since[d][:, None]) / NS
        apart = _lag(self._config.slow, steps) - _lag(self._config.fast, steps)
        return States(level, slow, self._base(d, x), age_s, duty, good, apart)

    def _without_spikes(self, d: NDArray[np.intp], x: Floats) -> Floats:
        """Return the median of each value and the two before it; missing stays missing."""
        whole = np.concatenate([self._recent[d], x], axis=1)
        self._recent[d] = whole[:, -2:]
        a, b, c = whole[:, :-2], whole[:, 1:-1], whole[:, 2:]
        middle = np.fmax(np.fmin(a, b), np.fmin(np.fmax(a, b), c))
        return np.where(np.isnan(c) | np.isnan(a) | np.isnan(b), c, middle)

    def _base(self, d: NDArray[np.intp], x: Floats) -> Floats:
        there = np.isfinite(x)
        n = np.cumsum(np.concatenate([self._base_n[d][:, None], there], axis=1), axis=1)[:, 1:]
        counted = there & (n <= self._config.baseline)
        values = np.where(counted, x, 0.0)
        total = np.cumsum(np.concatenate([self._base_sum[d][:, None], values], axis=1), axis=1)[:, 1:]
        n = np.minimum(n, self._config.baseline)
        if x.shape[1]:
            self._base_n[d], self._base_sum[d] = n[:, -1], total[:, -1]
        return np.where(n >= self._config.baseline_min, total / np.maximum(n, 1.0), np.nan)


class _Level:
    """An exponentially weighted mean that leaves missing values out."""

    def __init__(self, memory: int, shape: tuple[int, int]) -> None:
        self.alpha = 1.0 / max(memory, 1)
        self.n = np.zeros(shape)
        self.w = np.zeros(shape)

    def reset(self, device: int) -> None:
        self.n[device] = 0.0
        self.w[device] = 0.0

    def feed(self, d: NDArray[np.intp], x: Floats) -> Floats:
        """Return the level after each window, float64[n, T, s]; NaN before the first value."""
        there = np.isfinite(x)
        n, self.n[d] = self._filter(np.where(there, x, 0.0), self.n[d])
        w, self.w[d] = self._filter(there.astype(np.float64), self.w[d])
        return _quotient(n, w)

    def value(self, d: NDArray[np.intp]) -> Floats:
        """Return the present level of devices, float64[n, s]."""
        decay = 1.0 - self.alpha  # the filter keeps its output times the decay
        return _quotient(self.n[d], self.w[d]) if decay else np.full(self.n[d].shape, np.nan)

    def _filter(self, x: Floats, state: Floats) -> tuple[Floats, Floats]:
        from scipy.signal import lfilter  # takes more than a second to import: not at every start of every process

        decay = 1.0 - self.alpha
        if x.shape[1] == 1:  # live: the same two operations without the weight of scipy
            y = self.alpha * x + state[:, None, :]
            return y, decay * y[:, 0, :]

        y, z = lfilter([self.alpha], [1.0, -decay], x, axis=1, zi=state[:, None, :])
        return y, z[:, 0, :]


def _quotient(n: Floats, w: Floats) -> Floats:
    return np.where(w > 1e-12, n / np.maximum(w, 1e-12), np.nan)


def _lag(memory: int, steps: Floats) -> Floats:
    """Return the mean age in windows of what a level of that memory has seen after ``steps`` windows.

    The weights a (1 - a)^j, j < m, have the mean age (1 - a) / a - m (1 - a)^m / (1 - (1 - a)^m).
    """
    decay = 1.0 - 1.0 / max(memory, 1)
    if decay == 0.0:
        return np.zeros_like(steps)
    gone = decay**steps
    return decay / (1.0 - decay) - steps * gone / np.maximum(1.0 - gone, 1e-12)
