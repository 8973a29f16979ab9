"""A refrigerated van whose goods are about to get too warm brings them back to the cold store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from analytics.feedback.measures import Bounds, BoundsConfig, Orders, State, Trend, having
from core.clock import NS
from core.config import Config, Duration
from core.finding import Finding, Prognosis


class ColdChainConfig(Config):
    """Settings of :class:`ColdChain`.

    Attributes
    ----------
    limit
        Temperature of the goods not to be passed, Cel (2 to 8 Cel: USP <1079>, goods kept in a refrigerator).
    ahead, over
        How far ahead the temperature is extrapolated, and the span whose slope is taken.
    refuge
        District to drive to: where the cold store is.
    pallet_krw
        Value of a pallet of goods (assumption).
    """

    kind: Literal["cold_chain"] = "cold_chain"
    limit: float = 8.0
    ahead: Duration = 1200 * NS
    over: Duration = 600 * NS
    refuge: str = "songpa"
    pallet_krw: float = Field(default=1_500_000.0, ge=0)
    bounds: BoundsConfig = BoundsConfig()

    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {"van": ("product_temp", "load")}

    def build(self) -> ColdChain:
        """Return the policy."""
        return ColdChain(self)


class ColdChain:
    """Re-routes loaded vans whose goods will pass the limit; the van takes its usual route again by itself."""

    name = "cold_chain"

    def __init__(self, config: ColdChainConfig) -> None:
        self._config = config
        self._bounds = Bounds(config.bounds, self.name)
        self._trend = Trend(config.over)

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return re-routings."""
        out: Orders = []
        for device, own in having(state, "van.product_temp", "van.load"):
            celsius, load = own["van.product_temp"], own["van.load"]
            slope = max(self._trend.take(device, now, celsius), 0.0)
            coming = celsius + slope * self._config.ahead / NS
            safe = coming < self._config.limit - 1.0 or load < 0.5
            if self._bounds.turn(now, device, coming > self._config.limit and load >= 0.5, safe) == "begin":
                minutes = self._config.ahead / NS / 60
                soon = f"{coming:.1f} °C within {minutes:.0f} min" if slope > 0 else "and not falling"
                reason = f"goods at {celsius:.1f} °C, {soon}, limit {self._config.limit:g} °C; {load:.0f} pallets"
                saving = load * self._config.pallet_krw
                out += self._bounds.order(
                    now, device, "re_route", {"stops": self._config.refuge}, f"{reason} at stake", saving
                )
        return out
