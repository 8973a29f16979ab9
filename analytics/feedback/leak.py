"""A burst main is shut off, repaired and opened again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field

from analytics.feedback.measures import Bounds, BoundsConfig, Orders, State, having
from core.clock import NS
from core.config import Config, Duration
from core.finding import Finding, Prognosis

_OPEN, _CLOSED, _RUNNING = 0.0, 2.0, 1.0


class LeakConfig(Config):
    """Settings of :class:`LeakIsolation`.

    Attributes
    ----------
    rise
        Share by which the inflow must exceed what it was before.
    memory
        Time constant of what it was before; long enough that demand by the hour follows it, no burst does.
    water_krw
        Value of a m3 of water (assumption of the size of Seoul's tariff).
    unnoticed
        How long a burst runs until somebody sees it on the street (assumption).
    repair
        Length of the repair asked for once the valve is closed.
    """

    kind: Literal["leak_isolation"] = "leak_isolation"
    rise: float = Field(default=0.25, gt=0)
    memory: Duration = 1800 * NS
    water_krw: float = Field(default=1_000.0, ge=0)
    unnoticed: Duration = 12 * 3600 * NS
    repair: Duration = 4 * 3600 * NS
    bounds: BoundsConfig = BoundsConfig()

    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {"water_zone": ("inflow", "valve", "state")}

    def build(self) -> LeakIsolation:
        """Return the policy."""
        return LeakIsolation(self)


class LeakIsolation:
    """Isolates a zone whose inflow jumps, has it repaired, and restores it."""

    name = "leak_isolation"

    def __init__(self, config: LeakConfig) -> None:
        self._config = config
        self._bounds = Bounds(config.bounds, self.name)
        self._usual: dict[str, tuple[int, float]] = {}
        self._stage: dict[str, tuple[str, int]] = {}

    def decide(
        self, now: int, prognoses: Mapping[str, Prognosis], findings: Mapping[str, Finding], state: State
    ) -> Orders:
        """Return isolations, repairs and restorations."""
        out: Orders = []
        for device, own in having(state, "water_zone.inflow", "water_zone.valve"):
            if device in self._stage:
                out += self._go_on(now, device, own)
                continue
            inflow, usual = own["water_zone.inflow"], self._level(now, device, own)
            burst = own["water_zone.valve"] == _OPEN and inflow > usual * (1.0 + self._config.rise)
            if self._bounds.turn(now, device, burst, not burst) == "begin":
                self._stage[device] = ("closing", now)
                out += self._isolate(now, device, inflow, usual)
        return out

    def _level(self, now: int, device: str, own: Mapping[str, float]) -> float:
        """Return the usual inflow, which follows slowly and stands still while it is far exceeded."""
        inflow = own["water_zone.inflow"]
        before, usual = self._usual.get(device, (now, inflow))
        exceeded = inflow > usual * (1.0 + self._config.rise)
        share = 0.0 if exceeded else min(1.0, (now - before) / self._config.memory)
        usual += share * (inflow - usual)
        self._usual[device] = (now, usual)
        return usual

    def _isolate(self, now: int, device: str, inflow: float, usual: float) -> Orders:
        lost = (inflow - usual) * self._config.unnoticed / NS / 3600
        reason = f"inflow {inflow:.0f} m³/h, usual {usual:.0f} m³/h: a burst main"
        return self._bounds.order(now, device, "isolate", {}, reason, lost * self._config.water_krw)

    def _go_on(self, now: int, device: str, own: Mapping[str, float]) -> Orders:
        """Ask for the repair once the valve is closed, for water once the repair is done."""
        stage, since = self._stage[device]
        valve, working = own["water_zone.valve"], own.get("water_zone.state", _RUNNING) == _RUNNING
        if stage == "closing" and valve == _CLOSED:
            self._stage[device] = ("repair", now)
            args: dict[str, float | str] = {"duration": self._config.repair / NS, "parts": "all"}
            return self._bounds.order(now, device, "maintain", args, "the zone is shut off: dig up and mend the main")
        if stage == "repair" and not working:
            self._stage[device] = ("digging", now)
        elif stage == "digging" and working and valve == _CLOSED:
            self._stage[device] = ("opening", now)
            return self._bounds.order(now, device, "restore", {}, "the main is mended")
        elif stage == "opening" and valve == _OPEN:
            del self._stage[device]
            self._bounds.active.discard(device)
            self._usual.pop(device, None)
        elif stage in ("closing", "repair") and valve == _OPEN and now - since > 10 * self._config.bounds.expires:
            del self._stage[device]  # refused, or somebody opened it: look anew
            self._bounds.active.discard(device)
        return []
