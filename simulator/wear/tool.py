"""Wear of a cutting tool in minutes of cutting at nominal speed: even, until an end drawn for each tool."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from core.config import Config
from simulator.wear.component import Path

_KNOTS = 3


class ToolWear(Config):
    """Settings of a tool: its life is uniform between two limits (AI4I 2020: 200 to 240 min).

    ``taylor`` is n in Taylor's V T^n = C (0.25: carbide): wear a minute goes with speed to the power 1/n.
    """

    kind: Literal["tool"] = "tool"
    low_min: float = Field(default=200.0, gt=0)
    high_min: float = Field(default=240.0, gt=0)
    taylor: float = Field(default=0.25, ge=0.1, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> ToolWear:
        if self.high_min < self.low_min:
            raise ValueError("high_min must not be below low_min")
        return self

    def path(self, draw: np.random.Generator) -> Path:
        """Return the wear of one tool."""
        life_s = 60.0 * float(draw.uniform(self.low_min, self.high_min))
        return Path(life_s, np.arange(_KNOTS, dtype=np.float64), life_s)
