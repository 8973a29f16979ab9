"""Rolling-bearing wear: a gamma process whose mean grows exponentially.

Increments are gamma distributed (van Noortwijk 2009, doi:10.1016/j.ress.2007.03.019), so wear never falls; the
exponential mean follows the signal model of Gebraeel (2006). Lives scatter over parts by a lognormal factor.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from core.config import Config
from simulator.wear.component import Path, gamma_path, life_grid

_KNOTS = 400
_REACH = 2.5


class BearingWear(Config):
    """Settings of a bearing's wear.

    Attributes
    ----------
    life_h
        Median operating hours to failure at rate 1.
    scatter
        Standard deviation of the logarithm of a part's life.
    growth
        Exponent of the mean: 0 grows evenly, 4 stays low and rises late.
    roughness
        Variance of wear that a full life adds (0: smooth).
    used
        A plant is not new: a device's first part has spent a share of its life, drawn evenly from 0 to this.
    """

    kind: Literal["bearing"] = "bearing"
    life_h: float = Field(default=2000.0, gt=0)
    scatter: float = Field(default=0.25, ge=0, le=1)
    growth: float = Field(default=3.5, gt=0, le=8)
    roughness: float = Field(default=0.002, ge=0, le=0.1)
    used: float = Field(default=0.0, ge=0, le=0.95)

    def path(self, draw: np.random.Generator) -> Path:
        """Return the wear of one life."""
        nominal_s = self.life_h * 3600.0 * float(np.exp(self.scatter * draw.standard_normal()))
        grid = life_grid(_KNOTS, _REACH)
        mean = np.expm1(self.growth * grid) / np.expm1(self.growth)
        path = gamma_path(mean, self.roughness, float(grid[1]) * nominal_s, draw)
        return replace(path, used_s=self.used * float(draw.random()) * path.life_s)
