"""Rolling bearings: how often their parts meet, from geometry.

With N balls of diameter d on a pitch circle D, contact angle a and r = d / D cos a, in events a turn of the shaft
(outer ring fixed): FTF = (1 - r) / 2, BPFO = N (1 - r) / 2, BPFI = N (1 + r) / 2, BSF = (1 - r^2) D / (2 d).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pydantic import Field, model_validator

from core.config import Config


@dataclass(frozen=True, slots=True)
class Orders:
    """Events a turn: cage, outer race, inner race, ball spin."""

    ftf: float
    bpfo: float
    bpfi: float
    bsf: float


class BearingConfig(Config):
    """Geometry of a bearing; lengths in mm (only their ratio counts), ``angle`` in degrees."""

    balls: int = Field(ge=3)
    ball_mm: float = Field(gt=0)
    pitch_mm: float = Field(gt=0)
    angle: float = Field(default=0.0, ge=0, lt=90)

    @model_validator(mode="after")
    def _fits(self) -> BearingConfig:
        if self.ball_mm >= self.pitch_mm:
            raise ValueError("ball_mm must be below pitch_mm")
        return self

    @property
    def orders(self) -> Orders:
        """Kinematic orders."""
        r = self.ball_mm / self.pitch_mm * math.cos(math.radians(self.angle))
        cage = (1.0 - r) / 2.0
        spin = (1.0 - r * r) * self.pitch_mm / (2.0 * self.ball_mm)
        return Orders(cage, self.balls * cage, self.balls * (1.0 + r) / 2.0, spin)


#: SKF 6205: the drive-end bearing of the CWRU test stand, dimensions as its data centre gives them
SKF_6205 = BearingConfig(balls=9, ball_mm=0.3126 * 25.4, pitch_mm=1.537 * 25.4)
