"""What detectors share: which features they look at, and a threshold from healthy windows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from analytics.features import FeatureInfo, columns_named
from core.config import Config
from core.errors import ModelError

Floats = NDArray[np.float64]


class LearnedConfig(Config):
    """Settings of detectors that learn from healthy windows.

    Attributes
    ----------
    features
        Slot features to look at.
    quantile, margin
        The threshold is ``margin`` times this quantile of the healthy scores.
    """

    features: tuple[str, ...] = ("drift", "trend")
    quantile: float = Field(default=0.999, gt=0.5, le=1)
    margin: float = Field(default=1.15, gt=0)

    def columns(self, infos: Sequence[FeatureInfo]) -> NDArray[np.intp]:
        """Return the columns of the feature matrix that the detector wants."""
        return np.sort(np.concatenate([columns_named(infos, name) for name in self.features]))

    def limit(self, scores: Floats) -> float:
        """Return the threshold that healthy scores give."""
        known = scores[np.isfinite(scores)]
        if not len(known):
            raise ModelError("no healthy window has a value: a detector has nothing to learn from")
        return float(np.quantile(known, self.quantile)) * self.margin


def filled(x: Floats) -> Floats:
    """Return features with 0 (no deviation) where a value is missing."""
    return np.where(np.isfinite(x), x, 0.0)


def blank(x: Floats, scores: Floats) -> Floats:
    """Return scores with NaN where a row has no value at all."""
    return np.where(np.isfinite(x).any(axis=1), scores, np.nan)
