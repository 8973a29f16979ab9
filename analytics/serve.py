"""Serving: live rows in, findings, prognoses, work orders and commands out, on the grid of the training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from analytics.config import AnalyticsConfig
from analytics.live_windows import LiveWindows
from analytics.model import TrainedModels
from analytics.readings import Readings
from analytics.serve_group import INPUT, GroupServing
from analytics.windows import Windows
from core.batch import Batch
from core.catalog import Catalog
from core.clock import NS, mono_ns
from core.command import Cause, Command, Event
from core.finding import Finding, Prognosis, WorkOrder
from core.metrics import Metrics
from core.ports import Note, Policy
from core.spec import StreamSpec


@dataclass(slots=True)
class Served:
    """What one call of :meth:`Serving.feed` led to."""

    findings: list[Finding] = field(default_factory=list)
    prognoses: list[Prognosis] = field(default_factory=list)
    work_orders: list[WorkOrder] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def notes(self) -> list[Note]:
        """Everything that a store should keep."""
        return [*self.findings, *self.prognoses, *self.work_orders, *self.commands, *self.events]

    def __bool__(self) -> bool:
        return bool(self.findings or self.prognoses or self.work_orders or self.commands or self.events)


class Serving:
    """Models and policies at work on the live stream.

    Parameters
    ----------
    models
        Trained models; their replayed history, where there is one, is gone on from.
    config
        Settings, the same as in training.
    catalog
        Live catalog; may grow.
    costs
        Kind of equipment -> what policies need to know of its costs (``cost_failure``, ``cost_planned``, KRW).
    """

    def __init__(
        self,
        models: TrainedModels,
        config: AnalyticsConfig,
        catalog: Catalog,
        costs: Mapping[str, Mapping[str, float]] | None = None,
    ) -> None:
        self.metrics = Metrics()
        self._models = models
        self._config = config
        self._catalog = catalog
        self._size = (0, 0)
        self._groups: list[GroupServing] = []
        self._layouts: set[str] = set()
        self._costs = costs or {}
        self._policies: list[Policy] = [p.build() for p in config.policies]
        self._readings = Readings(_wanted(config.policies), config.grid)
        self._prognoses: dict[str, Prognosis] = {}
        self._done = 0
        self._windows = LiveWindows(
            config.grid,
            self._spec_of,
            lateness_ns=config.lateness,
            silence_ns=config.silence,
            stats=("mean", "last", "good", "on"),
        )

    def open(self) -> Served:
        """Place the models in the catalog, go on from the history and judge every asset as it left it."""
        self._groups = [GroupServing(m, self._config, self._catalog) for m in self._models.models.values()]
        self._notice_growth()
        out = Served()
        for group in self._groups:
            handover = self._models.handover(group.model.name)
            if handover is None:
                continue
            group.prime(handover)
            self._done = max(self._done, handover.end)
            findings, prognoses = group.assess(handover.end)
            out.findings += findings
            out.prognoses += prognoses
        self._windows.skip_to(self._done)
        self._remember(out.prognoses)
        return out

    def feed(self, batches: Sequence[Batch], notes: Iterable[Note] = (), catalog: Catalog | None = None) -> Served:
        """Take in rows and notes; score all assets for every window that they close, then ask the policies."""
        if catalog is not None:
            self._catalog = catalog
        self._notice_growth()
        events = [note for note in notes if isinstance(note, Event)]
        for group in self._groups:
            group.hear(events)
        wanted = [b for b in batches if b.layout.name in self._layouts]
        before = self._windows.front
        closed = self._windows.feed(wanted)
        if self._windows.front <= before:
            return Served()
        began = mono_ns()
        out = self._score(closed)
        self.metrics.time("score", mono_ns() - began)
        return out

    def status(self) -> dict[str, float | int]:
        """Return counters and the present lag (s of run time between the newest row and the last scored window)."""
        inputs = sum(name == INPUT for group in self._groups for _, name in group.findings)
        return {
            "assets": sum(len(group.plan.devices) for group in self._groups),
            "windows": self.metrics.counts["windows"],
            "scored": self.metrics.counts["scored"],
            "late_rows": self._windows.late,
            "held_rows": self._windows.held,
            "lag_s": round(self._windows.lag_ns / NS, 3),
            "score_ms_p99": self.metrics.latencies["score"].quantile_ms(0.99) or 0.0,
            "active_findings": sum(len(group.findings) for group in self._groups),
            "bad_inputs": inputs,
        }

    def monitors(self) -> dict[str, dict[str, float | int | str]]:
        """Return input drift and error of each model."""
        return {group.model.name: group.monitor.status() for group in self._groups}

    def _score(self, closed: list[Windows]) -> Served:
        out = Served()
        earliest = min((int(w.g.min()) for w in closed), default=self._windows.front)
        first = max(self._done, earliest)
        count = (self._windows.front - first) // self._config.grid
        self._done = self._windows.front
        if count <= 0:
            return out
        self._readings.take(closed)
        for group in self._groups:
            findings, prognoses = group.windows(closed, first, count)
            out.findings += findings
            out.prognoses += prognoses
            self.metrics.count("scored", len(prognoses))
            out.events += group.monitor.tell(group.model.name, self._done)
        self.metrics.count("windows", count)
        self._remember(out.prognoses)
        self._decide(out)
        return out

    def _remember(self, prognoses: list[Prognosis]) -> None:
        self._prognoses |= {p.device: p for p in prognoses}

    def _decide(self, out: Served) -> None:
        """Ask every policy and give each command the row that led to it."""
        now = self._done
        state = self._state(now)
        active = sorted((f for g in self._groups for f in g.findings.values()), key=lambda f: f.severity != "alarm")
        worst: dict[str, Finding] = {}
        for finding in active:
            if finding.detector != INPUT:
                worst.setdefault(finding.device, finding)
        fresh = {device: p for device, p in self._prognoses.items() if p.t == now}
        for policy in self._policies:
            for order in self._known(policy.decide(now, fresh, worst, state)):
                if isinstance(order, Command):
                    out.commands.append(replace(order, cause=self._cause(order.device)))
                else:
                    out.work_orders.append(order)

    def _state(self, now: int) -> dict[str, dict[str, float]]:
        """Return what policies need to know: age and stops of machines with a model, readings, costs."""
        out = self._readings.state(now)
        for group in self._groups:
            for device, own in group.state(now).items():
                costs = self._costs.get(self._catalog.devices[device].kind, {})
                out[device] = {**out.get(device, {}), **costs, **own}
        return out

    def _known(self, orders: Sequence[WorkOrder | Command]) -> list[WorkOrder | Command]:
        """Leave out commands that their device does not know, with their orders; they are counted."""
        devices = self._catalog.devices
        strange = set()
        for order in orders:
            if isinstance(order, Command):
                names = {c.name for c in devices[order.device].commands}
                if names and order.name not in names:
                    strange.add(order.id)
        self.metrics.count("unknown_commands", len(strange))
        return [o for o in orders if (o.id if isinstance(o, Command) else o.command) not in strange]

    def _cause(self, device: str) -> Cause | None:
        """Return the newest row of a device: the one whose arrival closed its window."""
        spec = self._catalog.devices[device]
        paths = [spec.stream_path(s.name) for s in spec.streams]
        rows = [self._windows.last_row(self._catalog.index(path), path) for path in paths]
        return max((r for r in rows if r is not None), key=lambda r: r.t, default=None)

    def _spec_of(self, index: int) -> StreamSpec:
        return self._catalog.streams[index].spec

    def _notice_growth(self) -> None:
        size = (len(self._catalog.devices), len(self._catalog.streams))
        if size == self._size:
            return
        if self._size != (0, 0):
            for group in self._groups:
                group.extend(self._catalog)
        self._size = size
        self._readings.place(self._catalog)
        self._layouts = {name for group in self._groups for name in group.plan.layouts} | self._readings.layouts
        self._windows.shafts = [group.shafts for group in self._groups if group.shafts is not None]


def _wanted(policies: Iterable[object]) -> dict[str, tuple[str, ...]]:
    """Return the channels that policies read, by kind."""
    out: dict[str, tuple[str, ...]] = {}
    for policy in policies:
        reads: Mapping[str, tuple[str, ...]] = getattr(policy, "reads", {})
        for kind, channels in reads.items():
            out[kind] = tuple(dict.fromkeys((*out.get(kind, ()), *channels)))
    return out
