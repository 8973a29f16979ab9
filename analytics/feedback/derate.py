"""Equipment likely to fail is run gently until it can be maintained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from analytics.feedback.measures import Bounds, BoundsConfig, Orders, State
from core.config import Config
from core.finding import Finding, Prognosis


class DerateConfig(Config):
    """Settings of :class:`Derate`.

    Attributes
    ----------
    at, end
        Chance of failure within the horizon at which derating begins, and below which it ends (a new part).
    factor
        Share of the full speed or output.
    relief
        Share of the chance of failure that it takes away (bearings: life goes with a power of the load, ISO 281;
        assumption).
    cost_failure, lost_h
        KRW of a failure (a machine's own, where costs are known), and of an hour at the lower output (assumption).
    kinds
        Kinds of equipment that may be derated; empty: all that know the command.
    """

    kind: Literal["derate"] = "derate"
    at: float = Field(default=0.3, gt=0, lt=1)
    end: float = Field(default=0.1, ge=0, lt=1)
    factor: float = Field(default=0.7, ge=0.1, lt=1)
    relief: float = Field(default=0.5, ge=0, le=1)
    cost_failure: float = Field(default=12_000_000.0, gt=0)
    lost_h: float = Field(default=20_000.0, ge=0)
    kinds: tuple[str, ...] = ()
    bounds: BoundsConfig = BoundsConfig(clear=2)

    @property
    def reads(self) -> Mapping[str, tuple[str, ...]]:
        """Return what the policy looks at."""
        return dict.fromkeys(self.kinds, ("state",))

    def build(self) -> Derate:
        """Return the policy."""
        return Derate(self)


class Derate:
    """Lowers the set-point of machines at risk, and gives it back after the repair."""

    name = "derate"

    def __init__(self, config: DerateConfig) -> None:
        self._config = config
        self._bounds = Bounds(config.bounds, self.name)

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return deratings and their ends."""
        out: Orders = []
        for device, prognosis in sorted(prognoses.items()):
            own = state.get(device, {})
            if own.get("down", 0.0) > 0 or not self._mine(own):
                continue
            p, config = prognosis.p_failure, self._config
            match self._bounds.turn(now, device, p >= config.at and self._worth(prognosis, own) > 0, p < config.end):
                case "begin":
                    cause = f"; {prognosis.cause}" if prognosis.cause else ""
                    hours = prognosis.horizon_s / 3600
                    reason = f"{p:.0%} chance to fail within {hours:.0f} h: gently until it is maintained{cause}"
                    args: dict[str, float | str] = {"factor": config.factor}
                    out += self._bounds.order(now, device, "derate", args, reason, self._worth(prognosis, own))
                case "end":
                    reason = f"{p:.0%} chance to fail: full output again"
                    out += self._bounds.order(now, device, "derate", {"factor": 1.0}, reason)
        return out

    def _mine(self, own: Mapping[str, float]) -> bool:
        return not self._config.kinds or any(f"{kind}.state" in own for kind in self._config.kinds)

    def _worth(self, prognosis: Prognosis, own: Mapping[str, float]) -> float:
        """Return the expected saving until the end of the horizon, or of the life if that comes first."""
        hours = min(prognosis.horizon_s, max(prognosis.rul_s, 0.0)) / 3600
        failure = own.get("cost_failure", self._config.cost_failure)
        return prognosis.p_failure * self._config.relief * failure - self._config.lost_h * hours
