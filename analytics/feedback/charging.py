"""Mobile robots charge before they must, and never all at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from analytics.feedback.measures import Bounds, BoundsConfig, Orders, State, having
from core.config import Config
from core.finding import Finding, Prognosis


class ChargingConfig(Config):
    """Settings of :class:`Charging`.

    Attributes
    ----------
    below, full
        Charge in % below which a robot is sent to charge, and at which it counts as charged.
    chargers
        Robots that may charge at once; those that went by themselves are counted.
    stop_krw
        What it costs that a robot stands with an empty battery (assumption).
    """

    kind: Literal["charging"] = "charging"
    below: float = Field(default=35.0, gt=0, lt=100)
    full: float = Field(default=80.0, gt=0, le=100)
    chargers: int = Field(default=1, ge=1)
    stop_krw: float = Field(default=60_000.0, ge=0)
    bounds: BoundsConfig = BoundsConfig()

    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {"amr": ("charge", "current")}

    def build(self) -> Charging:
        """Return the policy."""
        return Charging(self)


class Charging:
    """Sends the emptiest robot to charge while a charger is free."""

    name = "charging"

    def __init__(self, config: ChargingConfig) -> None:
        self._config = config
        self._bounds = Bounds(config.bounds, self.name)

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return commands to charge."""
        out: Orders = []
        robots = sorted(having(state, "amr.charge", "amr.current"), key=lambda r: (r[1]["amr.charge"], r[0]))
        charging = {device for device, own in robots if own["amr.current"] > 0} | self._bounds.active
        for device, own in robots:
            free = len(charging) < self._config.chargers and device not in charging
            wants = own["amr.charge"] < self._config.below and free
            if self._bounds.turn(now, device, wants, own["amr.charge"] >= self._config.full) == "begin":
                charging.add(device)
                reason = f"battery at {own['amr.charge']:.0f} %, a charger is free"
                out += self._bounds.order(now, device, "charge", {}, reason, self._config.stop_krw)
        return out
