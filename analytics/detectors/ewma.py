"""EWMA chart (Roberts 1959): a mean with exponentially fading memory, for small shifts that last."""

from __future__ import annotations

from typing import Literal

import numpy as np

from analytics.detectors.base import Floats
from analytics.detectors.sequential import Sequential, SequentialConfig
from core.clock import NS
from core.config import Duration

_HOUR = 3600 * NS


class EwmaConfig(SequentialConfig):
    """Settings of :class:`Ewma`; ``memory`` is the time constant of the mean."""

    kind: Literal["ewma"] = "ewma"
    memory: Duration = 3 * _HOUR

    def build(self, seed: int) -> Ewma:
        """Return an untrained detector."""
        return Ewma(self)


class Ewma(Sequential):
    """Score: the largest |mean| over the quantities, in healthy sigmas."""

    name = "ewma"

    def update(self, value: Floats, z: Floats, hours: Floats) -> Floats:
        """Let the mean approach the window: weight 1 - exp(-hours / memory)."""
        weight = 1.0 - np.exp(-np.maximum(hours, 0.0) * _HOUR / self.config.memory)
        half = value.shape[1] // 2
        mean = (value[:, :half] - value[:, half:]) * (1.0 - weight) + z * weight
        return np.hstack([np.maximum(mean, 0.0), np.maximum(-mean, 0.0)])
