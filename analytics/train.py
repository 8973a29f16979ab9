"""Training from history: norm of the healthy fleet, detectors on healthy windows, prognosis on lives to failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.config import AnalyticsConfig, GroupConfig
from analytics.history import FolderHistory, History
from analytics.kinds import AnyDetector, AnyPrognoser
from analytics.labels import usable
from analytics.lives import Life
from analytics.model import Fleet, GroupModel, TrainedModels
from analytics.monitor import reference
from analytics.replayed import Replayed, Samples, failing_kinds, replay
from analytics.windows import Floats
from core import seed as seeds
from core.clock import NS, mono_ns
from core.errors import ModelError

_NORMAL_MAD = 1.4826  # standard deviation of a normal distribution over its median absolute deviation


def train_from_history(
    source: Path | History, config: AnalyticsConfig, seed: int, *, strict: bool = False
) -> TrainedModels:
    """Return models of every group.

    Parameters
    ----------
    source
        History folder of a run, or any :class:`analytics.history.History`.
    config
        Settings.
    seed
        Fixes every random choice.
    strict
        Raise ModelError where a prognoser or a group cannot be trained; otherwise note it in ``refusals`` and
        go on with what can.
    """
    history = FolderHistory(source) if isinstance(source, Path) else source
    out = TrainedModels()
    named = {kind for group in config.groups for kind in group.kinds}
    for group in config.groups:
        kinds = list(group.kinds) or [k for k in failing_kinds(history) if k not in named]
        try:
            if not kinds:
                raise ModelError("no asset failed in the history: lengthen history.days or speed up wear")
            _train_group(history, config, group, kinds, seeds.key(seed, "analytics", group.name), strict, out)
        except ModelError as error:
            if strict:
                raise
            out.refusals.append(f"{group.name}: {error}")
    return out


def _train_group(
    history: History,
    config: AnalyticsConfig,
    group: GroupConfig,
    kinds: list[str],
    seed: int,
    strict: bool,
    out: TrainedModels,
) -> None:
    began = mono_ns()
    replayed = replay(history, config, group, kinds)
    out.replayed[group.name] = replayed
    samples, plan = replayed.samples, replayed.plan
    healthy = _healthy(samples, replayed.lives)
    fleet = _fleet(replayed, healthy)
    model = GroupModel(group.name, kinds, plan.slots, group.quantities, config.grid, config.filters, fleet, [], None)
    model.signals = group.signals
    x = model.features(samples.states, fleet.norm([plan.kinds[d] for d in samples.device]))
    model.detectors = [_detector(c.build(seed), x[healthy][:, c.columns(model.infos)]) for c in group.detectors]
    failures = sum(life.end == "failure" for life in replayed.lives)
    rows = 0
    try:
        model.prognoser, rows = _prognoser(group, x, samples, failures, seed)
    except ModelError as error:
        if strict:
            raise
        out.refusals.append(f"{group.name}: {error}")
    model.card = _card(model, replayed, rows, failures, seed, (mono_ns() - began) / NS)
    model.card["reference"] = reference(x, samples.weight, model.infos)
    out.models[group.name] = model


def _healthy(samples: Samples, lives: list[Life]) -> NDArray[np.bool_]:
    """Return windows that count as healthy: the first half of each life."""
    begin = np.array([life.t0 for life in lives])[samples.life]
    length = np.array([life.t1 - life.t0 for life in lives])[samples.life]
    return np.asarray(samples.t - begin <= length / 2)


def _fleet(replayed: Replayed, healthy: NDArray[np.bool_]) -> Fleet:
    """Return the healthy spread by kind: robust, about zero, never below 0.2 % of the level."""
    samples, plan = replayed.samples, replayed.plan
    kind = np.array(plan.kinds)[samples.device]
    away = np.abs(samples.states.level - samples.states.base)
    size = np.abs(samples.states.level)
    everywhere = _spread(away[healthy], size[healthy], np.ones(len(plan.slots)))
    spread = {
        k: _spread(away[healthy & (kind == k)], size[healthy & (kind == k)], everywhere)
        for k in sorted(set(plan.kinds))
    }
    spans: dict[str, list[float]] = {}
    for life in replayed.lives:
        if life.end == "failure":
            spans.setdefault(plan.kinds[plan.devices.index(life.device)], []).append((life.t1 - life.t0) / NS)
    typical = {k: float(np.median(v)) for k, v in spans.items()}
    longest = max((life.t1 - life.t0) / NS for life in replayed.lives)
    of_all = float(np.median([s for v in spans.values() for s in v])) if spans else longest
    return Fleet(spread, typical, everywhere, of_all)


def _spread(away: Floats, size: Floats, otherwise: Floats) -> Floats:
    out = np.array(otherwise, dtype=np.float64)
    for j in range(away.shape[1]):
        known = np.isfinite(away[:, j])
        if known.sum() >= 20:
            floor = 0.002 * float(np.median(size[known, j])) + 1e-9
            out[j] = max(_NORMAL_MAD * float(np.median(away[known, j])), floor)
    return out


def _detector(detector: AnyDetector, x: Floats) -> AnyDetector:
    """Return a detector that has learnt from healthy windows, life by life in order of time."""
    if not len(x):
        raise ModelError("no healthy window: a detector has nothing to learn from")
    return detector.fit(x)


def _prognoser(
    group: GroupConfig, x: Floats, samples: Samples, failures: int, seed: int
) -> tuple[AnyPrognoser | None, int]:
    """Return the trained prognoser and the rows it saw."""
    config = group.prognosis
    if config is None:
        return None, 0
    if failures < config.min_failures:
        raise ModelError(
            f"needs at least {config.min_failures} observed failures, the history has {failures}: "
            "lengthen history.days, add assets or speed up wear"
        )
    rows = np.flatnonzero(usable(samples.y, samples.known, config.horizon_s, config.cap_s))
    at_most = group.sampling.at_most
    if len(rows) > at_most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, at_most, replace=False))
    owner = samples.device if len(np.unique(samples.device[rows])) >= config.folds else samples.life
    model = config.build(seed).fit(x[rows], samples.y[rows], owner[rows], samples.weight[rows])
    return model, len(rows)


def _card(model: GroupModel, replayed: Replayed, rows: int, failures: int, seed: int, seconds: float) -> dict[str, Any]:
    """Return the metadata card."""
    from importlib.metadata import version

    return {
        "name": model.name,
        "asset_kind": ", ".join(model.kinds),
        "assets": len(replayed.plan.devices),
        "data_start": min(life.t0 for life in replayed.lives),
        "data_end": replayed.end,
        "seed": seed,
        "trained_rows": rows,
        "lives": len(replayed.lives),
        "failures": failures,
        "train_s": round(seconds, 3),
        "features": [{"name": i.name, "unit": i.unit, "formula": i.formula} for i in model.infos],
        "detectors": [{"name": d.name, "threshold": d.threshold} for d in model.detectors],
        "metrics": {k: round(v, 6) for k, v in (model.prognoser.metrics if model.prognoser else {}).items()},
        "versions": {name: version(name) for name in ("numpy", "scikit-learn", "skops")},
    }
