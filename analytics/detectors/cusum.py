"""CUSUM chart (Page 1954): adds up what exceeds an allowance, so that a small shift is found if it only lasts."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from analytics.detectors.base import Floats
from analytics.detectors.sequential import Sequential, SequentialConfig


class CusumConfig(SequentialConfig):
    """Settings of :class:`Cusum`.

    Attributes
    ----------
    allowance
        Deviation in sigma that is free; the chart is quickest for shifts of twice as much.
    most
        Sum (sigma hours) above which it grows no more, so that an alarm can end.
    """

    kind: Literal["cusum"] = "cusum"
    allowance: float = Field(default=1.0, ge=0)
    most: float = Field(default=100.0, gt=0)

    def build(self, seed: int) -> Cusum:
        """Return an untrained detector."""
        return Cusum(self)


class Cusum(Sequential):
    """Score: the larger of both one-sided sums over the quantities, in sigma hours."""

    name = "cusum"

    def update(self, value: Floats, z: Floats, hours: Floats) -> Floats:
        """Add ``(|z| - allowance) hours`` on either side; below 0 there is nothing."""
        half = value.shape[1] // 2
        up = value[:, :half] + (z - self.config.allowance) * hours
        down = value[:, half:] + (-z - self.config.allowance) * hours
        return np.asarray(np.clip(np.hstack([up, down]), 0.0, self.config.most))
