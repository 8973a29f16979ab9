"""Alarms on the compared worlds, scored against the sealed truth: the only part of a comparison that opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analytics.alarms import life_error, raised, score
from analytics.detectors.alarm import AlarmConfig
from analytics.model import TrainedModels
from core.clock import NS
from testbed.compare.learn import analysis, gathered, outlook, renamed
from testbed.compare.task import Result
from testbed.scenario import Scenario


def judge(scenario: Scenario, results: Sequence[Result], models: TrainedModels) -> dict[str, Any]:
    """Return the score of each model group's alarms on worlds that ran to failure."""
    config = scenario.config.compare
    assert config is not None
    records = [r.record for r in results if r.record is not None]
    settings, history = analysis(scenario), gathered(records)
    start, days = scenario.config.start_ns(), results[0].profile["sim_days"]
    how = AlarmConfig(raise_after=config.watch.raise_after, clear_after=3, clear_at=config.watch.clear_at)
    failed = _truth(results)
    out: dict[str, Any] = {}
    for model in models.models.values():
        replayed, says = outlook(history, settings, model)
        samples, plan = replayed.samples, replayed.plan
        alarms = raised(replayed.lives, samples.life, samples.t, says.p_failure, how, config.watch.at)
        truth = {d: failed.get(d, []) for d in plan.devices}
        begun = {d: [life.t0 for life in replayed.lives if life.device == d] for d in plan.devices}
        span = (start, start + days * 86_400 * NS)
        figures = score(alarms, truth, begun, span, config.watch.within, config.watch.settle)
        left = np.array([_left(truth[plan.devices[d]], int(t)) for d, t in zip(samples.device, samples.t, strict=True)])
        assert model.prognoser is not None
        cap = model.prognoser.config.cap_s
        error = life_error(says.rul_s, says.lower_s, says.upper_s, left, cap)
        out[model.name] = {**figures, **error, "confidence": model.prognoser.config.confidence}
    return out | {"all": _together(out)}


def _truth(results: Sequence[Result]) -> dict[str, list[int]]:
    """Return the true failures by wear of every device of :func:`gathered`, ns UTC."""
    out: dict[str, list[int]] = {}
    recorded = [r for r in results if r.record is not None]
    for k, result in enumerate(recorded):
        for row in result.lives.to_pylist():
            if row["end"] == "failure":
                out.setdefault(renamed(row["device"], k), []).append(row["t1"])
    return out


def _left(failures: Sequence[int], t: int) -> float:
    """Return s to the next failure, NaN where there is none to come."""
    coming = [f for f in failures if f > t]
    return (min(coming) - t) / NS if coming else float("nan")


def _together(groups: dict[str, Any]) -> dict[str, float]:
    """Return the groups' figures as one."""
    total = {
        key: sum(g[key] for g in groups.values())
        for key in ("failures", "predictable", "found", "alarms", "right", "false", "undecided", "machine_weeks")
    }
    decided = total["right"] + total["false"]
    return total | {
        "recall": total["found"] / total["predictable"] if total["predictable"] else float("nan"),
        "precision": total["right"] / decided if decided else float("nan"),
        "false_per_week": total["false"] / total["machine_weeks"],
    }
