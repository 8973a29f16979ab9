"""The ``compare`` section of a scenario: shifts, prices, how models learn and intervals are tuned."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from analytics.feedback.gate import GateConfig
from core.clock import NS
from core.config import Config, Duration

POLICIES = ("run_to_failure", "periodic", "condition", "predictive")


class Prices(Config):
    """Prices of one kind of equipment, KRW.

    Attributes
    ----------
    downtime_h, rest_h
        Of an hour down within production time (lost margin), and outside it.
    repair_parts, planned_parts
        Parts of a repair after a failure (with what the failure spoilt besides) and of planned maintenance.
    repair_h, planned_h
        Person-hours of each.
    callout
        Of calling a crew that was not planned for.
    scrap
        Of a scrapped unit.
    """

    downtime_h: float = Field(default=0.0, ge=0)
    rest_h: float = Field(default=0.0, ge=0)
    repair_parts: float = Field(default=0.0, ge=0)
    planned_parts: float = Field(default=0.0, ge=0)
    repair_h: float = Field(default=0.0, ge=0)
    planned_h: float = Field(default=0.0, ge=0)
    callout: float = Field(default=0.0, ge=0)
    scrap: float = Field(default=0.0, ge=0)


class CostConfig(Config):
    """What things cost, KRW: an hour of a person, a kW.h, a truck that leaves late; and by kind of equipment."""

    labour_h: float = Field(default=45_000.0, ge=0)
    energy_kwh: float = Field(default=175.0, ge=0)
    late: float = Field(default=300_000.0, ge=0)
    kinds: dict[str, Prices] = Field(default_factory=dict)

    def of(self, kind: str) -> Prices:
        """Return a kind's prices."""
        return self.kinds.get(kind, Prices())

    def failure(self, kind: str, down_h: float) -> float:
        """Return what a failure in production time costs that keeps the machine down for ``down_h``."""
        p = self.of(kind)
        return p.repair_parts + p.callout + p.repair_h * self.labour_h + p.downtime_h * down_h

    def planned(self, kind: str, down_h: float) -> float:
        """Return what a planned maintenance outside production time costs."""
        p = self.of(kind)
        return p.planned_parts + p.planned_h * self.labour_h + p.rest_h * down_h


class CalendarConfig(Config):
    """Working time: the first ``shifts`` of ``a_day`` shifts on the first ``days`` of a week; the run starts on a
    Monday with the first shift. ``kinds`` stand still outside it, all others run around the clock."""

    shift: Duration = 8 * 3600 * NS
    a_day: int = Field(default=3, ge=1)
    shifts: int = Field(default=2, ge=1)
    days: int = Field(default=6, ge=1, le=7)
    kinds: tuple[str, ...] = ()


class OrderConfig(Config):
    """Deliveries of each machine of ``kind``: every working day trucks of ``truck`` units are due at its end.

    ``demand`` is the units ordered a working day, ``room`` the most that may stand in the warehouse.
    """

    kind: str = ""
    demand: float = Field(default=80_000.0, gt=0)
    truck: float = Field(default=16_000.0, gt=0)
    room: float = Field(default=80_000.0, ge=0)


class LearnConfig(Config):
    """Seeds that models learn from, and seeds that intervals and limits are tuned on; never those compared.

    Attributes
    ----------
    days
        Length of their runs.
    train, tune
        Number of seeds for each.
    factors, sweep
        Stretches of the periodic interval that the recorded lives suggest, tried in full on so many tuning seeds; the
        cheapest is kept.
    """

    days: int = Field(default=180, ge=1)
    train: int = Field(default=8, ge=1)
    tune: int = Field(default=4, ge=1)
    factors: tuple[float, ...] = (0.8, 1.0, 1.25, 1.6)
    sweep: int = Field(default=2, ge=1)


class WatchConfig(Config):
    """When a prognosis is an alarm, and which alarms count as right.

    Attributes
    ----------
    at, clear_at
        Chance of failure that raises an alarm, and share of it below which the alarm ends.
    raise_after
        Shifts in a row.
    within
        An alarm is right if the machine fails within this span.
    settle
        A failure is predictable if its machine had been observed for this span.
    seeds
        Compared seeds on which alarms are scored.
    """

    at: float = Field(default=0.3, gt=0, lt=1)
    clear_at: float = Field(default=0.3, gt=0, le=1)
    raise_after: int = Field(default=1, ge=1)
    within: Duration = 21 * 86_400 * NS
    settle: Duration = 3 * 86_400 * NS
    seeds: int = Field(default=6, ge=1)


class CompareConfig(Config):
    """How policies are compared.

    Attributes
    ----------
    sample
        Period at which channels are read.
    urgent
        Chance of failure within the horizon from which the predictive policy stops production for maintenance.
    severity
        Finding on which the condition-based policy acts: a warning is zone C of ISO 20816-3, an alarm zone D.
    """

    sample: Duration = 600 * NS
    calendar: CalendarConfig = CalendarConfig()
    costs: CostConfig = CostConfig()
    orders: OrderConfig = OrderConfig()
    learn: LearnConfig = LearnConfig()
    watch: WatchConfig = WatchConfig()
    gate: GateConfig = GateConfig()
    urgent: float = Field(default=1.0, gt=0, le=1)
    severity: Literal["warning", "alarm"] = "warning"
