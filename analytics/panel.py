"""Windows of all streams of a model group, side by side on a regular grid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.lives import UNKNOWN, phase_of
from analytics.physics import compute
from analytics.slots import Plan
from analytics.windows import Floats, Ints, Windows


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """D assets by T windows by s slots.

    Attributes
    ----------
    g : int64[T]
        Begin of each window, ns UTC, evenly spaced.
    x : float64[D, T, s]
        Slot values, NaN where missing or BAD.
    on : float64[D, T]
        Share of the window in an operating state; NaN where unknown.
    good : float64[D, T]
        Good fraction over the asset's slots; 0 where nothing came.
    phase : int8[D, T]
        Codes of :mod:`analytics.lives`.
    """

    grid_ns: int
    g: Ints
    x: Floats
    on: Floats
    good: Floats
    phase: NDArray[np.int8]

    @property
    def measured(self) -> Floats:
        """Slot values while the asset works, NaN elsewhere: float64[D, T, s]."""
        works = ~(self.on < 0.5)
        return np.where(works[:, :, None], self.x, np.nan)


def make_panel(plan: Plan, windows: Iterable[Windows], grid_ns: int, first: int, count: int) -> Panel:
    """Return ``count`` windows from ``first`` (ns) of a plan's devices."""
    d, s = len(plan.devices), len(plan.slots)
    row_of = np.full(max(plan.streams, default=-1) + 1, -1, dtype=np.intp)
    row_of[list(plan.streams)] = list(plan.streams.values())
    x = np.full((d, count, s), np.nan)
    on = np.full((d, count), np.nan)
    phase = np.full((d, count), UNKNOWN, dtype=np.int8)
    good = np.zeros((d, count))
    for part in windows:
        at = _place(part, row_of, grid_ns, first, count)
        if at is None:
            continue
        keep, rows, steps = at
        _fill(plan, part, keep, rows, steps, x, good)
        _fill_state(plan, part, keep, rows, steps, on, phase)
    compute(x, plan.slot_index())
    good /= np.maximum(np.array(plan.expected, dtype=np.float64), 1.0)[:, None]
    return Panel(grid_ns, first + np.arange(count, dtype=np.int64) * grid_ns, x, on, good, phase)


def _place(
    part: Windows, row_of: NDArray[np.intp], grid_ns: int, first: int, count: int
) -> tuple[NDArray[np.bool_], NDArray[np.intp], Ints] | None:
    """Return (which windows, their device rows, their steps) or None if none belongs here."""
    known = part.stream < len(row_of)
    rows = np.where(known, row_of[np.where(known, part.stream, 0)], -1) if len(row_of) else np.full(len(part), -1)
    steps = (part.g - first) // grid_ns
    keep = (rows >= 0) & (steps >= 0) & (steps < count)
    return (keep, rows[keep], steps[keep]) if bool(keep.any()) else None


def _fill(
    plan: Plan,
    part: Windows,
    keep: NDArray[np.bool_],
    rows: NDArray[np.intp],
    steps: Ints,
    x: Floats,
    good: Floats,
) -> None:
    column = plan.slot_index()
    for tap in plan.taps.get(part.layout.name, ()):
        if tap.stat not in part.values:
            continue
        x[rows, steps, column[tap.slot]] = part.column(tap.channel, tap.stat)[keep]
        good[rows, steps] += part.column(tap.channel, "good")[keep]


def _fill_state(
    plan: Plan,
    part: Windows,
    keep: NDArray[np.bool_],
    rows: NDArray[np.intp],
    steps: Ints,
    on: Floats,
    phase: NDArray[np.int8],
) -> None:
    channel = plan.states.get(part.layout.name)
    if channel is None or channel.states is None:
        return
    on[rows, steps] = part.column(channel.name, "on")[keep]
    codes = part.column(channel.name, "last")[keep]
    out = np.full(len(codes), UNKNOWN, dtype=np.int8)
    for code, value in phase_of(channel.states).items():
        out[codes == code] = value
    phase[rows, steps] = out
