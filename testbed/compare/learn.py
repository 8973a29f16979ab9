"""What is learnt before a comparison, on seeds that are not compared: models, intervals, limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from analytics.config import AnalyticsConfig, SamplingConfig
from analytics.history import WindowHistory
from analytics.lives import lives_of, marks_of_events
from analytics.model import GroupModel, TrainedModels
from analytics.renewal import Cycle, Track, at_age, at_limit, cost_rate
from analytics.replayed import Replayed, replay
from analytics.train import train_from_history
from analytics.windows import Windows, join
from core import seed as seeds
from core.catalog import Catalog
from core.clock import NS
from core.errors import ModelError
from core.ports import Outlook
from testbed.compare.calendar import Calendar
from testbed.compare.config import CompareConfig
from testbed.compare.task import Record, Result
from testbed.scenario import Scenario

_DAY_S = 86_400.0
_FAILURE_ITEMS = ("downtime", "downtime_at_rest", "repair_parts", "repair_labour", "callout")
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Cut = Callable[[Track, float], Cycle | None]


@dataclass(frozen=True, slots=True)
class Choice:
    """A setting found for a kind: what it is, and KRW a day that the recorded lives give it (and doing nothing)."""

    value: float
    krw_day: float
    idle_krw_day: float


def analysis(scenario: Scenario) -> AnalyticsConfig:
    """Return the settings of the analysis with a shift as its grid."""
    config = scenario.config.compare
    assert config is not None
    return scenario.config.analytics.model_copy(update={"grid": config.calendar.shift})


def gathered(records: Sequence[Record]) -> WindowHistory:
    """Return several plants' records as one of many plants: ``site-k/…``."""
    catalog = Catalog(
        replace(spec, site=f"{spec.site}-{k}") for k, r in enumerate(records) for spec in r.catalog.devices.values()
    )
    size = len(records[0].catalog.streams)
    parts: dict[str, list[Windows]] = {}
    for k, record in enumerate(records):
        for name, windows in record.windows.items():
            parts.setdefault(name, []).append(replace(windows, stream=(windows.stream + k * size).astype(np.int32)))
    events = [replace(e, device=renamed(e.device, k)) for k, record in enumerate(records) for e in record.events]
    return WindowHistory(catalog, {name: join(some) for name, some in parts.items()}, events)


def renamed(device: str, k: int) -> str:
    """Return a device's path in the k-th plant of :func:`gathered`."""
    site, _, rest = device.partition("/")
    return f"{site}-{k}/{rest}"


def train(scenario: Scenario, results: Sequence[Result]) -> TrainedModels:
    """Return models learnt from recorded runs; raises ModelError where a group cannot be learnt."""
    records = [r.record for r in results if r.record is not None]
    seed = seeds.key(scenario.config.seed, "compare", "train")
    models = train_from_history(gathered(records), analysis(scenario), seed, strict=True)
    models.replayed.clear()  # what it was learnt from need not travel
    return models


def every_window(config: AnalyticsConfig, group: str) -> AnalyticsConfig:
    """Return settings under which a replay of the group keeps every window."""
    sampling = SamplingConfig(every=f"{config.grid}ns", dense_every=f"{config.grid}ns")
    groups = tuple(g.model_copy(update={"sampling": sampling}) for g in config.groups if g.name == group)
    return config.model_copy(update={"groups": groups})


def outlook(history: WindowHistory, config: AnalyticsConfig, model: GroupModel) -> tuple[Replayed, Outlook]:
    """Return every window of a group's history and what the model says at its end."""
    group = every_window(config, model.name).groups[0]
    replayed = replay(history, config, group, model.kinds, model.slots)
    samples, plan = replayed.samples, replayed.plan
    if model.prognoser is None:
        raise ModelError(f"{model.name}: there is no prognoser to judge")
    x = model.features(samples.states, model.fleet.norm([plan.kinds[d] for d in samples.device]))
    return replayed, model.prognoser.predict(x)


def tracks(scenario: Scenario, results: Sequence[Result], models: TrainedModels | None = None) -> list[Track]:
    """Return every recorded life with its age and loss, shift by shift, and the models' chance of failure (else 0)."""
    records = [r.record for r in results if r.record is not None]
    risks = _risks(scenario, records, models) if models is not None else {}
    out: list[Track] = []
    for k, (record, result) in enumerate(zip(records, results, strict=True)):
        out += _of_plant(scenario, record, result.profile["sim_days"], k, risks)
    return out


Risks = Mapping[str, tuple[Ints, Floats]]


def _risks(scenario: Scenario, records: Sequence[Record], models: TrainedModels) -> dict[str, tuple[Ints, Floats]]:
    """Return by device of :func:`gathered`: ends of its windows (ns UTC, ascending) and chances of failure there."""
    config, history = analysis(scenario), gathered(records)
    out = {}
    for model in models.models.values():
        replayed, says = outlook(history, config, model)
        samples = replayed.samples
        for d, device in enumerate(replayed.plan.devices):
            rows = np.flatnonzero(samples.device == d)
            rows = rows[np.argsort(samples.t[rows], kind="stable")]
            out[device] = samples.t[rows], says.p_failure[rows]
    return out


def _of_plant(scenario: Scenario, record: Record, days: int, k: int, risks: Risks) -> list[Track]:
    config = scenario.config.compare
    assert config is not None
    calendar, start = Calendar(config.calendar), scenario.config.start_ns()
    shifts = days * calendar.a_day
    ends = start + (np.arange(shifts, dtype=np.int64) + 1) * calendar.shift
    free = np.array([not calendar.works(s + 1) for s in range(shifts)])
    marks = marks_of_events(record.events)
    out = []
    for device, since in record.since.items():
        kind = record.catalog.devices[device].kind
        lost = record.loss.get(device, np.zeros(shifts))
        t, p = risks.get(renamed(device, k), (ends, np.zeros(shifts)))
        for life in lives_of(device, marks.get(device, ()), start, start + shifts * calendar.shift):
            begin = since if life.number == 0 else life.t0
            rows = np.flatnonzero((t > life.t0) & (t <= life.t1))
            shift = (t[rows] - start) // calendar.shift - 1
            day = NS * _DAY_S
            entry, end, age = (life.t0 - begin) / day, (life.t1 - begin) / day, (t[rows] - begin) / day
            out.append(Track(kind, entry, end, life.end == "failure", age, lost[shift], p[rows], free[shift]))
    return out


def failure_costs(
    results: Sequence[Result], config: CompareConfig, kinds: Sequence[str], down_h: float
) -> dict[str, float]:
    """Return what a failure has cost on average by kind, KRW; the price list's figure where none was recorded."""
    out = {}
    for kind in kinds:
        krw = count = 0.0
        for result in results:
            for row in result.ledger.filter(pc.field("kind") == kind).to_pylist():
                krw += row["krw"] if row["item"] in _FAILURE_ITEMS else 0.0
                count += row["item"] == "repair_parts"
        out[kind] = krw / count if count else config.costs.failure(kind, down_h)
    return out


def intervals(lives: Sequence[Track], failure: Mapping[str, float], renewal: Mapping[str, float]) -> dict[str, Choice]:
    """Return the best fixed age (days) by kind."""
    return {kind: _best(lives, kind, failure, renewal, _ages(lives, kind), at_age) for kind in failure}


def limits(
    lives: Sequence[Track], failure: Mapping[str, float], renewal: Mapping[str, float], horizon_days: float
) -> dict[str, Choice]:
    """Return the best limit (KRW a day of waiting) by kind."""
    out = {}
    for kind in failure:
        dear = failure[kind] - renewal[kind]

        def cut(track: Track, limit: float, dear: float = dear) -> Cycle | None:
            return at_limit(track, limit, dear, horizon_days)

        most = dear / horizon_days + max(
            (float(t.loss.max()) for t in lives if t.kind == kind and len(t.loss)), default=0
        )
        out[kind] = _best(lives, kind, failure, renewal, np.geomspace(most / 1000.0, most, 40), cut)
    return out


def _ages(lives: Sequence[Track], kind: str) -> Floats:
    oldest = max((t.exit for t in lives if t.kind == kind), default=1.0)
    return np.geomspace(max(2.0, oldest / 40.0), max(oldest, 3.0), 40)


def _best(
    lives: Sequence[Track], kind: str, failure: Mapping[str, float], renewal: Mapping[str, float],
    settings: Floats, cut: Cut,
) -> Choice:  # fmt: skip
    mine = [t for t in lives if t.kind == kind]

    def rate(setting: float) -> float:
        cycles = [c for t in mine if (c := cut(t, setting)) is not None]
        return cost_rate(cycles, failure[kind], renewal[kind])

    rates = np.array([rate(float(s)) for s in settings])
    best = int(np.nanargmin(rates)) if np.isfinite(rates).any() else len(rates) - 1
    return Choice(float(settings[best]), float(rates[best]), rate(np.inf))
