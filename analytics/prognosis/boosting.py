"""Histogram gradient boosting, set up alike for every model of the family (Friedman 2001, scikit-learn)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.threads import limit_threads
from core.config import Config

Floats = NDArray[np.float64]


class BoostingConfig(Config):
    """Size of an ensemble of trees.

    Attributes
    ----------
    iterations, learning_rate, leaves, min_leaf, l2, features
        As in scikit-learn: trees, shrinkage, leaves a tree, rows a leaf, ridge on leaf values, share of
        features tried at a split.
    bins
        Steps a feature is cut into; scikit-learn spends most of a small training on finding them.
    members
        Ensembles of different seeds whose means are averaged.
    folds
        Groups are dealt into so many folds to get predictions for rows a model has not seen.
    """

    iterations: int = Field(default=50, ge=1)
    learning_rate: float = Field(default=0.12, gt=0, le=1)
    leaves: int = Field(default=8, ge=2)
    min_leaf: int = Field(default=30, ge=1)
    l2: float = Field(default=5.0, ge=0)
    features: float = Field(default=0.4, gt=0, le=1)
    bins: int = Field(default=48, ge=4, le=255)
    members: int = Field(default=1, ge=1)
    folds: int = Field(default=3, ge=2)


def regressor(config: BoostingConfig, seed: int) -> Any:
    """Return an unfitted regressor of the mean."""
    from sklearn.ensemble import HistGradientBoostingRegressor

    limit_threads()
    return HistGradientBoostingRegressor(**_common(config, seed))


def classifier(config: BoostingConfig, seed: int) -> Any:
    """Return an unfitted classifier."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    limit_threads()
    return HistGradientBoostingClassifier(**_common(config, seed))


def deal(group: NDArray[np.int64], folds: int, seed: int) -> list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Return (rows to learn from, rows to judge) of each fold; a group is never on both sides."""
    names = np.random.default_rng(seed).permutation(np.unique(group))
    folds = min(folds, len(names))
    if folds < 2:
        return []
    return [(~held, held) for k in range(folds) if bool((held := np.isin(group, names[k::folds])).any())]


def learnable(x: Floats) -> Floats:
    """Return features with 0 in columns that have no value at all: trees cannot be binned without one."""
    empty = ~np.isfinite(x).any(axis=0)
    return np.where(empty, 0.0, x) if bool(empty.any()) else x


def _common(config: BoostingConfig, seed: int) -> dict[str, Any]:
    return {
        "max_iter": config.iterations,
        "learning_rate": config.learning_rate,
        "max_leaf_nodes": config.leaves,
        "min_samples_leaf": config.min_leaf,
        "l2_regularization": config.l2,
        "max_features": config.features,
        "max_bins": config.bins,
        "early_stopping": False,
        "random_state": seed % 2**32,
    }
