"""Feature reports of real data and of a history: models of some folds, judged on the rows of the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics import ai4i, cwru, evaluate_ai4i, evaluate_cwru
from analytics.cmapss import CmapssConfig, CmapssModel
from analytics.engine_rows import find_engines
from analytics.engine_words import SENSORS
from analytics.importance import FeatureReport, Orders, Trial, grouped, rank
from analytics.prognosis.boosting import deal, learnable, regressor
from core.spec import Name

Floats = NDArray[np.float64]
PR_AUC = Name("고장 적중률(PR-AUC)", "PR-AUC of failures")
ACCURACY = Name("정확도", "accuracy")
ERROR = Name("잔여 수명 오차(사이클)", "error in cycles")


def of_ai4i(path: Path, seed: int = 0, trees: int = 100) -> FeatureReport:
    """Return what each measured column of AI4I is worth; features derived from it change with it."""
    from sklearn.metrics import average_precision_score
    from sklearn.model_selection import StratifiedKFold

    parts = ai4i.read_parts(path)
    build = evaluate_ai4i.candidates(trees)["forest, 60 % of features a split"]
    trials = []
    for learn, judge in StratifiedKFold(5, shuffle=True, random_state=seed).split(parts.x, parts.y):
        model = build(seed).fit(parts.x[learn], parts.y[learn])

        def score(orders: Orders, model: Any = model, judge: NDArray[np.intp] = judge) -> float:
            columns = {n: c[judge][orders[n]] if n in orders else c[judge] for n, c in parts.columns.items()}
            chance = model.predict_proba(ai4i.matrix(columns))[:, 1]
            return float(average_precision_score(parts.y[judge], chance))

        trials.append(Trial(len(judge), score))
    raw = ai4i.FEATURES[: ai4i.RAW]
    variables = {("type" if f.name == "type" else f.formula): (f.label, f.unit) for f in raw}
    judged = Name("5겹 교차검증의 평가 부품", "held-out parts of 5 folds")
    return rank(trials, variables, PR_AUC, judged, seed=seed, repeats=3)


def of_cwru(path: Path, seed: int = 0, trees: int = 100) -> FeatureReport:
    """Return what each time feature of the bearing table is worth."""
    from sklearn.model_selection import StratifiedKFold

    data = cwru.read_windows(path)
    build = evaluate_cwru.candidates(trees)["forest"]
    trials = []
    for learn, judge in StratifiedKFold(5, shuffle=True, random_state=seed).split(data.x, data.y):
        model = build(seed).fit(data.x[learn], data.y[learn])
        columns = {name: np.array([j]) for j, name in enumerate(cwru.COLUMNS)}
        trials.append(grouped(data.x[judge], columns, _hits(model, data.y[judge])))
    variables = {name: (label, unit) for name, (unit, _, label) in cwru.COLUMNS.items()}
    judged = Name("5겹 교차검증의 평가 구간", "held-out windows of 5 folds")
    return rank(trials, variables, ACCURACY, judged, seed=seed, repeats=3)


def of_cmapss(folder: Path, subset: str = "FD001", seed: int = 0, config: CmapssConfig | None = None) -> FeatureReport:
    """Return what each sensor of the training engines is worth; folds hold out whole engines."""
    config = config or CmapssConfig().quick()
    fleet = find_engines(folder, f"train_{subset}")
    scale = CmapssModel(config, seed).learn_scale(fleet)
    x = scale.features(fleet)
    left = np.minimum(fleet.left, config.cap)
    rows = np.flatnonzero(fleet.cycle % 10 == 0)  # neighbours in time say the same
    x, left, unit = x[rows], left[rows], fleet.unit[rows]
    width = len(scale.sensors)
    columns = {name: np.arange(j, x.shape[1] - 1, width) for j, name in enumerate(scale.sensors)} | {
        "cycle": np.array([x.shape[1] - 1])
    }
    trials = []
    for learn, judge in deal(unit, 5, seed):
        model = regressor(config.trees, seed).fit(learnable(x[learn]), left[learn])
        trials.append(grouped(x[judge], columns, _minus_error(model, left[judge])))
    plain = Name("센서", "sensor")
    words = {n: SENSORS.get(n, (Name(f"{plain.ko} {n}", f"{plain.en} {n}"), "1")) for n in scale.sensors}
    words["cycle"] = (Name("운전 사이클 수", "cycles flown"), "1")
    judged = Name("학습에서 제외한 엔진", "engines held out in 5 folds")
    return rank(trials, words, ERROR, judged, seed=seed, repeats=2, error=True)


def _hits(model: Any, y: NDArray[Any]) -> Callable[[Floats], float]:
    return lambda x: float(np.mean(model.predict(x) == y))


def _minus_error(model: Any, y: Floats) -> Callable[[Floats], float]:
    return lambda x: -float(np.sqrt(np.mean((model.predict(x) - y) ** 2)))
