"""What a renewal policy costs a day in the long run, from recorded lives.

By the renewal-reward theorem (Barlow and Proschan 1965) the long-run cost rate is the expected cost of a cycle over
its expected length. A cycle ends with a failure or with a planned renewal, whichever comes first. Lives that were
already under way when the record began join the risk set at the age they had then (left truncation), open ones leave
it unfinished (Nelson-Aalen by day of age), so no life is taken for shorter than it was.
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
    days = np.arange(int(np.ceil(exit_.max())) + 1)
    spent = np.clip(exit_[:, None] - days, 0, 1) - np.clip(entry[:, None] - days, 0, 1)
    at_risk = spent.sum(axis=0)
    seen = at_risk > 0
    chance = {}
    for how in (FAILED, RENEWED):
        count = np.bincount(exit_[end == how].astype(np.int64), minlength=len(days))[: len(days)]
        chance[how] = np.where(seen, count / np.maximum(at_risk, 1e-9), 0.0)
    gone = chance[FAILED] + chance[RENEWED]
    hazard = 1.0 - np.exp(-gone)
    alive = np.concatenate([[1.0], np.cumprod(1.0 - hazard)])
    leaving = alive[:-1] * hazard
    share = np.divide(chance[FAILED], gone, out=np.zeros_like(gone), where=gone > 0)
    failing = float((leaving * share).sum())
    age = np.concatenate([c.age for c in cycles]).astype(np.int64)
    loss = np.concatenate([c.loss for c in cycles])
    n = np.bincount(age, minlength=len(days))[: len(days)]
    mean = np.bincount(age, loss, minlength=len(days))[: len(days)] / np.maximum(n, 1)
    middle = (alive[:-1] + alive[1:]) / 2.0
    length = float(middle.sum())
    cost = failing * failure + (1.0 - failing) * renewal + float((middle * mean).sum())
    return cost / length if length > 0 else float("nan")
