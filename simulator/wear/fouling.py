"""Fouling: a filter or heat exchanger that takes up dirt at an even mean rate (gamma process)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from core.config import Config
from simulator.wear.component import Path, gamma_path, life_grid

_KNOTS = 200
_REACH = 3.0


class FoulingWear(Config):
    """Settings of fouling.

    Attributes
    ----------
    life_h
        Median operating hours until it is clogged, at rate 1.
    scatter
        Standard deviation of the logarithm of that time.
    roughness
        Variance of wear that a full life adds.
    """

    kind: Literal["fouling"] = "fouling"
    life_h: float = Field(default=2000.0, gt=0)
    scatter: float = Field(default=0.2, ge=0, le=1)
    roughness: float = Field(default=0.001, ge=0, le=0.1)

    def path(self, draw: np.random.Generator) -> Path:
        """Return the wear of one life."""
        nominal_s = self.life_h * 3600.0 * float(np.exp(self.scatter * draw.standard_normal()))
        grid = life_grid(_KNOTS, _REACH)
        return gamma_path(grid, self.roughness, float(grid[1]) * nominal_s, draw)
