"""What a renewal policy costs a day in the long run, from recorded lives.

By the renewal-reward theorem (Barlow and Proschan 1965) the long-run cost rate is the expected cost of a cycle over
its expected length. A cycle ends with a failure or with a planned renewal, whichever comes first. Lives that were
already under way when the record began join the risk set at the age they had then (left truncation), open ones leave
it unfinished (the product-limit estimate of Kaplan and Meier), so no life is taken for shorter than it was.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
OPEN, FAILED, RENEWED = 0, 1, 2


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One recorded life: age in days at its ends, and what was seen of it shift by shift.

    ``age``, ``loss`` (KRW a day) and ``risk`` (chance of failure within the horizon): float64[m], in order of age.
    """

    kind: str
    entry: float
    exit: float
    failed: bool
    age: Floats
    loss: Floats
    risk: Floats
    #: whether a renewal may be ordered at the end of the shift
    window: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cycle:
    """How a life goes under a policy: ages (days), how it ends, and the loss a day at its ages."""

    entry: float
    exit: float
    end: int
    age: Floats
    loss: Floats


def at_age(track: Track, interval: float) -> Cycle | None:
    """Return a life under renewal at a fixed age (days); None if it was older from the beginning."""
    if track.entry >= interval:
        return None
    due = np.flatnonzero((track.age >= interval) & track.window)
    return _cut(track, float(track.age[due[0]]) if len(due) else np.inf)


def at_limit(track: Track, limit: float, dear: float, horizon_days: float) -> Cycle | None:
    """Return a life under renewal where a day of waiting costs ``limit``; ``dear`` is failure less renewal, KRW."""
    waiting = track.risk * dear / horizon_days + track.loss
    if len(waiting) and waiting[0] >= limit and track.entry > 0:
        return None  # would have been renewed before the record began
    due = np.flatnonzero((waiting >= limit) & track.window)
    return _cut(track, float(track.age[due[0]]) if len(due) else np.inf)


def _cut(track: Track, at: float) -> Cycle:
    if at >= track.exit:
        return Cycle(track.entry, track.exit, FAILED if track.failed else OPEN, track.age, track.loss)
    keep = track.age <= at
    return Cycle(track.entry, at, RENEWED, track.age[keep], track.loss[keep])


def cost_rate(cycles: list[Cycle], failure: float, renewal: float) -> float:
    """Return KRW a day of cycles that cost ``failure`` or ``renewal`` at their end and their loss on the way.

    NaN where nothing was seen. What is still alive at the greatest age seen is taken as renewed there.
    """
    if not cycles:
        return float("nan")
    entry, exit_ = (np.array([getattr(c, name) for c in cycles]) for name in ("entry", "exit"))
    end = np.array([c.end for c in cycles])
    times = np.unique(exit_[end != OPEN])
    at_risk = ((entry < times[:, None]) & (exit_ >= times[:, None])).sum(axis=1)
    gone, failed = (
        ((exit_ == times[:, None]) & np.isin(end, how)).sum(axis=1) for how in ((FAILED, RENEWED), (FAILED,))
    )
    alive = np.concatenate([[1.0], np.cumprod(1.0 - gone / at_risk)])  # before each time, and after the last
    failing = float((alive[:-1] * failed / at_risk).sum())
    edges = np.concatenate([[0.0], times, [float(exit_.max())]])
    length = float((alive * np.diff(edges)).sum())
    cost = failing * failure + (1.0 - failing) * renewal + _lost(cycles, times, alive, float(exit_.max()))
    return cost / length if length > 0 else float("nan")


def _lost(cycles: list[Cycle], times: Floats, alive: Floats, longest: float) -> float:
    """Return the expected loss of a cycle: the mean loss at each day of age times the chance to get there."""
    days = np.arange(int(np.ceil(longest)) + 1)
    age = np.concatenate([c.age for c in cycles]).astype(np.int64)
    loss = np.concatenate([c.loss for c in cycles])
    seen = np.bincount(age, minlength=len(days))[: len(days)]
    mean = np.bincount(age, loss, minlength=len(days))[: len(days)] / np.maximum(seen, 1)
    left = alive[np.searchsorted(times, days + 0.5)]
    width = np.clip(longest - days, 0.0, 1.0)
    return float((left * mean * width).sum())
