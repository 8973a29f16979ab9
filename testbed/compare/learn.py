"""What is learnt before a comparison, on seeds that are not compared: models, intervals, limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from analytics.config import AnalyticsConfig, SamplingConfig
from analytics.history import WindowHistory
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
_RENEWAL_ITEMS = ("planned_parts", "planned_labour")


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
    sampling = SamplingConfig(every=f"{config.grid}ns", dense_every=f"{config.grid}ns")  # type: ignore[arg-type]
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


def tracks(scenario: Scenario, results: Sequence[Result], models: TrainedModels) -> list[Track]:
    """Return every recorded life with its age, its loss and the models' chance of failure, shift by shift."""
    records = [r.record for r in results if r.record is not None]
    config, history = analysis(scenario), gathered(records)
    assert scenario.config.compare is not None
    calendar, start = Calendar(scenario.config.compare.calendar), scenario.config.start_ns()
    since = {renamed(d, k): t for k, r in enumerate(records) for d, t in r.since.items()}
    loss = {renamed(d, k): krw for k, r in enumerate(records) for d, krw in r.loss.items()}
    out: list[Track] = []
    for model in models.models.values():
        replayed, says = outlook(history, config, model)
        samples = replayed.samples
        for number, life in enumerate(replayed.lives):
            rows = np.flatnonzero(samples.life == number)
            begin = since.get(life.device, life.t0) if life.number == 0 else life.t0
            t = samples.t[rows]
            shift = (t - start) // calendar.shift
            lost = loss.get(life.device)
            out.append(
                Track(
                    replayed.plan.kinds[replayed.plan.devices.index(life.device)],
                    (life.t0 - begin) / NS / _DAY_S,
                    (life.t1 - begin) / NS / _DAY_S,
                    life.end == "failure",
                    (t - begin) / NS / _DAY_S,
                    np.zeros(len(t)) if lost is None else lost[np.minimum(shift - 1, len(lost) - 1)],
                    says.p_failure[rows],
                    np.array([not calendar.works(int(k)) for k in shift], dtype=bool),
                )
            )
    return out


def failure_costs(results: Sequence[Result], config: CompareConfig, kinds: Sequence[str], down_h: float) -> dict[str, float]:  # fmt: skip
    """Return what a failure has cost on average by kind, KRW; the price list's figure where none was recorded."""
    out = {}
    for kind in kinds:
        krw = count = 0.0
        for result in results:
            for row in result.ledger.filter(_is(result, "kind", [kind])).to_pylist():
                krw += row["krw"] if row["item"] in _FAILURE_ITEMS else 0.0
                count += row["item"] == "repair_parts"
        out[kind] = krw / count if count else config.costs.failure(kind, down_h)
    return out


def _is(result: Result, column: str, values: Sequence[str]) -> object:
    import pyarrow.compute as pc

    return pc.field(column).isin(list(values))


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

        most = dear / horizon_days + max((float(t.loss.max()) for t in lives if t.kind == kind and len(t.loss)), default=0)
        out[kind] = _best(lives, kind, failure, renewal, np.geomspace(most / 1000.0, most, 40), cut)
    return out


def _ages(lives: Sequence[Track], kind: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    oldest = max((t.exit for t in lives if t.kind == kind), default=1.0)
    return np.geomspace(max(2.0, oldest / 40.0), max(oldest, 3.0), 40)


def _best(
    lives: Sequence[Track], kind: str, failure: Mapping[str, float], renewal: Mapping[str, float],
    settings: np.ndarray[tuple[int], np.dtype[np.float64]], cut: object,
) -> Choice:  # fmt: skip
    mine = [t for t in lives if t.kind == kind]
    assert callable(cut)

    def rate(setting: float) -> float:
        cycles = [c for t in mine if (c := cut(t, setting)) is not None]
        return cost_rate(cycles, failure[kind], renewal[kind])

    rates = np.array([rate(float(s)) for s in settings])
    best = int(np.nanargmin(rates)) if np.isfinite(rates).any() else len(rates) - 1
    return Choice(float(settings[best]), float(rates[best]), rate(np.inf))
