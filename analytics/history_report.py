"""Feature report of a trained group: its features on a history, models of some assets judged on the others."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analytics.config import AnalyticsConfig, GroupConfig
from analytics.explain import plain
from analytics.features import FeatureInfo
from analytics.history import FolderHistory, History
from analytics.importance import FeatureReport, Trial, grouped, rank
from analytics.labels import usable
from analytics.model import GroupModel
from analytics.physics import PHYSICS
from analytics.prognosis.boosting import BoostingConfig, classifier, deal, learnable
from analytics.slots import Plan
from analytics.train import train_from_history
from core.errors import ModelError
from core.spec import Name

FOLDS = 5
ASSET_WORDS = {
    "age": Name("교체 후 경과 시간", "age since the last renewal"),
    "age_ratio": Name("평균 수명 대비 경과 시간", "age against the typical life"),
    "duty": Name("가동률", "share of time in operation"),
    "worst_drift": Name("가장 큰 이탈", "largest deviation of all"),
    "mean_drift": Name("평균 이탈", "mean deviation of all"),
}
#: features of the asset that say the same thing in two units, and those made of all slots
_TWINS = {"age_ratio": "age"}


def of_history(folder: Path, seed: int = 0, model: GroupModel | None = None, at_most: int = 6000) -> FeatureReport:
    """Return what each measured quantity is worth for foreseeing failures within the horizon.

    Parameters
    ----------
    folder
        History folder of a run.
    seed
        Fixes every random choice.
    model
        A trained model whose grid, features and horizon to use; None: the defaults, on every kind that fails.
    at_most
        Windows to learn from and to judge.

    Raises
    ------
    ModelError
        If the history holds too little: failures, or assets to hold out.
    """
    history = FolderHistory(folder)
    config = AnalyticsConfig() if model is None else _config(model)
    trained = train_from_history(history, config, seed, strict=True)
    group = config.groups[0]
    new, replayed = trained.models[group.name], trained.replayed[group.name]
    samples, plan = replayed.samples, replayed.plan
    prognosis = group.prognosis
    if prognosis is None:
        raise ModelError(f"{group.name} has no prognosis: nothing to rank")
    rows = np.flatnonzero(usable(samples.y, samples.known, prognosis.horizon_s, prognosis.cap_s))
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.choice(rows, min(len(rows), at_most), replace=False))
    x = new.features(samples.states, new.fleet.norm([plan.kinds[d] for d in samples.device]))[rows]
    fails, weight = samples.y[rows] <= prognosis.horizon_s, samples.weight[rows]
    columns = variables_of(new.infos)
    trials = [
        _trial(x[learn], fails[learn], weight[learn], x[judge], fails[judge], weight[judge], columns, seed)
        for learn, judge in deal(samples.device[rows], FOLDS, seed)
        if fails[learn].any() and not fails[learn].all() and fails[judge].any()
    ]
    if len(trials) < 2:
        raise ModelError(f"{folder}: failures of at least two assets are needed to hold one out, lengthen the history")
    hours = prognosis.horizon_s / 3600
    metric = Name(f"{hours:g}시간 내 고장 적중률(PR-AUC)", f"PR-AUC of failures within {hours:g} h")
    judged = Name(f"학습에서 제외한 설비, {len(trials)}겹", f"assets held out, {len(trials)} folds")
    words = {name: _label(name, plan, history, new) for name in columns}
    return rank(trials, words, metric, judged, seed=seed, repeats=3)


def variables_of(infos: list[FeatureInfo]) -> dict[str, NDArray[np.intp]]:
    """Return variable -> feature columns: a slot with everything derived from it, an asset feature with its twins.

    The features made of all slots (worst and mean drift) are left as they are: they belong to no variable.
    """
    out: dict[str, list[int]] = defaultdict(list)
    for j, info in enumerate(infos):
        if not info.name.endswith("_drift"):
            out[info.slot or _TWINS.get(info.name, info.name)].append(j)
    return {name: np.array(js, dtype=np.intp) for name, js in out.items()}


def _config(model: GroupModel) -> AnalyticsConfig:
    if model.prognoser is None:
        raise ModelError(f"{model.name} has no prognosis: nothing to rank")
    group = GroupConfig(
        name=model.name,
        kinds=tuple(model.kinds),
        quantities=model.quantities,
        prognosis=model.prognoser.config,
        signals=model.signals,
        physics=tuple(s.name for s in model.slots if s.name in PHYSICS),
    )
    # a bare number would be taken for seconds
    return AnalyticsConfig(filters=model.filters, groups=(group,)).model_copy(update={"grid": model.grid_ns})


def _trial(
    x: NDArray[np.float64],
    fails: NDArray[np.bool_],
    weight: NDArray[np.float64],
    held_x: NDArray[np.float64],
    held_fails: NDArray[np.bool_],
    held_weight: NDArray[np.float64],
    columns: dict[str, NDArray[np.intp]],
    seed: int,
) -> Trial:
    from sklearn.metrics import average_precision_score

    model = classifier(BoostingConfig(), seed).fit(learnable(x), fails, weight)

    def score(values: NDArray[np.float64]) -> float:
        return float(average_precision_score(held_fails, model.decision_function(values), sample_weight=held_weight))

    return grouped(held_x, columns, score)


def _label(name: str, plan: Plan, history: History, model: GroupModel) -> tuple[Name, str]:
    """Return a variable's name as its first channel has it, and its unit."""
    if name in ASSET_WORDS:
        return ASSET_WORDS[name], next(i.unit for i in model.infos if i.name == name)
    slot = next(s for s in plan.slots if s.name == name)
    for layout, taps in plan.taps.items():
        for tap in taps:
            channel = next(c for c in history.catalog.layout(layout).channels if c.name == tap.channel)
            if tap.slot == name and channel.label is not None:
                stat = "" if tap.stat == "mean" else f" ({tap.stat})"
                return Name(channel.label.ko + stat, channel.label.en.lower() + stat), slot.unit
    return Name(plain(slot), plain(slot)), slot.unit
