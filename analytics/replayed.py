"""A history run through the windows and filters of the live path, group by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analytics.config import AnalyticsConfig, GroupConfig
from analytics.filters import FilterBank, States
from analytics.handover import Handover
from analytics.history import History, WindowHistory, narrowed
from analytics.labels import time_to_failure
from analytics.lives import EVENTS, Life, lives_of, marks_of_events, marks_of_phases, phase_of
from analytics.panel import Panel, make_panel
from analytics.shafts import Shafts
from analytics.slots import Plan, Slot, is_state, make_plan
from analytics.windows import Floats, Windows, reduce
from core.catalog import Catalog
from core.clock import NS
from core.errors import ModelError


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """Windows chosen for learning, n rows.

    Attributes
    ----------
    states
        Filter outputs.
    device, life : int64[n]
        Row of the device in the plan, running number of the life.
    t : int64[n]
        End of the window, ns UTC.
    y, known : float64[n]
        Seconds to failure (inf: censored), seconds the asset is known to live on.
    weight : float64[n]
        Span in s that each chosen window stands for.
    """

    states: States
    device: NDArray[np.int64]
    life: NDArray[np.int64]
    t: NDArray[np.int64]
    y: Floats
    known: Floats
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Replayed:
    """What is left of a history: samples for training, and every asset's state at its end for going on live."""

    plan: Plan
    lives: list[Life]
    samples: Samples
    bank: FilterBank
    end: int

    def handover(self) -> Handover:
        """Return what the live stream goes on from."""
        latest = {life.device: life for life in self.lives}
        return Handover(self.plan.devices, list(latest.values()), self.bank, self.end)


def replay(
    history: History, config: AnalyticsConfig, group: GroupConfig, kinds: list[str], slots: list[Slot] | None = None
) -> Replayed:
    """Return a group's history as samples and final states.

    Raises
    ------
    ModelError
        If the history has no rows of the group.
    """
    plan = make_plan(history.catalog, kinds, group.quantities, slots, group.signals, group.physics)
    panel = _panel(history, plan, config.grid, Shafts(group.signals, plan) if group.signals else None)
    lives = _lives(history, plan, panel)
    bank = FilterBank(config.filters, len(plan.devices), len(plan.slots))
    rows: list[_Piece] = []
    measured = panel.measured
    end = int(panel.g[-1]) + config.grid
    for number, life in enumerate(lives):
        d = plan.devices.index(life.device)
        first, last = _inside(panel, life)
        if last <= first:
            continue
        bank.reset(d, life.t0)
        span = slice(first, last)
        t = panel.g[span] + config.grid
        states = bank.run(d, t, measured[d, span], panel.on[d, span], panel.good[d, span])
        chosen, weight = _chosen(t, life, group, measured[d, span])
        rows.append(_Piece(states.take(chosen), life, d, number, t[chosen], weight))
    return Replayed(plan, lives, _samples(rows), bank, end)


def failing_kinds(history: History) -> list[str]:
    """Return the kinds of devices that failed in the history or could have (they report a failed state)."""
    events = history.events()
    failed = {e.device for e in events if e.name == "failure"}
    devices = history.catalog.devices
    kinds = {devices[path].kind for path in failed if path in devices}
    if not kinds and not any(e.name in EVENTS for e in events):
        kinds = {d.kind for d in devices.values() if _can_fail(history.catalog, d.path)}
    return sorted(kinds)


def _can_fail(catalog: Catalog, path: str) -> bool:
    channels = (c for s in catalog.devices[path].streams for c in s.layout.channels if is_state(c))
    return any(phase > 0 for c in channels if c.states for phase in phase_of(c.states).values())


def _panel(history: History, plan: Plan, grid_ns: int, shafts: Shafts | None) -> Panel:
    """Read, reduce and line up the rows of a plan; what says the speed comes before the waveforms."""
    parts: list[Windows] = []
    for name in sorted(plan.layouts, key=lambda layout: layout not in plan.speeds):
        layout = history.catalog.layout(name)
        channels = plan.channels(name)
        if isinstance(history, WindowHistory):
            parts += [history.reduced[name]] if name in history.reduced else []
            continue
        rows = history.rows(layout, channels)
        if rows is None:
            continue
        stats = {tap.stat for tap in plan.taps.get(name, ())}
        fast = bool(stats & {"rms", "kurtosis"})
        parts.append(reduce(rows, grid_ns, fast=fast, stats={"mean", "last", "good", "on"}, shafts=shafts))
        if shafts is not None:
            shafts.hear(parts[-1])
        assert narrowed(layout, channels).columns == rows.layout.columns
    parts = [p for p in parts if len(p)]
    if not parts:
        raise ModelError("the history has no rows of the assets to learn from: check the groups' kinds")
    first = min(int(p.g.min()) for p in parts)
    last = max(int(p.g.max()) for p in parts)
    return make_panel(plan, parts, grid_ns, first, (last - first) // grid_ns + 1)


def _lives(history: History, plan: Plan, panel: Panel) -> list[Life]:
    """Return the lives of a plan's devices in order of device and time."""
    told = marks_of_events(history.events())
    start, end = int(panel.g[0]), int(panel.g[-1]) + panel.grid_ns
    lives: list[Life] = []
    for d, device in enumerate(plan.devices):
        seen = marks_of_phases(panel.g, panel.phase[d], panel.grid_ns)
        lives += lives_of(device, [*told.get(device, ()), *seen], start, end)
    return lives


def _inside(panel: Panel, life: Life) -> tuple[int, int]:
    """Return the windows that lie wholly within a life, as [first, last)."""
    first = int(np.searchsorted(panel.g, life.t0, side="left"))
    last = int(np.searchsorted(panel.g + panel.grid_ns, life.t1, side="right"))
    return first, last


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """Windows chosen of one life."""

    states: States
    life: Life
    device: int
    number: int
    t: NDArray[np.int64]
    weight: Floats


def _chosen(t: NDArray[np.int64], life: Life, group: GroupConfig, measured: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return which windows of a life to learn from, and the span (s) that each stands for.

    The first window with a value in each span is taken; spans are shorter before a failure.
    """
    sampling = group.sampling
    span = np.full(len(t), sampling.every)
    if life.end == "failure" and group.prognosis is not None:
        span[life.t1 - t <= group.prognosis.horizon] = sampling.dense_every
    works = np.flatnonzero(np.isfinite(measured).any(axis=1))
    block, kind = (t[works] - life.t0) // span[works], span[works]
    first = np.ones(len(works), dtype=bool)
    first[1:] = (np.diff(block) != 0) | (np.diff(kind) != 0)
    chosen = works[first]
    return chosen, span[chosen] / NS


def _samples(pieces: list[_Piece]) -> Samples:
    pieces = [p for p in pieces if len(p.t)]
    if not pieces:
        raise ModelError("no asset of the group was seen working: nothing to learn from")
    labels = [time_to_failure(p.t, p.life) for p in pieces]
    return Samples(
        States.join([p.states for p in pieces]),
        np.concatenate([np.full(len(p.t), p.device) for p in pieces]),
        np.concatenate([np.full(len(p.t), p.number) for p in pieces]),
        np.concatenate([p.t for p in pieces]),
        np.concatenate([y for y, _ in labels]),
        np.concatenate([known for _, known in labels]),
        np.concatenate([p.weight for p in pieces]),
    )
