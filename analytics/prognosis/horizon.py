"""What every prognoser is told: how far to look, and how sure to be."""

from __future__ import annotations

from pydantic import Field

from core.clock import NS
from core.config import Config, Duration


class HorizonConfig(Config):
    """Settings that all prognosers have.

    Attributes
    ----------
    horizon
        Span within which the chance to fail is told.
    cap
        Largest remaining life that is told apart; 0: five horizons.
    confidence
        Coverage of the remaining-life interval.
    """

    horizon: Duration = 24 * 3600 * NS
    cap: Duration = 0
    confidence: float = Field(default=0.9, gt=0.5, lt=1)

    @property
    def horizon_s(self) -> float:
        """Horizon in s."""
        return self.horizon / NS

    @property
    def cap_s(self) -> float:
        """Cap of remaining life in s."""
        return (self.cap or 5 * self.horizon) / NS
