"""A whole comparison: learn on some seeds, tune on others, run every policy on the rest, judge the alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from analytics.kpi import KPIS
from analytics.model import TrainedModels
from core import seed as seeds
from core.errors import ConfigError
from testbed.compare import learn
from testbed.compare.config import POLICIES, CompareConfig
from testbed.compare.figures import summary
from testbed.compare.judge import judge
from testbed.compare.pool import Workers
from testbed.compare.run import maintained
from testbed.compare.task import PARTS, Plan, Result, Task
from testbed.scenario import Scenario

MIN_DAYS = 7
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a comparison tells how far it is: ``begin(what, steps)``, then ``step()`` for each; lines by ``say``."""

    begin: Callable[[str, int], None]
    step: Callable[[], None]
    say: Say


@dataclass(slots=True)
class Outcome:
    """What a comparison found; ``report`` is JSON-ready."""

    report: dict[str, Any]
    results: list[Result]
    models: TrainedModels | None = None
    #: recorded lives and choices, kept for the page
    choices: dict[str, Any] = field(default_factory=dict)


def check(scenario: Scenario, policies: Sequence[str], count: int, days: int) -> CompareConfig:
    """Return the scenario's ``compare`` section; raises ConfigError for what cannot be compared."""
    path, config = scenario.path, scenario.config.compare
    if config is None:
        raise ConfigError(f"{path}:compare", "missing key", "see configs/scenarios/reference-factory.yaml")
    unknown = [p for p in policies if p not in POLICIES]
    if unknown or not policies:
        said = f"unknown policy {unknown[0]!r}" if unknown else "no policy is named"
        raise ConfigError("--policies", said, f"known: {', '.join(POLICIES)}")
    if len(set(policies)) < len(policies):
        raise ConfigError("--policies", "a policy is named twice", "name each once")
    if count < 1:
        raise ConfigError("--seeds", f"{count} seeds show nothing", "at least 1; 2 for intervals, 30 for a verdict")
    if days < MIN_DAYS:
        raise ConfigError("--days", f"{days} days are too short", f"at least {MIN_DAYS}, a week of shifts")
    if scenario.config.start == "now":
        raise ConfigError(
            f"{path}:start", "a comparison needs a fixed start", "write a Monday, e.g. 2026-01-05T06:00:00+09:00"
        )
    if not maintained(scenario.domains, scenario.config.analytics):
        raise ConfigError(
            f"{path}:domains",
            "no machine of the model groups wears",
            "add equipment that wears, or its kind to analytics.groups",
        )
    return config


class Comparison:
    """Of policies in one scenario.

    Parameters
    ----------
    scenario
        World, models, prices.
    policies
        Names, in the order of the report.
    count, days
        Seeds compared, simulated days each.
    """

    def __init__(self, scenario: Scenario, policies: Sequence[str], count: int, days: int) -> None:
        self._scenario, self._policies = scenario, list(policies)
        self._count, self._days = count, days

    def run(self, workers: Workers, progress: Progress) -> Outcome:
        """Return what was found."""
        config = check(self._scenario, self._policies, self._count, self._days)
        plans, models, learnt = self._learn(config, workers, progress)
        tasks = []
        for policy in self._policies:
            for i in range(self._count):
                watched = policy == "run_to_failure" and models is not None and i < config.watch.seeds
                seed = self._seed("evaluate", i)
                tasks.append(Task(self._scenario, seed, self._days, plans[policy], "windows" if watched else ""))
        progress.begin("comparing", len(tasks))
        results = workers.map(tasks, progress.step)
        report = {
            "scenario": self._scenario.key,
            "digest": self._scenario.digest,
            "seed": self._scenario.config.seed,
            "seeds": [self._seed("evaluate", i) for i in range(self._count)],
            "days": self._days,
            "policies": self._policies,
            "figures": summary(results, self._policies, [k.key for k in KPIS]),
            "orders": {p: _added([r.orders for r in results if r.policy == p]) for p in self._policies},
            "learnt": learnt,
            "alarms": self._alarms(results, models),
            "profile": profile(results),
        }
        return Outcome(report, [replace(r, record=None) for r in results], models)

    def _seed(self, use: str, i: int) -> int:
        return seeds.key(self._scenario.config.seed, "compare", use, i)

    def _learn(
        self, config: CompareConfig, workers: Workers, progress: Progress
    ) -> tuple[dict[str, Plan], TrainedModels | None, dict[str, Any]]:
        """Return a plan for every policy, models, and what the report says of both."""
        plans = {p: Plan(p) for p in self._policies}
        modelled = bool({"condition", "predictive"} & set(self._policies))
        if not modelled and "periodic" not in self._policies:
            return plans, None, {}
        days, record = config.learn.days, "windows" if modelled else "lives"
        tasks = [
            Task(self._scenario, self._seed(use, i), days, Plan(), record)  # type: ignore[arg-type]
            for use, n in (("train", config.learn.train), ("tune", config.learn.tune))
            for i in range(n)
        ]
        progress.begin("learning: worlds that run to failure", len(tasks))
        results = workers.map(tasks, progress.step)
        training, tuning = results[: config.learn.train], results[config.learn.train :]
        kinds = maintained(self._scenario.domains, self._scenario.config.analytics)
        service = (
            max(d.repair for d in self._scenario.domains) / 3.6e12,
            max(d.maintain for d in self._scenario.domains) / 3.6e12,
        )
        failure = learn.failure_costs(results, config, kinds, service[0])
        renewal = {k: config.costs.planned(k, service[1]) for k in kinds}
        learnt: dict[str, Any] = {"failure_krw": failure, "renewal_krw": renewal}
        models = None
        if modelled:
            progress.begin("learning: models", 1)
            models = learn.train(self._scenario, training)
            progress.step()
            learnt["models"] = models.report()
            for policy in {"condition", "predictive"} & set(self._policies):
                plans[policy] = Plan(policy, models=models)
        if "predictive" in self._policies and models is not None:
            lives = learn.tracks(self._scenario, tuning, models)
            horizon = min(m.prognoser.horizon_s for m in models.models.values() if m.prognoser) / 86_400.0
            found = learn.limits(lives, failure, renewal, horizon)
            plans["predictive"] = Plan(
                "predictive", limit={k: c.value for k, c in found.items()}, failure=failure, models=models
            )
            learnt["limits"] = _choices(found)
        if "periodic" in self._policies:
            found = learn.intervals(learn.tracks(self._scenario, results), failure, renewal)
            plans["periodic"], learnt["sweep"] = self._sweep(config, found, workers, progress)
            learnt["intervals"] = _choices(found)
            learnt["intervals_used_days"] = {k: s / 86_400.0 for k, s in plans["periodic"].every_s.items()}
        return plans, models, learnt

    def _sweep(
        self, config: CompareConfig, found: Mapping[str, learn.Choice], workers: Workers, progress: Progress
    ) -> tuple[Plan, dict[str, float]]:
        """Return the periodic plan whose stretch is the cheapest in full worlds, and each stretch's KRW."""
        chances = [
            Plan("periodic", {k: c.value * f * 86_400.0 for k, c in found.items()}) for f in config.learn.factors
        ]
        chosen = range(min(config.learn.sweep, config.learn.tune))
        tasks = [Task(self._scenario, self._seed("tune", i), config.learn.days, p) for p in chances for i in chosen]
        progress.begin("tuning: periodic intervals", len(tasks))
        results = workers.map(tasks, progress.step)
        costs = np.array([r.figures["cost_total"] for r in results]).reshape(len(chances), -1).mean(axis=1)
        best = int(np.argmin(costs))
        said = dict(zip((f"{f:g}" for f in config.learn.factors), costs.tolist(), strict=True))
        return chances[best], said

    def _alarms(self, results: Sequence[Result], models: TrainedModels | None) -> dict[str, Any]:
        watched = [r for r in results if r.record is not None]
        if models is None or not watched:
            return {}
        return judge(self._scenario, watched, models)


def profile(results: Sequence[Result]) -> dict[str, dict[str, float]]:
    """Return ms of processor time a simulated day by part, and SimPy events a day, by policy and over all."""
    out = {}
    policies = list(dict.fromkeys(r.policy for r in results))
    for policy in [*policies, "all"]:
        mine = [r for r in results if policy in (r.policy, "all")]
        days = sum(r.profile["sim_days"] for r in mine)
        parts = {part: sum(r.profile[part] for r in mine) / days / 1e6 for part in PARTS}
        steps = sum(r.profile["steps"] for r in mine) / days
        out[policy] = {**parts, "total": sum(parts.values()), "steps_a_day": steps}
    return out


def _choices(found: Mapping[str, learn.Choice]) -> dict[str, dict[str, float]]:
    return {
        k: {"value": c.value, "krw_day": c.krw_day, "krw_day_run_to_failure": c.idle_krw_day} for k, c in found.items()
    }


def _added(counts: Sequence[Mapping[str, int]]) -> dict[str, int]:
    return {k: sum(c.get(k, 0) for c in counts) for k in sorted({k for c in counts for k in c})}
