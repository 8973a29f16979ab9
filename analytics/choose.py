"""Choice among candidate models by cross-validation inside the training rows; the rows judged later stay unseen."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ModelError

Floats = NDArray[np.float64]
Candidates = Mapping[str, Callable[[int], Any]]


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The winner, fitted to all training rows.

    Attributes
    ----------
    name, model
        Which candidate, and its fitted model.
    held : float64[n, classes]
        Chances for each training row by a model that has not seen it; columns as ``model.classes_``.
    scores
        Inner score of every candidate.
    """

    name: str
    model: Any
    held: Floats
    scores: dict[str, float]


def choose(
    candidates: Candidates,
    x: Floats,
    y: NDArray[Any],
    score: Callable[[NDArray[Any], Floats, NDArray[Any]], float],
    *,
    seed: int,
    folds: int = 3,
) -> Choice:
    """Return the candidate with the best mean score over stratified folds of the training rows.

    ``score(y, chances: float64[n, classes], classes)`` judges held-out chances, higher is better.

    Raises
    ------
    ModelError
        If a class has fewer rows than folds.
    """
    from sklearn.model_selection import StratifiedKFold

    classes, count = np.unique(y, return_counts=True)
    if len(classes) < 2 or int(count.min()) < folds:
        rare = classes[int(np.argmin(count))]
        raise ModelError(f"class {rare} has {count.min()} training rows of {len(y)}: {folds} of each are needed")
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y))
    held: dict[str, Floats] = {}
    scores: dict[str, float] = {}
    for name, build in candidates.items():
        out = np.zeros((len(y), len(classes)))
        for learn, judge in splits:
            out[judge] = chances(build(seed).fit(x[learn], y[learn]), x[judge])
        held[name] = out
        scores[name] = float(np.mean([score(y[judge], out[judge], classes) for _, judge in splits]))
    best = max(scores, key=lambda name: scores[name])
    return Choice(best, candidates[best](seed).fit(x, y), held[best], scores)


def chances(model: Any, x: Floats) -> Floats:
    """Return chances by class, float64[n, classes]; of a model without any, 1 for the class it names."""
    if hasattr(model, "predict_proba"):
        return np.asarray(model.predict_proba(x), dtype=np.float64)
    return np.asarray(model.predict(x)[:, None] == model.classes_[None, :], dtype=np.float64)


def best_threshold(truth: NDArray[np.bool_], chance: Floats) -> float:
    """Return the chance from which calling an event gives the largest F1 on these rows; 0.5 where none is true.

    Halfway between the two chances that the best cut separates.
    """
    if not bool(truth.any()):
        return 0.5
    order = np.argsort(-chance, kind="stable")
    ranked = chance[order]
    hits = np.cumsum(truth[order])
    f1 = 2.0 * hits / (np.arange(1, len(truth) + 1) + truth.sum())
    f1[:-1][ranked[:-1] == ranked[1:]] = -1.0  # equal chances are called together
    at = int(np.argmax(f1))
    below = ranked[at + 1] if at + 1 < len(ranked) else 0.0
    return float((ranked[at] + below) / 2.0)
