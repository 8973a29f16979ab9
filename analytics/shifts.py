"""The closed loop at full speed: whole shifts of rows in, orders out; the features and models of the live path.

No network and no late rows: a shift is one window of the feature grid, so everything of it is scored in one call.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analytics.config import AnalyticsConfig
from analytics.lives import UP, LifeState, marks_of_events
from analytics.model import TrainedModels
from analytics.serve_group import INPUT, GroupServing
from analytics.slots import make_plan
from analytics.windows import Windows, join, reduce
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS
from core.command import Event
from core.finding import Finding, Prognosis

STATS = ("mean", "last", "good", "on")


def wanted(catalog: Catalog, config: AnalyticsConfig, kinds: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return what models look at, layout -> channels: all that has to be rendered."""
    out: dict[str, tuple[str, ...]] = {}
    for group in config.groups:
        plan = make_plan(catalog, group.kinds or kinds, group.quantities)
        out |= {layout: tuple(plan.channels(layout)) for layout in plan.taps}
    return out


class Reducer:
    """Reduces rows to windows as the live path does, from ``origin`` (ns UTC) on; keeps them if asked."""

    def __init__(self, grid_ns: int, origin: int, keep: bool = False) -> None:
        self._grid_ns = grid_ns
        self._origin = origin
        self._keep = keep
        self._kept: dict[str, list[Windows]] = {}

    def take(self, batches: Iterable[Batch]) -> list[Windows]:
        """Return the windows of rows of whole windows."""
        out = [reduce(batch, self._grid_ns, fast=False, stats=STATS, origin=self._origin) for batch in batches]
        if self._keep:
            for windows in out:
                self._kept.setdefault(windows.layout.name, []).append(windows)
        return out

    def kept(self) -> dict[str, Windows]:
        """Return all windows so far, by layout."""
        return {name: join(parts) for name, parts in self._kept.items()}


class LifeBook:
    """What maintenance records say of each machine: since when its parts are in service, whether it is down."""

    def __init__(self, since: Mapping[str, int]) -> None:
        self._lives = {device: LifeState(t) for device, t in since.items()}

    def hear(self, events: Iterable[Event]) -> None:
        """Take in events."""
        for device, marks in marks_of_events(events).items():
            if device in self._lives:
                for mark in sorted(marks, key=lambda m: m.t):
                    self._lives[device].move(mark)
                self._lives[device].closed.clear()

    def state(self, now: int) -> dict[str, dict[str, float]]:
        """Return age and down time as policies read them."""
        return {
            device: {"age_s": (now - life.since) / NS if life.phase == UP else 0.0, "down": float(life.phase != UP)}
            for device, life in self._lives.items()
        }


@dataclass(slots=True)
class Opinion:
    """What models say at the end of a shift, by device."""

    prognoses: dict[str, Prognosis] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)


class Watch:
    """Models at work on shifts; several may be taken in at once where nothing can be done in between.

    Parameters
    ----------
    models, config, catalog
        As for :class:`analytics.serve.Serving`.
    use
        ``prognosis`` or ``findings``: what is not asked for is not computed.
    """

    def __init__(self, models: TrainedModels, config: AnalyticsConfig, catalog: Catalog, use: str) -> None:
        told = models.models.values()
        needed = [replace(m, detectors=[]) if use == "prognosis" else replace(m, prognoser=None) for m in told]
        self._groups = [GroupServing(model, config, catalog) for model in needed]

    def shifts(self, windows: list[Windows], events: Sequence[Event], begin: int, count: int) -> Opinion:
        """Return what is to be said at the end of ``count`` shifts, of which the first began at ``begin`` (ns UTC)."""
        out = Opinion()
        for group in self._groups:
            group.hear(events)
            _, prognoses = group.windows(windows, begin, count, last_only=True)
            out.prognoses |= {p.device: p for p in prognoses}
            for (device, detector), finding in group.findings.items():
                known = out.findings.get(device)
                if detector != INPUT and (known is None or known.severity != "alarm"):
                    out.findings[device] = finding
        return out
