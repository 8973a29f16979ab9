"""One world under one policy at full speed: simulator and analysis in one process, shift by shift."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from analytics.config import AnalyticsConfig
from analytics.feedback.maintenance import ConditionConfig, PeriodicConfig, PredictiveConfig, RunToFailureConfig
from analytics.shifts import LifeBook, Opinion, Reducer, Watch, wanted
from core.clock import NS, cpu_ns
from core.command import FINAL, Command, CommandResult, Event
from core.ports import Policy
from simulator.asset import Asset
from simulator.domain import DomainConfig
from simulator.fleet import Sampling
from simulator.recursion import use_lfilter
from simulator.world import World, WorldConfig
from testbed.compare.books import Books
from testbed.compare.config import CompareConfig
from testbed.compare.task import PARTS, Plan, Record, Result, Task


def run(task: Task) -> Result:
    """Return what came of a task; a function of the task alone."""
    return _Run(task).run()


def maintained(domains: Sequence[DomainConfig], config: AnalyticsConfig) -> list[str]:
    """Return the kinds that policies look after: those of the model groups that wear."""
    wearing = [e.kind for d in domains for e in d.equipment if e.wears()]
    named = {kind for group in config.groups for kind in group.kinds}
    return sorted({k for k in wearing if not named or k in named})


class _Run:
    def __init__(self, task: Task) -> None:
        use_lfilter()
        scenario = task.scenario
        assert scenario.config.compare is not None
        self.task, self.config = task, scenario.config.compare
        self.analytics = scenario.config.analytics.model_copy(update={"grid": self.config.calendar.shift})
        self.kinds = maintained(scenario.domains, self.analytics)
        self.looks = task.record == "windows" or task.plan.policy in ("condition", "predictive")
        self.world = self._world()
        self.books = Books(self.config, self.world.assets, self.world.start, self.kinds)
        self.calendar = self.books.calendar
        self.machines = {p: a for p, a in self.world.assets.items() if a.components and a.spec.kind in self.kinds}
        self.since = self._in_service()
        self.lives = LifeBook(self.since)
        self.loss: dict[str, list[float]] = {}
        self.policy = build(task.plan, self.config)
        self.reducer = Reducer(self.analytics.grid, self.world.start, keep=task.record == "windows")
        self.watch = self._watch()
        self.events: list[Event] = []
        self.seen, self.told = 0, 0  # simulated ns, and events, up to which models have looked
        self.orders: Counter[str] = Counter()
        self.asked: set[str] = set()
        self.spent = dict.fromkeys(PARTS, 0)

    def run(self) -> Result:
        steps = self._steps()
        for k in range(self.task.days * self.calendar.a_day):
            self._shift(k)
        with self._clock("books"):
            figures, ledger, spans = self.books.close()
        lives = self.world.close_truth().tables()["lives"]
        record = self._record() if self.task.record else None
        profile = {**self.spent, "sim_days": self.task.days, "steps": self._steps() - steps}
        return Result(
            self.task.plan.policy, self.task.seed, figures, ledger, spans, lives, dict(self.orders), profile, record
        )

    def _record(self) -> Record:
        loss = {path: np.array(krw) for path, krw in self.loss.items()}
        return Record(self.world.catalog, self.reducer.kept(), self.events, self.since, loss)

    def _world(self) -> World:
        scenario, sample = self.task.scenario, self.config.sample
        config = WorldConfig.model_validate({"domains": scenario.domains})
        start, seed = scenario.config.start_ns(), self.task.seed
        if not self.looks:
            world = World(config, start, seed, Sampling(sample, sample, NS, {}, health=False))
            world.keep_only("state")
            return world
        catalog = World(config, start, seed, Sampling(sample, sample, NS, {}, health=False)).catalog
        only = wanted(catalog, self.analytics, self.kinds)
        return World(config, start, seed, Sampling(sample, sample, NS, only, health=False))

    def _watch(self) -> Watch | None:
        plan = self.task.plan
        if plan.models is None or plan.policy not in ("condition", "predictive"):
            return None
        use = "findings" if plan.policy == "condition" else "prognosis"
        return Watch(plan.models, self.analytics, self.world.catalog, use)

    def _in_service(self) -> dict[str, int]:
        """Return since when the parts of each machine are in service by the records, ns UTC."""
        calendar = self.config.calendar
        duty = calendar.shifts * calendar.days / (calendar.a_day * 7.0)
        out = {}
        for path, asset in self.machines.items():
            age = max(c.age_s for c in asset.components.values())
            out[path] = self.world.start - round(age / (duty if asset.spec.kind in calendar.kinds else 1.0) * NS)
        return out

    def _shift(self, k: int) -> None:
        t1 = (k + 1) * self.calendar.shift
        world = self.world
        with self._clock("events"):
            works = self.calendar.works(k)
            for asset in world.assets.values():
                if asset.spec.kind in self.config.calendar.kinds:
                    asset.follow_calendar(works)
            world.advance(t1)
        with self._clock("books"):
            notes = world.notes()
            events = [note for note in notes if isinstance(note, Event)]
            self._hear(notes)
            self.books.shift(events)
            self.lives.hear(events)
            self.events += events
            for path, krw in self.books.loss.items() if self.task.record else ():
                self.loss.setdefault(path, []).append(krw)
        last = k + 1 == self.task.days * self.calendar.a_day
        if not self._can_act(k + 1) and not last:
            return  # nothing can be ordered now: what happened is looked at when something can
        opinion = self._opinion(t1)
        with self._clock("scoring"):
            self._decide(k + 1, t1, opinion)

    def _can_act(self, shift: int) -> bool:
        """Tell whether an order may go out before a shift: production stands still then, or there are urgent ones."""
        return not self.calendar.works(shift) or self.config.urgent < 1.0

    def _opinion(self, t1: int) -> Opinion:
        """Return what models say of the shifts since the last decision."""
        t0, self.seen = self.seen, t1
        fresh, self.told = self.events[self.told :], len(self.events)
        with self._clock("books"):
            self.books.states(self.world.states())
        if not self.looks:
            self.world.leave_out(t1)
            return Opinion()
        with self._clock("rendering"):
            batches = self.world.render(t0, t1)
        with self._clock("features"):
            windows = self.reducer.take(batches)
        if self.watch is None:
            return Opinion()
        with self._clock("scoring"):
            count = (t1 - t0) // self.calendar.shift
            return self.watch.shifts(windows, fresh, self.world.start + t0, count)

    def _decide(self, shift: int, t: int, opinion: Opinion) -> None:
        now = self.world.start + t
        state = self.lives.state(now)
        window = 0.0 if self.calendar.works(shift) else 1.0
        for device, own in state.items():
            own |= self._economy(self.machines[device]) | {"window": window}
        for order in self.policy.decide(now, opinion.prognoses, opinion.findings, state):
            if isinstance(order, Command):
                self.orders["ordered"] += 1
                self.asked.add(order.id)
                self.world.apply(order, t)
        self._hear(self.world.notes())

    def _economy(self, asset: Asset) -> dict[str, float]:
        """Return what a policy may know of a machine's kind: prices and what was learnt on other seeds."""
        kind, plan, costs = asset.spec.kind, self.task.plan, self.config.costs
        service = asset.host.service
        out = {
            "pool": float(self.kinds.index(kind)),
            "cost_failure": costs.failure(kind, service.repair_s / 3600.0),
            "cost_planned": costs.planned(kind, service.maintain_s / 3600.0),
        }
        if kind in plan.every_s:
            out["every_s"] = plan.every_s[kind]
        if kind in plan.limit:
            out |= {"limit": plan.limit[kind], "loss": self.books.loss.get(asset.spec.path, 0.0)}
        if kind in plan.failure:
            out["cost_failure"] = plan.failure[kind]
        return out

    def _hear(self, notes: Sequence[object]) -> None:
        for note in notes:
            if isinstance(note, CommandResult) and note.id in self.asked and note.status in FINAL:
                self.orders[note.status] += 1

    def _steps(self) -> int:
        return self.world.steps()

    @contextmanager
    def _clock(self, part: str) -> Iterator[None]:
        began = cpu_ns()
        try:
            yield
        finally:
            self.spent[part] += cpu_ns() - began


def build(plan: Plan, config: CompareConfig) -> Policy:
    """Return the policy of a plan."""
    gate = config.gate
    if plan.policy == "periodic":
        return PeriodicConfig(gate=gate).build()
    if plan.policy == "condition":
        return ConditionConfig(gate=gate, severity=config.severity).build()
    if plan.policy == "predictive":
        return PredictiveConfig(gate=gate, persist=1, urgent=config.urgent).build()
    return RunToFailureConfig().build()
