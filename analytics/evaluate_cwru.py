"""The CWRU table protocol: stratified hold-out of 750 rows, three splits, model chosen inside the training rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analytics.choose import Candidates, choose
from analytics.cwru import COLUMNS, read_windows
from analytics.evaluate import bootstrap
from core.errors import ModelError

Floats = NDArray[np.float64]
HELD = 750
FOLDS = 5
TREES = 300
PROTOCOL = (
    f"stratified hold-out of {HELD} rows, one split a seed; model chosen by {FOLDS}-fold cross-validation inside the "
    "training rows; windows of one recording stand on both sides, so this is an easy set"
)
PUBLISHED = ("untuned random forest: accuracy .960", "support vector machine on time features: accuracy .965")


def candidates(trees: int = TREES) -> Candidates:
    """Return the models to choose from."""
    from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier, VotingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, PowerTransformer
    from sklearn.svm import SVC

    def machine(c: float) -> Callable[[int], Any]:
        return lambda seed: make_pipeline(PowerTransformer(), SVC(C=c, random_state=seed))

    def committee(seed: int) -> Any:
        members = [
            ("forest", RandomForestClassifier(trees, random_state=seed)),
            ("linear", make_pipeline(PowerTransformer(), LogisticRegression(C=30.0, max_iter=2000))),
            ("extra", make_pipeline(FunctionTransformer(shapes), ExtraTreesClassifier(trees, random_state=seed))),
            (
                "quadratic",
                make_pipeline(
                    FunctionTransformer(shapes), PowerTransformer(), QuadraticDiscriminantAnalysis(reg_param=0.01)
                ),
            ),
        ]
        return VotingClassifier(members, voting="soft")

    return {
        "forest": lambda seed: RandomForestClassifier(trees, random_state=seed),
        "support vectors after a power transform": machine(10.0),
        "committee of forest, extra trees, linear and quadratic model": committee,
    }


def shapes(x: Floats) -> Floats:
    """Return sizes on a logarithmic scale and shapes free of size, float64[n, 9], of the table's columns."""
    high, low, mean, sd = x[:, 0], -x[:, 1], x[:, 2], x[:, 3]
    skew, kurtosis = x[:, 5], x[:, 6]
    tiny = np.finfo(np.float64).tiny
    logs = [np.log(np.maximum(v, tiny)) for v in (high, low, sd, kurtosis + 3.5, high / sd, low / sd)]
    return np.stack([*logs, mean, skew, mean / sd], axis=1)


def evaluate_cwru(
    path: Path, seeds: int = 3, trees: int = TREES, held: int = HELD, told: Callable[[float], None] | None = None
) -> dict[str, Any]:
    """Return the figures of the protocol, JSON-ready; ``told`` hears the share done."""
    from sklearn.model_selection import train_test_split

    data = read_windows(path)
    classes, counts = np.unique(data.y, return_counts=True)
    if len(data.y) < 2 * held or int(counts.min()) < 2 * FOLDS:
        raise ModelError(
            f"{data.path}: {len(data.y)} rows, {counts.min()} of class {str(classes[np.argmin(counts)])!r}: "
            f"the protocol needs {2 * held} rows and {2 * FOLDS} of each class"
        )
    accuracy, plain, chosen = [], [], []
    right: list[Floats] = []
    confused = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for seed in range(seeds):
        learn, judge = train_test_split(np.arange(len(data.y)), test_size=held, stratify=data.y, random_state=seed)
        choice = choose(candidates(trees), data.x[learn], data.y[learn], _accuracy, seed=seed, folds=FOLDS)
        said = choice.model.predict(data.x[judge])
        hits = (said == data.y[judge]).astype(np.float64)
        right.append(hits)
        np.add.at(confused, (np.searchsorted(classes, data.y[judge]), np.searchsorted(classes, said)), 1)
        forest = candidates(trees)["forest"](seed).fit(data.x[learn], data.y[learn])
        accuracy.append(float(hits.mean()))
        plain.append(float(forest.score(data.x[judge], data.y[judge])))
        chosen.append({"model": choice.name, "inner": {k: round(v, 4) for k, v in choice.scores.items()}})
        if told is not None:
            told((seed + 1) / seeds)
    pooled = np.concatenate(right)
    interval = bootstrap(lambda p, _: float(p.mean()), pooled, pooled)
    return {
        "protocol": PROTOCOL,
        "rows": len(data.y),
        "classes": len(classes),
        "seeds": seeds,
        "accuracy": round(float(np.mean(accuracy)), 4),
        "accuracy_by_seed": [round(a, 4) for a in accuracy],
        "interval": {"low": round(interval.low, 4), "high": round(interval.high, 4)},
        "forest": round(float(np.mean(plain)), 4),
        "chosen": chosen,
        "trivial": round(float(counts.max() / counts.sum()), 4),
        "recall_by_class": {
            str(name): round(float(confused[i, i] / max(confused[i].sum(), 1)), 3) for i, name in enumerate(classes)
        },
        "published": list(PUBLISHED),
        "features": [{"name": n, "unit": unit, "formula": f} for n, (unit, f, _) in COLUMNS.items()],
    }


def _accuracy(y: NDArray[Any], chance: Floats, classes: NDArray[Any]) -> float:
    return float(np.mean(classes[np.argmax(chance, axis=1)] == y))
