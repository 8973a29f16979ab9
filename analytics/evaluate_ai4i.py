"""The AI4I 2020 protocol: stratified 5-fold on the failure flag, no leaking column, everything learnt per fold.

Model and threshold are chosen by cross-validation inside each training fold; the test fold is only scored.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.ai4i import FEATURES, MODES, RAW, Parts, read_parts
from analytics.choose import Candidates, best_threshold, choose
from analytics.evaluate import Figure, bootstrap
from core.errors import ModelError

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
FOLDS = 5
TREES = 200
PROTOCOL = (
    "stratified 5-fold on 'Machine failure'; UDI, Product ID and the five mode flags are no features; "
    "model and threshold chosen by 3-fold cross-validation inside each training fold"
)
#: figures others report for this table, with their protocol
PUBLISHED = (
    "raw columns, random forest, 5-fold: PR-AUC .817, F1 .732 (known reproduction)",
    "XGBoost, leakage-free cross-validation: macro F1 .8952 (Rismawan & Nirmala 2026)",
)


def candidates(trees: int = TREES) -> Candidates:
    """Return the forests to choose from."""
    from sklearn.ensemble import RandomForestClassifier

    def forest(features: float | str, leaf: int) -> Callable[[int], Any]:
        return lambda seed: RandomForestClassifier(
            trees, max_features=features, min_samples_leaf=leaf, random_state=seed
        )

    return {"forest, sqrt(f) features a split": forest("sqrt", 1), "forest, 60 % of features a split": forest(0.6, 2)}


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """What models said of rows they had not seen: chances and calls of failure, of raw columns alone, of modes."""

    chance: Floats
    called: Flags
    raw: Floats
    modes: Flags
    fold: NDArray[np.intp]
    chosen: tuple[str, ...]
    thresholds: tuple[float, ...]


def evaluate_ai4i(
    path: Path, seeds: int = 3, trees: int = TREES, jobs: int = 1, told: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """Return the figures of the protocol over several seeds, JSON-ready; ``told`` hears the share done."""
    parts = read_parts(path)
    if int(parts.y.sum()) < 3 * FOLDS:
        raise ModelError(f"{path}: column 'Machine failure': {parts.y.sum()} failures, at least {3 * FOLDS} are needed")
    runs: list[Held] = []
    for seed in range(seeds):
        runs.append(hold_out(parts, seed, trees, jobs))
        if told is not None:
            told((seed + 1) / seeds)
    by_seed = [_figures(parts, run) for run in runs]
    mean = {name: round(float(np.mean([f[name] for f in by_seed])), 4) for name in by_seed[0]}
    return {
        "protocol": PROTOCOL,
        "rows": len(parts.y),
        "failures": int(parts.y.sum()),
        "seeds": seeds,
        "mean": mean,
        "by_seed": [{name: round(value, 4) for name, value in f.items()} for f in by_seed],
        "interval": {name: _json(figure) for name, figure in _intervals(parts, runs[0]).items()},
        "chosen": sorted({name for run in runs for name in run.chosen}),
        "thresholds": [round(t, 3) for run in runs for t in run.thresholds],
        "trivial": _trivial(parts.y),
        "modes": _modes(parts, runs),
        "published": list(PUBLISHED),
        "features": [{"name": f.name, "unit": f.unit, "formula": f.formula} for f in FEATURES],
    }


def hold_out(parts: Parts, seed: int, trees: int = TREES, jobs: int = 1) -> Held:
    """Return the verdicts on every row by models of the other folds; ``jobs`` processes take a fold each."""
    from sklearn.model_selection import StratifiedKFold
    from sklearn.utils.parallel import Parallel, delayed

    splits = list(StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(parts.x, parts.y))
    done = Parallel(n_jobs=jobs)(delayed(_judge)(parts, learn, judge, seed, trees) for learn, judge in splits)
    n = len(parts.y)
    out = Held(
        chance=np.zeros(n),
        called=np.zeros(n, dtype=bool),
        raw=np.zeros(n),
        modes=np.zeros(parts.modes.shape, dtype=bool),
        fold=np.zeros(n, dtype=np.intp),
        chosen=tuple(verdict.chosen for verdict in done),
        thresholds=tuple(verdict.threshold for verdict in done),
    )
    for k, ((_, judge), verdict) in enumerate(zip(splits, done, strict=True)):
        out.fold[judge] = k
        out.chance[judge], out.raw[judge] = verdict.chance, verdict.raw
        out.called[judge] = verdict.chance >= verdict.threshold
        out.modes[judge] = verdict.modes
    return out


@dataclass(frozen=True, slots=True, eq=False)
class _Verdict:
    """What the models of one fold say of its test rows."""

    chance: Floats
    raw: Floats
    modes: Flags
    chosen: str
    threshold: float


def _judge(parts: Parts, learn: NDArray[np.intp], judge: NDArray[np.intp], seed: int, trees: int) -> _Verdict:
    x, y = parts.x[learn], parts.y[learn]
    choice = choose(candidates(trees), x, y, _pr_auc, seed=seed)
    plain = next(iter(candidates(trees).values()))(seed).fit(x[:, :RAW], y)
    return _Verdict(
        choice.model.predict_proba(parts.x[judge])[:, 1],
        plain.predict_proba(parts.x[judge, :RAW])[:, 1],
        _attribute(parts, learn, judge, seed, trees),
        choice.name,
        best_threshold(y, choice.held[:, 1]),
    )


def _attribute(parts: Parts, learn: NDArray[np.intp], judge: NDArray[np.intp], seed: int, trees: int) -> Flags:
    """Return which modes a part would fail of, bool[judge, 5], by a forest that has seen the failed parts alone."""
    failed = learn[parts.y[learn]]
    model = candidates(trees)["forest, 60 % of features a split"](seed).fit(parts.x[failed], parts.modes[failed])
    found = [p[:, 1] if p.shape[1] == 2 else np.zeros(len(judge)) for p in model.predict_proba(parts.x[judge])]
    return np.stack(found, axis=1) >= 0.5


def _pr_auc(y: NDArray[Any], chance: Floats, classes: NDArray[Any]) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(y, chance[:, 1]))


def _figures(parts: Parts, run: Held) -> dict[str, float]:
    """Return the means over the folds of one seed."""
    from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

    rows: list[dict[str, float]] = []
    for k in range(FOLDS):
        y, p, said = parts.y[run.fold == k], run.chance[run.fold == k], run.called[run.fold == k]
        raw = run.raw[run.fold == k]
        rows.append(
            {
                "pr_auc": average_precision_score(y, p),
                "f1": f1_score(y, said),
                "f1_at_half": f1_score(y, p >= 0.5),
                "macro_f1": f1_score(y, said, average="macro"),
                "mcc": matthews_corrcoef(y, said),
                "roc_auc": roc_auc_score(y, p),
                "raw_pr_auc": average_precision_score(y, raw),
                "raw_f1_at_half": f1_score(y, raw >= 0.5),
            }
        )
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _intervals(parts: Parts, run: Held) -> dict[str, Figure]:
    """Return PR-AUC and F1 of all held-out rows of one seed with their bootstrap intervals."""
    from sklearn.metrics import average_precision_score

    def pr(p: Floats, y: Floats) -> float:
        return float(average_precision_score(y > 0, p))

    truth = parts.y.astype(np.float64)
    return {
        "pr_auc": bootstrap(pr, run.chance, truth, times=500),
        "f1": bootstrap(f1, run.called.astype(np.float64), truth, times=2000),
    }


def f1(called: Floats, truth: Floats) -> float:
    """Return the F1 of calls against truth, both 0 or 1."""
    hits = float(np.sum(called * truth))
    return 2.0 * hits / max(float(called.sum() + truth.sum()), 1.0)


def _trivial(y: Flags) -> dict[str, float]:
    """Return what needs no model: PR-AUC of chance is the prevalence, F1 of calling every row a failure."""
    share = float(y.mean())
    return {"pr_auc": round(share, 4), "f1": round(2 * share / (1 + share), 4)}


def _modes(parts: Parts, runs: list[Held]) -> dict[str, dict[str, Any]]:
    """Return how well modes are named, by held-out rows of all seeds.

    ``recall`` and ``precision`` are of failed parts: which mode was it? ``recall_of_calls`` asks for both the call
    and the name. Nine failed parts carry no mode, and nearly all random failures carry no 'Machine failure'.
    """
    out: dict[str, dict[str, Any]] = {}
    for j, (mode, name) in enumerate(MODES.items()):
        true = parts.modes[:, j] & parts.y
        hits = sum(int((run.modes[:, j] & true).sum()) for run in runs)
        said = sum(int((run.modes[:, j] & parts.y).sum()) for run in runs)
        called = sum(int((run.modes[:, j] & run.called & true).sum()) for run in runs)
        rows = int(true.sum())
        out[mode] = {
            "name": name.en,
            "rows": rows,
            "recall": round(hits / (len(runs) * rows), 3) if rows else None,
            "precision": round(hits / said, 3) if said else None,
            "recall_of_calls": round(called / (len(runs) * rows), 3) if rows else None,
        }
    return out


def _json(figure: Figure) -> dict[str, float]:
    return {"value": round(figure.value, 4), "low": round(figure.low, 4), "high": round(figure.high, 4)}
